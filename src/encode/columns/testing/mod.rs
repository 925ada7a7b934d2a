//! For tests: encodes rows to a Parquet file and reads them back as plain values.

pub mod classic_reference;
pub mod reference;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::clock::random;
use crate::config::Compression;
use crate::encode::changes::Changes;
use crate::encode::encoder::Encoder;
use crate::encode::ids::IdGenerator;
use crate::encode::rows::Rows;
use crate::schema::columns::{Column, Layout, Source, TableSchema};
use crate::schema::kind::{Kind, Record};

/// A value, as plain as possible; floating-point numbers by their bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plain {
    Null,
    Boolean(bool),
    Whole(i128),
    Float(u32),
    Double(u64),
    Bytes(Vec<u8>),
    Struct(Vec<(String, Plain)>),
    List(Vec<Plain>),
    Map(BTreeMap<String, String>),
}

impl Plain {
    pub fn text(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }

    pub fn map(entries: &[(&str, &str)]) -> Self {
        Self::Map(entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }
}

/// A property with the key `name`.
pub fn property(name: &str, kind: Kind) -> Column {
    Column::new(name, kind, Source::Property(name.to_owned()))
}

/// A structure with the fields `fields`.
pub fn record(name: &str, fields: Vec<Column>) -> Kind {
    Kind::Struct(Arc::new(Record { name: name.to_owned(), namespace: None, fields }))
}

/// The layout `columns` with `properties`.
pub fn columns(properties: Vec<Column>) -> TableSchema {
    let meta = Column::new("_airbyte_meta", Kind::Json, Source::Meta);
    TableSchema::of(Layout::Columns, [meta].into_iter().chain(properties).chain([undeclared()]).collect())
}

/// The layout `classic` with `properties`.
pub fn classic(properties: Vec<Column>) -> TableSchema {
    TableSchema::of(Layout::Classic, properties.into_iter().chain([undeclared()]).collect())
}

pub fn undeclared() -> Column {
    Column::new("_airbyte_additional_properties", Kind::TextMap, Source::Undeclared)
}

/// What a reader finds in a file of `texts`, and how many values did not fit.
pub fn written(schema: TableSchema, texts: &[impl AsRef<str>]) -> (RecordBatch, Changes) {
    let encoder = Encoder::new(Arc::new(schema), Compression::Zstd).of_sync(7);
    let mut rows = Rows::default();
    texts.iter().for_each(|text| rows.push(text.as_ref().as_bytes(), 0, 0));
    let ids = IdGenerator::new(random).range(0, texts.len() as u64);
    let encoded = encoder.encode(rows, ids).expect("rows are encoded");
    let mut file = encoder.begin_file().expect("a file");
    let mut bytes = file.append(encoded.group).expect("a row group is appended");
    bytes.extend(file.finish().expect("the file ends").0);
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).expect("a Parquet file");
    let reader = reader.with_batch_size(texts.len().max(1)).build().expect("a reader");
    let batches: Vec<RecordBatch> = reader.map(|batch| batch.expect("a batch")).collect();
    assert_eq!(batches.len(), 1);
    (batches[0].clone(), encoded.changes)
}

/// The values of row `row`, by their columns, without the row's id and time.
pub fn row(batch: &RecordBatch, row: usize) -> Vec<(String, Plain)> {
    let fields = batch.schema();
    let all = fields.fields().iter().zip(batch.columns()).skip(2);
    all.map(|(field, array)| (field.name().clone(), plain(array, row))).collect()
}

/// The value of column `name` in the only row of `text`.
pub fn one(schema: TableSchema, text: &str, name: &str) -> Plain {
    let (batch, _) = written(schema, &[text]);
    plain(batch.column_by_name(name).expect("a column"), 0)
}

pub fn plain(array: &dyn Array, row: usize) -> Plain {
    if array.is_null(row) {
        return Plain::Null;
    }
    match array.data_type() {
        DataType::Boolean => Plain::Boolean(array.as_boolean().value(row)),
        DataType::Int8 => Plain::Whole(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Plain::Whole(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Plain::Whole(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Plain::Whole(array.as_primitive::<Int64Type>().value(row).into()),
        DataType::Date32 => Plain::Whole(array.as_primitive::<Date32Type>().value(row).into()),
        DataType::Timestamp(..) => Plain::Whole(array.as_primitive::<TimestampMicrosecondType>().value(row).into()),
        DataType::Decimal128(..) => Plain::Whole(array.as_primitive::<Decimal128Type>().value(row)),
        DataType::Float32 => Plain::Float(array.as_primitive::<Float32Type>().value(row).to_bits()),
        DataType::Float64 => Plain::Double(array.as_primitive::<Float64Type>().value(row).to_bits()),
        DataType::Utf8 => Plain::text(array.as_string::<i32>().value(row)),
        DataType::Binary => Plain::Bytes(array.as_binary::<i32>().value(row).to_vec()),
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            Plain::Struct(columns.map(|(field, column)| (field.name().clone(), plain(column, row))).collect())
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            Plain::List((0..items.len()).map(|at| plain(&items, at)).collect())
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1).as_string::<i32>());
            let all = (0..entries.len()).map(|at| (keys.value(at).to_owned(), values.value(at).to_owned()));
            let map: BTreeMap<_, _> = all.collect();
            assert_eq!(map.len(), entries.len(), "a key comes twice");
            Plain::Map(map)
        }
        other => panic!("no column has the type {other}"),
    }
}
