//! Other Delta readers open the tables in the container: the Python packages `deltalake` and, through it, `polars`. DuckDB's extension for
//! Azure is in no package, so it has nothing to read with here.

use std::path::PathBuf;

use serde_json::json;

use super::sas::Sas;
use super::server::{ACCOUNT, server};
use crate::messages::{append, overwrite, padded, record, records};
use crate::program::Sandbox;
use crate::python::{has, python};
use crate::table::{self, Row};

/// Prints the rows of the table `sys.argv[1]` as JSON lines: id, microseconds, data.
const READ: &str = r#"
import json, os, sys
table, endpoint, account, token, reader = sys.argv[1:]
options = {"azure_storage_account_name": account, "azure_storage_sas_token": token, "azure_storage_endpoint": endpoint,
           "azure_allow_http": "true"}
if reader == "polars":
    import polars
    rows = polars.read_delta(table, storage_options=options).to_arrow().to_pydict()
else:
    from deltalake import DeltaTable
    rows = DeltaTable(table, storage_options=options).to_pyarrow_table().to_pydict()
for id, at, data in zip(rows["_airbyte_ab_id"], rows["_airbyte_emitted_at"], rows["_airbyte_data"]):
    seconds = int(at.replace(microsecond=0).timestamp())
    print(json.dumps([id, seconds * 1000000 + at.microsecond, data]))
# Threads of the packages sometimes abort an interpreter that ends in order.
sys.stdout.flush()
os._exit(0)
"#;

/// The rows of a table by their ids, as `reader` has them with a token that may read and list, and nothing else.
fn rows(sandbox: &Sandbox, key: &str, reader: &str) -> Vec<Row> {
    let table = sandbox.place().uri(key);
    let endpoint = format!("{}/{}", server().endpoint(), ACCOUNT.0);
    let token = Sas::new("rl").of_account();
    let output = python(READ, &[&table, &endpoint, ACCOUNT.0, &token, reader].map(PathBuf::from)).unwrap();
    assert!(output.status.success(), "{table}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let row = |line: &str| {
        let (id, emitted_at, data) = serde_json::from_str(line).unwrap();
        Row { id, emitted_at, data }
    };
    let mut rows: Vec<Row> = text.lines().map(row).collect();
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    rows
}

#[test]
fn deltalake_and_polars_read_every_table_from_the_container() {
    let test = "deltalake_and_polars_read_every_table_from_the_container";
    if !has(test, "deltalake") || !has(test, "polars") {
        return;
    }
    let sandbox = Sandbox::with(json!({"memory_limit_mb": 16, "flush_size_mb": 1}));
    for round in 0..12 {
        sandbox.load(&append(&["many", "empty"]), records("many", round * 10..round * 10 + 10));
    }
    for round in 0..2 {
        let rows = (0..1000).map(|n| record("replaced", &padded(n + round, 1200)));
        sandbox.load(&overwrite(&["replaced"]), rows.collect::<String>());
    }
    let tables = table::tables(&sandbox.lake());
    assert_eq!(tables.len(), 3, "{tables:?}");
    for folder in tables {
        let mut expected = table::read(&folder).rows;
        expected.sort_by(|a, b| a.id.cmp(&b.id));
        for reader in ["deltalake", "polars"] {
            assert!(rows(&sandbox, folder.key(), reader) == expected, "{reader} sees other rows in {folder}");
        }
    }
    table::assert_tidy(&sandbox.lake());
}
