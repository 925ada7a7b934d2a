//! Filters of other readers find all rows they should: on each column, in tables with one commit, with many commits and a
//! checkpoint, and in one that was begun before `_airbyte_data` had bounds. The cases are in `filters.py`.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::lake::Location;
use crate::messages::{append, overwrite, record, records};
use crate::program::Sandbox;
use crate::python::{has, python};
use crate::table;

const SCRIPT: &str = include_str!("filters.py");
/// The script ends itself by this signal when its packages hang.
const SIGALRM: i32 = 14;
/// Filters that each reader tries at least: five operators on five values of three columns.
const TRIED: usize = 75;

/// What `reader` gets wrong of the table in `folder`.
fn wrong(reader: &str, folder: &Path) -> Vec<String> {
    let run = || python(SCRIPT, &[reader.into(), folder.to_owned()]).unwrap();
    let hangs = |output: &Output| output.status.signal() == Some(SIGALRM);
    let output = std::iter::repeat_with(run).take(3).find(|output| !hangs(output)).expect("a reader that ends");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{reader} of {}: {errors}", folder.display());
    let mut lines: Vec<String> = said.lines().map(str::to_owned).collect();
    let tried = lines.pop().and_then(|last| last.strip_prefix("tried ")?.parse::<usize>().ok());
    assert!(tried.is_some_and(|tried| tried >= TRIED), "{said}{errors}");
    lines
}

/// Tables of one commit, of twelve and a checkpoint, replaced after a checkpoint, with odd times and odd white space.
fn lake() -> Sandbox {
    let sandbox = Sandbox::with(json!({"compression": "snappy"}));
    for round in 0..12 {
        sandbox.load(&append(&["many"]), records("many", round * 10..round * 10 + 10));
        if round == 0 || round == 11 {
            sandbox.load(&overwrite(&["replaced"]), records("replaced", round..round + 20));
        }
    }
    let log = sandbox.table("default/many/_delta_log").objects();
    assert!(log.iter().any(|file| file.name().ends_with(".checkpoint.parquet")), "{log:?}");
    let odd = ["{}", "{ }", "{\\t\"a\":1}", r#"{"é":"😀"}"#, r#"{"~":"\u007f"}"#, r#"{"":""}"#];
    let odd: String = odd.iter().map(|data| record("once", &data.replace("\\t", "\t"))).collect();
    sandbox.load(&append(&["once"]), odd + &records("once", 0..20));
    sandbox
}

fn assert_finds_all(test: &str, package: &str, readers: &[&str]) {
    if !has(test, "deltalake") || !has(test, package) {
        return;
    }
    let sandbox = lake();
    let tables = table::tables(&sandbox.lake());
    assert_eq!(tables.len(), 3, "{tables:?}");
    let wrong: Vec<_> = readers
        .iter()
        .flat_map(|reader| tables.iter().flat_map(|table| wrong(reader, &sandbox.path(table.key()))))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn filters_of_deltalake_find_every_row() {
    assert_finds_all("filters_of_deltalake_find_every_row", "deltalake", &["deltalake", "pyarrow", "datafusion"]);
}

#[test]
fn filters_of_duckdb_find_every_row() {
    let readers = ["duckdb over pyarrow", "duckdb"];
    assert_finds_all("filters_of_duckdb_find_every_row", "duckdb, duckdb_extension_delta, pytz", &readers);
}

#[test]
fn filters_of_polars_find_every_row() {
    assert_finds_all("filters_of_polars_find_every_row", "polars", &["polars", "polars over pyarrow"]);
}

/// Takes the bounds of `_airbyte_data` out of every commit, as they were not there in tables of earlier versions.
fn make_old(folder: &Location) {
    for version in 0..table::read(folder).versions {
        let path = table::commit(folder, version);
        let strip = |line: &str| {
            let mut action: Value = serde_json::from_str(line).unwrap();
            if let Some(stats) = action["add"]["stats"].as_str() {
                let mut stats: Value = serde_json::from_str(stats).unwrap();
                for bounds in ["minValues", "maxValues"] {
                    stats[bounds].as_object_mut().unwrap().remove("_airbyte_data").unwrap();
                }
                action["add"]["stats"] = stats.to_string().into();
            }
            format!("{action}\n")
        };
        let text: String = path.text().lines().map(strip).collect();
        path.put(text);
    }
}

#[test]
fn rows_that_join_a_table_of_an_earlier_version_are_found_and_its_own_once_it_is_compacted() {
    let test = "rows_that_join_a_table_of_an_earlier_version_are_found_and_its_own_once_it_is_compacted";
    if !has(test, "deltalake") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.load(&append(&["users"]), records("users", 0..20));
    let folder = sandbox.path("default/users");
    make_old(&sandbox.table("default/users"));
    sandbox.load(&append(&["users"]), records("users", 20..40));
    let found = |which: &str| {
        let script = format!(
            "import sys, os\nfrom deltalake import DeltaTable\n\
             rows = DeltaTable(sys.argv[1]).to_pyarrow_table(filters=[('_airbyte_data', 'in', [{which}])]).num_rows\n\
             print(rows)\nsys.stdout.flush()\nos._exit(0)"
        );
        String::from_utf8(python(&script, std::slice::from_ref(&folder)).unwrap().stdout).unwrap().trim().to_owned()
    };
    assert_eq!(found(r#"'{"n":25}', '{"n":39}'"#), "2");
    let compact =
        "import sys, os\nfrom deltalake import DeltaTable\nDeltaTable(sys.argv[1]).optimize.compact()\nos._exit(0)";
    assert!(python(compact, std::slice::from_ref(&folder)).unwrap().status.success());
    assert_eq!(found(r#"'{"n":5}', '{"n":25}'"#), "2");
    assert_eq!(wrong("pyarrow", &folder), [""; 0]);
    // And the program goes on with what the other writer has made of it.
    sandbox.load(&append(&["users"]), records("users", 40..41));
    assert_eq!(found(r#"'{"n":5}', '{"n":40}'"#), "2");
}

#[test]
fn a_time_that_is_beyond_the_calendar_hides_no_row() {
    let test = "a_time_that_is_beyond_the_calendar_hides_no_row";
    if !has(test, "deltalake") {
        return;
    }
    let sandbox = Sandbox::new();
    // Microseconds for milliseconds, the year -2, and the last years that 64 bits hold.
    for (stream, time) in [("micros", "1764000000000000"), ("before", "-62200000000000"), ("far", "9000000000000000")] {
        for _ in 0..2 {
            let wrong = record(stream, r#"{"n":0}"#).replace("1700000000123", time);
            let run = sandbox.load(&append(&[stream]), wrong + &records(stream, 1..4));
            assert_eq!(run.logs("WARN").len(), usize::from(stream == "micros"), "{run:#?}");
        }
        let key = format!("default/{stream}");
        for version in 0..2 {
            let commit = table::commit(&sandbox.table(&key), version).text();
            let add = commit.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let stats: Vec<Value> =
                add.filter_map(|action| serde_json::from_str(action["add"]["stats"].as_str()?).ok()).collect();
            assert_eq!(stats.len(), 1, "{commit}");
            // A column without bounds among others with some would hide its rows from deltalake's dataset.
            assert_eq!((stats[0].get("minValues"), stats[0].get("maxValues")), (None, None), "{commit}");
            assert_eq!(stats[0]["numRecords"], 4, "{commit}");
        }
        let script = r#"
import datetime, os, sys
from deltalake import DeltaTable, QueryBuilder
table, soon = DeltaTable(sys.argv[1]), datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)
good = [("_airbyte_emitted_at", "<", soon), ("_airbyte_emitted_at", ">", datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc))]
print(table.to_pyarrow_table(columns=["_airbyte_data"], filters=good).num_rows)
QueryBuilder().register("d", table).execute("SELECT count(*) FROM d")
print(table.optimize.compact()["numFilesRemoved"])
sys.stdout.flush()
os._exit(0)
"#;
        let output = python(script, &[sandbox.path(&key)]).unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said.trim(), "6\n2", "{stream}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn times_that_look_like_seconds_are_told_once_a_stream() {
    let sandbox = Sandbox::with(json!({"flush_size_mb": 1}));
    let seconds: String = records("users", 0..5).replace("1700000000123", "1764000000");
    let input = [seconds.clone(), crate::messages::state("users", 1), seconds, records("pets", 0..5)].concat();
    let run = sandbox.load(&append(&["users", "pets"]), input);
    let warnings = run.logs("WARN");
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].contains("users") && warnings[0].contains("seconds"), "{warnings:#?}");
}
