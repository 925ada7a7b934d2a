//! Keys in the JSON texts of the layout `raw` that are easily taken for one another, or for different ones: what both engines make of them.

use serde_json::{Value, json};

use crate::messages::{EMITTED_AT, catalog, state};

/// Types of a key in a JSON schema, and pairs of values, each with whether they are one key.
type Kinds = [(&'static str, &'static str, &'static [(&'static str, &'static str, bool)])];
const KINDS: &Kinds = &[
    (
        "integers",
        r#"{"type":["null","integer"]}"#,
        &[
            ("1", "1.0", true),
            ("1", "10e-1", true),
            ("12345678", "12345678.0", true),
            ("0", "-0", true),
            ("7", "8", false),
            ("1.5", "\"1.5\"", false),
            ("9223372036854775807", "9223372036854775808", false),
            ("9223372036854775808", "9223372036854775809", false),
            ("null", "0", false),
            ("null", "null", true),
        ],
    ),
    (
        "numbers",
        r#"{"type":["null","number"]}"#,
        &[
            ("1", "1.0", true),
            ("12345678", "12345678.0", true),
            ("123456789012", "1.23456789012e11", true),
            ("0.1", "0.10", true),
            ("0", "-0.0", true),
            ("1e2", "100", true),
            ("7", "\"7\"", false),
            ("\"NaN\"", "\"Infinity\"", false),
            ("0.123456789012345678", "0.123456789012345679", false),
            ("1e-18", "0", false),
            ("-0.5", "0.5", false),
            ("12345678901234567890.5", "12345678901234567891.5", false),
            ("100000000000000001.0", "100000000000000002.0", false),
            ("100000000000000000000", "100000000000000000001", false),
        ],
    ),
    (
        "booleans",
        r#"{"type":["null","boolean"]}"#,
        &[
            ("true", "true", true),
            ("true", "false", false),
            ("true", "\"true\"", false),
            ("1", "\"1\"", false),
            ("null", "\"null\"", false),
        ],
    ),
    (
        "anything",
        "{}",
        &[
            ("1", "\"1\"", false),
            ("1", "1.0", true),
            ("12345678", "12345678.0", true),
            ("0.12345678901234567", "0.12345678901234568", false),
            ("true", "\"true\"", false),
            ("[1]", "\"[1]\"", false),
            ("{\"a\":1}", "\"{\\\"a\\\":1}\"", false),
            ("{\"a\":1}", "{\"a\":2}", false),
            ("{\"a\":1}", "{\"a\":1}", true),
            ("\"1\"", "\"\\\"1\"", false),
            ("\"\"", "\"\\\"\"", false),
            ("\"\"", "null", false),
            ("null", "\"null\"", false),
            ("\"text\"", "\"text\"", true),
            ("\"1\"", "\"1\"", true),
        ],
    ),
    (
        "several",
        r#"{"type":["string","integer"]}"#,
        &[("1", "\"1\"", false), ("1", "1", true), ("\"x\"", "\"x\"", true), ("\"x\"", "\"X\"", false)],
    ),
    (
        "texts",
        r#"{"type":["null","string"]}"#,
        &[
            ("\"a\"", "\"A\"", false),
            ("\"\u{e9}\"", "\"e\u{301}\"", false),
            ("\"\u{e9}\"", "\"\\u00e9\"", true),
            ("\"\"", "null", false),
            ("\" x\"", "\"x\"", false),
            ("\"1\"", "\"1.0\"", false),
        ],
    ),
    (
        "times",
        r#"{"type":["null","string"],"format":"date-time"}"#,
        &[
            ("\"2024-01-01T00:00:00Z\"", "\"2024-01-01T01:00:00+01:00\"", true),
            ("\"2024-01-01T00:00:00.000001Z\"", "\"2024-01-01T00:00:00.000002Z\"", false),
            ("\"soon\"", "\"later\"", false),
            ("\"soon\"", "null", false),
        ],
    ),
];
/// How deep an array is in some records: Spark reads none that are deeper than 1000 unless it is told to.
const DEEP: usize = 1020;

/// The names of the streams.
pub fn names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(name, ..)| *name)
}

/// Streams of all types, whose keys are the number of a pair and a value.
pub fn streams() -> Value {
    catalog(KINDS.iter().map(|(name, kind, _)| {
        let kind: Value = serde_json::from_str(kind).unwrap();
        let number = json!({"type": "integer"});
        json!({
            "stream": {
                "name": name, "json_schema": {"type": "object", "properties": {"pair": number, "id": kind, "n": number}},
                "supported_sync_modes": ["incremental"],
            },
            "sync_mode": "incremental", "destination_sync_mode": "append_dedup", "primary_key": [["pair"], ["id"]],
        })
    }))
}

/// Records with the first or the second value of each pair, 0 or 1, once as they are and once with a deep array, and a STATE of each stream.
pub fn input(side: usize) -> String {
    let deep = format!(",\"deep\":{}{}", "[".repeat(DEEP), "]".repeat(DEEP));
    let of = |(name, _, pairs): &(&str, &str, &[(&str, &str, bool)])| {
        let records = (0..pairs.len() * 2).map(|pair| {
            let (first, second, _) = pairs[pair / 2];
            let (value, rest) = ([first, second][side], if pair % 2 == 0 { "" } else { &deep });
            format!(
                "{{\"type\":\"RECORD\",\"record\":{{\"stream\":\"{name}\",\"emitted_at\":{},\"data\":{{\"pair\":{pair},\"id\":{value},\"n\":{}{rest}}}}}}}\n",
                EMITTED_AT + side as i64,
                pair * 2 + side,
            )
        });
        records.collect::<String>() + &state(name, side as u64 + 1)
    };
    KINDS.iter().map(of).collect()
}

/// Checks the numbers `n` of the rows that the table of the stream `name` has when both sides are loaded.
pub fn check(name: &str, mut found: Vec<u64>) {
    let pairs = KINDS.iter().find(|(own, ..)| *own == name).unwrap().2;
    found.sort_unstable();
    for (at, (first, second, is_one)) in pairs.iter().enumerate() {
        for pair in [at * 2, at * 2 + 1] {
            let numbers = |n: &u64| *n as usize / 2 == pair;
            let found: Vec<usize> = found.iter().filter(|n| numbers(n)).map(|n| *n as usize % 2).collect();
            let expected: &[usize] = if *is_one { &[1] } else { &[0, 1] };
            assert_eq!(found, expected, "{name}: {first} and {second}, deep: {}", pair % 2);
        }
    }
}
