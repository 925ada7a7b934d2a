//! Managed tables as a user gets them from six lines: the volume of each schema, COPY INTO, and which tables are loaded.

use serde_json::json;

use super::place::Place;
use super::stand_in::stand_in;
use crate::messages::{append, numbered, overwrite, records, state, status};
use crate::program::Sandbox;

/// A sandbox whose configuration names no volume.
pub fn managed() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set(json!({"data_source": {"data_source_type": "MANAGED_TABLES_STORAGE"}}));
    sandbox
}

/// Files and folders in the volume.
pub fn staged(place: &Place) -> Vec<String> {
    let path = format!("volumes/{}/{}/airbyte_staging", place.catalog(), place.schema());
    serde_json::from_value(stand_in().control("GET", &path, &json!({}))["paths"].take()).unwrap()
}

pub fn all(range: std::ops::Range<u64>) -> Vec<String> {
    let mut data: Vec<String> = range.map(numbered).collect();
    data.sort();
    data
}

/// The data of a table, sorted.
pub fn rows(place: &Place, table: &str) -> Vec<String> {
    let read = place.sql(&format!("SELECT `_airbyte_data` FROM {} ORDER BY 1", place.name(table)));
    read.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

/// Makes two tests of each case.
macro_rules! over_each_transport {
    ($($case:ident),+ $(,)?) => {
        mod over_statements {
            $(#[test]
            fn $case() {
                crate::place::over_statements(super::$case);
            })+
        }
        mod over_thrift {
            $(#[test]
            fn $case() {
                crate::place::over_thrift(super::$case);
            })+
        }
    };
}

over_each_transport!(
    rows_are_added_and_replaced_without_a_bucket,
    a_stream_without_records_empties_its_table,
    the_table_of_the_older_connector_goes_on,
    only_managed_tables_are_loaded,
);

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
    assert_eq!(staged(place), Vec::<String>::new(), "the volume is empty again");
    assert_eq!(place.tables(), ["users"]);
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
    let location = format!("file:{}/users", sandbox.folder().display());
    place.sql(&format!("CREATE TABLE {} (a INT) USING delta LOCATION '{location}'", place.name("users")));
    let run = sandbox.write(&append(&["users"]), records("users", 0..3));
    let failed = run.failed_with("config_error");
    assert!(failed.contains("has a LOCATION of its own"), "{failed}");
}
