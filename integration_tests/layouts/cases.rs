//! The recorded messages of a real source in every layout: each reader sees the values that the source sent.

use serde_json::{Value, json};

use super::expected::{row_of, sent};
use super::readers::{are_there, see};
use crate::program::Sandbox;
use crate::recorded::{read, shared_data};
use crate::table;

pub const LAYOUTS: [&str; 3] = ["raw", "columns", "classic"];

#[test]
fn the_faker_source_has_the_same_values_in_every_layout_and_for_every_reader() {
    let test = "the_faker_source_has_the_same_values_in_every_layout_and_for_every_reader";
    let Some(folder) = shared_data(test).filter(|_| are_there(test)) else { return };
    let folder = folder.join("faker");
    let messages = read(&folder, "messages.jsonl");
    let sent = sent(&messages);
    for layout in LAYOUTS {
        for (mode, times) in [("append", 2), ("overwrite", 1)] {
            let mut streams: Value = serde_json::from_str(&read(&folder, "catalog.json")).unwrap();
            for stream in streams["streams"].as_array_mut().unwrap() {
                stream["destination_sync_mode"] = json!(mode);
            }
            let sandbox = Sandbox::with(json!({"table_layout": layout}));
            for _ in 0..2 {
                let run = sandbox.load(&streams, &messages);
                assert_eq!(run.states().len(), 11, "{layout} {mode}");
                assert!(run.logs("WARN").is_empty(), "{layout} {mode}: {:?}", run.logs("WARN"));
            }
            table::assert_tidy(&sandbox.lake());
            for stream in streams["streams"].as_array().unwrap() {
                let (name, schema) = (stream["stream"]["name"].as_str().unwrap(), &stream["stream"]["json_schema"]);
                let seen = see(test, &sandbox, &format!("default/{name}"));
                let rows = std::iter::repeat_n(&sent[name], times).flatten();
                let rows: Vec<Value> = rows.map(|data| row_of(data, schema, layout)).collect();
                let found: Vec<Value> = seen.rows.iter().map(comparable).collect();
                assert_eq!(found.len(), rows.len(), "{layout} {mode} {name}");
                for (found, expected) in found.iter().zip(&rows) {
                    assert_eq!(found, expected, "{layout} {mode} {name}");
                }
            }
        }
    }
}

/// A row without its id and time, and with what is JSON text as the value that it is.
fn comparable(row: &Value) -> Value {
    let mut row = row.clone();
    let fields = row.as_object_mut().unwrap();
    assert!(fields.remove("_airbyte_ab_id").is_some_and(|id| id.is_string()));
    assert!(fields.remove("_airbyte_emitted_at").is_some_and(|time| time.is_i64()));
    for name in ["_airbyte_meta", "_airbyte_data"] {
        if let Some(text) = fields.get_mut(name) {
            *text = serde_json::from_str(text.as_str().unwrap()).unwrap();
        }
    }
    row
}
