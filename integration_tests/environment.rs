//! Settings from the environment: the log level, and the source of the records.

use serde_json::json;

use crate::messages::{append, record};
use crate::program::{Run, Sandbox};
use crate::table;

/// A sync that has something to say at INFO, at WARN and, where it fails, in its TRACE.
fn run_with(name: &str, value: &str, input: &str) -> (Sandbox, Run) {
    let mut sandbox = Sandbox::with(json!({"a_misspelt_field": 1}));
    sandbox.set_environment(name, value);
    let run = sandbox.write(&append(&["users"]), input);
    (sandbox, run)
}

#[test]
fn the_log_level_is_obeyed() {
    let row = record("users", "{}");
    for (level, info, warn) in [
        ("ERROR", false, false),
        ("fatal", false, false),
        ("Warn", false, true),
        ("INFO", true, true),
        ("DEBUG", true, true),
        ("TRACE", true, true),
        ("", true, true),
    ] {
        let (sandbox, run) = run_with("LOG_LEVEL", level, &row);
        assert_eq!(run.code, Some(0), "{level}: {run:#?}");
        assert_eq!((!run.logs("INFO").is_empty(), !run.logs("WARN").is_empty()), (info, warn), "{level}: {run:#?}");
        assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 1);
        // Why a sync has failed is no matter of taste.
        run_with("LOG_LEVEL", level, "oops\n").1.failed_with("system_error");
    }
}

#[test]
fn a_log_level_that_is_none_is_told_and_harms_nothing() {
    let (_, run) = run_with("LOG_LEVEL", "LOUD", &record("users", "{}"));
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert!(run.logs("WARN")[0].contains("LOUD"), "{run:#?}");
    assert!(!run.logs("INFO").is_empty());
}

#[test]
fn records_that_are_to_come_through_sockets_are_refused() {
    for medium in ["SOCKET", "socket"] {
        let (sandbox, run) = run_with("DATA_CHANNEL_MEDIUM", medium, "");
        assert!(run.failed_with("config_error").contains("DATA_CHANNEL_MEDIUM"), "{run:#?}");
        assert!(sandbox.lake().is_empty());
    }
    let (sandbox, run) = run_with("DATA_CHANNEL_MEDIUM", "STDIO", &record("users", "{}"));
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 1);
}
