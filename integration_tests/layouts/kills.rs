//! SIGKILL before each step on disk of a sync that changes the columns of its table: what the next run leaves has every row once and
//! the columns of the newest schema.
//!
//! `strace` kills at a chosen system call of a thread, of all calls or of those about the table's folder or its log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::readers::{are_there, see_each, without_nulls};
use crate::lake::Location;
use crate::messages::{catalog, configured, record, state, status};
use crate::program::{Living, Run, Sandbox, skipped};
use crate::table;

/// The calls that change what lies on disk, or say something to whoever reads the program.
const CALLS: &str = "openat,linkat,renameat2,unlinkat,mkdirat,syncfs,fsync,fdatasync,write";
const REST: &str = "_airbyte_additional_properties";

/// Where a sync is killed: before the `nth` such call of one thread.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    /// Only calls about this folder of the table.
    about: Option<&'static str>,
    call: String,
    nth: u32,
}

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

fn strace_is_there(test: &str) -> bool {
    let works = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    let works = works.is_ok_and(|output| output.status.success());
    if !works {
        skipped(test, "strace is not there, or may not trace");
    }
    works
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

/// Runs a sync under strace with these `options`.
fn traced(sandbox: &Sandbox, case: &Case, first: u64, options: &[String]) -> Run {
    let (program, config) = (sandbox.program(), sandbox.config());
    let streams = sandbox.file(&format!("traced-{first}.json"), case.catalog(true).to_string());
    let mut command = Command::new("strace");
    command.args(["-f", "-qq"]).args(options).arg(program.get_program());
    command.arg("write").arg("--config").arg(config).arg("--catalog").arg(streams);
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut living = Living::start(&mut command);
    living.send(case.input(first, true));
    living.end()
}

/// The folder for which strace looks at calls.
fn about(sandbox: &Sandbox, folder: Option<&str>) -> Vec<String> {
    let path = |folder: &str| sandbox.path("default/s").join(folder).to_str().unwrap().trim_end_matches('/').to_owned();
    folder.map(|folder| vec!["-P".to_owned(), path(folder)]).unwrap_or_default()
}

/// Every step of such a sync, as a first run shows them: those that a thread does most often of each call.
fn steps(case: &Case) -> BTreeSet<Step> {
    let mut steps = BTreeSet::new();
    for folder in [None, Some(""), Some("_delta_log")] {
        let sandbox = case.sandbox();
        let told: PathBuf = sandbox.folder().join("told");
        let mut options = vec!["-o".to_owned(), told.to_str().unwrap().to_owned(), format!("-etrace={CALLS}")];
        options.extend(about(&sandbox, folder));
        assert_eq!(traced(&sandbox, case, 10, &options).code, Some(0));
        let mut counts: BTreeMap<(String, String), u32> = BTreeMap::new();
        for line in std::fs::read_to_string(told).unwrap().lines() {
            let Some((before, _)) = line.split_once('(') else { continue };
            let Some((process, call)) = before.split_once(' ') else { continue };
            *counts.entry((call.trim().to_owned(), process.to_owned())).or_default() += 1;
        }
        for ((call, _), count) in counts {
            // Without a folder, what is opened is libraries and settings as well.
            if folder.is_some() || call != "openat" {
                steps.extend((1..=count).map(|nth| Step { about: folder, call: call.clone(), nth }));
            }
        }
    }
    steps
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
    if !are_there(test) || !strace_is_there(test) {
        return;
    }
    for layout in ["columns", "classic"] {
        let case = Case { layout, change };
        let undisturbed = case.sandbox();
        undisturbed.load(&case.catalog(true), case.input(10, true));
        let newest = columns(&seen(test, &undisturbed).1);
        assert!(newest.contains_key("new") && newest.contains_key(REST), "{newest:#?}");
        let (mut killed, mut committed) = (0, BTreeSet::new());
        for step in steps(&case) {
            let what = format!("{layout} {change:?}, before {step:?}");
            let sandbox = case.sandbox();
            let inject = format!("-einject={}:signal=KILL:when={}", step.call, step.nth);
            let mut options = vec!["-o".to_owned(), "/dev/null".to_owned(), format!("-etrace={}", step.call), inject];
            options.extend(about(&sandbox, step.about));
            let run = traced(&sandbox, &case, 10, &options);
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
