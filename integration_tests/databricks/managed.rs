//! Managed tables: files in a volume, COPY INTO, and nothing in the bucket.

use serde_json::{Value, json};

use super::place::{Place, Transport, transport};
use super::stand_in::stand_in;
use crate::messages::{append, numbered, overwrite, records, state, status};
use crate::program::Sandbox;

over_both!(
    rows_are_added_and_replaced_without_a_bucket,
    a_lost_answer_doubles_nothing,
    a_stream_without_records_empties_its_table,
    the_table_of_the_older_connector_goes_on,
    only_managed_tables_are_loaded,
    a_check_passes_and_leaves_only_the_volume,
    rights_that_are_missing_are_named_with_their_grants,
);

/// A sandbox with managed tables.
fn managed() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set(json!({"data_source": {"data_source_type": "MANAGED_TABLES_STORAGE"}, "database": catalog()}));
    sandbox
}

fn catalog() -> &'static str {
    match transport() {
        Transport::Statements => "main",
        Transport::Thrift => "spark_catalog",
    }
}

/// Files and folders in the volume.
fn staged(place: &Place) -> Vec<String> {
    let path = format!("volumes/{}/{}/airbyte_staging", catalog(), place.schema());
    serde_json::from_value(stand_in().control("GET", &path, &json!({}))["paths"].take()).unwrap()
}

fn all(range: std::ops::Range<u64>) -> Vec<String> {
    let mut data: Vec<String> = range.map(numbered).collect();
    data.sort();
    data
}

/// The data of a table, sorted.
fn rows(place: &Place, table: &str) -> Vec<String> {
    let read = place.sql(&format!("SELECT `_airbyte_data` FROM {} ORDER BY 1", place.name(table)));
    read.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

fn rows_are_added_and_replaced_without_a_bucket() {
    let sandbox = managed();
    let place = sandbox.place();
    let input = format!("{}{}", records("users", 0..20), state("users", 1));
    sandbox.load(&append(&["users"]), input);
    let input = format!("{}{}", records("users", 20..30), state("users", 2));
    sandbox.load(&append(&["users"]), input);
    assert_eq!(rows(place, "users"), all(0..30));
    let copies = place.statements().iter().filter(|sent| sent.starts_with("COPY INTO")).count();
    assert_eq!(copies, 2, "{:#?}", place.statements());
    let input = format!("{}{}{}", records("users", 5..9), state("users", 3), status("users", "COMPLETE"));
    sandbox.load(&overwrite(&["users"]), input);
    assert_eq!(rows(place, "users"), all(5..9));
    assert_eq!(place.lake().objects(), [], "the bucket stays empty");
    assert_eq!(staged(place), Vec::<String>::new(), "the volume is empty again");
    assert_eq!(place.tables(), ["users"]);
}

fn a_lost_answer_doubles_nothing() {
    for begins in ["before", "between", "after"] {
        let sandbox = managed();
        let place = sandbox.place();
        place.goes_wrong(
            json!([{"action": "double", "on": "submit", "statement": "^COPY INTO", "times": 1, "value": begins}]),
        );
        let input = format!("{}{}", records("users", 0..20), state("users", 1));
        sandbox.load(&append(&["users"]), input);
        assert_eq!(rows(place, "users"), all(0..20), "{begins}");
        assert!(place.statements().iter().any(|sent| sent.contains("destination-databricks.fence")), "{begins}");
        assert_eq!(staged(place), Vec::<String>::new(), "{begins}");
    }
}

fn a_stream_without_records_empties_its_table() {
    let sandbox = managed();
    let place = sandbox.place();
    sandbox.load(&append(&["users"]), records("users", 0..3) + &state("users", 1));
    sandbox.load(&overwrite(&["users"]), status("users", "COMPLETE"));
    assert_eq!(rows(place, "users"), Vec::<String>::new());
    assert_eq!(staged(place), Vec::<String>::new());
}

fn the_table_of_the_older_connector_goes_on() {
    let sandbox = managed();
    let place = sandbox.place();
    let table = place.name("_airbyte_raw_users");
    place.sql(&format!("CREATE SCHEMA IF NOT EXISTS `spark_catalog`.`{}`", place.schema()));
    place.sql(&format!(
        "CREATE TABLE {table} (`_airbyte_ab_id` STRING, `_airbyte_data` STRING, `_airbyte_emitted_at` TIMESTAMP) USING delta"
    ));
    sandbox.load(&append(&["users"]), records("users", 0..3) + &state("users", 1));
    assert_eq!(rows(place, "_airbyte_raw_users"), all(0..3));
    assert_eq!(place.tables(), ["_airbyte_raw_users"]);
}

fn only_managed_tables_are_loaded() {
    let sandbox = managed();
    let place = sandbox.place();
    place.sql(&format!("CREATE SCHEMA IF NOT EXISTS `spark_catalog`.`{}`", place.schema()));
    place.sql(&format!("CREATE VIEW {} AS SELECT 1 AS a", place.name("users")));
    let run = sandbox.write(&append(&["users"]), records("users", 0..3));
    let failed = run.failed_with("config_error");
    assert!(failed.contains("is a view"), "{failed}");
    place.sql(&format!("DROP VIEW {}", place.name("users")));
    let location = place.location("default/users");
    place.sql(&format!("CREATE TABLE {} (a INT) USING delta LOCATION '{location}'", place.name("users")));
    let run = sandbox.write(&append(&["users"]), records("users", 0..3));
    let failed = run.failed_with("config_error");
    assert!(failed.contains("has a LOCATION of its own"), "{failed}");
}

fn connection_status(sandbox: &Sandbox) -> Value {
    let run = sandbox.check();
    let answer = run.messages().into_iter().find(|message| message["type"] == "CONNECTION_STATUS");
    answer.unwrap_or_else(|| panic!("{run:#?}"))["connectionStatus"].clone()
}

fn a_check_passes_and_leaves_only_the_volume() {
    let sandbox = managed();
    let place = sandbox.place();
    let status = connection_status(&sandbox);
    assert_eq!(status["status"], "SUCCEEDED", "{status}");
    assert_eq!((place.tables(), staged(place)), (Vec::new(), Vec::new()));
}

fn rights_that_are_missing_are_named_with_their_grants() {
    for (privilege, grant) in [
        ("CREATE VOLUME", "GRANT CREATE VOLUME ON SCHEMA"),
        ("READ VOLUME", "GRANT READ VOLUME ON VOLUME"),
        ("WRITE VOLUME", "GRANT WRITE VOLUME ON VOLUME"),
        ("CREATE TABLE", "GRANT CREATE TABLE ON SCHEMA"),
        ("MODIFY", "GRANT MODIFY ON TABLE"),
        ("SELECT", "GRANT SELECT ON TABLE"),
    ] {
        let mut sandbox = managed();
        sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "2000");
        sandbox.set_environment("DESTINATION_DATABRICKS_DATABRICKS_RETRY_MS", "2000");
        sandbox.place().set(json!({"lacks": [privilege]}));
        let status = connection_status(&sandbox);
        let message = status["message"].as_str().unwrap_or_default();
        assert!(status["status"] == "FAILED" && message.contains(grant), "{privilege}: {status}");
        assert_eq!(sandbox.place().tables(), Vec::<String>::new(), "{privilege}");
    }
}
