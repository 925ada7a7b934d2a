//! Recorded messages of real sources and the protocol's own cases, unchanged: every record becomes a row, every STATE comes
//! back. The data lies beside the project; without it, these tests say so and are skipped.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::messages::record_in;
use crate::program::{Run, Sandbox};
use crate::recorded::{configure, read, shared_data};
use crate::table;

/// Namespace, stream, emitted_at and data of every record, in the order of the input.
fn records_of(messages: &str) -> Vec<(String, i64, String)> {
    #[derive(serde::Deserialize)]
    struct Line<'a> {
        r#type: String,
        #[serde(borrow)]
        record: Option<Record<'a>>,
    }
    #[derive(serde::Deserialize)]
    struct Record<'a> {
        stream: String,
        emitted_at: i64,
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let lines = messages.lines().filter(|line| !line.trim().is_empty());
    let lines = lines.map(|line| serde_json::from_str::<Line<'_>>(line).unwrap());
    let records = lines.filter(|line| line.r#type == "RECORD").filter_map(|line| line.record);
    records.map(|record| (record.stream, record.emitted_at, record.data.get().to_owned())).collect()
}

fn states_of(messages: &str) -> Vec<Value> {
    let lines = messages.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| serde_json::from_str(line).unwrap()).filter(|line: &Value| line["type"] == "STATE").collect()
}

/// Every record of `messages` is a row of its table, `times` times; every STATE came back in order.
pub fn assert_landed(sandbox: &Sandbox, run: &Run, messages: &str, times: usize) {
    let mut expected: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
    for (stream, emitted_at, data) in records_of(messages) {
        let rows = expected.entry(folder_of(&stream)).or_default();
        rows.extend(std::iter::repeat_n((emitted_at * 1000, data), times));
    }
    for (folder, mut rows) in expected {
        let table = table::read(&sandbox.table(&format!("default/{folder}")));
        let mut found: Vec<(i64, String)> = table.rows.into_iter().map(|row| (row.emitted_at, row.data)).collect();
        rows.sort();
        found.sort();
        assert_eq!(found, rows, "{folder}");
    }
    let without_stats = |mut state: Value| {
        assert!(state["state"].as_object_mut().unwrap().remove("destinationStats").is_some());
        state
    };
    let states: Vec<Value> = run.states().into_iter().map(without_stats).collect();
    assert_eq!(states, states_of(messages));
    table::assert_tidy(&sandbox.lake());
}

/// The identifier rule for the names that these files have.
fn folder_of(stream: &str) -> String {
    stream.to_lowercase().replace('é', "e").replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}

#[test]
pub fn a_recorded_sync_of_the_faker_source_lands_whole() {
    let Some(folder) = shared_data("a_recorded_sync_of_the_faker_source_lands_whole") else { return };
    let folder = folder.join("faker");
    let (streams, messages) = (read(&folder, "catalog.json"), read(&folder, "messages.jsonl"));
    let streams: Value = serde_json::from_str(&streams).unwrap();
    let sandbox = Sandbox::new();
    for times in 1..=2 {
        let run = sandbox.load(&streams, &messages);
        assert_eq!(run.states().len(), 11);
        assert_landed(&sandbox, &run, &messages, times);
        let counts = ["products", "users", "purchases"]
            .map(|stream| table::read(&sandbox.table(&format!("default/{stream}"))).rows.len());
        assert_eq!(counts, [100, 500, 500].map(|count| count * times));
    }
}

#[test]
pub fn the_faker_source_overwrites_and_resumes_from_every_flush() {
    let Some(folder) = shared_data("the_faker_source_overwrites_and_resumes_from_every_flush") else { return };
    let folder = folder.join("faker");
    let messages = read(&folder, "messages.jsonl");
    let mut streams: Value = serde_json::from_str(&read(&folder, "catalog.json")).unwrap();
    for stream in streams["streams"].as_array_mut().unwrap() {
        stream["destination_sync_mode"] = json!("overwrite");
    }
    let sandbox = Sandbox::new();
    for _ in 0..2 {
        let run = sandbox.load(&streams, &messages);
        assert_landed(&sandbox, &run, &messages, 1);
    }
}

#[test]
pub fn every_protocol_case_lands_in_both_modes() {
    let Some(folder) = shared_data("every_protocol_case_lands_in_both_modes") else { return };
    let folder = folder.join("protocol");
    let mut cases = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(case) = name.strip_suffix("_catalog.json") else { continue };
        let messages = read(&folder, &format!("{case}_messages.txt"));
        let discovered: Value = serde_json::from_str(&read(&folder, &name)).unwrap();
        let sandbox = Sandbox::new();
        for (mode, times) in [("append", 1), ("append", 2), ("overwrite", 1)] {
            let run = sandbox.load(&configure(&discovered, mode), &messages);
            assert_landed(&sandbox, &run, &messages, times);
            let tables = table::tables(&sandbox.lake()).len();
            assert_eq!(tables, discovered["streams"].as_array().unwrap().len(), "{case}: each stream has its table");
        }
        cases += 1;
    }
    assert!(cases >= 8, "{cases} cases");
}

#[test]
fn records_of_a_stream_that_is_in_no_catalog_file_land_when_it_is_configured() {
    let Some(folder) = shared_data("records_of_a_stream_that_is_in_no_catalog_file…") else { return };
    let messages = read(&folder.join("protocol"), "stripe_messages.txt");
    let discovered = json!({"streams": [{"name": "customers", "json_schema": {}}]});
    let sandbox = Sandbox::new();
    let run = sandbox.load(&configure(&discovered, "append"), &messages);
    assert_landed(&sandbox, &run, &messages, 1);
}

#[test]
fn every_namespace_case_gets_a_schema_of_its_own() {
    let Some(folder) = shared_data("every_namespace_case_gets_a_schema_of_its_own") else { return };
    let cases: Value = serde_json::from_str(&read(&folder.join("protocol"), "namespace_test_cases.json")).unwrap();
    let cases: Vec<&str> = cases.as_array().unwrap().iter().map(|case| case["namespace"].as_str().unwrap()).collect();
    let stream = |namespace: &&str| json!({"name": "data_stream", "namespace": namespace, "json_schema": {}});
    let discovered = json!({"streams": cases.iter().map(stream).collect::<Vec<_>>()});
    let sandbox = Sandbox::new();
    let data = |namespace: &str| json!({"of": namespace}).to_string();
    let input: String = cases.iter().map(|namespace| record_in(namespace, "data_stream", &data(namespace))).collect();
    sandbox.load(&configure(&discovered, "append"), input);
    assert_eq!(table::tables(&sandbox.lake()).len(), cases.len());
    let expected = |namespace: &str| match namespace {
        "namespace_こんにちは" => "namespace______".to_owned(),
        other => folder_of(other),
    };
    for namespace in cases.into_iter().filter(|namespace| namespace.chars().count() <= 255) {
        let folder = sandbox.table(&format!("{}/data_stream", expected(namespace)));
        assert_eq!(table::data(&folder), [data(namespace)], "{namespace}");
    }
    table::assert_tidy(&sandbox.lake());
}
