//! Managed tables as a user gets them from six lines: the volume of each schema, COPY INTO, and which tables are loaded.

use serde_json::json;

use super::place::Place;
use super::stand_in::stand_in;
use crate::messages::{append, catalog, configured, numbered, overwrite, record, record_in, records, state, status};
use crate::program::Sandbox;

/// A sandbox whose configuration names no volume.
pub fn managed() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set(json!({"data_source": {"data_source_type": "MANAGED_TABLES_STORAGE"}}));
    sandbox
}

/// Files and folders in the volume.
pub fn staged(place: &Place) -> Vec<String> {
    staged_in(place, place.schema())
}

fn staged_in(place: &Place, schema: &str) -> Vec<String> {
    let path = format!("volumes/{}/{schema}/airbyte_staging", place.catalog());
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

/// Makes two tests of each case; that over Thrift is `$ignored`, where the transport should make no difference.
macro_rules! over_each_transport {
    ($(#[$ignored:meta])? $module:ident: $($case:ident),+ $(,)?) => {
        mod $module {
            mod over_statements {
                $(#[test]
                fn $case() {
                    crate::place::over_statements(crate::tables::$case);
                })+
            }
            mod over_thrift {
                over_each_transport!(@ $(#[$ignored])? $($case),+);
            }
        }
    };
    (@ $($case:ident),+) => {
        $(#[test]
        fn $case() {
            crate::place::over_thrift(crate::tables::$case);
        })+
    };
    (@ #[$ignored:meta] $($case:ident),+) => {
        $(#[test]
        #[ignore = "one of all combinations"]
        fn $case() {
            crate::place::over_thrift(crate::tables::$case);
        })+
    };
}

over_each_transport!(both:
    rows_are_added_and_replaced_without_a_bucket,
    streams_of_other_schemas_are_staged_in_volumes_of_their_own,
);
over_each_transport!(#[ignored] one:
    a_stream_without_records_empties_its_table,
    the_table_of_the_older_connector_goes_on,
    properties_that_are_called_as_a_readers_own_columns_keep_their_values,
    only_managed_tables_are_loaded,
);

fn properties_that_are_called_as_a_readers_own_columns_keep_their_values() {
    let mut sandbox = managed();
    let mut settings = sandbox.settings().clone();
    settings["table_layout"] = json!("columns");
    sandbox.set(settings);
    let place = sandbox.place();
    for mode in ["append", "overwrite"] {
        let mut stream = configured("users", mode);
        let properties = json!({"_rescued_data": {"type": "string"}, "_corrupt_record": {"type": "string"}});
        stream["stream"]["json_schema"] = json!({"type": "object", "properties": properties});
        let row = record("users", r#"{"_rescued_data":"r","_corrupt_record":"c"}"#);
        sandbox.load(&catalog([stream]), row + &status("users", "COMPLETE"));
        let read = place.sql(&format!("SELECT concat(_rescued_data, _corrupt_record) FROM {}", place.name("users")));
        assert_eq!(read, [[Some("rc".to_owned())]], "{mode}");
    }
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

fn streams_of_other_schemas_are_staged_in_volumes_of_their_own() {
    let sandbox = managed();
    let place = sandbox.place();
    let other = format!("{}_other", place.schema());
    for (mode, rows) in [("append", 0..3), ("append", 3..6), ("overwrite", 6..9)] {
        let mut streams = catalog([configured("users", mode), configured("users", mode)]);
        streams["streams"][1]["stream"]["namespace"] = json!(other);
        let of_other: String = rows.clone().map(|n| record_in(&other, "users", &numbered(n))).collect();
        let complete = status("users", "COMPLETE");
        let mut of_namespace: serde_json::Value = serde_json::from_str(&complete).unwrap();
        of_namespace["trace"]["stream_status"]["stream_descriptor"]["namespace"] = json!(other);
        sandbox.load(&streams, records("users", rows) + &of_other + &complete + &format!("{of_namespace}\n"));
    }
    let read = place.sql(&format!("SELECT `_airbyte_data` FROM `spark_catalog`.`{other}`.`users` ORDER BY 1"));
    let found: Vec<String> = read.into_iter().map(|row| row[0].clone().unwrap()).collect();
    assert_eq!((found, rows(place, "users")), (all(6..9), all(6..9)));
    let of_others = format!("'/Volumes/{}/{other}/airbyte_staging/", place.catalog());
    let copies =
        place.statements().into_iter().filter(|sent| sent.starts_with("COPY INTO") && sent.contains(&of_others));
    assert_eq!(copies.count(), 2);
    assert_eq!((staged(place), staged_in(place, &other)), (Vec::new(), Vec::new()), "the volumes are empty again");
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
