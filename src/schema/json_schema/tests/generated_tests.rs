//! Random JSON schemas: each makes a table or is a config error.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::testing::check;
use super::super::{ColumnOptions, Nested, Number, classic, columns};
use crate::error::Kind;

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["null", "boolean", "integer", "number", "string", "object", "array"])
}

fn name() -> impl Strategy<Value = String> {
    let known =
        ["id", "ID", "a b", "a_b", "a.items", "a_items", "a", "o", "", "1", "_metadata", "_airbyte_meta", "ключ"];
    prop_oneof![
        4 => prop::sample::select(known.map(str::to_owned).to_vec()),
        1 => any::<String>(),
        1 => "[a-c]{1,2}",
        1 => "x{254,257}",
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    let format = prop::sample::select(vec!["date", "time", "date-time", "email", ""]);
    let airbyte_type =
        prop::sample::select(vec!["integer", "float", "big_integer", "big_number", "timestamp_without_timezone", ""]);
    let reference = prop::sample::select(vec![
        "String",
        "BinaryData",
        "Boolean",
        "Integer",
        "Number",
        "Date",
        "TimestampWithTimezone",
        "TimestampWithoutTimezone",
        "TimeWithTimezone",
        "TimeWithoutTimezone",
    ]);
    prop_oneof![
        (word(), format, airbyte_type)
            .prop_map(|(word, format, airbyte)| json!({"type": word, "format": format, "airbyte_type": airbyte})),
        prop::collection::vec(word(), 0..4).prop_map(|words| json!({"type": words, "format": "date-time"})),
        reference.prop_map(|name| json!({"$ref": format!("WellKnownTypes.json#/definitions/{name}")})),
        prop::sample::select(vec![json!({}), json!(true), json!(null), json!({"type": null}), json!({"items": {}})]),
    ]
}

fn schema() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(6, 60, 5, |inner| {
        let properties = prop::collection::vec((name(), inner.clone()), 0..5)
            .prop_map(|properties| Value::Object(Map::from_iter(properties)))
            .boxed();
        let list = || prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            3 => (prop::collection::vec(word(), 0..3), properties.clone()).prop_map(|(mut words, properties)| {
                words.push("object");
                json!({"type": words, "properties": properties})
            }),
            1 => properties.prop_map(|properties| json!({"properties": properties})),
            2 => inner.clone().prop_map(|items| json!({"type": ["null", "array"], "items": items})),
            1 => list().prop_map(|items| json!({"type": "array", "items": items})),
            2 => (prop::sample::select(vec!["anyOf", "allOf", "oneOf"]), list())
                .prop_map(|(keyword, list)| json!({keyword: list})),
            1 => list().prop_map(|list| json!({"type": "object", "oneOf": list})),
        ]
    })
}

fn root() -> impl Strategy<Value = Value> {
    let properties = prop::collection::vec((name(), schema()), 0..6);
    properties.prop_map(|properties| json!({"properties": Map::from_iter(properties)}))
}

proptest! {
    #[test]
    fn any_schema_has_a_table_that_every_library_reads(schema in root(), exact in any::<bool>(), as_text in any::<bool>()) {
        let options = ColumnOptions {
            number: if exact { Number::Decimal } else { Number::Double },
            nested: if as_text { Nested::Json } else { Nested::Typed },
        };
        let text = schema.to_string();
        check(&columns(&text, options).unwrap());
        match classic(&text) {
            Ok(table) => check(&table),
            Err(error) => prop_assert_eq!(error.kind(), Kind::Config),
        }
    }
}
