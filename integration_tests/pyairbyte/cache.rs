//! Records that PyAirbyte sends from its cache, made by hand: their names are not those of the catalog, and their times are in seconds.

use std::collections::BTreeMap;

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Value, json};

use crate::lake::Location;
use crate::messages::{EMITTED_AT, catalog, configured, record, records, said, state, status};
use crate::program::{Run, Sandbox, until};
use crate::table;

/// The values of a row, without those of Airbyte's own columns.
type Values = BTreeMap<String, Value>;

/// The rows of the table in `folder`, whatever its layout; what has no value is left out.
pub fn rows(folder: &Location) -> Vec<Values> {
    let mut rows = Vec::new();
    for file in table::try_read(folder).into_iter().flat_map(|table| table.files) {
        let reader = SerializedFileReader::new(Bytes::from(folder.join(&file).get().unwrap())).unwrap();
        for row in reader.get_row_iter(None).unwrap() {
            let mut values = Values::new();
            for (name, field) in row.unwrap().get_column_iter() {
                match field {
                    Field::Str(data) if name == "_airbyte_data" => {
                        values.extend(serde_json::from_str::<Values>(data).unwrap());
                    }
                    Field::Str(text) => drop(values.insert(name.clone(), json!(text))),
                    Field::Long(number) => drop(values.insert(name.clone(), json!(number))),
                    _ => {}
                }
            }
            values.retain(|name, value| !name.starts_with("_airbyte") && !value.is_null());
            rows.push(values);
        }
    }
    rows.sort_by_key(|row| json!(row).to_string());
    rows
}

/// A stream with the key `Id` and `Order No.` and these fields besides.
fn orders(fields: Value) -> Value {
    let properties = json!({"Id": {"type": "integer"}, "Order No.": {"type": "string"}, "v": {"type": "string"}});
    let mut stream = json!({
        "stream": {"name": "orders", "json_schema": {"type": "object", "properties": properties}},
        "sync_mode": "incremental",
        "destination_sync_mode": "append_dedup",
        "primary_key": [["Id"], ["Order No."]],
        "generation_id": 1, "minimum_generation_id": 1, "sync_id": 1,
    });
    stream.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    stream
}

fn of_source(id: u64, v: &str) -> String {
    record("orders", &json!({"Id": id, "Order No.": "7/b", "v": v}).to_string())
}

/// A record with the columns of the cache, extracted at `time`, from a machine whose zone is `hours` west of UTC.
fn with_columns(mut data: Value, time: &str, hours: i64) -> String {
    let own = json!({"_airbyte_raw_id": "06b098aa", "_airbyte_extracted_at": time, "_airbyte_meta": {}});
    data.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    let seconds = EMITTED_AT / 1000 + hours * 3600;
    record("orders", &data.to_string()).replace(&EMITTED_AT.to_string(), &seconds.to_string())
}

/// A record of the cache, extracted at [`EMITTED_AT`].
fn of_cache(id: u64, v: &str) -> String {
    with_columns(json!({"id": id, "order_no_": "7/b", "v": v}), "2023-11-14T22:13:20.123000", 0)
}

fn values(id: &str, number: &str, rows: &[(u64, &str)]) -> Vec<Values> {
    let row = |(key, v): &(u64, &str)| {
        Values::from(
            [(id, json!(key)), (number, json!("7/b")), ("v", json!(v))].map(|(name, value)| (name.to_owned(), value)),
        )
    };
    rows.iter().map(row).collect()
}

fn assert_quiet(run: &Run) {
    assert_eq!(run.logs("WARN"), [""; 0], "{run:#?}");
    let told = run.logs("INFO").iter().filter(|text| text.contains("PyAirbyte's cache")).count();
    assert_eq!(told, 1, "{run:#?}");
}

#[test]
fn keys_and_columns_have_the_names_that_the_cache_has() {
    for layout in ["raw", "columns", "classic"] {
        let sandbox = Sandbox::with(json!({"table_layout": layout}));
        let mut empty = orders(json!({}));
        empty["stream"]["name"] = json!("empty");
        let catalog = catalog([orders(json!({})), empty]);
        let before = [state("empty", 1), status("empty", "COMPLETE")].concat();
        let after = [state("orders", 1), status("orders", "COMPLETE")].concat();
        for (records, expected) in [
            ([of_cache(1, "a"), of_cache(2, "b")], &[(1, "a"), (2, "b")][..]),
            ([of_cache(2, "c"), of_cache(3, "d")], &[(1, "a"), (2, "c"), (3, "d")]),
        ] {
            let run = sandbox.load(&catalog, [before.clone(), records.concat(), after.clone()].concat());
            assert_quiet(&run);
            assert_eq!(run.states().len(), 2, "{run:#?}");
            let found = rows(&sandbox.table("default/orders"));
            assert_eq!(found, values("id", "order_no_", expected), "{layout}");
        }
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn a_cursor_is_found_under_the_name_that_the_cache_has() {
    let sandbox = Sandbox::new();
    let catalog = catalog([orders(
        json!({"cursor_field": ["UpdatedAt"], "stream": {"name": "orders", "json_schema": {"properties": {
            "Id": {"type": "integer"}, "Order No.": {"type": "string"}, "UpdatedAt": {"type": "string", "format": "date-time"},
        }}}}),
    )]);
    let at = |v: &str, cursor: &str| of_cache(1, v).replace("\"v\"", &format!("\"updatedat\":\"{cursor}\",\"v\""));
    sandbox.load(&catalog, at("new", "2026-01-02T00:00:00"));
    sandbox.load(&catalog, at("old", "2026-01-01T00:00:00"));
    let found = rows(&sandbox.table("default/orders"));
    assert_eq!(found.iter().map(|row| row["v"].as_str().unwrap()).collect::<Vec<_>>(), ["new"]);
}

#[test]
fn both_ways_of_calling_load_one_table_and_no_row_takes_the_place_of_one_with_another_key() {
    for layout in ["raw", "columns", "classic"] {
        let sandbox = Sandbox::with(json!({"table_layout": layout}));
        let folder = sandbox.table("default/orders");
        let catalog = catalog([orders(json!({}))]);
        sandbox.load(&catalog, [of_source(1, "a"), of_source(2, "a")].concat());
        sandbox.load(&catalog, [of_cache(2, "b"), of_cache(3, "b")].concat());
        sandbox.load(&catalog, [of_source(3, "c"), of_source(4, "c")].concat());
        sandbox.load(&catalog, [of_cache(4, "d"), of_cache(1, "d")].concat());
        let found = rows(&folder);
        if layout != "raw" {
            // The columns keep the names that they got first.
            assert_eq!(found, values("Id", "Order_No_", &[(1, "d"), (2, "b"), (3, "c"), (4, "d")]));
            continue;
        }
        // Rows of the two ways have no key of the other one: all of them stay.
        let mut expected = values("Id", "Order No.", &[(1, "a"), (2, "a"), (3, "c"), (4, "c")]);
        expected.extend(values("id", "order_no_", &[(1, "d"), (2, "b"), (3, "b"), (4, "d")]));
        expected.sort_by_key(|row| json!(row).to_string());
        assert_eq!(found, expected);
    }
}

#[test]
fn the_time_of_a_record_is_the_true_one_and_decides_between_versions() {
    // A stream whose names are spelled as the cache does it: nothing is read before its table is opened.
    let lower: Value = serde_json::from_str(
        &catalog([orders(json!({}))]).to_string().replace("\"Id\"", "\"id\"").replace("Order No.", "order_no_"),
    )
    .unwrap();
    for (catalog, told) in [(&lower, 0), (&catalog([orders(json!({}))]), 1)] {
        for hours in [-5, 0, 9] {
            let sandbox = Sandbox::with(json!({"table_layout": "columns"}));
            let folder = sandbox.table("default/orders");
            let source = |id, v: &str| match told {
                0 => of_source(id, v).replace("Id", "id").replace("Order No.", "order_no_"),
                _ => of_source(id, v),
            };
            let cache = |id, v: &str, time| with_columns(json!({"id": id, "order_no_": "7/b", "v": v}), time, hours);
            sandbox.load(catalog, [source(1, "a"), source(2, "a"), source(3, "a")].concat());
            let input = [
                // Emitted at the same time, and it comes later; earlier; later.
                cache(1, "b", "2023-11-14T22:13:20.123000"),
                cache(2, "b", "2023-11-14T22:13:20.122999"),
                cache(3, "b", "2023-11-14T22:13:20.123001"),
            ];
            let run = sandbox.load(catalog, input.concat());
            assert_eq!(run.logs("WARN"), [""; 0], "{run:#?}");
            let infos = run.logs("INFO").iter().filter(|text| text.contains("PyAirbyte's cache")).count();
            assert_eq!(infos, told, "{run:#?}");
            let kept: Vec<Value> = rows(&folder).iter().map(|row| row["v"].clone()).collect();
            assert_eq!(kept, ["b", "a", "b"]);
            let mut times: Vec<i64> = table::read(&folder).rows.iter().map(|row| row.emitted_at).collect();
            times.sort_unstable();
            assert_eq!(times, [0, 0, 1].map(|more| EMITTED_AT * 1000 + more), "{hours} hours west");
        }
    }
}

#[test]
fn what_is_not_of_the_cache_keeps_the_names_and_times_that_it_has() {
    let of_airbyte = json!({"id": 1, "order_no_": "x", "_airbyte_generation_id": 1});
    let unlike = json!({"Id": 1, "Order No.": "x"});
    let log = "{\"type\":\"LOG\",\"log\":{\"level\":\"INFO\",\"message\":\"m\"}}\n";
    let appends = catalog([orders(json!({"destination_sync_mode": "append"}))]);
    for (data, before) in [(of_airbyte, ""), (unlike.clone(), ""), (unlike, log)] {
        let sandbox = Sandbox::with(json!({"table_layout": "columns"}));
        let run = sandbox.load(&appends, before.to_owned() + &with_columns(data, "2023-11-14T22:13:20.123000", 0));
        assert!(!run.says("PyAirbyte's cache"), "{run:#?}");
        let found = table::read(&sandbox.table("default/orders"));
        assert_eq!(found.rows[0].emitted_at, EMITTED_AT / 1000 * 1000, "{run:#?}");
        let schema = found.metadata["schemaString"].as_str().unwrap().to_owned();
        assert!(schema.contains("\"Id\"") && schema.contains("\"Order_No_\""), "{schema}");
    }
    // The platform does not use PyAirbyte.
    let mut sandbox = Sandbox::with(json!({"table_layout": "columns"}));
    sandbox.set_environment("WORKER_JOB_ID", "7");
    let run = sandbox.load(&appends, of_cache(1, "a") + &status("orders", "COMPLETE"));
    assert!(!run.says("PyAirbyte's cache"), "{run:#?}");
}

#[test]
fn a_record_of_the_cache_that_is_seen_too_late_is_refused() {
    let sandbox = Sandbox::new();
    let log = "{\"type\":\"LOG\",\"log\":{\"level\":\"INFO\",\"message\":\"m\"}}\n";
    let run = sandbox.write(&catalog([orders(json!({}))]), log.to_owned() + &of_cache(1, "a"));
    let message = run.failed_with("config_error");
    assert!(message.starts_with("Line 2 of the input") && message.contains("cache=False"), "{message}");
    assert_eq!(rows(&sandbox.table("default/orders")), []);
}

#[test]
fn only_where_names_matter_the_input_is_waited_for_and_a_stop_ends_that() {
    let raw = orders(json!({"destination_sync_mode": "append"}));
    let mut platform = Sandbox::with(json!({"table_layout": "columns"}));
    platform.set_environment("WORKER_JOB_ID", "7");
    for (sandbox, stream) in [(Sandbox::new(), raw), (platform, orders(json!({})))] {
        let mut living = sandbox.start(&catalog([stream]));
        living
            .next_message(|message| message["log"]["message"].as_str().is_some_and(|text| text.contains(" begins: ")));
        living.end();
    }
    let sandbox = Sandbox::new();
    let mut living = sandbox.start(&catalog([orders(json!({}))]));
    living.send(state("orders", 1) + &status("orders", "COMPLETE"));
    let tasks = format!("/proc/{}/task", living.process());
    let is_reading = |task: std::io::Result<std::fs::DirEntry>| {
        task.and_then(|task| std::fs::read(task.path().join("comm"))).is_ok_and(|name| name == b"beginning\n")
    };
    until("the thread that reads the beginning", || std::fs::read_dir(&tasks).unwrap().any(is_reading));
    let run = living.signal("TERM");
    assert_eq!(run.signal, Some(15), "{run:#?}");
    assert!(run.error()["message"].as_str().unwrap().contains("stopped before it began"), "{run:#?}");
    assert!(table::try_read(&sandbox.table("default/orders")).is_none());
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn states_alone_are_given_back_and_what_is_wrong_with_the_storage_is_told_before_any_line() {
    for states in [1, 3] {
        let sandbox = Sandbox::new();
        let mut living = sandbox.start(&catalog([orders(json!({}))]));
        for n in 1..=states {
            living.send(state("orders", n));
        }
        for n in 1..=states {
            assert_eq!(said(&living.next_state()), n);
        }
        // What a thread is waiting for is not lost.
        living.send(of_source(1, "a") + &state("orders", 9) + &status("orders", "COMPLETE"));
        assert_eq!(said(&living.next_state()), 9);
        assert_eq!(living.end().code, Some(0));
        assert_eq!(rows(&sandbox.table("default/orders")), values("Id", "Order No.", &[(1, "a")]));
    }
    let mut sandbox = Sandbox::new();
    let file = sandbox.file("no folder", "");
    sandbox.set(json!({"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": file}}));
    let said = sandbox.start(&catalog([orders(json!({}))])).wait().failed_with("config_error");
    assert!(said.contains("no folder"), "{said}");
}

#[test]
fn a_source_that_reads_tables_which_airbyte_has_loaded_is_not_taken_for_the_cache() {
    let loaded = configured("loaded", "append");
    let by_key = catalog([orders(json!({})), loaded]);
    let row = json!({"id": 1, "_airbyte_raw_id": "06b098aa", "_airbyte_extracted_at": "2023-11-14T22:13:20.123000"});
    let first = record("loaded", &row.to_string());
    for layout in ["columns", "classic", "raw"] {
        let sandbox = Sandbox::with(json!({"table_layout": layout}));
        let input = [first.clone(), of_source(1, "a"), of_source(2, "b"), state("orders", 1)];
        let run = sandbox.load(&by_key, input.concat());
        assert!(!run.says("PyAirbyte's cache"), "{run:#?}");
        let (id, number) = if layout == "raw" { ("Id", "Order No.") } else { ("Id", "Order_No_") };
        assert_eq!(rows(&sandbox.table("default/orders")), values(id, number, &[(1, "a"), (2, "b")]), "{layout}");
    }
}

#[test]
fn what_was_read_before_the_tables_were_opened_is_read_like_all_else() {
    let sandbox = Sandbox::with(json!({"max_line_mb": 1}));
    let catalog = catalog([orders(json!({})), configured("users", "append")]);
    // In the first chunk are records of a stream that has nothing to do with keys.
    let run = sandbox
        .load(&catalog, [of_cache(1, "a"), records("users", 0..5000), of_cache(2, "b"), state("users", 1)].concat());
    assert_quiet(&run);
    assert_eq!(table::data(&sandbox.table("default/users")).len(), 5000);
    assert_eq!(rows(&sandbox.table("default/orders")), values("id", "order_no_", &[(1, "a"), (2, "b")]));
    let long = of_cache(1, &"x".repeat(2 << 20));
    let message = sandbox.write(&catalog, state("users", 2) + &long).failed_with("config_error");
    assert!(message.contains("too long") && message.contains("max_line_mb"), "{message}");
    // Cut off, and not JSON.
    let run = sandbox.write(&catalog, state("users", 3) + &of_cache(1, "a")[..60]);
    assert!(run.failed_with("transient_error").contains("cut off"), "{run:#?}");
    let run = sandbox.write(&catalog, state("users", 4) + "nonsense\n");
    assert!(run.failed_with("system_error").starts_with("Line 2 of the input"), "{run:#?}");
}
