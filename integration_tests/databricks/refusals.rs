//! Existing tables that cannot be loaded: an error before the first record says what was found and what to do; nothing is
//! changed.

use super::bucket::PATH_SETTING as PATH;
use super::place::Place;
use crate::messages::{append, records, state};
use crate::program::Sandbox;

over_one!(
    in_ci = thrift:
    a_table_with_other_columns_is_refused,
    a_table_of_another_format_is_refused,
    a_view_is_refused,
    a_folder_with_other_files_is_refused,
    a_table_whose_files_are_gone_is_refused,
    a_folder_in_another_tables_folder_is_refused_by_the_server,
);
once!(a_sync_that_is_refused_has_loaded_no_other_stream_either,);

const RAW: &str = "_airbyte_ab_id STRING, _airbyte_emitted_at TIMESTAMP, _airbyte_data STRING";

/// Makes what stands in the way with `make`; the message with which a sync refuses it before it has read anything.
fn refusal(make: impl FnOnce(&Place)) -> String {
    let sandbox = Sandbox::new();
    let place = sandbox.place();
    place.sql(&format!("CREATE SCHEMA `spark_catalog`.`{}`", place.schema()));
    make(place);
    let before = place.bucket().whole_bucket().objects();
    // The input stays open: what is refused is refused without it.
    let living = sandbox.start(&append(&["other", "users"]));
    let run = living.wait();
    let message = run.failed_with("config_error");
    assert_eq!(run.error()["stream_descriptor"]["name"], "users", "{message}");
    let changes = |text: &String| !["SHOW", "DESCRIBE", "SELECT"].iter().any(|kind| text.starts_with(kind));
    let changed: Vec<String> = place.statements().into_iter().filter(changes).collect();
    assert_eq!(changed, Vec::<String>::new());
    assert_eq!(place.bucket().whole_bucket().objects(), before);
    message
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
}

fn a_table_with_other_columns_is_refused() {
    let message = refusal(|place| {
        let (name, location) = (place.name("users"), place.location("default/users"));
        place.sql(&format!("CREATE TABLE {name} (id BIGINT, name STRING) USING delta LOCATION '{location}'"));
    });
    assert_says(&message, &["`users`", "id bigint", "name string", "_airbyte_ab_id", "ename"]);
}

fn a_table_of_another_format_is_refused() {
    let message = refusal(|place| {
        let (name, location) = (place.name("users"), place.location("default/users"));
        place.sql(&format!("CREATE TABLE {name} ({RAW}) USING parquet LOCATION '{location}'"));
    });
    assert_says(&message, &["`users`", "parquet", "delta"]);
}

fn a_view_is_refused() {
    let message = refusal(|place| {
        place.sql(&format!("CREATE VIEW {} AS SELECT 1 AS a", place.name("users")));
    });
    assert_says(&message, &["`users`", "view"]);
}

fn a_folder_with_other_files_is_refused() {
    let message = refusal(|place| {
        place.table("default/users/notes.txt").put("not a table");
    });
    assert_says(&message, &["users", "Move them away"]);
}

fn a_table_whose_files_are_gone_is_refused() {
    let message = refusal(|place| {
        let (name, location) = (place.name("users"), place.location("default/users"));
        place.sql(&format!("CREATE TABLE {name} ({RAW}) USING delta LOCATION '{location}'"));
        place.table("default/users").delete_all();
    });
    assert_says(&message, &["its files are gone", "DROP TABLE"]);
}

fn a_sync_that_is_refused_has_loaded_no_other_stream_either() {
    let sandbox = Sandbox::new();
    let place = sandbox.place();
    place.sql(&format!("CREATE SCHEMA `spark_catalog`.`{}`", place.schema()));
    place.sql(&format!("CREATE VIEW {} AS SELECT 1 AS a", place.name("users")));
    let run = sandbox.write(&append(&["other", "users"]), records("other", 0..3) + &state("other", 3));
    assert!(run.failed_with("config_error").contains("view"));
    assert!(run.states().is_empty());
    assert_eq!(place.tables(), ["users"]);
    assert_eq!(place.lake().objects(), []);
}

fn a_folder_in_another_tables_folder_is_refused_by_the_server() {
    let sandbox = Sandbox::new();
    let place = sandbox.place();
    place.sql(&format!("CREATE SCHEMA `spark_catalog`.`{}`", place.schema()));
    let inner = place.location("default/users/inner");
    place.sql(&format!("CREATE TABLE {} ({RAW}) USING delta LOCATION '{inner}'", place.name("other")));
    place.table("default/users").delete_all();
    let run = sandbox.write(&append(&["users"]), records("users", 0..3) + &state("users", 3));
    assert_says(&run.failed_with("config_error"), &["overlaps", PATH]);
    assert!(run.states().is_empty());
}
