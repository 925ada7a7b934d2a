//! The public record cases of connector 1.1.x and of its converter.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use super::testing::{Plain, row, written};
use crate::schema::columns::{Column, Layout, Source, TableSchema};
use crate::schema::kind::{Bits, Kind, Record};

/// The keys by which a case sets the converter otherwise than that connector.
const SETTINGS: [&str; 3] = ["jsonExtraPropsFields", "avroExtraPropsField", "toUpperCase"];

/// The texts of each case's parts.
type Case = BTreeMap<String, Box<RawValue>>;

fn cases(name: &str) -> Vec<Case> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/avro").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("cases")
}

fn part<T: serde::de::DeserializeOwned>(case: &Case, name: &str) -> T {
    serde_json::from_str(case[name].get()).expect("JSON")
}

fn kind(schema: &Value) -> Kind {
    let logical = schema.get("logicalType").and_then(Value::as_str);
    let name = match schema {
        Value::Array(members) => {
            let kinds: Vec<Kind> = members.iter().filter(|member| *member != "null").map(kind).collect();
            return if kinds.len() == 1 { kinds[0].clone() } else { Kind::Union(kinds.into()) };
        }
        Value::Object(schema) => match &schema["type"] {
            Value::String(name) => name.as_str(),
            nested => return kind(nested),
        },
        Value::String(name) => name,
        _ => panic!("{schema}"),
    };
    match (name, logical) {
        ("string", Some("uuid")) => Kind::Uuid,
        ("string", _) => Kind::Text,
        ("boolean", _) => Kind::Boolean,
        ("int", Some("date")) => Kind::Date,
        ("int", _) => Kind::Integer(Bits::B32),
        ("long", Some("time-micros")) => Kind::Time,
        ("long", Some("timestamp-micros")) => Kind::Timestamp,
        ("long", _) => Kind::Integer(Bits::B64),
        ("float", _) => Kind::Float,
        ("double", _) => Kind::Double,
        ("bytes", _) => Kind::Binary,
        ("map", _) => Kind::TextMap,
        ("array", _) => Kind::List(Arc::new(kind(&schema["items"]))),
        ("record", _) => Kind::Struct(Arc::new(Record {
            name: schema["name"].as_str().unwrap_or_default().to_owned(),
            namespace: schema["namespace"].as_str().map(str::to_owned),
            fields: fields(schema),
        })),
        other => panic!("{other:?}"),
    }
}

fn fields(record: &Value) -> Vec<Column> {
    let column = |field: &Value| {
        let name = field["name"].as_str().expect("a name");
        let original =
            field["doc"].as_str().and_then(|doc| doc.strip_prefix("_airbyte_original_name:")).unwrap_or(name);
        let source = match name {
            "_airbyte_additional_properties" => Source::Undeclared,
            _ => Source::Property(original.to_owned()),
        };
        Column::new(name, kind(&field["type"]), source)
    };
    record["fields"].as_array().expect("fields").iter().map(column).collect()
}

/// Whether `found` is what the case says, where a union is a structure of which one member has a value.
fn is(found: &Plain, expected: &Value) -> bool {
    match (found, expected) {
        (Plain::Struct(members), expected) if members.first().is_some_and(|(name, _)| name == "member0") => {
            let mut values = members.iter().filter(|(_, value)| *value != Plain::Null);
            values.next().is_some_and(|(_, value)| is(value, expected)) && values.next().is_none()
        }
        (Plain::Null, expected) => expected.is_null(),
        (Plain::Boolean(value), expected) => expected.as_bool() == Some(*value),
        (Plain::Whole(value), expected) => expected.as_i64().map(i128::from) == Some(*value),
        (Plain::Double(bits), Value::String(word)) => match word.as_str() {
            "Infinity" => f64::from_bits(*bits) == f64::INFINITY,
            "-Infinity" => f64::from_bits(*bits) == f64::NEG_INFINITY,
            word => word == "NaN" && f64::from_bits(*bits).is_nan(),
        },
        (Plain::Double(bits), expected) => expected.as_f64().map(f64::to_bits) == Some(*bits),
        (Plain::Bytes(bytes), expected) => expected.as_str().map(str::as_bytes) == Some(bytes),
        (Plain::List(items), Value::Array(expected)) => {
            items.len() == expected.len() && items.iter().zip(expected).all(|(item, expected)| is(item, expected))
        }
        (Plain::Struct(fields), Value::Object(expected)) => {
            let all = fields.iter().all(|(name, value)| is(value, expected.get(name).unwrap_or(&Value::Null)));
            all && expected.keys().all(|name| fields.iter().any(|(field, _)| field == name))
        }
        (Plain::Map(entries), Value::Object(expected)) => {
            entries.len() == expected.len()
                && entries.iter().all(|(key, value)| expected.get(key).and_then(Value::as_str) == Some(value))
        }
        _ => false,
    }
}

/// The ids and times of rows are not made of records.
fn is_of_record(name: &str) -> bool {
    !matches!(name, "_airbyte_ab_id" | "_airbyte_emitted_at")
}

fn run(name: &str, least: usize) {
    let mut run = 0;
    for case in cases(name) {
        if SETTINGS.iter().any(|setting| case.contains_key(*setting)) {
            continue;
        }
        let columns = fields(&part(&case, "avroSchema"));
        let columns = columns.into_iter().filter(|column| is_of_record(&column.name)).collect();
        // Nested values keep their text.
        let mut record: BTreeMap<String, Box<RawValue>> = part(&case, "jsonObject");
        record.retain(|name, _| is_of_record(name));
        let record = serde_json::to_string(&record).expect("JSON");
        let (batch, changes) = written(TableSchema::of(Layout::Classic, columns), &[record]);
        let found = Plain::Struct(row(&batch, 0));
        let mut expected: serde_json::Map<String, Value> = part(&case, "avroObject");
        expected.retain(|name, _| is_of_record(name));
        assert!(is(&found, &Value::Object(expected)), "{case:#?}\n{found:?}");
        assert!(changes.is_empty(), "{case:#?}");
        run += 1;
    }
    assert!(run >= least, "{run} cases");
}

#[test]
fn every_record_of_the_converters_public_cases_is_converted_to_the_letter() {
    run("json_avro_converter.json", 16);
}

#[test]
fn every_record_of_the_connectors_public_cases_is_converted_to_the_letter() {
    run("json_conversion_test_cases_v0.json", 25);
}
