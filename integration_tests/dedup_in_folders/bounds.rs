//! What a sync takes of its machine, however many rows and streams it loads by keys: loads of more keys than memory has room for, and
//! more streams than a process may have files open.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use crate::dedup::model::numbers;
use crate::dedup::streams::Stream;
use crate::messages::{catalog, state};
use crate::place::ENVIRONMENT;
use crate::program::{Living, Run, Sandbox, program};

/// So many that a load of them by the smallest `memory_limit_mb` is looked at in two parts.
const KEYS: u64 = 140_000;

fn users() -> Stream {
    let (number, text) = (json!({"type": "integer"}), json!({"type": ["null", "string"]}));
    Stream::users(json!({"id": number, "part": text, "at": number, "n": number}), &["id", "part"], &["at"])
}

/// A record, whose key has both parts or only the first.
fn line(id: u64, part: bool, at: u64, n: u64) -> String {
    let part = if part { ",\"part\":\"p\"" } else { "" };
    let data = format!("{{\"id\":{id}{part},\"at\":{at},\"n\":{n}}}");
    format!("{{\"type\":\"RECORD\",\"record\":{{\"stream\":\"users\",\"data\":{data},\"emitted_at\":1}}}}\n")
}

#[test]
fn a_load_of_more_keys_than_memory_has_room_for_replaces_every_row_of_them() {
    for layout in ["columns", "raw"] {
        let sandbox = Sandbox::with(json!({"table_layout": layout, "memory_limit_mb": 16}));
        let load = |stream: &Stream, lines: String| {
            let run = sandbox.load(&stream.catalog(), lines + &state("users", 1) + &stream.complete());
            assert_eq!(run.states().len(), 1, "{run:#?}");
        };
        // Each key twice, and some rows that lack a part of their key.
        let mut lines: String = (0..KEYS).map(|id| line(id, true, 1, id)).collect();
        lines.extend((0..KEYS).step_by(7).map(|id| line(id, true, 5, 10 * KEYS + id)));
        lines.extend((0..40).map(|n| line(n % 20, false, 1, 20 * KEYS + n)));
        load(&users().mode("append"), lines);

        // The first load by the key: half of its rows are older than one that is there, and half of the keys without a part are in it.
        let at = |id: u64| if id.is_multiple_of(2) { 6 } else { 4 };
        let mut lines: String = (0..KEYS).map(|id| line(id, true, at(id), 30 * KEYS + id)).collect();
        lines.extend((0..10).map(|id| line(id, false, 6, 40 * KEYS + id)));
        load(&users(), lines);
        let newest =
            |id: u64| if id.is_multiple_of(7) && !id.is_multiple_of(2) { 10 * KEYS + id } else { 30 * KEYS + id };
        let lacking = (0..40).filter(|n| n % 20 >= 10).map(|n| 20 * KEYS + n).chain((0..10).map(|id| 40 * KEYS + id));
        let mut expected: Vec<u64> = (0..KEYS).map(newest).chain(lacking).collect();
        expected.sort_unstable();
        assert!(numbers(&sandbox.table("default/users")) == expected, "{layout}: the first load by the key");

        // All rows again, most of them newer, and two versions of some keys in one load.
        let mut lines: String = (0..KEYS).map(|id| line(id, true, 5 + id % 3, 50 * KEYS + id)).collect();
        lines.extend((0..KEYS).step_by(5).map(|id| line(id, true, 9, 60 * KEYS + id)));
        load(&users(), lines);
        let before = |id: u64| {
            if id.is_multiple_of(2) {
                6
            } else if id.is_multiple_of(7) {
                5
            } else {
                4
            }
        };
        let newest = |id: u64| match id {
            id if id.is_multiple_of(5) => 60 * KEYS + id,
            id if 5 + id % 3 >= before(id) => 50 * KEYS + id,
            id => newest(id),
        };
        let lacking = (0..40).filter(|n| n % 20 >= 10).map(|n| 20 * KEYS + n).chain((0..10).map(|id| 40 * KEYS + id));
        let mut expected: Vec<u64> = (0..KEYS).map(newest).chain(lacking).collect();
        expected.sort_unstable();
        assert!(numbers(&sandbox.table("default/users")) == expected, "{layout}: a later load");
    }
}

#[test]
fn streams_with_keys_need_no_more_open_files_than_others() {
    const STREAMS: usize = 300;
    let sandbox = Sandbox::new();
    let names: Vec<String> = (0..STREAMS).map(|stream| format!("s{stream}")).collect();
    let write = |n: u64| -> Run {
        let streams = names.iter().map(|name| {
            let mut stream = users().configured();
            stream["stream"]["name"] = Value::from(name.as_str());
            stream
        });
        let catalog = sandbox.file("catalog.json", catalog(streams).to_string());
        let records = names.iter().map(|name| line(1, true, n, n).replace("users", name) + &state(name, n));
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 256; exec \"$@\"", "sh"]).arg(program().get_program());
        command.args(["write", "--config"]).arg(sandbox.config()).arg("--catalog").arg(catalog).envs(ENVIRONMENT);
        let mut living = Living::start(&mut command);
        living.send(records.collect::<String>());
        living.end()
    };
    for n in [1, 2] {
        let run = write(n);
        assert_eq!((run.code, run.states().len()), (Some(0), STREAMS), "{:?}", run.messages().last());
    }
    assert_eq!(numbers(&sandbox.table("default/s7")), [2]);
}

/// The most memory that a process had, in megabytes, as it says itself at its end.
fn peak(run: &Run) -> f64 {
    let said = run.logs("INFO").into_iter().find_map(|text| {
        let (_, after) = text.split_once("peak memory ")?;
        let (number, unit) = after.split_once(' ')?;
        let number: f64 = number.parse().ok()?;
        Some(if unit.starts_with("GiB") { number * 1024.0 } else { number })
    });
    said.unwrap()
}

/// Adds `files` of `rows` rows each to the table in the folder `table`, which has one version.
fn add(table: &Path, files: &[String], rows: u64) {
    let mut commit = String::new();
    for name in files {
        let size = table.join(name).metadata().unwrap().len();
        let add: Value = json!({"add": {
            "path": name, "partitionValues": {}, "size": size, "modificationTime": 1, "dataChange": true,
            "stats": json!({"numRecords": rows}).to_string(),
        }});
        writeln!(commit, "{add}").unwrap();
    }
    std::fs::write(table.join("_delta_log/00000000000000000001.json"), commit).unwrap();
}

/// Loads one record, and gives its table's folder back.
fn begin(sandbox: &Sandbox, stream: &Stream, record: &str) -> std::path::PathBuf {
    sandbox.load(&stream.catalog(), format!("{record}{}{}", state("users", 1), stream.complete()));
    sandbox.folder().join("lake/default/users")
}

#[test]
fn the_footers_of_a_table_are_not_kept_however_many_files_it_has() {
    let sandbox = Sandbox::with(json!({"table_layout": "columns", "memory_limit_mb": 64}));
    let mut wide = users();
    let mut values = String::new();
    for column in 0..1500 {
        wide.properties[format!("c{column}")] = json!({"type": "integer"});
        write!(values, "\"c{column}\":{column},").unwrap();
    }
    let record = line(1, true, 1, 1).replace("{\"id\"", &format!("{{{values}\"id\""));
    let table = begin(&sandbox, &wide, &record);
    let entries = std::fs::read_dir(&table).unwrap().map(|entry| entry.unwrap().path());
    let file =
        entries.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "parquet")).unwrap();
    let names: Vec<String> = (0..200).map(|number| format!("copy-{number}.parquet")).collect();
    names.iter().for_each(|name| std::fs::hard_link(&file, table.join(name)).unwrap());
    add(&table, &names, 1);
    let run = sandbox.load(&users().catalog(), line(2, true, 2, 2) + &state("users", 1) + &users().complete());
    assert!(peak(&run) < 120.0, "{} MB", peak(&run));
}

#[test]
fn one_large_row_group_is_in_memory_at_a_time_however_many_files_have_one() {
    const FILES: u64 = 4;
    const ROWS: u64 = 1500;
    let sandbox = Sandbox::with(json!({"table_layout": "raw", "memory_limit_mb": 16}));
    let table = begin(&sandbox, &users(), &line(1, true, 1, 1));
    let names: Vec<String> = (0..FILES).map(|file| format!("theirs-{file}.parquet")).collect();
    let mut noise = 1_u64;
    let mut text = || {
        std::iter::repeat_with(|| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            format!("{noise:016x}")
        })
        .take(1500)
        .collect::<String>()
    };
    for (file, name) in (0..).zip(&names) {
        let ids = (0..ROWS).map(move |row| 10 + row * FILES + file);
        let data =
            ids.clone().map(|id| format!("{{\"id\":{id},\"part\":\"p\",\"at\":1,\"n\":{id},\"pad\":\"{}\"}}", text()));
        let columns: [(&str, ArrayRef); 3] = [
            (
                "_airbyte_ab_id",
                Arc::new(StringArray::from_iter_values(ids.map(|id| format!("01800000-0000-7000-8000-{id:012x}")))),
            ),
            (
                "_airbyte_emitted_at",
                Arc::new(TimestampMicrosecondArray::from(vec![1; ROWS as usize]).with_timezone("UTC")),
            ),
            ("_airbyte_data", Arc::new(StringArray::from_iter_values(data))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let file = std::fs::File::create(table.join(name)).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }
    add(&table, &names, ROWS);
    let changed: String = (0..FILES).map(|file| line(10 + file, true, 2, 7_000_000 + file)).collect();
    let run = sandbox.load(&users().catalog(), changed + &state("users", 1) + &users().complete());
    let found = numbers(&sandbox.table("default/users"));
    assert_eq!((found.len() as u64, found.last()), (1 + FILES * ROWS, Some(&(7_000_000 + FILES - 1))));
    assert!(peak(&run) < 170.0, "{} MB", peak(&run));
}
