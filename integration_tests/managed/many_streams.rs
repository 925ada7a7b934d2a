//! What is left of a sync of many streams, and how much it asks for.

use serde_json::json;

use super::tables::{managed, staged};
use crate::messages::{append, numbered, record, state};

/// Spark would take many minutes for so many tables. The requests and the files are the same where it does not run.
#[test]
fn many_streams_have_one_volume_and_leave_no_folder() {
    have_one_volume(40);
}

/// Statements are sent at most ten times a second: a thousand streams take longer than a test may.
#[test]
#[ignore = "takes minutes"]
fn hundreds_of_streams_have_one_volume_and_leave_no_folder() {
    have_one_volume(500);
}

fn have_one_volume(streams: usize) {
    let mut sandbox = managed();
    let mut settings = sandbox.settings().clone();
    settings["load_parallelism"] = json!(16);
    sandbox.set(settings);
    sandbox.place().set(json!({"scripted": true}));
    let names: Vec<String> = (0..streams).map(|n| format!("stream_{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let input = names.iter().map(|name| record(name, &numbered(1)) + &state(name, 1)).collect::<String>();
    let run = sandbox.load(&append(&names), input);
    assert_eq!(run.states().len(), streams);
    let statements = sandbox.place().statements();
    let of_kind = |kind: &str| statements.iter().filter(|text| text.starts_with(kind)).count();
    assert_eq!((of_kind("CREATE VOLUME"), of_kind("CREATE TABLE"), of_kind("COPY INTO")), (1, streams, streams));
    assert!(statements.len() <= 2 * streams + 6, "{} statements", statements.len());
    let asked = sandbox.place().asked();
    let requests = asked["requests"].as_u64().unwrap() as usize;
    // Eight for the files of each stream, among them its claim, and its statements.
    assert!(requests <= 12 * streams + 60, "{requests} requests");
    assert_eq!(staged(sandbox.place()), Vec::<String>::new());
}
