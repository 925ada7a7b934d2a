//! The types of docs/types.md, one by one.

use super::super::testing::check;
use super::super::{ColumnOptions, Nested, Number, classic, columns};
use super::{sql, typed};

fn property(schema: &str) -> String {
    format!(r#"{{"properties":{{"c":{schema}}}}}"#)
}

fn type_with(schema: &str, options: ColumnOptions) -> String {
    let table = columns(&property(schema), options).unwrap();
    sql(&table)[0].trim_start_matches("c ").to_owned()
}

#[test]
fn every_type_has_its_column() {
    for (schema, expected) in [
        (r#"{"type":"string"}"#, "STRING"),
        (r#"{"type":["string","null"],"format":"email"}"#, "STRING"),
        (r#"{"type":"string","format":"date"}"#, "DATE"),
        (r#"{"type":["null","string"],"format":"date-time"}"#, "TIMESTAMP"),
        (r#"{"type":"string","format":"date-time","airbyte_type":"timestamp_with_timezone"}"#, "TIMESTAMP"),
        (r#"{"type":"string","format":"date-time","airbyte_type":"timestamp_without_timezone"}"#, "TIMESTAMP_NTZ"),
        (r#"{"type":"string","format":"time"}"#, "STRING"),
        (r#"{"type":"string","format":"time","airbyte_type":"time_without_timezone"}"#, "STRING"),
        (r#"{"type":"string","contentEncoding":"base64"}"#, "BINARY"),
        (r#"{"type":"string","airbyte_type":"big_integer"}"#, "DECIMAL(38,0)"),
        (r#"{"type":"string","airbyte_type":"big_number"}"#, "STRING"),
        (r#"{"type":"boolean"}"#, "BOOLEAN"),
        (r#"{"type":"integer"}"#, "BIGINT"),
        (r#"{"type":"integer","airbyte_type":"big_integer"}"#, "DECIMAL(38,0)"),
        (r#"{"type":"number"}"#, "DOUBLE"),
        (r#"{"type":"number","airbyte_type":"float"}"#, "DOUBLE"),
        (r#"{"type":["null","number"],"airbyte_type":"integer"}"#, "BIGINT"),
        (r#"{"type":["integer","number"]}"#, "DOUBLE"),
        (r#"{"anyOf":[{"type":"integer"},{"type":"integer","airbyte_type":"big_integer"}]}"#, "DECIMAL(38,0)"),
        (r#"{"anyOf":[{"type":"number"},{"type":"string","airbyte_type":"big_integer"}]}"#, "STRING"),
        (r#"{"type":"null"}"#, "STRING"),
        (r#"{"type":["null"]}"#, "STRING"),
        (r#"{}"#, "STRING"),
        (r#"{"enum":["a","b"]}"#, "STRING"),
        (r#"true"#, "STRING"),
        (r#"{"type":["null","number","string"]}"#, "STRING"),
        (r#"{"type":["boolean","integer"]}"#, "STRING"),
        (r#"{"oneOf":[{"type":"string","format":"date"},{"type":"null"}]}"#, "DATE"),
        (r#"{"oneOf":[{"type":"string","format":"date"},{"type":"string"}]}"#, "STRING"),
        (r#"{"allOf":[{"type":"integer"},{"minimum":0}]}"#, "BIGINT"),
        (r#"{"anyOf":[{"type":"integer"},{}]}"#, "STRING"),
        (r#"{"type":"array"}"#, "STRING"),
        (r#"{"type":"array","items":{}}"#, "STRING"),
        (r#"{"type":"array","items":{"type":["null","integer"]}}"#, "ARRAY<BIGINT>"),
        (r#"{"type":"array","items":{"anyOf":[{"type":"integer"},{"type":"null"}]}}"#, "ARRAY<BIGINT>"),
        (r#"{"type":"array","items":[{"type":"string"},{"type":"integer"}]}"#, "ARRAY<STRING>"),
        (r#"{"type":"array","items":[{"type":"integer"},{"type":"integer"}]}"#, "ARRAY<BIGINT>"),
        (r#"{"items":{"type":"integer"}}"#, "ARRAY<BIGINT>"),
        (
            r#"{"type":"array","items":{"type":"array","items":{"type":"string","format":"date"}}}"#,
            "ARRAY<ARRAY<DATE>>",
        ),
        (r#"{"type":"object"}"#, "STRING"),
        (r#"{"type":"object","properties":{}}"#, "STRING"),
        (r#"{"type":"object","properties":{"b":{"type":"integer"},"a":{}}}"#, "STRUCT<`b`: BIGINT, `a`: STRING>"),
        (r#"{"properties":{"b":{"type":"integer"}}}"#, "STRUCT<`b`: BIGINT>"),
        (
            r#"{"type":"object","oneOf":[{"required":["a"]},{"required":["b"]}],"properties":{"a":{"type":"number"}}}"#,
            "STRUCT<`a`: DOUBLE>",
        ),
        (
            r#"{"oneOf":[{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}}},
                {"type":"object","properties":{"a":{"type":"string"},"c":{"type":"boolean"}}}]}"#,
            "STRUCT<`a`: STRING, `b`: STRING, `c`: BOOLEAN>",
        ),
        (r#"{"oneOf":[{"type":"object","properties":{"a":{"type":"integer"}}},{"type":"string"}]}"#, "STRING"),
        (r#"{"type":["object","array"],"items":{"type":"string"},"properties":{"a":{"type":"string"}}}"#, "STRING"),
        (r#"{"$ref":"WellKnownTypes.json#/definitions/String"}"#, "STRING"),
        (r#"{"$ref":"WellKnownTypes.json#/definitions/BinaryData"}"#, "BINARY"),
        (r#"{"$ref":"WellKnownTypes.json#/definitions/Boolean"}"#, "BOOLEAN"),
        (r#"{"$ref":"WellKnownTypes.json#/definitions/Integer"}"#, "BIGINT"),
        (r#"{"$ref":"WellKnownTypes.json#/definitions/Number"}"#, "DOUBLE"),
        (r#"{"$ref":"WellKnownTypes.json#/definitions/Date"}"#, "DATE"),
        (r#"{"$ref":"WellKnownTypes.json#/definitions/TimestampWithTimezone"}"#, "TIMESTAMP"),
        (r#"{"$ref":"WellKnownTypes.json#/definitions/TimestampWithoutTimezone"}"#, "TIMESTAMP_NTZ"),
        (r#"{"$ref":"WellKnownTypes.json#/definitions/TimeWithTimezone"}"#, "STRING"),
        (r#"{"$ref":"WellKnownTypes.json#/definitions/TimeWithoutTimezone"}"#, "STRING"),
    ] {
        assert_eq!(typed(&property(schema)), [format!("c {expected}")], "{schema}");
        check(&columns(&property(schema), ColumnOptions::default()).unwrap());
    }
}

#[test]
fn what_is_not_one_type_is_json_text_and_what_can_only_be_null_is_text() {
    let kind = |schema: &str| {
        let table = columns(&property(schema), ColumnOptions::default()).unwrap();
        table.record().iter().find(|column| column.name == "c").map(|column| column.kind.clone()).unwrap()
    };
    use crate::schema::kind::Kind;
    for schema in [
        r#"{}"#,
        r#"{"type":[]}"#,
        r#"{"anyOf":[]}"#,
        r#"{"type":["string","integer"]}"#,
        r#"{"type":"object"}"#,
        r#"{"type":"array"}"#,
        r#"{"type":"strng"}"#,
        r##"{"$ref":"#/definitions/x"}"##,
        r#"{"oneOf":[{"type":"array","items":{"type":"string"}},{"type":"array"}]}"#,
    ] {
        assert_eq!(kind(schema), Kind::Json, "{schema}");
    }
    for schema in [r#"{"type":"null"}"#, r#"{"anyOf":[{"type":"null"}]}"#, r#"{"type":"string"}"#] {
        assert_eq!(kind(schema), Kind::Text, "{schema}");
    }
}

#[test]
fn settings_change_numbers_and_what_is_nested() {
    let exact = ColumnOptions { number: Number::Decimal, nested: Nested::Typed };
    for (schema, expected) in [
        (r#"{"type":"number"}"#, "DECIMAL(38,10)"),
        (r#"{"type":["integer","number"]}"#, "DECIMAL(38,10)"),
        (r#"{"type":"string","airbyte_type":"big_number"}"#, "DECIMAL(38,10)"),
        (r#"{"type":"integer"}"#, "BIGINT"),
        (r#"{"type":"array","items":{"type":"number"}}"#, "ARRAY<DECIMAL(38,10)>"),
    ] {
        assert_eq!(type_with(schema, exact), expected, "{schema}");
    }
    let as_text = ColumnOptions { number: Number::Double, nested: Nested::Json };
    for (schema, expected) in [
        (r#"{"type":"object","properties":{"a":{"type":"integer"}}}"#, "STRING"),
        (r#"{"type":"array","items":{"type":"integer"}}"#, "STRING"),
        (r#"{"type":"integer"}"#, "BIGINT"),
    ] {
        assert_eq!(type_with(schema, as_text), expected, "{schema}");
    }
}

#[test]
fn a_schema_whose_root_combines_objects_has_the_columns_of_all() {
    let schema = r#"{"type":"object","properties":{"a":{"type":"integer"}},
        "allOf":[{"properties":{"b":{"type":"string"}}},{"required":["a"]}]}"#;
    assert_eq!(typed(schema), ["a BIGINT", "b STRING"]);
}

#[test]
fn the_older_connectors_types_are_its_own() {
    for (schema, expected) in [
        (r#"{"type":["null","number"],"airbyte_type":"integer"}"#, "c DOUBLE"),
        (r#"{"type":"number","airbyte_type":"integer"}"#, "c BIGINT"),
        (r#"{"type":"number","airbyte_type":"float"}"#, "c FLOAT"),
        (r#"{"type":"string","format":"date","airbyte_type":"big_integer"}"#, "c STRING"),
        (
            r#"{"type":"object","anyOf":[{"type":"string"},{"type":"integer"}]}"#,
            "c STRUCT<`member0`: STRING, `member1`: BIGINT>",
        ),
        (r#"{"type":"array","items":{"anyOf":[{"type":"integer"}]}}"#, "c ARRAY<STRING>"),
        (r#"{"type":"array","items":{"type":"null"}}"#, "c ARRAY<STRING>"),
        (r#"{"properties":{"a":{"type":"integer"}}}"#, "c STRING"),
        (r#"{"$ref":"WellKnownTypes.json#/definitions/BinaryData"}"#, "c BINARY"),
        (
            r#"{"$ref":"WellKnownTypes.json#/definitions/TimeWithoutTimezone"}"#,
            "c STRUCT<`member0`: BIGINT, `member1`: STRING>",
        ),
        // What it failed on, because Avro has no such unions.
        (r#"{"type":["string","integer"],"format":"date-time"}"#, "c BIGINT"),
        (
            r#"{"anyOf":[{"type":"array","items":{"type":"string"}},{"type":"array","items":{"type":"integer"}}]}"#,
            "c ARRAY<STRUCT<`member0`: STRING, `member1`: BIGINT>>",
        ),
    ] {
        let table = classic(&property(schema)).unwrap();
        assert_eq!(sql(&table), [expected], "{schema}");
        check(&table);
    }
    assert_eq!(sql(&classic(&property(r#"{"type":"null"}"#)).unwrap()), [""; 0]);
    assert_eq!(sql(&classic(r#"{"type":"no type","properties":{"a":{"type":"string"}}}"#).unwrap()), ["a STRING"]);
}

#[test]
fn lists_of_several_records_become_a_list_of_one_record() {
    let records = |name: &str| {
        format!(r#"{{"type":"array","items":{{"type":"object","properties":{{"{name}":{{"type":"string"}}}}}}}}"#)
    };
    let schema = property(&format!(r#"{{"anyOf":[{},{}]}}"#, records("a"), records("b")));
    let map = "`_airbyte_additional_properties`: MAP<STRING, STRING>";
    assert_eq!(sql(&classic(&schema).unwrap()), [format!("c ARRAY<STRUCT<`a`: STRING, `b`: STRING, {map}>>")]);
    assert_eq!(typed(&schema), ["c ARRAY<STRUCT<`a`: STRING, `b`: STRING>>"]);
}
