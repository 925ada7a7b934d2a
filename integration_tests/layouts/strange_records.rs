//! Any value in a column of any type: a record that is an object is loaded, and nothing panics.

use serde_json::{Map, Value, json};

use super::readers::{are_there, see};
use crate::messages::{catalog, configured, record};
use crate::program::Sandbox;

fn properties() -> Value {
    let text = |more: Value| {
        let mut schema = json!({"type": "string"});
        schema.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        schema
    };
    json!({
        "string": {"type": "string"}, "integer": {"type": "integer"}, "number": {"type": "number"},
        "boolean": {"type": "boolean"}, "object": {"type": "object"}, "array": {"type": "array"},
        "null": {"type": "null"}, "any": {}, "several": {"type": ["string", "integer"]},
        "date": text(json!({"format": "date"})), "timestamp": text(json!({"format": "date-time"})),
        "zoneless": text(json!({"format": "date-time", "airbyte_type": "timestamp_without_timezone"})),
        "time": text(json!({"format": "time"})), "base64": text(json!({"contentEncoding": "base64"})),
        "big": {"type": "integer", "airbyte_type": "big_integer"},
        "struct": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {
            "type": "object", "properties": {"c": {"type": "string", "format": "date"}},
        }}},
        "integers": {"type": "array", "items": {"type": "integer"}},
        "structs": {"type": "array", "items": {"type": "object", "properties": {"q": {"type": "number"}}}},
    })
}

/// JSON as it may come.
fn values() -> Vec<String> {
    let mut values: Vec<String> = [
        "true",
        "0",
        "-0",
        "1.5",
        "1e400",
        "-1e-400",
        "9223372036854775808",
        "12345678901234567890123456789.5",
        "1E+2",
        r#""""#,
        r#""x""#,
        r#""\ud800""#,
        r#""\udc00\ud800x""#,
        r#""a\u0000b""#,
        "[]",
        "{}",
        "[[[]]]",
        r#"{"a":"x","b":{"c":5},"z":{"y":[1]}}"#,
        r#"[1,"x",null,{"q":"r"}]"#,
        r#"{"a":1,"a":2,"":3," ":4,"\u0000":5}"#,
        r#""2024-02-30""#,
        r#""2024-01-01T25:00:00Z""#,
        r#""9999999-01-01""#,
        r#""-5000-01-01""#,
        r#""0000-00-00""#,
        r#""NaN""#,
        r#""Infinity""#,
        r#""AAA""#,
        r#""1970-01-01T00:00:00.999999999Z""#,
        r#""1e38""#,
    ]
    .map(str::to_owned)
    .into();
    values.push(format!("1{}", "0".repeat(500)));
    values.push(json!("y".repeat(1_000_000)).to_string());
    values.push("[".repeat(1000) + &"]".repeat(1000));
    values.push(r#"{"a":"#.repeat(1000) + "1" + &"}".repeat(1000));
    values
}

#[test]
fn any_value_in_a_column_of_any_type_is_loaded() {
    let test = "any_value_in_a_column_of_any_type_is_loaded";
    if !are_there(test) {
        return;
    }
    let names: Vec<String> = properties().as_object().unwrap().keys().cloned().collect();
    let mut records = vec![
        "{}".to_owned(),
        r#"{"string":1,"string":"two","integer":3,"integer":"x"}"#.to_owned(),
        r#"{"_airbyte_meta":{"a":1},"_airbyte_ab_id":"x","_airbyte_emitted_at":5,"_airbyte_additional_properties":{"a":"b"},"_airbyte_data":1}"#.to_owned(),
        r#"{"":1,"\u0000":2,"\ud800":3,"a.b":4,"struct":{"a":1,"\ud800":1,"z":1,"z":2}}"#.to_owned(),
    ];
    for value in values() {
        let all: Vec<String> = names.iter().map(|name| format!("{name:?}:{value}")).collect();
        records.push(format!("{{{}}}", all.join(",")));
        records.push(format!("{{\"undeclared\":{value}}}"));
    }
    let mut stream = configured("s", "append");
    stream["stream"]["json_schema"] = json!({"type": "object", "properties": properties()});
    let input: String = records.iter().map(|data| record("s", data)).collect();
    for settings in [
        json!({"table_layout": "classic"}),
        json!({"table_layout": "columns"}),
        json!({"table_layout": "columns", "number_type": "decimal", "nested": "json"}),
    ] {
        let sandbox = Sandbox::with(settings.clone());
        let run = sandbox.load(&catalog([stream.clone()]), &input);
        assert!(!run.says("25:00"), "a cell value was told");
        let rows = see(test, &sandbox, "default/s").rows;
        assert_eq!(rows.len(), records.len(), "{settings}");
        // What no column has is there as it came.
        let kept = |row: &Value| -> Map<String, Value> {
            let pairs = row["_airbyte_additional_properties"].as_array().into_iter().flatten();
            pairs.map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].clone())).collect()
        };
        for (value, row) in values().iter().zip(rows[4..].iter().skip(1).step_by(2)) {
            let text = serde_json::from_str::<String>(value).unwrap_or_else(|_| value.clone());
            if !value.contains("\\u") && !value.contains("\\ud") {
                assert_eq!(kept(row)["undeclared"], json!(text), "{settings}");
            }
        }
    }
}
