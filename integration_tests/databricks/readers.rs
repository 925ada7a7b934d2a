//! Spark reads tables that the program commits to directly, and tables whose features Spark has set before.

use std::collections::BTreeMap;

use serde_json::json;

use super::place::Place;
use crate::messages::{append, overwrite, record, records, state};
use crate::program::Sandbox;
use crate::table;

/// A sandbox whose syncs ask no Databricks, and how Spark names the table `users` of it.
pub fn direct() -> (Sandbox, String) {
    let mut sandbox = Sandbox::new();
    sandbox.set(json!({
        "databricks_server_hostname": null, "databricks_http_path": null, "databricks_personal_access_token": null,
    }));
    let name = format!("delta.`{}`", sandbox.place().location("default/users"));
    (sandbox, name)
}

/// The one number that `statement` answers.
fn number(place: &Place, statement: &str) -> u64 {
    place.sql(statement)[0][0].as_ref().unwrap_or_else(|| panic!("{statement}")).parse().unwrap()
}

#[test]
fn filters_of_spark_find_every_row_that_was_loaded_directly() {
    let (sandbox, name) = direct();
    for round in 0..12 {
        sandbox.load(&append(&["users"]), records("users", round * 10..round * 10 + 10) + &record("users", "{ }"));
        if !matches!(round, 0 | 11) {
            continue;
        }
        let mut filters = Vec::new();
        for column in ["_airbyte_ab_id", "_airbyte_emitted_at", "_airbyte_data"] {
            let some = sandbox.place().sql(&format!("SELECT CAST(max({column}) AS STRING) FROM {name} LIMIT 1"));
            let some = some[0][0].clone().unwrap();
            let around = if column.ends_with("_at") { ["1990-01-01", "2030-01-01"] } else { ["{\"n\":5}", "{~"] };
            for value in [some.as_str(), around[0], around[1]] {
                let value = if column.ends_with("_at") { format!("TIMESTAMP '{value}'") } else { format!("'{value}'") };
                filters.extend(["=", "<>", "<", ">"].map(|operator| format!("{column} {operator} {value}")));
                filters.push(format!("{column} IN ({value}, {value})"));
            }
            filters.push(format!("{column} IS NULL"));
        }
        // In the other column of the same SELECT a filter passes over no file.
        let cases = filters.iter().map(|filter| format!("count_if({filter})")).collect::<Vec<_>>().join(", ");
        let right = sandbox.place().sql(&format!("SELECT {cases} FROM {name}"));
        let each = filters.iter().map(|filter| format!("(SELECT count(*) FROM {name} WHERE {filter})"));
        let found = sandbox.place().sql(&format!("SELECT {}", each.collect::<Vec<_>>().join(", ")));
        let wrong = filters.iter().zip(found[0].iter().zip(&right[0])).filter(|(_, (found, right))| found != right);
        assert_eq!(wrong.collect::<Vec<_>>(), []);
        let extremes = sandbox.place().sql(&format!("SELECT min(_airbyte_data), max(_airbyte_data) FROM {name}"));
        let data = table::data(&sandbox.table("default/users"));
        assert_eq!(extremes[0], [data.first().cloned(), data.last().cloned()]);
    }
}

#[test]
fn spark_reads_the_changes_of_a_replacement() {
    let (sandbox, name) = direct();
    sandbox.load(&append(&["users"]), records("users", 0..10));
    sandbox.place().sql(&format!("ALTER TABLE {name} SET TBLPROPERTIES (delta.enableChangeDataFeed = true)"));
    sandbox.load(&append(&["users"]), records("users", 10..13));
    // Rows that an UPDATE has moved have files of changes, and a DELETE leaves a file with fewer rows.
    sandbox
        .place()
        .sql(&format!("UPDATE {name} SET _airbyte_data = '{{\"n\":99}}' WHERE _airbyte_data = '{{\"n\":12}}'"));
    sandbox.place().sql(&format!("DELETE FROM {name} WHERE _airbyte_data = '{{\"n\":3}}'"));
    sandbox.load(&overwrite(&["users"]), records("users", 20..24));
    sandbox.load(&overwrite(&["users"]), state("users", 1));
    sandbox.load(&overwrite(&["users"]), records("users", 30..32));
    assert_eq!(number(sandbox.place(), &format!("SELECT count(*) FROM {name}")), 2);
    let location = sandbox.place().location("default/users");
    let rows = sandbox.place().sql(&format!(
        "SELECT _commit_version, _change_type, count(*) FROM table_changes_by_path('{location}', 2) GROUP BY 1, 2 ORDER BY 1, 2"
    ));
    let text = |row: &Vec<Option<String>>| row.iter().flatten().cloned().collect::<Vec<_>>().join(" ");
    let expected = [
        "2 insert 3",
        "3 update_postimage 1",
        "3 update_preimage 1",
        "4 delete 1",
        "5 delete 12",
        "5 insert 4",
        "6 delete 4",
        "7 insert 2",
    ];
    assert_eq!(rows.iter().map(text).collect::<Vec<_>>(), expected);
}

#[test]
fn tables_that_spark_gave_features_are_loaded_and_read_by_spark() {
    let features = [
        "delta.enableChangeDataFeed = true",
        "delta.enableRowTracking = true",
        "delta.enableRowTracking = true, delta.enableChangeDataFeed = true, delta.enableInCommitTimestamps = true",
        "delta.enableDeletionVectors = true, delta.enableChangeDataFeed = true, delta.enableRowTracking = true",
        "delta.checkpointPolicy = 'v2', delta.checkpointInterval = 2",
        "delta.enableTypeWidening = true",
    ];
    let columns = "_airbyte_ab_id STRING, _airbyte_emitted_at TIMESTAMP, _airbyte_data STRING";
    for (properties, clustered) in features.map(|feature| (feature, "")).into_iter().chain([
        ("delta.appendOnly = false", "CLUSTER BY (_airbyte_data)"),
        ("delta.enableChangeDataFeed = true", "CLUSTER BY (_airbyte_ab_id, _airbyte_emitted_at, _airbyte_data)"),
    ]) {
        let (sandbox, name) = direct();
        let place = sandbox.place();
        place.sql(&format!("CREATE TABLE {name} ({columns}) USING delta {clustered} TBLPROPERTIES ({properties})"));
        sandbox.load(&append(&["users"]), records("users", 0..10));
        sandbox.load(&append(&["users"]), records("users", 10..15));
        place.sql(&format!("DELETE FROM {name} WHERE _airbyte_data = '{{\"n\":3}}'"));
        assert_eq!(number(place, &format!("SELECT count(*) FROM {name}")), 14, "{properties}");
        sandbox.load(&overwrite(&["users"]), records("users", 20..26));
        sandbox.load(&append(&["users"]), records("users", 30..33));
        let rows = place.sql(&format!("SELECT _airbyte_data FROM {name} ORDER BY _airbyte_data"));
        let expected: Vec<_> = (20..26).chain(30..33).map(|n| vec![Some(crate::messages::numbered(n))]).collect();
        assert_eq!(rows, expected, "{properties} {clustered}");
        if properties.contains("RowTracking") {
            // Ids of rows are given once, and say which version the row came with.
            let ids = place.sql(&format!("SELECT _metadata.row_id, _metadata.row_commit_version FROM {name}"));
            let ids: BTreeMap<u64, u64> = ids
                .iter()
                .map(|row| (row[0].clone().unwrap().parse().unwrap(), row[1].clone().unwrap().parse().unwrap()))
                .collect();
            assert_eq!((ids.len(), ids.keys().min() >= Some(&15)), (9, true), "{properties}: {ids:?}");
        }
        place.sql(&format!("OPTIMIZE {name}"));
        place.sql(&format!("UPDATE {name} SET _airbyte_data = '{{}}' WHERE _airbyte_data = '{{\"n\":30}}'"));
        sandbox.load(&append(&["users"]), records("users", 40..41));
        assert_eq!(number(place, &format!("SELECT count(*) FROM {name}")), 10, "{properties} {clustered}");
    }
}

#[test]
fn spark_reads_a_table_whose_damaged_checkpoint_was_gone_around() {
    let (sandbox, name) = direct();
    (0..11).for_each(|n| drop(sandbox.load(&append(&["users"]), records("users", n..n + 1))));
    let log = sandbox.table("default/users/_delta_log");
    let checkpoint = log.join(&format!("{:020}.checkpoint.parquet", 10));
    checkpoint.put(&checkpoint.get().unwrap()[..500]);
    sandbox.load(&append(&["users"]), records("users", 11..12));
    assert_eq!(number(sandbox.place(), &format!("SELECT count(*) FROM {name} WHERE _airbyte_data > '{{'")), 12);
}

#[test]
fn a_checkpoint_of_spark_whose_sidecars_are_gone_is_gone_around() {
    let (sandbox, name) = direct();
    let columns = "_airbyte_ab_id STRING, _airbyte_emitted_at TIMESTAMP, _airbyte_data STRING";
    let properties = "delta.checkpointPolicy = 'v2', delta.checkpointInterval = 2";
    sandbox.place().sql(&format!("CREATE TABLE {name} ({columns}) USING delta TBLPROPERTIES ({properties})"));
    sandbox.load(&append(&["users"]), records("users", 0..3));
    sandbox.place().sql(&format!("INSERT INTO {name} SELECT 'x', current_timestamp(), '{{\"n\":3}}'"));
    let sidecars = sandbox.table("default/users/_delta_log/_sidecars");
    assert!(!sidecars.is_empty(), "Spark wrote no sidecar");
    sidecars.delete_all();
    sandbox.load(&overwrite(&["users"]), records("users", 4..6));
    sandbox.load(&append(&["users"]), records("users", 6..7));
    let rows = sandbox.place().sql(&format!("SELECT _airbyte_data FROM {name} ORDER BY _airbyte_data"));
    assert_eq!(rows, (4..7).map(|n| vec![Some(crate::messages::numbered(n))]).collect::<Vec<_>>());
}
