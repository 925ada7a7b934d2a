//! Keys that could be taken for one another: records without the key, values that do not fit, long numbers, types that change; and rows that
//! say in odd ways that they were deleted.

use serde_json::{Value, json};

use super::model::numbers;
use crate::messages::{catalog, record, state};
use crate::program::{Run, Sandbox};

const LAYOUTS: [&str; 3] = ["raw", "columns", "classic"];

/// A stream with the key `id` of the type `id`, and such types of other properties.
fn stream(id: &Value, others: &[(&str, Value)]) -> Value {
    let mut properties = json!({"id": id, "n": {"type": "integer"}, "at": {"type": "integer"}});
    others.iter().for_each(|(name, kind)| properties[*name] = kind.clone());
    catalog([json!({
        "stream": {
            "name": "users", "json_schema": {"type": "object", "properties": properties},
            "supported_sync_modes": ["incremental"],
        },
        "sync_mode": "incremental", "destination_sync_mode": "append_dedup", "primary_key": [["id"]], "cursor_field": ["at"],
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
