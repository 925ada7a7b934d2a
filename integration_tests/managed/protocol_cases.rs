//! The protocol's own cases in every layout: SQL reads the same rows from managed tables as from those that the program commits itself.

use serde_json::{Value, json};

use crate::columns::{rows, sandbox};
use crate::messages::catalog;
use crate::program::Sandbox;
use crate::recorded::{configure, read, shared_data};

#[test]
fn every_protocol_case_has_the_same_columns_as_in_tables_on_a_disk() {
    have_the_same_rows("every_protocol_case_has_the_same_columns_as_in_tables_on_a_disk", &["columns"]);
}

#[test]
#[ignore = "one of all combinations"]
fn every_protocol_case_has_the_same_rows_as_in_tables_on_a_disk_in_other_layouts() {
    crate::place::over_thrift(|| {
        let test = "every_protocol_case_has_the_same_rows_as_in_tables_on_a_disk_in_other_layouts";
        have_the_same_rows(test, &["raw", "classic"]);
    });
}

/// Each case in a namespace of its own: one sync that adds all rows, and one that adds those of every second stream and replaces the others.
fn have_the_same_rows(test: &str, layouts: &[&str]) {
    let Some(folder) = shared_data(test) else { return };
    let folder = folder.join("protocol");
    for layout in layouts {
        let by_sql = sandbox(layout, false);
        let on_disk = tempfile::tempdir().unwrap();
        let local =
            json!({"data_source_type": "LOCAL_STORAGE", "local_path": on_disk.path(), "local_path_is_ephemeral": true});
        let directly = Sandbox::with(json!({
            "table_layout": layout, "enable_schema_evolution": false, "data_source": local, "databricks_http_path": null,
            "databricks_server_hostname": null, "databricks_personal_access_token": null,
        }));
        let schema = by_sql.place().schema();
        let (mut streams, mut input) = (Vec::new(), String::new());
        for entry in std::fs::read_dir(&folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let Some(case) = name.strip_suffix("_catalog.json") else { continue };
            let namespace = format!("{schema}_{case}");
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
        let mut streams = catalog(streams);
        for mode in ["append", "overwrite"] {
            let all = streams["streams"].as_array_mut().unwrap();
            all.iter_mut().step_by(2).for_each(|stream| stream["destination_sync_mode"] = json!(mode));
            by_sql.load(&streams, &input);
            directly.load(&streams, &input);
        }
        let mut compared = 0;
        let tables = crate::table::tables(&by_sql.lake());
        assert_eq!(tables.len(), streams["streams"].as_array().unwrap().len(), "{layout}");
        for table in tables {
            let key = table.key();
            let (schema, name) = key.split_once('/').unwrap();
            let found = rows(by_sql.place(), &format!("`spark_catalog`.`{schema}`.`{name}`"));
            let expected = rows(by_sql.place(), &format!("delta.`{}/{key}`", on_disk.path().display()));
            assert_eq!(found, expected, "{layout} {table}");
            compared += found.len();
        }
        assert!(compared > 50, "{compared} rows");
    }
}
