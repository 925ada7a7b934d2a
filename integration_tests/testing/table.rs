//! A Delta reader that shares no code with the program: it replays the JSON log, ignores checkpoints and reads the Parquet
//! files. And what a lake may have besides tables.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row as ParquetRow};
use serde_json::Value;
use uuid::Uuid;

use crate::lake::Location;

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `_airbyte_ab_id`
    pub id: String,
    /// `_airbyte_emitted_at`, in microseconds.
    pub emitted_at: i64,
    /// `_airbyte_data`; empty where the table has no such column.
    pub data: String,
}

/// A table at its newest version.
#[derive(Debug)]
pub struct Table {
    /// The number of commits.
    pub versions: usize,
    /// The files of the newest version, in the order in which they were added.
    pub files: Vec<String>,
    /// Every file that any commit ever added.
    pub named: BTreeSet<String>,
    /// Application transactions: the newest version of each.
    pub transactions: BTreeMap<String, i64>,
    /// The newest `metaData` action.
    pub metadata: Value,
    /// The rows, in the order of the files.
    pub rows: Vec<Row>,
}

impl Table {
    /// The rows' data.
    pub fn data(&self) -> Vec<&str> {
        self.rows.iter().map(|row| row.data.as_str()).collect()
    }
}

/// The object of version `version` of the log of the table in `folder`.
pub fn commit(folder: &Location, version: usize) -> Location {
    folder.join(&format!("_delta_log/{version:020}.json"))
}

/// Reads the table in `folder`, `None` if there is none. Versions are asked for one by one, so that a table can be
/// read while it is written.
pub fn try_read(folder: &Location) -> Option<Table> {
    let mut table = Table {
        versions: 0,
        files: Vec::new(),
        named: BTreeSet::new(),
        transactions: BTreeMap::new(),
        metadata: Value::Null,
        rows: Vec::new(),
    };
    let mut counts = BTreeMap::new();
    while let Some(text) = commit(folder, table.versions).get() {
        table.versions += 1;
        let text = String::from_utf8(text).unwrap();
        // A file that leaves and one that joins in the same commit: the order of the lines means nothing.
        let actions: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for path in actions.iter().filter_map(|action| action["remove"]["path"].as_str()) {
            table.files.retain(|file| file != path);
        }
        for action in &actions {
            if let Some(path) = action["add"]["path"].as_str() {
                assert!(!path.contains('%'), "a name that needs decoding: {path}");
                let stats: Value = serde_json::from_str(action["add"]["stats"].as_str().unwrap()).unwrap();
                counts.insert(path.to_owned(), (stats["numRecords"].clone(), action["add"]["size"].clone()));
                assert!(table.named.insert(path.to_owned()), "{path} was added twice");
                table.files.push(path.to_owned());
            }
            if let (Some(id), Some(version)) = (action["txn"]["appId"].as_str(), action["txn"]["version"].as_i64()) {
                table.transactions.insert(id.to_owned(), version);
            }
            if action["metaData"].is_object() {
                table.metadata = action["metaData"].clone();
            }
        }
    }
    if table.versions == 0 {
        return None;
    }
    for file in &table.files {
        let content = folder.join(file).get().unwrap_or_else(|| panic!("{file} of {folder} is gone"));
        let size = content.len();
        let rows = read_file(content);
        assert_eq!(counts[file], (Value::from(rows.len()), Value::from(size)), "what the log says of {file}");
        table.rows.extend(rows);
    }
    Some(table)
}

/// Reads the table in `folder`, which must be there.
pub fn read(folder: &Location) -> Table {
    try_read(folder).unwrap_or_else(|| panic!("no table in {folder}"))
}

/// The data of the table in `folder`, sorted; nothing where no table is.
pub fn data(folder: &Location) -> Vec<String> {
    let mut data: Vec<String> = try_read(folder).into_iter().flat_map(|table| table.rows).map(|row| row.data).collect();
    data.sort();
    data
}

fn read_file(content: Vec<u8>) -> Vec<Row> {
    let reader = SerializedFileReader::new(Bytes::from(content)).unwrap();
    let rows: Vec<Row> = reader.get_row_iter(None).unwrap().map(|row| read_row(&row.unwrap())).collect();
    rows
}

fn read_row(row: &ParquetRow) -> Row {
    let is_raw = row.get_column_iter().any(|(name, _)| name == "_airbyte_data");
    let mut read = Row { id: String::new(), emitted_at: i64::MIN, data: String::new() };
    for (name, field) in row.get_column_iter() {
        match (name.as_str(), field) {
            ("_airbyte_ab_id", Field::Str(id)) => read.id.clone_from(id),
            ("_airbyte_emitted_at", Field::TimestampMicros(time)) => read.emitted_at = *time,
            ("_airbyte_data", Field::Str(data)) => read.data.clone_from(data),
            (name, field) if is_raw => panic!("column {name} holds {field:?}"),
            _ => {}
        }
    }
    read
}

/// The folders of all tables of a lake: `<schema>/<stream>` with a log.
pub fn tables(lake: &Location) -> Vec<Location> {
    let schemas = lake.folders().into_iter().filter(|folder| !is_staging(folder));
    let mut tables: Vec<Location> = schemas.flat_map(|schema| schema.folders()).collect();
    tables.retain(|folder| folder.folders().iter().any(|folder| folder.name() == "_delta_log"));
    tables
}

/// The staging folders in a lake.
pub fn staging(lake: &Location) -> Vec<Location> {
    lake.folders().into_iter().filter(is_staging).collect()
}

/// Holds for a lake in which no sync is running: every table opens, its ids are unique and of version 7, and nothing
/// lies around that no commit names.
pub fn assert_tidy(lake: &Location) {
    assert_eq!(staging(lake), [], "staging folders");
    assert_tables_tidy(lake);
}

/// The same without a look at staging folders, for a sync that keeps its own.
pub fn assert_tables_tidy(lake: &Location) {
    for object in lake.objects() {
        let number = object.name().rsplit_once('#').map(|(_, number)| number);
        assert!(number.is_none_or(|number| number.parse::<u64>().is_err()), "temporary file {object}");
    }
    for folder in tables(lake) {
        let table = read(&folder);
        let mut ids = BTreeSet::new();
        for row in &table.rows {
            let id = Uuid::parse_str(&row.id).unwrap();
            assert_eq!((id.get_version_num(), id.to_string()), (7, row.id.clone()), "{folder}");
            assert!(ids.insert(id), "{id} is twice in {folder}");
        }
        for object in folder.objects() {
            match object.below(&folder).split_once('/') {
                None => {
                    let is_named = table.named.contains(object.name()) || is_of_spark_and_empty(&object);
                    assert!(is_named, "no commit names {object}");
                }
                Some(("_delta_log", name)) => {
                    let version = name.strip_suffix(".json").and_then(|version| version.parse::<usize>().ok());
                    assert!(version.is_none_or(|version| version < table.versions), "a gap before {object}");
                }
                Some(_) => {}
            }
        }
    }
}

/// Where Spark replaces rows by none, it leaves a file without rows; none of the program's own is called so.
fn is_of_spark_and_empty(object: &Location) -> bool {
    object.name().starts_with("part-00000-") && {
        let reader = SerializedFileReader::new(Bytes::from(object.get().unwrap())).unwrap();
        reader.metadata().file_metadata().num_rows() == 0
    }
}

fn is_staging(folder: &Location) -> bool {
    folder.name().len() == 36 && Uuid::parse_str(folder.name()).is_ok()
}
