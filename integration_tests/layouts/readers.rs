//! What the readers of Delta tables see: the Python packages deltalake, Polars and DuckDB, and pyarrow, which reads the files.
//!
//! One Python reads the tables of all tests, because its packages take seconds to load.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::{Map, Value, json};

use crate::program::{Sandbox, skipped};
use crate::python::has;
use crate::table;

const SCRIPT: &str = include_str!("../layouts.py");

/// A table as all readers see it.
#[derive(Debug)]
pub struct Seen {
    /// The names of the columns, in their order.
    pub columns: Vec<String>,
    /// The rows, in the order in which they were loaded.
    pub rows: Vec<Value>,
}

/// Whether the readers are there.
pub fn are_there(test: &str) -> bool {
    static ARE_THERE: OnceLock<bool> = OnceLock::new();
    let are_there = *ARE_THERE.get_or_init(|| has(test, "deltalake") && has(test, "duckdb_extension_delta"));
    if !are_there {
        skipped(test, "its readers are not there");
    }
    are_there
}

/// What all readers see of the table `schema_and_name`; a failed test where they do not see the same.
pub fn see(test: &str, sandbox: &Sandbox, schema_and_name: &str) -> Seen {
    let files = table::read(&sandbox.table(schema_and_name)).files;
    let seen: Vec<Value> = see_each(test, sandbox, schema_and_name, &files)
        .into_iter()
        // Polars looks for `a%20b` where the folder is `a b`.
        .filter(|one| one["reader"] != "polars" || !schema_and_name.contains(' '))
        .inspect(|one| assert!(one["failed"].is_null(), "{schema_and_name}: {} says {}", one["reader"], one["failed"]))
        .collect();
    let first = seen[0].clone();
    for other in &seen[1..] {
        let (one, other_name) = (&first["reader"], &other["reader"]);
        // A file has the columns of its time.
        let is_of_files = other_name == "pyarrow";
        if !is_of_files {
            assert_eq!(first["columns"], other["columns"], "columns of {schema_and_name}: {one} and {other_name}");
        }
        let rows = |seen: &Value| {
            let rows = seen["rows"].as_array().unwrap().clone();
            if is_of_files { rows.iter().map(without_nulls).collect() } else { rows }
        };
        for (at, (left, right)) in rows(&first).iter().zip(&rows(other)).enumerate() {
            assert_eq!(left, right, "row {at} of {schema_and_name}: {one} and {other_name}");
        }
        assert_eq!(rows(&first).len(), rows(other).len(), "rows of {schema_and_name}: {one} and {other_name}");
    }
    let columns = serde_json::from_value(first["columns"].clone()).unwrap();
    Seen { columns, rows: serde_json::from_value(first["rows"].clone()).unwrap() }
}

/// A value without the fields that are NULL.
pub fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let present = fields.iter().filter(|(_, value)| !value.is_null());
            present.map(|(name, value)| (name.clone(), without_nulls(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// What each reader sees of the table `schema_and_name`, or fails with; pyarrow sees its `files`, and nothing without any.
pub fn see_each(test: &str, sandbox: &Sandbox, schema_and_name: &str, files: &[String]) -> Vec<Value> {
    let (address, store) = sandbox.place().for_readers(schema_and_name);
    let files: Vec<String> = files.iter().map(|file| format!("{address}/{file}")).collect();
    let mut seen = Readers::ask(&json!([address, files, store]));
    seen.retain(|one| {
        if let Some(why) = one["missing"].as_str() {
            skipped(test, &format!("{} reads nothing: {why}", one["reader"]));
        }
        one["missing"].is_null()
    });
    seen
}

/// The Python that reads; it ends with this process, which closes its stdin.
struct Readers {
    _python: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Readers {
    fn ask(table: &Value) -> Vec<Value> {
        static READERS: Mutex<Option<Readers>> = Mutex::new(None);
        let mut readers = READERS.lock().unwrap_or_else(PoisonError::into_inner);
        let mut asked = readers.take().unwrap_or_else(Self::start);
        asked.questions.write_all(format!("{table}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        asked.answers.read_line(&mut answer).unwrap();
        assert!(!answer.is_empty(), "the readers' process ended at table {table}");
        *readers = Some(asked);
        serde_json::from_str(&answer).unwrap()
    }

    fn start() -> Self {
        let python = std::env::var("TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let mut command = Command::new(python);
        let mut python =
            command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a Python");
        let (questions, answers) = (python.stdin.take().unwrap(), BufReader::new(python.stdout.take().unwrap()));
        Self { _python: python, questions, answers }
    }
}
