//! Failures of Databricks and of the connection to it: the sync recovers, or ends with one clear error and succeeds when it
//! is run again. Every row is then in the table once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::loading::data;
use super::place::adds;
use super::stand_in::stand_in;
use crate::messages::{append, numbered, overwrite, padded, record, records, state, status};
use crate::program::{Sandbox, until};
use crate::table;

over_one!(
    in_ci = statements:
    statements_whose_answer_is_lost_are_not_loaded_twice,
    a_storm_of_too_many_requests_and_of_unavailability_passes,
    a_token_that_expires_in_mid_sync_ends_it_and_the_next_one_goes_on,
    a_conflict_with_another_writer_is_tried_again;
    thrift:
    statements_that_never_reach_the_server_are_sent_again,
    a_server_that_is_starting_is_waited_for_and_the_user_told,
    a_table_that_somebody_else_rewrites_again_and_again_gets_every_row_once,
    a_failure_that_will_not_go_away_is_one_clear_error,
    a_statement_that_outlives_the_sync_is_cancelled
);
once!(
    sessions_that_a_cluster_loses_in_mid_sync_are_opened_again,
    input_that_cannot_be_read_does_not_end_a_load_that_takes_long,
    a_statement_that_takes_too_long_is_cancelled_and_the_sync_fails,
);

/// Both modes, in two streams.
fn streams() -> Value {
    json!({"streams": [append(&["added"])["streams"][0], overwrite(&["replaced"])["streams"][0]]})
}

fn input(from: u64) -> String {
    let both = records("added", from..from + 20) + &records("replaced", from..from + 20);
    let states = state("added", from + 20) + &state("replaced", from + 20);
    both + &states + &status("added", "COMPLETE") + &status("replaced", "COMPLETE")
}

fn numbers(range: std::ops::Range<u64>) -> Vec<String> {
    let mut data: Vec<String> = range.map(numbered).collect();
    data.sort();
    data
}

/// Two syncs while `rules` hold, each set anew: all rows are there once, and nothing else.
fn gets_over(rules: &Value) {
    let sandbox = Sandbox::new();
    for round in 0..2 {
        sandbox.place().goes_wrong(rules.clone());
        let run = sandbox.load(&streams(), input(round * 20));
        assert_eq!(run.states().len(), 2);
    }
    assert_eq!(data(sandbox.place(), "added"), numbers(0..40));
    assert_eq!(data(sandbox.place(), "replaced"), numbers(20..40));
    let mut tables = sandbox.place().tables();
    tables.sort();
    assert_eq!(tables, ["added", "replaced"]);
    assert!(table::staging(&sandbox.lake()).is_empty());
}

/// `action`, once for each kind of statement.
fn once_each(action: &Value) -> Value {
    const KINDS: [&str; 9] = [
        "^SHOW",
        "^DESCRIBE",
        "^CREATE SCHEMA",
        "^CREATE TABLE.*_airbyte_tmp_",
        "^CREATE TABLE",
        "^CREATE VOLUME",
        "^(MERGE|COPY)",
        "^INSERT",
        "^DROP",
    ];
    let rules = KINDS.iter().map(|kind| {
        let mut rule = action.clone();
        rule["on"] = json!("submit");
        rule["statement"] = json!(kind);
        rule["times"] = json!(1);
        rule
    });
    rules.collect()
}

fn statements_whose_answer_is_lost_are_not_loaded_twice() {
    gets_over(&once_each(&json!({"action": "lose"})));
}

fn statements_that_never_reach_the_server_are_sent_again() {
    gets_over(&once_each(&json!({"action": "refuse"})));
}

fn a_storm_of_too_many_requests_and_of_unavailability_passes() {
    let storm = (0..40u32).map(|n| {
        let (status, code) = [(429, "RESOURCE_EXHAUSTED"), (503, "TEMPORARILY_UNAVAILABLE")][n as usize % 2];
        let body = json!({"error_code": code, "message": "later"}).to_string();
        let later = json!({"status": status, "headers": {"Retry-After": "0"}, "body": body});
        // Two requests of three, until the storm is over.
        json!({"action": "reply", "skip": n / 2, "times": 1, "value": later})
    });
    gets_over(&storm.collect());
}

fn a_server_that_is_starting_is_waited_for_and_the_user_told() {
    let sandbox = Sandbox::with(json!({"heartbeat_seconds": 1}));
    sandbox.place().set(json!({"state": "STOPPED", "starts_in": 14}));
    let run = sandbox.load(&streams(), input(0));
    assert_eq!(sandbox.place().asked()["starts"], 1);
    assert_eq!(data(sandbox.place(), "added"), numbers(0..20));
    assert!(run.logs("INFO").iter().any(|text| text.contains("aiting for")), "{:#?}", run.logs("INFO"));
}

fn a_token_that_expires_in_mid_sync_ends_it_and_the_next_one_goes_on() {
    let sandbox = Sandbox::with(json!({"flush_size_mb": 1}));
    let rows = |range: std::ops::Range<u64>| range.map(|n| record("added", &padded(n, 30_000))).collect::<String>();
    let mut living = sandbox.start(&append(&["added"]));
    living.send(rows(0..50) + &state("added", 50));
    assert_eq!(crate::messages::said(&living.next_state()), 50);
    sandbox.place().set(json!({"token": "another token"}));
    living.send(rows(50..100) + &state("added", 100));
    let run = living.end();
    let message = run.failed_with("config_error");
    assert!(message.contains("token"), "{message}");
    assert!(!run.says(sandbox.place().token()), "the token is told");
    assert_eq!(run.states().len(), 1);
    sandbox.place().set(json!({}));
    sandbox.load(&append(&["added"]), rows(50..100) + &state("added", 100));
    let expected: Vec<String> = (0..100).map(|n| padded(n, 30_000)).collect();
    let mut found = table::data(&sandbox.table("default/added"));
    found.sort_by_key(|row| crate::messages::number_of(row));
    assert_eq!(found, expected);
}

fn a_conflict_with_another_writer_is_tried_again() {
    let conflicts = [
        "DELTA_CONCURRENT_APPEND",
        "DELTA_CONCURRENT_DELETE_READ",
        "DELTA_CONCURRENT_DELETE_DELETE",
        "DELTA_CONCURRENT_WRITE",
        "DELTA_METADATA_CHANGED",
    ];
    let rules = conflicts.map(|class| {
        let message = format!(
            "[{class}] Transaction conflict detected. A concurrent OPTIMIZE updated the table. Please retry the \
             operation. SQLSTATE: 2D521"
        );
        let failed = json!({"error_code": "BAD_REQUEST", "message": message, "sql_state": "2D521"});
        json!({"action": "fail", "statement": "^(MERGE|COPY|INSERT OVERWRITE)", "times": 1, "value": failed})
    });
    gets_over(&json!(rules));
}

fn a_table_that_somebody_else_rewrites_again_and_again_gets_every_row_once() {
    let sandbox = Sandbox::with(json!({"flush_size_mb": 1}));
    let place = sandbox.place();
    let name = place.name("added");
    sandbox.load(&append(&["added"]), records("added", 0..20) + &state("added", 20));
    place.sql(&format!("ALTER TABLE {name} SET TBLPROPERTIES ('delta.appendOnly' = 'false')"));
    let ended = AtomicBool::new(false);
    /// Also where a sync fails: the other writer must not go on for ever then.
    struct End<'a>(&'a AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    std::thread::scope(|scope| {
        let _end = End(&ended);
        scope.spawn(|| {
            // Slower each time, so that a machine on which a MERGE takes long gets its turn too.
            let mut pause = Duration::from_millis(100);
            while !ended.load(Ordering::Relaxed) {
                // A loser of a conflict is not what this is about.
                let statement = format!("UPDATE {name} SET _airbyte_data = _airbyte_data WHERE _airbyte_ab_id >= '0'");
                drop(std::panic::catch_unwind(|| stand_in().sql(&statement)));
                std::thread::sleep(pause);
                pause = (pause * 3 / 2).min(Duration::from_secs(8));
            }
        });
        for round in 1..4 {
            sandbox.load(&append(&["added"]), records("added", round * 20..round * 20 + 20) + &state("added", 1));
        }
    });
    assert_eq!(data(place, "added"), numbers(0..80));
}

fn a_failure_that_will_not_go_away_is_one_clear_error() {
    let sandbox = Sandbox::new();
    let message = "[DELTA_TRUNCATED_TRANSACTION_LOG] The log of `x` has a hole. SQLSTATE: KD007";
    let failed = json!({"error_code": "BAD_REQUEST", "message": message, "sql_state": "KD007"});
    sandbox.place().goes_wrong(json!([{"action": "fail", "statement": "^(MERGE|COPY)", "value": failed}]));
    sandbox.load(&append(&["added"]), "{\"type\":\"LOG\",\"log\":{\"level\":\"INFO\",\"message\":\"nothing\"}}\n");
    let run = sandbox.write(&append(&["added"]), records("added", 0..20) + &state("added", 20));
    let error = run.failure();
    let said = error["message"].as_str().unwrap();
    assert!(said.len() < 900 && said.contains("DELTA_TRUNCATED_TRANSACTION_LOG"), "{said}");
    assert_eq!(error["stream_descriptor"], json!({"name": "added"}));
    assert!(run.states().is_empty());
    sandbox.place().goes_wrong(json!([]));
    sandbox.load(&append(&["added"]), records("added", 0..20) + &state("added", 20));
    assert_eq!(data(sandbox.place(), "added"), numbers(0..20));
    assert_eq!(sandbox.place().tables(), ["added"]);
}

fn a_statement_that_outlives_the_sync_is_cancelled() {
    let sandbox = Sandbox::new();
    let place = sandbox.place();
    // Spark is busy with it, not the stand-in: only the cancel ends it.
    place.goes_wrong(json!([{"action": "hold", "statement": "^(MERGE|COPY)", "value": 60}]));
    let mut living = sandbox.start(&append(&["added"]));
    living.send(records("added", 0..20) + &state("added", 20));
    living.send(status("added", "COMPLETE"));
    let begun = || place.statements().iter().any(|statement| adds(statement));
    until("the load", begun);
    std::thread::sleep(Duration::from_millis(500));
    let at = Instant::now();
    let run = living.signal("TERM");
    assert!(at.elapsed() < Duration::from_secs(20), "{:?}", at.elapsed());
    assert_eq!((run.signal, run.states().len()), (Some(15), 0), "{run:#?}");
    if super::place::transport() == super::place::Transport::Statements {
        let merge = || {
            let asked = place.asked();
            let statements = asked["statements"].as_array().unwrap().clone();
            statements.into_iter().find(|one| adds(one["statement"].as_str().unwrap())).unwrap()
        };
        until("the cancel", || merge()["state"] == "CANCELED");
    }
    place.goes_wrong(json!([]));
    sandbox.load(&append(&["added"]), records("added", 0..20) + &state("added", 20));
    assert_eq!(data(place, "added"), numbers(0..20));
}

fn sessions_that_a_cluster_loses_in_mid_sync_are_opened_again() {
    crate::place::over_thrift(|| {
        let sandbox = Sandbox::with(json!({"flush_size_mb": 1}));
        let rows = |range: std::ops::Range<u64>| range.map(|n| record("added", &padded(n, 30_000))).collect::<String>();
        let mut living = sandbox.start(&append(&["added"]));
        for round in 0..3 {
            living.send(rows(round * 40..round * 40 + 40) + &state("added", round));
            living.next_state();
            sandbox.place().restart();
        }
        let run = living.end();
        assert_eq!((run.code, run.states().len()), (Some(0), 3), "{run:#?}");
        assert_eq!(table::data(&sandbox.table("default/added")).len(), 120);
        assert_eq!(sandbox.place().tables(), ["added"]);
    });
}

/// What was read before is staged, and would be loaded twice if its load were given up.
fn input_that_cannot_be_read_does_not_end_a_load_that_takes_long() {
    let sandbox = Sandbox::with(json!({"flush_interval_seconds": 1}));
    let place = sandbox.place();
    place.goes_wrong(json!([{"action": "hold", "statement": "^(MERGE|COPY)", "value": 12}]));
    let mut living = sandbox.start(&append(&["added"]));
    living.send(records("added", 0..20) + &state("added", 20));
    until("the load", || place.statements().iter().any(|statement| adds(statement)));
    living.send("{nothing that could be read\n");
    let run = living.end();
    let message = run.failure()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("Line 22"), "the line is not told: {message}");
    assert_eq!(run.states().len(), 1, "{run:#?}");
    assert_eq!(data(place, "added"), numbers(0..20));
}

fn a_statement_that_takes_too_long_is_cancelled_and_the_sync_fails() {
    let sandbox = Sandbox::with(json!({"statement_timeout_seconds": 12}));
    sandbox.place().goes_wrong(json!([{"action": "hold", "statement": "^(MERGE|COPY)", "value": 60}]));
    let run = sandbox.write(&append(&["added"]), records("added", 0..20) + &state("added", 20));
    let message = run.failure()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("statement_timeout_seconds"), "{message}");
    let asked = sandbox.place().asked();
    let mut merges = asked["statements"].as_array().unwrap().iter();
    let merge = merges.rfind(|one| adds(one["statement"].as_str().unwrap())).unwrap();
    assert_eq!(merge["state"], "CANCELED");
}
