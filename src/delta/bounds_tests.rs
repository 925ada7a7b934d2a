//! Bounds hold for every row that is accepted, and every reader can parse them.

use proptest::prelude::*;

use super::*;
use crate::protocol::scan::{Scanned, scan};

fn stats(first: i64, last: i64) -> RowStats {
    RowStats { rows: 2, ids: Span { first: "a".into(), last: "b".into() }, emitted_at: Span { first, last } }
}

fn written(first: i64, last: i64) -> String {
    text(&TableSchema::raw(), &stats(first, last), Readers::All)
}

#[test]
fn with_times_that_some_reader_cannot_parse_there_are_no_bounds() {
    let (first, last) = (-62_135_596_800_000_000, 253_402_300_799_999_000);
    let all = stats(first, last);
    let bounds = column_bounds(&TableSchema::raw(), &all).map(|bounds| bounds[1]);
    let (low, high) = (Value::Time(-62_135_596_800_000), Value::Time(253_402_300_799_999));
    assert_eq!(bounds, Some(Span { first: low, last: high }));
    assert!(written(first, last).contains(r#""_airbyte_emitted_at":"0001-01-01T00:00:00.000Z""#));
    assert!(written(first, last).contains(r#""_airbyte_emitted_at":"9999-12-31T23:59:59.999Z""#));
    for (low, high) in [(first - 1, 0), (0, last + 1), (i64::MIN, i64::MAX), (first - 1, last + 1)] {
        assert_eq!(column_bounds(&TableSchema::raw(), &stats(low, high)), None);
        let written: Json = serde_json::from_str(&written(low, high)).unwrap_or_default();
        assert_eq!(
            (&written["numRecords"], written.get("minValues"), written.get("maxValues")),
            (&json!(2), None, None)
        );
    }
}

#[test]
fn times_that_are_texts_have_no_bounds() {
    let schema = TableSchema::with_time_as_text();
    assert!(!has_all(&schema) && column_bounds(&schema, &stats(0, 1)).is_none());
    let written = text(&schema, &stats(0, 1), Readers::Spark);
    assert!(written.contains("minValues") && !written.contains("_airbyte_emitted_at"), "{written}");
}

/// Whether a row of this `data` lies within the bounds, as readers compare texts: byte by byte.
fn within(data: &[u8]) -> bool {
    RECORDS.first.as_bytes() <= data && data <= RECORDS.last.as_bytes()
}

fn assert_within(data: &str) -> Result<bool, TestCaseError> {
    let line = format!(r#"{{"type":"RECORD","record":{{"stream":"s","data":{data},"emitted_at":1}}}}"#);
    match scan(&line) {
        Ok(Scanned::Record(record)) => {
            prop_assert!(within(record.data), "{:?}", String::from_utf8_lossy(record.data));
            Ok(true)
        }
        Ok(Scanned::Other { .. }) | Err(_) => Ok(false),
    }
}

#[test]
fn every_first_character_of_an_object_that_is_let_through_lies_within_the_bounds() -> Result<(), TestCaseError> {
    let mut let_through = Vec::new();
    for first in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
        for rest in ["", "}", "\"a\":1}", "a\":1}"] {
            if assert_within(&format!("{{{first}{rest}"))? && !let_through.contains(&first) {
                let_through.push(first);
            }
        }
    }
    assert_eq!(let_through, ['\t', '\n', '\r', ' ', '"', '}']);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_let_through_lies_within_the_bounds(
        data in prop_oneof![
            "[ \t\r\n]{0,2}\\{\\PC{0,12}",
            "[ \t\r\n]{0,2}\\{[ \t\r\n]{0,3}(\"\\PC{0,4}\"[ \t]?:[ \t]?(1|null|\"~\"|\\{\\}))?[ \t\r\n]{0,3}\\}[ \t]{0,2}",
            "[\\[\\]{}~\"\u{7f}\u{80}\u{10ffff} :,0-9a]{0,12}",
        ],
    ) {
        assert_within(&data)?;
    }
}
