//! What a log says of a file's rows: how many, and between which values each column lies.
//!
//! Readers skip files by these bounds. In a file where only some columns have bounds, deltalake's dataset for pyarrow takes a
//! column that has none, or one that it cannot parse, for a column without values, and a filter on it finds nothing. So either
//! every column has bounds that hold and that all readers can parse, or none has.

use std::ops::RangeInclusive;

use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value as Json, json};

use crate::schema::columns::{Column, Source, TableSchema};
use crate::schema::stats::{RECORDS, RowStats, Span};

/// A value that bounds a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A text.
    Text(&'a str),
    /// Milliseconds since the epoch.
    Time(i64),
}

/// Milliseconds since the epoch of the years that every reader can parse, 0001 to 9999: beyond them ISO 8601 asks for a sign.
const PARSED: RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// The bounds of every column of `schema`, in its order; `None` if one of them cannot be written so that every reader reads it.
pub fn column_bounds<'a>(schema: &TableSchema, stats: &'a RowStats) -> Option<Vec<Span<Value<'a>>>> {
    schema.columns().map(|column| of_column(column, stats)).collect()
}

/// Who reads the log that statistics are written into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Everybody.
    All,
    /// Spark alone, which takes a column without bounds for one of which nothing is known: the staging's log.
    Spark,
}

/// Whether every column of `schema` has bounds where the times of the rows do.
pub fn has_all(schema: &TableSchema) -> bool {
    let has_some = |column: &Column| matches!(column.source, Source::Id | Source::EmittedAt | Source::Record);
    schema.columns().all(|column| has_some(column) && !column.is_time_as_text())
}

/// The `stats` of an `add` action, as text.
pub fn text(schema: &TableSchema, stats: &RowStats, readers: Readers) -> String {
    let mut written = Map::from_iter([("numRecords".to_owned(), json!(stats.rows))]);
    let has_all = has_all(schema);
    if !has_all && readers == Readers::All {
        return Json::Object(written).to_string();
    }
    // Loads ask for the rows of a batch by their ids.
    let known: Vec<&Column> = if has_all { schema.columns().collect() } else { vec![schema.id()] };
    let mut write = |key: &str, values: &mut dyn Iterator<Item = Json>| {
        let columns = known.iter().map(|column| column.name.clone()).zip(values).collect();
        written.insert(key.to_owned(), Json::Object(columns));
    };
    write("nullCount", &mut std::iter::repeat(json!(0)));
    let bounds: Option<Vec<_>> = known.iter().map(|column| of_column(column, stats)).collect();
    if let Some(bounds) = bounds {
        write("minValues", &mut bounds.iter().map(|span| span.first.to_json()));
        write("maxValues", &mut bounds.iter().map(|span| span.last.to_json()));
    }
    Json::Object(written).to_string()
}

impl<'a> Value<'a> {
    /// The text, if it is one.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Time(_) => None,
        }
    }

    /// The time in milliseconds since the epoch, if it is one.
    pub fn time_ms(self) -> Option<i64> {
        match self {
            Self::Time(ms) => Some(ms),
            Self::Text(_) => None,
        }
    }

    fn to_json(self) -> Json {
        match self {
            Self::Text(text) => text.into(),
            // Every time in `PARSED` has a date.
            Self::Time(ms) => {
                let time = DateTime::from_timestamp_millis(ms).unwrap_or_default();
                time.to_rfc3339_opts(SecondsFormat::Millis, true).into()
            }
        }
    }
}

fn of_column<'a>(column: &Column, stats: &'a RowStats) -> Option<Span<Value<'a>>> {
    let texts = |first, last| Some(Span { first: Value::Text(first), last: Value::Text(last) });
    match column.source {
        Source::Id => texts(&stats.ids.first, &stats.ids.last),
        Source::EmittedAt if column.is_time_as_text() => None,
        Source::EmittedAt => times(&stats.emitted_at),
        Source::Record => texts(RECORDS.first, RECORDS.last),
        // Nobody has looked at these values.
        Source::Meta | Source::Property(_) | Source::Undeclared | Source::Vacant => None,
    }
}

/// `micros` in whole milliseconds, cut down and up, so that no row lies outside.
fn times(micros: &Span<i64>) -> Option<Span<Value<'static>>> {
    let (first, last) = (micros.first.div_euclid(1000), micros.last.saturating_add(999).div_euclid(1000));
    let is_parsed = PARSED.contains(&first) && PARSED.contains(&last);
    is_parsed.then_some(Span { first: Value::Time(first), last: Value::Time(last) })
}

#[cfg(test)]
#[path = "bounds_tests.rs"]
mod tests;
