//! Which streams get which layout, and wrong settings.

use serde_json::{Value, json};

use super::readers::{are_there, see};
use crate::messages::{catalog, configured, record, record_in};
use crate::program::Sandbox;

/// A configured stream that appends, with this JSON schema.
fn stream(name: &str, namespace: Option<&str>, json_schema: Value) -> Value {
    let mut stream = configured(name, "append");
    stream["stream"]["json_schema"] = json_schema;
    stream["stream"]["namespace"] = json!(namespace);
    stream
}

fn integers(names: &[&str]) -> Value {
    let properties: serde_json::Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), json!({"type": "integer"}))).collect();
    json!({"type": "object", "properties": properties})
}

#[test]
fn single_streams_have_other_layouts_and_one_that_is_not_there_is_a_warning() {
    let test = "single_streams_have_other_layouts_and_one_that_is_not_there_is_a_warning";
    if !are_there(test) {
        return;
    }
    let sandbox = Sandbox::with(json!({"table_layout": "columns", "streams": [
        {"name": "a", "table_layout": "raw"},
        {"name": "a", "namespace": "s", "table_layout": "classic"},
        {"name": "c", "table_layout": "raw"},
    ]}));
    let streams = [("a", None), ("a", Some("s")), ("b", None), ("c", Some("s"))];
    let catalog = catalog(streams.map(|(name, namespace)| stream(name, namespace, integers(&["n"]))));
    let data = r#"{"n":1}"#;
    let input = record("a", data) + &record_in("s", "a", data) + &record("b", data) + &record_in("s", "c", data);
    let run = sandbox.load(&catalog, input);
    let warnings = run.logs("WARN");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("the catalog does not have: c.") && warnings[0].contains("has s.c"), "{warnings:?}");
    let (id, time, meta) = ("_airbyte_ab_id", "_airbyte_emitted_at", "_airbyte_meta");
    let rest = "_airbyte_additional_properties";
    for (table, columns) in [
        ("default/a", vec![id, time, "_airbyte_data"]),
        ("s/a", vec![id, time, "n", rest]),
        ("default/b", vec![id, time, meta, "n", rest]),
        ("s/c", vec![id, time, meta, "n", rest]),
    ] {
        let seen = see(test, &sandbox, table);
        assert_eq!(seen.columns, columns, "{table}");
        assert_eq!(seen.rows.len(), 1, "{table}");
    }
}

#[test]
fn wrong_settings_are_told_together_and_nothing_is_written() {
    let sandbox =
        Sandbox::with(json!({"table_layout": "wide", "number_type": "float", "nested": "struct", "streams": [
            {"name": "a", "table_layout": "raw"}, {"name": "a", "table_layout": "columns"}, {"name": "b"},
        ]}));
    let run = sandbox.write(&catalog([stream("a", None, integers(&["n"]))]), record("a", "{}"));
    let said = run.failed_with("config_error");
    for part in ["`table_layout`", "`number_type`", "`nested`", "`streams[1].name` is a", "`streams[2].table_layout`"] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
    assert!(sandbox.lake().is_empty());
}

#[test]
fn schemas_that_make_no_table_are_told_together_with_their_streams_before_the_first_record() {
    let sandbox =
        Sandbox::with(json!({"table_layout": "classic", "streams": [{"name": "raw", "table_layout": "raw"}]}));
    let collide = integers(&["a", "A"]);
    let streams = [
        stream("one", None, collide.clone()),
        stream("two", Some("s"), integers(&["é", "e"])),
        stream("fine", None, integers(&["a"])),
        stream("raw", None, collide),
    ];
    let run = sandbox.write(&catalog(streams), record("one", "{}"));
    let said = run.failed_with("config_error");
    assert_eq!(said.lines().count(), 2, "{said}");
    for part in ["Stream one with `table_layout` classic", "Stream s.two with `table_layout` classic"] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
    assert!(sandbox.lake().is_empty());
}

#[test]
fn a_check_is_the_same_whatever_the_layout() {
    for layout in ["raw", "columns", "classic"] {
        let sandbox = Sandbox::with(json!({"table_layout": layout}));
        let run = sandbox.check();
        assert_eq!(run.messages()[run.messages().len() - 1]["connectionStatus"]["status"], "SUCCEEDED", "{run:#?}");
        assert!(sandbox.lake().is_empty(), "{layout}");
    }
}

#[test]
fn types_that_no_table_has_are_a_warning() {
    let sandbox = Sandbox::with(json!({"table_layout": "classic", "number_type": "decimal", "nested": "json"}));
    let run = sandbox.load(&catalog([stream("a", None, integers(&["n"]))]), record("a", "{}"));
    assert!(run.logs("WARN").iter().any(|line| line.contains("`number_type` and `nested` has no effect")), "{run:#?}");
}
