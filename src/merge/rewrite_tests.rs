//! Files of many types without some of their rows, held against the rows that are to stay.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, MapBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int32Array, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::data_type::{Int96, Int96Type};
use parquet::file::metadata::KeyValue;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;

use super::*;
use crate::encode::encoder::Encoder;
use crate::encode::ids::IdGenerator;
use crate::schema::columns::TableSchema;

const COLUMNS: RowColumns<'_> = RowColumns { id: "_airbyte_ab_id", emitted_at: "_airbyte_emitted_at" };

/// A file of `rows` rows in row groups of `group` rows, whose values say which row they are in.
fn file(rows: i32, group: usize, codec: Compression) -> Bytes {
    let all = || 0..rows;
    let some = |keep: i32| move |row: i32| (row % keep != 0).then_some(row);
    let mut lists = ListBuilder::new(StringBuilder::new());
    let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for row in all() {
        (0..row % 4).for_each(|item| lists.values().append_option((item != 1).then(|| format!("{row}.{item}"))));
        lists.append(row % 5 != 0);
        maps.keys().append_value(row.to_string());
        maps.values().append_option((row % 2 == 0).then_some("x"));
        maps.append(row % 3 != 0).unwrap();
    }
    let inner: ArrayRef = Arc::new(Int32Array::from_iter(all().map(some(3))));
    let fields = vec![Field::new("inner", DataType::Int32, true)].into();
    let nulls = arrow_buffer::NullBuffer::from_iter(all().map(|row| row % 4 != 1));
    let double = |row: i32| f64::from_bits(0x7ff8_0000_0000_0000 | u64::from(row.unsigned_abs()));
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("_airbyte_ab_id", Arc::new(StringArray::from_iter_values(all().map(|row| format!("id{row:05}")))), false),
        (
            "_airbyte_emitted_at",
            Arc::new(TimestampMicrosecondArray::from_iter_values(all().map(i64::from)).with_timezone("UTC")),
            false,
        ),
        (
            "text",
            Arc::new(StringArray::from_iter(all().map(|row| (row % 7 != 0).then(|| format!("t{}", row % 10))))),
            true,
        ),
        ("number", Arc::new(Int32Array::from_iter(all().map(some(2)))), true),
        ("nan", Arc::new(Float64Array::from_iter_values(all().map(double))), false),
        (
            "decimal",
            Arc::new(
                Decimal128Array::from_iter(all().map(|row| some(5)(row).map(|row| i128::from(-row) << 70)))
                    .with_precision_and_scale(38, 3)
                    .unwrap(),
            ),
            true,
        ),
        ("flag", Arc::new(BooleanArray::from_iter(all().map(|row| (row % 3 != 2).then_some(row % 2 == 0)))), true),
        ("list", Arc::new(lists.finish()), true),
        ("map", Arc::new(maps.finish()), true),
        ("struct", Arc::new(StructArray::new(fields, vec![inner], Some(nulls))), true),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group))
        .set_compression(codec)
        .set_key_value_metadata(Some(vec![KeyValue::new(
            "org.apache.spark.legacyDateTime".into(),
            Some(String::new()),
        )]));
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    Bytes::from(writer.into_inner().unwrap())
}

/// `file` without the rows `lost`, and its statistics.
fn rewritten(file: &Bytes, lost: &RowSet) -> (Bytes, RowStats) {
    let reader = SerializedFileReader::new(file.clone()).unwrap();
    let metadata = reader.metadata();
    let mut writer = FileWriter::new(metadata, COLUMNS).unwrap();
    let (mut first, mut bytes) = (0, Vec::new());
    for group in metadata.row_groups() {
        let rows = group.num_rows();
        let count = lost.count_in(first, rows.unsigned_abs());
        let columns = group.columns().iter().map(|column| {
            let (start, length) = column.byte_range();
            let part = file.slice(usize::try_from(start).unwrap()..usize::try_from(start + length).unwrap());
            let chunk = Chunk { start, bytes: part };
            if count == 0 {
                return unchanged(chunk, column, rows);
            }
            without(chunk, column, rows, first, lost, &writer.properties()).unwrap()
        });
        let columns = columns.collect();
        if count < rows.unsigned_abs() {
            bytes.extend(writer.append(columns).unwrap());
        }
        first += rows.unsigned_abs();
    }
    let (end, stats) = writer.finish().unwrap();
    bytes.extend(end);
    (Bytes::from(bytes), stats)
}

/// Every row, and its doubles bit by bit.
fn rows(file: &Bytes) -> Vec<String> {
    let reader = SerializedFileReader::new(file.clone()).unwrap();
    let bits = |field: &parquet::record::Field| match field {
        parquet::record::Field::Double(double) => format!("{:x}", double.to_bits()),
        other => format!("{other:?}"),
    };
    let row = |row: parquet::record::Row| {
        row.get_column_iter().map(|(name, field)| format!("{name}={}", bits(field))).collect::<Vec<_>>().join(" ")
    };
    reader.get_row_iter(None).unwrap().map(|found| row(found.unwrap())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn rows_that_stay_are_the_same_in_every_type(
        count in 1_i32..120,
        group in 1_usize..60,
        lost in prop::collection::btree_set(0_u64..120, 0..60),
        codec in prop::sample::select(vec![Compression::SNAPPY, Compression::UNCOMPRESSED, Compression::LZ4_RAW]),
    ) {
        let file = file(count, group, codec);
        let mut set = RowSet::default();
        lost.iter().for_each(|row| set.insert(*row));
        let (again, stats) = rewritten(&file, &set);
        let kept: Vec<u64> = (0..u64::from(count.unsigned_abs())).filter(|row| !lost.contains(row)).collect();
        let all = rows(&file);
        let expected: Vec<_> = kept.iter().map(|row| all[*row as usize].clone()).collect();
        prop_assert_eq!(rows(&again), expected);
        prop_assert_eq!(stats.rows, kept.len() as u64);
        if let (Some(first), Some(last)) = (kept.first(), kept.last()) {
            let (first_id, last_id) = (format!("id{first:05}"), format!("id{last:05}"));
            prop_assert!(stats.ids.first <= first_id && stats.ids.last >= last_id);
            prop_assert!(stats.emitted_at.first <= *first as i64 && stats.emitted_at.last >= *last as i64);
        }
        let (before, after) = (SerializedFileReader::new(file).unwrap(), SerializedFileReader::new(again).unwrap());
        let (before, after) = (before.metadata().file_metadata(), after.metadata().file_metadata());
        prop_assert_eq!(before.schema(), after.schema());
        prop_assert_eq!(before.key_value_metadata(), after.key_value_metadata());
    }
}

#[test]
fn times_of_96_bits_stay_and_bounds_that_are_not_known_are_not_told() {
    let schema = "message s { optional int96 _airbyte_emitted_at; optional binary _airbyte_ab_id (STRING); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let times: Vec<Int96> = (0..10).map(|day| Int96::from(vec![day, 7, 2_400_000 + day])).collect();
    column.typed::<Int96Type>().write_batch(&times, Some(&[1; 10]), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let ids = [parquet::data_type::ByteArray::from("x")];
    let levels = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    column.typed::<parquet::data_type::ByteArrayType>().write_batch(&ids, Some(&levels), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    let file = Bytes::from(writer.into_inner().unwrap());
    let mut lost = RowSet::default();
    [0, 3].into_iter().for_each(|row| lost.insert(row));
    let (again, stats) = rewritten(&file, &lost);
    let all = rows(&file);
    assert_eq!(rows(&again), [1, 2, 4, 5, 6, 7, 8, 9].map(|row| all[row].clone()));
    assert_eq!(stats, RowStats::counted(8));
}

/// A file of the raw layout with `records`, written by others.
fn raw(records: &[Option<&str>]) -> Bytes {
    let count = records.len();
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("_airbyte_ab_id", Arc::new(StringArray::from_iter_values((0..count).map(|row| format!("id{row}")))), false),
        ("_airbyte_emitted_at", Arc::new(TimestampMicrosecondArray::from(vec![5; count]).with_timezone("UTC")), false),
        ("_airbyte_data", Arc::new(StringArray::from(records.to_vec())), true),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    Bytes::from(writer.into_inner().unwrap())
}

#[test]
fn the_log_says_nothing_of_a_file_with_texts_that_are_no_records() {
    let lost = || {
        let mut lost = RowSet::default();
        lost.insert(0);
        lost
    };
    let long = format!(r#"{{"text":"{}"}}"#, "\u{10ffff}".repeat(200));
    for record in ["{}", "{ }", "{\n\t}", r#"{"id":1}"#, &long] {
        let (again, stats) = rewritten(&raw(&[Some("{}"), Some(record)]), &lost());
        assert!(!stats.is_only_counted(), "{record}");
        let (_, stats) = rewritten(&again, &RowSet::default());
        assert_eq!((stats.rows, stats.is_only_counted()), (1, false), "{record}");
    }
    for record in [Some(r#" {"id":7}"#), Some("[1]"), Some("text"), Some("é"), Some("{~~"), Some(""), None] {
        let (_, stats) = rewritten(&raw(&[Some("{}"), record]), &lost());
        assert_eq!(stats, RowStats::counted(1), "{record:?}");
        // The row group is taken over as it is.
        let (_, stats) = rewritten(&raw(&[Some("{}"), record]), &RowSet::default());
        assert_eq!(stats, RowStats::counted(2), "{record:?}");
    }
}

#[test]
fn the_log_goes_on_saying_what_it_says_of_own_files() {
    let encoder = Encoder::new(TableSchema::raw(), crate::config::Compression::Zstd);
    let (mut ids, mut file, mut bytes) = (IdGenerator::new(|| 5), encoder.begin_file().unwrap(), Vec::new());
    for group in 0..3 {
        let mut rows = crate::encode::rows::Rows::default();
        (0..4).for_each(|row| rows.push(format!(r#"{{"n":{row}}}"#).as_bytes(), group * 10 + row, 64));
        bytes.extend(file.append(encoder.encode(rows, ids.range(9, 4)).unwrap().group).unwrap());
    }
    let (end, whole) = file.finish().unwrap();
    bytes.extend(end);
    // The last row of the first group, and the first two of the last one.
    let mut lost = RowSet::default();
    [3, 8, 9].into_iter().for_each(|row| lost.insert(row));
    let (again, stats) = rewritten(&bytes.into(), &lost);
    let whole = whole.unwrap();
    assert_eq!((stats.rows, &stats.ids), (9, &whole.ids));
    assert_eq!(stats.emitted_at, Span { first: 0, last: 23 });
    lost.insert(0);
    assert!(!rewritten(&again, &lost).1.is_only_counted());
}
