//! What becomes of values: those of the documentation's example, those that fit no column, those without a column, and those that the
//! source says it has changed.

use serde_json::{Value, json};

use super::readers::{are_there, see};
use crate::messages::{EMITTED_AT, catalog, configured, record};
use crate::program::{Run, Sandbox};

const COLUMN_FOR_THE_REST: &str = "_airbyte_additional_properties";

fn stream(name: &str, json_schema: Value) -> Value {
    let mut stream = configured(name, "append");
    stream["stream"]["json_schema"] = json_schema;
    stream
}

/// The blocks of JSON in the page that explains the layouts: a schema, and a record.
fn example() -> (Value, Value) {
    let page = include_str!("../../docs/layouts.md");
    let blocks = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let [schema, record] =
        blocks.map(|block| serde_json::from_str(block).unwrap()).collect::<Vec<Value>>().try_into().unwrap();
    (schema, record)
}

/// The rows of the example with `settings`, and what the sync said.
fn load_example(test: &str, settings: Value) -> (Vec<Value>, Run) {
    let (schema, data) = example();
    let sandbox = Sandbox::with(settings);
    let run = sandbox.load(&catalog([stream("orders", schema)]), record("orders", &data.to_string()));
    (see(test, &sandbox, "default/orders").rows, run)
}

/// A row without its id and time.
fn rest(row: &Value) -> Value {
    let mut row = row.clone();
    row.as_object_mut().unwrap().retain(|name, _| name != "_airbyte_ab_id" && name != "_airbyte_emitted_at");
    row
}

#[test]
fn the_record_of_the_documentation_becomes_what_it_says_in_every_layout() {
    let test = "the_record_of_the_documentation_becomes_what_it_says_in_every_layout";
    if !are_there(test) {
        return;
    }
    let (_, data) = example();
    let (rows, _) = load_example(test, json!({}));
    assert_eq!(serde_json::from_str::<Value>(rows[0]["_airbyte_data"].as_str().unwrap()).unwrap(), data);

    let meta =
        r#"{"sync_id":0,"changes":[{"field":"shipped","change":"NULLED","reason":"DESTINATION_TYPECAST_ERROR"}]}"#;
    let columns = json!({
        "_airbyte_meta": meta,
        "id": 7, "total": 12.5, "ordered_at": 1_769_850_900_123_456i64, "shipped": null,
        "address": {"city": "Bern", "zip": "3011"}, "tags": ["a", "b"], "reference": "9",
        COLUMN_FOR_THE_REST: [["address.floor", "2"], ["coupon", "X1"]],
    });
    let (rows, run) = load_example(test, json!({"table_layout": "columns"}));
    assert_eq!(rest(&rows[0]), columns);
    let told = "Stream orders: 1 value of column shipped did not fit DATE and is NULL: `changes` in _airbyte_meta of its row \
                names what was changed.";
    assert_eq!(run.logs("WARN"), [told]);
    assert!(!run.says("soon"), "a cell value was told");
    assert!(run.logs("INFO").iter().any(|line| line.contains("values that did not fit their columns 1")), "{run:#?}");

    let mut as_texts = columns;
    as_texts["total"] = json!("12.5000000000");
    as_texts["address"] = data["address"].to_string().into();
    as_texts["tags"] = r#"["a","b"]"#.into();
    as_texts[COLUMN_FOR_THE_REST] = json!([["coupon", "X1"]]);
    let settings = json!({"table_layout": "columns", "number_type": "decimal", "nested": "json"});
    let (rows, _) = load_example(test, settings);
    assert_eq!(rest(&rows[0]), as_texts);

    let (rows, run) = load_example(test, json!({"table_layout": "classic"}));
    let classic = json!({
        "id": 7, "total": 12.5, "ordered_at": {"member0": 1_769_850_900_123_000i64, "member1": null},
        "shipped": {"member0": null, "member1": "soon"},
        "address": {"city": "Bern", "zip": "3011", COLUMN_FOR_THE_REST: [["floor", "2"]]},
        "tags": ["a", "b"], "reference": {"member0": 9, "member1": null},
        COLUMN_FOR_THE_REST: [["coupon", "X1"]],
    });
    assert_eq!(rest(&rows[0]), classic);
    assert!(run.logs("WARN").is_empty(), "{run:#?}");
}

#[test]
fn changes_of_the_source_come_first_and_the_platforms_number_of_the_sync_is_told() {
    let test = "changes_of_the_source_come_first_and_the_platforms_number_of_the_sync_is_told";
    if !are_there(test) {
        return;
    }
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}});
    let of_source = json!({"field": "b", "change": "NULLED", "reason": "SOURCE_RETRIEVAL_ERROR"});
    let record = |data: Value, meta: Value| {
        let record = json!({"stream": "s", "data": data, "emitted_at": EMITTED_AT, "meta": meta});
        format!("{}\n", json!({"type": "RECORD", "record": record}))
    };
    let input = [
        record(json!({"a": "x", "b": null}), json!({"changes": [of_source]})),
        record(json!({"a": 1, "b": 2}), json!({"changes": []})),
        record(json!({"a": 1, "b": null}), json!({"sync_id": 9, "changes": [of_source], "more": {}})),
        record(json!({"a": 1, "b": 3}), Value::Null),
    ];
    let ours = json!({"field": "a", "change": "NULLED", "reason": "DESTINATION_TYPECAST_ERROR"});
    let mut configured = stream("s", schema);
    configured["generation_id"] = json!(1);
    configured["minimum_generation_id"] = json!(0);
    configured["sync_id"] = json!(42);
    let sandbox = Sandbox::with(json!({"table_layout": "columns"}));
    let run = sandbox.load(&catalog([configured.clone()]), input.concat());
    let rows = see(test, &sandbox, "default/s").rows;
    let found: Vec<Value> =
        rows.iter().map(|row| serde_json::from_str(row["_airbyte_meta"].as_str().unwrap()).unwrap()).collect();
    let meta = |changes: &[&Value]| json!({"sync_id": 42, "changes": changes});
    assert_eq!(found, [meta(&[&of_source, &ours]), meta(&[]), meta(&[&of_source]), meta(&[])]);
    let values: Vec<_> = rows.iter().map(|row| (row["a"].clone(), row["b"].clone())).collect();
    assert_eq!(
        values,
        [(Value::Null, Value::Null), (json!(1), json!(2)), (json!(1), Value::Null), (json!(1), json!(3))]
    );
    assert_eq!(run.logs("WARN").len(), 1, "{run:#?}");
    assert!(run.logs("INFO").iter().any(|line| line.contains("values changed on their way here 2")), "{run:#?}");

    for layout in ["raw", "classic"] {
        let sandbox = Sandbox::with(json!({"table_layout": layout}));
        let run = sandbox.load(&catalog([configured.clone()]), &input[2]);
        let warnings = run.logs("WARN");
        assert!(
            warnings.len() == 1 && warnings[0].contains("Its table has no column for that"),
            "{layout}: {warnings:?}"
        );
        assert_eq!(see(test, &sandbox, "default/s").rows.len(), 1);
    }
}

#[test]
fn a_stream_without_properties_has_all_of_its_records_in_one_column_and_that_is_told() {
    let test = "a_stream_without_properties_has_all_of_its_records_in_one_column_and_that_is_told";
    if !are_there(test) {
        return;
    }
    for layout in ["columns", "classic"] {
        let sandbox = Sandbox::with(json!({"table_layout": layout}));
        let streams = [stream("null", Value::Null), stream("empty", json!({}))];
        let data = r#"{"a":"x","b":{"c":1.0},"d":null}"#;
        let run = sandbox.load(&catalog(streams), record("null", data) + &record("empty", data));
        let warnings = run.logs("WARN");
        assert!(warnings.len() == 1 && warnings[0].contains("streams null, empty:"), "{layout}: {warnings:?}");
        for table in ["default/null", "default/empty"] {
            let rows = see(test, &sandbox, table).rows;
            let kept = rows[0][COLUMN_FOR_THE_REST].as_array().unwrap();
            assert_eq!(&kept[..2], [json!(["a", "x"]), json!(["b", r#"{"c":1.0}"#])], "{layout} {table}");
        }
    }
}

#[test]
fn a_block_of_rows_with_changes_of_the_source_goes_through_the_spill_file_and_comes_back_whole() {
    let test = "a_block_of_rows_with_changes_of_the_source_goes_through_the_spill_file_and_comes_back_whole";
    if !are_there(test) {
        return;
    }
    const STREAMS: usize = 60;
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}, "pad": {"type": "string"}}});
    let names: Vec<String> = (0..STREAMS).map(|stream| format!("s{stream}")).collect();
    let sandbox = Sandbox::with(json!({"table_layout": "columns", "memory_limit_mb": 16}));
    let streams = catalog(names.iter().map(|name| stream(name, schema.clone())));
    let change = json!({"field": "pad", "change": "TRUNCATED", "reason": "SOURCE_FIELD_SIZE_LIMITATION"});
    let mut input = String::new();
    for n in 0..60 {
        for name in &names {
            let data = json!({"n": n, "pad": "x".repeat(2000)});
            let meta = if n % 2 == 0 { json!({"changes": [change]}) } else { json!({"changes": []}) };
            let record = json!({"stream": name, "data": data, "emitted_at": EMITTED_AT, "meta": meta});
            input += &format!("{}\n", json!({"type": "RECORD", "record": record}));
        }
    }
    sandbox.load(&streams, input);
    for name in &names[..3] {
        let rows = see(test, &sandbox, &format!("default/{name}")).rows;
        let found: Vec<(Value, usize)> = rows
            .iter()
            .map(|row| {
                let meta: Value = serde_json::from_str(row["_airbyte_meta"].as_str().unwrap()).unwrap();
                (row["n"].clone(), meta["changes"].as_array().unwrap().len())
            })
            .collect();
        let expected: Vec<(Value, usize)> = (0..60).map(|n| (json!(n), if n % 2 == 0 { 1 } else { 0 })).collect();
        assert_eq!(found, expected, "{name}");
    }
}
