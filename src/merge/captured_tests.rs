//! What is taken while rows are encoded is what their files have.

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::chunk::Chunk;
use super::super::rows::{Parts, RowColumns, RowReader};
use super::*;
use crate::config::Compression;
use crate::encode::encoder::Encoder;
use crate::encode::ids::IdGenerator;
use crate::encode::rows::Rows as TextRows;
use crate::schema::dedup::{Asked, Dedup};
use crate::schema::json_schema::{ColumnOptions, Nested, Number, classic, columns};

const SCHEMA: &str = r#"{"type":"object","properties":{"id":{"type":"integer"},"at":{"type":"string","format":"date-time",
    "airbyte_type":"timestamp_with_timezone"},"o":{"type":"object","properties":{"p":{"type":"string"},"q":{"type":"number"}}},
    "_ab_cdc_deleted_at":{"type":"string"}}}"#;
const SECRET: [u8; 16] = [3; 16];

type Row = (u128, Vec<u8>, bool);

fn rows_of(slice: &Slice) -> impl Iterator<Item = Row> {
    let row = |(at, hash): (usize, &u128)| (*hash, slice.order(at).to_vec(), slice.deletes.get(at) == Some(&true));
    slice.hashes.iter().enumerate().map(row)
}

/// The rows as they were captured, and as their file has them.
fn both(schema: TableSchema, records: &[Json]) -> (Vec<Row>, Vec<Row>) {
    let path = |path: &[&str]| path.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let asked =
        Asked { key: vec![path(&["id"]), path(&["o", "p"])], cursor: path(&["at"]), is_cursor_of_source: false };
    let places = Dedup::new(Some(SCHEMA), &asked).unwrap().places(&schema).unwrap();
    let captured = Arc::new(Captured::new(&places, &schema, SECRET, Scratch::default()).unwrap());
    let schema = Arc::new(schema);
    let encoder = Encoder::new(Arc::clone(&schema), Compression::Zstd);
    let encoder = encoder.watched_by(Some(Arc::clone(&captured) as Arc<dyn Watcher>));
    let mut ids = IdGenerator::new(|| 5);
    let (mut file, mut bytes) = (encoder.begin_file().unwrap(), Vec::new());
    for block in records.chunks(7) {
        let mut rows = TextRows::default();
        block.iter().enumerate().for_each(|(at, row)| rows.push(row.to_string().as_bytes(), at as i64 % 3, 64));
        let encoded = encoder.encode(rows, ids.range(9, block.len() as u64)).unwrap();
        bytes.extend(file.append(encoded.group).unwrap());
    }
    let (end, stats) = file.finish().unwrap();
    bytes.extend(end);
    let stats = stats.unwrap();
    let blocks = captured.blocks(&stats.ids, stats.rows).unwrap();
    assert!(captured.blocks(&stats.ids, stats.rows + 1).is_none());
    let kept: Vec<Row> = blocks.iter().flat_map(|block| rows_of(&block.read().unwrap()).collect::<Vec<_>>()).collect();
    let halves: Vec<u64> = blocks.iter().flat_map(|block| block.hashes().read().unwrap()).collect();
    assert_eq!(halves, kept.iter().map(|(hash, ..)| filtered(*hash)).collect::<Vec<_>>());
    assert!(blocks.iter().any(Block::has_deletes) == kept.iter().any(|(.., deletes)| *deletes));
    captured.forget(&stats.ids);
    assert!(captured.blocks(&stats.ids, stats.rows).is_none());
    let bytes = Bytes::from(bytes);
    let reader = SerializedFileReader::new(bytes.clone()).unwrap();
    let names = RowColumns { id: &schema.id().name, emitted_at: &schema.emitted_at().name };
    let columns = reader.metadata().file_metadata().schema_descr();
    let rows = RowReader::new(Parts::All, &places, names, columns, SECRET).unwrap();
    let mut read = Vec::new();
    for group in reader.metadata().row_groups() {
        let chunk = |leaf: &usize| {
            let (start, length) = group.column(*leaf).byte_range();
            let part = bytes.slice(usize::try_from(start).unwrap()..usize::try_from(start + length).unwrap());
            (*leaf, Chunk { start, bytes: part })
        };
        let each = |_: usize, slice: &Slice| {
            read.extend(rows_of(slice));
            Ok(())
        };
        rows.read(group, rows.leaves().iter().map(chunk).collect(), |_, _, _| true, each).unwrap();
    }
    (kept, read)
}

fn records() -> impl Strategy<Value = Vec<Json>> {
    let value = |values: Vec<Json>| prop::sample::select(values);
    let record = (
        value(vec![json!(1), json!(2), json!("3"), Json::Null, json!(1.5)]),
        value(vec![json!("2024-01-01T00:00:00Z"), json!("2024-01-01T02:00:00+02:00"), json!("soon"), Json::Null]),
        value(vec![json!({"p": "x"}), json!({"p": null, "q": 2}), json!({"p": 7}), Json::Null, json!("no object")]),
        value(vec![Json::Null, json!("2024-01-01"), json!("")]),
    );
    let record = record.prop_map(|(id, at, o, gone)| json!({"id": id, "at": at, "o": o, "_ab_cdc_deleted_at": gone}));
    prop::collection::vec(record, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn what_was_taken_is_what_the_file_has(records in records(), layout in 0_u8..4) {
        let options = |nested| ColumnOptions { number: Number::Double, nested };
        let schema = match layout {
            0 => TableSchema::clone(&TableSchema::raw()),
            1 => columns(SCHEMA, options(Nested::Typed))?,
            2 => columns(SCHEMA, options(Nested::Json))?,
            _ => classic(SCHEMA)?,
        };
        let (kept, read) = both(schema, &records);
        prop_assert_eq!(kept.len(), records.len());
        prop_assert_eq!(kept, read);
    }
}
