//! STATEs of streams: unchanged, in order, once, and only after their records are in the table.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::messages::{append, catalog, configured, numbered, padded, record, records, said, state, stream_of};
use crate::program::Sandbox;
use crate::table;

/// `state` without the statistics that a destination adds.
fn without_stats(state: &Value) -> Value {
    let mut state = state.clone();
    assert!(state["state"].as_object_mut().unwrap().remove("destinationStats").is_some(), "{state}");
    state
}

fn record_count(state: &Value) -> &Value {
    &state["state"]["destinationStats"]["recordCount"]
}

#[test]
fn a_state_leaves_verbatim_with_the_number_of_its_records() {
    let sandbox = Sandbox::new();
    let odd = concat!(
        r#"{"zeta":1,"type":"STATE","state":{"data":{"a":1.50,"b":1e5},"type":"STREAM","id":77,"#,
        r#""sourceStats":{"recordCount":2.0},"stream":{"stream_state":{"z":123456789012345678901234567890,"a":"é\u0041","#,
        r#""t":"}\""},"stream_descriptor":{"name":"users","namespace":null,"more":[]},"x":{}},"unknown":null}}"#
    );
    let input =
        [records("users", 0..2), format!("{odd}\n"), state("users", 3), record("users", "{}"), state("users", 4)];
    let run = sandbox.load(&append(&["users"]), input.concat());
    let states = run.states();
    assert_eq!(without_stats(&states[0]), serde_json::from_str::<Value>(odd).unwrap());
    let counts: Vec<_> = states.iter().map(record_count).collect();
    assert_eq!(counts, [&json!(2.0), &json!(0.0), &json!(1.0)]);
    // Spelling too: a number that no f64 holds, an escape, the order of the fields.
    let line = run.lines.iter().find(|line| line.contains("\"id\":77")).unwrap();
    let body = odd.strip_suffix("}}").unwrap();
    assert!(line.starts_with(body), "{line}");
}

#[test]
fn statistics_that_came_in_are_replaced_and_not_doubled() {
    let sandbox = Sandbox::new();
    let came = state("users", 1)
        .replace("\"type\":\"STREAM\"", "\"type\":\"STREAM\",\"destinationStats\":{\"recordCount\":9.0}");
    let run = sandbox.load(&append(&["users"]), record("users", "{}") + &came);
    let line = run.lines.iter().find(|line| line.contains("\"STATE\"")).unwrap();
    assert_eq!(line.matches("destinationStats").count(), 1, "{line}");
    assert_eq!(record_count(&run.states()[0]), &json!(1.0));
}

#[test]
fn a_state_leaves_after_its_records_are_in_the_table() {
    let sandbox = Sandbox::with(json!({"memory_limit_mb": 16, "flush_size_mb": 1}));
    let streams = ["users", "pets"];
    let mut living = sandbox.start(&append(&streams));
    let mut expected = 0;
    for block in 0..6 {
        let stream = streams[block % 2];
        let from = block as u64 * 1000;
        living.send((from..from + 1000).map(|n| record(stream, &padded(n, 1200))).collect::<String>());
        living.send(state(stream, from + 1000));
        expected += 1;
        // Read at the very moment the STATE is heard, with the input still open.
        let state = living.next_state();
        let rows = table::read(&sandbox.table(&format!("default/{stream}"))).rows;
        assert_eq!((stream_of(&state), said(&state)), (stream, from + 1000));
        assert_eq!(rows.len(), (block / 2 + 1) * 1000, "rows of {stream} when its STATE is heard");
    }
    let run = living.end();
    assert_eq!((run.code, run.states().len()), (Some(0), expected));
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_state_that_has_waited_long_leaves_while_the_input_stays_open() {
    let sandbox = Sandbox::with(json!({"flush_interval_seconds": 1}));
    let mut living = sandbox.start(&append(&["users"]));
    living.send(records("users", 0..3) + &state("users", 3) + &records("users", 3..7));
    living.has_read_so_far();
    assert_eq!(said(&living.next_state()), 3);
    // What follows the STATE would be sent again after a crash, so it must not be in the table yet.
    assert_eq!(table::data(&sandbox.table("default/users")), [numbered(0), numbered(1), numbered(2)]);
    living.send(state("users", 7));
    assert_eq!(said(&living.next_state()), 7);
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 7);
    assert_eq!(living.end().code, Some(0));
}

#[test]
fn a_state_that_has_waited_long_leaves_although_much_data_follows_it() {
    let sandbox = Sandbox::with(json!({"memory_limit_mb": 16, "flush_interval_seconds": 1}));
    let mut living = sandbox.start(&append(&["users", "pets"]));
    living.send(records("users", 0..3) + &state("users", 3) + &records("pets", 0..3) + &state("pets", 3));
    // Far more than memory holds, and no STATE in it.
    for stream in ["users", "pets"] {
        living.send((10..20_010).map(|n| record(stream, &padded(n, 600))).collect::<String>());
    }
    living.has_read_so_far();
    let mut heard = living.states_heard();
    while heard.len() < 2 {
        heard.push(living.next_state());
    }
    assert_eq!(living.end().code, Some(0));
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn nothing_is_acknowledged_before_its_time() {
    let sandbox = Sandbox::new();
    let mut living = sandbox.start(&append(&["users"]));
    living.send(records("users", 0..3) + &state("users", 3));
    living.has_read_so_far();
    assert_eq!(living.states_heard(), Vec::<Value>::new());
    assert!(table::try_read(&sandbox.table("default/users")).is_none(), "the default is to wait for minutes");
    assert_eq!(living.end().states().len(), 1);
}

#[test]
fn thousands_of_states_with_a_record_each_all_come_back_in_order() {
    for settings in [json!({}), json!({"memory_limit_mb": 16, "flush_size_mb": 1, "flush_interval_seconds": 1})] {
        let sandbox = Sandbox::with(settings);
        let streams = ["users", "pets", "cars"];
        let line = |n: u64| {
            let stream = streams[(n % 3) as usize];
            record(stream, &padded(n, 500)) + &state(stream, n)
        };
        let run = sandbox.load(&append(&streams), (0..6000).map(line).collect::<String>());
        let states = run.states();
        assert_eq!(states.len(), 6000);
        assert!(states.iter().all(|state| record_count(state) == &json!(1.0)));
        let mut per_stream: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for state in &states {
            per_stream.entry(stream_of(state)).or_default().push(said(state));
        }
        for (stream, said) in per_stream {
            assert!(said.is_sorted() && said.len() == 2000, "{stream}");
            assert_eq!(table::read(&sandbox.table(&format!("default/{stream}"))).rows.len(), 2000);
        }
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn many_states_in_a_row_come_back_each_once() {
    let sandbox = Sandbox::new();
    let many = |from: u64| (from..from + 1000).map(|n| state("users", n)).collect::<String>();
    let input = [many(0), record("users", "{}"), many(1000), records("users", 0..2), many(2000)].concat();
    let run = sandbox.load(&append(&["users"]), input);
    let said: Vec<u64> = run.states().iter().map(said).collect();
    assert_eq!(said, (0..3000).collect::<Vec<_>>());
    let counts: Vec<f64> = run.states().iter().map(|state| record_count(state).as_f64().unwrap()).collect();
    assert_eq!((counts[1000], counts[2000], counts.iter().sum::<f64>()), (1.0, 2.0, 3.0));
}

#[test]
fn states_that_leave_at_the_end_leave_in_the_order_they_came_in() {
    let sandbox = Sandbox::new();
    let streams = ["a", "b", "c", "d"];
    let input = (0..100u64).map(|n| {
        let stream = streams[(n * n % 7 % 4) as usize];
        record(stream, "{}") + &state(stream, n)
    });
    let run = sandbox.load(&append(&streams), input.collect::<String>());
    assert_eq!(run.states().iter().map(said).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_large_state_comes_back_whole() {
    let sandbox = Sandbox::new();
    let large = state("users", 1).replace("\"n\":1", &format!("\"n\":1,\"cursor\":\"{}\"", "é".repeat(1 << 20)));
    let run = sandbox.load(&append(&["users"]), record("users", "{}") + &large);
    assert!(without_stats(&run.states()[0]) == serde_json::from_str::<Value>(&large).unwrap(), "it came back changed");
}

#[test]
fn a_state_does_not_wait_for_a_stream_that_is_replaced_at_its_end() {
    let sandbox = Sandbox::with(json!({"flush_interval_seconds": 1}));
    let streams = catalog([configured("slow", "overwrite"), configured("users", "append")]);
    let mut living = sandbox.start(&streams);
    living.send(records("slow", 0..3) + &state("slow", 3) + &records("users", 0..3) + &state("users", 3));
    assert_eq!(stream_of(&living.next_state()), "users");
    living.send(records("slow", 3..5) + &state("slow", 5));
    let run = living.end();
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert_eq!(run.states().len(), 3);
    assert_eq!(table::read(&sandbox.table("default/slow")).rows.len(), 5);
}
