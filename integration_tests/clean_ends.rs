//! Input that ends without an error proves nothing, since a source that crashed looks the same. Which tables are replaced
//! then, which keep their rows, and what is logged. Refreshes, which always need a COMPLETE, are in `generations`.

use std::ops::Range;

use serde_json::{Value, json};

use crate::messages::stream_of;
use crate::messages::{append, catalog, configured, numbered, overwrite, records, said, state, status};
use crate::program::{Run, Sandbox};
use crate::table;

fn data(range: Range<u64>) -> Vec<String> {
    let mut data: Vec<String> = range.map(numbered).collect();
    data.sort();
    data
}

fn rows(sandbox: &Sandbox, stream: &str) -> Vec<String> {
    table::data(&sandbox.table(&format!("default/{stream}")))
}

/// A lake in which each of `streams` has the rows 0 to 2.
fn filled(streams: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.load(&append(streams), streams.iter().map(|stream| records(stream, 0..3)).collect::<String>());
    sandbox
}

/// The warnings that name `stream` as one of which nothing came.
fn left_alone(run: &Run, stream: &str) -> bool {
    let is_named = |text: &String| text.contains("left as they are") && text.contains(stream);
    run.logs("WARN").iter().any(is_named)
}

/// What a source says that sends nothing else.
fn log() -> String {
    format!("{}\n", json!({"type": "LOG", "log": {"level": "INFO", "message": "nothing new"}}))
}

/// A GLOBAL STATE that says `n` and names `streams`.
fn global_of(n: u64, streams: &[&str]) -> String {
    let states: Vec<Value> =
        streams.iter().map(|name| json!({"stream_descriptor": {"name": name}, "stream_state": null})).collect();
    let state = json!({"type": "GLOBAL", "global": {"shared_state": {"n": n}, "stream_states": states}});
    format!("{}\n", json!({"type": "STATE", "state": state}))
}

#[test]
fn a_stream_of_which_nothing_was_heard_keeps_its_rows_with_a_warning_that_names_it() {
    let sandbox = filled(&["orders", "users", "pets"]);
    // The source has died in the first stream.
    let run = sandbox.load(&overwrite(&["orders", "users", "pets"]), records("orders", 10..11) + &state("orders", 11));
    assert_eq!(rows(&sandbox, "orders"), data(10..11));
    assert_eq!(run.states().len(), 1);
    for stream in ["users", "pets"] {
        assert_eq!(rows(&sandbox, stream), data(0..3), "{stream}");
        assert!(left_alone(&run, stream), "{stream}: {run:#?}");
    }
    assert!(!left_alone(&run, "orders"), "{run:#?}");
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn records_or_a_state_or_complete_are_each_enough_to_replace_a_table() {
    for (input, expected) in [
        (records("users", 10..12), data(10..12)),
        (state("users", 1), data(0..0)),
        (status("users", "COMPLETE"), data(0..0)),
        (records("users", 10..12) + &status("users", "COMPLETE"), data(10..12)),
        (global_of(1, &["users"]), data(0..0)),
        (log(), data(0..3)),
        (global_of(1, &["pets"]), data(0..3)),
    ] {
        let sandbox = filled(&["users"]);
        let run = sandbox.load(&overwrite(&["users"]), &input);
        assert_eq!(rows(&sandbox, "users"), expected, "{input}");
        assert_eq!(left_alone(&run, "users"), expected == data(0..3), "{input}");
        assert_eq!(run.states().len(), input.matches("\"STATE\"").count(), "{input}");
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn a_state_of_all_speaks_for_the_streams_that_it_names() {
    let sandbox = filled(&["orders", "users", "pets"]);
    let streams = overwrite(&["orders", "users", "pets"]);
    let run =
        sandbox.load(&streams, records("orders", 10..12) + &global_of(1, &["orders", "pets", "not in the catalog"]));
    let found = ["orders", "users", "pets"].map(|stream| rows(&sandbox, stream));
    assert_eq!(found, [data(10..12), data(0..3), data(0..0)]);
    assert!(left_alone(&run, "users") && !left_alone(&run, "pets"), "{run:#?}");
    assert_eq!(run.states().len(), 1);
    table::assert_tidy(&sandbox.lake());
}

fn state_of_all(state: Value) -> String {
    format!("{}\n", json!({"type": "STATE", "state": state}))
}

#[test]
fn only_a_state_of_all_that_is_empty_clears_the_tables_and_only_where_no_record_came_at_all() {
    for state in [
        json!({"type": "LEGACY", "data": {}}),
        json!({"type": "LEGACY", "data": null}),
        json!({"data": {}}),
        json!({"type": "GLOBAL", "global": {"shared_state": null, "stream_states": []}}),
        json!({"type": "GLOBAL", "global": {"stream_states": []}}),
    ] {
        let state = state_of_all(state);
        // The source of such STATEs has died behind its first stream.
        let sandbox = filled(&["orders", "users"]);
        let run = sandbox.load(&overwrite(&["orders", "users"]), records("orders", 10..12) + &state);
        assert_eq!((rows(&sandbox, "orders"), rows(&sandbox, "users")), (data(10..12), data(0..3)), "{state}");
        assert!(left_alone(&run, "users"), "{state}");
        // The platform clears its tables.
        let run = sandbox.load(&overwrite(&["orders", "users"]), &state);
        assert_eq!((rows(&sandbox, "orders"), rows(&sandbox, "users")), (data(0..0), data(0..0)), "{state}");
        assert_eq!((run.logs("WARN"), run.states().len()), (Vec::new(), 1), "{state}");
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn a_checkpoint_that_names_no_stream_empties_no_table() {
    for state in [
        json!({"type": "LEGACY", "data": {"lsn": 5}}),
        json!({"data": {"p": 1}}),
        json!({"data": {"p": {}}}),
        json!({"data": []}),
        json!({}),
        json!({"type": "LEGACY"}),
        json!({"type": "GLOBAL"}),
        json!({"type": "GLOBAL", "global": {"shared_state": {"lsn": 5}, "stream_states": []}}),
        json!({"type": "GLOBAL", "global": {"shared_state": {"lsn": 5}, "stream_states": null}}),
        json!({"type": "GLOBAL", "global": {"shared_state": {}, "stream_states": []}}),
        json!({"type": "GLOBAL", "global": {"shared_state": null, "stream_states": null}}),
        json!({"type": "GLOBAL", "global": "none"}),
        json!({"type": "GLOBAL", "global": {"stream_states": [{"stream_descriptor": {"namespace": "x"}}]}}),
    ] {
        let sandbox = filled(&["orders", "users"]);
        // Also one that would clear them, if it were alone.
        for before in [String::new(), state_of_all(json!({"data": {}}))] {
            let input = before + &state_of_all(state.clone());
            let run = sandbox.load(&overwrite(&["orders", "users"]), &input);
            assert_eq!((rows(&sandbox, "orders"), rows(&sandbox, "users")), (data(0..3), data(0..3)), "{input}");
            assert!(left_alone(&run, "orders") && left_alone(&run, "users"), "{input}");
            assert_eq!(run.states().len(), input.lines().count(), "nothing came that a STATE could wait for: {input}");
        }
    }
}

#[test]
fn a_state_of_all_names_the_streams_whose_names_can_be_read() {
    let sandbox = filled(&["orders", "users"]);
    let states = json!([
        {"stream_descriptor": {"namespace": null}, "stream_state": {}},
        7,
        {"stream_descriptor": {"name": 7}},
        {"stream_descriptor": {"name": "users"}, "stream_state": null},
    ]);
    let global = json!({"type": "GLOBAL", "global": {"shared_state": {"lsn": 5}, "stream_states": states}});
    let run = sandbox.load(&overwrite(&["orders", "users"]), state_of_all(global));
    assert_eq!((rows(&sandbox, "orders"), rows(&sandbox, "users")), (data(0..3), data(0..0)));
    assert!(left_alone(&run, "orders") && !left_alone(&run, "users"), "{run:#?}");
}

#[test]
fn streams_of_all_modes_end_each_in_its_own_way() {
    let mut refreshed = configured("refreshed", "append");
    for field in ["generation_id", "minimum_generation_id"] {
        refreshed[field] = json!(7);
    }
    let mut added = configured("added", "append");
    added["generation_id"] = json!(7);
    added["minimum_generation_id"] = json!(0);
    let overwritten = configured("overwritten", "overwrite");
    let silent = configured("silent", "overwrite");
    let names = ["added", "refreshed", "overwritten", "silent"];
    let input = names[..3].iter().map(|name| records(name, 10..12) + &state(name, 12)).collect::<String>();
    let streams = catalog([added, refreshed, overwritten, silent]);

    let sandbox = filled(&names);
    let run = sandbox.write(&streams, input.clone() + &records("added", 12..13));
    let message = run.failed_with("transient_error");
    assert!(message.contains("refreshed, overwritten") && !message.contains("silent"), "{message}");
    let mut all = [data(0..3), data(10..12)].concat();
    all.sort();
    let found = names.map(|name| rows(&sandbox, name));
    // What came of `added` behind its STATE will be sent again, because this sync fails; so will all of `overwritten`.
    assert_eq!(found, [all, data(0..3), data(0..3), data(0..3)]);
    assert!(left_alone(&run, "silent"), "{run:#?}");
    assert_eq!(run.states().iter().map(stream_of).collect::<Vec<_>>(), ["added"]);
    table::assert_tidy(&sandbox.lake());

    // With one status of one stream every stream has to be COMPLETE.
    let sandbox = filled(&names);
    let run = sandbox.write(&streams, status("added", "STARTED") + &input + &status("added", "COMPLETE"));
    let message = run.failed_with("transient_error");
    assert!(names[1..].iter().all(|name| message.contains(name)) && !message.contains("added"), "{message}");
    assert_eq!(names[1..].iter().map(|name| rows(&sandbox, name)).collect::<Vec<_>>(), vec![data(0..3); 3]);
    assert_eq!(rows(&sandbox, "added").len(), 5);
    assert_eq!(run.states().iter().map(stream_of).collect::<Vec<_>>(), ["added"]);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_state_of_a_stream_that_replaces_its_table_waits_for_that_also_without_a_record_before_it() {
    let sandbox = filled(&["users"]);
    let mut living = sandbox.start(&overwrite(&["users"]));
    living.send(state("users", 0) + &state("users", 1));
    living.has_read_so_far();
    assert_eq!(living.states_heard(), Vec::<Value>::new(), "the table has its old rows");
    living.send(records("users", 10..12) + &state("users", 2));
    living.has_read_so_far();
    assert_eq!(living.states_heard(), Vec::<Value>::new());
    let run = living.end();
    assert_eq!(run.states().iter().map(said).collect::<Vec<_>>(), [0, 1, 2], "{run:#?}");
    assert_eq!(rows(&sandbox, "users"), data(10..12));

    let run = sandbox.write(&overwrite(&["users"]), state("users", 3) + &status("users", "INCOMPLETE"));
    run.failed_with("transient_error");
    assert_eq!((run.states(), rows(&sandbox, "users")), (Vec::new(), data(10..12)));
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_state_behind_complete_is_given_back_like_one_before_it() {
    for records_before in [records("users", 10..12), String::new()] {
        let sandbox = filled(&["users", "pets"]);
        let mut living = sandbox.start(&overwrite(&["users", "pets"]));
        living.send(records_before.clone() + &state("users", 1) + &status("users", "COMPLETE") + &state("users", 2));
        living.send(records("pets", 0..1) + &status("pets", "COMPLETE"));
        let run = living.end();
        assert_eq!((run.code, run.states().iter().map(said).collect::<Vec<_>>()), (Some(0), vec![1, 2]), "{run:#?}");
        assert_eq!(rows(&sandbox, "users").len(), records_before.lines().count());
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn a_complete_that_is_taken_back_fails_the_sync_and_empties_no_table() {
    let sandbox = filled(&["users"]);
    for input in [String::new(), state("users", 1)] {
        let input = input + &status("users", "COMPLETE") + &status("users", "INCOMPLETE");
        let run = sandbox.write(&overwrite(&["users"]), input);
        assert!(run.failed_with("transient_error").contains("users"));
        assert!(run.logs("WARN").iter().any(|text| text.contains("users") && text.contains("INCOMPLETE")), "{run:#?}");
        assert_eq!((run.states(), rows(&sandbox, "users")), (Vec::new(), data(0..3)));
    }
    // What breaks behind a COMPLETE without records empties none either.
    sandbox.write(&overwrite(&["users"]), status("users", "COMPLETE") + "oops\n").failure();
    assert_eq!(rows(&sandbox, "users"), data(0..3));
    // Rows that were declared COMPLETE are in the table at once, and readers may have seen them.
    let input = records("users", 10..12) + &status("users", "COMPLETE") + &status("users", "INCOMPLETE");
    let run = sandbox.write(&overwrite(&["users"]), input);
    assert!(run.failed_with("transient_error").contains("users"));
    assert_eq!(rows(&sandbox, "users"), data(10..12));
    // The last word counts.
    sandbox.load(
        &overwrite(&["users"]),
        ["COMPLETE", "INCOMPLETE", "COMPLETE"].map(|said| status("users", said)).concat(),
    );
    assert_eq!(rows(&sandbox, "users"), data(0..0));
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_failure_before_a_table_is_replaced_promises_no_state_to_go_on_from() {
    let promise = "goes on from the last acknowledged state";
    for (mode, promised) in [("overwrite", false), ("append", true)] {
        let sandbox = filled(&["users"]);
        let mut living = sandbox.start(&catalog([configured("users", mode)]));
        living.send(records("users", 10..12) + &state("users", 12));
        living.has_read_so_far();
        let stopped = living.signal("TERM");
        let input = records("users", 10..12) + &state("users", 12) + &status("users", "INCOMPLETE");
        let incomplete = sandbox.write(&catalog([configured("users", mode)]), input);
        for run in [stopped, incomplete] {
            assert_eq!(run.error()["failure_type"], "transient_error", "{run:#?}");
            assert_eq!(run.says(promise), promised, "{mode}: {run:#?}");
        }
    }
}
