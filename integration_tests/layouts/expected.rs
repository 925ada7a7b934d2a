//! What a row has that was made of a record: computed from the record, for the few types that the faker source has.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime};
use serde_json::{Map, Value, json};

/// The data of each stream's records, in their order.
pub fn sent(messages: &str) -> BTreeMap<String, Vec<Value>> {
    let mut sent: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in messages.lines().filter(|line| !line.trim().is_empty()) {
        let message: Value = serde_json::from_str(line).unwrap();
        if message["type"] == "RECORD" {
            let stream = message["record"]["stream"].as_str().unwrap().to_owned();
            sent.entry(stream).or_default().push(message["record"]["data"].clone());
        }
    }
    sent
}

/// The row of a record with `data` in a table of `layout`, without its id and time, and with JSON text as the value that it is.
pub fn row_of(data: &Value, schema: &Value, layout: &str) -> Value {
    if layout == "raw" {
        return json!({"_airbyte_data": data});
    }
    let mut row = columns(data.as_object().unwrap(), schema, layout);
    row.insert("_airbyte_additional_properties".to_owned(), Value::Null);
    if layout == "columns" {
        row.insert("_airbyte_meta".to_owned(), json!({"sync_id": 0, "changes": []}));
    }
    row.into()
}

/// What a table has of `value` in a column of the type that `schema` gives; for the few types that the faker has.
fn expected(value: &Value, schema: &Value, layout: &str) -> Value {
    let is_time = schema["format"] == "date-time";
    match value {
        Value::Null => Value::Null,
        Value::String(text) if is_time => {
            let micros = micros(text);
            match layout {
                "columns" => json!(micros),
                _ => json!({"member0": micros.div_euclid(1000) * 1000, "member1": null}),
            }
        }
        Value::Number(number) if schema["type"] == "number" => json!(number.as_f64().unwrap()),
        Value::Object(object) => {
            let mut fields = columns(object, schema, layout);
            if layout == "classic" {
                fields.insert("_airbyte_additional_properties".to_owned(), Value::Null);
            }
            Value::Object(fields)
        }
        other => other.clone(),
    }
}

/// Microseconds since the epoch. A time without a zone is one in UTC.
fn micros(text: &str) -> i64 {
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => time.timestamp_micros(),
        Err(_) => text.parse::<NaiveDateTime>().unwrap().and_utc().timestamp_micros(),
    }
}

fn columns(object: &Map<String, Value>, schema: &Value, layout: &str) -> Map<String, Value> {
    let properties = schema["properties"].as_object().unwrap();
    let column = |(name, schema): (&String, &Value)| {
        (name.clone(), expected(object.get(name).unwrap_or(&Value::Null), schema, layout))
    };
    properties.iter().map(column).collect()
}
