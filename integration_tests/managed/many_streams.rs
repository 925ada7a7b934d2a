//! What is left of a sync of many streams, and how much it asks for.

use serde_json::json;

use super::tables::{managed, staged};
use crate::messages::{append, numbered, record, state};

/// Spark would take many minutes for so many tables. The requests and the files are the same where it does not run.
#[test]
fn a_thousand_streams_have_one_volume_and_leave_no_folder() {
    const STREAMS: usize = 1000;
    let mut sandbox = managed();
    sandbox.set_environment("DESTINATION_DATABRICKS_DATABRICKS_RETRY_MS", "200000");
    let mut settings = sandbox.settings().clone();
    settings["load_parallelism"] = json!(16);
    sandbox.set(settings);
    sandbox.place().set(json!({"scripted": true, "requests_a_second": 1000}));
    let names: Vec<String> = (0..STREAMS).map(|n| format!("stream_{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let input = names.iter().map(|name| record(name, &numbered(1)) + &state(name, 1)).collect::<String>();
    let run = sandbox.load(&append(&names), input);
    assert_eq!(run.states().len(), STREAMS);
    let statements = sandbox.place().statements();
    let of_kind = |kind: &str| statements.iter().filter(|text| text.starts_with(kind)).count();
    assert_eq!((of_kind("CREATE VOLUME"), of_kind("CREATE TABLE"), of_kind("COPY INTO")), (1, STREAMS, STREAMS));
    assert!(statements.len() <= 2 * STREAMS + 6, "{} statements", statements.len());
    assert_eq!(staged(sandbox.place()), Vec::<String>::new());
}
