//! Messages of every make, whole and damaged: the scanner and `serde_json` must agree line by line.

use proptest::prelude::*;

use super::agree;

fn space() -> impl Strategy<Value = String> {
    prop_oneof![6 => Just(String::new()), 3 => Just(" ".to_owned()), 1 => "[ \t\r\n]{0,3}"]
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[ -!#-\\[\\]-~]{0,12}",
        1 => "[ -!#-\\[\\]-~]{20,150}",
        2 => Just("\\\\".to_owned()),
        2 => Just("\\\"".to_owned()),
        1 => "\\\\[/bfnrt]",
        1 => "\\\\u[0-9a-fA-F]{4}",
        1 => Just("é\u{2028}漢😀".to_owned()),
        1 => "[{}\\[\\]:,]{1,4}",
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn join(space: &str, open: &str, members: &[String], close: &str) -> String {
    format!("{open}{space}{}{space}{close}", members.join(&format!("{space},{space}")))
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        text(),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?",
        any::<i64>().prop_map(|number| number.to_string()),
        prop::sample::select(vec!["true", "false", "null"]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(6, 60, 8, |inner| {
        let members = prop::collection::vec((text(), inner.clone()), 0..8);
        prop_oneof![
            (space(), prop::collection::vec(inner, 0..8)).prop_map(|(space, values)| join(&space, "[", &values, "]")),
            (space(), members).prop_map(|(space, members)| {
                let members: Vec<_> =
                    members.iter().map(|(key, value)| format!("{key}{space}:{space}{value}")).collect();
                join(&space, "{", &members, "}")
            }),
        ]
    })
}

fn key(name: &'static str) -> impl Strategy<Value = String> {
    let escaped: String = name.chars().map(|letter| format!("\\u{:04x}", u32::from(letter))).collect();
    prop_oneof![9 => Just(format!("\"{name}\"")), 1 => Just(format!("\"{escaped}\""))]
}

fn member(name: &'static str, value: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = Vec<String>> {
    let there = (key(name), space(), prop_oneof![19 => value.boxed(), 1 => json().boxed()])
        .prop_map(|(key, space, value)| format!("{key}{space}:{space}{value}"))
        .boxed();
    prop_oneof![38 => prop::collection::vec(there.clone(), 1), 1 => prop::collection::vec(there, 0..3)]
}

fn object_of(members: impl Strategy<Value = Vec<Vec<String>>>) -> impl Strategy<Value = String> {
    let others = prop::collection::vec((text(), json()).prop_map(|(key, value)| format!("{key}:{value}")), 0..2);
    (space(), members, others)
        .prop_flat_map(|(space, members, others)| {
            let all: Vec<String> = members.into_iter().flatten().chain(others).collect();
            (Just(space), Just(all).prop_shuffle())
        })
        .prop_map(|(space, members)| join(&space, "{", &members, "}"))
}

fn data() -> impl Strategy<Value = String> {
    prop::collection::vec((text(), json()).prop_map(|(key, value)| vec![format!("{key}: {value}")]), 0..12)
        .prop_flat_map(|members| object_of(Just(members)))
}

fn message() -> impl Strategy<Value = String> {
    let body = object_of(
        (
            member("stream", text()),
            member("namespace", prop_oneof![text(), Just("null".to_owned())]),
            member("data", data()),
            member("emitted_at", any::<i64>().prop_map(|number| number.to_string())),
            member("meta", json()),
            member("file", json()),
        )
            .prop_map(|(a, b, c, d, e, f)| vec![a, b, c, d, e, f]),
    );
    let kind = prop::sample::select(vec!["\"RECORD\"", "\"RECORD\"", "\"RECORD\"", "\"REC\\u004FRD\"", "\"STATE\""]);
    let line =
        object_of((member("type", kind.prop_map(str::to_owned)), member("record", body)).prop_map(|(a, b)| vec![a, b]));
    (space(), line, space()).prop_map(|(before, line, after)| format!("{before}{line}{after}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_generated_message_is_read_as_serde_reads_it(line in message()) {
        agree(&line);
    }

    #[test]
    fn a_damaged_message_is_judged_as_serde_judges_it(
        line in message(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>(), "[{}\\[\\]:,\"\\\\ 0-9.eE+-tfn\t]"), 1..3),
    ) {
        let mut bytes = line.into_bytes();
        for (index, how, byte, insert) in damage {
            let at = index.index(bytes.len().max(1)).min(bytes.len());
            match how {
                0 => bytes.truncate(at),
                1 => bytes.splice(at..at, insert.bytes()).for_each(drop),
                2 => bytes.drain(at..(at + 1 + usize::from(byte % 3)).min(bytes.len())).for_each(drop),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|old| *old ^= 1 << (byte % 8)),
            }
        }
        agree(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn brackets_and_quotes_in_any_order_are_judged_as_serde_judges_them(data in "([{}\\[\\]:,\"\\\\ 01.e-]|\"a\"|\"k\":|true|null|\"a\":1,){0,40}") {
        agree(&format!(r#"{{"type":"RECORD","record":{{"stream":"s","data":{{{data}}},"emitted_at":1}}}}"#));
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256)
}
