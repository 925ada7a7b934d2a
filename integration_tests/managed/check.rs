//! `check` with managed tables: a real row by the way of a sync, and each thing that can be missing by its name, with what gives it.

use serde_json::{Value, json};

use super::tables::{managed, staged};
use crate::messages::{append, records};
use crate::program::Sandbox;

fn connection_status(sandbox: &Sandbox) -> Value {
    let run = sandbox.check();
    let answer = run.messages().into_iter().find(|message| message["type"] == "CONNECTION_STATUS");
    answer.unwrap_or_else(|| panic!("{run:#?}"))["connectionStatus"].clone()
}

fn impatient() -> Sandbox {
    let mut sandbox = managed();
    sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "2000");
    sandbox.set_environment("DESTINATION_DATABRICKS_DATABRICKS_RETRY_MS", "2000");
    sandbox
}

/// The message of a check, which fails.
fn refused(sandbox: &Sandbox, what: &str) -> String {
    let status = connection_status(sandbox);
    assert_eq!(status["status"], "FAILED", "{what}: {status}");
    let message = status["message"].as_str().unwrap().to_owned();
    assert!(message.len() < 2000 && !message.contains(sandbox.place().token()), "{what}: {message}");
    assert_eq!(sandbox.place().tables(), Vec::<String>::new(), "{what}");
    message
}

fn passes() {
    let sandbox = managed();
    let place = sandbox.place();
    for _ in 0..2 {
        assert_eq!(connection_status(&sandbox), json!({"status": "SUCCEEDED"}));
        assert_eq!((place.tables(), staged(place)), (Vec::new(), Vec::new()));
    }
    let statements = place.statements();
    let of_kind = |kind: &str| statements.iter().filter(|sent| sent.starts_with(kind)).count();
    assert_eq!((of_kind("CREATE VOLUME"), of_kind("COPY INTO")), (1, 2), "{statements:#?}");
    // A volume that is there needs no right to make one.
    place.set(json!({"lacks": ["CREATE VOLUME"]}));
    assert_eq!(connection_status(&sandbox), json!({"status": "SUCCEEDED"}));
}

#[test]
fn a_check_passes_and_leaves_only_the_volume() {
    crate::place::over_statements(passes);
}

#[test]
fn a_check_passes_over_thrift() {
    crate::place::over_thrift(passes);
}

#[test]
fn rights_that_are_missing_are_named_with_their_grants() {
    for (privilege, grant) in [
        ("USE CATALOG", "GRANT USE CATALOG ON CATALOG `main`"),
        ("USE SCHEMA", "GRANT USE SCHEMA ON SCHEMA `main`"),
        ("CREATE VOLUME", "GRANT CREATE VOLUME ON SCHEMA `main`"),
        ("READ VOLUME", "GRANT READ VOLUME ON VOLUME `main`"),
        ("WRITE VOLUME", "GRANT WRITE VOLUME ON VOLUME `main`"),
        ("CREATE TABLE", "GRANT CREATE TABLE ON SCHEMA `main`"),
        ("MODIFY", "GRANT MODIFY ON TABLE `main`"),
        ("SELECT", "GRANT SELECT ON TABLE `main`"),
    ] {
        let sandbox = impatient();
        sandbox.place().set(json!({"lacks": [privilege]}));
        let message = refused(&sandbox, privilege);
        assert!(message.contains(grant), "{privilege}: {message}");
    }
}

/// Said before anything else, and what to do instead; a sync says the same.
#[test]
fn a_workspace_without_what_managed_tables_need_is_told_with_the_alternatives() {
    let failed = |message: &str| json!({"error_code": "BAD_REQUEST", "message": message});
    let said = |message: &str, on: &str| json!([{"action": "fail", "statement": on, "value": failed(message)}]);
    let cases = [
        (
            said("[UC_NOT_ENABLED] Unity Catalog is not enabled on this cluster. SQLSTATE: 56038", "^SHOW"),
            "Unity Catalog",
        ),
        (
            said(
                "[UC_VOLUMES_NOT_ENABLED] Support for Unity Catalog Volumes is not enabled on this instance. SQLSTATE: 56038",
                "VOLUME",
            ),
            "olumes",
        ),
        (said("[PARSE_SYNTAX_ERROR] Syntax error at or near 'VOLUMES'. SQLSTATE: 42601", "VOLUME"), "13.3"),
    ];
    for (rules, told) in cases {
        let sandbox = impatient();
        sandbox.place().goes_wrong(rules.clone());
        let written = sandbox.write(&append(&["users"]), records("users", 0..3)).failed_with("config_error");
        for message in [refused(&sandbox, told), written] {
            assert!(message.contains(told) && message.contains("S3_STORAGE"), "{rules}: {message}");
        }
    }
    let sandbox = impatient();
    sandbox.place().set(json!({"files": "off"}));
    let written = sandbox.write(&append(&["users"]), records("users", 0..3)).failed_with("config_error");
    for message in [refused(&sandbox, "no Files API"), written] {
        assert!(message.contains("Files API") && message.contains("S3_STORAGE"), "{message}");
    }
    let mut sandbox = impatient();
    let mut settings = sandbox.settings().clone();
    settings["database"] = json!("hive_metastore");
    sandbox.set(settings);
    let message = refused(&sandbox, "hive_metastore");
    assert!(message.contains("has no volumes") && message.contains("S3_STORAGE"), "{message}");
    assert_eq!(sandbox.place().statements(), Vec::<String>::new());
}
