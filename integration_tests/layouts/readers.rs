//! What the readers of Delta tables see: the Python packages deltalake, Polars and DuckDB, and pyarrow, which reads the files.

use serde_json::Value;

use crate::other_readers::{has, python};
use crate::program::{Sandbox, skipped};
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
    has(test, "deltalake") && has(test, "duckdb_extension_delta")
}

/// What all readers see of the table `schema_and_name`; a failed test where they do not see the same.
pub fn see(test: &str, sandbox: &Sandbox, schema_and_name: &str) -> Seen {
    let folder = sandbox.path(schema_and_name);
    let files = table::read(&sandbox.table(schema_and_name)).files;
    let arguments: Vec<_> = std::iter::once(folder.clone()).chain(files.iter().map(|file| folder.join(file))).collect();
    let output = python(SCRIPT, &arguments).unwrap();
    assert!(output.status.success(), "{schema_and_name}: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut seen: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    seen.retain(|one| {
        if let Some(why) = one["missing"].as_str() {
            skipped(test, &format!("{} reads nothing: {why}", one["reader"]));
        }
        one["missing"].is_null()
    });
    let first = seen[0].clone();
    for other in &seen[1..] {
        let (one, other_name) = (&first["reader"], &other["reader"]);
        assert_eq!(first["columns"], other["columns"], "columns of {schema_and_name}: {one} and {other_name}");
        let rows = |seen: &Value| seen["rows"].as_array().unwrap().clone();
        for (at, (left, right)) in rows(&first).iter().zip(&rows(other)).enumerate() {
            assert_eq!(left, right, "row {at} of {schema_and_name}: {one} and {other_name}");
        }
        assert_eq!(rows(&first).len(), rows(other).len(), "rows of {schema_and_name}: {one} and {other_name}");
    }
    let columns = serde_json::from_value(first["columns"].clone()).unwrap();
    Seen { columns, rows: serde_json::from_value(first["rows"].clone()).unwrap() }
}
