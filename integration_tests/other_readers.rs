//! Other Delta readers open the tables: the Python packages `deltalake` and `duckdb`.

use std::path::Path;

use serde_json::{Value, json};

use crate::messages::{append, overwrite, padded, record, records, state};
use crate::program::{Sandbox, skipped};
use crate::python::{has, python};
use crate::table::{self, Row};

/// Prints the rows of the table in `sys.argv[1]` as JSON lines: id, microseconds, data.
const WITH_DELTALAKE: &str = r#"
import json, os, sys
from deltalake import DeltaTable
rows = DeltaTable(sys.argv[1]).to_pyarrow_table().to_pydict()
for id, at, data in zip(rows["_airbyte_ab_id"], rows["_airbyte_emitted_at"], rows["_airbyte_data"]):
    seconds = int(at.replace(microsecond=0).timestamp())
    print(json.dumps([id, seconds * 1000000 + at.microsecond, data]))
# Threads of the packages sometimes abort an interpreter that ends in order.
sys.stdout.flush()
os._exit(0)
"#;

/// The same through DuckDB. Its Delta extension comes from the package `duckdb_extension_delta` if that is there, else from the
/// network; where neither can be, DuckDB reads the Parquet files `sys.argv[2:]`, which are the table's, and says so on stderr.
const WITH_DUCKDB: &str = r#"
import json, sys
import duckdb
db = duckdb.connect()
folder, files = sys.argv[1].replace("'", "''"), sys.argv[2:]
try:
    try:
        import glob, os, duckdb_extension_delta
        found = glob.glob(os.path.dirname(duckdb_extension_delta.__file__) + "/**/delta.duckdb_extension", recursive=True)
        db.execute(f"LOAD '{found[0]}'")
    except ImportError:
        db.execute("INSTALL delta; LOAD delta")
    source = f"delta_scan('{folder}')"
except Exception:
    print("duckdb reads files only: its Delta extension cannot be had", file=sys.stderr)
    source = f"read_parquet({files})" if files else None
columns = "_airbyte_ab_id, epoch_us(_airbyte_emitted_at), _airbyte_data"
for row in db.execute(f"SELECT {columns} FROM {source}").fetchall() if source else []:
    print(json.dumps(list(row)))
"#;

/// What `script` reads of the table in `folder`, which has `files`, sorted by id; and what it says on stderr.
fn rows(script: &str, folder: &Path, files: &[String]) -> (Vec<Row>, String) {
    let files = files.iter().map(|file| folder.join(file));
    let output = python(script, &std::iter::once(folder.to_owned()).chain(files).collect::<Vec<_>>()).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let mut rows: Vec<Row> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let (id, emitted_at, data) = serde_json::from_str(line).unwrap();
            Row { id, emitted_at, data }
        })
        .collect();
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    (rows, said)
}

/// Tables of all kinds: appended to, replaced, empty, with many commits and a checkpoint, and the faker's.
fn lake(test: &str) -> Sandbox {
    let sandbox = Sandbox::with(json!({"memory_limit_mb": 16, "flush_size_mb": 1, "compression": "snappy"}));
    for round in 0..12 {
        sandbox.load(&append(&["many", "empty"]), records("many", round * 10..round * 10 + 10));
    }
    let batch = |from: u64| (from..from + 1000).map(|n| record("replaced", &padded(n, 1200))).collect::<String>();
    for round in 0..3 {
        let input = [batch(round), state("replaced", 1), batch(round + 1000), state("replaced", 2)];
        sandbox.load(&overwrite(&["replaced"]), input.concat());
    }
    let odd = [r#"{"é":"\u2028 😀","n":1e5}"#, "{\"raw\":\"\u{2028}\"}"];
    let dates = odd.map(|data| record("odd", data).replace("1700000000123", "-62135596799999"));
    sandbox.load(&append(&["odd"]), dates.concat() + &record("odd", "{}").replace("1700000000123", "-1"));
    if let Some(folder) = crate::recorded::shared_data(test) {
        let read = |name: &str| std::fs::read_to_string(folder.join("faker").join(name)).unwrap();
        let streams: Value = serde_json::from_str(&read("catalog.json")).unwrap();
        sandbox.load(&streams, read("messages.jsonl"));
    }
    sandbox
}

/// Every table of the lake is the same to `script` as to our own reader.
fn assert_reads_all(test: &str, script: &str) {
    let sandbox = lake(test);
    let tables = table::tables(&sandbox.lake());
    assert!(tables.len() >= 4, "{tables:?}");
    for folder in tables {
        let table = table::read(&folder);
        let (found, said) = rows(script, &sandbox.path(folder.key()), &table.files);
        said.lines().for_each(|line| skipped(test, line));
        let mut expected = table.rows;
        expected.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(found.len(), expected.len(), "{folder}");
        assert!(found == expected, "other rows in {folder}");
    }
}

#[test]
fn the_deltalake_package_reads_every_table() {
    let test = "the_deltalake_package_reads_every_table";
    if has(test, "deltalake") {
        assert_reads_all(test, WITH_DELTALAKE);
    }
}

#[test]
fn duckdb_reads_every_table() {
    let test = "duckdb_reads_every_table";
    if has(test, "duckdb") {
        assert_reads_all(test, WITH_DUCKDB);
    }
}
