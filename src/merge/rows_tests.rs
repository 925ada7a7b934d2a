//! The same rows in tables of both layouts, and in files of other types.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::*;
use crate::schema::dedup::Place;
use crate::schema::kind::{Bits, Kind};

const COLUMNS: RowColumns<'_> = RowColumns { id: "_airbyte_ab_id", emitted_at: "_airbyte_emitted_at" };
const ID: &str = "01890000-0000-7000-8000-000000000000";

fn place(column: &str, fields: &[&str], json: &[&str], kind: Kind) -> Place {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Place { column: column.into(), fields: texts(fields), json: texts(json), kind }
}

fn file(columns: Vec<(&str, ArrayRef)>) -> Bytes {
    let rows = columns[0].1.len();
    let id: ArrayRef = Arc::new(StringArray::from(vec![ID; rows]));
    let time: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![5; rows]));
    let all = columns.into_iter().chain([("_airbyte_ab_id", id), ("_airbyte_emitted_at", time)]);
    let batch = RecordBatch::try_from_iter(all).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    Bytes::from(writer.into_inner().unwrap())
}

/// Hash, order and delete of each row.
fn read(file: &Bytes, places: &Places, parts: Parts) -> Vec<(u128, Vec<u8>, bool)> {
    let reader = SerializedFileReader::new(file.clone()).unwrap();
    let metadata = reader.metadata();
    let rows = RowReader::new(parts, places, COLUMNS, metadata.file_metadata().schema_descr(), [7; 16]).unwrap();
    let mut all = Vec::new();
    for group in metadata.row_groups() {
        let chunk = |leaf: &usize| {
            let (start, length) = group.column(*leaf).byte_range();
            let bytes = file.slice(usize::try_from(start).unwrap()..usize::try_from(start + length).unwrap());
            (*leaf, Chunk { start, bytes })
        };
        let chunks = rows.leaves().iter().map(chunk).collect();
        rows.read(
            group,
            chunks,
            |_, _, _| true,
            |first, slice| {
                assert_eq!(first, all.len());
                let row = |(at, hash): (usize, &u128)| {
                    (*hash, slice.order(at).to_vec(), slice.deletes.get(at) == Some(&true))
                };
                all.extend(slice.hashes.iter().enumerate().map(row));
                Ok(())
            },
        )
        .unwrap();
    }
    all
}

#[test]
fn rows_are_the_same_whatever_layout_and_type_they_are_in() {
    let long = Kind::Integer(Bits::B64);
    let raw = Places {
        key: vec![
            place("_airbyte_data", &[], &["id"], long.clone()),
            place("_airbyte_data", &[], &["o", "p"], Kind::Text),
        ],
        cursor: vec![place("_airbyte_data", &[], &["at"], long.clone())],
        deleted: vec![place("_airbyte_data", &[], &["gone"], Kind::Text)],
    };
    let typed = Places {
        key: vec![place("ID", &[], &[], long.clone()), place("o", &["p"], &[], Kind::Text)],
        cursor: vec![place("at", &[], &[], long)],
        deleted: vec![place("gone", &[], &[], Kind::Text)],
    };
    let texts = [
        r#"{"id":1,"o":{"p":"x"},"at":10}"#,
        r#"{"id":1, "o":{"p":"x"},"at":11,"gone":"now"}"#,
        r#"{"id":1,"o":null,"gone":null}"#,
        r#"{"o":{"p":null}}"#,
        "broken",
    ];
    let record: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
    let p: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), Some("x"), None, None, None]));
    let nulls = arrow_buffer::NullBuffer::from(vec![true, true, false, true, false]);
    let o = StructArray::new(vec![Field::new("p", DataType::Utf8, true)].into(), vec![p], Some(nulls));
    let narrow = file(vec![
        ("id", Arc::new(Int32Array::from(vec![Some(1), Some(1), Some(1), None, None]))),
        ("o", Arc::new(o)),
        ("at", Arc::new(Int32Array::from(vec![Some(10), Some(11), None, None, None]))),
        ("gone", Arc::new(StringArray::from(vec![None, Some("now"), None, None, None]))),
    ]);
    let in_raw = read(&file(vec![("_airbyte_data", record)]), &raw, Parts::All);
    assert_eq!(in_raw, read(&narrow, &typed, Parts::All));
    let hashes: Vec<u128> = in_raw.iter().map(|row| row.0).collect();
    assert!(hashes[0] == hashes[1] && hashes[1] != hashes[2] && hashes[2] != hashes[3] && hashes[3] == hashes[4]);
    assert!(in_raw[0].1 < in_raw[1].1 && in_raw[2].1 < in_raw[0].1);
    assert_eq!(in_raw.iter().map(|row| row.2).collect::<Vec<_>>(), [false, true, false, false, false]);
    let only: Vec<u128> = read(&narrow, &typed, Parts::Hashes).into_iter().map(|row| row.0).collect();
    assert_eq!(only, hashes);
    // A file without the columns: no row has a key.
    let lacking = read(&file(vec![("x", Arc::new(Int32Array::from(vec![1])))]), &typed, Parts::All);
    assert_eq!(lacking[0].0, hashes[3]);
}

#[test]
fn ids_sort_as_their_texts_and_what_is_none_is_older() {
    let order = |id: Value<'_>| {
        let mut out = Vec::new();
        append_id(id, &mut out);
        out
    };
    let later = ID.replace("8000", "9000");
    let ids = [Value::Null, Value::Bytes(b"zzz"), Value::Bytes(ID.as_bytes()), Value::Bytes(later.as_bytes())];
    let orders: Vec<_> = ids.into_iter().map(order).collect();
    assert!(orders.is_sorted_by(|a, b| a < b), "{orders:?}");
}
