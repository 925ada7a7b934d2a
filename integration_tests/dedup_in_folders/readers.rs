//! What DuckDB, Polars, deltalake and pyarrow read of tables whose files were written again: the rows that should be there, and of each
//! that stays the same values as before, bit for bit.

use std::collections::BTreeMap;

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::{Value, json};

use crate::dedup::streams::Stream;
use crate::lake::Location;
use crate::layouts::readers::{are_there, see};
use crate::program::Sandbox;
use crate::python::python;
use crate::table;

/// A stream with properties of all kinds.
fn everything() -> Stream {
    let text = json!({"type": ["null", "string"]});
    let time = |format: &str, kind: &str| json!({"type": ["null", "string"], "format": format, "airbyte_type": kind});
    let properties = json!({
        "id": {"type": "integer"}, "at": {"type": "integer"}, "n": {"type": "integer"},
        "text": text, "flag": {"type": ["null", "boolean"]}, "number": {"type": ["null", "number"]},
        "whole": {"type": ["null", "integer"]}, "day": {"type": ["null", "string"], "format": "date"},
        "moment": time("date-time", "timestamp_with_timezone"), "local": time("date-time", "timestamp_without_timezone"),
        "clock": time("time", "time_without_timezone"), "any": {}, "either": {"type": ["integer", "string"]},
        "bytes": {"type": ["null", "string"], "contentEncoding": "base64"},
        "object": {"type": ["null", "object"], "properties": {
            "text": text, "list": {"type": "array", "items": {"type": "integer"}},
            "deep": {"type": "object", "properties": {"number": {"type": "number"}}},
        }},
        "list": {"type": ["null", "array"], "items": {"type": "object", "properties": {"x": {"type": "integer"}, "y": text}}},
        "_ab_cdc_deleted_at": text,
    });
    Stream::users(properties, &["id"], &["at"])
}

/// A record of the key `id`: every third without values, others with odd ones.
fn row(id: i64, at: i64, n: i64) -> Value {
    let base = json!({"id": id, "at": at, "n": n, "not declared": {"a": n}});
    let more = match id % 4 {
        0 => json!({}),
        1 => json!({
            "text": "é\u{0}😀\n\"", "flag": true, "number": -0.0, "whole": i64::MAX, "day": "0001-01-01",
            "moment": "2024-02-29T23:59:59.999999+14:00", "local": "1582-10-15T00:00:00", "clock": "23:59:59.999999",
            "any": {"k": [1, null, {"x": 1e3}]}, "either": 5, "bytes": "AAECAw==",
            "object": {"text": "", "list": [], "deep": {"number": 0.1}}, "list": [{"x": 1}, {"y": "z"}, {}],
        }),
        2 => json!({
            "text": "", "flag": false, "number": 123_456_789_012_345.67, "whole": i64::MIN, "day": "9999-12-31",
            "moment": "1969-12-31T23:59:59.999999Z", "local": "9999-12-31T23:59:59.999999", "clock": "00:00:00",
            "any": "text", "either": "five", "bytes": "", "object": {"list": [1, 2, 3], "other": true}, "list": [],
        }),
        _ => {
            json!({"text": null, "number": 1e-9, "whole": "no number", "day": "soon", "any": null, "object": null, "list": null})
        }
    };
    let fields = base.as_object().unwrap().iter().chain(more.as_object().unwrap());
    fields.map(|(name, value)| (name.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into()
}

/// Each row by its id, with all of its bits: a zero with its sign, numbers with all of their digits.
fn bits(folder: &Location) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    for file in table::read(folder).files {
        let reader = SerializedFileReader::new(Bytes::from(folder.join(&file).get().unwrap())).unwrap();
        for row in reader.get_row_iter(None).unwrap() {
            let row = row.unwrap();
            let (_, id) = row.get_column_iter().find(|(name, _)| *name == "_airbyte_ab_id").unwrap();
            let all: Vec<String> = row.get_column_iter().map(|(name, field)| format!("{name}: {field:?}")).collect();
            assert_eq!(rows.insert(id.to_string(), all.join("\n")), None, "{id} is there twice");
        }
    }
    rows
}

/// The number of a row in the table of any layout.
fn number(row: &Value) -> i64 {
    let data = row["_airbyte_data"].as_str().map(|data| serde_json::from_str::<Value>(data).unwrap());
    data.as_ref().unwrap_or(row)["n"].as_i64().unwrap()
}

/// Prints how many rows deltalake and DuckDB find of the ids of each table of `sys.argv`, by conditions that pass over files by what the
/// log says of their ids and times.
const FIND_EACH: &str = r#"
import glob, os, sys
import duckdb, duckdb_extension_delta
import pyarrow.dataset as ds
from deltalake import DeltaTable
db = duckdb.connect()
db.execute("SET TimeZone = 'UTC'")
db.execute(f"LOAD '{glob.glob(os.path.dirname(duckdb_extension_delta.__file__) + '/**/delta.duckdb_extension', recursive=True)[0]}'")
for folder in sys.argv[1:]:
    data = DeltaTable(folder).to_pyarrow_dataset()
    for row in data.to_table(columns=["_airbyte_ab_id", "_airbyte_emitted_at"]).to_pylist():
        id, at = row["_airbyte_ab_id"], row["_airbyte_emitted_at"]
        where = (ds.field("_airbyte_ab_id") == id) & (ds.field("_airbyte_emitted_at") == at)
        assert data.to_table(filter=where).num_rows == 1, (folder, row, "deltalake")
        found = db.execute(f"SELECT count(*) FROM delta_scan('{folder}') WHERE _airbyte_ab_id = '{id}' AND _airbyte_emitted_at = ?", [at])
        assert found.fetchone() == (1,), (folder, row, "duckdb")
sys.stdout.flush()
os._exit(0)
"#;

#[test]
fn what_stays_of_files_that_are_written_again_is_the_same_to_every_reader() {
    let test = "what_stays_of_files_that_are_written_again_is_the_same_to_every_reader";
    if !are_there(test) {
        return;
    }
    let cases = [
        json!({"table_layout": "raw"}),
        json!({"table_layout": "columns"}),
        json!({"table_layout": "columns", "nested": "json", "number_type": "decimal", "compression": "snappy"}),
        json!({"table_layout": "classic"}),
    ];
    let mut sandboxes = Vec::new();
    for settings in cases {
        let sandbox = Sandbox::with(settings.clone());
        let (stream, folder) = (everything(), sandbox.table("default/users"));
        let numbers = || {
            let mut numbers: Vec<i64> = see(test, &sandbox, "default/users").rows.iter().map(number).collect();
            numbers.sort_unstable();
            numbers
        };
        let first: Vec<(i64, Value)> = (0..16).map(|id| (id, row(id, 1, id))).collect();
        stream.load(&sandbox, &first);
        assert_eq!(numbers(), (0..16).collect::<Vec<_>>(), "{settings}");
        let (before, rows_before) = (bits(&folder), see(test, &sandbox, "default/users").rows);
        // Newer rows, an older one, deletes, and a new key; in a file of its own what is then written again a second time.
        let gone = |id: i64| json!({"id": id, "at": 3, "_ab_cdc_deleted_at": "x"});
        let second = [row(1, 2, 101), row(2, 0, 102), gone(3), gone(77), row(20, 1, 120), row(21, 1, 121)];
        stream.load(&sandbox, &second.map(|row| (50, row)));
        let mut expected: Vec<i64> = (0..16).filter(|n| ![1, 3].contains(n)).chain([101, 120, 121]).collect();
        assert_eq!(numbers(), expected, "{settings}");
        stream.load(&sandbox, &[(60, row(0, 5, 200)), (60, row(21, 5, 221)), (60, gone(12))]);
        expected.retain(|n| ![0, 121, 12].contains(n));
        expected.extend([200, 221]);
        expected.sort_unstable();
        assert_eq!(numbers(), expected, "{settings}");
        let (now, rows_now) = (bits(&folder), see(test, &sandbox, "default/users").rows);
        let same = before.iter().filter(|(id, row)| now.get(*id) == Some(row)).count();
        assert_eq!(same, 12, "{settings}: of 16 rows four are gone, the others are as they were");
        let stays = rows_now.iter().filter(|row| number(row) < 16).collect::<Vec<_>>();
        let stayed = rows_before.iter().filter(|row| ![0, 1, 3, 12].contains(&number(row))).collect::<Vec<_>>();
        assert_eq!(stays, stayed, "{settings}");
        table::assert_tidy(&sandbox.lake());
        sandboxes.push(sandbox);
    }
    let folders: Vec<_> = sandboxes.iter().map(|sandbox| sandbox.path("default/users")).collect();
    let output = python(FIND_EACH, &folders).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
