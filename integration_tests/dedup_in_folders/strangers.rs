//! Tables that others have written, with every codec, in their order of columns, with columns of theirs and without some of ours, in
//! ways of encoding that this program does not use itself: rows in them are replaced, and the others stay as they are.

use serde_json::{Value, json};

use crate::dedup::model::numbers as numbers_in;
use crate::dedup::streams::Stream;
use crate::lake::Location;
use crate::layouts::readers::{are_there, see, see_each};
use crate::program::Sandbox;
use crate::python::python;
use crate::table;

fn users() -> Stream {
    let text = json!({"type": ["null", "string"]});
    let properties = json!({
        "id": {"type": "integer"}, "part": {"type": "object", "properties": {"no": text}},
        "at": {"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"},
        "n": {"type": "integer"}, "note": text,
    });
    let mut stream = Stream::users(properties, &["id"], &["at"]);
    stream.key.push(json!(["part", "no"]));
    stream
}

fn row(id: i64, no: Option<&str>, day: u32, n: i64) -> Value {
    json!({"id": id, "part": {"no": no}, "at": format!("2024-01-{day:02}T12:00:00Z"), "n": n, "note": "ours"})
}

/// Makes rows 0..8 of `users` in the columns of the layout `columns`; `how` writes `rows` to the folder `sys.argv[1]`.
fn write(folder: &std::path::Path, how: &str) {
    let script = format!(
        r#"
import datetime, os, sys, uuid
import pyarrow as pa
import pyarrow.parquet as parquet
from deltalake import DeltaTable, WriterProperties, write_deltalake
day = lambda n: datetime.datetime(2024, 1, n, 12, tzinfo=datetime.timezone.utc)
utc = pa.timestamp("us", tz="UTC")
rows = pa.table({{
    "theirs": pa.array([None if n % 3 == 0 else [n, None, 2**60] for n in range(8)], pa.list_(pa.int64())),
    "n": pa.array(range(8), pa.int64()),
    "at": pa.array([None if n == 7 else day(10) for n in range(8)], utc),
    "part": pa.array([None if n == 5 else {{"no": None if n == 6 else "p"}} for n in range(8)], pa.struct([("no", pa.string())])),
    "id": pa.array(range(8), pa.int64()),
    "_airbyte_emitted_at": pa.array([day(1)] * 8, utc),
    "_airbyte_additional_properties": pa.array([None if n % 2 else [("k", "v" * n)] for n in range(8)], pa.map_(pa.string(), pa.string())),
    "_airbyte_meta": pa.array([None] * 8, pa.string()),
    "_airbyte_ab_id": pa.array([f"01800000-0000-7000-8000-00000000000{{n}}" for n in range(8)]),
    "THEIRS TOO": pa.array(["same"] * 8).dictionary_encode(),
}})
folder = sys.argv[1]
{how}
sys.stdout.flush()
os._exit(0)
"#
    );
    let output = python(&script, &[folder.to_owned()]).unwrap();
    assert!(output.status.success(), "{how}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The number of each row, in any layout.
fn numbers(rows: &[Value]) -> Vec<i64> {
    let data = |row: &Value| serde_json::from_str::<Value>(row["_airbyte_data"].as_str()?).ok();
    let mut numbers: Vec<i64> =
        rows.iter().map(|row| data(row).as_ref().unwrap_or(row)["n"].as_i64().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

/// A table of which rows 0..8 are those of `write`: some are replaced, older ones and new ones come, and the rest stays.
fn assert_goes_on(test: &str, sandbox: &Sandbox, how: &str) {
    let before = see(test, sandbox, "default/users").rows;
    assert_eq!(numbers(&before), (0..8).collect::<Vec<_>>(), "{how}");
    let first = [
        row(0, Some("p"), 11, 100),
        row(1, Some("p"), 9, 101),
        row(2, Some("q"), 1, 102),
        row(5, None, 11, 105),
        row(6, None, 9, 106),
        row(7, Some("p"), 1, 107),
    ];
    users().load(sandbox, &first.map(|row| (0, row)));
    let after_first = see(test, sandbox, "default/users").rows;
    assert_eq!(numbers(&after_first), [1, 2, 3, 4, 6, 100, 102, 105, 107], "{how}");
    users().load(sandbox, &[(0, row(3, Some("p"), 20, 203)), (0, row(100, None, 1, 200))]);
    let now = see(test, sandbox, "default/users");
    assert_eq!(numbers(&now.rows), [1, 2, 4, 6, 100, 102, 105, 107, 200, 203], "{how}");
    let stays = |rows: &[Value]| -> Vec<Value> {
        rows.iter().filter(|row| [1, 2, 4, 6].contains(&row["n"].as_i64().unwrap())).cloned().collect()
    };
    let without_new = |mut row: Value| {
        // The table has it since the first load.
        row.as_object_mut().unwrap().remove("note");
        row
    };
    let stayed: Vec<Value> = stays(&before).into_iter().map(without_new).collect();
    assert_eq!(stays(&now.rows).into_iter().map(without_new).collect::<Vec<_>>(), stayed, "{how}");
    table::assert_tables_tidy(&sandbox.lake());
}

fn sandbox() -> Sandbox {
    Sandbox::with(json!({"table_layout": "columns", "enable_schema_evolution": true}))
}

#[test]
fn rows_that_deltalake_wrote_are_replaced_whatever_its_codec() {
    let test = "rows_that_deltalake_wrote_are_replaced_whatever_its_codec";
    if !are_there(test) {
        return;
    }
    for codec in ["UNCOMPRESSED", "SNAPPY", "GZIP", "BROTLI", "LZ4_RAW", "ZSTD"] {
        let sandbox = sandbox();
        let how = format!(
            r#"write_deltalake(folder, rows, writer_properties=WriterProperties(compression="{codec}", max_row_group_size=3, data_page_row_count_limit=2))"#
        );
        write(&sandbox.path("default/users"), &how);
        assert_goes_on(test, &sandbox, &how);
    }
}

#[test]
fn rows_that_deltalake_appended_are_versions_of_ours() {
    let test = "rows_that_deltalake_appended_are_versions_of_ours";
    if !are_there(test) {
        return;
    }
    let sandbox = sandbox();
    let ours = [row(0, Some("p"), 9, 300), row(1, Some("p"), 11, 301), row(50, None, 5, 350)];
    users().load(&sandbox, &ours.map(|row| (0, row)));
    let folder = sandbox.path("default/users");
    // Without some of our columns, with others, and compacted into one file with ours.
    write(
        &folder,
        r#"write_deltalake(folder, rows.drop_columns(["_airbyte_meta", "theirs"]), mode="append", schema_mode="merge")"#,
    );
    write(&folder, "DeltaTable(folder).optimize.compact()");
    assert_eq!(numbers(&see(test, &sandbox, "default/users").rows), [0, 1, 2, 3, 4, 5, 6, 7, 300, 301, 350]);
    // Whoever appends by themselves leaves several rows of a key, until one of that key comes.
    users()
        .load(&sandbox, &[(0, row(0, Some("p"), 8, 400)), (0, row(1, Some("p"), 12, 401)), (0, row(50, None, 1, 450))]);
    assert_eq!(numbers(&see(test, &sandbox, "default/users").rows), [0, 2, 3, 4, 5, 6, 7, 350, 401]);
    write(&folder, r#"DeltaTable(folder).delete("n = 350")"#);
    users().load(&sandbox, &[(0, row(50, None, 1, 550)), (0, row(2, Some("p"), 30, 502))]);
    assert_eq!(numbers(&see(test, &sandbox, "default/users").rows), [0, 3, 4, 5, 6, 7, 401, 502, 550]);
}

/// Adds the file `theirs.parquet` to the log of the table, as another program would.
fn add_theirs(folder: &Location) {
    let found = table::read(folder);
    let size = folder.join("theirs.parquet").get().unwrap().len();
    let add = json!({"add": {
        "path": "theirs.parquet", "partitionValues": {}, "size": size, "modificationTime": 1, "dataChange": true,
        "stats": "{\"numRecords\":8}",
    }});
    table::commit(folder, found.versions).put(format!("{add}\n"));
}

#[test]
fn rows_are_replaced_in_files_of_every_encoding() {
    let test = "rows_are_replaced_in_files_of_every_encoding";
    if !are_there(test) {
        return;
    }
    let plain = "rows.set_column(9, 'THEIRS TOO', rows['THEIRS TOO'].cast(pa.string()))";
    for options in [
        "use_dictionary=True, data_page_version='2.0', row_group_size=3",
        "use_dictionary=False, data_page_version='1.0', data_page_size=1",
        "use_dictionary=False, data_page_version='2.0', compression='GZIP', row_group_size=5",
        "use_deprecated_int96_timestamps=True",
        "use_dictionary=False, column_encoding={'id': 'DELTA_BINARY_PACKED', 'n': 'DELTA_BINARY_PACKED', 'part.no': 'DELTA_BYTE_ARRAY', \
         '_airbyte_ab_id': 'DELTA_LENGTH_BYTE_ARRAY'}, version='2.6'",
        "write_page_index=True, write_statistics=False, store_schema=False, compression='NONE'",
        "write_page_checksum=True, compression='BROTLI', row_group_size=1",
    ] {
        let sandbox = sandbox();
        let (path, folder) = (sandbox.path("default/users"), sandbox.table("default/users"));
        write(&path, &format!("rows = {plain}; write_deltalake(folder, rows.slice(0, 0))"));
        write(&path, &format!("rows = {plain}; parquet.write_table(rows, folder + '/theirs.parquet', {options})"));
        add_theirs(&folder);
        assert_goes_on(test, &sandbox, options);
    }
}

/// The numbers that those readers see who know deletion vectors; deltalake refuses such tables.
fn numbers_of_able(test: &str, sandbox: &Sandbox) -> Vec<i64> {
    let mut seen = see_each(test, sandbox, "default/users", &[]);
    seen.retain(|one| one["failed"].is_null());
    assert!(seen.iter().any(|one| one["reader"] == "duckdb"), "{seen:?}");
    let found: Vec<Vec<i64>> = seen.iter().map(|one| numbers(one["rows"].as_array().unwrap())).collect();
    assert!(found.windows(2).all(|two| two[0] == two[1]), "{found:?}");
    found[0].clone()
}

#[test]
fn rows_that_a_deletion_vector_takes_away_do_not_come_back_when_their_file_is_written_again() {
    let test = "rows_that_a_deletion_vector_takes_away_do_not_come_back_when_their_file_is_written_again";
    if !are_there(test) {
        return;
    }
    for layout in ["raw", "columns", "classic"] {
        let sandbox = Sandbox::with(json!({"table_layout": layout}));
        let number = json!({"type": "integer"});
        let stream = Stream::users(json!({"id": number, "at": number, "n": number}), &["id"], &["at"]);
        let row = |id: i64, at: i64, n: i64| (0, json!({"id": id, "at": at, "n": n}));
        stream.load(&sandbox, &(0..12).map(|id| row(id, 5, id)).collect::<Vec<_>>());
        let folder = sandbox.table("default/users");
        let mut metadata = table::read(&folder).metadata;
        metadata["configuration"]["delta.enableDeletionVectors"] = json!("true");
        let protocol = json!({
            "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors"],
            "writerFeatures": ["deletionVectors"],
        });
        let first = table::commit(&folder, 0).text();
        let actions = first.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut add = actions.filter_map(|action| action.get("add").cloned()).next().unwrap();
        let remove = json!({"path": add["path"], "deletionTimestamp": 1, "dataChange": true, "size": add["size"]});
        // A bitmap of rows 3, 4, 7 and 11 of the file, in base 85.
        add["deletionVector"] = json!({
            "storageType": "i", "pathOrInlineDv": "^Bg9^0rr910000000000iXQKl0rr91000935c8Xg0@@D72lkbi", "sizeInBytes": 40,
            "cardinality": 4,
        });
        let lines = [
            json!({"protocol": protocol}),
            json!({"metaData": metadata}),
            json!({"remove": remove}),
            json!({"add": add}),
        ];
        table::commit(&folder, 1).put(lines.map(|line| format!("{line}\n")).concat());
        assert_eq!(numbers_of_able(test, &sandbox), [0, 1, 2, 5, 6, 8, 9, 10], "{layout}");
        // A key whose row is left, and one whose newer row is gone already.
        stream.load(&sandbox, &[row(0, 6, 100), row(3, 1, 103)]);
        assert_eq!(numbers_of_able(test, &sandbox), [1, 2, 5, 6, 8, 9, 10, 100, 103], "{layout}");
        stream.load(&sandbox, &[row(5, 6, 205), row(7, 0, 207)]);
        assert_eq!(numbers_of_able(test, &sandbox), [1, 2, 6, 8, 9, 10, 100, 103, 205, 207], "{layout}");
    }
}

#[test]
fn texts_that_are_no_records_are_found_after_their_file_was_written_again() {
    let test = "texts_that_are_no_records_are_found_after_their_file_was_written_again";
    if !are_there(test) {
        return;
    }
    let sandbox = Sandbox::with(json!({"table_layout": "raw"}));
    let number = json!({"type": "integer"});
    let stream = Stream::users(json!({"id": number, "at": number, "n": number}), &["id"], &["at"]);
    let row = |id: i64, at: i64| [(0, json!({"id": id, "at": at, "n": id}))];
    stream.load(&sandbox, &row(1, 1));
    let folder = sandbox.path("default/users");
    write(
        &folder,
        r#"
texts = [' {"id":7,"at":1}', '{"id":8,"at":1}', '[1]', 'text', 'é']
theirs = pa.table({
    "_airbyte_ab_id": [f"01800000-0000-7000-8000-00000000000{n}" for n in range(5)],
    "_airbyte_emitted_at": pa.array([day(1)] * 5, utc), "_airbyte_data": texts,
})
write_deltalake(folder, theirs, mode="append")
"#,
    );
    // The second row of theirs goes, and the file is written again; in the end one with a row of ours, too.
    for id in [8, 1] {
        stream.load(&sandbox, &row(id, 2));
        write(
            &folder,
            r#"
import polars
for text in [' {"id":7,"at":1}', '[1]', 'text', 'é']:
    assert polars.scan_delta(folder).filter(polars.col("_airbyte_data") == text).collect().height == 1, text
    assert DeltaTable(folder).to_pyarrow_table(filters=[("_airbyte_data", "=", text)]).num_rows == 1, text
"#,
        );
    }
}

#[test]
fn a_shallow_clone_is_a_config_error_before_anything_is_read_unless_all_of_its_rows_are_replaced() {
    let sandbox = Sandbox::new();
    let number = json!({"type": "integer"});
    let stream = Stream::users(json!({"id": number, "n": number}), &["id"], &[]);
    let row = |id: i64| [(0, json!({"id": id, "n": id}))];
    stream.load(&sandbox, &row(1));
    let (folder, first) = (sandbox.table("default/users"), table::commit(&sandbox.table("default/users"), 0));
    let file = table::read(&folder).files[0].clone();
    let elsewhere = sandbox.path("elsewhere.parquet");
    std::fs::rename(sandbox.path("default/users").join(&file), &elsewhere).unwrap();
    let cloned = first.text().replace(&file, &format!("file://{}", elsewhere.display()));
    first.delete();
    first.put(cloned);
    let run = sandbox.write(&stream.catalog(), String::new());
    let said = run.failed_with("config_error");
    assert!(said.contains("default/users") && said.contains("shallow clone"), "{said}");
    stream.refresh(42).load(&sandbox, &row(2));
    assert_eq!(numbers_in(&folder), [2]);
}
