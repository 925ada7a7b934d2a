//! Keys in the bucket: below any bucket path, with names from the file name pattern. No other object is left or touched.

use serde_json::json;

use super::kills::{AGE, SECOND};
use super::place::Place;
use crate::messages::{append, overwrite, records};
use crate::program::Sandbox;
use crate::table;

#[test]
fn tables_lie_below_the_bucket_path_however_it_is_written() {
    for (path, folder) in [
        ("", ""),
        ("/", ""),
        ("lake", "lake"),
        ("/lake/", "lake"),
        ("//a//b/c//", "a/b/c"),
        ("with space/und_ä", "with space/und_ä"),
        ("year=2026/a+b", "year=2026/a+b"),
    ] {
        let place = Place::at("");
        let mut source = place.source();
        source["s3_bucket_path"] = json!(path);
        let sandbox = Sandbox::with(json!({"data_source": source}));
        for _ in 0..2 {
            sandbox.load(&append(&["users"]), records("users", 0..3));
            sandbox.load(&overwrite(&["pets"]), records("pets", 0..3));
        }
        let lake = place.whole_bucket().join(folder);
        assert_eq!(table::read(&lake.join("default/users")).rows.len(), 6, "{path}");
        assert_eq!(table::read(&lake.join("default/pets")).rows.len(), 3, "{path}");
        table::assert_tidy(&lake);
        assert!(sandbox.check().says("SUCCEEDED"), "{path}");
        assert_eq!(table::read(&lake.join("default/users")).rows.len(), 6, "{path}");
    }
}

#[test]
fn a_bucket_path_that_stores_resolve_differently_is_a_config_error() {
    let place = Place::at("");
    for path in ["a/../b", ".", "a%20b", "a?b", "a#b"] {
        let mut source = place.source();
        source["s3_bucket_path"] = json!(path);
        let sandbox = Sandbox::with(json!({"data_source": source}));
        let message = sandbox.write(&append(&["users"]), records("users", 0..3)).failed_with("config_error");
        assert!(message.contains("s3_bucket_path"), "{path}: {message}");
    }
}

/// The names of the files of table `users`.
fn names(pattern: &str) -> Vec<String> {
    let mut sandbox = Sandbox::new();
    let mut source = sandbox.place().source();
    source["file_name_pattern"] = json!(pattern);
    sandbox.set(json!({"data_source": source}));
    for _ in 0..2 {
        sandbox.load(&append(&["users"]), records("users", 0..3));
    }
    let table = table::read(&sandbox.table("default/users"));
    assert_eq!(table.rows.len(), 6, "{pattern}");
    table::assert_tidy(&sandbox.lake());
    table.files
}

#[test]
fn files_are_named_by_the_pattern_and_never_alike() {
    for (pattern, begins, ends) in [
        ("orders {date:yyyy}/{part_number}.{format_extension}", "orders_2", ".parquet"),
        ("{sync_id}", "0", "_0.parquet"),
        ("_hidden", "x_hidden_0_", ".parquet"),
        ("{format_extension}", "parquet_0_", ".parquet"),
    ] {
        let names = names(pattern);
        assert_eq!(names.len(), 2);
        assert_ne!(names[0], names[1]);
        for name in names {
            assert!(name.starts_with(begins) && name.ends_with(ends), "{pattern}: {name}");
        }
    }
}

#[test]
fn an_unknown_placeholder_is_a_config_error_that_lists_the_known_ones() {
    let mut sandbox = Sandbox::new();
    let mut source = sandbox.place().source();
    source["file_name_pattern"] = json!("{day}_{part_number}");
    sandbox.set(json!({"data_source": source}));
    let message = sandbox.write(&append(&["users"]), records("users", 0..3)).failed_with("config_error");
    assert!(
        message.contains("{day}") && message.contains("{date:yyyy_MM}") && message.contains("{sync_id}"),
        "{message}"
    );
}

#[test]
fn objects_of_others_in_the_bucket_are_not_touched() {
    let sandbox = Sandbox::new();
    let other = sandbox.place().whole_bucket().join("photos/2026/cat.jpg");
    let near = sandbox.lake().join("default/notes.txt");
    for object in [&other, &near] {
        object.put("mine");
    }
    sandbox.load(&overwrite(&["users"]), records("users", 0..3));
    assert!(sandbox.check().says("SUCCEEDED"));
    sandbox.load(&append(&["pets"]), records("pets", 0..3));
    for object in [&other, &near] {
        assert_eq!(object.text(), "mine", "{object}");
    }
}

#[test]
fn what_a_user_keeps_is_a_delta_table_below_the_sync() {
    let mut sandbox = Sandbox::with(json!({"purge_staging_data": false}));
    sandbox.load(&append(&["users"]), records("users", 0..3));
    let kept = table::staging(&sandbox.lake());
    assert_eq!(kept.len(), 1);
    assert_eq!(table::data(&kept[0].join("default/users")).len(), 3);
    let files = kept[0].objects();
    sandbox.set(json!({}));
    // What has no lease counts as dead when it is old.
    sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &AGE.as_millis().to_string());
    std::thread::sleep(AGE + SECOND);
    sandbox.load(&append(&["users"]), records("users", 3..5));
    assert_eq!((table::staging(&sandbox.lake()), kept[0].objects()), (kept, files));
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 5);
    table::assert_tables_tidy(&sandbox.lake());
}
