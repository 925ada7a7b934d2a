//! Generations: a platform that numbers its refreshes tells a second attempt apart from a new refresh.

use serde_json::{Value, json};

use crate::messages::{catalog, configured, numbered, records, status};
use crate::program::Sandbox;
use crate::table;

/// A catalog whose stream has been asked for incrementally: a retry of a source gets what is left.
fn generation(mode: &str, generation: u64, minimum: u64) -> Value {
    let mut catalog = full_refresh(mode, generation, minimum);
    catalog["streams"][0]["sync_mode"] = json!("incremental");
    catalog
}

/// A catalog whose stream is sent from its beginning every time.
fn full_refresh(mode: &str, generation: u64, minimum: u64) -> Value {
    let mut stream = configured("users", mode);
    stream["generation_id"] = json!(generation);
    stream["minimum_generation_id"] = json!(minimum);
    stream["sync_id"] = json!(1);
    catalog([stream])
}

fn numbers(sandbox: &Sandbox) -> Vec<String> {
    table::data(&sandbox.table("default/users"))
}

fn data(numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
    let mut data: Vec<String> = numbers.into_iter().map(numbered).collect();
    data.sort();
    data
}

#[test]
pub fn a_second_attempt_of_the_same_generation_appends_and_a_new_generation_replaces() {
    let sandbox = Sandbox::new();
    sandbox.load(&generation("overwrite", 1, 1), records("users", 0..3));
    assert_eq!(numbers(&sandbox), data(0..3));
    sandbox.load(&generation("overwrite", 1, 1), records("users", 3..5));
    assert_eq!(numbers(&sandbox), data(0..5), "the first attempt's rows are of this generation");
    sandbox.load(&generation("overwrite", 2, 2), records("users", 10..12));
    assert_eq!(numbers(&sandbox), data(10..12));
    sandbox.load(&generation("overwrite", 2, 2), records("users", 12..13));
    assert_eq!(numbers(&sandbox), data(10..13));
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_refresh_of_an_appending_stream_replaces_once_and_then_appends() {
    let sandbox = Sandbox::new();
    sandbox.load(&generation("append", 1, 0), records("users", 0..3));
    sandbox.load(&generation("append", 1, 0), records("users", 3..5));
    assert_eq!(numbers(&sandbox), data(0..5));
    sandbox.load(&generation("append", 2, 2), records("users", 10..12));
    assert_eq!(numbers(&sandbox), data(10..12));
    sandbox.load(&generation("append", 2, 0), records("users", 12..14));
    assert_eq!(numbers(&sandbox), data(10..14));
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_full_refresh_that_is_tried_again_replaces_what_its_first_attempt_loaded() {
    let sandbox = Sandbox::new();
    sandbox.load(&full_refresh("overwrite", 1, 1), records("users", 0..3));
    sandbox.load(&full_refresh("overwrite", 1, 1), records("users", 0..4));
    assert_eq!(numbers(&sandbox), data(0..4), "a source that begins from the start sends everything again");
    // A source that knows from its STATE that all of it is loaded sends nothing.
    sandbox.load(&full_refresh("overwrite", 1, 1), status("users", "COMPLETE"));
    assert_eq!(numbers(&sandbox), data(0..4));
    sandbox.load(&full_refresh("overwrite", 2, 2), status("users", "COMPLETE"));
    assert_eq!(numbers(&sandbox), Vec::<String>::new(), "a new generation that is empty is an empty table");
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_new_generation_that_ends_incomplete_leaves_the_old_one_and_is_tried_again() {
    let sandbox = Sandbox::new();
    sandbox.load(&generation("overwrite", 1, 1), records("users", 0..3));
    let run = sandbox.write(&generation("overwrite", 2, 2), records("users", 10..12) + &status("users", "INCOMPLETE"));
    run.failed_with("transient_error");
    assert_eq!(numbers(&sandbox), data(0..3));
    sandbox.load(&generation("overwrite", 2, 2), records("users", 10..14) + &status("users", "COMPLETE"));
    assert_eq!(numbers(&sandbox), data(10..14));
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_minimum_that_is_neither_nothing_nor_the_generation_is_a_config_error() {
    let sandbox = Sandbox::new();
    let run = sandbox.write(&generation("append", 3, 2), records("users", 0..3));
    let message = run.failed_with("config_error");
    assert!(message.contains("users") && message.contains("minimum_generation_id"), "{message}");
    assert_eq!(table::tree(&sandbox.lake()), Vec::<std::path::PathBuf>::new());
}
