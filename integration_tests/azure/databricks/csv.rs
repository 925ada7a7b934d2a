//! Rows that are staged as CSV: in the table they are what they are when they are staged in Delta tables.

use serde_json::{Value, json};

use crate::lake::Location;
use crate::messages::{append, catalog, configured, overwrite, record, records, status};
use crate::program::Sandbox;
use crate::table;

/// The ways to stage.
const DELTA: (&str, &str) = ("delta", "none");
const CSV: (&str, &str) = ("csv", "none");
const GZIP: (&str, &str) = ("csv", "gzip");

fn sandbox(layout: &str, (format, compression): (&str, &str)) -> Sandbox {
    let mut sandbox = Sandbox::with(json!({"table_layout": layout, "enable_schema_evolution": true}));
    let mut source = sandbox.place().source();
    source["azure_staging_format"] = json!(format);
    source["azure_csv_compression"] = json!(compression);
    sandbox.set(json!({"table_layout": layout, "enable_schema_evolution": true, "data_source": source}));
    sandbox
}

/// The rows of `default/<name>` in the order of their ids, without these: every value as a text that is exact.
fn rows(sandbox: &Sandbox, name: &str) -> Vec<String> {
    let place = sandbox.place();
    let options = "map('ignoreNullFields', 'false', 'timestampFormat', \"yyyyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX\", \
                   'timestampNTZFormat', \"yyyyyy-MM-dd'T'HH:mm:ss.SSSSSS\", 'dateFormat', 'yyyyyy-MM-dd')";
    let table = place.name(name);
    let told = place.sql(&format!(
        "SELECT to_json(struct(*), {options}) FROM (SELECT * EXCEPT (_airbyte_ab_id), _airbyte_ab_id AS id FROM {table}) \
         ORDER BY id"
    ));
    let row = |told: &Vec<Option<String>>| {
        let told = told[0].clone().unwrap();
        let (row, _id) = told.rsplit_once(",\"id\":").unwrap();
        row.to_owned()
    };
    told.iter().map(row).collect()
}

/// Properties of every type.
fn properties() -> Value {
    let date_time = |airbyte_type: &str| json!({"type": "string", "format": "date-time", "airbyte_type": airbyte_type});
    json!({
        "text": {"type": "string"}, "whole": {"type": "integer"}, "number": {"type": "number"}, "is": {"type": "boolean"},
        "day": {"type": "string", "format": "date"}, "time": {"type": "string", "format": "time"},
        "instant": date_time("timestamp_with_timezone"), "local": date_time("timestamp_without_timezone"),
        "bytes": {"type": "string", "contentEncoding": "base64"},
        "object": {"type": "object", "properties": {
            "text": {"type": "string"}, "number": {"type": "number"}, "instant": date_time("timestamp_with_timezone"),
            "inner": {"type": "object", "properties": {"day": {"type": "string", "format": "date"}}},
        }},
        "numbers": {"type": "array", "items": {"type": "number"}},
        "objects": {"type": "array", "items": {"type": "object", "properties": {"local": date_time("timestamp_without_timezone")}}},
        "either": {"oneOf": [{"type": "integer"}, {"type": "string"}, {"type": "boolean"}]},
        "any": {}, "free": {"type": "object"},
    })
}

/// A text of whatever is special to CSV, JSON or SQL.
fn text(random: &mut fastrand::Rng) -> String {
    const PARTS: [&str; 26] = [
        "\"", "\"\"", ",", "\r", "\n", "\r\n", "\0", "\u{2028}", "\u{feff}", "\\", "\\\"", " ", "\t", "#", "a", "é",
        "😀", "null", "NULL", "\u{1}", "\u{85}", "\u{b}", "'", "\u{ffff}", "\u{1a}", "${x}",
    ];
    let length = if random.u8(..) == 0 { random.usize(..5000) } else { random.usize(..7) };
    (0..length).map(|_| *random.choice(PARTS.iter()).unwrap()).collect()
}

fn value(random: &mut fastrand::Rng, depth: u32) -> Value {
    const TEXTS: [&str; 14] = [
        "0001-01-01",
        "9999-12-31",
        "2021-01-31T12:34:56.123456+05:30",
        "2021-01-31T12:34:56.1234567",
        "12:34:56.000001",
        "2021-01-31T02:30:00",
        "1883-11-18T12:03:57.999999Z",
        "0044-03-15 BC",
        "NaN",
        "-Infinity",
        "AP8=",
        "1e5",
        "12345678901234567890.5",
        "true",
    ];
    match random.u8(..if depth == 0 { 12 } else { 16 }) {
        0 => Value::Null,
        1 => json!(random.bool()),
        2 => json!(random.i64(..)),
        3 => json!(random.i64(-9..9)),
        4 => json!(f64::from_bits(random.u64(..))),
        5 => json!(-0.0),
        6 => json!(f64::from(random.i32(..)) / 1000.0),
        7 => json!(""),
        8 | 9 => json!(*random.choice(TEXTS.iter()).unwrap()),
        10 | 11 => json!(text(random)),
        12 | 13 => (0..random.usize(..4)).map(|_| value(random, depth - 1)).collect(),
        _ => {
            let keys = ["text", "number", "instant", "inner", "day", "local", "other \"key\"\n"];
            let keys = keys.iter().filter(|_| random.bool()).copied().collect::<Vec<_>>();
            keys.into_iter().map(|key| (key.to_owned(), value(random, depth - 1))).collect()
        }
    }
}

#[test]
fn any_json_is_the_same_in_the_table_whether_it_was_staged_as_csv_or_in_delta_tables() {
    let seed = 1_795_208_640;
    let mut random = fastrand::Rng::with_seed(seed);
    let properties = properties();
    let names: Vec<&String> = properties.as_object().unwrap().keys().collect();
    let mut data = Vec::new();
    for _ in 0..1500 {
        let fields = names.iter().filter(|_| random.u8(..3) > 0).copied().collect::<Vec<_>>();
        let mut row: serde_json::Map<String, Value> =
            fields.into_iter().map(|name| (name.clone(), value(&mut random, 2))).collect();
        row.insert("undeclared".to_owned(), value(&mut random, 1));
        data.push(Value::Object(row).to_string());
    }
    let input: String = data.iter().map(|data| record("users", data)).collect();
    for layout in ["raw", "columns", "classic"] {
        let mut expected = Vec::new();
        for how in [DELTA, CSV, GZIP] {
            let sandbox = sandbox(layout, how);
            let mut stream = configured("users", "append");
            stream["stream"]["json_schema"] = json!({"type": "object", "properties": properties});
            sandbox.load(&catalog([stream]), &input);
            let found = rows(&sandbox, "users");
            assert_eq!(found.len(), data.len(), "{layout} {how:?}");
            if how == DELTA {
                expected = found;
                continue;
            }
            for ((found, expected), data) in found.iter().zip(&expected).zip(&data) {
                assert_eq!(found, expected, "{layout} {how:?} {data}");
            }
            let over_csv = |statement: &String| statement.contains("USING csv");
            assert!(sandbox.place().statements().iter().any(over_csv), "{layout} {how:?}");
        }
    }
}

/// The staged files.
fn staged(lake: &Location) -> Vec<Location> {
    let folders = table::staging(lake);
    folders.iter().flat_map(Location::objects).filter(|object| object.name().contains(".csv")).collect()
}

#[test]
fn staged_files_have_a_header_and_lie_by_sync_and_stream_and_a_purge_leaves_the_tables_alone() {
    for (how, extension) in [(CSV, ".csv"), (GZIP, ".csv.gz")] {
        let mut sandbox = sandbox("raw", how);
        let mut settings = sandbox.settings().clone();
        settings["purge_staging_data"] = json!(false);
        sandbox.set(settings.clone());
        sandbox.load(&append(&["users"]), records("users", 0..3));
        let files = staged(&sandbox.lake());
        let with_rows = files.iter().filter(|file| file.name().ends_with(extension) && file.name() != "columns.csv");
        let with_rows: Vec<&Location> = with_rows.collect();
        assert_eq!(with_rows.len(), 1, "{:?}", files.iter().map(Location::key).collect::<Vec<_>>());
        if how == CSV {
            let text = with_rows[0].text();
            let (header, first) = text.split_once('\n').unwrap();
            assert_eq!(header, "\"_airbyte_ab_id\",\"_airbyte_emitted_at\",\"_airbyte_data\"");
            assert!(first.starts_with('"') && text.ends_with("\"\n"), "{text}");
        }
        settings["purge_staging_data"] = json!(true);
        sandbox.set(settings);
        sandbox.load(&append(&["users"]), records("users", 3..6));
        assert_eq!(staged(&sandbox.lake()).len(), files.len(), "only what was kept");
        assert_eq!(rows(&sandbox, "users").len(), 6);
        assert_eq!(sandbox.place().tables().len(), 2, "the table, and the staging table that was kept");
    }
}

#[test]
fn an_overwrite_replaces_rows_and_one_without_rows_empties_the_table() {
    let sandbox = sandbox("columns", CSV);
    for count in [3, 5, 0] {
        sandbox.load(&overwrite(&["users"]), records("users", 0..count) + &status("users", "COMPLETE"));
        assert_eq!(rows(&sandbox, "users").len() as u64, count);
    }
    assert_eq!(sandbox.place().tables(), ["users"]);
    assert!(staged(&sandbox.lake()).is_empty());
}
