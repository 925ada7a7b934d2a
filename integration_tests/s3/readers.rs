//! Other Delta readers open the tables in the bucket: the Python packages `deltalake` and `duckdb`.

use std::process::{Command, Output};

use serde_json::{Value, json};

use super::server::{ROOT, server};
use crate::messages::{append, overwrite, padded, record, records};
use crate::program::{Sandbox, skipped};
use crate::recorded::shared_data;
use crate::table::{self, Row};

/// Prints the rows of the table `sys.argv[1]` as JSON lines: id, microseconds, data.
const WITH_DELTALAKE: &str = r#"
import json, os, sys
from deltalake import DeltaTable
endpoint, region, key, secret = sys.argv[2:6]
options = {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_REGION": region, "AWS_ACCESS_KEY_ID": key,
           "AWS_SECRET_ACCESS_KEY": secret}
rows = DeltaTable(sys.argv[1], storage_options=options).to_pyarrow_table().to_pydict()
for id, at, data in zip(rows["_airbyte_ab_id"], rows["_airbyte_emitted_at"], rows["_airbyte_data"]):
    seconds = int(at.replace(microsecond=0).timestamp())
    print(json.dumps([id, seconds * 1000000 + at.microsecond, data]))
# Threads of the packages sometimes abort an interpreter that ends in order.
sys.stdout.flush()
os._exit(0)
"#;

/// The same through DuckDB, whose extensions for Delta and for buckets come as packages.
const WITH_DUCKDB: &str = r#"
import glob, importlib, json, os, sys
import duckdb
endpoint, region, key, secret = sys.argv[2:6]
db = duckdb.connect()
for name in ("httpfs", "delta"):
    folder = os.path.dirname(importlib.import_module(f"duckdb_extension_{name}").__file__)
    db.execute(f"LOAD '{glob.glob(folder + f'/**/{name}.duckdb_extension', recursive=True)[0]}'")
db.execute(f"""CREATE SECRET (TYPE s3, KEY_ID '{key}', SECRET '{secret}', REGION '{region}', URL_STYLE 'path', USE_SSL false,
               ENDPOINT '{endpoint.removeprefix("http://")}')""")
columns = "_airbyte_ab_id, epoch_us(_airbyte_emitted_at), _airbyte_data"
for row in db.execute(f"SELECT {columns} FROM delta_scan('{sys.argv[1]}')").fetchall():
    print(json.dumps(list(row)))
"#;

/// Runs `script` on the table `uri` of the bed's server.
pub fn python(script: &str, uri: &str) -> std::io::Result<Output> {
    let python = std::env::var("TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let server = server();
    let arguments = [uri, &server.endpoint(), server.region(), ROOT.0, ROOT.1];
    Command::new(python).arg("-c").arg(script).args(arguments).output()
}

/// Whether `packages` can be imported; if not, says why `test` does nothing, or fails where they must be there.
pub fn has(test: &str, packages: &str) -> bool {
    let why = match python(&format!("import {packages}"), "") {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned(),
        Err(error) => error.to_string(),
    };
    let named_in_ci = std::env::var_os("CI").is_some() && cfg!(target_arch = "x86_64");
    assert!(!named_in_ci, "the Python of TEST_PYTHON has no {packages}: {why}");
    skipped(test, &format!("no Python with {packages}: {why}"));
    false
}

/// The address of a table.
pub fn uri(sandbox: &Sandbox, schema_and_name: &str) -> String {
    format!("s3://{}/{}", sandbox.place().bucket(), sandbox.table(schema_and_name).key())
}

fn rows(script: &str, uri: &str) -> Vec<Row> {
    let output = python(script, uri).unwrap();
    assert!(output.status.success(), "{uri}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let row = |line: &str| {
        let (id, emitted_at, data) = serde_json::from_str(line).unwrap();
        Row { id, emitted_at, data }
    };
    let mut rows: Vec<Row> = text.lines().map(row).collect();
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    rows
}

/// Every table is the same to `script` as to our own reader: appended to, replaced, empty, with many commits and a
/// checkpoint, and the faker's in both modes.
fn assert_reads_all(test: &str, script: &str) {
    let mut sandbox = Sandbox::with(json!({"memory_limit_mb": 16, "flush_size_mb": 1}));
    for round in 0..12 {
        sandbox.load(&append(&["many", "empty"]), records("many", round * 10..round * 10 + 10));
    }
    for round in 0..2 {
        let rows = (0..1000).map(|n| record("replaced", &padded(n + round, 1200)));
        sandbox.load(&overwrite(&["replaced"]), rows.collect::<String>());
    }
    if let Some(folder) = shared_data(test) {
        let read = |name: &str| std::fs::read_to_string(folder.join("faker").join(name)).unwrap();
        let mut streams: Value = serde_json::from_str(&read("catalog.json")).unwrap();
        sandbox.load(&streams, read("messages.jsonl"));
        for stream in streams["streams"].as_array_mut().unwrap() {
            stream["destination_sync_mode"] = json!("overwrite");
        }
        sandbox.set(json!({"schema": "replaced"}));
        for _ in 0..2 {
            sandbox.load(&streams, read("messages.jsonl"));
        }
    }
    let tables = table::tables(&sandbox.lake());
    assert!(tables.len() >= 3, "{tables:?}");
    for folder in tables {
        let name = folder.below(&sandbox.lake()).to_owned();
        let mut expected = table::read(&folder).rows;
        expected.sort_by(|a, b| a.id.cmp(&b.id));
        let found = rows(script, &uri(&sandbox, &name));
        assert_eq!(found.len(), expected.len(), "{name}");
        assert!(found == expected, "other rows in {name}");
    }
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn the_deltalake_package_reads_every_table_from_the_bucket() {
    let test = "the_deltalake_package_reads_every_table_from_the_bucket";
    if has(test, "deltalake, pyarrow") {
        assert_reads_all(test, WITH_DELTALAKE);
    }
}

#[test]
fn duckdb_reads_every_table_from_the_bucket() {
    let test = "duckdb_reads_every_table_from_the_bucket";
    if has(test, "duckdb, duckdb_extension_delta, duckdb_extension_httpfs") {
        assert_reads_all(test, WITH_DUCKDB);
    }
}
