//! Tests of reading the settings of a container: what people paste, and what they leave out.

use super::*;
use serde_json::json;

const SIGNATURE: &str = "l%2FACYNPvYoSZZfTMJ5TE9Ickhg";

fn problems(more: Value) -> String {
    let mut source = json!({
        "data_source_type": "AZURE_BLOB_STORAGE", "azure_blob_storage_account_name": "lake",
        "azure_blob_storage_container_name": "tables",
    });
    for (name, value) in more.as_object().expect("an object") {
        source[name] = value.clone();
    }
    let read = Config::from_json(&json!({"data_source": source}).to_string());
    read.err().map(|error| error.message().to_owned()).unwrap_or_default()
}

#[test]
fn what_is_pasted_around_a_token_is_told_without_the_token() {
    let token = format!("sv=2024-11-04&sr=c&sp=racwdl&se=2030-01-01T00:00:00Z&sig={SIGNATURE}");
    let url = "https://lake.blob.core.windows.net/tables";
    for good in [token.clone(), format!("?{token}"), format!("{url}?{token}")] {
        assert_eq!(problems(json!({"azure_blob_storage_sas_token": good})), "");
    }
    for (wrong, said) in [
        (format!("\"{token}\""), "has a quotation mark"),
        (format!("'{token}'"), "has a quotation mark"),
        (token.replace('&', "&amp;"), "has &amp; in it"),
        (format!("{url}?restype=container&comp=list&{token}"), "has restype=… in it"),
        (format!("{token}&comp=list"), "has comp=… in it"),
        (token.replace("%2F", "%252F"), "is encoded twice"),
        (format!("{token} "), ""),
        (token.replace("&sp", "& sp"), "has a space"),
        (format!("BlobEndpoint={url};SharedAccessSignature={token}"), "is a connection string"),
        ("sv=2024-11-04&sr=c&sp=racwdl".to_owned(), "is no SAS"),
    ] {
        let told = problems(json!({"azure_blob_storage_sas_token": wrong}));
        assert!(told.contains(said) && told.lines().count() <= 1, "{said}: {told}");
        assert!(!told.contains(SIGNATURE), "{told}");
    }
}

#[test]
fn a_wrong_identity_is_one_problem_about_the_setting_that_is_wrong() {
    for (given, said) in [
        (json!({"azure_blob_storage_sas_token": 5}), "`data_source.azure_blob_storage_sas_token` must be a string"),
        (
            json!({"azure_blob_storage_account_key": true}),
            "`data_source.azure_blob_storage_account_key` must be a string",
        ),
        (
            json!({"azure_tenant_id": "t", "azure_client_id": "c"}),
            "`data_source.azure_client_secret` is missing although",
        ),
        (json!({"azure_client_id": "c"}), "`data_source.azure_client_secret` is missing although"),
        (json!({}), "`data_source.azure_blob_storage_sas_token` is missing or empty"),
        (json!({"azure_blob_storage_account_key": "no key"}), "is no account key"),
    ] {
        let told = problems(given);
        assert!(told.contains(said) && told.lines().count() == 1, "{said}: {told}");
    }
}

#[test]
fn names_that_azure_does_not_have_are_refused_before_it_is_asked() {
    let with =
        |name: &str, value: &str| problems(json!({"azure_blob_storage_account_key": "Zm9yIGV4YW1wbGU=", name: value}));
    for (name, value, said) in [
        ("azure_blob_storage_container_name", "ab", "3 to 63"),
        ("azure_blob_storage_container_name", "Tables", "3 to 63"),
        ("azure_blob_storage_container_name", "a--b", "3 to 63"),
        ("azure_blob_storage_account_name", "My_lake", "must be only the account's name"),
        ("azure_base_path", "lake/users/_delta_log", "no table"),
        ("azure_base_path", "lake/..", "ends in a dot"),
        ("azure_base_path", "a%20b", "has a %"),
    ] {
        let told = with(name, value);
        assert!(told.contains(said), "{value}: {told}");
    }
    for container in ["abc", "$root", "$web", &"a".repeat(63)] {
        assert_eq!(with("azure_blob_storage_container_name", container), "", "{container}");
    }
}
