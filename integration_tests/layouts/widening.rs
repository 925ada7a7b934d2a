//! Typed tables whose owner allows wider types: a stream with a wider type widens the column in the commit of its rows.

use serde_json::{Value, json};

use super::readers::{are_there, see_each, without_nulls};
use crate::lake::Location;
use crate::messages::{catalog, configured, record, state};
use crate::program::Sandbox;
use crate::table;

/// The columns of a table, and what a stream has.
const NARROW: [(&str, &str); 6] =
    [("n", "integer"), ("small", "short"), ("f", "float"), ("whole", "long"), ("real", "integer"), ("day", "date")];

fn properties() -> Value {
    json!({
        "n": {"type": "integer"}, "small": {"type": "integer"}, "f": {"type": "number"},
        "whole": {"type": "integer", "airbyte_type": "big_integer"}, "real": {"type": "number"},
        "day": {"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"},
        "l": {"type": "array", "items": {"type": "integer"}},
        "o": {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "string"}}},
    })
}

fn streams(mode: &str) -> Value {
    let mut stream = configured("s", mode);
    stream["stream"]["json_schema"] = json!({"type": "object", "properties": properties()});
    catalog([stream])
}

/// A record, of values that fit the narrow columns or only the wide ones.
fn row(id: u64, is_wide: bool) -> String {
    let data = if is_wide {
        json!({
            "n": 1_i64 << 40, "small": 70_000, "f": 0.1, "whole": 123_456_789_012_345_678_901_234_567_890_u128.to_string(),
            "real": 0.5, "day": "2026-01-31T10:15:00.123456", "l": [1, 1_i64 << 40], "o": {"x": 1_i64 << 40, "y": "t"},
        })
    } else {
        json!({
            "n": 7, "small": -7, "f": 0.5, "whole": -7, "real": 7, "day": "2026-01-31T00:00:00", "l": [7, null],
            "o": {"x": 7},
        })
    };
    record("s", &data.to_string()) + &state("s", id)
}

/// What a reader sees of a row that was loaded before or after the columns were widened.
fn expected(is_wide: bool) -> Value {
    let day = 1_769_817_600_000_000_i64;
    if is_wide {
        json!({
            "n": 1_i64 << 40, "small": 70_000, "f": 0.1, "whole": "123456789012345678901234567890", "real": 0.5,
            "day": day + 36_900_123_456, "l": [1, 1_i64 << 40], "o": {"x": 1_i64 << 40, "y": "t"},
        })
    } else {
        json!({
            "n": 7, "small": -7, "f": 0.5, "whole": "-7", "real": 7.0, "day": day, "l": [7, null], "o": {"x": 7},
        })
    }
}

fn metadata(configuration: &Value) -> Value {
    let field = |name: &str, kind: Value| json!({"name": name, "type": kind, "nullable": true, "metadata": {}});
    let mut fields = vec![
        field("_airbyte_ab_id", json!("string")),
        field("_airbyte_emitted_at", json!("timestamp")),
        field("_airbyte_meta", json!("string")),
    ];
    fields.extend(NARROW.map(|(name, kind)| field(name, json!(kind))));
    fields.push(field("l", json!({"type": "array", "elementType": "integer", "containsNull": true})));
    fields.push(field("o", json!({"type": "struct", "fields": [field("x", json!("integer"))]})));
    let map = json!({"type": "map", "keyType": "string", "valueType": "string", "valueContainsNull": true});
    fields.push(field("_airbyte_additional_properties", map));
    json!({"metaData": {
        "id": "c64a9d77-5d10-4a1f-8a34-6b5f2f0f9d01", "format": {"provider": "parquet", "options": {}},
        "schemaString": json!({"type": "struct", "fields": fields}).to_string(), "partitionColumns": [],
        "configuration": configuration, "createdTime": 1,
    }})
}

fn commit(folder: &Location, version: usize, actions: &[Value]) {
    let info = json!({"commitInfo": {"timestamp": 1, "operation": "SET TBLPROPERTIES"}});
    let lines: String = [info].iter().chain(actions).map(|line| format!("{line}\n")).collect();
    table::commit(folder, version).put(lines);
}

/// A table of narrow columns with one row, whose owner sets `configuration` then.
fn begun(configuration: &Value, features: &[&str]) -> Sandbox {
    let sandbox = Sandbox::with(json!({"table_layout": "columns", "enable_schema_evolution": true}));
    let folder = sandbox.table("default/s");
    let protocol = json!({"protocol": {
        "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features,
    }});
    commit(&folder, 0, &[protocol, metadata(&json!({}))]);
    sandbox.load(&streams("append"), row(1, false));
    let at = table::read(&folder).versions;
    let mut own: Value = table::read(&folder).metadata;
    own["configuration"] = configuration.clone();
    commit(&folder, at, &[json!({"metaData": own})]);
    sandbox
}

fn action(folder: &Location, version: usize, name: &str) -> Option<Value> {
    let text = table::commit(folder, version).text();
    let actions = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    actions.into_iter().find_map(|action| action.get(name).cloned())
}

/// The rows as the readers see them that read such tables, DuckDB among them, without what differs from row to row.
fn assert_rows(test: &str, sandbox: &Sandbox, wide: &[bool]) {
    let seen = see_each(test, sandbox, "default/s", &[]);
    let able: Vec<&Value> = seen.iter().filter(|one| one["failed"].is_null()).collect();
    assert!(able.iter().any(|one| one["reader"] == "duckdb"), "{seen:#?}");
    for one in able.iter().filter(|one| one["reader"] != "pyarrow") {
        let rows = one["rows"].as_array().unwrap().iter().map(|row| {
            let mut row = without_nulls(row);
            row.as_object_mut().unwrap().retain(|name, _| !name.starts_with("_airbyte_"));
            row
        });
        let expected: Vec<Value> = wide.iter().map(|is_wide| without_nulls(&expected(*is_wide))).collect();
        assert_eq!(rows.collect::<Vec<_>>(), expected, "{}", one["reader"]);
    }
}

#[test]
fn columns_are_widened_in_the_commit_of_the_rows_where_the_owner_allows_it() {
    let test = "columns_are_widened_in_the_commit_of_the_rows_where_the_owner_allows_it";
    if !are_there(test) {
        return;
    }
    let allowed = json!({"delta.enableTypeWidening": "true"});
    let sandbox = begun(&allowed, &[]);
    let folder = sandbox.table("default/s");
    let versions = table::read(&folder).versions;
    let run = sandbox.load(&streams("append"), row(2, true));
    assert!(!run.logs("WARN").iter().any(|told| told.contains("The table's type stays")), "{run:#?}");
    let raised = action(&folder, versions, "protocol").unwrap();
    for features in ["readerFeatures", "writerFeatures"] {
        for feature in ["typeWidening", "timestampNtz"] {
            assert!(raised[features].as_array().unwrap().contains(&json!(feature)), "{raised}");
        }
    }
    let metadata = action(&folder, versions, "metaData").unwrap();
    assert_eq!(metadata["configuration"], allowed);
    let schema: Value = serde_json::from_str(metadata["schemaString"].as_str().unwrap()).unwrap();
    let noted = |field: &Value| field["metadata"]["delta.typeChanges"].clone();
    let changes: Vec<(String, Value)> = schema["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| (field["name"].as_str().unwrap().to_owned(), noted(field)))
        .filter(|(_, noted)| !noted.is_null())
        .collect();
    let change = |from: &str, to: &str| json!([{"fromType": from, "toType": to}]);
    let expected = [
        ("n", change("integer", "long")),
        ("small", change("short", "long")),
        ("f", change("float", "double")),
        ("whole", change("long", "decimal(38,0)")),
        ("real", change("integer", "double")),
        ("day", change("date", "timestamp_ntz")),
        ("l", json!([{"fromType": "integer", "toType": "long", "fieldPath": "element"}])),
    ];
    assert_eq!(changes, expected.map(|(name, change)| (name.to_owned(), change)));
    let inner = schema["fields"].as_array().unwrap().iter().find(|field| field["name"] == "o").unwrap();
    assert_eq!(noted(&inner["type"]["fields"][0]), change("integer", "long"));
    assert_rows(test, &sandbox, &[false, true]);
    // The table is as the stream has it now; checkpoints come in between.
    let mut wide = vec![false, true];
    for id in 3..14 {
        sandbox.load(&streams("append"), row(id, id % 2 == 0));
        wide.push(id % 2 == 0);
    }
    assert_eq!(
        (versions + 1..table::read(&folder).versions).find(|at| action(&folder, *at, "metaData").is_some()),
        None
    );
    assert_rows(test, &sandbox, &wide);
    sandbox.load(&streams("overwrite"), row(20, true));
    assert_rows(test, &sandbox, &[true]);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn types_stay_where_the_owner_does_not_allow_wider_ones_or_other_readers_would_not_know_them() {
    for (configuration, features, evolution) in [
        (json!({"delta.enableTypeWidening": "false"}), vec!["typeWidening"], true),
        (json!({"delta.enableTypeWidening": "true"}), vec!["typeWidening-preview"], true),
        (json!({"delta.enableTypeWidening": "true"}), vec![], false),
    ] {
        let mut sandbox = begun(&configuration, &features);
        let folder = sandbox.table("default/s");
        let before = table::read(&folder).metadata["schemaString"].clone();
        sandbox.set(json!({"table_layout": "columns", "enable_schema_evolution": evolution}));
        if evolution {
            let run = sandbox.load(&streams("append"), row(2, true));
            assert!(run.logs("WARN").iter().any(|told| told.contains("The table's type stays")), "{run:#?}");
        } else {
            let said = sandbox.write(&streams("append"), row(2, true)).failed_with("config_error");
            assert!(said.contains("column n is INT"), "{said}");
        }
        let kinds = |text: &Value| -> Vec<Value> {
            let schema: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
            NARROW
                .iter()
                .map(|(name, _)| {
                    schema["fields"].as_array().unwrap().iter().find(|field| field["name"] == *name).unwrap()["type"]
                        .clone()
                })
                .collect()
        };
        assert_eq!(
            kinds(&table::read(&folder).metadata["schemaString"]),
            kinds(&before),
            "{configuration} {features:?}"
        );
    }
}

#[test]
fn files_have_numbers_of_the_size_that_their_columns_have_for_every_reader() {
    let test = "files_have_numbers_of_the_size_that_their_columns_have_for_every_reader";
    if !are_there(test) {
        return;
    }
    let sandbox = begun(&json!({}), &[]);
    let seen = see_each(test, &sandbox, "default/s", &[]);
    for one in seen.iter().filter(|one| one["reader"] != "pyarrow") {
        assert_eq!(one["rows"][0]["small"], -7, "{one:#?}");
    }
}
