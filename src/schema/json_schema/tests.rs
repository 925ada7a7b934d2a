//! The rules for columns: types, names, limits.

use std::thread;

use super::*;
use crate::error::Kind;
use crate::schema::columns::TableSchema;

mod generated_tests;
mod types_tests;

/// The columns of the properties, as SQL.
fn sql(table: &TableSchema) -> Vec<String> {
    let columns = table.record().iter().map(|column| format!("{} {}", column.name, column.kind.sql()));
    columns.filter(|column| !column.starts_with("_airbyte_")).collect()
}

fn typed(schema: &str) -> Vec<String> {
    sql(&columns(schema, ColumnOptions::default()).unwrap())
}

fn properties(names: &[&str]) -> String {
    let all: Vec<String> =
        names.iter().map(|name| format!(r#"{}:{{"type":"string"}}"#, serde_json::Value::from(*name))).collect();
    format!(r#"{{"properties":{{{}}}}}"#, all.join(","))
}

fn names_of(names: &[&str]) -> Vec<String> {
    typed(&properties(names)).into_iter().map(|column| column.trim_end_matches(" STRING").to_owned()).collect()
}

#[test]
fn a_property_becomes_a_column_in_the_order_of_the_schema() {
    let schema = r#"{"properties":{"b":{"type":["null","integer"]},"a":{"type":"string","format":"date"}}}"#;
    let names = |table: &TableSchema| table.columns().map(|column| column.name.clone()).collect::<Vec<_>>();
    let first = ["_airbyte_ab_id", "_airbyte_emitted_at"];
    let last = "_airbyte_additional_properties";
    let table = columns(schema, ColumnOptions::default()).unwrap();
    assert_eq!(names(&table), [&first[..], &["_airbyte_meta", "b", "a", last]].concat());
    assert_eq!(sql(&table), ["b BIGINT", "a DATE"]);
    let table = classic(schema).unwrap();
    assert_eq!(names(&table), [&first[..], &["b", "a", last]].concat());
    assert_eq!(sql(&table), ["b BIGINT", "a STRUCT<`member0`: DATE, `member1`: STRING>"]);
}

#[test]
fn of_a_property_that_comes_twice_the_last_schema_counts() {
    let schema = r#"{"properties":{"a":{"type":"integer"},"b":{"type":"boolean"},"a":{"type":"string"}}}"#;
    assert_eq!(typed(schema), ["a STRING", "b BOOLEAN"]);
    assert_eq!(sql(&classic(schema).unwrap()), ["a STRING", "b BOOLEAN"]);
}

#[test]
fn names_keep_their_case_and_lose_what_delta_and_avro_do_not_take() {
    assert_eq!(
        names_of(&["camelCase", "ALL", "a,b;c{d}(e)", "ta\tb=l", "5x", "spécial", "a.b"]),
        ["camelCase", "ALL", "a_b_c_d__e_", "ta_b_l", "_5x", "special", "a_b"]
    );
    let long = "x".repeat(300);
    let names = names_of(&["", " ", "заказ", "товар", "___", &long]);
    assert!(names.iter().all(|name| (1..=255).contains(&name.len())), "{names:?}");
    assert_eq!(names[4], "___");
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "{names:?}");
}

#[test]
fn of_names_that_clash_all_but_the_plain_one_get_a_hash_in_any_order() {
    let names = names_of(&["id", "ID", "Id", "a_b", "a:b"]);
    assert_eq!((names[0].as_str(), names[3].as_str()), ("id", "a_b"));
    assert!(names[1].starts_with("ID_") && names[2].starts_with("Id_") && names[4].starts_with("a_b_"), "{names:?}");
    let turned = names_of(&["a:b", "Id", "ID", "a_b", "id"]);
    assert_eq!(turned, [4, 2, 1, 3, 0].map(|at: usize| names[at].as_str()));
    let without_plain = names_of(&["ID", "Id"]);
    assert_eq!(without_plain, names[1..3]);
    let more = names_of(&["id", "new", "Id", "ID", "a_b", "other", "a:b"]);
    assert_eq!((&more[3], &more[2], &more[6]), (&names[1], &names[2], &names[4]));
    let as_hashed = names_of(&["id", &names[1], "ID"]);
    assert_eq!(as_hashed[1], names[1]);
    assert!(as_hashed[2] != names[1], "{as_hashed:?}");
    let nested = r#"{"properties":{"o":{"properties":{"id":{"type":"integer"},"ID":{"type":"integer"}}}}}"#;
    let hashed = format!("o STRUCT<`id`: BIGINT, `{}`: BIGINT>", names[1]);
    assert_eq!(typed(nested), [hashed]);
}

#[test]
fn names_of_other_columns_stay_theirs() {
    let reserved =
        ["_airbyte_data", "_AIRBYTE_EMITTED_AT", "_airbyte_meta", "_change_type", "_commit_version", "_metadata"];
    let table = columns(&properties(&reserved), ColumnOptions::default()).unwrap();
    let mut names: Vec<String> = table.columns().map(|column| column.name.to_ascii_lowercase()).collect();
    assert_eq!(names.len(), reserved.len() + 4);
    assert!(
        !names
            .iter()
            .any(|name| matches!(name.as_str(), "_airbyte_data" | "_change_type" | "_commit_version" | "_metadata"))
    );
    names.sort();
    names.dedup();
    assert_eq!(names.len(), reserved.len() + 4);
    let nested = r#"{"properties":{"o":{"properties":{"_metadata":{"type":"integer"}}}}}"#;
    assert_eq!(typed(nested), ["o STRUCT<`_metadata`: BIGINT>"]);
    // Airbyte's own words for what is not declared are no properties.
    assert_eq!(typed(&properties(&["_airbyte_additional_properties", "_ab_additional_properties"])), [""; 0]);
}

#[test]
fn the_older_connectors_tables_are_refused_where_it_could_not_make_them() {
    for (names, said) in [
        (&["id", "ID"][..], "property `ID` would be the column `ID`, which property `id` is already"),
        (&["a:b", "a_b"], "property `a_b` would be the column `a_b`, which property `a:b` is already"),
        (&["_Airbyte_Emitted_At"], "property `_Airbyte_Emitted_At` has the name of the column"),
        (&["\u{301}"], "no letter"),
        (&[&"x".repeat(256)], "more than 255 characters"),
    ] {
        let error = classic(&properties(names)).expect_err("a refusal");
        assert_eq!(error.kind(), Kind::Config, "{error}");
        assert!(error.to_string().contains(said), "{error}");
        assert!(error.to_string().contains("`raw`"), "{error}");
    }
    // Tables with these exist.
    assert_eq!(sql(&classic(&properties(&["_metadata", "_change_type"])).unwrap()).len(), 2);
}

#[test]
fn a_type_that_airbyte_does_not_know_is_json_text_and_in_the_older_connectors_tables_a_config_error() {
    for (schema, said, expected) in [
        (r#"{"properties":{"a":{"type":"strng"}}}"#, "property `a` has the type `strng`", "a STRING"),
        (r#"{"properties":{"a":{"type":["null","any"]}}}"#, "property `a` has the type `any`", "a STRING"),
        (r##"{"properties":{"a":{"$ref":"#/definitions/x"}}}"##, "`#/definitions/x`", "a STRING"),
        (
            r##"{"properties":{"a":{"$ref":"x","properties":{"b":{"type":"integer"}}}}}"##,
            "property `a` has the type `x`",
            "a STRING",
        ),
        (r#"{"properties":{"a":{"type":[5]}}}"#, "has the type `5`", "a STRING"),
        (
            r#"{"properties":{"a":{"type":"object","properties":{"b":{"type":"array","items":{"type":"x"}}}}}}"#,
            "property `a.b[]`",
            "a STRUCT<`b`: ARRAY<STRING>>",
        ),
        (r#"{"properties":{"a":{"anyOf":{"type":"integer"}}}}"#, "property `a` combines", "a STRING"),
        (
            r#"{"properties":{"a":{"oneOf":[{"type":"integer"},{"type":"x"}]}}}"#,
            "property `a` has the type `x`",
            "a STRING",
        ),
    ] {
        let error = classic(schema).expect_err(schema);
        assert_eq!(error.kind(), Kind::Config, "{error}");
        assert!(error.to_string().contains(said) && error.to_string().contains("`raw`"), "{error}");
        assert_eq!(typed(schema), [expected], "{schema}");
        testing::check(&columns(schema, ColumnOptions::default()).unwrap());
    }
    assert_eq!(typed(r#"{"type":"record","properties":{"a":{"type":"integer"}}}"#), ["a BIGINT"]);
}

#[test]
fn what_is_no_json_is_a_config_error() {
    for text in ["", "{", r#"{"properties":{"\ud800":{}}}"#] {
        assert_eq!(classic(text).expect_err(text).kind(), Kind::Config);
        assert_eq!(columns(text, ColumnOptions::default()).expect_err(text).kind(), Kind::Config);
    }
}

/// Runs `test` on a thread with the stack that workers have.
fn on_a_worker(test: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(2 << 20).spawn(test).unwrap().join().unwrap();
}

fn nested(levels: usize, open: &str, inner: &str, close: &str) -> String {
    format!("{}{inner}{}", open.repeat(levels), close.repeat(levels))
}

#[test]
fn schemas_of_any_depth_have_a_table_in_which_what_lies_deep_is_text() {
    on_a_worker(|| {
        let integer = r#"{"type":"integer"}"#;
        let object = |levels| nested(levels, r#"{"type":"object","properties":{"a":"#, integer, "}}");
        let table = columns(&object(MAX_LEVELS + 1), ColumnOptions::default()).unwrap();
        testing::check(&table);
        assert_eq!(sql(&table)[0].matches("STRUCT").count(), MAX_LEVELS);
        assert!(sql(&table)[0].contains("BIGINT"));
        for levels in [50, 1000, 100_000] {
            for open in [r#"{"type":"object","properties":{"a":"#, r#"{"type":"object","properties":{"a":{"anyOf":["#] {
                let close = if open.ends_with('[') { "]}}}" } else { "}}" };
                let table = columns(&nested(levels, open, integer, close), ColumnOptions::default()).unwrap();
                testing::check(&table);
                assert!(sql(&table)[0].contains("`a`: STRING"), "{levels}");
            }
            let lists = nested(levels, r#"{"type":"array","items":"#, integer, "}");
            let lists = columns(&format!(r#"{{"properties":{{"a":{lists}}}}}"#), ColumnOptions::default()).unwrap();
            testing::check(&lists);
            assert_eq!(sql(&lists)[0].matches("ARRAY").count(), 16);
            let inner = r#"{"type":"array","items":{"type":"object","properties":{"a":"#;
            let mixed = format!(r#"{{"properties":{{"a":{}}}}}"#, nested(levels, inner, integer, "}}}"));
            let mixed = columns(&mixed, ColumnOptions::default()).unwrap();
            assert_eq!(sql(&mixed)[0].matches("ARRAY").count(), 16);
            let unions = nested(levels, r#"{"anyOf":["#, integer, "]}");
            let unions = columns(&format!(r#"{{"properties":{{"a":{unions}}}}}"#), ColumnOptions::default()).unwrap();
            assert_eq!(sql(&unions), [if levels == 50 { "a BIGINT" } else { "a STRING" }]);
        }
    });
}

#[test]
fn the_older_connectors_tables_are_refused_where_readers_cannot_follow_their_depth() {
    on_a_worker(|| {
        let integer = r#"{"type":"integer"}"#;
        for (open, close, deepest) in [
            (r#"{"type":"object","properties":{"a":"#, "}}", 40),
            (r#"{"type":"object","properties":{"a":{"type":["string","object"],"properties":{"a":"#, "}}}}", 13),
        ] {
            testing::check(&classic(&nested(deepest, open, integer, close)).unwrap());
            for levels in [deepest + 1, 50, 100_000] {
                let error = classic(&nested(levels, open, integer, close)).expect_err("a refusal");
                assert_eq!(error.kind(), Kind::Config);
                assert!(
                    error.to_string().contains("property `a") && error.to_string().contains("`columns`"),
                    "{error}"
                );
            }
        }
    });
}

#[test]
fn wide_and_long_schemas_become_tables() {
    let description = "d".repeat(2_500);
    let property = |at: usize| format!(r#""p{at}":{{"type":["null","integer"],"description":"{description}"}}"#);
    let all: Vec<String> = (0..2_000).map(property).collect();
    let schema = format!(r#"{{"properties":{{{}}}}}"#, all.join(","));
    assert!(schema.len() > 5_000_000);
    for table in [columns(&schema, ColumnOptions::default()).unwrap(), classic(&schema).unwrap()] {
        assert_eq!(sql(&table).len(), 2_000);
        testing::check(&table);
    }
    let all: Vec<String> = (0..=MAX_FIELDS).map(|at| format!(r#""p{at}":{{}}"#)).collect();
    let schema = format!(r#"{{"properties":{{{}}}}}"#, all.join(","));
    for error in
        [columns(&schema, ColumnOptions::default()).expect_err("a refusal"), classic(&schema).expect_err("a refusal")]
    {
        assert!(error.to_string().contains("property `p100000` is one of more than 100000"), "{error}");
    }
}
