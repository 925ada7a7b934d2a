//! Values of a configuration that a shell, an editor or a terminal might take for its own.

use std::process::Command;

use serde_json::json;

use super::recorder::Recorder;
use super::{as_json, case, pasted, printed};
use crate::program::Sandbox;

#[test]
fn names_of_every_kind_stay_in_their_quotes() {
    let odd = r"it's `odd` \ $(x) ;--";
    let mut case = case("s3_warehouse");
    case.config["database"] = json!(odd);
    case.config["data_source"]["s3_bucket_path"] = json!("it's/here;--");
    let plan = as_json(&case);
    let values = pasted::values(&plan);
    let mut recorder = Recorder::new(&case);
    for statement in pasted::statements(&pasted::filled(&printed(&case, &[]), &values)) {
        recorder.accept(&statement).unwrap_or_else(|why| panic!("{statement}\n{why}"));
    }
    assert!(recorder.rights().iter().any(|right| right.contains(odd)), "{:#?}", recorder.rights());
}

/// What runs something, opens a quote or asks for more where a shell reads it.
const HOSTILE: [&str; 9] = [
    "a $(touch pwn) b",
    "a `touch pwn` b",
    "a; touch pwn; b",
    "a && touch pwn",
    "a | tee pwn > pwn",
    "it's \"odd\" \\",
    "=ls !! !touch {a,b} [x] * ? ~ # x",
    "a\n touch pwn\n b",
    "a\r touch pwn\r\u{1b}[201~ b",
];

/// `value` without what no path in a bucket may have.
fn in_a_path(value: &str) -> String {
    let is_refused = |c: char| c.is_control() || "%?#\\".contains(c);
    value.replace(is_refused, "").trim().to_owned()
}

/// Configurations with `value` wherever text goes into what is printed.
fn printed_with(value: &str) -> Vec<String> {
    let mut bucket = case("s3_warehouse_with_catalog");
    bucket.config["database"] = json!(value);
    bucket.config["data_source"]["s3_bucket_path"] = json!(in_a_path(value));
    bucket.config[value] = json!("an unknown field");
    let mut store = case("s3_direct_other_store");
    store.config["data_source"]["s3_bucket_path"] = bucket.config["data_source"]["s3_bucket_path"].clone();
    let mut all = case("way_workload_of_all");
    all.environment[0].1 = super::cases::jwt_of("RS256", value);
    let mut unsigned = case("way_workload");
    unsigned.environment[0].1 = super::cases::jwt_of(value, value);
    let mut missing = case("way_workload_without_jwt");
    missing.config["authentication"]["jwt_source"] = json!("FILE");
    missing.config["authentication"]["jwt_file"] = json!(value);
    let mut login = case("way_user");
    login.config["authentication"]["login_file"] = json!(value);
    [bucket, store, all, unsigned, missing, login].iter().map(|case| printed(case, &[])).collect()
}

#[test]
fn comments_hold_nothing_that_means_something_to_a_shell() {
    for value in HOSTILE {
        for text in printed_with(value) {
            pasted::ensure_harmless(&text);
        }
    }
}

#[test]
fn no_control_character_of_a_configuration_is_printed() {
    for value in HOSTILE {
        for text in printed_with(value) {
            assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{value:?}: {text:?}");
            for line in text.lines().filter(|line| line.starts_with("GRANT ") || line.starts_with("-- REVOKE ")) {
                assert!(line.ends_with(';'), "{value:?}: {line}");
            }
        }
    }
}

#[test]
fn a_shell_that_knows_no_comments_runs_nothing_of_a_configuration() {
    let sandbox = Sandbox::new();
    for value in HOSTILE {
        for text in printed_with(value) {
            let ended = Command::new("bash")
                .current_dir(sandbox.folder())
                .args(["--norc", "-c", &pasted::without_comments(&text)])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert!(!sandbox.folder().join("pwn").exists(), "{value:?} ran: {text}");
            for wrong in ["syntax error", "unexpected", "No such file"] {
                assert!(!said.contains(wrong), "{value:?}: {said}\n{text}");
            }
        }
    }
}
