//! What a log says of a file's rows: how many, and between which values each column lies.
//!
//! Readers pass over files by these bounds. Where some columns of a file have bounds, deltalake's dataset for pyarrow takes a
//! column without them, or with one that it cannot parse, for one without values, and a filter on it finds nothing. So either
//! every column has bounds that hold and that all readers can parse, or none has.

use chrono::{DateTime, SecondsFormat};
use serde_json::json;

use crate::encode::parquet::RowStats;
use crate::schema::avro;

/// Bounds of `_airbyte_data`, whatever the rows are: the text of a JSON object begins with `{`, and white space, `"` or `}`
/// follows (RFC 8259, section 4), all of them less than `~`.
pub const DATA: (&str, &str) = ("{", "{~");

/// Milliseconds since the epoch of the years that every reader can parse, 0001 to 9999: beyond them ISO 8601 asks for a sign.
const PARSED: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// The smallest and largest times of `stats`, in milliseconds since the epoch: cut down and up to whole ones, so that no row
/// lies outside. `None` if one of them cannot be written so that every reader reads it.
pub fn times(stats: &RowStats) -> Option<(i64, i64)> {
    let (low, high) = stats.emitted_at;
    let (low, high) = (low.div_euclid(1000), high.saturating_add(999).div_euclid(1000));
    (PARSED.contains(&low) && PARSED.contains(&high)).then_some((low, high))
}

/// The `stats` of an `add` action, as text.
pub fn text(stats: &RowStats) -> String {
    let none = json!({avro::AB_ID: 0, avro::EMITTED_AT: 0, avro::DATA: 0});
    let written = |ms| Some(DateTime::from_timestamp_millis(ms)?.to_rfc3339_opts(SecondsFormat::Millis, true));
    match times(stats).and_then(|(low, high)| Some((written(low)?, written(high)?))) {
        Some((low, high)) => json!({
            "numRecords": stats.rows, "nullCount": none,
            "minValues": {avro::AB_ID: stats.ids.0, avro::EMITTED_AT: low, avro::DATA: DATA.0},
            "maxValues": {avro::AB_ID: stats.ids.1, avro::EMITTED_AT: high, avro::DATA: DATA.1},
        }),
        None => json!({"numRecords": stats.rows, "nullCount": none}),
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(low: i64, high: i64) -> RowStats {
        RowStats { rows: 2, ids: ("a".into(), "b".into()), emitted_at: (low, high) }
    }

    #[test]
    fn with_times_that_some_reader_cannot_parse_there_are_no_bounds() {
        let (first, last) = (-62_135_596_800_000_000, 253_402_300_799_999_000);
        assert_eq!(times(&of(first, last)), Some((-62_135_596_800_000, 253_402_300_799_999)));
        assert!(text(&of(first, last)).contains(r#""_airbyte_emitted_at":"0001-01-01T00:00:00.000Z""#));
        assert!(text(&of(first, last)).contains(r#""_airbyte_emitted_at":"9999-12-31T23:59:59.999Z""#));
        for (low, high) in [(first - 1, 0), (0, last + 1), (i64::MIN, i64::MAX), (first - 1, last + 1)] {
            assert_eq!(times(&of(low, high)), None);
            let written: serde_json::Value = serde_json::from_str(&text(&of(low, high))).unwrap_or_default();
            assert_eq!(
                (&written["numRecords"], written.get("minValues"), written.get("maxValues")),
                (&json!(2), None, None)
            );
        }
    }
}
