//! Cursors whose type changes: a row whose cursor does not go into the table's column would lose against every other one.

use serde_json::{Value, json};

use super::model::numbers;
use super::streams::Stream;
use crate::program::Sandbox;

fn by_cursor(kind: &Value) -> Stream {
    let number = json!({"type": "integer"});
    Stream::users(json!({"id": number, "n": number, "at": kind}), &["id"], &["at"])
}

fn row(at: &Value, n: i64) -> [(i64, Value); 1] {
    [(n, json!({"id": 1, "n": n, "at": at}))]
}

#[test]
fn a_cursor_whose_values_the_tables_column_cannot_hold_is_a_config_error_until_the_rows_are_replaced() {
    let text = |format: &str| json!({"type": "string", "format": format, "airbyte_type": "timestamp_with_timezone"});
    let (day, moment) = (json!({"type": "string", "format": "date"}), text("date-time"));
    let (whole, number) = (json!({"type": "integer"}), json!({"type": "number"}));
    for (layout, was, is, old, new, kind) in [
        ("columns", &day, &moment, json!("2024-01-01"), json!("2024-05-01T10:00:00Z"), "DATE"),
        ("columns", &whole, &number, json!(5), json!(6.5), "BIGINT"),
        // There the column gets another member.
        ("classic", &day, &moment, json!("2024-01-01"), json!("2024-05-01T10:00:00Z"), "DATE or STRING or TIMESTAMP"),
        ("classic", &whole, &number, json!(5), json!(6.5), "BIGINT"),
    ] {
        let sandbox = Sandbox::with(json!({"table_layout": layout, "enable_schema_evolution": true}));
        let (folder, now) = (sandbox.table("default/users"), by_cursor(is));
        by_cursor(was).load(&sandbox, &row(&old, 1));
        let run = now.break_off(&sandbox, &row(&new, 2));
        let said = run.failed_with("config_error");
        assert!(said.contains("cursor `at`") && said.contains(kind) && run.states().is_empty(), "{said}");
        assert_eq!(numbers(&folder), [1], "{kind}");
        now.refresh(42).load(&sandbox, &row(&new, 3));
        assert_eq!(numbers(&folder), [3], "{kind}");
    }
}

#[test]
fn a_cursor_that_does_not_fit_its_column_is_told_and_one_that_goes_into_another_member_is_refused() {
    let time = json!({"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"});
    let whole = json!({"type": "integer"});
    for (layout, kind, old, new) in [
        ("columns", &whole, json!(5), json!(6.5)),
        ("classic", &whole, json!(5), json!(9_223_372_036_854_775_808_u64)),
        ("classic", &time, json!("2024-01-01T00:00:00Z"), json!("2024-06-01T00:00:00.123456789Z")),
    ] {
        let sandbox = Sandbox::with(json!({"table_layout": layout}));
        let by_time = by_cursor(kind);
        by_time.load(&sandbox, &row(&old, 1));
        let run = by_time.load(&sandbox, &row(&new, 2));
        let said = run.logs("WARN").concat();
        assert!(said.contains("1 value of the cursor at did not fit"), "{layout} {kind}: {said}");
        if *kind == time {
            let run =
                by_cursor(&json!({"type": "string"})).break_off(&sandbox, &row(&json!("2024-09-01T00:00:00Z"), 3));
            let said = run.failed_with("config_error");
            assert!(said.contains("another member") && run.states().is_empty(), "{said}");
        }
    }
}
