//! What tables should hold: a model of streams with keys, cursors, deletes and generations, and the messages that lead there.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::lake::Location;
use crate::messages::{EMITTED_AT, catalog, state, status};
use crate::table;

/// A record: its key, what orders it, and whether it says that its key was deleted.
#[derive(Debug, Clone)]
pub struct Change {
    id: u8,
    part: Option<u8>,
    cursor: Option<u8>,
    emitted_at: u8,
    is_deleted: bool,
}

/// What a sync does with the rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Its rows replace older ones with their keys.
    Upsert,
    /// It begins a new generation, whose rows replace all others.
    Refresh,
    /// A full refresh without generations.
    Append,
}

/// How cursors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursors {
    Numbers,
    Times,
    Texts,
    None,
}

/// How the tables of a case look.
#[derive(Debug, Clone)]
pub struct Shape {
    pub layout: &'static str,
    pub cursors: Cursors,
    /// The second part of the key is inside of an object.
    pub is_nested: bool,
    pub keeps_deleted: bool,
}

/// One sync.
#[derive(Debug, Clone)]
pub struct Sync {
    pub mode: Mode,
    pub changes: Vec<Change>,
}

/// The row of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    order: (Option<u8>, u8, u64),
    number: u64,
    is_deleted: bool,
}

type Key = (u8, Option<u8>);

/// A table as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    rows: BTreeMap<Key, Vec<Row>>,
    generation: u64,
    /// Several rows may have one key.
    has_versions: bool,
}

/// Any record of few keys.
pub fn changes() -> impl Strategy<Value = Vec<Change>> {
    let part = prop::option::weighted(0.8, 0_u8..3);
    let cursor = prop::option::weighted(0.9, 0_u8..6);
    let change = (0_u8..5, part, cursor, 0_u8..3, prop::bool::weighted(0.2));
    let change = change.prop_map(|(id, part, cursor, emitted_at, is_deleted)| Change {
        id,
        part,
        cursor,
        emitted_at,
        is_deleted,
    });
    prop::collection::vec(change, 0..12)
}

/// Any sync.
pub fn syncs() -> impl Strategy<Value = Sync> {
    let mode = prop_oneof![8 => Just(Mode::Upsert), 1 => Just(Mode::Refresh), 1 => Just(Mode::Append)];
    (mode, changes()).prop_map(|(mode, changes)| Sync { mode, changes })
}

/// Any shape.
pub fn shapes() -> impl Strategy<Value = Shape> {
    let cursors = prop::sample::select(vec![Cursors::Numbers, Cursors::Times, Cursors::Texts, Cursors::None]);
    (prop::sample::select(vec!["raw", "columns"]), cursors, any::<bool>(), any::<bool>())
        .prop_map(|(layout, cursors, is_nested, keeps_deleted)| Shape { layout, cursors, is_nested, keeps_deleted })
}

impl Shape {
    /// The settings of its tables.
    pub fn settings(&self) -> Value {
        let deletes = if self.keeps_deleted { "Soft delete" } else { "Hard delete" };
        json!({"table_layout": self.layout, "cdc_deletion_mode": deletes})
    }

    /// The catalog of a sync to the table of `model`.
    pub fn catalog(&self, model: &Model, mode: Mode) -> Value {
        let cursor = match self.cursors {
            Cursors::Numbers => json!({"type": "integer"}),
            Cursors::Times => {
                json!({"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"})
            }
            Cursors::Texts | Cursors::None => json!({"type": "string"}),
        };
        let part = json!({"type": ["null", "string"]});
        let (name, part) = if self.is_nested {
            ("inner", json!({"type": "object", "properties": {"part": part}}))
        } else {
            ("part", part)
        };
        let schema = json!({"type": "object", "properties": {
            "id": {"type": "integer"}, name: part, "at": cursor, "n": {"type": "integer"},
            "_ab_cdc_deleted_at": {"type": ["null", "string"]},
        }});
        let path = if self.is_nested { json!(["inner", "part"]) } else { json!(["part"]) };
        let cursor = if self.cursors == Cursors::None { json!([]) } else { json!(["at"]) };
        let generation = model.generation + u64::from(mode == Mode::Refresh);
        let minimum = if mode == Mode::Refresh { generation } else { 0 };
        catalog([json!({
            "stream": {"name": "users", "json_schema": schema, "supported_sync_modes": ["full_refresh", "incremental"]},
            "sync_mode": "incremental",
            "destination_sync_mode": if mode == Mode::Append { "append" } else { "append_dedup" },
            "primary_key": [["id"], path], "cursor_field": cursor,
            "generation_id": generation, "minimum_generation_id": minimum, "sync_id": 7,
        })])
    }

    /// The messages of `sync`, whose records are numbered from `first` on.
    pub fn messages(&self, sync: &Sync, first: u64) -> String {
        let records = (first..).zip(&sync.changes).map(|(number, change)| {
            let part = change.part.map(|part| format!("p{part}"));
            let mut data = json!({"id": change.id, "n": number, "ø": "é"});
            let fields = data.as_object_mut().unwrap();
            match (self.is_nested, part) {
                (true, part) => drop(fields.insert("inner".into(), json!({"part": part, "x": 1}))),
                (false, Some(part)) => drop(fields.insert("part".into(), json!(part))),
                (false, None) => {}
            }
            if let Some(cursor) = change.cursor {
                let cursor = match self.cursors {
                    Cursors::Numbers => json!(i64::from(cursor) - 3),
                    // The same moments in two zones, written differently.
                    Cursors::Times if number % 2 == 0 => json!(format!("2024-01-01T0{cursor}:00:00Z")),
                    Cursors::Times => json!(format!("2024-01-01T0{}:30:00+01:30", cursor + 1)),
                    Cursors::Texts | Cursors::None => json!("z".repeat(cursor.into())),
                };
                fields.insert("at".into(), cursor);
            }
            if change.is_deleted {
                fields.insert("_ab_cdc_deleted_at".into(), json!("2024-01-01T00:00:00Z"));
            }
            let emitted_at = EMITTED_AT + i64::from(change.emitted_at);
            let record = json!({"stream": "users", "data": data, "emitted_at": emitted_at});
            format!("{}\n", json!({"type": "RECORD", "record": record}))
        });
        records.collect::<String>() + &state("users", first) + &status("users", "COMPLETE")
    }
}

impl Model {
    /// The same after `sync`, whose records are numbered from `first` on, and have their ids in this order.
    #[must_use]
    pub fn after(&self, shape: &Shape, sync: &Sync, first: u64) -> Self {
        self.after_with_ids(shape, sync, first, first)
    }

    /// The same where the ids are those of records that are numbered from `ids` on.
    #[must_use]
    pub fn after_with_ids(&self, shape: &Shape, sync: &Sync, first: u64, ids: u64) -> Self {
        let mut next = self.clone();
        if sync.mode == Mode::Refresh {
            next = Self { generation: self.generation + 1, ..Self::default() };
        }
        let rows = (first..).zip(&sync.changes).map(|(number, change)| {
            let cursor = change.cursor.filter(|_| shape.cursors != Cursors::None);
            let order = (cursor, change.emitted_at, number - first + ids);
            ((change.id, change.part), Row { order, number, is_deleted: change.is_deleted })
        });
        if sync.mode == Mode::Append {
            rows.for_each(|(key, row)| next.rows.entry(key).or_default().push(row));
            next.has_versions = true;
            return next;
        }
        // Without rows nothing is loaded.
        if sync.mode == Mode::Upsert && sync.changes.is_empty() {
            return next;
        }
        if std::mem::take(&mut next.has_versions) {
            // Rows that lack a part of the key stay.
            next.rows.iter_mut().filter(|((_, part), _)| part.is_some()).for_each(|(_, rows)| {
                let newest = rows.iter().max().copied();
                *rows = newest.into_iter().collect();
            });
        }
        let mut winners: BTreeMap<Key, Row> = BTreeMap::new();
        for (key, row) in rows {
            winners.entry(key).and_modify(|best| *best = row.max(*best)).or_insert(row);
        }
        for (key, row) in winners {
            let there = next.rows.entry(key).or_default();
            let newest = there.iter().copied().fold(row, Row::max);
            there.clear();
            if newest != row || shape.keeps_deleted || !row.is_deleted {
                there.push(newest);
            }
        }
        next
    }

    /// The numbers of the rows that the table should have.
    pub fn numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.rows.values().flatten().map(|row| row.number).collect();
        numbers.sort_unstable();
        numbers
    }
}

/// The numbers of the rows that the table in `folder` has, sorted.
pub fn numbers(folder: &Location) -> Vec<u64> {
    let files: BTreeSet<String> = table::try_read(folder).into_iter().flat_map(|table| table.files).collect();
    let mut numbers = Vec::new();
    for file in files {
        let reader = SerializedFileReader::new(Bytes::from(folder.join(&file).get().unwrap())).unwrap();
        for row in reader.get_row_iter(None).unwrap() {
            let row = row.unwrap();
            let number = row.get_column_iter().find_map(|(name, field)| match (name.as_str(), field) {
                ("n", Field::Long(number)) => u64::try_from(*number).ok(),
                ("_airbyte_data", Field::Str(data)) => serde_json::from_str::<Value>(data).unwrap()["n"].as_u64(),
                _ => None,
            });
            numbers.push(number.unwrap());
        }
    }
    numbers.sort_unstable();
    numbers
}
