//! `add` actions as the columns that the kernel takes.

use std::sync::Arc;

use arrow_array::builder::{MapBuilder, MapFieldNames, StringBuilder};
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_array::{TimestampMicrosecondArray, make_array};
use arrow_buffer::NullBuffer;
use arrow_schema::{Field, Fields, Schema};

use super::actions::DataFile;
use super::bounds;
use crate::error::{Error, Result};
use crate::schema::avro;

/// `add` actions in the shape that the kernel takes.
///
/// A table that is clustered, by whatever column, takes no file without bounds: the kernel refuses it.
pub fn batch(files: &[DataFile]) -> Result<RecordBatch> {
    let failed = |error| Error::system("The commit's file list could not be built.").with_source(error);
    let texts =
        |value: fn(&DataFile) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(files.iter().map(value))) };
    let longs =
        |value: fn(&DataFile) -> i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values(files.iter().map(value))) };
    let times = |value: fn(&DataFile) -> Option<i64>| -> ArrayRef {
        Arc::new(files.iter().map(value).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
    let mut partitions = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for _ in files {
        partitions.append(true).map_err(failed)?;
    }
    let partitions = partitions.finish();
    let bounded = files.iter().map(|file| bounds::times(&file.stats).is_some());
    let bounded = NullBuffer::from_iter(bounded);
    // The kernel looks for bounds of clustering columns below a structure that is null, too.
    let bounds_of = |value: fn(&DataFile) -> &str| -> ArrayRef {
        let there = files.iter().zip(bounded.iter());
        Arc::new(there.map(|(file, bounded)| bounded.then(|| value(file))).collect::<StringArray>())
    };
    let lowest = record_where(
        &bounded,
        [
            (avro::AB_ID, bounds_of(|f| &f.stats.ids.0)),
            (avro::EMITTED_AT, times(|f| bounds::times(&f.stats).map(|(low, _)| low * 1000))),
            (avro::DATA, bounds_of(|_| bounds::DATA.0)),
        ],
    );
    let highest = record_where(
        &bounded,
        [
            (avro::AB_ID, bounds_of(|f| &f.stats.ids.1)),
            (avro::EMITTED_AT, times(|f| bounds::times(&f.stats).map(|(_, high)| high * 1000))),
            (avro::DATA, bounds_of(|_| bounds::DATA.1)),
        ],
    );
    let nulls = record([(avro::AB_ID, longs(|_| 0)), (avro::EMITTED_AT, longs(|_| 0)), (avro::DATA, longs(|_| 0))]);
    let stats = record([
        ("numRecords", longs(|f| f.stats.rows.try_into().unwrap_or(i64::MAX))),
        ("nullCount", nulls),
        ("minValues", lowest),
        ("maxValues", highest),
        ("tightBounds", Arc::new(BooleanArray::from(vec![true; files.len()]))),
    ]);
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

fn record<const N: usize>(columns: [(&str, ArrayRef); N]) -> ArrayRef {
    nullable(None, columns)
}

fn record_where<const N: usize>(there: &NullBuffer, columns: [(&str, ArrayRef); N]) -> ArrayRef {
    nullable(Some(there.clone()), columns)
}

fn nullable<const N: usize>(there: Option<NullBuffer>, columns: [(&str, ArrayRef); N]) -> ArrayRef {
    let field = |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), true);
    let fields: Fields = columns.iter().map(field).collect();
    Arc::new(StructArray::new(fields, columns.into_iter().map(|(_, array)| array).collect(), there))
}
