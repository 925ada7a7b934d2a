//! Typed tables of connector 1.1.x, written by Spark as that connector's statements made them: they go on with the layout `classic`,
//! wherever they lie.
//!
//! Source: the documentation of Airbyte's connector, section "Data Type Mapping", and its `DatabricksS3StreamCopier`.

use serde_json::{Value, json};

use super::columns::{kind, row, rows, sandbox, sent_with, stream};
use super::place::Place;
use crate::messages::{append, catalog, record_in, records, status};
use crate::program::Sandbox;

once!(
    tables_of_streams_with_capital_letters_and_with_a_namespace_are_loaded_on_where_they_lie,
    a_table_of_the_older_connector_gets_columns_and_members_with_evolution,
    another_layout_than_the_tables_is_refused_and_the_one_that_fits_is_named,
);

/// Creates the table of a stream with one row, as connector 1.1.x did: at `<bucket path>/<schema>/<name of the stream>`.
fn make(place: &Place, schema: &str, table: &str, stream: &str) -> String {
    let (name, location) =
        (format!("`spark_catalog`.`{schema}`.`{table}`"), place.location(&format!("default/{stream}")));
    place.sql(&format!("CREATE SCHEMA IF NOT EXISTS `spark_catalog`.`{schema}`"));
    place.sql(&format!(
        "CREATE TABLE {name} USING delta LOCATION '{location}' COMMENT 'Created from stream {stream}' TBLPROPERTIES \
         ('airbyte.destinationSyncMode' = 'append', 'delta.autoOptimize.autoCompact' = true, \
         'delta.autoOptimize.optimizeWrite' = true) AS SELECT uuid() AS _airbyte_ab_id, \
         TIMESTAMP '2023-01-01T00:00:00Z' AS _airbyte_emitted_at, 1L AS id, named_struct('member0', DATE '2023-01-02', \
         'member1', CAST(NULL AS STRING)) AS day, named_struct('member0', TIMESTAMP '2023-01-02T03:04:05.006Z', 'member1', \
         CAST(NULL AS STRING)) AS at, named_struct('city', 'Bern', '_airbyte_additional_properties', \
         CAST(NULL AS MAP<STRING, STRING>)) AS place, array('a') AS tags, CAST(NULL AS MAP<STRING, STRING>) AS \
         _airbyte_additional_properties"
    ));
    name
}

fn properties() -> Value {
    json!({
        "id": {"type": "integer"}, "day": {"type": ["null", "string"], "format": "date"},
        "at": {"type": "string", "format": "date-time"},
        "place": {"type": "object", "properties": {"city": {"type": "string"}}},
        "tags": {"type": "array", "items": {"type": "string"}},
    })
}

fn data(id: u64) -> Value {
    json!({
        "id": id, "day": "2026-01-31", "at": "2026-01-31T09:15:00.123456Z", "place": {"city": "Uri", "zip": 6460},
        "tags": ["b", "c"], "coupon": "X1",
    })
}

fn old_row() -> Value {
    json!({
        "id": 1, "day": {"member0": "2023-01-02", "member1": null}, "at": {"member0": 1_672_628_645_006_000i64, "member1": null},
        "place": {"city": "Bern", "_airbyte_additional_properties": null}, "tags": ["a"],
        "_airbyte_additional_properties": null,
    })
}

fn new_row(id: u64) -> Value {
    json!({
        "id": id, "day": {"member0": "2026-01-31", "member1": null},
        "at": {"member0": 1_769_850_900_123_000i64, "member1": null},
        "place": {"city": "Uri", "_airbyte_additional_properties": {"zip": "6460"}}, "tags": ["b", "c"],
        "_airbyte_additional_properties": {"coupon": "X1"},
    })
}

/// The rows by their property `id`: ids of that connector are random.
fn by_id(place: &Place, table: &str) -> Vec<Value> {
    let mut rows = rows(place, table);
    rows.sort_by_key(|row| row["id"].as_u64());
    rows
}

fn tables_of_streams_with_capital_letters_and_with_a_namespace_are_loaded_on_where_they_lie() {
    let sandbox = sandbox("classic", false);
    let place = sandbox.place();
    let namespace = format!("Shop_{}", place.schema());
    let capital = make(place, place.schema(), "users", "Users");
    let named = make(place, &namespace.to_lowercase(), "orders", "orders");
    for (mode, id) in [("append", 2), ("overwrite", 3)] {
        let mut streams = catalog([stream("Users", mode, properties()), stream("orders", mode, properties())]);
        streams["streams"][1]["stream"]["namespace"] = json!(namespace);
        let ended = status("orders", "COMPLETE")
            .replace("\"name\":\"orders\"", &format!("\"name\":\"orders\",\"namespace\":\"{namespace}\""));
        let rows = row("Users", &data(id)) + &record_in(&namespace, "orders", &data(id).to_string());
        let run = sandbox.load(&streams, rows + &status("Users", "COMPLETE") + &ended);
        assert!(run.logs("WARN").is_empty(), "{:?}", run.logs("WARN"));
        let expected = if mode == "append" { vec![old_row(), new_row(2)] } else { vec![new_row(3)] };
        for table in [&capital, &named] {
            assert_eq!(by_id(place, table), expected, "{mode} {table}");
        }
    }
    assert!(place.table("default/users").objects().is_empty(), "nothing is where a new table would be");
    assert!(place.lake().join(&namespace.to_lowercase()).objects().is_empty(), "nothing is where a new table would be");
    assert!(sent_with(place, "ALTER TABLE").iter().all(|text| !text.contains("COLUMN")), "no column was changed");
    // Another schema: the table stays where it is.
    let streams =
        catalog([stream("Users", "overwrite", json!({"id": {"type": "string"}, "more": {"type": "boolean"}}))]);
    sandbox.load(&streams, row("Users", &json!({"id": "4", "more": true})) + &status("Users", "COMPLETE"));
    let found = rows(place, &capital);
    assert_eq!((found.len(), &found[0]["id"], &found[0]["more"]), (1, &json!("4"), &json!(true)));
    let detail = place.sql(&format!("DESCRIBE DETAIL {capital}"));
    assert_eq!(detail[0][4], Some(place.location("default/Users")));
}

fn a_table_of_the_older_connector_gets_columns_and_members_with_evolution() {
    let sandbox = sandbox("classic", true);
    let place = sandbox.place();
    let name = make(place, place.schema(), "users", "users");
    let mut properties = properties();
    properties["place"]["properties"]["zip"] = json!({"type": "integer"});
    properties["reference"] = json!({"oneOf": [{"type": "integer"}, {"type": "boolean"}]});
    let mut data = data(2);
    data["reference"] = json!(true);
    let mut expected = new_row(2);
    expected["place"] = json!({"city": "Uri", "zip": 6460, "_airbyte_additional_properties": null});
    expected["reference"] = json!({"member0": null, "member1": true});
    let mut old = old_row();
    old["place"]["zip"] = Value::Null;
    old["reference"] = Value::Null;
    sandbox.load(&catalog([stream("users", "append", properties.clone())]), row("users", &data));
    assert_eq!(by_id(place, &name), [old.clone(), expected.clone()]);
    properties["reference"] = json!({"oneOf": [{"type": "integer"}, {"type": "boolean"}, {"type": "string"}]});
    (data["id"], data["reference"]) = (json!(3), json!("x"));
    sandbox.load(&catalog([stream("users", "append", properties)]), row("users", &data));
    let found = by_id(place, &name);
    assert_eq!(found[2]["reference"], json!({"member0": null, "member1": null, "member2": "x"}));
    assert_eq!(found[1]["reference"], json!({"member0": null, "member1": true, "member2": null}));
    assert_eq!(kind(place, "users", "reference"), "struct<member0:bigint,member1:boolean,member2:string>");
}

fn another_layout_than_the_tables_is_refused_and_the_one_that_fits_is_named() {
    let mut sandbox = Sandbox::new();
    make(sandbox.place(), sandbox.place().schema(), "users", "users");
    sandbox.place().sql(&format!(
        "CREATE TABLE {} (_airbyte_ab_id STRING, _airbyte_data STRING, _airbyte_emitted_at TIMESTAMP) USING delta",
        sandbox.place().name("raw")
    ));
    for (layout, name, fits) in
        [("raw", "users", "`classic`"), ("columns", "users", "`classic`"), ("classic", "raw", "`raw`")]
    {
        sandbox.set(json!({"table_layout": layout, "enable_schema_evolution": true}));
        let streams = match layout {
            "raw" => append(&[name]),
            _ => catalog([stream(name, "append", properties())]),
        };
        let run = sandbox.write(&streams, records(name, 0..3));
        let said = run.failed_with("config_error");
        assert!(said.contains(fits) && said.contains("table_layout"), "{layout} {name}: {said}");
    }
}
