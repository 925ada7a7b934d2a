//! Tests of reading how Databricks is reached: host, path, port, token, and what is cleaned or refused in them.

use super::tests::{older, problems, read, with};
use super::*;
use serde_json::json;

#[test]
fn a_port_may_be_text_or_a_number() {
    let managed = older(json!({"data_source_type": "MANAGED_TABLES_STORAGE"}));
    for (given, expected) in [(json!("8443"), 8443), (json!(8443), 8443), (json!(""), 443), (json!(null), 443)] {
        assert_eq!(connection("databricks_port", given).port, expected);
    }
    for wrong in [json!("https"), json!(0), json!("65536"), json!(-1), json!(true)] {
        let text = problems(with(managed.clone(), "databricks_port", wrong));
        assert!(text.contains("`databricks_port` must be a port"), "{text}");
    }
}

/// The connection of an older configuration in which one field has another value.
fn connection(name: &str, value: Value) -> DatabricksSettings {
    let managed = older(json!({"data_source_type": "MANAGED_TABLES_STORAGE"}));
    match read(with(managed, name, value)).engine {
        Engine::Databricks(settings) => *settings,
        Engine::Direct => panic!("Databricks is configured"),
    }
}

#[test]
fn a_hostname_copied_from_the_browser_is_cleaned() {
    let same = [
        "abc.cloud.databricks.com",
        " https://abc.cloud.databricks.com/ ",
        "HTTPS://abc.cloud.databricks.com",
        "https://abc.cloud.databricks.com/?o=1234567890",
        "abc.cloud.databricks.com?o=1234567890#job/1",
    ];
    for given in same {
        let settings = connection("databricks_server_hostname", json!(given));
        assert_eq!(settings.address(), "https://abc.cloud.databricks.com:443", "{given}");
    }
    let managed = older(json!({"data_source_type": "MANAGED_TABLES_STORAGE"}));
    for wrong in ["abc.com:443", "abc.com/path", "a b", "a@b.com", "ftp://abc.com", "https://", "abc.com?x=1", "a\\b"] {
        let text = problems(with(managed.clone(), "databricks_server_hostname", json!(wrong)));
        assert!(text.contains("`databricks_server_hostname` must be only a host name"), "{wrong}: {text}");
    }
}

#[test]
fn the_workspaces_number_is_taken_from_whichever_setting_has_it() {
    let managed = || older(json!({"data_source_type": "MANAGED_TABLES_STORAGE"}));
    let (host, warehouse) = ("abc.cloud.databricks.com", "/sql/1.0/warehouses/abc");
    for (hostname, http_path, number) in [
        ("https://abc.cloud.databricks.com/?o=123#job/1", warehouse, Some("123")),
        ("abc.cloud.databricks.com/?x=1&o=123&y=2", warehouse, Some("123")),
        (host, "/sql/1.0/warehouses/abc?o=456", Some("456")),
        ("abc.cloud.databricks.com?o=123", "/sql/1.0/warehouses/abc?o=456", Some("456")),
        (host, "sql/protocolv1/o/789/0101-000000-abc", Some("789")),
        ("abc.cloud.databricks.com?o=123", "/sql/protocolv1/o/789/0101-000000-abc", Some("123")),
        (host, "sql/protocolv1/o/0/0101-000000-abc", Some("0")),
        (host, "sql/protocolv1/o/x/0101-000000-abc", None),
        (host, "/sql/1.0/warehouses/abc?o=me", None),
        ("abc.cloud.databricks.com?o=", "/sql/1.0/warehouses/abc?so=1", None),
        (host, warehouse, None),
    ] {
        let given = with(managed(), "databricks_server_hostname", json!(hostname));
        let Engine::Databricks(settings) = read(with(given, "databricks_http_path", json!(http_path))).engine else {
            panic!("Databricks is configured")
        };
        assert_eq!(
            (settings.hostname.as_str(), settings.workspace.as_deref()),
            (host, number),
            "{hostname} {http_path}"
        );
    }
}

#[test]
fn databricks_is_reached_without_encryption_on_this_machine_alone() {
    for given in ["http://127.0.0.1", "http://localhost/", "http://[::1]"] {
        let settings = connection("databricks_server_hostname", json!(given));
        assert_eq!((settings.https, settings.address()), (false, format!("{}:443", given.trim_end_matches('/'))));
    }
    let managed = older(json!({"data_source_type": "MANAGED_TABLES_STORAGE"}));
    for wrong in ["http://abc.cloud.databricks.com", "http://10.0.0.1", "http://localhost.example.com"] {
        let text = problems(with(managed.clone(), "databricks_server_hostname", json!(wrong)));
        assert!(text.contains("begins with http://, which would send the token readable"), "{wrong}: {text}");
    }
}

#[test]
fn a_token_that_no_header_takes_is_refused_and_not_shown() {
    let managed = older(json!({"data_source_type": "MANAGED_TABLES_STORAGE"}));
    for wrong in ["dapi 0123", "dapi\n0123", "dapi\u{e4}0123"] {
        let text = problems(with(managed.clone(), "databricks_personal_access_token", json!(wrong)));
        assert!(text.contains("must be only a token") && !text.contains("0123"), "{text}");
    }
}

#[test]
fn how_long_and_how_many_statements_run_can_be_set() {
    assert_eq!(connection("statement_timeout_seconds", json!(60)).statement_timeout, Duration::from_secs(60));
    assert_eq!(connection("load_parallelism", json!(64)).load_parallelism, 64);
}
