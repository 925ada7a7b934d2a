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
#[path = "bounds_tests.rs"]
mod tests;
