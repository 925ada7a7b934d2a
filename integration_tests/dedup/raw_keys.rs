//! Keys in the layout `raw` whose type would not keep all that they say: they stay apart, in one load and across loads.

use serde_json::{Value, json};

use super::streams::Stream;
use crate::messages::{record, state};
use crate::program::Sandbox;
use crate::table;

/// How many rows are there of two records whose keys of the type `kind` are these JSON texts: loaded at once, and one after the other.
fn left(kind: &Value, [one, other]: [&str; 2]) -> [Vec<u64>; 2] {
    let stream = Stream::users(json!({"id": kind, "n": {"type": "integer"}}), &["id"], &[]);
    let text = |id: &str, n: u64| record("users", &format!(r#"{{"id":{id},"n":{n}}}"#));
    let after = |loads: &[String]| {
        let sandbox = Sandbox::with(json!({"table_layout": "raw"}));
        for records in loads {
            sandbox.load(&stream.catalog(), records.clone() + &state("users", 1) + &stream.complete());
        }
        // Half a surrogate pair is nothing that `serde_json` reads.
        let number = |text: &String| text.rsplit(':').next()?.trim_end_matches('}').parse::<u64>().ok();
        let data = table::data(&sandbox.table("default/users"));
        let mut numbers: Vec<u64> = data.iter().map(|text| number(text).unwrap()).collect();
        numbers.sort_unstable();
        numbers
    };
    [after(&[text(one, 1) + &text(other, 2)]), after(&[text(one, 1), text(other, 2)])]
}

#[test]
fn keys_of_which_their_type_keeps_a_part_stay_apart_and_other_spellings_of_a_value_do_not() {
    let text = json!({"type": ["null", "string"]});
    let day = json!({"type": "string", "format": "date"});
    let time = |kind: &str| json!({"type": "string", "format": "date-time", "airbyte_type": kind});
    let (moment, local) = (time("timestamp_with_timezone"), time("timestamp_without_timezone"));
    let bytes = json!({"type": "string", "contentEncoding": "base64"});
    for (kind, keys) in [
        (&text, [r#""\ud800""#, r#""\ud801""#]),
        (&text, [r#""\ud800""#, r#""\ufffd""#]),
        (&text, [r#""\udbff\\u0041""#, r#""\udbfeA""#]),
        (&moment, [r#""2024-01-01T00:00:00.123456789Z""#, r#""2024-01-01T00:00:00.123456788Z""#]),
        (&moment, [r#""2024-01-01T00:00:00.123456789Z""#, r#""2024-01-01T00:00:00.123456Z""#]),
        (&local, [r#""2024-01-01T00:00:00.1234567""#, r#""2024-01-01T00:00:00.1234568""#]),
        (&local, [r#""2024-01-01T00:00:00+02:00""#, r#""2024-01-01T00:00:00-05:00""#]),
        (&day, [r#""2024-01-01T10:00:00Z""#, r#""2024-01-01T11:00:00Z""#]),
        (&day, [r#""2024-01-01T10:00:00Z""#, r#""2024-01-01""#]),
        (&bytes, [r#""\\x6162""#, r#""\\x6163""#]),
    ] {
        assert_eq!(left(kind, keys), [[1, 2], [1, 2]], "{kind} {keys:?}");
    }
    for (kind, keys) in [
        (&text, [r#""a""#, r#""\u0061""#]),
        (&text, [r#""\ud83d\ude00""#, r#""😀""#]),
        (&text, ["null", "null"]),
        (&moment, [r#""2024-01-01T00:00:00.123456000Z""#, r#""2024-01-01T01:00:00.123456+01:00""#]),
        (&local, [r#""2024-01-01T00:00:00Z""#, r#""2024-01-01 00:00:00""#]),
        (&day, [r#""2024-01-01T00:00:00Z""#, r#""2024-01-01""#]),
        (&bytes, [r#""YWI=""#, r#""YWI\u003d""#]),
    ] {
        assert_eq!(left(kind, keys), [[2], [2]], "{kind} {keys:?}");
    }
}
