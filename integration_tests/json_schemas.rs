//! The public cases of Airbyte's connector 1.1.x, from a JSON schema to an Avro schema: the layout `classic` gives the same. The
//! cases lie beside the project; without them, these tests say so and are skipped.

use std::fs;

use destination_databricks::schema::json_schema::classic;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::recorded::shared_data;

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypeCase {
    field_name: String,
    json_field_schema: Box<RawValue>,
    avro_field_type: Value,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaCase {
    schema_name: String,
    namespace: Option<String>,
    append_airbyte_fields: bool,
    json_schema: Box<RawValue>,
    avro_schema: Value,
}

#[test]
fn every_type_of_the_older_connector_is_made_again() {
    let Some(folder) = shared_data("every_type_of_the_older_connector_is_made_again") else { return };
    let text = fs::read_to_string(folder.join("avro/type_conversion_test_cases_v0.json")).unwrap();
    let cases: Vec<TypeCase> = serde_json::from_str(&text).unwrap();
    assert_eq!(cases.len(), 22);
    for TypeCase { field_name, json_field_schema, avro_field_type } in cases {
        let schema = format!(r#"{{"properties":{{{}:{}}}}}"#, Value::from(&*field_name), json_field_schema.get());
        let mut record = avro(&schema, "row", None);
        let fields = record["fields"].as_array_mut().unwrap();
        // The namespace that is empty is written where a record lies in another one, which here it does only for the test.
        for members in fields.iter_mut().filter_map(|field| field["type"].as_array_mut()) {
            members.iter_mut().filter_map(Value::as_object_mut).for_each(|member| drop(member.remove("namespace")));
        }
        // What a table cannot have, a column of nulls, it does not have; and what the schema says of undeclared properties is true
        // of every record.
        let name =
            if field_name == "_ab_additional_properties" { "_airbyte_additional_properties" } else { &field_name };
        let found: Vec<&Value> = fields.iter().filter(|field| field["name"] == name).collect();
        let expected = if avro_field_type == "null" { vec![] } else { vec![&avro_field_type] };
        let types: Vec<&Value> = found.iter().map(|field| &field["type"]).collect();
        assert_eq!(types, expected, "{field_name}");
        assert!(found.iter().all(|field| field["default"] == Value::Null), "{field_name}");
    }
}

#[test]
fn every_schema_of_the_older_connector_is_made_again() {
    let Some(folder) = shared_data("every_schema_of_the_older_connector_is_made_again") else { return };
    let text = fs::read_to_string(folder.join("avro/json_conversion_test_cases_v0.json")).unwrap();
    let cases: Vec<SchemaCase> = serde_json::from_str(&text).unwrap();
    assert_eq!(cases.len(), 25);
    for case in cases {
        let mut found = avro(case.json_schema.get(), &case.schema_name, case.namespace.as_deref());
        let fields = found["fields"].as_array_mut().unwrap();
        // Delta has one timestamp, of microseconds; the file's has milliseconds.
        let emitted_at = &mut fields[1]["type"]["logicalType"];
        assert_eq!(*emitted_at, "timestamp-micros");
        *emitted_at = json!("timestamp-millis");
        if !case.append_airbyte_fields {
            fields.drain(..2);
        }
        assert_eq!(found, case.avro_schema, "{}", case.schema_name);
    }
}

/// The Avro schema of a row, as JSON; the Avro library has read it.
fn avro(schema: &str, name: &str, namespace: Option<&str>) -> Value {
    let table = classic(schema).unwrap();
    table.avro(name, namespace).unwrap();
    table.avro_json(name, namespace)
}
