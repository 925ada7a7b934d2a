//! Edits of the schema and of the protocol in a log.

use super::*;
use crate::schema::table_type::TableType;

fn path(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}

#[test]
fn changes_leave_what_others_have_written_into_the_schema() {
    let mut schema = json!({"type": "struct", "fields": [
        {"name": "Id", "type": "long", "nullable": false, "metadata": {"comment": "theirs", "x": 1}},
        {"name": "a", "type": {"type": "array", "containsNull": false, "elementType": {"type": "struct", "fields": [
            {"name": "b", "type": "string", "nullable": false, "metadata": {}},
        ]}}, "nullable": true, "metadata": {}},
        {"name": "gone", "type": "string", "nullable": true, "metadata": {}},
    ]});
    for change in [
        Alter::Add { path: path("n"), kind: TableType::parse("map<string,string>") },
        Alter::Add { path: path("a.element.c"), kind: TableType::parse("bigint") },
        Alter::Relax { path: path("a.element") },
        Alter::Relax { path: path("a.element.B") },
        Alter::Relax { path: path("id") },
        Alter::Retype { path: path("ID"), kind: TableType::parse("decimal(38,0)") },
        Alter::Drop { path: path("gone") },
    ] {
        let at: Vec<&str> = change.path().iter().map(String::as_str).collect();
        assert_eq!(change_at(&mut schema, &at, &change), Some(()), "{change:?}");
    }
    let map = json!({"type": "map", "keyType": "string", "valueType": "string", "valueContainsNull": true});
    assert_eq!(
        schema,
        json!({"type": "struct", "fields": [
            {"name": "Id", "type": "decimal(38,0)", "nullable": true, "metadata": {"comment": "theirs"}},
            {"name": "a", "type": {"type": "array", "containsNull": true, "elementType": {"type": "struct", "fields": [
                {"name": "b", "type": "string", "nullable": true, "metadata": {}},
                {"name": "c", "type": "long", "nullable": true, "metadata": {}},
            ]}}, "nullable": true, "metadata": {}},
            {"name": "n", "type": map, "nullable": true, "metadata": {}},
        ]})
    );
}

#[test]
fn a_protocol_gets_the_feature_once_and_keeps_what_its_versions_stood_for() {
    let old = json!({"minReaderVersion": 2, "minWriterVersion": 5});
    let new = with_feature(&old, LOCAL_TIMES).unwrap_or_default();
    assert_eq!(
        new,
        json!({
            "minReaderVersion": 3, "minWriterVersion": 7,
            "readerFeatures": ["columnMapping", "timestampNtz"],
            "writerFeatures": ["appendOnly", "invariants", "checkConstraints", "changeDataFeed", "generatedColumns",
                "columnMapping", "timestampNtz"],
        })
    );
    assert_eq!(with_feature(&new, LOCAL_TIMES), None);
    let listed = json!({"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["appendOnly"]});
    let new = with_feature(&listed, LOCAL_TIMES).unwrap_or_default();
    assert_eq!(
        (&new["readerFeatures"], &new["writerFeatures"]),
        (&json!(["timestampNtz"]), &json!(["appendOnly", "timestampNtz"]))
    );
}

#[test]
fn only_a_type_needs_the_feature_and_not_a_name() {
    let of = |fields: Value| protocol_of_new(&json!({"type": "struct", "fields": fields}).to_string());
    let field = |name: &str, kind: Value| json!({"name": name, "type": kind, "nullable": true, "metadata": {}});
    let lowest = json!({"minReaderVersion": 1, "minWriterVersion": 2});
    assert_eq!(of(json!([field("timestamp_ntz", json!("string"))])), lowest);
    let list = json!({"type": "array", "elementType": "timestamp_ntz", "containsNull": true});
    let inner = json!({"type": "struct", "fields": [field("at", json!("timestamp_ntz"))]});
    for kind in [json!("timestamp_ntz"), list, inner] {
        assert_eq!(of(json!([field("a", kind.clone())]))["minReaderVersion"], 3, "{kind}");
    }
}
