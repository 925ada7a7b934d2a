//! Descriptions as Databricks and as open-source Spark give them.

use super::*;

fn rows(columns: &[&str], rows: &[&[&str]]) -> QueryResult {
    QueryResult {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        rows: rows.iter().map(|row| row.iter().map(|value| Some((*value).to_owned())).collect()).collect(),
    }
}

#[test]
fn a_description_of_databricks_is_read() {
    let answer = rows(
        &["col_name", "data_type", "comment"],
        &[
            &["_airbyte_ab_id", "string", ""],
            &["_airbyte_emitted_at", "timestamp", ""],
            &["_airbyte_data", "string", ""],
            &["", "", ""],
            &["# Delta Statistics Columns", "", ""],
            &["Column Names", "_airbyte_ab_id, _airbyte_data", ""],
            &["Column Selection Method", "first-32", ""],
            &["", "", ""],
            &["# Detailed Table Information", "", ""],
            &["Catalog", "hive_metastore", ""],
            &["Database", "shop", ""],
            &["Table", "orders", ""],
            &["Type", "EXTERNAL", ""],
            &["Comment", "Created from stream orders", ""],
            &["Location", "s3://lake/raw/shop/orders", ""],
            &["Provider", "delta", ""],
            &["Table Properties", "[airbyte.destinationSyncMode=append]", ""],
        ],
    );
    let found = Description::read(&answer);
    let names: Vec<_> = found.columns.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
    assert_eq!(
        names,
        [("_airbyte_ab_id", "string"), ("_airbyte_emitted_at", "timestamp"), ("_airbyte_data", "string")]
    );
    assert_eq!(found.kind.as_deref(), Some("EXTERNAL"));
    assert_eq!(found.provider.as_deref(), Some("delta"));
    assert_eq!(found.location.as_deref(), Some("s3://lake/raw/shop/orders"));
    assert!(!found.partitioned);
}

#[test]
fn partitions_are_seen_and_clusters_are_none() {
    let with = |section: &str| {
        let section = format!("# {section}");
        let answer = rows(&[], &[&["a", "int"], &[&section, ""], &["# col_name", "data_type"], &["a", "int"]]);
        Description::read(&answer).partitioned
    };
    assert!(with("Partition Information"));
    assert!(with("Partitioning"));
    assert!(!with("Clustering Information"));
    let none = rows(&[], &[&["a", "int"], &["# Partitioning", ""], &["Not partitioned", ""]]);
    assert!(!Description::read(&none).partitioned);
}

#[test]
fn row_filters_and_masks_are_seen_however_they_are_told() {
    let read = |lines: &[&[&str]]| {
        let columns: &[&[&str]] = &[&["a", "int"], &["row filter", "string"], &["", ""]];
        Description::read(&rows(&[], &[columns, lines].concat()))
    };
    for filtered in [
        &[&["# Row Filter", ""][..], &["Function", "main.shop.own"]][..],
        &[&["# Detailed Table Information", ""], &["Row Filter", "main.shop.own ON (a)"]],
    ] {
        assert!(read(filtered).filtered, "{filtered:?}");
    }
    let masked =
        read(&[&["# Column Masks", ""], &["# col_name", "mask"], &["A", "main.shop.hide"], &["", ""], &["x", ""]]);
    assert_eq!((masked.masked, masked.filtered), (vec!["a".to_owned()], false));
    let plain = read(&[&["# Detailed Table Information", ""], &["Type", "EXTERNAL"]]);
    assert!(!plain.filtered && plain.masked.is_empty());
}

#[test]
fn names_are_found_whatever_the_columns_are_called() {
    let spark = rows(&["namespace", "tableName", "isTemporary"], &[&["s", "Orders", "false"], &["", "v", "true"]]);
    assert_eq!(names(&spark, "tableName", 1), HashSet::from(["orders".to_owned()]));
    let databricks = rows(&["databaseName"], &[&["shop"], &["`2024`"]]);
    assert_eq!(names(&databricks, "namespace", 0), HashSet::from(["shop".to_owned(), "2024".to_owned()]));
}

#[test]
fn numbers_are_read_or_missed() {
    let merged = rows(
        &["num_affected_rows", "num_updated_rows", "num_deleted_rows", "num_inserted_rows"],
        &[&["5", "0", "0", "4"]],
    );
    assert_eq!(inserted(&merged), Some(4));
    assert_eq!(inserted(&rows(&["num_affected_rows"], &[&["4"]])), None);
    assert_eq!(number(&rows(&["rows"], &[&["12"]])).ok(), Some(12));
    for wrong in [rows(&["rows"], &[]), rows(&["rows"], &[&["many"]]), rows(&["rows"], &[&["-1"]])] {
        assert!(number(&wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_table_that_says_by_which_key_it_was_loaded_is_known_by_its_description() {
    let is_keyed = |line: [&str; 2]| {
        Description::read(&rows(&[], &[&["a", "int"], &["# Detailed Table Information", ""], &line])).is_keyed
    };
    assert!(is_keyed(["Table Properties", r#"[a=b,destination-databricks.primaryKey=[["id"]],c=d]"#]));
    assert!(!is_keyed(["Table Properties", "[airbyte.destinationSyncMode=append_dedup]"]));
    assert!(!is_keyed(["Comment", "destination-databricks.primaryKey"]));
}

#[test]
fn what_a_merge_has_changed_is_more_than_what_it_has_inserted() {
    let columns = ["num_affected_rows", "num_updated_rows", "num_deleted_rows", "num_inserted_rows"];
    let answer = rows(&columns, &[&["6", "1", "2", "3"]]);
    assert_eq!((affected(&answer), inserted(&answer)), (Some(6), Some(3)));
    assert_eq!(affected(&rows(&["num_inserted_rows"], &[&["3"]])), None);
}
