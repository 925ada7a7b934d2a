//! Random schemas and records: what CSV says equals what Parquet has.

use std::io::Read;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use proptest::prelude::*;
use serde_json::Value;

use super::testing::reading::{records, value};
use crate::clock::random;
use crate::config::Compression;
use crate::encode::columns::property_tests::{classic_kinds, fields, kinds, records as any_records};
use crate::encode::columns::testing::{Plain, classic, columns, row, written};
use crate::encode::encoder::{Encoder, Format};
use crate::encode::ids::IdGenerator;
use crate::encode::rows::Rows;
use crate::schema::columns::TableSchema;

/// The text of a file with a block for each of `blocks`.
pub fn file(schema: &TableSchema, blocks: &[&[String]], gzip: bool) -> String {
    let encoder = Encoder::new(Arc::new(schema.clone()), Compression::Zstd).in_format(Format::Csv { gzip }).of_sync(7);
    let mut file = encoder.begin_file().expect("a file");
    let mut ids = IdGenerator::new(random);
    let (mut bytes, mut all) = (Vec::new(), 0);
    for block in blocks {
        let mut rows = Rows::default();
        block.iter().for_each(|text| rows.push(text.as_bytes(), 0, 0));
        let ids = ids.range(0, block.len() as u64);
        let encoded = encoder.encode(rows, ids).expect("rows are encoded");
        bytes.extend(file.append(encoded.group).expect("a block is appended"));
        all += ids.count();
    }
    let (end, stats) = file.finish().expect("the file ends");
    assert_eq!((end.len(), stats.map(|stats| stats.rows)), (0, Some(all)));
    if gzip {
        let mut text = String::new();
        MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("text in gzip");
        return text;
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// The values of each row, without its id and time.
pub fn read(schema: &TableSchema, text: &str) -> Vec<Vec<(String, Plain)>> {
    let mut records = records(text).into_iter();
    let names: Vec<_> = schema.columns().map(|column| Some(column.name.clone())).collect();
    assert_eq!(records.next(), Some(names), "the header");
    let row = |record: Vec<Option<String>>| {
        assert_eq!(record.len(), schema.columns().count());
        assert!(record[0].as_ref().is_some_and(|id| id.len() == 36));
        assert_eq!(record[1].as_deref(), Some("1970-01-01T00:00:00.000000Z"));
        let values = schema.record().iter().zip(&record[2..]);
        values.map(|(column, text)| (column.name.clone(), value(&column.kind, text.as_deref()))).collect()
    };
    records.map(row).collect()
}

proptest! {
    #[test]
    fn csv_says_what_parquet_has(
        properties in fields(kinds()),
        records in prop::collection::vec(any_records(), 1..8),
        at in 1..8usize,
        gzip in any::<bool>(),
    ) {
        let schema = columns(properties);
        let texts: Vec<String> = records.iter().map(Value::to_string).collect();
        let (batch, _) = written(schema.clone(), &texts);
        let (first, rest) = texts.split_at(at.min(texts.len()));
        let blocks: &[&[String]] = if rest.is_empty() { &[first] } else { &[first, rest] };
        let found = read(&schema, &file(&schema, blocks, gzip));
        let expected: Vec<_> = (0..texts.len()).map(|at| row(&batch, at)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn csv_of_classic_tables_says_what_parquet_has(
        properties in fields(classic_kinds()),
        records in prop::collection::vec(any_records(), 1..6),
    ) {
        let schema = classic(properties);
        let texts: Vec<String> = records.iter().map(Value::to_string).collect();
        let (batch, _) = written(schema.clone(), &texts);
        let found = read(&schema, &file(&schema, &[&texts], false));
        let expected: Vec<_> = (0..texts.len()).map(|at| row(&batch, at)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn raw_records_stay_as_they_are(texts in prop::collection::vec("[a-z \"\\\\\u{0}\r\n,é😀\u{2028}\u{feff}]{0,20}", 1..8)) {
        let schema = TableSchema::raw();
        let found = read(&schema, &file(&schema, &[&texts], false));
        let expected = texts.iter().map(|text| vec![("_airbyte_data".to_owned(), Plain::text(text))]);
        prop_assert_eq!(found, expected.collect::<Vec<_>>());
    }
}
