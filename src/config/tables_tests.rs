//! Layouts, streams with layouts of their own, and types of columns.

use super::tests::{problems, read};
use super::*;
use crate::error::StreamDescriptor;
use crate::schema::columns::Layout;
use crate::schema::json_schema::{ColumnOptions, Nested, Number};
use serde_json::json;

fn config(name: &str, value: Value) -> Value {
    json!({"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": "/tmp/x"}, name: value})
}

#[test]
fn tables_are_raw_unless_something_else_is_asked_for() {
    let options = ColumnOptions { number: Number::Double, nested: Nested::Typed };
    let (keeps_deleted, cluster_by) = (false, ClusterBy::Nothing);
    let expected = TableSettings { layout: Layout::Raw, streams: Vec::new(), options, keeps_deleted, cluster_by };
    assert_eq!(read(config("table_layout", Value::Null)).tables, expected);
    assert_eq!(read(config("streams", json!([]))).tables, expected);
    assert_eq!(read(config("streams", Value::Null)).tables, expected);
    for (word, layout) in [("raw", Layout::Raw), (" columns ", Layout::Columns), ("classic", Layout::Classic)] {
        let tables = read(config("table_layout", json!(word))).tables;
        assert_eq!(tables.layout, layout);
        assert_eq!(layout.to_string(), word.trim());
    }
    assert_eq!(read(config("number_type", json!("decimal"))).tables.options.number, Number::Decimal);
    assert_eq!(read(config("nested", json!("json"))).tables.options.nested, Nested::Json);
}

#[test]
fn streams_have_layouts_of_their_own_by_name_and_namespace() {
    let streams = json!([
        {"name": "a", "table_layout": "columns"},
        {"name": "a", "namespace": "s", "table_layout": "classic"},
        {"name": " a", "namespace": "", "table_layout": "raw"},
    ]);
    let stream = |name: &str, namespace: Option<&str>| StreamDescriptor {
        name: name.into(),
        namespace: namespace.map(Into::into),
    };
    let expected = [
        (stream("a", None), Layout::Columns),
        (stream("a", Some("s")), Layout::Classic),
        (stream(" a", None), Layout::Raw),
    ];
    assert_eq!(read(config("streams", streams)).tables.streams, expected);
}

#[test]
fn every_problem_of_the_list_of_streams_is_told_with_its_place() {
    let streams = json!([
        {"name": "a", "table_layout": "columns"},
        {"table_layout": "colums"},
        {"name": "a", "namespace": null, "table_layout": "raw"},
        {"name": "b", "namespace": 7},
        "c",
        {"name": "a", "namespace": "s", "table_layout": "raw"},
        {"name": "", "table_layout": "raw"},
    ]);
    let told = problems(config("streams", streams));
    for part in [
        "`streams[1].name` is missing or empty",
        "`streams[1].table_layout` must be one of raw, columns, classic, not \"colums\"",
        "`streams[2].name` is a, which `streams[0]` is too",
        "`streams[3].namespace` must be a string",
        "`streams[3].table_layout` is missing: choose one of raw, columns, classic",
        "`streams[4]` must be an object in braces, not a string",
        "`streams[6].name` is missing or empty",
    ] {
        assert!(told.contains(part), "{part} is missing in: {told}");
    }
    assert!(told.starts_with("The configuration has 7 problems"), "{told}");
}

#[test]
fn a_list_that_is_none_and_words_that_are_none_are_refused() {
    for (name, value, part) in [
        ("streams", json!({"name": "a"}), "`streams` must be a list of objects in square brackets, not an object"),
        ("streams", json!("a"), "not a string"),
        ("table_layout", json!("Raw"), "`table_layout` must be one of raw, columns, classic, not \"Raw\""),
        ("table_layout", json!(7), "`table_layout` must be a string"),
        ("number_type", json!("float"), "`number_type` must be one of double, decimal"),
        ("nested", json!(true), "`nested` must be a string"),
    ] {
        let told = problems(config(name, value));
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn fields_of_a_listed_stream_that_nobody_knows_are_named_with_their_place() {
    let streams = json!([{"name": "a", "table_layout": "raw"}, {"name": "b", "table_layout": "raw", "layout": 1}]);
    assert_eq!(read(config("streams", streams)).unknown_fields, ["streams[1].layout"]);
    assert_eq!(read(config("stream", json!([{"name": "a"}]))).unknown_fields, ["stream"]);
}

#[test]
fn deleted_rows_and_clusters_are_what_the_settings_say() {
    for (word, keeps) in [("Hard delete", false), ("Soft delete", true)] {
        assert_eq!(read(config("cdc_deletion_mode", json!(word))).tables.keeps_deleted, keeps);
    }
    for (word, clusters) in [("none", ClusterBy::Nothing), ("primary_key", ClusterBy::PrimaryKey)] {
        assert_eq!(read(config("cluster_by", json!(word))).tables.cluster_by, clusters);
    }
    let said = problems(config("cdc_deletion_mode", json!("hard")));
    assert!(said.contains("Hard delete, Soft delete"), "{said}");
}
