//! Generations, by which the platform tells a second attempt from a new refresh. A stream in mode `append` whose minimum
//! generation is its generation replaces rows of other generations and adds to rows of its own.

use serde_json::{Value, json};

use crate::messages::{catalog, configured, numbered, records, said, state, status, stream_of};
use crate::place::TELLS_ROWS_BEFORE;
use crate::program::{Run, Sandbox};
use crate::table;

/// A stream with the platform's numbers.
fn numbered_stream(name: &str, mode: &str, generation: u64, minimum: u64) -> Value {
    let mut stream = configured(name, mode);
    stream["generation_id"] = json!(generation);
    stream["minimum_generation_id"] = json!(minimum);
    stream["sync_id"] = json!(30 + generation);
    stream
}

/// A catalog of one stream that is sent from its beginning every time.
fn full_refresh(mode: &str, generation: u64, minimum: u64) -> Value {
    catalog([numbered_stream("users", mode, generation, minimum)])
}

/// A catalog of one stream that has been asked for incrementally.
fn incremental(mode: &str, generation: u64, minimum: u64) -> Value {
    let mut catalog = full_refresh(mode, generation, minimum);
    catalog["streams"][0]["sync_mode"] = json!("incremental");
    catalog
}

/// Records of `users`, a STATE behind them, and COMPLETE.
fn complete(range: std::ops::Range<u64>) -> String {
    let last = range.end;
    records("users", range) + &state("users", last) + &status("users", "COMPLETE")
}

fn numbers(sandbox: &Sandbox) -> Vec<String> {
    table::data(&sandbox.table("default/users"))
}

fn data(numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
    let mut data: Vec<String> = numbers.into_iter().map(numbered).collect();
    data.sort();
    data
}

/// Whether any line of the output promises that there is a state to go on from.
fn promises_a_state(run: &Run) -> bool {
    run.says("goes on from") || run.says("last acknowledged")
}

#[test]
pub fn a_second_attempt_of_the_same_generation_appends_and_a_new_generation_replaces() {
    let sandbox = Sandbox::new();
    sandbox.load(&incremental("append", 1, 1), complete(0..3));
    assert_eq!(numbers(&sandbox), data(0..3));
    sandbox.load(&incremental("append", 1, 1), complete(3..5));
    assert_eq!(numbers(&sandbox), data(0..5), "the first attempt's rows are of this generation");
    sandbox.load(&incremental("append", 2, 2), complete(10..12));
    assert_eq!(numbers(&sandbox), data(10..12));
    sandbox.load(&incremental("append", 2, 2), complete(12..13));
    assert_eq!(numbers(&sandbox), data(10..13));
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_refresh_of_an_appending_stream_replaces_once_and_then_appends() {
    let sandbox = Sandbox::new();
    sandbox.load(&incremental("append", 1, 0), records("users", 0..3));
    sandbox.load(&incremental("append", 1, 0), records("users", 3..5));
    assert_eq!(numbers(&sandbox), data(0..5));
    sandbox.load(&incremental("append", 2, 2), complete(10..12));
    assert_eq!(numbers(&sandbox), data(10..12));
    sandbox.load(&incremental("append", 2, 0), records("users", 12..14));
    assert_eq!(numbers(&sandbox), data(10..14));
    table::assert_tidy(&sandbox.lake());
}

/// What is said of a complete stream: `counted` where the rows that were there have been counted, else `plain`.
fn told<'a>(counted: &'a str, plain: &'a str) -> &'a str {
    if TELLS_ROWS_BEFORE { counted } else { plain }
}

#[test]
fn a_full_refresh_that_is_resumed_in_its_generation_adds_to_what_its_first_attempt_loaded() {
    let sandbox = Sandbox::new();
    sandbox.load(&full_refresh("append", 7, 7), complete(0..4));
    let run = sandbox.load(&full_refresh("append", 8, 8), complete(10..20));
    assert_eq!(numbers(&sandbox), data(10..20));
    assert!(run.says(told("10 rows replaced 4.", "10 rows replaced those that were there.")), "{run:#?}");
    // The source goes on from the STATE of the first attempt.
    let run = sandbox.load(&full_refresh("append", 8, 8), complete(20..22));
    assert_eq!(numbers(&sandbox), data(10..22));
    let (counted, plain) = ("2 rows added to 10; the table is of", "2 rows added; the table is of");
    assert!(run.says(told(counted, plain)) && run.says("generation 8 already."), "{run:#?}");
    // Or it knows that all of it is loaded.
    sandbox.load(&full_refresh("append", 8, 8), status("users", "COMPLETE"));
    assert_eq!(numbers(&sandbox), data(10..22));
    sandbox.load(&full_refresh("append", 9, 9), status("users", "COMPLETE"));
    assert_eq!(numbers(&sandbox), data(0..0), "a new generation that is empty is an empty table");
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn rows_of_any_other_generation_or_of_none_are_replaced() {
    for (what, first) in [
        ("none", catalog([configured("users", "append")])),
        ("an older one", full_refresh("append", 6, 6)),
        ("an older one that was appended", incremental("append", 6, 0)),
        ("a newer one, of a connection that was made anew", full_refresh("append", 9, 9)),
        ("an older one that was overwritten", full_refresh("overwrite", 6, 6)),
    ] {
        let sandbox = Sandbox::new();
        sandbox.load(&first, complete(0..3));
        sandbox.load(&full_refresh("append", 7, 7), complete(10..12));
        assert_eq!(numbers(&sandbox), data(10..12), "{what}");
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn a_clean_end_without_complete_replaces_nothing_and_gives_no_state_back() {
    for heard in ["", "a STATE", "records", "records and a STATE"] {
        for sync_mode in ["full_refresh", "incremental"] {
            let sandbox = Sandbox::new();
            sandbox.load(&full_refresh("append", 6, 6), complete(0..3));
            let mut streams = full_refresh("append", 7, 7);
            streams["streams"][0]["sync_mode"] = json!(sync_mode);
            let mut input = "{\"type\":\"LOG\",\"log\":{\"level\":\"INFO\",\"message\":\"begins\"}}\n".to_owned();
            if heard.contains("records") {
                input += &records("users", 10..12);
            }
            if heard.contains("STATE") {
                input += &state("users", 12);
            }
            let run = sandbox.write(&streams, input);
            let message = run.failed_with("transient_error");
            assert!(message.contains("users"), "{heard}: {message}");
            assert_eq!(run.error()["stream_descriptor"], json!({"name": "users"}), "{heard}");
            assert!(!promises_a_state(&run), "{heard}: {run:#?}");
            assert_eq!(run.states(), Vec::<Value>::new(), "{heard}");
            assert_eq!(numbers(&sandbox), data(0..3), "{heard}");
            // The next attempt sends everything, and that is what the table then has.
            sandbox.load(&streams, complete(10..14));
            assert_eq!(numbers(&sandbox), data(10..14), "{heard}");
            table::assert_tidy(&sandbox.lake());
        }
    }
}

#[test]
fn a_first_refresh_without_complete_makes_no_table_that_a_retry_would_add_to() {
    let sandbox = Sandbox::new();
    let run = sandbox.write(&full_refresh("append", 1, 1), records("users", 0..2) + &state("users", 2));
    run.failed_with("transient_error");
    assert_eq!(run.states(), Vec::<Value>::new());
    assert!(table::try_read(&sandbox.table("default/users")).is_none());
    sandbox.load(&full_refresh("append", 1, 1), complete(0..4));
    assert_eq!(numbers(&sandbox), data(0..4));
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn an_attempt_that_goes_on_and_breaks_off_keeps_what_its_states_speak_for() {
    let sandbox = Sandbox::new();
    sandbox.load(&full_refresh("append", 7, 7), complete(0..3));
    for ending in [String::new(), status("users", "INCOMPLETE")] {
        let begun = numbers(&sandbox).len() as u64;
        let input = records("users", begun..begun + 2) + &state("users", begun + 2) + &records("users", 90..93);
        let run = sandbox.write(&full_refresh("append", 7, 7), input + &ending);
        assert!(run.failed_with("transient_error").contains("users"));
        assert_eq!(run.states().iter().map(said).collect::<Vec<_>>(), [begun + 2]);
        // The three behind the STATE will be sent again.
        assert_eq!(numbers(&sandbox), data(0..begun + 2));
    }
    sandbox.load(&full_refresh("append", 7, 7), complete(7..9));
    assert_eq!(numbers(&sandbox), data(0..9));
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn of_streams_that_are_refreshed_together_only_those_that_are_complete_are_replaced() {
    let sandbox = Sandbox::new();
    let names = ["users", "pets", "cars"];
    let streams = |generation| catalog(names.map(|name| numbered_stream(name, "append", generation, generation)));
    let all = |range: std::ops::Range<u64>| {
        names.map(|name| records(name, range.clone()) + &state(name, range.end) + &status(name, "COMPLETE")).concat()
    };
    sandbox.load(&streams(6), all(0..3));
    // The source has died in the second stream and never reached the third.
    let input =
        records("users", 10..12) + &state("users", 12) + &status("users", "COMPLETE") + &records("pets", 10..11);
    let run = sandbox.write(&streams(7), input);
    let message = run.failed_with("transient_error");
    assert!(message.contains("pets") && message.contains("cars") && !message.contains("users"), "{message}");
    assert!(!promises_a_state(&run), "{run:#?}");
    assert_eq!(run.states().iter().map(stream_of).collect::<Vec<_>>(), ["users"]);
    let found = names.map(|name| table::data(&sandbox.table(&format!("default/{name}"))));
    assert_eq!(found, [data(10..12), data(0..3), data(0..3)]);
    // The next attempt goes on with the first, and begins the others again.
    let rest = ["pets", "cars"].map(|name| records(name, 10..12) + &state(name, 12) + &status(name, "COMPLETE"));
    sandbox.load(&streams(7), records("users", 12..13) + &status("users", "COMPLETE") + &rest.concat());
    let found = names.map(|name| table::data(&sandbox.table(&format!("default/{name}"))));
    assert_eq!(found, [data(10..13), data(10..12), data(10..12)]);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_new_generation_that_ends_incomplete_leaves_the_old_one_and_is_tried_again() {
    let sandbox = Sandbox::new();
    sandbox.load(&incremental("append", 1, 1), complete(0..3));
    let input = records("users", 10..12) + &state("users", 12) + &status("users", "INCOMPLETE");
    let run = sandbox.write(&incremental("append", 2, 2), input);
    run.failed_with("transient_error");
    assert_eq!((run.states(), promises_a_state(&run)), (Vec::new(), false), "{run:#?}");
    assert_eq!(numbers(&sandbox), data(0..3));
    sandbox.load(&incremental("append", 2, 2), complete(10..14));
    assert_eq!(numbers(&sandbox), data(10..14));
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn an_attempt_that_is_killed_or_stopped_before_complete_replaces_nothing() {
    let sandbox = Sandbox::new();
    sandbox.load(&full_refresh("append", 6, 6), complete(0..3));
    for signal in ["KILL", "TERM", "INT"] {
        let mut living = sandbox.start(&full_refresh("append", 7, 7));
        living.send(records("users", 10..12) + &state("users", 12));
        living.has_read_so_far();
        let run = living.signal(signal);
        assert_ne!(run.code, Some(0), "{signal}");
        assert!(!promises_a_state(&run), "{signal}: {run:#?}");
        assert_eq!((run.states(), numbers(&sandbox)), (Vec::new(), data(0..3)), "{signal}");
    }
    sandbox.load(&full_refresh("append", 7, 7), complete(10..14));
    assert_eq!(numbers(&sandbox), data(10..14));
    // In a bucket, what was killed is cleared away only when its lease is old.
    table::assert_tables_tidy(&sandbox.lake());
}

#[test]
fn an_overwrite_replaces_rows_of_whatever_generation_also_of_its_own() {
    let sandbox = Sandbox::new();
    for (generation, minimum) in [(3, 3), (3, 3), (2, 2), (2, 0), (2, 2)] {
        for (n, ending) in [(0, ""), (1, "COMPLETE")] {
            let from = generation * 10 + n;
            let ending = if ending.is_empty() { String::new() } else { status("users", ending) };
            let streams = full_refresh("overwrite", generation, minimum);
            sandbox.load(&streams, records("users", from..from + 2) + &state("users", from) + &ending);
            assert_eq!(numbers(&sandbox), data(from..from + 2), "{generation} {minimum}");
        }
    }
    // A retry that says it is complete and sends nothing is an empty stream; of one that says nothing the rows stay.
    sandbox
        .load(&full_refresh("overwrite", 2, 2), "{\"type\":\"LOG\",\"log\":{\"level\":\"INFO\",\"message\":\"-\"}}\n");
    assert_eq!(numbers(&sandbox), data(21..23));
    sandbox.load(&full_refresh("overwrite", 2, 2), status("users", "COMPLETE"));
    assert_eq!(numbers(&sandbox), data(0..0));
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn the_numbers_of_pyairbyte_say_nothing_and_those_of_the_platform_do() {
    let ones = |mode: &str, sync_mode: &str| {
        let mut catalog = full_refresh(mode, 1, 1);
        catalog["streams"][0]["sync_id"] = json!(1);
        catalog["streams"][0]["sync_mode"] = json!(sync_mode);
        catalog
    };
    for sync_mode in ["incremental", "full_refresh"] {
        let mut sandbox = Sandbox::new();
        sandbox.load(&catalog([configured("users", "append")]), complete(0..3));
        for round in 1..4 {
            let from = round * 10;
            sandbox.load(&ones("overwrite", sync_mode), complete(from..from + 3));
            assert_eq!(numbers(&sandbox), data(from..from + 3), "{sync_mode}: REPLACE replaces, round {round}");
        }
        for round in 1..4 {
            let range = 30 + round * 3..33 + round * 3;
            let run = sandbox.load(&ones("append", sync_mode), complete(range));
            assert_eq!(numbers(&sandbox), data(30..33 + round * 3), "{sync_mode}: APPEND adds, round {round}");
            let closing = told(&format!("3 rows added to {}.", round * 3), "3 rows added.").to_owned();
            assert!(run.says(&closing), "{closing} in {run:#?}");
        }
        // Without statuses, too: nothing says that this source has any.
        sandbox.load(&ones("append", sync_mode), records("users", 42..44));
        assert_eq!(numbers(&sandbox), data(30..44), "{sync_mode}");
        // The platform means what it says: a refresh, and then an attempt that goes on.
        sandbox.set_environment("WORKER_JOB_ID", "12");
        sandbox.write(&ones("append", sync_mode), records("users", 0..1)).failed_with("transient_error");
        assert_eq!(numbers(&sandbox), data(30..44), "{sync_mode}");
        sandbox.load(&ones("append", sync_mode), complete(50..53));
        assert_eq!(numbers(&sandbox), data(50..53), "{sync_mode}");
        sandbox.load(&ones("append", sync_mode), complete(53..55));
        assert_eq!(numbers(&sandbox), data(50..55), "{sync_mode}");
        sandbox.load(&ones("overwrite", sync_mode), complete(60..61));
        assert_eq!(numbers(&sandbox), data(60..61), "{sync_mode}");
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn a_minimum_that_is_neither_nothing_nor_the_generation_is_a_config_error() {
    let sandbox = Sandbox::new();
    for mode in ["append", "overwrite"] {
        let run = sandbox.write(&incremental(mode, 3, 2), records("users", 0..3));
        let message = run.failed_with("config_error");
        assert!(message.contains("users") && message.contains("minimum_generation_id"), "{message}");
    }
    assert!(sandbox.lake().is_empty());
}
