//! Input that cannot be understood: the sync stops and says where, tells no cell value, and keeps what was acknowledged
//! before.

use serde_json::json;

use crate::messages::{append, record, records, state};
use crate::program::{Run, Sandbox};
use crate::table;

/// Stands in the data of every bad line, and must be nowhere in what the program says.
const CANARY: &str = "canary-5d1e";

/// A good beginning, the bad line, and a good line after it that must not be loaded.
fn refuse(bad: &[u8]) {
    let shown = String::from_utf8_lossy(bad).into_owned();
    let sandbox = Sandbox::new();
    let good = [records("users", 0..2), "\n".into(), state("users", 2)].concat();
    let mut input = good.clone().into_bytes();
    input.extend_from_slice(bad);
    input.extend_from_slice(b"\n");
    input.extend_from_slice(record("users", r#"{"n":99}"#).as_bytes());
    let run = sandbox.write(&append(&["users"]), input);

    let failure = run.failure();
    let message = failure["message"].as_str().unwrap();
    let kind = failure["failure_type"].as_str().unwrap();
    assert!(["config_error", "system_error", "transient_error"].contains(&kind), "{failure}");
    assert!(names_line(message, 5), "{shown}: {message}");
    let at = number_after(message, "byte ").unwrap_or_else(|| panic!("{shown}: no byte offset in {message}"));
    assert!((good.len()..=good.len() + bad.len()).contains(&at), "{shown}: {message}");
    assert!(!run.says(CANARY), "a value is told: {run:#?}");

    // What came before the bad line is complete and was acknowledged.
    assert_eq!(run.states().len(), 1, "{shown}: {run:#?}");
    assert_eq!(table::data(&sandbox.table("default/users")), [r#"{"n":0}"#, r#"{"n":1}"#], "{shown}");
    table::assert_tidy(&sandbox.lake());
}

fn names_line(message: &str, line: usize) -> bool {
    number_after(&message.to_lowercase(), "line ") == Some(line)
}

fn number_after(text: &str, word: &str) -> Option<usize> {
    let digits: String = text.split_once(word)?.1.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[test]
fn a_line_that_is_no_json_object_stops_the_sync() {
    for bad in
        ["CANARY", "\"CANARY\"", "[\"CANARY\"]", "17", "null", "{\"type\":\"RECORD\",\"record\":{\"CANARY", "{} CANARY"]
    {
        refuse(bad.replace("CANARY", CANARY).as_bytes());
    }
}

#[test]
fn a_line_without_a_type_stops_the_sync() {
    for bad in [r#"{"record":{"a":"CANARY"}}"#, r#"{"type":7,"a":"CANARY"}"#, r#"{"type":null}"#] {
        refuse(bad.replace("CANARY", CANARY).as_bytes());
    }
}

#[test]
fn a_line_that_is_not_utf_8_stops_the_sync() {
    let mut bad = record("users", &format!("{{\"a\":\"{CANARY}?\"}}")).trim_end().as_bytes().to_vec();
    let at = bad.iter().position(|byte| *byte == b'?').unwrap();
    bad[at] = 0xff;
    refuse(&bad);
    // A character that ends with the line.
    refuse(b"{\"type\":\"LOG\",\"log\":\"\xe2\x82");
}

#[test]
fn a_record_with_a_field_missing_or_of_the_wrong_type_stops_the_sync() {
    let body = |body: &str| format!("{{\"type\":\"RECORD\",\"record\":{body}}}").replace("CANARY", CANARY);
    for bad in [
        r#"{"data":{"a":"CANARY"},"emitted_at":1}"#,
        r#"{"stream":"users","emitted_at":1}"#,
        r#"{"stream":"users","data":{"a":"CANARY"}}"#,
        r#"{"stream":7,"data":{"a":"CANARY"},"emitted_at":1}"#,
        r#"{"stream":null,"data":{"a":"CANARY"},"emitted_at":1}"#,
        r#"{"stream":"users","namespace":7,"data":{"a":"CANARY"},"emitted_at":1}"#,
        r#"{"stream":"users","data":["CANARY"],"emitted_at":1}"#,
        r#"{"stream":"users","data":"CANARY","emitted_at":1}"#,
        r#"{"stream":"users","data":null,"emitted_at":1}"#,
        r#"{"stream":"users","data":17,"emitted_at":1}"#,
        r#"{"stream":"users","data":{"a":"CANARY"},"emitted_at":"1"}"#,
        r#"{"stream":"users","data":{"a":"CANARY"},"emitted_at":null}"#,
        r#"{"stream":"users","data":{"a":"CANARY"},"emitted_at":9223372036854775807}"#,
        r#"{"stream":"users","data":{"a":"CANARY","b":01},"emitted_at":1}"#,
        r#"["CANARY"]"#,
        r#""CANARY""#,
    ] {
        refuse(body(bad).as_bytes());
    }
    refuse(br#"{"type":"RECORD"}"#);
}

#[test]
fn a_record_of_a_stream_that_is_not_in_the_catalog_stops_the_sync_and_names_it() {
    refuse(record("strangers", &format!("{{\"a\":\"{CANARY}\"}}")).trim_end().as_bytes());
    let sandbox = Sandbox::new();
    let run = sandbox.write(&append(&["users"]), record("strangers", "{}"));
    assert!(run.failure()["message"].as_str().unwrap().contains("strangers"), "{run:#?}");
}

#[test]
fn a_state_that_cannot_be_understood_stops_the_sync() {
    for bad in [
        r#"{"type":"STATE"}"#,
        r#"{"type":"STATE","state":"CANARY"}"#,
        r#"{"type":"STATE","state":{"type":"CANARY"}}"#,
        r#"{"type":"STATE","state":{"type":"STREAM"}}"#,
        r#"{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":"CANARY"}}}"#,
    ] {
        // A type that is none is the source's mistake, and not a value of a cell.
        refuse(bad.replace("CANARY", CANARY).as_bytes());
    }
    refuse(state("strangers", 1).trim_end().as_bytes());
}

#[test]
fn the_field_of_a_state_or_status_that_is_wrong_is_named() {
    let named = |line: &str, field: &str| {
        let message = Sandbox::new().write(&append(&["users"]), format!("{line}\n")).failed_with("system_error");
        assert!(message.contains(&format!("`{field}` is ")), "{line}: {message}");
    };
    named(r#"{"type":"STATE","state_type":"LEGACY"}"#, "state");
    named(r#"{"type":"STATE","state":{"type":7}}"#, "state.type");
    named(r#"{"type":"STATE","state":{"type":"STREAM","stream":{"descriptor":{}}}}"#, "state.stream.stream_descriptor");
    let status = |body: &str| {
        format!(r#"{{"type":"TRACE","trace":{{"type":"STREAM_STATUS","emitted_at":1,"stream_status":{body}}}}}"#)
    };
    named(&status(r#"{"status":"COMPLETE"}"#), "trace.stream_status.stream_descriptor");
    named(&status(r#"{"stream_descriptor":{"name":"users"}}"#), "trace.stream_status.status");
    named(
        &status(r#"{"stream_descriptor":{"name":1},"status":"COMPLETE"}"#),
        "trace.stream_status.stream_descriptor.name",
    );
}

#[test]
fn a_last_line_that_is_cut_off_is_worth_another_try() {
    let sandbox = Sandbox::new();
    let good = records("users", 0..2) + &state("users", 2);
    let line = record("users", &format!("{{\"a\":\"{CANARY}é\",\"n\":-1}}"));
    let line = line.trim_end().as_bytes();
    let in_the_letter = line.iter().position(|byte| *byte == 0xc3).unwrap() + 1;
    let behind_the_sign = in_the_letter + line[in_the_letter..].iter().position(|byte| *byte == b'-').unwrap() + 1;
    let mut loaded = 0;
    for cut in [1, 9, in_the_letter, behind_the_sign, line.len() - 1] {
        let run = sandbox.write(&append(&["users"]), [good.as_bytes(), &line[..cut]].concat());
        let message = run.failed_with("transient_error");
        assert!(names_line(&message, 4) && message.contains("cut off"), "{cut}: {message}");
        assert!(!run.says(CANARY) && !message.contains("corrected"), "{message}");
        assert_eq!(run.states().len(), 1);
        loaded += 2;
        assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), loaded);
        // With a line end it was meant so.
        let ended = [good.as_bytes(), &line[..cut], b"\n"].concat();
        sandbox.write(&append(&["users"]), ended).failed_with("system_error");
        loaded += 2;
    }
    // A whole message needs no line end, and what is none does not become one by being tried again.
    sandbox.load(&append(&["users"]), line);
    sandbox.write(&append(&["users"]), "oops").failed_with("system_error");
    sandbox.write(&append(&["users"]), r#"{"type":"RECORD","record":{}}"#).failed_with("system_error");
}

fn too_long(sandbox: &Sandbox, good: &str, data: &str) -> Run {
    let input = [good, &record("users", data), &record("users", r#"{"n":99}"#)].concat();
    sandbox.write(&append(&["users"]), input)
}

#[test]
fn a_line_over_the_limit_stops_the_sync_and_names_line_and_size() {
    let sandbox = Sandbox::with(json!({"max_line_mb": 1}));
    let good = [records("users", 0..2), state("users", 2)].concat();
    let data = format!("{{\"a\":\"{}\"}}", CANARY.repeat((3 << 20) / CANARY.len()));
    let run = too_long(&sandbox, &good, &data);
    let message = run.failed_with("config_error");
    assert!(names_line(&message, 4), "{message}");
    assert!(message.contains("max_line_mb"), "{message}");
    let size = message.split(|c: char| !c.is_ascii_digit()).filter_map(|text| text.parse::<usize>().ok()).max();
    assert!(size.is_some_and(|size| size > 1 << 20), "{message}");
    assert!(!run.says(CANARY), "a value is told");
    assert_eq!(run.states().len(), 1, "{run:#?}");
    assert_eq!(table::data(&sandbox.table("default/users")), [r#"{"n":0}"#, r#"{"n":1}"#]);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_line_of_exactly_the_limit_is_read() {
    let sandbox = Sandbox::with(json!({"max_line_mb": 1}));
    let frame = record("users", "{\"a\":\"\"}").trim_end().len();
    let data = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - frame));
    sandbox.load(&append(&["users"]), record("users", &data(1 << 20)));
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 1);
    let run = too_long(&sandbox, "", &data((1 << 20) + 1));
    assert!(names_line(&run.failed_with("config_error"), 1), "{run:#?}");
}

#[test]
fn a_bad_line_far_into_the_input_is_found_by_its_number_and_offset() {
    let sandbox = Sandbox::with(json!({"memory_limit_mb": 16}));
    let good = records("users", 0..30_000);
    let run = sandbox.write(&append(&["users"]), format!("{good}oops\n"));
    let failure = run.failure();
    let message = failure["message"].as_str().unwrap();
    assert!(names_line(message, 30_001), "{message}");
    assert_eq!(number_after(message, "byte "), Some(good.len()), "{message}");
    assert_eq!(run.states(), Vec::<serde_json::Value>::new());
    table::assert_tidy(&sandbox.lake());
}
