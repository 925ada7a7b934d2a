//! Typed tables with features of the Delta protocol that somebody else has set, and those that a column needs.

use serde_json::{Value, json};

use super::readers::{are_there, see, see_each, without_nulls};
use crate::lake::Location;
use crate::messages::{catalog, configured, record, state};
use crate::program::Sandbox;
use crate::table;

/// A stream with an integer, a text and `more`.
fn streams(mode: &str, more: &[(&str, Value)]) -> Value {
    let mut stream = configured("s", mode);
    let mut properties = json!({"n": {"type": "integer"}, "t": {"type": "string"}});
    more.iter().for_each(|(name, schema)| properties[name] = schema.clone());
    stream["stream"]["json_schema"] = json!({"type": "object", "properties": properties});
    catalog([stream])
}

fn input(range: std::ops::Range<u64>) -> String {
    let rows: String = range.map(|n| record("s", &json!({"n": n, "t": format!("t{n}")}).to_string())).collect();
    rows + &state("s", 1)
}

/// A table of the layout `columns` without rows, with these features and properties.
fn table_with(folder: &Location, protocol: Value, configuration: Value, more: Option<Value>) {
    let field = |name: &str, kind: Value| json!({"name": name, "type": kind, "nullable": true, "metadata": {}});
    let map = json!({"type": "map", "keyType": "string", "valueType": "string", "valueContainsNull": true});
    let fields = [
        field("_airbyte_ab_id", json!("string")),
        field("_airbyte_emitted_at", json!("timestamp")),
        field("_airbyte_meta", json!("string")),
        field("n", json!("long")),
        field("t", json!("string")),
        field("_airbyte_additional_properties", map),
    ];
    let metadata = json!({
        "id": "c64a9d77-5d10-4a1f-8a34-6b5f2f0f9d01", "format": {"provider": "parquet", "options": {}},
        "schemaString": json!({"type": "struct", "fields": fields}).to_string(), "partitionColumns": [],
        "configuration": configuration, "createdTime": 1,
    });
    let info = json!({"commitInfo": {"timestamp": 1, "operation": "CREATE TABLE"}});
    let lines = [info, json!({"protocol": protocol}), json!({"metaData": metadata})];
    table::commit(folder, 0).put(lines.iter().chain(&more).map(|line| format!("{line}\n")).collect::<String>());
}

fn actions(folder: &Location, version: usize) -> Vec<Value> {
    table::commit(folder, version).text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn numbers(test: &str, sandbox: &Sandbox) -> Vec<u64> {
    see(test, sandbox, "default/s").rows.iter().map(|row| row["n"].as_u64().unwrap()).collect()
}

fn evolving() -> Sandbox {
    Sandbox::with(json!({"table_layout": "columns", "enable_schema_evolution": true}))
}

#[test]
fn a_typed_table_that_is_clustered_is_refused_before_the_first_record_and_loaded_once_it_is_not() {
    let test = "a_typed_table_that_is_clustered_is_refused_before_the_first_record_and_loaded_once_it_is_not";
    if !are_there(test) {
        return;
    }
    for column in ["_airbyte_ab_id", "_airbyte_emitted_at", "n", "t", "_airbyte_meta"] {
        let sandbox = evolving();
        let folder = sandbox.table("default/s");
        let features =
            json!({"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["clustering", "domainMetadata"]});
        let columns = [[column]];
        let domain = |columns: Value| {
            let columns = json!({"clusteringColumns": columns}).to_string();
            json!({"domainMetadata": {"domain": "delta.clustering", "configuration": columns, "removed": false}})
        };
        table_with(&folder, features, json!({}), Some(domain(json!(columns))));
        for mode in ["append", "overwrite"] {
            // No record comes, and the sync ends all the same.
            let run = sandbox.start(&streams(mode, &[])).wait();
            let said = run.failed_with("config_error");
            assert!(said.contains("clustered") && said.contains("CLUSTER BY NONE"), "{column}: {said}");
        }
        assert_eq!(table::read(&folder).versions, 1);
        table::commit(&folder, 1).put(format!("{}\n", domain(json!([]))));
        sandbox.load(&streams("append", &[]), input(0..3));
        sandbox.load(&streams("append", &[("more", json!({"type": "integer"}))]), input(3..4));
        assert_eq!(numbers(test, &sandbox), [0, 1, 2, 3], "{column}");
    }
}

#[test]
fn typed_tables_with_features_of_others_are_loaded_as_the_protocol_says() {
    let test = "typed_tables_with_features_of_others_are_loaded_as_the_protocol_says";
    if !are_there(test) {
        return;
    }
    let writers = |features: &[&str]| json!({"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": features});
    for (protocol, configuration) in [
        (writers(&["changeDataFeed"]), json!({"delta.enableChangeDataFeed": "true"})),
        (writers(&["invariants", "appendOnly"]), json!({})),
    ] {
        let sandbox = evolving();
        let folder = sandbox.table("default/s");
        table_with(&folder, protocol.clone(), configuration.clone(), None);
        sandbox.load(&streams("append", &[]), input(0..3));
        sandbox.load(&streams("append", &[("more", json!({"type": "integer"}))]), input(3..5));
        assert_eq!(numbers(test, &sandbox), [0, 1, 2, 3, 4], "{protocol}");
        let wider = json!({"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"});
        sandbox.load(&streams("overwrite", &[("at", wider)]), input(7..9));
        assert_eq!(numbers(test, &sandbox), [7, 8], "{protocol}");
        // The features of others stay beside the one that a column of this program needs.
        let last = actions(&folder, 3);
        let raised = last.iter().find_map(|action| action.get("protocol")).unwrap();
        for feature in protocol["writerFeatures"].as_array().unwrap() {
            assert!(raised["writerFeatures"].as_array().unwrap().contains(feature), "{raised}");
        }
        assert!(raised["readerFeatures"].as_array().unwrap().contains(&json!("timestampNtz")), "{raised}");
        let kept = table::read(&folder).metadata["configuration"].clone();
        assert_eq!(kept, configuration, "{protocol}");
        table::assert_tidy(&sandbox.lake());
    }
    // Rows that may not be removed.
    let sandbox = evolving();
    let folder = sandbox.table("default/s");
    table_with(
        &folder,
        json!({"minReaderVersion": 1, "minWriterVersion": 2}),
        json!({"delta.appendOnly": "true"}),
        None,
    );
    sandbox.load(&streams("append", &[]), input(0..3));
    let said = sandbox.write(&streams("overwrite", &[]), input(7..9)).failed_with("config_error");
    assert!(said.contains("delta.appendOnly"), "{said}");
    sandbox.load(&streams("append", &[("more", json!({"type": "integer"}))]), input(3..5));
    assert_eq!(numbers(test, &sandbox), [0, 1, 2, 3, 4]);
}

#[test]
fn the_protocol_of_a_table_is_raised_when_a_column_needs_it_and_not_before() {
    let test = "the_protocol_of_a_table_is_raised_when_a_column_needs_it_and_not_before";
    if !are_there(test) {
        return;
    }
    let zoneless = json!({"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"});
    let nested = json!({"type": "array", "items": {"type": "object", "properties": {"at": zoneless}}});
    for (name, schema) in [("at", &zoneless), ("l", &nested)] {
        let sandbox = evolving();
        let folder = sandbox.table("default/s");
        let protocol =
            |version: usize| actions(&folder, version).iter().find_map(|action| action.get("protocol").cloned());
        sandbox.load(&streams("append", &[("day", json!({"type": "string", "format": "date-time"}))]), input(0..2));
        assert_eq!(protocol(0).unwrap(), json!({"minReaderVersion": 1, "minWriterVersion": 2}));
        let value = if name == "at" { json!("2024-05-06T07:08:09") } else { json!([{"at": "2024-05-06T07:08:09"}]) };
        let row = record("s", &json!({"n": 2, name: value}).to_string());
        sandbox.load(&streams("append", &[(name, schema.clone())]), row.clone() + &state("s", 2));
        let raised = protocol(1).unwrap();
        assert_eq!((&raised["minReaderVersion"], &raised["minWriterVersion"]), (&json!(3), &json!(7)));
        assert_eq!(raised["readerFeatures"], json!(["timestampNtz"]));
        sandbox.load(&streams("append", &[(name, schema.clone())]), input(3..4));
        assert_eq!(protocol(2), None, "it is there already");
        let rows = see(test, &sandbox, "default/s").rows;
        let micros = 1_714_979_289_000_000_i64;
        let expected = if name == "at" { json!(micros) } else { json!([{"at": micros}]) };
        let found: Vec<Value> = rows.iter().map(|row| without_nulls(&row[name])).collect();
        assert_eq!(found, [Value::Null, Value::Null, expected, Value::Null]);
        // A new table with such a column begins with it.
        let sandbox = evolving();
        sandbox.load(&streams("append", &[(name, schema.clone())]), row);
        let first = actions(&sandbox.table("default/s"), 0);
        let made = first.iter().find_map(|action| action.get("protocol")).unwrap();
        assert_eq!(made["readerFeatures"], json!(["timestampNtz"]), "{made}");
        assert_eq!(see(test, &sandbox, "default/s").rows.len(), 1);
    }
}

#[test]
fn a_typed_table_with_deletion_vectors_gets_new_columns_and_rows() {
    let test = "a_typed_table_with_deletion_vectors_gets_new_columns_and_rows";
    if !are_there(test) {
        return;
    }
    let sandbox = evolving();
    let folder = sandbox.table("default/s");
    let protocol = json!({
        "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors"],
        "writerFeatures": ["deletionVectors"],
    });
    table_with(&folder, protocol, json!({"delta.enableDeletionVectors": "true"}), None);
    sandbox.load(&streams("append", &[]), input(0..12));
    let file = table::read(&folder).files[0].clone();
    let mut add = actions(&folder, 1).iter().find_map(|action| action.get("add").cloned()).unwrap();
    let remove = json!({"path": file, "deletionTimestamp": 1, "dataChange": true, "size": add["size"]});
    // A bitmap of rows 3, 4, 7 and 11 of the file, in base 85.
    add["deletionVector"] = json!({
        "storageType": "i", "pathOrInlineDv": "^Bg9^0rr910000000000iXQKl0rr91000935c8Xg0@@D72lkbi", "sizeInBytes": 40,
        "cardinality": 4,
    });
    table::commit(&folder, 2).put(format!("{}\n{}\n", json!({"remove": remove}), json!({"add": add})));
    let zoneless = json!({"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"});
    sandbox.load(&streams("append", &[("more", zoneless)]), input(12..14));
    // deltalake refuses such tables.
    let seen = see_each(test, &sandbox, "default/s", &[]);
    let able: Vec<&Value> = seen.iter().filter(|one| one["failed"].is_null()).collect();
    assert!(able.iter().any(|one| one["reader"] == "duckdb"), "{seen:?}");
    let left: Vec<u64> = (0..14).filter(|n| ![3, 4, 7, 11].contains(n)).collect();
    for one in able {
        let numbers = one["rows"].as_array().unwrap().iter().map(|row| row["n"].as_u64().unwrap());
        assert_eq!(numbers.collect::<Vec<_>>(), left, "{}", one["reader"]);
    }
    let run = sandbox.load(&streams("overwrite", &[]), input(40..41));
    assert!(run.logs("INFO").iter().any(|told| told.contains("replac") && told.contains("10")), "{run:#?}");
}
