//! SIGKILL before each step on disk of a sync that changes the columns of its table: what the next run leaves has every row once and
//! the columns of the newest schema.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::readers::{are_there, see_each, without_nulls};
use crate::lake::Location;
use crate::messages::{catalog, configured, record, state, status};
use crate::program::Sandbox;
use crate::table;
use crate::traced::{Traced, is_there, steps};

const REST: &str = "_airbyte_additional_properties";

/// What is done with the table's columns.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    /// A column and a field of a structure are new, one need not have a value any more, one becomes wider: in one commit.
    Evolves,
    /// All rows are replaced by those of other columns.
    Replaces,
}

struct Case {
    layout: &'static str,
    change: Change,
}

impl Case {
    fn sandbox(&self) -> Sandbox {
        let settings = json!({
            "table_layout": self.layout, "enable_schema_evolution": self.change == Change::Evolves,
        });
        let sandbox = Sandbox::with(settings);
        sandbox.load(&self.catalog(false), self.input(0, false));
        // What its owner does: an id is always there, and columns may become wider.
        let folder = sandbox.table("default/s");
        let mut metadata = table::read(&folder).metadata;
        let mut schema: Value = serde_json::from_str(metadata["schemaString"].as_str().unwrap()).unwrap();
        let id = schema["fields"].as_array_mut().unwrap().iter_mut().find(|field| field["name"] == "id");
        id.unwrap()["nullable"] = json!(false);
        metadata["schemaString"] = json!(schema.to_string());
        metadata["configuration"]["delta.enableTypeWidening"] = json!("true");
        let info = json!({"commitInfo": {"timestamp": 1, "operation": "ALTER"}});
        table::commit(&folder, 1).put(format!("{info}\n{}\n", json!({"metaData": metadata})));
        sandbox
    }

    fn catalog(&self, is_new: bool) -> Value {
        let (narrow, wide) = if self.layout == "columns" {
            (json!({"type": "integer"}), json!({"type": "integer", "airbyte_type": "big_integer"}))
        } else {
            (json!({"type": "number", "airbyte_type": "float"}), json!({"type": "number"}))
        };
        let (id, text) = (json!({"type": "integer"}), json!({"type": "string"}));
        let object = |properties: Value| json!({"type": "object", "properties": properties});
        let properties = match (is_new, self.change) {
            (false, _) => json!({"id": id, "w": narrow, "o": object(json!({"x": id})), "old": text}),
            (true, Change::Evolves) => {
                json!({"id": id, "w": wide, "o": object(json!({"x": id, "y": text})), "old": text, "new": text})
            }
            (true, Change::Replaces) => json!({"id": id, "w": text, "o": object(json!({"y": text})), "new": id}),
        };
        let mut stream = configured("s", if self.change == Change::Evolves { "append" } else { "overwrite" });
        stream["stream"]["json_schema"] = object(properties);
        catalog([stream])
    }

    fn data(&self, id: u64, is_new: bool) -> Value {
        match (is_new, self.change) {
            (false, _) => json!({"id": id, "w": 2, "o": {"x": 1}, "old": "o"}),
            (true, Change::Evolves) => json!({"id": id, "w": 3, "o": {"x": 1, "y": "t"}, "old": "o", "new": "n"}),
            (true, Change::Replaces) => json!({"id": id, "w": "text", "o": {"y": "t"}, "new": 5}),
        }
    }

    fn input(&self, first: u64, is_new: bool) -> String {
        let rows = ids(first).map(|id| record("s", &self.data(id, is_new).to_string()));
        rows.collect::<String>() + &state("s", first) + &status("s", "COMPLETE")
    }

    /// A row as DuckDB reads it when the table is `changed`.
    fn row(&self, id: u64, is_new: bool, is_changed: bool) -> Value {
        let mut row = self.data(id, is_new);
        // Decimal numbers are told as texts.
        if is_changed && self.change == Change::Evolves && self.layout == "columns" {
            row["w"] = json!(row["w"].to_string());
        } else if self.layout == "classic" && row["w"].is_number() {
            row["w"] = json!(row["w"].as_f64());
        }
        row
    }
}

fn ids(first: u64) -> std::ops::Range<u64> {
    first..first + 3
}

/// The rows by their ids, and the table's columns.
fn seen(test: &str, sandbox: &Sandbox) -> (BTreeMap<u64, Value>, Value) {
    let all = see_each(test, sandbox, "default/s", &[]);
    // The others know no widened columns.
    let seen = all.iter().find(|one| one["reader"] == "duckdb").unwrap();
    assert!(seen["failed"].is_null(), "{seen}");
    let mut rows = BTreeMap::new();
    for row in seen["rows"].as_array().unwrap() {
        let mut row = without_nulls(row);
        row.as_object_mut().unwrap().retain(|name, _| !name.starts_with("_airbyte_"));
        let id = row["id"].as_u64().unwrap();
        assert_eq!(rows.insert(id, row), None, "row {id} is there twice");
    }
    let metadata = table::read(&sandbox.table("default/s")).metadata;
    (rows, serde_json::from_str(metadata["schemaString"].as_str().unwrap()).unwrap())
}

/// The type of each column, and what is noted with it.
fn columns(schema: &Value) -> BTreeMap<String, Value> {
    let fields = schema["fields"].as_array().unwrap().iter();
    fields.map(|field| (field["name"].as_str().unwrap().to_owned(), field.clone())).collect()
}

fn killed_at_every_step(test: &str, change: Change) {
    if !are_there(test) || !is_there(test) {
        return;
    }
    for layout in ["columns", "classic"] {
        let case = Case { layout, change };
        let undisturbed = case.sandbox();
        undisturbed.load(&case.catalog(true), case.input(10, true));
        let newest = columns(&seen(test, &undisturbed).1);
        assert!(newest.contains_key("new") && newest.contains_key(REST), "{newest:#?}");
        let (mut killed, mut committed) = (0, BTreeSet::new());
        let all = steps("default/s", || (case.sandbox(), case.catalog(true), case.input(10, true)));
        for step in all {
            let what = format!("{layout} {change:?}, before {step:?}");
            let sandbox = case.sandbox();
            let (catalog, input) = (case.catalog(true), case.input(10, true));
            let traced = Traced { sandbox: &sandbox, table: "default/s", catalog: &catalog, input: &input };
            let run = traced.killed_before(&step);
            assert!(run.code == Some(0) || run.signal == Some(9), "{what}: {run:#?}");
            killed += usize::from(run.signal.is_some());
            let (rows, schema) = seen(test, &sandbox);
            let is_changed = columns(&schema).contains_key("new");
            committed.insert(is_changed);
            assert!(is_changed || run.states().is_empty(), "{what}: acknowledged, and not there");
            // The columns and the rows come together.
            let mut expected: BTreeMap<u64, Value> = BTreeMap::new();
            if !is_changed || change == Change::Evolves {
                expected.extend(ids(0).map(|id| (id, case.row(id, false, is_changed))));
            }
            if is_changed {
                expected.extend(ids(10).map(|id| (id, case.row(id, true, true))));
            }
            assert_eq!(rows, expected, "{what}");
            sandbox.load(&case.catalog(true), case.input(20, true));
            let (rows, schema) = seen(test, &sandbox);
            if change == Change::Replaces {
                expected.clear();
            }
            expected.extend(ids(20).map(|id| (id, case.row(id, true, true))));
            if change == Change::Evolves {
                expected.extend(ids(0).map(|id| (id, case.row(id, false, true))));
            }
            assert_eq!(rows, expected, "{what}, and the next run");
            assert_eq!(columns(&schema), newest, "{what}, and the next run");
            // Nobody knows of an empty folder whether a sync is about to begin in it, until it is old.
            let left: Vec<_> = table::staging(&sandbox.lake()).iter().flat_map(Location::objects).collect();
            assert_eq!(left, [], "{what}, and the next run");
            table::assert_tables_tidy(&sandbox.lake());
        }
        assert!(killed > 20, "{layout}: {killed} syncs were killed");
        assert_eq!(committed.len(), 2, "{layout}: none was killed before, or none behind the commit");
    }
}

#[test]
fn a_sync_that_changes_columns_and_is_killed_at_any_step_changes_all_of_them_with_its_rows_or_none() {
    let test = "a_sync_that_changes_columns_and_is_killed_at_any_step_changes_all_of_them_with_its_rows_or_none";
    killed_at_every_step(test, Change::Evolves);
}

#[test]
fn a_sync_that_replaces_rows_and_columns_and_is_killed_at_any_step_replaces_both_or_none() {
    let test = "a_sync_that_replaces_rows_and_columns_and_is_killed_at_any_step_replaces_both_or_none";
    killed_at_every_step(test, Change::Replaces);
}
