//! Keys in JSON texts, compared by Spark: as the other engine compares them, or refused.

use serde_json::json;

use super::dedup::{at, users};
use super::json_keys::{check, input, names, streams};
use crate::messages::{record, state};
use crate::program::Sandbox;

once!(
    values_in_json_texts_are_one_key_where_they_mean_the_same,
    keys_that_spark_would_take_for_one_another_are_a_config_error,
);

fn values_in_json_texts_are_one_key_where_they_mean_the_same() {
    let sandbox = Sandbox::with(json!({"table_layout": "raw"}));
    let place = sandbox.place();
    for side in [0, 1] {
        sandbox.load(&streams(), input(side));
    }
    for name in names() {
        let told =
            place.sql(&format!("SELECT regexp_extract(_airbyte_data, '\"n\":([0-9]+)', 1) FROM {}", place.name(name)));
        check(name, told.into_iter().map(|row| row[0].as_deref().unwrap().parse().unwrap()).collect());
    }
}

fn keys_that_spark_would_take_for_one_another_are_a_config_error() {
    let by = |kind| users(&json!({"id": {"type": kind}, "n": {"type": "integer"}}), &[&["id"]], &[]);
    let long = "n".repeat(50_001);
    for (kind, data) in [
        ("number", r#"{"id":0.12345678901234567891}"#.to_owned()),
        ("number", r#"{"id":1e400}"#.to_owned()),
        ("string", r#"{"id":0.1234567890123456789}"#.to_owned()),
        ("integer", format!(r#"{{"{long}":1,"id":3}}"#)),
    ] {
        let sandbox = Sandbox::with(json!({"table_layout": "raw"}));
        let run =
            sandbox.write(&by(kind), at(1, &json!({"id": 1, "n": 1})) + &record("users", &data) + &state("users", 1));
        let said = run.failed_with("config_error");
        assert!(said.contains("primary key") && run.states().is_empty(), "{said}");
    }
}
