//! Tables of connector 1.1.x in its Azure mode, whose columns are unlike those of its S3 mode: they go on with the layout `classic`.
//!
//! Their time is a text with milliseconds, their types are the words of the JSON schema as SQL has them, and they have no column for
//! undeclared properties. Source: `DatabricksAzureBlobStorageStreamCopier` of that connector.

use serde_json::{Value, json};

use super::columns::{row, stream};
use super::place::Place;
use crate::messages::{EMITTED_AT, catalog, status};
use crate::program::Sandbox;

/// Without Databricks, and with it for each format of staged files.
const WAYS: [Option<(&str, &str)>; 4] = [None, Some(("csv", "none")), Some(("csv", "gzip")), Some(("delta", "none"))];

/// The table of the stream `users` with one row, as that connector created and loaded it.
fn make(place: &Place) -> String {
    let name = place.name("users");
    place.sql(&format!("CREATE SCHEMA IF NOT EXISTS `spark_catalog`.`{}`", place.schema()));
    place.sql(&format!(
        "CREATE TABLE {name} USING delta LOCATION '{}' COMMENT 'Created from stream users' TBLPROPERTIES \
         ('airbyte.destinationSyncMode' = 'append', 'delta.autoOptimize.autoCompact' = true, \
         'delta.autoOptimize.optimizeWrite' = true) AS SELECT uuid() AS _airbyte_ab_id, '1672531200000' AS _airbyte_emitted_at, \
         1 AS id, 'a' AS name, 1.5D AS price, true AS active",
        place.location("default/users")
    ));
    name
}

fn sandbox(way: Option<(&str, &str)>, evolution: bool) -> Sandbox {
    let mut sandbox = Sandbox::new();
    let mut settings = json!({"table_layout": "classic", "enable_schema_evolution": evolution});
    match way {
        None => {
            for name in ["databricks_server_hostname", "databricks_http_path", "databricks_personal_access_token"] {
                settings[name] = Value::Null;
            }
        }
        Some((format, compression)) => {
            let mut source = sandbox.place().source();
            source["azure_staging_format"] = json!(format);
            source["azure_csv_compression"] = json!(compression);
            settings["data_source"] = source;
        }
    }
    sandbox.set(settings);
    sandbox
}

fn users(mode: &str) -> Value {
    let properties = json!({
        "id": {"type": "integer"}, "name": {"type": "string"}, "price": {"type": "number"}, "active": {"type": "boolean"},
    });
    catalog([stream("users", mode, properties)])
}

/// The rows in the order of their property `id`, without their ids.
fn rows(place: &Place, name: &str) -> Vec<Value> {
    let told = place.sql(&format!("SELECT to_json(struct(* EXCEPT (_airbyte_ab_id))) FROM {name} ORDER BY id"));
    told.iter().map(|row| serde_json::from_str(row[0].as_deref().unwrap()).unwrap()).collect()
}

#[test]
fn a_table_of_the_older_connectors_azure_mode_goes_on_whether_databricks_loads_it_or_not() {
    for way in WAYS {
        let sandbox = sandbox(way, true);
        let place = sandbox.place();
        let name = make(place);
        let old = json!({"_airbyte_emitted_at": "1672531200000", "id": 1, "name": "a", "price": 1.5, "active": true});
        for id in [2, 3] {
            let data = json!({"id": id, "name": "b", "price": 0.1, "active": false, "more": "x"});
            sandbox.load(&users("append"), row("users", &data));
        }
        let new = |id: u64| {
            json!({
                "_airbyte_emitted_at": EMITTED_AT.to_string(), "id": id, "name": "b", "price": 0.1, "active": false,
                "_airbyte_additional_properties": {"more": "x"},
            })
        };
        assert_eq!(rows(place, &name), [old, new(2), new(3)], "{way:?}");

        // Rows that replace all others bring the types of today.
        sandbox.load(&users("overwrite"), row("users", &json!({"id": 4})) + &status("users", "COMPLETE"));
        let time = place.sql(&format!("SELECT unix_millis(_airbyte_emitted_at), id FROM {name}"));
        assert_eq!(time, [[Some(EMITTED_AT.to_string()), Some("4".to_owned())]], "{way:?}");
    }
}

#[test]
fn such_a_table_asks_for_evolution_since_it_has_no_column_for_undeclared_properties() {
    for way in [WAYS[0], WAYS[1]] {
        let sandbox = sandbox(way, false);
        let name = make(sandbox.place());
        let failed = sandbox.write(&users("append"), row("users", &json!({"id": 2}))).failure();
        assert_eq!(failed["failure_type"], "config_error");
        let said = failed["message"].as_str().unwrap();
        assert!(said.contains("lacks column _airbyte_additional_properties"), "{said}");
        assert!(said.contains("Set `enable_schema_evolution`") && !said.contains("_airbyte_emitted_at"), "{said}");
        assert_eq!(rows(sandbox.place(), &name).len(), 1);
    }
}
