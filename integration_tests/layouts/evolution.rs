//! Streams whose schema changes from sync to sync, with syncs that are killed in between: each reader sees every row once, with
//! what the table had for it at its time.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::readers::{are_there, see, without_nulls};
use crate::messages::{catalog, configured, record, state};
use crate::place::Place;
use crate::program::Sandbox;
use crate::table;

const REST: &str = "_airbyte_additional_properties";
/// Rows of a sync.
pub const ROWS: u64 = 3;

/// A sync with another schema than the one before.
pub struct Step {
    pub evolution: bool,
    pub properties: Value,
    /// The record, and the row that it becomes without what is NULL; both get an `id`.
    pub data: Value,
    columns: Value,
    classic: Value,
    /// What the error says of a sync that has to fail.
    refused: Option<&'static str>,
}

fn step(evolution: bool, properties: Value, data: Value, columns: Value, classic: Value) -> Step {
    Step { evolution, properties, data, columns, classic, refused: None }
}

fn nulled(field: &str) -> Value {
    json!([{"field": field, "change": "NULLED", "reason": "DESTINATION_TYPECAST_ERROR"}])
}

/// Ten schemas of one stream: properties are added, dropped, renamed, widened, narrowed and nested.
pub fn steps() -> Vec<Step> {
    let (int, num, text) = (json!({"type": "integer"}), json!({"type": "number"}), json!({"type": ["null", "string"]}));
    let object = |properties: Value| json!({"type": "object", "properties": properties});
    let list = |items: Value| json!({"type": "array", "items": items});
    let date = json!({"type": "string", "format": "date"});
    let zoneless = json!({"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"});
    vec![
        step(
            false,
            json!({"w": int, "a": text, "o": object(json!({"x": int}))}),
            json!({"w": 1, "a": "t", "o": {"x": 1}}),
            json!({"w": 1, "a": "t", "o": {"x": 1}}),
            json!({"w": 1, "a": "t", "o": {"x": 1}}),
        ),
        // Adds a column and a field.
        step(
            true,
            json!({"w": int, "a": text, "o": object(json!({"x": int, "y": text})), "b": num, "day": date}),
            json!({"w": 2, "a": "t", "o": {"x": 1, "y": "n"}, "b": 0.5, "day": "1970-01-03"}),
            json!({"w": 2, "a": "t", "o": {"x": 1, "y": "n"}, "b": 0.5, "day": 2}),
            json!({"w": 2, "a": "t", "o": {"x": 1, "y": "n"}, "b": 0.5, "day": {"member0": 2}}),
        ),
        // Drops one that the source goes on sending.
        step(
            true,
            json!({"w": int, "o": object(json!({"y": text})), "b": num}),
            json!({"w": 3, "a": "gone", "o": {"y": "n"}, "b": 1.5}),
            json!({"w": 3, "o": {"y": "n"}, "b": 1.5, REST: [["a", "gone"]]}),
            json!({"w": 3, "o": {"y": "n"}, "b": 1.5, REST: [["a", "gone"]]}),
        ),
        // Renames one.
        step(
            true,
            json!({"w": int, "a": text, "c": num}),
            json!({"w": 4, "a": "t", "c": 2.5}),
            json!({"w": 4, "a": "t", "c": 2.5}),
            json!({"w": 4, "a": "t", "c": 2.5}),
        ),
        // Adds one that the table is not to get.
        step(
            false,
            json!({"w": int, "a": text, "c": num, "d": int, "o": object(json!({"x": int, "z": int}))}),
            json!({"w": 5, "a": "t", "c": 2.5, "d": 4, "o": {"x": 1, "z": 9}}),
            json!({"w": 5, "a": "t", "c": 2.5, "o": {"x": 1}, REST: [["d", "4"], ["o.z", "9"]]}),
            json!({"w": 5, "a": "t", "c": 2.5, "o": {"x": 1, REST: [["z", "9"]]}, REST: [["d", "4"]]}),
        ),
        // Widens one: no commit can without reading the rows again.
        step(
            true,
            json!({"w": num, "a": text, "at": zoneless}),
            json!({"w": 6.5, "a": "t", "at": "1970-01-01T00:00:01"}),
            json!({"a": "t", "at": 1_000_000, "_airbyte_meta": nulled("w")}),
            json!({"a": "t", "at": {"member0": 1_000_000}, REST: [["w", "6.5"]]}),
        ),
        Step {
            refused: Some("column w is BIGINT, and the stream has DOUBLE"),
            ..step(false, json!({"w": num}), json!({"w": 1.5}), json!({}), json!({}))
        },
        // Narrows one, which the wider column takes.
        step(
            true,
            json!({"w": int, "c": int}),
            json!({"w": 8, "c": 3}),
            json!({"w": 8, "c": 3.0}),
            json!({"w": 8, "c": 3.0}),
        ),
        // A text becomes an object, an object a text.
        step(
            true,
            json!({"w": int, "a": object(json!({"p": int})), "o": text, "l": list(object(json!({"k": int})))}),
            json!({"w": 9, "a": {"p": 1}, "o": "flat", "l": [{"k": 1}]}),
            json!({"w": 9, "a": "{\"p\":1}", "l": [{"k": 1}], "_airbyte_meta": nulled("o")}),
            json!({"w": 9, "a": "{\"p\":1}", "l": [{"k": 1}], REST: [["o", "flat"]]}),
        ),
        // A field in the items of a list.
        step(
            true,
            json!({"w": int, "l": list(object(json!({"k": int, "m": list(text)})))}),
            json!({"w": 10, "l": [{"k": 1, "m": ["q", null]}, {}]}),
            json!({"w": 10, "l": [{"k": 1, "m": ["q", null]}, {}]}),
            json!({"w": 10, "l": [{"k": 1, "m": ["q", null]}, {}]}),
        ),
    ]
}

pub fn stream(properties: &Value, mode: &str) -> Value {
    let mut stream = configured("s", mode);
    let mut properties = properties.clone();
    properties["id"] = json!({"type": "integer"});
    stream["stream"]["json_schema"] = json!({"type": "object", "properties": properties});
    catalog([stream])
}

/// The input of a sync whose rows have the ids from `first`.
pub fn input(data: &Value, first: u64) -> String {
    let rows = (first..first + ROWS).map(|id| {
        let mut data = data.clone();
        data["id"] = json!(id);
        record("s", &data.to_string())
    });
    rows.collect::<String>() + &state("s", first)
}

/// The rows by their ids, without what is NULL and what differs from row to row. Of the meta column, the changes.
pub fn seen(test: &str, sandbox: &Sandbox) -> BTreeMap<u64, Value> {
    let mut rows = BTreeMap::new();
    for row in see(test, sandbox, "default/s").rows {
        let mut row = without_nulls(&row);
        let fields = row.as_object_mut().unwrap();
        fields.retain(|name, _| name != "_airbyte_ab_id" && name != "_airbyte_emitted_at");
        if let Some(meta) = fields.remove("_airbyte_meta") {
            let meta: Value = serde_json::from_str(meta.as_str().unwrap()).unwrap();
            if meta["changes"] != json!([]) {
                fields.insert("_airbyte_meta".to_owned(), meta["changes"].clone());
            }
        }
        let id = fields.remove("id").unwrap().as_u64().unwrap();
        assert_eq!(rows.insert(id, row), None, "row {id} is there twice");
    }
    rows
}

/// Runs a sync until it is killed at some moment. Whether it said that its rows are in the table.
pub fn killed(sandbox: &Sandbox, catalog: &Value, input: &str, round: u64) -> bool {
    let mut living = sandbox.start(catalog);
    match round % 4 {
        0 => living.send(&input[..input.len() / 2]),
        1 => {
            living.send(input);
            living.has_read_so_far();
        }
        _ => {
            living.send(input);
            living.has_read_so_far();
            living.close();
            std::thread::sleep(Place::SYNC.mul_f64((round * 13 % 60) as f64 / 60.0));
        }
    }
    !living.kill().states().is_empty()
}

pub fn settings(layout: &str, evolution: bool) -> Value {
    json!({"table_layout": layout, "enable_schema_evolution": evolution})
}

#[test]
fn ten_schemas_in_ten_syncs_with_killed_ones_between_leave_each_row_once_and_as_it_was() {
    let test = "ten_schemas_in_ten_syncs_with_killed_ones_between_leave_each_row_once_and_as_it_was";
    if !are_there(test) {
        return;
    }
    for (at, layout) in ["columns", "classic"].into_iter().enumerate() {
        let mut sandbox = Sandbox::with(settings(layout, false));
        // What rows there have to be, and what those may be like that a killed sync sent.
        let (mut sure, mut possible) = (BTreeMap::new(), BTreeMap::new());
        for (round, step) in (0..).zip(steps()) {
            sandbox.set(settings(layout, step.evolution));
            let streams = stream(&step.properties, "append");
            let expected = if layout == "columns" { &step.columns } else { &step.classic };
            let first = round * 100;
            if let Some(why) = step.refused {
                let said = sandbox.write(&streams, input(&step.data, first)).failed_with("config_error");
                assert!(said.contains(why) && said.contains("`enable_schema_evolution`"), "{said}");
            } else {
                let rows = |first: u64| (first..first + ROWS).map(|id| (id, expected.clone()));
                possible.extend(rows(first + 50));
                if killed(&sandbox, &streams, &input(&step.data, first + 50), round * 3 + at as u64) {
                    sure.extend(rows(first + 50));
                }
                let run = sandbox.load(&streams, input(&step.data, first));
                let kept = if layout == "columns" { "become NULL and are named" } else { "are kept as text" };
                for told in run.logs("WARN").iter().filter(|told| told.contains("The table's type stays")) {
                    assert!(told.contains(kept) && told.contains("A refresh in mode overwrite"), "{told}");
                }
                sure.extend(rows(first));
            }
            let found = seen(test, &sandbox);
            for (id, row) in &found {
                let expected = sure.get(id).or(possible.get(id));
                assert_eq!(Some(row), expected, "{layout}: row {id} after sync {round}");
            }
            let missing: Vec<_> = sure.keys().filter(|id| !found.contains_key(id)).collect();
            assert!(missing.is_empty(), "{layout}: {missing:?} are missing after sync {round}");
            if Place::SWEEPS_AT_ONCE {
                table::assert_tidy(&sandbox.lake());
            }
        }
    }
}
