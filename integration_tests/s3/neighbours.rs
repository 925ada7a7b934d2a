//! Other writers commit to a table between our read and our commit: ours is made once, on the newer version. And long logs
//! get checkpoints.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::proxy::{Action, Fault, Proxy, Request, Rule};
use super::readers::{has, python, uri};
use super::server::server;
use crate::messages::{append, numbered, overwrite, records, state};
use crate::program::Sandbox;
use crate::table;

fn data(range: std::ops::Range<u64>) -> Vec<String> {
    let mut data: Vec<String> = range.map(numbered).collect();
    data.sort();
    data
}

/// A sandbox whose syncs go through `proxy`, to the same bucket as `other`.
fn through(other: &Sandbox, proxy: &Proxy) -> Sandbox {
    let source = other.place().source_through(&proxy.endpoint());
    Sandbox::with(json!({"data_source": source}))
}

#[test]
fn a_commit_that_another_sync_came_before_is_made_again() {
    for first_commit in [true, false] {
        let sandbox = Sandbox::new();
        if !first_commit {
            sandbox.load(&append(&["users"]), records("users", 0..3));
        }
        let begun = if first_commit { 0 } else { 3 };
        let source = sandbox.place().source();
        // Three times in a row somebody else is faster.
        let hooked = std::sync::atomic::AtomicU64::new(0);
        let other = move || {
            let n = 100 + hooked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let other = Sandbox::with(json!({"data_source": source}));
            other.load(&append(&["users"]), records("users", n..n + 1));
        };
        let fault = Fault::First(Arc::new(other));
        let proxy = Proxy::start(server().port(), vec![Rule::every(Request::is_commit, fault).times(3)]);
        let ours = through(&sandbox, &proxy);
        let run = ours.load(&append(&["users"]), records("users", begun..6) + &state("users", 6));
        assert_eq!(run.states().len(), 1);
        let mut expected = [data(0..6), data(100..103)].concat();
        expected.sort();
        assert_eq!(table::data(&sandbox.table("default/users")), expected, "first commit: {first_commit}");
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn a_commit_whose_answer_was_lost_and_that_another_sync_came_after_is_not_made_twice() {
    let sandbox = Sandbox::new();
    sandbox.load(&append(&["users"]), records("users", 0..3));
    let source = sandbox.place().source();
    let other = move || {
        let other = Sandbox::with(json!({"data_source": source}));
        other.load(&append(&["users"]), records("users", 100..101));
    };
    // The commit is done; before its answer is lost somebody else commits on top of it.
    let rules = vec![
        Rule::nth(1, Request::is_commit, Fault::DoneButCut),
        Rule::nth(1, Request::is_commit, Fault::First(Arc::new(other))),
    ];
    let proxy = Proxy::start(server().port(), rules);
    let ours = through(&sandbox, &proxy);
    ours.load(&append(&["users"]), records("users", 3..6) + &state("users", 6));
    let mut expected = [data(0..6), data(100..101)].concat();
    expected.sort();
    assert_eq!(table::data(&sandbox.table("default/users")), expected);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn somebody_who_never_stops_committing_ends_the_sync_with_an_error_and_not_with_a_loop() {
    let sandbox = Sandbox::new();
    sandbox.load(&append(&["users"]), records("users", 0..3));
    let proxy =
        Proxy::start(server().port(), vec![Rule::every(Request::is_commit, Fault::Answer(412, "PreconditionFailed"))]);
    let mut ours = through(&sandbox, &proxy);
    ours.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "2000");
    let run = ours.write(&append(&["users"]), records("users", 3..6) + &state("users", 6));
    run.failed_with("transient_error");
    assert!(run.states().is_empty());
    assert_eq!(table::data(&sandbox.table("default/users")), data(0..3));
    table::assert_tidy(&sandbox.lake());
}

/// Writes with `script` what `sys.argv[1]` is the address of.
const OPTIONS: &str = r#"
import os, sys
from deltalake import DeltaTable, write_deltalake
endpoint, region, key, secret = sys.argv[2:6]
options = {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_REGION": region, "AWS_ACCESS_KEY_ID": key,
           "AWS_SECRET_ACCESS_KEY": secret, "aws_conditional_put": "etag"}
table = DeltaTable(sys.argv[1], storage_options=options)
"#;

#[test]
fn an_optimize_between_our_read_and_our_commit_costs_no_row() {
    if !has("an_optimize_between_our_read_and_our_commit_costs_no_row", "deltalake, pyarrow") {
        return;
    }
    let sandbox = Sandbox::new();
    for round in 0..3 {
        sandbox.load(&append(&["users"]), records("users", round * 3..round * 3 + 3));
    }
    let table = uri(&sandbox, "default/users");
    let optimize = move || {
        let done = python(&format!("{OPTIONS}table.optimize.compact()\nos._exit(0)"), &table).unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let proxy = Proxy::start(server().port(), vec![Rule::nth(1, Request::is_commit, Fault::First(Arc::new(optimize)))]);
    let ours = through(&sandbox, &proxy);
    ours.load(&append(&["users"]), records("users", 9..12) + &state("users", 12));
    let read = table::read(&sandbox.table("default/users"));
    assert_eq!(table::data(&sandbox.table("default/users")), data(0..12));
    assert_eq!((read.versions, read.files.len()), (5, 2), "four loads and one OPTIMIZE: its file and ours");
}

#[test]
fn an_overwrite_replaces_what_another_sync_adds_at_the_last_moment_or_fails() {
    let sandbox = Sandbox::new();
    sandbox.load(&append(&["users"]), records("users", 0..3));
    let source = sandbox.place().source();
    let other = move || {
        let other = Sandbox::with(json!({"data_source": source}));
        other.load(&append(&["users"]), records("users", 100..101));
    };
    let proxy = Proxy::start(server().port(), vec![Rule::nth(1, Request::is_commit, Fault::First(Arc::new(other)))]);
    let ours = through(&sandbox, &proxy);
    ours.load(&overwrite(&["users"]), records("users", 10..12));
    // It was committed last.
    assert_eq!(table::data(&sandbox.table("default/users")), data(10..12));
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_log_that_grows_gets_checkpoints_and_reading_it_asks_for_few_files() {
    let sandbox = Sandbox::new();
    for n in 0..25 {
        sandbox.load(&append(&["users"]), records("users", n..n + 1));
    }
    let log = sandbox.table("default/users/_delta_log");
    let last = log.join("_last_checkpoint").text();
    let last: Value = serde_json::from_str(&last).unwrap();
    let version = last["version"].as_u64().unwrap();
    assert!((10..25).contains(&version), "{last}");
    assert!(log.join(&format!("{version:020}.checkpoint.parquet")).exists(), "{last}");

    let proxy = Proxy::start(server().port(), Vec::new());
    let ours = through(&sandbox, &proxy);
    ours.load(&append(&["users"]), records("users", 25..26));
    let seen = proxy.seen();
    let commits = seen.iter().filter(|request| request.action == Action::Get && request.target.ends_with(".json"));
    let read: BTreeSet<&str> = commits.map(|request| request.target.as_str()).collect();
    // What lies behind the newest checkpoint, and nothing before it.
    assert!(read.iter().filter(|target| target.contains("/default/users/")).count() <= 10, "{read:?}");
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 26);
    table::assert_tidy(&sandbox.lake());
}
