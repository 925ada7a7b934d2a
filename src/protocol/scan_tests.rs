//! The scanner against `serde_json`: same accept, same reject, same values.

use std::borrow::Cow;

use super::{Malformed, Reason, Record, Scanned, scan};

#[path = "testing/serde_reference.rs"]
mod serde_reference;

use serde_reference::{comparable, reference};

fn agree(line: &str) -> bool {
    let (ours, theirs) = (scan(line), reference(line));
    let shown = || line.chars().take(600).collect::<String>();
    if let Err(Malformed { at, .. }) = &ours {
        assert!(*at <= line.len(), "{:?}", shown());
    }
    assert_eq!(ours.clone().ok().map(comparable), theirs, "{:?} in {:?}", ours.as_ref().err(), shown());
    ours.is_ok()
}

fn accepted(line: &str) {
    assert!(agree(line), "refused {line:.300}");
}

fn refused(line: &str) {
    assert!(!agree(line), "accepted {line:.300}");
}

fn record(line: &str) -> Option<Record<'_>> {
    match scan(line) {
        Ok(Scanned::Record(record)) => Some(record),
        _ => None,
    }
}

fn refusal(line: &str) -> Option<Malformed> {
    agree(line);
    scan(line).err()
}

#[test]
fn a_record_is_found_with_its_data_untouched() {
    let line = r#" {"type":"RECORD","record":{"namespace":"public","stream":"users","data":{ "a" : [1, {"b":null}] },"emitted_at":1700000000000}} "#;
    accepted(line);
    let Some(record) = record(line) else { unreachable!("not a record") };
    assert_eq!(record.stream, "users");
    assert_eq!(record.namespace.as_deref(), Some("public"));
    assert_eq!(record.data, br#"{ "a" : [1, {"b":null}] }"#);
    assert_eq!(record.emitted_at, 1_700_000_000_000);
    assert!(matches!(record.stream, Cow::Borrowed(_)), "a plain name must not be copied");
}

#[test]
fn what_comes_with_a_record_is_noticed_without_being_understood() {
    let with =
        |extra: &str| format!(r#"{{"type":"RECORD","record":{{"stream":"s","data":{{}}{extra},"emitted_at":1}}}}"#);
    for (extra, meta, has_file) in [
        ("", None, false),
        (r#","meta":{"changes":[]}"#, Some(r#"{"changes":[]}"#), false),
        (r#" , "m\u0065ta" : { "changes" : [ {"\ud800":1} ] } "#, Some(r#"{ "changes" : [ {"\ud800":1} ] }"#), false),
        (r#","meta":null,"file":null,"file_reference": null"#, Some("null"), false),
        (r#","meta":7"#, Some("7"), false),
        (r#","file_reference":{"staging_file_url":"x"}"#, None, true),
        (r#","file":{},"file":null"#, None, true),
        (r#","data_":{"meta":{"changes":[1]},"file":{}}"#, None, false),
    ] {
        let line = with(extra);
        accepted(&line);
        let Some(record) = record(&line) else { unreachable!("not a record") };
        assert_eq!((record.meta, record.has_file), (meta.map(str::as_bytes), has_file), "{extra}");
    }
    refused(&with(r#","meta":{"changes":[}"#));
    refused(&with(r#","file":nope"#));
}

#[test]
fn other_messages_keep_their_kind_and_are_not_looked_into() {
    accepted(r#"{"type":"STATE","state":{"type":"STREAM"}}"#);
    accepted(r#"{"type":"LOG","record":17}"#);
    accepted(r#"{"record":{"stream":1},"type":"TRACE"}"#);
    accepted(r#"{"record":null,"type":"NEW_ONE"}"#);
    accepted(r#"{"record":[{"\ud800":1}],"type":""}"#);
    refused(r#"{"type":"LOG","record":{"stream":}}"#);
    assert_eq!(scan(r#"{"type":"STATE"}"#), Ok(Scanned::Other { kind: "STATE".into() }));
}

#[test]
fn the_order_of_keys_is_free_and_unknown_ones_are_tolerated() {
    accepted(
        r#"{"x":[{}],"record":{"y":{"data":1},"emitted_at":1,"data":{},"stream":"s","meta":{"changes":[]}},"z":"","type":"RECORD"}"#,
    );
    accepted(r#"{"record":{"emitted_at":1,"data":{},"stream":"s","namespace":null},"type":"RECORD","record_":{}}"#);
}

#[test]
fn escaped_keys_and_names_are_decoded() {
    let line = r#"{"\u0074ype":"REC\u004fRD","r\u0065cord":{"stre\u0061m":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00","d\u0061ta":{},"\u0065mitted_at":1,"names\u0070ace":"\u006e"}}"#;
    accepted(line);
    let Some(record) = record(line) else { unreachable!("not a record") };
    assert_eq!(record.stream, "a\"\\/\u{8}\u{c}\n\r\t\u{e9}\u{1f600}");
    assert_eq!(record.namespace.as_deref(), Some("n"));
}

#[test]
fn every_refusal_names_the_field() {
    let cases = [
        ("", "not valid JSON"),
        ("[]", "not a JSON object"),
        ("17", "not a JSON object"),
        ("17 x", "not valid JSON"),
        ("{}", "`type` is missing"),
        (r#"{"type":1}"#, "`type` is not a string"),
        (r#"{"type":"A","type":"A"}"#, "`type` appears twice"),
        (r#"{"type":"A","record":1,"record":1}"#, "`record` appears twice"),
        (r#"{"type":"RECORD"}"#, "`record` is missing"),
        (r#"{"type":"RECORD","record":null}"#, "`record` is not an object"),
        (r#"{"record":["s",null,{},1],"type":"RECORD"}"#, "`record` is not an object"),
        (r#"{"type":"RECORD","record":{}}"#, "`record.stream` is missing"),
        (r#"{"type":"RECORD","record":{"stream":null}}"#, "`record.stream` is not a string"),
        (r#"{"type":"RECORD","record":{"stream":"s","stream":"s"}}"#, "`record.stream` appears twice"),
        (r#"{"type":"RECORD","record":{"namespace":1}}"#, "`record.namespace` is not a string"),
        (r#"{"type":"RECORD","record":{"namespace":null,"namespace":"x"}}"#, "`record.namespace` appears twice"),
        (r#"{"type":"RECORD","record":{"stream":"s","emitted_at":1}}"#, "`record.data` is missing"),
        (r#"{"type":"RECORD","record":{"data":[]}}"#, "`record.data` is not an object"),
        (r#"{"type":"RECORD","record":{"data":{},"data":{}}}"#, "`record.data` appears twice"),
        (r#"{"type":"RECORD","record":{"stream":"s","data":{}}}"#, "`record.emitted_at` is missing"),
        (r#"{"type":"RECORD","record":{"emitted_at":1.0}}"#, "`record.emitted_at` is not an integer"),
        (r#"{"type":"RECORD","record":{"emitted_at":1,"emitted_at":1}}"#, "`record.emitted_at` appears twice"),
    ];
    for (line, expected) in cases {
        assert_eq!(refusal(line).map(|refusal| refusal.reason.to_string()).as_deref(), Some(expected), "{line}");
    }
}

#[test]
fn a_refusal_says_where() {
    let at = |line| refusal(line).map(|refusal| refusal.at);
    assert_eq!(at(r#"{"type":"A",}"#), Some(12));
    assert_eq!(at(r#"{"type":"A"} x"#), Some(13));
    assert_eq!(at(r#"{"a":[1,2,03],"type":"A"}"#), Some(10));
    assert_eq!(refusal("{"), Some(Malformed { at: 1, reason: Reason::NotJson }));
    assert_eq!(refusal("{").map(|refusal| refusal.to_string()).as_deref(), Some("not valid JSON (byte 1)"));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn usual_data_is_stepped_over_by_blocks() {
    if !is_x86_feature_detected!("avx2") {
        return;
    }
    let data = r#"{"id":17,"price":0.5,"at":-1.25e-3,"no":null,"yes": true,"a":[],"o":{},"deep":[{"x":["\\","\"\ud800"]}],"pad":"0123456789012345678901234567890123456789"}"#;
    for tail in ["", ",", "}}} junk\""] {
        assert_eq!(super::simd::object_end(format!("{data}{tail}").as_bytes(), 1), Some(data.len()), "{tail}");
    }
}

#[test]
fn a_record_shown_for_debugging_does_not_show_its_data() {
    let shown =
        format!("{:?}", scan(r#"{"type":"RECORD","record":{"stream":"s","data":{"k":"secret"},"emitted_at":1}}"#));
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn emitted_at_is_read_as_serde_reads_an_i64() {
    for value in [
        "0",
        "-1",
        "1",
        "9223372036854775807",
        "-9223372036854775808",
        "1700000000000",
        " 5\t",
        "-0",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "99999999999999999999",
        "00",
        "01",
        "-01",
        "-",
        "",
        "+1",
        "1.",
        "1.0",
        "1e3",
        "1E0",
        "1e",
        ".5",
        "--1",
        "1-",
        "1 2",
        "0x1",
        "null",
        "\"1\"",
        "true",
        "[1]",
        "1e400",
        "NaN",
    ] {
        agree(&format!(r#"{{"type":"RECORD","record":{{"stream":"s","data":{{}},"emitted_at":{value}}}}}"#));
        agree(&format!(r#"{{"record":{{"stream":"s","emitted_at":{value},"data":{{}}}},"type":"RECORD"}}"#));
    }
}

#[test]
fn a_lone_surrogate_is_refused_only_where_a_string_is_decoded() {
    let record = |stream: &str, key: &str, data: &str| {
        format!(
            r#"{{"type":"RECORD","record":{{"stream":"{stream}","{key}":1,"data":{{"a":"{data}"}},"emitted_at":1}}}}"#
        )
    };
    for text in [r"\ud800", r"\udc00", r"\ud800\ud800", r"\ud800x", r"\ud800\n", r"\udc00\ud800"] {
        refused(&record(text, "k", "d"));
        refused(&record("s", text, "d"));
        accepted(&record("s", "k", text));
        refused(&format!(r#"{{"type":"{text}"}}"#));
        refused(&format!(r#"{{"{text}":1,"type":"A"}}"#));
        accepted(&format!(r#"{{"a":{{"{text}":"{text}"}},"type":"A"}}"#));
    }
    accepted(&record(r"\ud83d\ude00", r"\ud83d\ude00", r"\ud83d\ude00"));
}

#[test]
fn only_json_white_space_may_surround_the_object() {
    let line = r#"{"type":"A"}"#;
    for space in ["", " ", "\t", "\r", "\n", " \t\r\n"] {
        accepted(&format!("{space}{line}{space}"));
        accepted(&format!(
            "{{{space}\"type\"{space}:{space}\"RECORD\"{space},{space}\"record\"{space}:{space}{{{space}\"stream\"{space}:{space}\"s\"{space},{space}\"data\"{space}:{space}{{{space}}}{space},\"emitted_at\"{space}:{space}1{space}}}{space}}}{space}"
        ));
    }
    for junk in ["\u{feff}", "\u{a0}", "\u{b}", "\u{c}", "\u{85}", "\u{2028}", "\0", "x", ",", "}", "{}", "null"] {
        refused(&format!("{junk}{line}"));
        refused(&format!("{line}{junk}"));
        refused(&format!("{line} {junk}"));
    }
}

#[test]
fn the_data_of_a_record_may_be_cut_nowhere() {
    let line = r#"{"type":"RECORD","record":{"namespace":"p\u00e9","stream":"s","data":{"a":"é\\","b":[1,-2.5e3,{"c":null}],"d": "x\ud800 y" , "e":{},"f":[],"g":true,"h":"0123456789012345678901234567890123456789"},"emitted_at":1700000000000}}"#;
    accepted(line);
    for end in (0..line.len()).filter(|&end| line.is_char_boundary(end)) {
        refused(&line[..end]);
    }
    for at in (0..line.len()).filter(|&at| line.is_char_boundary(at)) {
        for insert in ["\"", "\\", "{", "}", "[", "]", ",", ":", " ", "\t", "0", "-", ".", "e", "n", "\u{1}", "\r", "é"]
        {
            agree(&format!("{}{insert}{}", &line[..at], &line[at..]));
            let next = at + line[at..].chars().next().map_or(0, char::len_utf8);
            agree(&format!("{}{insert}{}", &line[..at], &line[next..]));
            agree(&format!("{}{}", &line[..at], &line[next..]));
        }
    }
}

#[path = "scan_grammar_tests.rs"]
mod grammar;
#[path = "scan_property_tests.rs"]
mod properties;
