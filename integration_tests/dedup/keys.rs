//! Keys that could be taken for one another: records without the key, values that do not fit, long numbers, types that change; and rows that
//! say in odd ways that they were deleted.

use serde_json::{Value, json};

use super::model::numbers;
use crate::messages::{catalog, record, state};
use crate::program::{Run, Sandbox};

const LAYOUTS: [&str; 3] = ["raw", "columns", "classic"];

/// A stream with the key `id` of the type `id`, and such types of other properties.
fn stream(id: &Value, others: &[(&str, Value)]) -> Value {
    let mut others = others.to_vec();
    others.push(("id", id.clone()));
    keyed(&json!([["id"]]), &others)
}

/// A stream with the key `key` and such types of properties.
fn keyed(key: &Value, kinds: &[(&str, Value)]) -> Value {
    let mut properties = json!({"n": {"type": "integer"}, "at": {"type": "integer"}});
    kinds.iter().for_each(|(name, kind)| properties[*name] = kind.clone());
    catalog([json!({
        "stream": {
            "name": "users", "json_schema": {"type": "object", "properties": properties},
            "supported_sync_modes": ["incremental"],
        },
        "sync_mode": "incremental", "destination_sync_mode": "append_dedup", "primary_key": key, "cursor_field": ["at"],
    })])
}

fn input(records: &[String]) -> String {
    records.iter().map(|data| record("users", data)).collect::<String>() + &state("users", 1)
}

fn sandbox(layout: &str) -> Sandbox {
    Sandbox::with(json!({"table_layout": layout}))
}

/// A config error, before any STATE; its text.
fn refused(run: &Run) -> String {
    assert!(run.states().is_empty(), "{:?}", run.states());
    run.failed_with("config_error")
}

#[test]
pub fn records_that_do_not_have_the_key_by_its_name_are_a_config_error() {
    for layout in LAYOUTS {
        let sandbox = sandbox(layout);
        let records: Vec<String> = (0..50).map(|n| json!({"ID": n, "n": n}).to_string()).collect();
        let said = refused(&sandbox.write(&stream(&json!({"type": "integer"}), &[]), input(&records)));
        assert!(
            said.contains("first 50 records do not have `id`") && said.contains("They have `ID`"),
            "{layout}: {said}"
        );
        // A key that is null is a key.
        let records = [json!({"id": null, "n": 1}).to_string(), json!({"id": null, "n": 2}).to_string()];
        sandbox.load(&stream(&json!({"type": ["null", "integer"]}), &[]), input(&records));
        assert_eq!(numbers(&sandbox.table("default/users")), [2], "{layout}");
    }
}

#[test]
pub fn keys_that_do_not_fit_their_column_are_a_config_error_and_are_kept_apart_in_the_layout_raw() {
    let records: Vec<String> = (0..20).map(|n| format!(r#"{{"id":{},"n":{n}}}"#, (1_u64 << 63) + n)).collect();
    let said = refused(&sandbox("columns").write(&stream(&json!({"type": "integer"}), &[]), input(&records)));
    assert!(said.contains("20 values of the primary key `id`") && said.contains("BIGINT"), "{said}");
    let raw = sandbox("raw");
    raw.load(&stream(&json!({"type": "integer"}), &[]), input(&records));
    assert_eq!(numbers(&raw.table("default/users")).len(), 20);
}

#[test]
pub fn keys_that_a_column_would_make_equal_are_a_config_error_inside_of_objects_and_in_every_layout_with_columns() {
    let nested = json!({"type": "object", "properties": {"k": {"type": "integer"}}});
    let time = json!({"type": "string", "format": "date-time"});
    for (key, kind, ids, layouts) in [
        ("o.k", &nested, ["1.5", "9223372036854775809"], &["columns", "classic"][..]),
        ("o", &json!({"type": "integer"}), ["1.2", "18446744073709551617"], &["columns", "classic"]),
        ("o", &time, [r#""2024-01-01T00:00:00.0001Z""#, r#""2024-01-01T00:00:00.0002Z""#], &["classic"]),
    ] {
        let path: Vec<&str> = key.split('.').collect();
        let by_key = keyed(&json!([path]), &[("o", kind.clone())]);
        let record = |(n, id): (usize, &str)| match path.len() {
            1 => format!(r#"{{"o":{id},"n":{n}}}"#),
            _ => format!(r#"{{"o":{{"k":{id}}},"n":{n}}}"#),
        };
        let records: Vec<String> = ids.iter().copied().enumerate().map(record).collect();
        for layout in layouts {
            let said = refused(&sandbox(layout).write(&by_key, input(&records)));
            assert!(said.contains(&format!("2 values of the primary key `{key}`")), "{layout}: {said}");
        }
        let raw = sandbox("raw");
        raw.load(&by_key, input(&records));
        assert_eq!(numbers(&raw.table("default/users")), [0, 1], "{key}");
    }
}

#[test]
pub fn a_part_of_the_key_that_records_have_in_another_case_is_a_config_error() {
    let integer = || json!({"type": "integer"});
    let nested = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    for layout in LAYOUTS {
        let two = keyed(&json!([["a"], ["b"]]), &[("a", integer()), ("b", integer())]);
        let records: Vec<String> = (0..5).map(|n| json!({"a": 1, "B": n, "n": n}).to_string()).collect();
        let said = refused(&sandbox(layout).write(&two, input(&records)));
        assert!(said.contains("first 5 records do not have `b`") && said.contains("They have `B`"), "{layout}: {said}");
        let inside = keyed(&json!([["o", "n"]]), &[("o", nested.clone())]);
        let records: Vec<String> = (0..5).map(|n| json!({"o": {"N": n}, "n": n}).to_string()).collect();
        let said = refused(&sandbox(layout).write(&inside, input(&records)));
        assert!(said.contains("do not have `o.n`") && said.contains("They have `o.N`"), "{layout}: {said}");
        // A part that is absent is NULL.
        let sandbox = sandbox(layout);
        let records = [r#"{"a":1,"n":1}"#, r#"{"a":2,"n":2}"#, r#"{"a":1,"n":3}"#].map(str::to_owned);
        sandbox.load(&two, input(&records));
        assert_eq!(numbers(&sandbox.table("default/users")), [2, 3], "{layout}");
    }
}

#[test]
pub fn numbers_are_keys_with_all_of_their_digits_in_the_layout_raw() {
    let sandbox = sandbox("raw");
    let number = stream(&json!({"type": "number"}), &[]);
    let many: Vec<String> = (0..20).map(|n| format!(r#"{{"id":10000000000000000{n:02},"n":{n}}}"#)).collect();
    sandbox.load(&number, input(&many));
    let table = sandbox.table("default/users");
    assert_eq!(numbers(&table).len(), 20);
    let same = [r#"{"id":1000000000000000007.0,"n":90}"#, r#"{"id":1.000000000000000008e18,"n":91}"#];
    sandbox.load(&number, input(&same.map(str::to_owned)));
    let found = numbers(&table);
    assert_eq!(found.len(), 20);
    assert!(!found.contains(&7) && !found.contains(&8) && found.contains(&91), "{found:?}");
    // A column of doubles cannot, and says so.
    let columns = self::sandbox("columns");
    let run = columns.load(&number, input(&[r#"{"id":1,"n":1}"#.to_owned()]));
    assert!(run.logs("WARN").iter().any(|line| line.contains("about 15 digits")), "{:?}", run.logs("WARN"));
}

#[test]
pub fn a_key_that_would_be_written_otherwise_than_before_is_a_config_error_except_in_raw() {
    for layout in ["columns", "classic"] {
        let sandbox = sandbox(layout);
        let (text, any) = (stream(&json!({"type": "string"}), &[]), stream(&json!({}), &[]));
        sandbox.load(&text, input(&[json!({"id": "a", "n": 1}).to_string()]));
        let run = sandbox.write(&any, input(&[json!({"id": "a", "n": 2}).to_string()]));
        let said = refused(&run);
        assert!(said.contains("`id`"), "{layout}: {said}");
        assert_eq!(numbers(&sandbox.table("default/users")), [1], "{layout}");
    }
    let raw = sandbox("raw");
    for (kind, n, id) in [(json!({"type": "string"}), 1, "a"), (json!({}), 2, "a"), (json!({"type": "string"}), 3, "a")]
    {
        raw.load(&stream(&kind, &[]), input(&[json!({"id": id, "n": n}).to_string()]));
        assert_eq!(numbers(&raw.table("default/users")), [n], "one key, and the newest row");
    }
}

#[test]
pub fn a_key_that_becomes_a_time_in_a_column_of_texts_is_a_config_error() {
    let (any, text) = (json!({}), json!({"type": "string"}));
    let time = |format: &str| json!({"type": "string", "format": format});
    for (before, after, value) in [
        (&any, time("date-time"), "2024-01-01T00:00:00Z"),
        (&any, time("date"), "2024-01-01"),
        (&text, time("date-time"), "2024-01-01T00:00:00Z"),
        (&text, time("date"), "2024-01-01"),
    ] {
        let sandbox = Sandbox::with(json!({"table_layout": "columns", "enable_schema_evolution": true}));
        sandbox.load(&stream(before, &[]), input(&[json!({"id": value, "n": 1}).to_string()]));
        let again = [json!({"id": value.replace('Z', "+00:00"), "n": 2}).to_string()];
        let said = refused(&sandbox.write(&stream(&after, &[]), input(&again)));
        assert!(said.contains("`id`") && !said.contains("  "), "{before} {after}: {said}");
        assert_eq!(numbers(&sandbox.table("default/users")), [1], "{before} {after}");
    }
}

#[test]
pub fn a_delete_that_does_not_fit_its_column_is_a_config_error() {
    let time = json!({"type": ["null", "string"], "format": "date-time"});
    let by_id = stream(&json!({"type": "integer"}), &[("_ab_cdc_deleted_at", time)]);
    let sandbox = sandbox("columns");
    sandbox.load(&by_id, input(&[json!({"id": 1, "n": 1}).to_string()]));
    let gone = [json!({"id": 1, "n": 2, "_ab_cdc_deleted_at": 1_700_000_000_123_u64}).to_string()];
    let said = refused(&sandbox.write(&by_id, input(&gone)));
    assert!(said.contains("1 value of the mark of deletes `_ab_cdc_deleted_at`"), "{said}");
    assert_eq!(numbers(&sandbox.table("default/users")), [1]);
}

#[test]
pub fn a_table_without_a_column_for_deletes_is_a_config_error() {
    let deleted = [("_ab_cdc_deleted_at", json!({"type": ["null", "string"]}))];
    let kind = json!({"type": "integer"});
    for layout in ["columns", "classic"] {
        let mut sandbox = sandbox(layout);
        sandbox.load(&stream(&kind, &[]), input(&[json!({"id": 1, "n": 1}).to_string()]));
        let gone = json!({"id": 1, "n": 2, "_ab_cdc_deleted_at": "2024-01-01T00:00:00Z"}).to_string();
        let said = refused(&sandbox.write(&stream(&kind, &deleted), input(std::slice::from_ref(&gone))));
        assert!(said.contains("_ab_cdc_deleted_at") && said.contains("enable_schema_evolution"), "{layout}: {said}");
        assert_eq!(numbers(&sandbox.table("default/users")), [1], "{layout}");
        sandbox.set(json!({"table_layout": layout, "enable_schema_evolution": true}));
        sandbox.load(&stream(&kind, &deleted), input(&[gone]));
        assert!(numbers(&sandbox.table("default/users")).is_empty(), "{layout}");
    }
}

#[test]
pub fn any_value_of_the_property_of_deletes_deletes_in_the_layout_raw() {
    let time = json!({"type": ["null", "string"], "format": "date-time"});
    let by_id = stream(&json!({"type": "integer"}), &[("_ab_cdc_deleted_at", time)]);
    for deleted in [json!("nope"), json!(""), json!(0), json!(false), json!({})] {
        let sandbox = sandbox("raw");
        sandbox.load(&by_id, input(&[json!({"id": 1, "n": 1}).to_string(), json!({"id": 2, "n": 2}).to_string()]));
        let gone = json!({"id": 1, "n": 3, "_ab_cdc_deleted_at": deleted}).to_string();
        sandbox.load(&by_id, input(&[gone, json!({"id": 2, "n": 4, "_ab_cdc_deleted_at": null}).to_string()]));
        assert_eq!(numbers(&sandbox.table("default/users")), [4], "{deleted}");
    }
}
