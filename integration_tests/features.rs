//! Tables with features of the Delta protocol that somebody else has set: supported ones are loaded as the protocol says,
//! others are a config error before the first record that names the feature.

use serde_json::{Value, json};

use crate::lake::Location;
use crate::messages::{append, overwrite, records};
use crate::program::Sandbox;
use crate::python::{has, python};
use crate::table;

/// A raw table without rows in `folder`, with these features and properties.
fn table_with(folder: &Location, protocol: &Value, configuration: &Value, more: &[Value]) {
    let mapped = !configuration["delta.columnMapping.mode"].is_null();
    let mapping = |name: &str| json!({"delta.columnMapping.id": name.len(), "delta.columnMapping.physicalName": "c".to_owned() + name});
    let field = |name: &str, kind: &str| {
        let metadata = if mapped { mapping(name) } else { json!({}) };
        json!({"name": name, "type": kind, "nullable": true, "metadata": metadata})
    };
    let schema = json!({"type": "struct", "fields": [
        field("_airbyte_ab_id", "string"), field("_airbyte_emitted_at", "timestamp"), field("_airbyte_data", "string"),
    ]});
    let metadata = json!({
        "id": "c64a9d77-5d10-4a1f-8a34-6b5f2f0f9d01", "format": {"provider": "parquet", "options": {}},
        "schemaString": schema.to_string(), "partitionColumns": [], "configuration": configuration, "createdTime": 1,
    });
    let info = json!({"commitInfo": {"timestamp": 1, "inCommitTimestamp": 1, "operation": "CREATE TABLE"}});
    let lines = [info, json!({"protocol": protocol}), json!({"metaData": metadata})];
    let text: String = lines.iter().chain(more).map(|line| format!("{line}\n")).collect();
    table::commit(folder, 0).put(text);
}

fn writer_features(features: &[&str]) -> Value {
    json!({"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": features})
}

/// The actions of commit `version`.
fn actions(folder: &Location, version: usize) -> Vec<Value> {
    let text = table::commit(folder, version).text();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'a>(actions: &'a [Value], kind: &str) -> Vec<&'a Value> {
    actions.iter().filter_map(|action| action.get(kind)).collect()
}

/// An append of ten rows, an overwrite by four, one by none and one by two, of a table with these features.
fn replaced(features: &[&str], configuration: &Value, more: &[Value]) -> (Sandbox, Location) {
    let sandbox = Sandbox::new();
    let folder = sandbox.table("default/users");
    table_with(&folder, &writer_features(features), configuration, more);
    sandbox.load(&append(&["users"]), records("users", 0..10));
    for range in [20..24, 0..0, 30..32] {
        let input = records("users", range.clone()) + &crate::messages::state("users", 1);
        sandbox.load(&overwrite(&["users"]), input);
        let expected: Vec<_> = range.map(crate::messages::numbered).collect();
        assert_eq!(table::data(&folder), expected);
    }
    table::assert_tidy(&sandbox.lake());
    (sandbox, folder)
}

#[test]
fn a_table_with_a_change_data_feed_is_replaced_by_whole_files() {
    let on = json!({"delta.enableChangeDataFeed": "true"});
    let (sandbox, folder) = replaced(&["appendOnly", "changeDataFeed", "invariants"], &on, &[]);
    let commit = actions(&folder, 2);
    assert_eq!((of(&commit, "commitInfo").len(), of(&commit, "cdc").len()), (1, 0), "{commit:#?}");
    let (add, remove) = (of(&commit, "add"), of(&commit, "remove"));
    assert_eq!((add.len(), remove.len()), (1, 1), "{commit:#?}");
    // A feed is derived from these two, so both say that rows have changed.
    assert_eq!((&add[0]["dataChange"], &remove[0]["dataChange"]), (&json!(true), &json!(true)), "{commit:#?}");
    assert!(remove[0]["size"].is_u64() && remove[0]["deletionTimestamp"].is_u64(), "{commit:#?}");
    assert_eq!(of(&commit, "txn").len(), 1, "{commit:#?}");
    if !has("a_table_with_a_change_data_feed_is_replaced_by_whole_files", "deltalake") {
        return;
    }
    let script = r#"
import collections, json, os, sys
import pyarrow
from deltalake import DeltaTable
changes = pyarrow.table(DeltaTable(sys.argv[1]).load_cdf(starting_version=1)).to_pylist()
counts = collections.Counter((row["_commit_version"], row["_change_type"]) for row in changes)
print(json.dumps(sorted([*key, count] for key, count in counts.items())))
sys.stdout.flush()
os._exit(0)
"#;
    let output = python(script, &[sandbox.path(folder.key())]).unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let expected = json!([[1, "insert", 10], [2, "delete", 10], [2, "insert", 4], [3, "delete", 4], [4, "insert", 2]]);
    assert_eq!(said, expected, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_table_with_row_tracking_is_replaced_by_rows_with_ids_of_their_own() {
    let on = json!({
        "delta.enableRowTracking": "true", "delta.enableChangeDataFeed": "true", "delta.enableInCommitTimestamps": "true",
        "delta.rowTracking.materializedRowIdColumnName": "_row-id",
        "delta.rowTracking.materializedRowCommitVersionColumnName": "_row-version",
    });
    let features = ["rowTracking", "domainMetadata", "changeDataFeed", "inCommitTimestamp"];
    let (_sandbox, folder) = replaced(&features, &on, &[]);
    let mut next = 0;
    for version in 1..5 {
        let commit = actions(&folder, version);
        assert!(commit[0]["commitInfo"]["inCommitTimestamp"].is_i64(), "{commit:#?}");
        for add in of(&commit, "add") {
            assert_eq!(add["baseRowId"], next, "{commit:#?}");
            assert_eq!(add["defaultRowCommitVersion"], version, "{commit:#?}");
            let stats: Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
            next += stats["numRecords"].as_u64().unwrap();
        }
        let domains = of(&commit, "domainMetadata");
        assert_eq!(domains.len(), usize::from(!of(&commit, "add").is_empty()), "{commit:#?}");
        for domain in domains {
            assert_eq!(domain["domain"], "delta.rowTracking");
            let mark: Value = serde_json::from_str(domain["configuration"].as_str().unwrap()).unwrap();
            assert_eq!(mark["rowIdHighWaterMark"], next - 1, "{commit:#?}");
        }
    }
    assert_eq!(next, 16);
}

#[test]
fn a_clustered_table_is_loaded_whatever_it_is_clustered_by() {
    for column in ["_airbyte_data", "_airbyte_emitted_at", "_airbyte_ab_id"] {
        let columns = json!({"clusteringColumns": [[column]]}).to_string();
        let domain =
            json!({"domainMetadata": {"domain": "delta.clustering", "configuration": columns, "removed": false}});
        replaced(&["clustering", "domainMetadata"], &json!({}), &[domain]);
    }
}

#[test]
fn a_clustered_table_refuses_times_that_have_no_bounds_and_says_so() {
    // Bounds of the other columns alone would hide the rows from filters on the time.
    for column in ["_airbyte_emitted_at", "_airbyte_ab_id", "_airbyte_data"] {
        let (sandbox, folder) = clustered_by(&[column]);
        let micros = records("users", 0..1).replace("1700000000123", "1764000000000000");
        let input = records("users", 1..2) + &micros;
        let message = sandbox.write(&append(&["users"]), input).failed_with("config_error");
        assert!(message.contains("emitted_at") && message.contains("cluster"), "{column}: {message}");
        assert_eq!(table::read(&folder).versions, 1);
    }
}

#[test]
fn a_table_that_is_clustered_by_nothing_takes_any_time_and_hides_no_row() {
    let (sandbox, folder) = clustered_by(&[]);
    let micros = records("users", 0..1).replace("1700000000123", "1764000000000000");
    sandbox.load(&append(&["users"]), records("users", 1..2) + &micros);
    let commit = actions(&folder, 1);
    let stats: Value = serde_json::from_str(of(&commit, "add")[0]["stats"].as_str().unwrap()).unwrap();
    assert_eq!((stats.get("minValues"), stats.get("maxValues")), (None, None), "{stats}");
}

/// A table without rows that has the feature clustering, with these columns.
fn clustered_by(columns: &[&str]) -> (Sandbox, Location) {
    let sandbox = Sandbox::new();
    let folder = sandbox.table("default/users");
    let columns: Vec<_> = columns.iter().map(|column| [column]).collect();
    let columns = json!({"clusteringColumns": columns}).to_string();
    let domain = json!({"domainMetadata": {"domain": "delta.clustering", "configuration": columns, "removed": false}});
    table_with(&folder, &writer_features(&["clustering", "domainMetadata"]), &json!({}), &[domain]);
    (sandbox, folder)
}

#[test]
fn what_cannot_be_loaded_is_refused_by_name_before_the_first_record() {
    let legacy = |version: u64| json!({"minReaderVersion": 1, "minWriterVersion": version});
    let both = |features: &[&str]| json!({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features});
    let cases: [(Value, Value, &[&str]); 13] = [
        (writer_features(&["checkConstraints"]), json!({"delta.constraints.a": "true"}), &["checkConstraints"]),
        (
            writer_features(&["identityColumns", "checkConstraints"]),
            json!({}),
            &["identityColumns and checkConstraints"],
        ),
        (writer_features(&["generatedColumns", "soonToCome"]), json!({}), &["generatedColumns and soonToCome"]),
        (both(&["soonToCome", "laterToCome"]), json!({}), &["laterToCome and soonToCome"]),
        (legacy(3), json!({}), &["writer version 3", "checkConstraints"]),
        (legacy(4), json!({"delta.enableChangeDataFeed": "true"}), &["writer version 4", "change data feed"]),
        (legacy(6), json!({}), &["writer version 6", "identityColumns"]),
        (legacy(8), json!({}), &["writer version 8"]),
        (json!({"minReaderVersion": 4, "minWriterVersion": 8}), json!({}), &["reader version 4"]),
        (json!({"minReaderVersion": 1, "minWriterVersion": 7}), json!({}), &["contradicts itself"]),
        (
            json!({
                "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["catalogManaged"],
                "writerFeatures": ["catalogManaged", "inCommitTimestamp"],
            }),
            json!({"delta.enableInCommitTimestamps": "true"}),
            &["catalogManaged"],
        ),
        (
            json!({"minReaderVersion": 2, "minWriterVersion": 7, "writerFeatures": ["columnMapping"]}),
            json!({"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "30"}),
            &["columnMapping"],
        ),
        (json!({"minReaderVersion": 1}), json!({}), &["not as the Delta protocol asks"]),
    ];
    for (protocol, configuration, words) in cases {
        for streams in [append(&["users"]), overwrite(&["users"])] {
            let sandbox = Sandbox::new();
            table_with(&sandbox.table("default/users"), &protocol, &configuration, &[]);
            let before = sandbox.lake().objects();
            let run = sandbox.write(&streams, records("users", 0..3));
            let message = run.failed_with("config_error");
            assert_eq!(run.error()["stream_descriptor"]["name"], "users", "{run:#?}");
            assert!(words.iter().all(|word| message.contains(word)), "{words:?}: {message}");
            assert_eq!(sandbox.lake().objects(), before);
        }
    }
}

#[test]
fn what_leaves_a_table_is_called_as_it_was_when_it_came() {
    // Files that other writers named with characters that a URL has to escape, and those that do not escape them.
    let names = ["a%20b.parquet", "a b.parquet", "x=1/c%2525.parquet", "file:///tmp/gone/d.parquet", "é.parquet"];
    let sandbox = Sandbox::new();
    let folder = sandbox.table("default/users");
    let add = |name: &&str| json!({"add": {"path": name, "partitionValues": {}, "size": 9, "modificationTime": 1, "dataChange": true}});
    let adds: Vec<Value> = names.iter().map(add).collect();
    table_with(&folder, &json!({"minReaderVersion": 1, "minWriterVersion": 2}), &json!({}), &adds);
    sandbox.load(&overwrite(&["users"]), records("users", 0..2));
    let commit = actions(&folder, 1);
    let mut removed: Vec<_> = of(&commit, "remove").iter().map(|remove| remove["path"].as_str().unwrap()).collect();
    let mut expected = names.to_vec();
    removed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(removed, expected);
}
