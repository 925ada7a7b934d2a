//! Streams with keys, what their sources send, and what is in their tables.

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Map, Value, json};

use crate::lake::Location;
use crate::messages::{EMITTED_AT, catalog, state, status};
use crate::place::Place;
use crate::program::{Run, Sandbox};
use crate::table;

/// All layouts of tables.
pub const LAYOUTS: [&str; 3] = ["raw", "columns", "classic"];

/// All layouts where a sync takes no time, else this one.
pub fn layouts(else_one: &'static str) -> impl Iterator<Item = &'static str> {
    LAYOUTS.into_iter().filter(move |layout| Place::SWEEPS_AT_ONCE || *layout == else_one)
}

/// How a stream is configured.
#[derive(Debug, Clone)]
pub struct Stream {
    pub name: &'static str,
    pub namespace: Option<&'static str>,
    pub properties: Value,
    pub key: Vec<Value>,
    pub cursor: Vec<&'static str>,
    pub mode: &'static str,
    /// The number of the generation, and the least whose rows stay.
    pub generation: (u64, u64),
}

impl Stream {
    /// The stream `users` with these properties, of which some are its key, and one or none its cursor.
    pub fn users(properties: Value, key: &[&str], cursor: &[&'static str]) -> Self {
        Self {
            name: "users",
            namespace: None,
            properties,
            key: key.iter().map(|name| json!([name])).collect(),
            cursor: cursor.to_vec(),
            mode: "append_dedup",
            generation: (41, 0),
        }
    }

    /// The same as a full refresh of the generation `number`.
    pub fn refresh(&self, number: u64) -> Self {
        Self { generation: (number, number), ..self.clone() }
    }

    /// The same in another mode.
    pub fn mode(&self, mode: &'static str) -> Self {
        Self { mode, ..self.clone() }
    }

    /// As a catalog has it.
    pub fn configured(&self) -> Value {
        let mut stream = json!({
            "stream": {
                "name": self.name, "json_schema": {"type": "object", "properties": self.properties},
                "supported_sync_modes": ["full_refresh", "incremental"],
            },
            "sync_mode": "incremental", "destination_sync_mode": self.mode,
            "primary_key": self.key, "cursor_field": self.cursor,
            "generation_id": self.generation.0, "minimum_generation_id": self.generation.1, "sync_id": 7,
        });
        if let Some(namespace) = self.namespace {
            stream["stream"]["namespace"] = json!(namespace);
        }
        stream
    }

    /// A catalog of it alone.
    pub fn catalog(&self) -> Value {
        catalog([self.configured()])
    }

    /// A record of it that was emitted so many milliseconds after the first.
    pub fn record(&self, later: i64, data: &Value) -> String {
        let mut record = json!({"stream": self.name, "data": data, "emitted_at": EMITTED_AT + later});
        if let Some(namespace) = self.namespace {
            record["namespace"] = json!(namespace);
        }
        format!("{}\n", json!({"type": "RECORD", "record": record}))
    }

    /// Loads `records` and ends well.
    pub fn load(&self, sandbox: &Sandbox, records: &[(i64, Value)]) -> Run {
        let run = sandbox.load(&self.catalog(), self.records(records) + &state(self.name, 1) + &self.complete());
        assert_eq!(run.states().len(), 1, "{run:#?}");
        run
    }

    /// Sends `records`, and the source fails then: no COMPLETE comes.
    pub fn break_off(&self, sandbox: &Sandbox, records: &[(i64, Value)]) -> Run {
        sandbox.write(&self.catalog(), self.records(records) + &state(self.name, 1))
    }

    fn records(&self, records: &[(i64, Value)]) -> String {
        records.iter().map(|(later, data)| self.record(*later, data)).collect()
    }

    /// The source has sent all of it.
    pub fn complete(&self) -> String {
        status(self.name, "COMPLETE")
    }
}

/// The rows of the table in `folder`, each with those of `names` that have a value there, as JSON texts in order.
pub fn rows(folder: &Location, names: &[&str]) -> Vec<String> {
    let files = table::try_read(folder).map_or_else(Vec::new, |table| table.files);
    let mut rows = Vec::new();
    for file in files {
        let reader = SerializedFileReader::new(Bytes::from(folder.join(&file).get().unwrap())).unwrap();
        for row in reader.get_row_iter(None).unwrap() {
            let columns = row.unwrap();
            let values = columns.get_column_iter().map(|(name, field)| (name.clone(), simple(field)));
            let mut row: Value = values.collect::<Map<_, _>>().into();
            if let Some(data) = row["_airbyte_data"].as_str() {
                row = serde_json::from_str(data).unwrap();
            }
            let named = names.iter().map(|name| ((*name).to_owned(), row[*name].clone()));
            let named: Map<String, Value> = named.filter(|(_, value)| !value.is_null()).collect();
            rows.push(Value::Object(named).to_string());
        }
    }
    rows.sort();
    rows
}

/// A whole number or a text; the tests look at no others.
fn simple(field: &Field) -> Value {
    match field {
        Field::Long(number) => json!(number),
        Field::Str(text) => json!(text),
        _ => Value::Null,
    }
}

/// JSON texts as [`rows`] gives them.
pub fn sorted<const N: usize>(rows: [Value; N]) -> Vec<String> {
    let mut texts: Vec<String> = rows.iter().map(Value::to_string).collect();
    texts.sort();
    texts
}
