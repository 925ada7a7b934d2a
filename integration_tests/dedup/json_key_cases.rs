//! Keys in JSON texts, compared in the process. `databricks/dedup_json_keys` has the same ones compared by Spark.

use serde_json::json;

use super::json_keys::{check, input, names, streams};
use super::model::numbers;
use crate::program::Sandbox;

#[test]
pub fn values_in_json_texts_are_one_key_where_they_mean_the_same() {
    let sandbox = Sandbox::with(json!({"table_layout": "raw"}));
    for side in [0, 1] {
        sandbox.load(&streams(), input(side));
    }
    names().for_each(|name| check(name, numbers(&sandbox.table(&format!("default/{name}")))));
}
