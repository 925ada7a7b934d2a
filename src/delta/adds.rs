//! `add` actions as the columns that delta-kernel takes.

use std::sync::Arc;

use arrow_array::builder::{MapBuilder, MapFieldNames, StringBuilder};
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_array::{TimestampMicrosecondArray, make_array};
use arrow_buffer::NullBuffer;
use arrow_schema::{Field, Fields, Schema};

use super::actions::DataFile;
use super::bounds::{self, Value};
use crate::error::{Error, Result};
use crate::schema::columns::{Column, Source, TableSchema};
use crate::schema::stats::Span;

/// The `add` actions of `files`, whose columns are those of `schema`: one row per file.
///
/// The kernel refuses a file without bounds for a clustered table, whichever column it is clustered by.
pub fn batch(schema: &TableSchema, files: &[DataFile]) -> Result<RecordBatch> {
    let failed = |error| Error::system("The commit's file list could not be built.").with_source(error);
    let texts =
        |value: fn(&DataFile) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(files.iter().map(value))) };
    let longs =
        |value: fn(&DataFile) -> i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values(files.iter().map(value))) };
    let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
    let mut partitions = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for _ in files {
        partitions.append(true).map_err(failed)?;
    }
    let partitions = partitions.finish();
    let bounds: Vec<_> = files.iter().map(|file| bounds::column_bounds(schema, &file.stats)).collect();
    let required = schema.columns().filter(|column| column.is_required());
    let null_counts = required.map(|column| (column.name.clone(), longs(|_| 0))).collect();
    // Of rows that were only counted it is not known whether they lack something.
    let has_all = bounds::has_all(schema);
    let counted = files.iter().map(|file| has_all && !file.stats.is_only_counted());
    let stats: [(&str, ArrayRef); 5] = [
        ("numRecords", longs(|f| f.stats.rows.try_into().unwrap_or(i64::MAX))),
        ("nullCount", structure(null_counts, Some(NullBuffer::from_iter(counted)))),
        ("minValues", ends(schema, &bounds, |span| span.first)),
        ("maxValues", ends(schema, &bounds, |span| span.last)),
        ("tightBounds", Arc::new(BooleanArray::from(vec![true; files.len()]))),
    ];
    let stats = structure(stats.map(|(name, array)| (name.to_owned(), array)).into(), None);
    let columns: [(&str, ArrayRef, bool); 5] = [
        ("path", texts(|f| &f.name), false),
        ("partitionValues", make_array(partitions.into_data()), false),
        ("size", longs(|f| f.size.try_into().unwrap_or(i64::MAX)), false),
        ("modificationTime", longs(|f| f.modified_ms), false),
        ("stats", stats, true),
    ];
    let field =
        |(name, array, nullable): &(&str, ArrayRef, bool)| Field::new(*name, array.data_type().clone(), *nullable);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let arrays = columns.into_iter().map(|(_, array, _)| array).collect();
    RecordBatch::try_new(Arc::new(schema), arrays).map_err(failed)
}

/// One end of the bounds of every column: a structure of columns, null for files without bounds. The columns below it are null
/// there too: the kernel looks for bounds of clustering columns without asking the structure.
fn ends<'a>(
    schema: &TableSchema,
    files: &[Option<Vec<Span<Value<'a>>>>],
    end: fn(&Span<Value<'a>>) -> Value<'a>,
) -> ArrayRef {
    let of_column = |(at, column): (usize, &Column)| -> Option<(String, ArrayRef)> {
        let values = files.iter().map(|bounds| bounds.as_ref()?.get(at).map(end));
        let array: ArrayRef = match column.source {
            Source::Id | Source::Record => Arc::new(StringArray::from_iter(values.map(|value| value?.text()))),
            Source::EmittedAt if !column.is_time_as_text() => {
                let micros = values.map(|value| value?.time_ms().map(|ms| ms * 1000));
                Arc::new(TimestampMicrosecondArray::from_iter(micros).with_timezone("UTC"))
            }
            Source::EmittedAt | Source::Meta | Source::Property(_) | Source::Undeclared | Source::Vacant => {
                return None;
            }
        };
        Some((column.name.clone(), array))
    };
    let columns = schema.columns().enumerate().filter_map(of_column).collect();
    structure(columns, Some(NullBuffer::from_iter(files.iter().map(Option::is_some))))
}

fn structure(columns: Vec<(String, ArrayRef)>, present: Option<NullBuffer>) -> ArrayRef {
    let field = |(name, array): &(String, ArrayRef)| Field::new(name, array.data_type().clone(), true);
    let fields: Fields = columns.iter().map(field).collect();
    Arc::new(StructArray::new(fields, columns.into_iter().map(|(_, array)| array).collect(), present))
}

#[cfg(test)]
#[path = "adds_tests.rs"]
mod tests;
