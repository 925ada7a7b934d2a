//! Configurations of other versions of the connector, and names as people write them in SQL.

use serde_json::{Value, json};

use crate::messages::{append, record};
use crate::program::Sandbox;
use crate::table;

/// A configuration of version 3.3, as the platform keeps it.
fn of_version_3() -> Value {
    json!({
        "accept_terms": true, "hostname": "abc-12345678-wxyz.cloud.databricks.com", "port": "443",
        "http_path": "sql/1.0/warehouses/0123456789abcdef", "database": "main", "schema": "default",
        "authentication": {"auth_type": "BASIC", "personal_access_token": "dapi-canary"},
        "purge_staging_data": true, "raw_schema_override": "airbyte_internal",
    })
}

#[test]
fn a_configuration_of_versions_2_to_4_is_refused_with_what_to_write_instead() {
    let mut sandbox = Sandbox::new();
    let source = sandbox.place().source();
    let only = |name: &str| json!({name: of_version_3()[name]});
    let mut with_source = of_version_3();
    with_source["data_source"] = source;
    let mut of_version_4 = of_version_3();
    of_version_4["raw_schema_override"] = Value::Null;
    of_version_4["cdc_deletion_mode"] = json!("Hard delete");
    of_version_4["authentication"] = json!({"auth_type": "OAUTH", "client_id": "c", "secret": "canary"});
    let cases = [with_source, of_version_4, only("hostname"), only("authentication"), only("http_path")];
    for settings in cases.into_iter().chain([only("raw_schema_override")]) {
        sandbox.set(settings.clone());
        let run = sandbox.write(&append(&["users"]), record("users", "{}"));
        let message = run.failed_with("config_error");
        for part in [
            "versions 2 to 4",
            "`databricks_server_hostname` for `hostname`",
            "`databricks_http_path` for `http_path`",
            "`databricks_personal_access_token` for",
            "OAuth",
            "S3_STORAGE",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
        let triggers = ["hostname", "authentication", "raw_schema_override", "http_path"];
        let named = message.split_once("it has ").unwrap().1.split_once(". This").unwrap().0;
        for name in triggers {
            let is_there = !settings[name].is_null();
            assert_eq!(named.contains(&format!("`{name}`")), is_there, "{name}: {message}");
        }
        assert!(!run.says("canary") && !message.contains("LOCAL_STORAGE"), "{message}");
        let check = sandbox.check();
        assert_eq!(check.messages().last().unwrap()["connectionStatus"]["status"], "FAILED", "{check:#?}");
        assert!(check.says("versions 2 to 4"), "{check:#?}");
        assert!(sandbox.lake().is_empty());
    }
}

#[test]
fn fields_of_other_versions_without_a_value_harm_nothing() {
    let sandbox = Sandbox::with(json!({"hostname": "", "authentication": null, "http_path": " "}));
    sandbox.load(&append(&["users"]), record("users", "{}"));
}

#[test]
fn names_in_backticks_are_taken_without_them_and_that_is_told() {
    for (field, given, folder) in
        [("schema", "`my shop`", "my_shop"), ("database_schema", " `shop` ", "shop"), ("schema", "a`b", "a_b")]
    {
        let sandbox = Sandbox::with(json!({field: given, "database": "`main`"}));
        let warnings = sandbox.load(&append(&["users"]), record("users", "{}")).logs("WARN");
        assert_eq!(table::data(&sandbox.table(&format!("{folder}/users"))), ["{}"]);
        let is_told = |field: &str| warnings.iter().any(|text| text.contains(&format!("`{field}` is in backticks")));
        assert_eq!((is_told(field), is_told("database")), (given.contains("` ") || given.ends_with('`'), true));
    }
}
