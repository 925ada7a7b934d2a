//! STATEs for all streams: GLOBAL, LEGACY, and those without a type.

use serde_json::{Value, json};

use crate::messages::{append, catalog, configured, global_state, padded, record, records, said, state, status};
use crate::program::Sandbox;
use crate::table;

fn rows(sandbox: &Sandbox, stream: &str) -> usize {
    table::try_read(&sandbox.table(&format!("default/{stream}"))).map_or(0, |table| table.rows.len())
}

#[test]
fn global_legacy_and_untyped_states_come_back_verbatim_and_in_order() {
    let sandbox = Sandbox::new();
    let states = [
        json!({"type": "STATE", "state": {"data": {"start_date": "2022-02-14"}}}),
        json!({"type": "STATE", "state": {"type": "LEGACY", "data": {"n": 1}, "sourceStats": {"recordCount": 1.0}}}),
        json!({"type": "STATE", "state": {"type": "GLOBAL", "id": 3, "global": {
            "shared_state": {"lsn": 1}, "stream_states": [
                {"stream_descriptor": {"name": "users"}, "stream_state": {"n": 1}},
                {"stream_descriptor": {"name": "not in the catalog"}, "stream_state": null},
            ], "future": true,
        }}}),
        json!({"type": "STATE", "state": {"type": null, "data": {}}}),
    ];
    let mut input = String::new();
    for (n, state) in states.iter().enumerate() {
        input += &records("users", 0..n as u64);
        input += &records("pets", 0..1);
        input += &format!("{state}\n");
    }
    let run = sandbox.load(&append(&["users", "pets"]), input);
    let back: Vec<Value> = run.states();
    assert_eq!(back.len(), states.len());
    for (n, (mut back, state)) in back.into_iter().zip(states).enumerate() {
        let stats = back["state"].as_object_mut().unwrap().remove("destinationStats");
        assert_eq!(stats, Some(json!({"recordCount": n as f64 + 1.0})), "records of all streams since the last one");
        assert_eq!(back, state);
    }
}

#[test]
fn a_state_of_all_waits_for_the_records_of_every_stream() {
    let sandbox = Sandbox::with(json!({"memory_limit_mb": 16, "flush_size_mb": 1}));
    let streams = ["users", "pets", "cars"];
    let mut living = sandbox.start(&append(&streams));
    for round in 1..=3u64 {
        // Only the first stream has enough to be flushed for its own sake.
        living.send((0..1000).map(|n| record("users", &padded(n, 1200))).collect::<String>());
        living.send(records("pets", 0..5) + &records("cars", 0..7) + &global_state(round));
        assert_eq!(said(&living.next_state()), round);
        let found = streams.map(|stream| rows(&sandbox, stream));
        let round = usize::try_from(round).unwrap();
        assert_eq!(found, [1000 * round, 5 * round, 7 * round], "rows when STATE {round} is heard");
    }
    assert_eq!(living.end().code, Some(0));
}

#[test]
fn a_state_of_all_that_has_waited_long_flushes_every_stream() {
    let sandbox = Sandbox::with(json!({"flush_interval_seconds": 1}));
    let mut living = sandbox.start(&append(&["users", "pets"]));
    living.send(records("users", 0..3) + &records("pets", 0..2) + &global_state(5) + &records("pets", 2..9));
    assert_eq!(said(&living.next_state()), 5);
    assert_eq!((rows(&sandbox, "users"), rows(&sandbox, "pets")), (3, 2));
    assert_eq!(living.end().code, Some(0));
    assert_eq!((rows(&sandbox, "users"), rows(&sandbox, "pets")), (3, 9));
}

#[test]
fn a_state_of_all_waits_for_the_end_of_an_overwrite() {
    let sandbox = Sandbox::with(json!({"flush_interval_seconds": 1}));
    let streams = catalog([configured("users", "append"), configured("pets", "overwrite")]);
    let mut living = sandbox.start(&streams);
    living.send(records("users", 0..3) + &records("pets", 0..2) + &global_state(1));
    // The appended rows are loaded in time; the STATE has to wait for those that replace.
    crate::program::until("the appended rows", || rows(&sandbox, "users") == 3);
    living.has_read_so_far();
    assert_eq!(living.states_heard(), Vec::<Value>::new());
    assert_eq!(rows(&sandbox, "pets"), 0);
    living.send(status("pets", "COMPLETE"));
    assert_eq!(said(&living.next_state()), 1);
    assert_eq!(rows(&sandbox, "pets"), 2);
    living.send(status("users", "COMPLETE"));
    assert_eq!(living.end().code, Some(0));
}

#[test]
fn a_state_of_all_stays_when_one_stream_ends_incomplete() {
    let sandbox = Sandbox::new();
    let streams = catalog([configured("users", "append"), configured("pets", "overwrite")]);
    let input = [
        records("users", 0..3),
        global_state(1),
        records("pets", 0..2),
        global_state(2),
        status("users", "COMPLETE"),
        status("pets", "INCOMPLETE"),
    ];
    let run = sandbox.write(&streams, input.concat());
    run.failed_with("transient_error");
    assert_eq!(run.states(), Vec::<Value>::new(), "each of them speaks for the table of pets, too");
    assert_eq!((rows(&sandbox, "users"), rows(&sandbox, "pets")), (3, 0));
}

#[test]
fn states_of_streams_and_of_all_keep_their_order_at_the_end() {
    let sandbox = Sandbox::new();
    let mut input = String::new();
    for n in 0..60u64 {
        input += &record(["users", "pets"][(n % 2) as usize], "{}");
        input += &if n % 5 == 0 { global_state(n) } else { state(["users", "pets"][(n % 2) as usize], n) };
    }
    let run = sandbox.load(&append(&["users", "pets"]), input);
    assert_eq!(run.states().iter().map(said).collect::<Vec<_>>(), (0..60).collect::<Vec<_>>());
}

/// A catalog in which `users` appends and `pets` replaces its table: an `overwrite`, or a refresh of the platform.
fn one_adds_and_one_replaces(mode: &str) -> Value {
    let mut pets = configured("pets", mode);
    if mode == "append" {
        (pets["generation_id"], pets["minimum_generation_id"]) = (json!(5), json!(5));
    }
    catalog([configured("users", "append"), pets])
}

fn legacy_state(n: u64) -> String {
    format!("{}\n", json!({"type": "STATE", "state": {"type": "LEGACY", "data": {"n": n}}}))
}

/// Both tables have five rows.
fn filled() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.load(&append(&["users", "pets"]), records("users", 0..5) + &records("pets", 0..5));
    sandbox
}

#[test]
fn a_state_of_all_stays_while_a_table_has_its_old_rows_also_without_a_record_of_that_stream() {
    for state in [global_state(1), legacy_state(1)] {
        // A refresh whose COMPLETE does not come, alone and beside a stream that adds.
        let mut alone = one_adds_and_one_replaces("append");
        alone["streams"].as_array_mut().unwrap().remove(0);
        for (streams, input) in [
            (alone, state.clone()),
            (one_adds_and_one_replaces("append"), records("users", 5..6) + &state),
            (one_adds_and_one_replaces("append"), state.clone() + &records("users", 5..6)),
        ] {
            let sandbox = filled();
            let run = sandbox.write(&streams, &input);
            run.failed_with("transient_error");
            assert_eq!((run.states(), rows(&sandbox, "pets")), (Vec::<Value>::new(), 5), "{input}");
        }
        // The last line is cut off.
        let input = records("pets", 7..8) + &state + "{\"type\":\"REC";
        for input in [input.clone(), state.clone() + &input] {
            let sandbox = filled();
            let run = sandbox.write(&one_adds_and_one_replaces("overwrite"), &input);
            run.failed_with("transient_error");
            assert_eq!((run.states(), rows(&sandbox, "pets")), (Vec::<Value>::new(), 5), "{input}");
        }
    }
}

#[test]
fn a_state_of_all_waits_for_a_table_that_is_emptied_only_when_the_input_has_ended() {
    let input = records("users", 5..6) + &status("pets", "COMPLETE") + &status("users", "COMPLETE");
    for signal in ["", "TERM", "KILL"] {
        let sandbox = filled();
        let mut living = sandbox.start(&one_adds_and_one_replaces("overwrite"));
        living.send(input.clone() + &global_state(1));
        living.has_read_so_far();
        assert_eq!((living.states_heard(), rows(&sandbox, "pets")), (Vec::<Value>::new(), 5));
        if signal.is_empty() {
            let run = living.end();
            assert_eq!((run.code, run.states().iter().map(said).collect::<Vec<_>>()), (Some(0), vec![1]));
            assert_eq!((rows(&sandbox, "users"), rows(&sandbox, "pets")), (6, 0));
        } else {
            let run = living.signal(signal);
            assert_eq!((run.states(), rows(&sandbox, "pets")), (Vec::<Value>::new(), 5), "{signal}");
        }
    }
}

#[test]
fn states_of_all_that_wait_for_a_replacement_pile_up_and_leave_in_their_order() {
    let sandbox = Sandbox::with(json!({"memory_limit_mb": 16, "flush_interval_seconds": 1}));
    sandbox.load(&append(&["users", "pets"]), records("pets", 0..5));
    let mut living = sandbox.start(&one_adds_and_one_replaces("overwrite"));
    let padding = "x".repeat(2_000);
    for n in 0..8_000u64 {
        let shared = json!({"n": n, "pad": padding});
        let state = json!({"type": "GLOBAL", "global": {"shared_state": shared, "stream_states": []}});
        living.send(record("users", "{}") + &format!("{}\n", json!({"type": "STATE", "state": state})));
    }
    // What adds is loaded in the meantime.
    crate::program::until("the appended rows", || rows(&sandbox, "users") == 8_000);
    assert_eq!(living.states_heard(), Vec::<Value>::new());
    living.send(record("pets", "{}") + &status("pets", "COMPLETE") + &status("users", "COMPLETE"));
    let run = living.end();
    assert_eq!(run.states().iter().map(said).collect::<Vec<_>>(), (0..8_000).collect::<Vec<_>>());
    assert_eq!((run.code, rows(&sandbox, "pets")), (Some(0), 1));
}

#[test]
fn a_state_of_all_goes_when_only_streams_hold_it_of_which_nothing_was_heard() {
    let sandbox = filled();
    let run = sandbox.load(&one_adds_and_one_replaces("overwrite"), records("users", 5..6) + &global_state(1));
    assert_eq!(run.states().iter().map(said).collect::<Vec<_>>(), [1]);
    assert_eq!((rows(&sandbox, "users"), rows(&sandbox, "pets")), (6, 5));
}
