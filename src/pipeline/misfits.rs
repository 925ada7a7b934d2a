//! Counts values that did not fit the types of their columns while rows are encoded, and reports them when the sync ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::stream_index::StreamIndex;
use crate::counted::counted;
use crate::encode::changes::Changes;
use crate::encode::encoder::Encoder;
use crate::error::shortened;

/// Columns that get a line of their own.
const LINES: usize = 100;
/// The most characters of a type in a line.
const LONGEST_TYPE: usize = 60;

/// The values of a sync that did not fit.
#[derive(Default)]
pub struct Misfits(BTreeMap<StreamIndex, (Arc<Encoder>, Changes)>);

impl Misfits {
    /// Adds those of a block of rows of `stream` that `encoder` has encoded; returns how many the stream has now.
    pub fn add(&mut self, stream: StreamIndex, encoder: &Arc<Encoder>, changes: Changes) -> u64 {
        let (_, known) = self.0.entry(stream).or_insert_with(|| (Arc::clone(encoder), Changes::default()));
        known.add(changes);
        known.iter().map(|(_, count)| count).sum()
    }

    /// A line for each cursor and each column with such values, and one for those that are too many; `name` gives the names of streams.
    pub fn lines(&self, name: impl Fn(StreamIndex) -> String) -> Vec<String> {
        let (mut lines, mut others, mut values) = (Vec::new(), 0, 0);
        for (stream, (encoder, changes)) in &self.0 {
            // A sync in which such values were of a key or a delete has ended.
            lines.extend(changes.guarded().map(|(cursor, count)| cursor_line(&name(*stream), cursor, count)));
            for (column, count) in changes.iter() {
                if lines.len() < LINES {
                    lines.push(line(&name(*stream), encoder, column, count));
                } else {
                    others += 1;
                    values += count;
                }
            }
        }
        if others > 0 {
            let has = if others == 1 { "has" } else { "have" };
            let (columns, values) = (counted(others, "more column"), counted(values, "value"));
            lines.push(format!("And {columns} {has} {values} that did not fit."));
        }
        lines
    }
}

/// Names, types and counts only: a value must not reach a log.
fn line(stream: &str, encoder: &Encoder, name: &str, count: u64) -> String {
    let schema = encoder.schema();
    let column = schema.columns().find(|column| column.name == name);
    let kind = column.map_or_else(|| "its type".to_owned(), |column| column.kind.sql());
    let (are, their) = if count == 1 { ("is", "its row") } else { ("are", "their rows") };
    let kept = match (schema.meta(), schema.undeclared()) {
        (Some(meta), _) => {
            let rounded = if column.is_some_and(|column| column.kind.has_fraction()) { " or rounded" } else { "" };
            format!("NULL{rounded}: `changes` in {} of {their} names what was changed", meta.name)
        }
        (None, Some(undeclared)) => format!("kept as text in {} of {their}", undeclared.name),
        (None, None) => "NULL".to_owned(),
    };
    format!(
        "Stream {stream}: {} of column {} did not fit {} and {are} {kept}.",
        counted(count, "value"),
        shortened(name, LONGEST_TYPE),
        shortened(&kind, LONGEST_TYPE)
    )
}

fn cursor_line(stream: &str, cursor: &str, count: u64) -> String {
    let (are, replace) = if count == 1 {
        ("Its row is the oldest of its key", "replaces")
    } else {
        ("Their rows are the oldest of their keys", "replace")
    };
    format!(
        "Stream {stream}: {} of the cursor {} did not fit the column. {are} and {replace} no other one. Correct the type in the source's JSON \
         schema, or choose another cursor.",
        counted(count, "value"),
        shortened(cursor, LONGEST_TYPE),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Compression;
    use crate::error::Result;
    use crate::schema::json_schema::{ColumnOptions, Number, classic, columns};

    const SCHEMA: &str = r#"{"type":"object","properties":{"n":{"type":"integer"},"d":{"type":"number"},
        "o":{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"},"c":{"type":"integer"}}}}}"#;

    fn encoders() -> Result<[Arc<Encoder>; 2]> {
        let options = ColumnOptions { number: Number::Decimal, ..ColumnOptions::default() };
        Ok([columns(SCHEMA, options)?, classic(SCHEMA)?]
            .map(|schema| Arc::new(Encoder::new(Arc::new(schema), Compression::Zstd))))
    }

    #[test]
    fn each_column_is_told_with_its_type_its_count_and_what_became_of_the_values() -> Result<()> {
        let [columns, classic] = encoders()?;
        let mut misfits = Misfits::default();
        assert!(misfits.lines(|_| String::new()).is_empty());
        let changes = |counts: &[(&'static str, u64)]| counts.iter().copied().collect::<Changes>();
        assert_eq!(misfits.add(StreamIndex::of(1), &columns, changes(&[("n", 1_233), ("d", 2)])), 1_235);
        assert_eq!(misfits.add(StreamIndex::of(0), &classic, changes(&[("n", 3)])), 3);
        assert_eq!(misfits.add(StreamIndex::of(1), &columns, changes(&[("n", 1), ("o", 1)])), 1_237);
        let lines = misfits.lines(|stream| if stream == StreamIndex::of(0) { "old".into() } else { "new".into() });
        assert_eq!(
            lines,
            [
                "Stream old: 3 values of column n did not fit BIGINT and are kept as text in \
                 _airbyte_additional_properties of their rows.",
                "Stream new: 2 values of column d did not fit DECIMAL(38,10) and are NULL or rounded: `changes` in \
                 _airbyte_meta of their rows names what was changed.",
                "Stream new: 1,234 values of column n did not fit BIGINT and are NULL: `changes` in _airbyte_meta of their \
                 rows names what was changed.",
                "Stream new: 1 value of column o did not fit STRUCT<`a`: BIGINT, `b`: BIGINT, `c`: BIGINT> and is NULL: \
                 `changes` in _airbyte_meta of its row names what was changed.",
            ]
        );
        Ok(())
    }

    #[test]
    fn beyond_a_hundred_columns_are_counted() -> Result<()> {
        let [columns, _] = encoders()?;
        let mut misfits = Misfits::default();
        for stream in 0..102 {
            misfits.add(StreamIndex::of(stream), &columns, [("n", 5)].into_iter().collect());
        }
        let lines = misfits.lines(|_| "s".to_owned());
        assert_eq!(lines.len(), 101);
        assert_eq!(lines.last().map(String::as_str), Some("And 2 more columns have 10 values that did not fit."));
        Ok(())
    }
}
