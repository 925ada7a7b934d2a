//! Append adds rows. Overwrite replaces all rows in one commit, at the end, and only if the stream ended well.

use serde_json::json;

use crate::messages::{append, catalog, configured, numbered, overwrite, padded, record, records, state, status};
use crate::program::{Sandbox, until};
use crate::table;

/// The sorted data of records `range`.
fn data(range: std::ops::Range<u64>) -> Vec<String> {
    let mut data: Vec<String> = range.map(numbered).collect();
    data.sort();
    data
}

#[test]
fn appending_twice_doubles_the_rows() {
    let sandbox = Sandbox::new();
    for _ in 0..2 {
        sandbox.load(&append(&["users"]), records("users", 0..10));
    }
    let read = table::read(&sandbox.table("default/users"));
    let mut twice = [data(0..10), data(0..10)].concat();
    twice.sort();
    assert_eq!(table::data(&sandbox.table("default/users")), twice);
    assert_eq!(read.versions, 2);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn overwriting_twice_does_not() {
    let sandbox = Sandbox::new();
    for _ in 0..3 {
        sandbox.load(&overwrite(&["users"]), records("users", 0..10));
        assert_eq!(table::data(&sandbox.table("default/users")), data(0..10));
    }
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn ids_ascend_in_the_order_of_the_records() {
    let sandbox = Sandbox::with(json!({"memory_limit_mb": 16, "flush_size_mb": 1}));
    let lines = |range: std::ops::Range<u64>| range.map(|n| record("users", &padded(n, 600))).collect::<String>();
    let input = (0..5).map(|i| lines(i * 2000..(i + 1) * 2000) + &state("users", (i + 1) * 2000));
    sandbox.load(&append(&["users"]), input.collect::<String>());
    let table = table::read(&sandbox.table("default/users"));
    let mut rows = table.rows;
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    assert!(rows.iter().map(|row| &row.data).eq(&(0..10_000).map(|n| padded(n, 600)).collect::<Vec<_>>()));
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn readers_see_the_old_rows_until_one_commit_puts_the_new_ones_there() {
    let sandbox = Sandbox::with(json!({"memory_limit_mb": 16, "flush_size_mb": 1}));
    let folder = sandbox.table("default/users");
    sandbox.load(&append(&["users"]), records("users", 0..3));
    let before = table::read(&folder);

    let mut living = sandbox.start(&overwrite(&["users"]));
    let lines = |range: std::ops::Range<u64>| range.map(|n| record("users", &padded(n, 2000))).collect::<String>();
    living.send(lines(1000..2000) + &state("users", 2000));
    // The first batch is staged whole, and more than half of the input is still to come.
    let staged =
        || table::staging(&sandbox.lake()).iter().any(|sync| table::commit(&sync.join("default/users"), 0).exists());
    until("a staged batch", staged);
    let during = table::read(&folder);
    assert_eq!((during.versions, during.data()), (before.versions, before.data()));
    living.send(lines(2000..4000) + &state("users", 4000));
    living.has_read_so_far();
    assert_eq!(table::read(&folder).data(), before.data());
    assert_eq!(living.states_heard(), Vec::<serde_json::Value>::new(), "nothing is in the table yet");

    let run = living.end();
    assert_eq!((run.code, run.states().len()), (Some(0), 2), "{run:#?}");
    let after = table::read(&folder);
    assert_eq!((after.versions, after.rows.len()), (before.versions + 1, 3000));
    assert!(after.rows.iter().all(|row| row.data.contains("\"pad\"")));
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_stream_that_is_declared_complete_is_replaced_before_the_input_ends() {
    let sandbox = Sandbox::new();
    sandbox.load(&overwrite(&["users"]), records("users", 0..3));
    let mut living = sandbox.start(&overwrite(&["users", "pets"]));
    living.send(records("users", 10..12) + &state("users", 12) + &status("users", "COMPLETE"));
    living.next_state();
    assert_eq!(table::data(&sandbox.table("default/users")), data(10..12));
    living.send(status("pets", "COMPLETE"));
    assert_eq!(living.end().code, Some(0));
}

#[test]
fn a_stream_without_records_gets_its_empty_table() {
    let sandbox = Sandbox::new();
    let streams = catalog([configured("appended", "append"), configured("replaced", "overwrite")]);
    for round in 0..2 {
        // A source that has nothing to send says something all the same.
        sandbox.load(&streams, r#"{"type":"LOG","log":{"level":"INFO","message":"nothing new"}}"#);
        for folder in ["default/appended", "default/replaced"] {
            assert_eq!(table::read(&sandbox.table(folder)).rows, [], "round {round}: {folder}");
        }
    }
    let schema = table::read(&sandbox.table("default/appended")).metadata["schemaString"].clone();
    let schema: serde_json::Value = serde_json::from_str(schema.as_str().unwrap()).unwrap();
    let columns: Vec<_> = schema["fields"].as_array().unwrap().iter().map(|f| (&f["name"], &f["type"])).collect();
    assert_eq!(
        columns,
        [
            (&json!("_airbyte_ab_id"), &json!("string")),
            (&json!("_airbyte_emitted_at"), &json!("timestamp")),
            (&json!("_airbyte_data"), &json!("string")),
        ]
    );
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn an_overwrite_without_records_empties_the_table_and_an_append_leaves_it() {
    let sandbox = Sandbox::new();
    sandbox.load(&append(&["users"]), records("users", 0..3));
    sandbox.load(&append(&["users"]), "");
    assert_eq!(table::data(&sandbox.table("default/users")), data(0..3));
    sandbox.load(&overwrite(&["users"]), status("users", "COMPLETE"));
    assert_eq!(table::data(&sandbox.table("default/users")), Vec::<String>::new());
}

#[test]
fn an_overwrite_that_ends_incomplete_leaves_the_old_rows_and_fails_with_a_transient_error() {
    for ending in ["INCOMPLETE", "RUNNING", "STARTED", "no status of its own"] {
        let sandbox = Sandbox::new();
        let streams = overwrite(&["users", "pets"]);
        sandbox.load(&streams, records("users", 0..3) + &records("pets", 0..3));
        let mut input = status("users", "STARTED") + &records("users", 10..15) + &state("users", 15);
        input += &(records("pets", 10..15) + &state("pets", 15) + &status("pets", "COMPLETE"));
        if ending.starts_with("no") {
            input = input.replace(&status("users", "STARTED"), "");
        } else {
            input += &status("users", ending);
        }
        let run = sandbox.write(&streams, input);
        let message = run.failed_with("transient_error");
        assert!(message.contains("users") && !message.contains("pets"), "{ending}: {message}");
        assert_eq!(run.error()["stream_descriptor"], json!({"name": "users"}), "{ending}");
        assert_eq!(table::data(&sandbox.table("default/users")), data(0..3), "{ending}");
        assert_eq!(table::data(&sandbox.table("default/pets")), data(10..15), "{ending}: the other stream ended well");
        let states = run.states();
        let named: Vec<_> = states.iter().map(crate::messages::stream_of).collect();
        assert_eq!(named, ["pets"], "{ending}: only what is in its table is acknowledged");
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn an_append_that_ends_incomplete_keeps_what_was_acknowledged() {
    let sandbox = Sandbox::new();
    let input = records("users", 0..5) + &state("users", 5) + &records("users", 5..8) + &status("users", "INCOMPLETE");
    let run = sandbox.write(&append(&["users"]), input);
    assert!(run.failed_with("transient_error").contains("users"));
    assert_eq!(run.states().len(), 1);
    // The three records behind the STATE will be sent again.
    assert_eq!(table::data(&sandbox.table("default/users")), data(0..5));
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn an_overwrite_that_breaks_in_the_middle_leaves_the_old_rows() {
    let sandbox = Sandbox::new();
    sandbox.load(&overwrite(&["users"]), records("users", 0..3));
    let run = sandbox.write(&overwrite(&["users"]), records("users", 10..15) + &state("users", 15) + "oops\n");
    run.failure();
    assert_eq!(run.states(), Vec::<serde_json::Value>::new());
    assert_eq!(table::data(&sandbox.table("default/users")), data(0..3));
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_clean_end_of_input_counts_as_complete_where_no_status_was_ever_sent() {
    let sandbox = Sandbox::new();
    let streams = catalog([configured("users", "overwrite"), configured("pets", "append")]);
    for _ in 0..2 {
        sandbox.load(&streams, records("users", 0..3) + &records("pets", 0..3));
    }
    assert_eq!(table::data(&sandbox.table("default/users")), data(0..3));
    assert_eq!(table::read(&sandbox.table("default/pets")).rows.len(), 6);
}

#[test]
fn a_stream_that_goes_on_after_it_was_complete_is_refused_and_keeps_its_rows() {
    let sandbox = Sandbox::new();
    let mut living = sandbox.start(&overwrite(&["users"]));
    living.send(records("users", 0..3) + &state("users", 3) + &status("users", "COMPLETE"));
    living.next_state();
    living.send(status("users", "STARTED") + &records("users", 3..4) + &status("users", "COMPLETE"));
    let message = living.end().failed_with("system_error");
    assert!(message.contains("declared COMPLETE"), "{message}");
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 3);
}

#[test]
fn an_input_without_a_single_message_empties_no_table() {
    let sandbox = Sandbox::new();
    sandbox.load(&overwrite(&["users"]), records("users", 0..3));
    sandbox.write(&overwrite(&["users"]), "").failed_with("transient_error");
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 3);
}
