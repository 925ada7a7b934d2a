//! Tests of reading configurations: the shapes that the older connector took, the wrong ones, and secrecy.

use super::*;
use crate::error::Kind;
use crate::secret::Secret;
use serde_json::json;
use std::path::PathBuf;

const TOKEN: &str = "dapi0123456789abcdefghij0123456789AB";

pub(super) fn read(value: Value) -> Config {
    Config::from_json(&value.to_string()).expect("a valid configuration")
}

pub(super) fn problems(value: Value) -> String {
    let error = Config::from_json(&value.to_string()).expect_err("a wrong configuration");
    assert_eq!(error.kind(), Kind::Config);
    error.message().to_owned()
}

/// A configuration as Airbyte's connector 1.1.x took it.
pub(super) fn older(data_source: Value) -> Value {
    json!({
        "accept_terms": true,
        "databricks_server_hostname": "abc-12345678-wxyz.cloud.databricks.com",
        "databricks_http_path": "sql/protocolvx/o/1234567489/0000-1111111-abcd90",
        "databricks_port": "443",
        "databricks_personal_access_token": TOKEN,
        "database": "main",
        "schema": "sales",
        "enable_schema_evolution": true,
        "data_source": data_source,
        "purge_staging_data": false
    })
}

fn local(path: &str) -> Value {
    json!({"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": path}})
}

pub(super) fn with(mut config: Value, name: &str, value: Value) -> Value {
    config[name] = value;
    config
}

#[test]
fn a_local_directory_is_all_that_has_to_be_given() {
    let config = read(local("/local/lakehouse"));
    assert_eq!(config.engine, Engine::Direct);
    assert_eq!(config.storage, StorageSettings::Local { path: PathBuf::from("/local/lakehouse") });
    assert_eq!((config.catalog.as_str(), config.schema.as_str()), ("hive_metastore", "default"));
    assert!(config.purge_staging_data && !config.enable_schema_evolution);
    assert_eq!(config.tuning.flush_size, 256 * 1024 * 1024);
    assert_eq!(config.tuning.flush_interval, Duration::from_secs(300));
    assert_eq!(config.tuning.max_line, 256 * 1024 * 1024);
    assert_eq!(config.tuning.heartbeat, Duration::from_secs(30));
    assert_eq!(config.tuning.compression, Compression::Zstd);
    assert!((1..=256 * 1024 * 1024).contains(&config.tuning.memory_limit));
    assert!(config.unknown_fields.is_empty());
    config.ensure_supported().expect("supported");
}

#[test]
fn an_older_configuration_with_managed_tables_is_read() {
    let config = read(older(json!({"data_source_type": "MANAGED_TABLES_STORAGE"})));
    assert_eq!(config.storage, StorageSettings::Managed(ManagedSettings::default()));
    let expected = DatabricksSettings {
        hostname: "abc-12345678-wxyz.cloud.databricks.com".to_owned(),
        http_path: "sql/protocolvx/o/1234567489/0000-1111111-abcd90".to_owned(),
        https: true,
        workspace: None,
        port: 443,
        authentication: Authentication::token(Secret::new(TOKEN), TokenSetting::Flat),
        account: None,
        statement_timeout: Duration::from_secs(7200),
        load_parallelism: 8,
    };
    assert_eq!(config.engine, Engine::Databricks(Box::new(expected)));
    assert_eq!((config.catalog.as_str(), config.schema.as_str()), ("main", "sales"));
    assert!(config.enable_schema_evolution && !config.purge_staging_data);
}

#[test]
fn an_older_configuration_with_s3_is_read() {
    let source = json!({
        "data_source_type": "S3_STORAGE",
        "s3_bucket_name": "airbyte.staging",
        "s3_bucket_path": "/data_sync/test/",
        "s3_bucket_region": "",
        "s3_access_key_id": "A012345678910EXAMPLE",
        "s3_secret_access_key": "a012345678910ABCDEFGH/AbCdEfGhEXAMPLEKEY",
        "file_name_pattern": "{date}"
    });
    let expected = S3Settings {
        bucket: "airbyte.staging".to_owned(),
        path: "data_sync/test".to_owned(),
        region: None,
        credentials: Some(S3Credentials {
            access_key_id: Secret::new("A012345678910EXAMPLE"),
            secret_access_key: Secret::new("a012345678910ABCDEFGH/AbCdEfGhEXAMPLEKEY"),
            session_token: None,
        }),
        role: None,
        endpoint: None,
        allow_http: false,
        path_style: true,
        file_name_pattern: FileNamePattern::parse("{date}").expect("a pattern"),
        encryption: None,
    };
    assert_eq!(read(older(source)).storage, StorageSettings::S3(expected));
}

#[test]
fn an_older_configuration_with_azure_is_read() {
    let source = json!({
        "data_source_type": "AZURE_BLOB_STORAGE",
        "azure_blob_storage_endpoint_domain_name": "",
        "azure_blob_storage_account_name": "airbyte5storage",
        "azure_blob_storage_container_name": "airbytetestcontainername",
        "azure_blob_storage_sas_token": "?sv=2021-08-06&sig=abc"
    });
    let expected = AzureSettings {
        account: "airbyte5storage".to_owned(),
        container: "airbytetestcontainername".to_owned(),
        path: String::new(),
        address: AzureAddress {
            endpoint: "https://airbyte5storage.blob.core.windows.net".to_owned(),
            dfs_host: "airbyte5storage.dfs.core.windows.net".to_owned(),
            is_here: false,
        },
        identity: AzureIdentity::Sas(Secret::new("sv=2021-08-06&sig=abc")),
        authority: "https://login.microsoftonline.com".to_owned(),
        staging_format: StagingFormat::Csv,
        csv_compression: CsvCompression::None,
    };
    assert_eq!(read(older(source)).storage, StorageSettings::Azure(expected));
}

#[test]
fn the_older_schema_name_counts_where_the_new_one_is_not_given() {
    let config = with(local("/tmp/x"), "database_schema", json!("public"));
    assert_eq!(read(config.clone()).schema, "public");
    assert_eq!(read(with(config.clone(), "schema", json!(" sales "))).schema, "sales");
    assert_eq!(read(with(config, "schema", json!(""))).schema, "public");
}

#[test]
fn a_local_path_becomes_absolute_and_plain() {
    let here = std::path::absolute("tables/out").expect("a current directory");
    let cases = [
        ("tables/out", here.clone()),
        ("./tables/./x/../out/", here),
        ("file:///local/tables", PathBuf::from("/local/tables")),
        ("  /local/a b/ ", PathBuf::from("/local/a b")),
        ("/../local", PathBuf::from("/local")),
    ];
    for (given, path) in cases {
        assert_eq!(read(local(given)).storage, StorageSettings::Local { path }, "{given}");
    }
}

#[test]
fn a_local_path_that_cannot_be_meant_is_refused() {
    let cases = [
        ("  ", "missing or empty"),
        ("file://tables", "absolute path after file://"),
        ("s3://bucket/tables", "must be a directory on this machine"),
        ("~/tables", "only a shell understands"),
        ("/local/a\0b", "NUL character"),
    ];
    for (given, said) in cases {
        let text = problems(local(given));
        assert!(text.contains("`data_source.local_path`") && text.contains(said), "{text}");
    }
}

#[test]
fn all_problems_are_reported_together_one_on_each_line() {
    let text = problems(json!({
        "accept_terms": "yes",
        "databricks_server_hostname": "abc.cloud.databricks.com",
        "schema": 7,
        "purge_staging_data": "true",
        "flush_size_mb": "256",
        "flush_interval_seconds": 0.5,
        "compression": "gzip",
        "data_source": {"data_source_type": "S3_STORAGE", "s3_bucket_path": ["x"], "s3_access_key_id": "A01"}
    }));
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.first(), Some(&"The configuration has 11 problems:"), "{text}");
    assert_eq!(lines.len(), 12, "{text}");
    for said in [
        "- `accept_terms` must be true or false, without quotes, not a string.",
        "- `databricks_http_path` is missing or empty: ",
        "- `databricks_personal_access_token` is missing or empty: ",
        "- `schema` must be a string in double quotes, not a number.",
        "- `purge_staging_data` must be true or false, without quotes, not a string.",
        "- `flush_size_mb` must be a whole number, without quotes, not a string.",
        "- `flush_interval_seconds` must be a whole number from 1 to 86400, not 0.5.",
        "- `compression` must be one of zstd, snappy, not \"gzip\".",
        "- `data_source.s3_bucket_name` is missing or empty: give the name of the bucket.",
        "- `data_source.s3_bucket_path` must be a string in double quotes, not an array.",
        "- `data_source.s3_secret_access_key` is missing although `data_source.s3_access_key_id` is set: ",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(said)), "{said} is not in {text}");
    }
}

#[test]
fn a_wrong_data_source_is_named_with_what_it_may_be() {
    let types = "LOCAL_STORAGE, MANAGED_TABLES_STORAGE, S3_STORAGE, AZURE_BLOB_STORAGE";
    let cases = [
        (json!({}), "`data_source` is missing: ".to_owned()),
        (json!({"data_source": "s3"}), "`data_source` must be an object in braces, not a string.".to_owned()),
        (
            json!({"data_source": {}}),
            format!("`data_source.data_source_type` is missing or empty: set it to one of {types}."),
        ),
        (
            json!({"data_source": {"data_source_type": "S4"}}),
            format!("`data_source.data_source_type` must be one of {types}, not \"S4\"."),
        ),
        (
            json!({"data_source": {"data_source_type": "MANAGED_TABLES_STORAGE"}}),
            "`data_source.data_source_type` is MANAGED_TABLES_STORAGE, which needs Databricks".to_owned(),
        ),
    ];
    for (config, said) in cases {
        let text = problems(config);
        assert!(text.contains(&said) && text.lines().count() == 1, "{said} is not all of {text}");
    }
}

#[test]
fn databricks_settings_without_a_hostname_are_no_silent_fallback() {
    let token = with(local("/tmp/x"), "databricks_personal_access_token", json!(TOKEN));
    let text = problems(token.clone());
    let said = "`databricks_server_hostname` is missing, but `databricks_personal_access_token` is set";
    assert!(text.contains(said) && text.lines().count() == 1, "{text}");
    let both = with(token, "databricks_http_path", json!("sql/1.0/warehouses/x"));
    let text = problems(with(both, "databricks_server_hostname", json!("")));
    let said = "missing, but `databricks_http_path` and `databricks_personal_access_token` are set";
    assert!(text.contains(said) && text.lines().count() == 1, "{text}");
    read(with(local("/tmp/x"), "databricks_port", json!("443")));
}

#[test]
fn what_does_not_work_yet_is_refused_by_name() {
    let config =
        read(with(older(json!({"data_source_type": "MANAGED_TABLES_STORAGE"})), "database", json!("hive_metastore")));
    let error = config.ensure_supported().expect_err("not supported");
    assert_eq!(error.kind(), Kind::Config);
    // The catalog that the older connector took has no volumes.
    for said in [
        "`database` names the catalog hive_metastore",
        "S3_STORAGE with a bucket or AZURE_BLOB_STORAGE with a container",
    ] {
        assert!(error.message().contains(said), "{said} is not in {error}");
    }
    let managed = || older(json!({"data_source_type": "MANAGED_TABLES_STORAGE"}));
    read(with(managed(), "database", json!("main"))).ensure_supported().expect("supported");
    let elsewhere = json!({"data_source_type": "MANAGED_TABLES_STORAGE", "staging_volume": "main.ops.files"});
    read(older(elsewhere)).ensure_supported().expect("supported");
    let wrong = problems(older(json!({"data_source_type": "MANAGED_TABLES_STORAGE", "staging_volume": "files"})));
    assert!(wrong.contains("`data_source.staging_volume` must be the full name of a volume"), "{wrong}");
    let folder = json!({"data_source_type": "LOCAL_STORAGE", "local_path": "/tmp/x"});
    let error = read(older(folder)).ensure_supported().expect_err("not supported");
    for said in ["a directory on this machine", "`databricks_server_hostname`", "S3_STORAGE with a bucket"] {
        assert!(error.message().contains(said), "{said} is not in {error}");
    }
    let bucket = json!({"data_source_type": "S3_STORAGE", "s3_bucket_name": "lake"});
    read(older(bucket)).ensure_supported().expect("supported");
    let s3 = read(json!({"data_source": {"data_source_type": "S3_STORAGE", "s3_bucket_name": "lake"}}));
    s3.ensure_supported().expect("supported");
}

#[test]
fn neither_debug_nor_an_error_shows_a_secret() {
    let s3 = json!({
        "data_source_type": "S3_STORAGE",
        "s3_bucket_name": "s3://b",
        "s3_access_key_id": "hidden-id",
        "s3_secret_access_key": "hidden-key"
    });
    let azure = json!({"data_source_type": "AZURE_BLOB_STORAGE", "azure_blob_storage_sas_token": "hidden-sas"});
    for source in [s3, azure] {
        let mut wrong = older(source.clone());
        wrong["databricks_personal_access_token"] = json!("hidden-token");
        wrong["schema"] = json!(1);
        let error = Config::from_json(&wrong.to_string()).expect_err("wrong");
        assert!(!format!("{error:?} {}", error.internal_message()).contains("hidden"), "{error:?}");
    }
    let right = older(json!({
        "data_source_type": "S3_STORAGE",
        "s3_bucket_name": "lake",
        "s3_access_key_id": "hidden-id",
        "s3_secret_access_key": "hidden-key"
    }));
    let debug = format!("{:?}", read(with(right, "databricks_personal_access_token", json!("hidden-token"))));
    assert!(!debug.contains("hidden"), "{debug}");
}

#[test]
fn a_long_value_is_cut_in_an_error() {
    let long = "ä".repeat(1_000);
    for config in [with(local("/x"), "compression", json!(long)), local(&format!("s3://{long}"))] {
        assert!(!problems(config).contains(&"ä".repeat(80)));
    }
}

#[test]
fn unknown_fields_are_tolerated_and_named() {
    let mut config = local("/tmp/x");
    config["purge_stagin_data"] = json!(false);
    config["data_source"]["s3_bucket_name"] = json!("left over");
    assert_eq!(read(config).unknown_fields, ["data_source.s3_bucket_name", "purge_stagin_data"]);
}

#[test]
fn a_file_that_is_no_configuration_is_said_to_be_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("config.json");
    let message = || Config::from_file(&path).expect_err("an error").message().to_owned();
    assert!(message().starts_with("There is no configuration file at "));
    for (content, said) in [
        (&b"\n  "[..], "The configuration is empty"),
        (b"{\n  \"a\": 1,,\n}", "not valid JSON at line 2, column 10"),
        (b"[]", "must be a JSON object in braces, not an array"),
        (b"{\"a\": \"\xff\"}", "not UTF-8 text (first wrong byte at offset 7)"),
    ] {
        std::fs::write(&path, content).expect("written");
        assert!(message().contains(said), "{} does not say {said}", message());
    }
    std::fs::write(&path, format!("\u{feff}{}", local("/tmp/x"))).expect("written");
    Config::from_file(&path).expect("a configuration with a byte order mark");
    let error = Config::from_file(directory.path()).expect_err("a directory");
    assert!(error.message().contains("could not be read"), "{error}");
}
