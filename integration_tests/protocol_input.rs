//! Reading: all messages of the protocol, every kind of line end, and every byte of a record's data.

use serde_json::json;

use crate::messages::{EMITTED_AT, append, catalog, configured, overwrite, record, record_in, state, status};
use crate::program::{Sandbox, run};
use crate::table;

#[test]
fn lines_may_end_in_any_way_and_blank_ones_are_skipped() {
    let sandbox = Sandbox::new();
    let [a, b, c, d] = ["1", "2", "3", "4"].map(|n| record("users", &format!("{{\"n\":{n}}}")).trim_end().to_owned());
    let input = format!("\n\r\n{a}\r\n \t\n\n{b}\n\r\n{c}\r\n   {d}  ");
    sandbox.load(&append(&["users"]), input);
    assert_eq!(
        table::read(&sandbox.table("default/users")).data(),
        [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#, r#"{"n":4}"#]
    );
}

#[test]
fn an_input_without_a_byte_is_a_sync_without_records() {
    for input in ["", "\n", "\r\n\r\n"] {
        let sandbox = Sandbox::new();
        sandbox.load(&append(&["users"]), input);
        assert_eq!(table::read(&sandbox.table("default/users")).rows, []);
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_message_nor_of_the_catalog() {
    const MARK: &str = "\u{feff}";
    let sandbox = Sandbox::new();
    // Also where several such files were put behind each other.
    let input = [MARK, &record("users", r#"{"n":1}"#), MARK, "\n", MARK, &record("users", r#"{"n":2}"#), MARK];
    sandbox.load(&append(&["users"]), input.concat());
    assert_eq!(table::data(&sandbox.table("default/users")), [r#"{"n":1}"#, r#"{"n":2}"#]);

    let catalog = sandbox.file("marked.json", format!("{MARK}{}", append(&["users"])));
    let config = sandbox.config();
    let words = ["write".as_ref(), "--config".as_ref(), config.as_os_str(), "--catalog".as_ref(), catalog.as_os_str()];
    let run = run(words, format!("{MARK}oops\n").as_bytes());
    let message = run.failed_with("system_error");
    assert!(message.starts_with("Line 1 of the input (byte 0)"), "{message}");
    // Nothing but the mark is nothing, and empties no table.
    sandbox.write(&overwrite(&["users"]), MARK).failed_with("transient_error");
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 2);
}

#[test]
fn data_is_kept_byte_for_byte() {
    let data = [
        r#"{}"#,
        r#"{"z":1,"a":2,"m":3}"#,
        r#"{"n":1.50,"e":1e5,"E":1E+05,"big":123456789012345678901234567890,"neg":-0.0,"tiny":1e-400}"#,
        r#"{ "spaces" :	[ 1 , 2 ] ,  "x":{ } }"#,
        r#"{"twice":1,"twice":2}"#,
        r#"{"escapes":"\u0041\/\\\"\b\f\n\r\t\u00e9\ud83d\ude00","lone":"\ud800"}"#,
        r#"{"raw":"é日本😀 ","":null,"t":true,"f":false}"#,
        "{\"separators\":\"a\u{2028}b\u{2029}c\u{85}d\u{feff}\",\"escaped\":\"\\u2028\"}",
        r#"{"looks like one":"{\"type\":\"STATE\"}","nested":{"a":[{"b":[[[]]]}]}}"#,
    ];
    let sandbox = Sandbox::new();
    let input: String = data.iter().map(|data| record("users", data)).collect();
    sandbox.load(&append(&["users"]), input);
    assert_eq!(table::read(&sandbox.table("default/users")).data(), data);
}

#[test]
fn a_record_of_many_megabytes_is_a_row() {
    let sandbox = Sandbox::with(json!({"memory_limit_mb": 16}));
    let data = format!("{{\"text\":\"{}\"}}", "0123456789abcdef".repeat(20 << 16));
    let input = [record("users", "{}"), record("users", &data), record("users", "{}"), state("users", 3)].concat();
    let run = sandbox.load(&append(&["users"]), input);
    assert_eq!(run.states().len(), 1);
    let table = table::read(&sandbox.table("default/users"));
    assert_eq!(table.rows.len(), 3);
    assert!(table.rows[1].data == data, "the long row came back changed: {} bytes", table.rows[1].data.len());
}

#[test]
fn emitted_at_becomes_microseconds() {
    let times = [0, 1, -1, EMITTED_AT, 253_402_300_799_999, -62_135_596_800_000];
    let sandbox = Sandbox::new();
    let line = |ms: &i64| record("users", "{}").replace(&EMITTED_AT.to_string(), &ms.to_string());
    sandbox.load(&append(&["users"]), times.iter().map(line).collect::<String>());
    let table = table::read(&sandbox.table("default/users"));
    let read: Vec<i64> = table.rows.iter().map(|row| row.emitted_at).collect();
    assert_eq!(read, times.map(|ms| ms * 1000));
}

#[test]
fn messages_that_do_not_concern_a_destination_are_passed_over() {
    let others = [
        json!({"type": "LOG", "log": {"level": "INFO", "message": "hello"}}),
        json!({"type": "TRACE", "trace": {"type": "ESTIMATE", "emitted_at": 1.5, "estimate": {"name": "users"}}}),
        json!({"type": "TRACE", "trace": {"type": "ANALYTICS", "emitted_at": 1, "analytics": {"type": "a"}}}),
        json!({"type": "TRACE", "trace": {"type": "OF_THE_FUTURE"}}),
        json!({"type": "CONTROL", "control": {"type": "CONNECTOR_CONFIG", "emitted_at": 1.0}}),
        json!({"type": "CATALOG", "catalog": {"streams": []}}),
        json!({"type": "SPEC", "spec": {"connectionSpecification": {}}}),
        json!({"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}),
    ];
    let sandbox = Sandbox::new();
    let mut input = record("users", r#"{"n":1}"#);
    for other in &others {
        input += &format!("{other}\n");
    }
    input += &record("users", r#"{"n":2}"#);
    let run = sandbox.load(&append(&["users"]), input);
    assert_eq!(table::data(&sandbox.table("default/users")), [r#"{"n":1}"#, r#"{"n":2}"#]);
    assert_eq!(run.logs("WARN"), Vec::<String>::new());
    assert!(!run.says("hello"), "other programs' messages are not ours to repeat");
}

#[test]
fn an_unknown_type_is_passed_over_with_one_warning() {
    let sandbox = Sandbox::new();
    let unknown = |kind: &str| format!("{{\"type\":\"{kind}\",\"{}\":[1,{{}}]}}\n", kind.to_lowercase());
    let input = [
        unknown("NEWS"),
        record("users", "{}"),
        unknown("NEWS"),
        unknown("WEATHER"),
        unknown("NEWS"),
        unknown("WEATHER"),
        record("users", "{}"),
    ];
    let run = sandbox.load(&append(&["users"]), input.concat());
    let warnings = run.logs("WARN");
    assert_eq!(warnings.len(), 2, "{warnings:#?}");
    assert!(warnings[0].contains("NEWS") && warnings[1].contains("WEATHER"), "{warnings:#?}");
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 2);
}

#[test]
fn unknown_fields_are_tolerated_wherever_they_stand() {
    let sandbox = Sandbox::new();
    let input = [
        r#"{"future":{"a":[1,"}"]},"record":{"meta":{"changes":[]},"emitted_at":5,"data":{"n":1},"x":null,"#,
        r#""stream":"users"},"type":"RECORD","more":1.5}"#,
        "\n",
        r#"{"state":{"id":7,"stream":{"stream_descriptor":{"name":"users","x":1},"y":2},"type":"STREAM","#,
        r#""sourceStats":{"recordCount":1.0}},"type":"STATE","z":[]}"#,
        "\n",
        r#"{"type":"TRACE","trace":{"type":"STREAM_STATUS","emitted_at":1.25,"stream_status":{"reasons":[],"#,
        r#""status":"COMPLETE","stream_descriptor":{"name":"users","namespace":null}},"q":0}}"#,
    ];
    let run = sandbox.load(&append(&["users"]), input.concat());
    assert_eq!(table::data(&sandbox.table("default/users")), [r#"{"n":1}"#]);
    assert_eq!(run.states().len(), 1);
}

#[test]
fn a_namespace_that_is_null_missing_or_empty_is_the_same() {
    for configured_as in [None, Some(json!(null)), Some(json!(""))] {
        let sandbox = Sandbox::with(json!({"schema": "My Schema"}));
        let mut stream = configured("users", "append");
        if let Some(namespace) = configured_as {
            stream["stream"]["namespace"] = namespace;
        }
        let null = record_in("?", "users", r#"{"n":3}"#).replace("\"?\"", "null");
        let input = [record("users", r#"{"n":1}"#), record_in("", "users", r#"{"n":2}"#), null];
        let state = state("users", 3).replace(r#""name":"users""#, r#""name":"users","namespace":"""#);
        let run = sandbox.load(&catalog([stream]), input.concat() + &state + &status("users", "COMPLETE"));
        assert_eq!(table::data(&sandbox.table("my_schema/users")), [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#]);
        assert_eq!(run.states().len(), 1);
    }
}
