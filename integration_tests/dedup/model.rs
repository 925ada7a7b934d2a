//! What tables should hold: a model of streams with keys, cursors, deletes and generations, and the messages that lead there.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::streams::LAYOUTS;
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

/// How the first part of keys is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    Numbers,
    Texts,
    /// Numbers with a point, the same ones in two ways; where tables keep them exactly, they have more digits than a double.
    Decimals,
}

/// How the tables of a case look.
#[derive(Debug, Clone)]
pub struct Shape {
    pub layout: &'static str,
    pub cursors: Cursors,
    pub keys: Keys,
    /// The second part of the key is inside of an object.
    pub is_nested: bool,
    /// Objects are JSON texts, where the layout has such columns.
    pub is_json: bool,
    pub keeps_deleted: bool,
    /// Records are so large, and memory so small, that a sync is several loads. Deletes are kept then, because what is older than a
    /// delete comes back in a later load.
    pub is_large: bool,
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
    let keys = prop::sample::select(vec![Keys::Numbers, Keys::Texts, Keys::Decimals]);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.2));
    (prop::sample::select(LAYOUTS.to_vec()), cursors, keys, flags).prop_map(
        |(layout, cursors, keys, (is_nested, is_json, keeps_deleted, is_large))| Shape {
            layout,
            cursors,
            keys,
            is_nested,
            is_json,
            keeps_deleted: keeps_deleted || is_large,
            is_large,
        },
    )
}

impl Shape {
    /// The settings of its tables.
    pub fn settings(&self) -> Value {
        let deletes = if self.keeps_deleted { "Soft delete" } else { "Hard delete" };
        let nested = if self.is_json { "json" } else { "typed" };
        let mut settings = json!({
            "table_layout": self.layout, "cdc_deletion_mode": deletes, "nested": nested, "number_type": "decimal",
        });
        if self.is_large {
            settings["memory_limit_mb"] = json!(16);
            settings["flush_size_mb"] = json!(1);
        }
        settings
    }

    /// The first part of the key of record `number`, as JSON.
    fn key(&self, id: u8, number: u64) -> String {
        let zero = if number.is_multiple_of(2) { "" } else { "0" };
        match self.keys {
            Keys::Numbers => id.to_string(),
            Keys::Texts => json!(format!("{}’{id}", "k".repeat(usize::from(id) * 9))).to_string(),
            Keys::Decimals if self.layout == "columns" => format!("123456789012345678.00000{id}{zero}"),
            Keys::Decimals => format!("1.{id}5{zero}"),
        }
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
        let id = match self.keys {
            Keys::Numbers => "integer",
            Keys::Texts => "string",
            Keys::Decimals => "number",
        };
        let (id, part) = (json!({"type": id}), json!({"type": ["null", "string"]}));
        let (name, part) = if self.is_nested {
            ("inner", json!({"type": "object", "properties": {"part": part}}))
        } else {
            ("part", part)
        };
        let schema = json!({"type": "object", "properties": {
            "id": id, name: part, "at": cursor, "n": {"type": "integer"},
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
        self.records(sync, first).concat() + &state("users", first) + &status("users", "COMPLETE")
    }

    /// The records of `sync`.
    pub fn records(&self, sync: &Sync, first: u64) -> Vec<String> {
        let records = (first..).zip(&sync.changes).map(|(number, change)| {
            let part = change.part.map(|part| format!("p{part}"));
            let mut data = json!({"n": number, "ø": "é".repeat(if self.is_large { 150_000 } else { 1 })});
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
            // Numbers are as they are written.
            let data = format!("{{\"id\":{},{}", self.key(change.id, number), &data.to_string()[1..]);
            let record = format!("{{\"stream\":\"users\",\"data\":{data},\"emitted_at\":{emitted_at}}}");
            format!("{{\"type\":\"RECORD\",\"record\":{record}}}\n")
        });
        records.collect()
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
                // However deep other properties are.
                ("_airbyte_data", Field::Str(data)) => {
                    serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(data).unwrap()["n"].get().parse().ok()
                }
                _ => None,
            });
            numbers.push(number.unwrap());
        }
    }
    numbers.sort_unstable();
    numbers
}
