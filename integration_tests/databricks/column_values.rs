//! The values of tables with a column for each property, which Spark or the program itself has loaded: Spark reads them, and so does every
//! other reader.

use serde_json::{Value, json};

use super::columns::{rows, sandbox, sent_with};
use crate::layouts::expected::{row_of, sent};
use crate::layouts::readers::{are_there, see};
use crate::messages::catalog;
use crate::program::Sandbox;
use crate::recorded::{configure, read, shared_data};

const LAYOUTS: [&str; 3] = ["raw", "columns", "classic"];

over_one!(in_ci = statements: the_faker_source_has_the_same_values_by_sql_for_every_reader,);
once!(
    the_faker_source_has_the_same_values_for_spark_and_every_reader_where_it_was_loaded_directly,
    every_protocol_case_has_the_same_rows_by_sql_as_directly_for_every_reader,
);

fn the_faker_source_has_the_same_values_by_sql_for_every_reader() {
    // The conformance cases have raw tables.
    has_the_same_values("the_faker_source_has_the_same_values_by_sql_for_every_reader", &LAYOUTS[1..], sandbox);
}

fn the_faker_source_has_the_same_values_for_spark_and_every_reader_where_it_was_loaded_directly() {
    has_the_same_values(
        "the_faker_source_has_the_same_values_for_spark_and_every_reader_where_it_was_loaded_directly",
        &LAYOUTS,
        direct,
    );
}

/// A sandbox whose syncs ask no Databricks.
fn direct(layout: &str, evolution: bool) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set(json!({
        "table_layout": layout, "enable_schema_evolution": evolution, "databricks_server_hostname": null,
        "databricks_http_path": null, "databricks_personal_access_token": null,
    }));
    sandbox
}

fn has_the_same_values(test: &str, layouts: &[&str], sandbox: fn(&str, bool) -> Sandbox) {
    let Some(folder) = shared_data(test) else { return };
    let others_are_there = are_there(test);
    let folder = folder.join("faker");
    let messages = read(&folder, "messages.jsonl");
    let sent = sent(&messages);
    for layout in layouts {
        let sandbox = sandbox(layout, true);
        for (mode, times) in [("append", 1), ("append", 2), ("overwrite", 1)] {
            let mut streams: Value = serde_json::from_str(&read(&folder, "catalog.json")).unwrap();
            for stream in streams["streams"].as_array_mut().unwrap() {
                stream["destination_sync_mode"] = json!(mode);
            }
            let run = sandbox.load(&streams, &messages);
            assert_eq!(run.states().len(), 11, "{layout} {mode}");
            assert!(run.logs("WARN").is_empty(), "{layout} {mode}: {:?}", run.logs("WARN"));
            for stream in streams["streams"].as_array().unwrap() {
                let (name, schema) = (stream["stream"]["name"].as_str().unwrap(), &stream["stream"]["json_schema"]);
                let table = format!("default/{name}");
                let found = rows(sandbox.place(), &format!("delta.`{}`", sandbox.place().location(&table)));
                let expected = std::iter::repeat_n(&sent[name], times).flatten();
                let expected: Vec<Value> = expected.map(|data| row_of(data, schema, layout)).collect();
                assert_eq!(found.len(), expected.len(), "{layout} {mode} {name}");
                for (found, expected) in found.iter().zip(&expected) {
                    assert_eq!(found, expected, "{layout} {mode} {name}");
                }
                if others_are_there {
                    let found = see(test, &sandbox, &table).rows.into_iter().map(comparable).collect::<Vec<_>>();
                    assert!(found == expected, "other readers see other rows of {name}: {layout} {mode}");
                }
            }
        }
        let altered = sent_with(sandbox.place(), "ALTER TABLE");
        assert!(altered.iter().all(|statement| !statement.contains("COLUMN")), "{altered:#?}");
        assert_eq!(sent_with(sandbox.place(), "CREATE OR REPLACE"), [""; 0]);
    }
}

/// A row of another reader without its id and time, and with what is JSON text as the value that it is.
fn comparable(mut row: Value) -> Value {
    let fields = row.as_object_mut().unwrap();
    fields.retain(|name, _| name != "_airbyte_ab_id" && name != "_airbyte_emitted_at");
    for name in ["_airbyte_meta", "_airbyte_data"] {
        if let Some(text) = fields.get_mut(name) {
            *text = serde_json::from_str(text.as_str().unwrap()).unwrap();
        }
    }
    row
}

/// All cases in one sync: each in a namespace of its own.
fn every_protocol_case_has_the_same_rows_by_sql_as_directly_for_every_reader() {
    let test = "every_protocol_case_has_the_same_rows_by_sql_as_directly_for_every_reader";
    let Some(folder) = shared_data(test) else { return };
    let others_are_there = are_there(test);
    let folder = folder.join("protocol");
    let unique = uuid::Uuid::new_v4().simple().to_string();
    // The conformance cases have raw tables.
    for layout in &LAYOUTS[1..] {
        let (by_sql, directly) = (sandbox(layout, false), direct(layout, false));
        let (mut streams, mut input) = (Vec::new(), String::new());
        for entry in std::fs::read_dir(&folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let Some(case) = name.strip_suffix("_catalog.json") else { continue };
            let namespace = format!("c{}_{case}", &unique[..6]);
            let discovered: Value = serde_json::from_str(&read(&folder, &name)).unwrap();
            for mut stream in configure(&discovered, "append")["streams"].as_array().unwrap().clone() {
                stream["stream"]["namespace"] = json!(namespace);
                streams.push(stream);
            }
            for line in read(&folder, &format!("{case}_messages.txt")).lines() {
                let Ok(mut message) = serde_json::from_str::<Value>(line) else { continue };
                if message["type"] == "RECORD" {
                    message["record"]["namespace"] = json!(namespace);
                    input += &format!("{message}\n");
                }
            }
        }
        assert!(streams.len() > 10, "{} streams", streams.len());
        let streams = catalog(streams);
        for round in 0..2 {
            let mut streams = streams.clone();
            if round == 1 {
                let of_second_half = |at: usize| at % 2 == 1;
                let all = streams["streams"].as_array_mut().unwrap();
                all.iter_mut().enumerate().filter(|(at, _)| of_second_half(*at)).for_each(|(_, stream)| {
                    stream["destination_sync_mode"] = json!("overwrite");
                });
            }
            by_sql.load(&streams, &input);
            directly.load(&streams, &input);
        }
        let mut compared = 0;
        for table in crate::table::tables(&by_sql.lake()) {
            let place = |sandbox: &Sandbox| format!("delta.`{}`", sandbox.place().bucket().uri(table.key()));
            let found = rows(by_sql.place(), &place(&by_sql));
            assert_eq!(found, rows(directly.place(), &place(&directly)), "{layout} {table}");
            compared += found.len();
            if others_are_there {
                let name = table.below(&by_sql.lake());
                let seen = [&by_sql, &directly].map(|sandbox| {
                    let seen = see(test, sandbox, name);
                    (seen.columns, seen.rows.into_iter().map(comparable).collect::<Vec<_>>())
                });
                assert_eq!(seen[0], seen[1], "{layout} {table}");
                assert_eq!(seen[0].1.len(), found.len(), "{layout} {table}");
            }
        }
        assert!(compared > 50, "{compared} rows");
    }
}
