//! Tables that are in the catalog and not where this program puts new ones: they are loaded where they lie.

use super::place::Place;
use crate::messages::{append, numbered, overwrite, records, state, status};
use crate::program::Sandbox;

over_one!(in_ci = thrift: a_managed_raw_table_of_the_older_connector_is_loaded_on, an_external_table_in_another_folder_is_loaded_on,);

/// The raw table of connector 1.1.x in its managed mode.
const RAW: &str = "_airbyte_ab_id STRING, _airbyte_data STRING, _airbyte_emitted_at TIMESTAMP";

fn data(place: &Place) -> Vec<String> {
    let rows = place.sql(&format!("SELECT _airbyte_data FROM {}", place.name("users")));
    let mut data: Vec<String> = rows.into_iter().map(|row| row[0].clone().unwrap()).collect();
    data.sort();
    data
}

fn sorted(mut data: Vec<String>) -> Vec<String> {
    data.sort();
    data
}

/// Makes the table with one row, adds rows to it and then replaces all of them. Nothing of it comes into the folder of new tables.
fn is_loaded_on(clause: impl FnOnce(&Place) -> String) {
    let sandbox = Sandbox::new();
    let place = sandbox.place();
    let name = place.name("users");
    place.sql(&format!("CREATE SCHEMA `spark_catalog`.`{}`", place.schema()));
    place.sql(&format!("CREATE TABLE {name} ({RAW}) USING delta {}", clause(place)));
    place.sql(&format!("INSERT INTO {name} VALUES ('a', '{{\"old\":1}}', TIMESTAMP '2023-01-01T00:00:00Z')"));
    let run = sandbox.load(&append(&["users"]), records("users", 0..10) + &state("users", 1));
    assert_eq!(run.states().len(), 1);
    let mut expected: Vec<String> = (0..10).map(numbered).collect();
    expected.push("{\"old\":1}".into());
    assert_eq!(data(place), sorted(expected));
    sandbox.load(&overwrite(&["users"]), records("users", 10..15) + &status("users", "COMPLETE"));
    assert_eq!(data(place), sorted((10..15).map(numbered).collect()));
    assert!(place.table("default/users").objects().is_empty(), "nothing is where a new table would be");
}

fn a_managed_raw_table_of_the_older_connector_is_loaded_on() {
    is_loaded_on(|_| String::new());
}

fn an_external_table_in_another_folder_is_loaded_on() {
    is_loaded_on(|place| format!("LOCATION '{}'", place.location("Public/Users")));
}
