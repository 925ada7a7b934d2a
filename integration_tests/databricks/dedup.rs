//! Append + dedup as Spark does it: the newest row of each key, in every layout. `dedup_faults` has what goes wrong, `dedup_model` what
//! nobody thought of.

use serde_json::{Value, json};

use super::columns::rows;
use super::place::Place;
use crate::messages::{EMITTED_AT, catalog, configured, state, status};
use crate::program::Sandbox;

over_both!(newer_rows_take_the_place_of_older_ones_and_deletes_remove_theirs);
once!(
    without_a_cursor_the_row_that_was_emitted_last_is_the_newest,
    another_cursor_and_another_key_go_on_with_what_is_there,
    keys_are_found_inside_of_objects_and_under_odd_names,
    rows_without_a_key_are_versions_of_one_another_and_values_that_mean_the_same_are_one_key,
    a_table_that_was_appended_to_gets_one_row_of_each_key_first,
    a_refresh_replaces_the_rows_by_the_newest_of_each_key,
    columns_that_the_stream_lost_become_null_unless_they_must_have_a_value,
    a_new_table_is_clustered_by_its_key_and_only_the_files_of_its_range_are_read,
);

/// A configured stream `users` with these properties, a key and a cursor, which may be empty.
pub fn users(properties: &Value, key: &[&[&str]], cursor: &[&str]) -> Value {
    let mut stream = configured("users", "append_dedup");
    stream["stream"]["json_schema"] = json!({"type": "object", "properties": properties});
    stream["primary_key"] = json!(key);
    stream["cursor_field"] = json!(cursor);
    catalog([stream])
}

/// A record of `users`, emitted so many milliseconds after the first.
pub fn at(later: i64, data: &Value) -> String {
    let record = json!({"stream": "users", "data": data, "emitted_at": EMITTED_AT + later});
    format!("{}\n", json!({"type": "RECORD", "record": record}))
}

/// The records of `users`, by all layouts the same: without what is NULL, as texts in order.
pub fn records(place: &Place) -> Vec<String> {
    sorted(rows(place, &place.name("users")).into_iter().map(record_of).collect())
}

/// Records as [`records`] gives them.
pub fn sorted(records: Vec<Value>) -> Vec<String> {
    let mut texts: Vec<String> = records.into_iter().map(|record| without_null(record).to_string()).collect();
    texts.sort();
    texts
}

fn record_of(mut row: Value) -> Value {
    if let Some(record) = row.get_mut("_airbyte_data") {
        row = record.take();
    }
    row.as_object_mut().unwrap().retain(|name, _| !name.starts_with("_airbyte_"));
    row
}

/// Without what is NULL, also in objects: the order of properties is that of their names.
fn without_null(data: Value) -> Value {
    match data {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, without_null(value)));
            // The classic layout has one of several types.
            let fields: Vec<_> = fields.filter(|(_, value)| !value.is_null()).collect();
            match fields.as_slice() {
                [(name, value)] if name.starts_with("member") => value.clone(),
                _ => fields.into_iter().collect(),
            }
        }
        other => other,
    }
}

fn load(sandbox: &Sandbox, streams: &Value, records: &[(i64, Value)]) {
    let records: String = records.iter().map(|(later, data)| at(*later, data)).collect();
    let run = sandbox.load(streams, records + &state("users", 1) + &status("users", "COMPLETE"));
    assert_eq!(run.states().len(), 1);
}

/// The cases `testDedup` and `testDedupWithStringKey` of Airbyte's own tests.
fn newer_rows_take_the_place_of_older_ones_and_deletes_remove_theirs() {
    for (layout, id, mode) in [
        ("raw", json!(1), "Hard delete"),
        ("columns", json!("9cf974de-52cf-4194-9f3d-7efa76ba4d84"), "Hard delete"),
        ("columns", json!(1), "Soft delete"),
        ("classic", json!("x"), "Hard delete"),
    ] {
        let what = format!("{layout} {mode}");
        let sandbox = Sandbox::with(json!({"table_layout": layout, "cdc_deletion_mode": mode}));
        let properties = json!({
            "id1": {"type": if id.is_string() { "string" } else { "integer" }}, "id2": {"type": "integer"},
            "at": {"type": "integer"}, "name": {"type": "string"}, "_ab_cdc_deleted_at": {"type": ["null", "string"]},
        });
        let streams = users(&properties, &[&["id1"], &["id2"]], &["at"]);
        let named = |id2: i64, at: i64, name: &str| json!({"id1": id, "id2": id2, "at": at, "name": name});
        let deleted = |id2: i64| json!({"id1": id, "id2": id2, "at": 90_060, "_ab_cdc_deleted_at": "1970-01-01"});
        let mut with_null = named(200, 60, "Alice2");
        with_null["_ab_cdc_deleted_at"] = Value::Null;
        let first = [(1000, named(200, 0, "Alice1")), (1000, with_null), (1000, named(201, 120, "Bob1"))];
        load(&sandbox, &streams, &first);
        assert_eq!(records(sandbox.place()), sorted(vec![named(200, 60, "Alice2"), named(201, 120, "Bob1")]), "{what}");
        let second = [
            (2000, named(200, 90_000, "Alice3")),
            (2000, named(201, 90_000, "Bob2")),
            (2000, deleted(201)),
            (2000, named(202, 90_000, "Charlie1")),
            (2000, deleted(202)),
            (2000, deleted(203)),
            // Late, and older than what is there and what was deleted.
            (3000, named(200, 30, "Alice0")),
            (3000, named(202, 30, "Charlie0")),
        ];
        load(&sandbox, &streams, &second);
        let mut expected = vec![named(200, 90_000, "Alice3")];
        if mode == "Soft delete" {
            expected.extend([201, 202, 203].map(deleted));
        }
        assert_eq!(records(sandbox.place()), sorted(expected), "{what}");
    }
}

/// The case `testDedupNoCursor`.
fn without_a_cursor_the_row_that_was_emitted_last_is_the_newest() {
    for layout in ["raw", "columns"] {
        let sandbox = Sandbox::with(json!({"table_layout": layout}));
        let streams = users(&json!({"id": {"type": "integer"}, "name": {"type": "string"}}), &[&["id"]], &[]);
        let named = |name: &str| json!({"id": 1234, "name": name});
        load(&sandbox, &streams, &[(5, named("b")), (1, named("a")), (5, named("c"))]);
        assert_eq!(
            records(sandbox.place()),
            sorted(vec![named("c")]),
            "{layout}: of one time, the one that came later"
        );
        load(&sandbox, &streams, &[(4, named("late"))]);
        assert_eq!(records(sandbox.place()), sorted(vec![named("c")]), "{layout}");
        load(&sandbox, &streams, &[(6, named("d"))]);
        assert_eq!(records(sandbox.place()), sorted(vec![named("d")]), "{layout}");
    }
}

/// The cases `testDedupChangeCursor` and `testDedupChangePk`.
fn another_cursor_and_another_key_go_on_with_what_is_there() {
    for layout in ["raw", "columns"] {
        let sandbox = Sandbox::with(json!({"table_layout": layout, "enable_schema_evolution": true}));
        let by = |cursor: &str| {
            users(&json!({"id": {"type": "integer"}, cursor: {"type": "integer"}}), &[&["id"]], &[cursor])
        };
        load(&sandbox, &by("cursor1"), &[(100, json!({"id": 1, "cursor1": 5}))]);
        load(&sandbox, &by("cursor2"), &[(50, json!({"id": 1, "cursor2": 1}))]);
        assert_eq!(records(sandbox.place()), sorted(vec![json!({"id": 1, "cursor2": 1})]), "{layout}");

        let sandbox = Sandbox::with(json!({"table_layout": layout}));
        let number = json!({"type": "integer"});
        let properties = json!({"id1": number, "id2": number, "id3": number, "at": number});
        let by = |second: &str| users(&properties, &[&["id1"], &[second]], &["at"]);
        let (one, other) = (json!({"id1": 1, "id2": 200, "at": 1}), json!({"id1": 1, "id2": 201, "at": 1}));
        load(&sandbox, &by("id2"), &[(100, one.clone()), (100, other.clone())]);
        let new = json!({"id1": 1, "id3": 200, "at": 1});
        load(&sandbox, &by("id3"), &[(200, new.clone())]);
        assert_eq!(records(sandbox.place()), sorted(vec![one, other, new]), "{layout}: rows of the other key stay");
        // A key of fewer parts.
        let fewer = users(&properties, &[&["id1"]], &["at"]);
        load(&sandbox, &fewer, &[(300, json!({"id1": 2, "at": 0}))]);
        let expected = vec![json!({"id1": 1, "id3": 200, "at": 1}), json!({"id1": 2, "at": 0})];
        assert_eq!(records(sandbox.place()), sorted(expected), "{layout}: the newest of each key");
    }
}

/// The case `testFunkyCharactersDedup`, and nested keys.
fn keys_are_found_inside_of_objects_and_under_odd_names() {
    for (layout, nested) in [("raw", "typed"), ("columns", "typed"), ("columns", "json"), ("classic", "typed")] {
        let sandbox = Sandbox::with(json!({"table_layout": layout, "nested": nested}));
        let odd = if layout == "classic" { "plain" } else { "it's `an` \"odd\" näme?.[x]$" };
        let properties = json!({
            "owner": {"type": "object", "properties": {odd: {"type": "string"}, "home": {"type": "object", "properties": {"no": {"type": "integer"}}}}},
            "at": {"type": "string", "format": "date-time"}, "n": {"type": "integer"},
        });
        let streams = users(&properties, &[&["owner", odd], &["owner", "home", "no"]], &["at"]);
        let row =
            |name: &str, no: i64, at: &str, n: i64| json!({"owner": {odd: name, "home": {"no": no}}, "at": at, "n": n});
        let first = [
            row("a", 1, "2024-01-01T10:00:00Z", 1),
            row("a", 2, "2024-01-01T10:00:00Z", 2),
            row("b'", 1, "2024-01-01T10:00:00Z", 3),
        ];
        load(&sandbox, &streams, &first.map(|row| (1, row)));
        let second = [
            row("a", 1, "2024-01-01T12:00:00+03:00", 4),
            row("a", 2, "2024-01-01T12:00:00+01:00", 5),
            row("b'", 1, "2024-01-02T00:00:00Z", 6),
        ];
        load(&sandbox, &streams, &second.map(|row| (2, row)));
        let shown: Vec<Option<String>> = sandbox
            .place()
            .sql(&format!(
                "SELECT {} FROM {} ORDER BY 1",
                if layout == "raw" { "get_json_object(_airbyte_data, '$.n')" } else { "CAST(n AS STRING)" },
                sandbox.place().name("users")
            ))
            .into_iter()
            .map(|row| row[0].clone())
            .collect();
        assert_eq!(shown, ["1", "5", "6"].map(|n| Some(n.to_owned())), "{layout} {nested}: instants, not texts");
    }
}

/// The case `null_pk` of the typing and deduping tests, and what one source may write in two ways.
fn rows_without_a_key_are_versions_of_one_another_and_values_that_mean_the_same_are_one_key() {
    for layout in ["raw", "columns"] {
        let sandbox = Sandbox::with(json!({"table_layout": layout}));
        let properties = json!({
            "id": {"type": ["null", "integer"]}, "day": {"type": "string", "format": "date-time"}, "n": {"type": "integer"},
            "rate": {"type": "number"},
        });
        let streams = users(&properties, &[&["id"], &["day"]], &["rate"]);
        let row = |id: Value, day: Value, n: i64, rate: Value| json!({"id": id, "day": day, "n": n, "rate": rate});
        let first = [
            row(Value::Null, json!("2024-01-01T00:00:00Z"), 1, json!(9)),
            row(json!(1), Value::Null, 2, json!(9)),
            row(json!(1), json!("2024-01-01T00:00:00Z"), 3, json!(9)),
            row(Value::Null, Value::Null, 4, json!(9)),
        ];
        load(&sandbox, &streams, &first.map(|row| (1, row)));
        let numbers = || -> Vec<i64> {
            let of = |text: &String| serde_json::from_str::<Value>(text).unwrap()["n"].as_i64().unwrap();
            let mut numbers: Vec<i64> = records(sandbox.place()).iter().map(of).collect();
            numbers.sort();
            numbers
        };
        assert_eq!(numbers(), [1, 2, 3, 4], "{layout}");
        let second = [
            // 10 is more than 9, as a number.
            row(Value::Null, json!("2024-01-01T01:00:00+01:00"), 5, json!(10)),
            row(json!(1.0), Value::Null, 6, json!(10.5)),
            row(json!(1), json!("2024-01-01 00:00:00"), 7, Value::Null),
            row(Value::Null, Value::Null, 8, json!(1e1)),
        ];
        load(&sandbox, &streams, &second.map(|row| (2, row)));
        assert_eq!(numbers(), [3, 5, 6, 8], "{layout}: a cursor without a value is the oldest");
    }
}

fn a_table_that_was_appended_to_gets_one_row_of_each_key_first() {
    let sandbox = Sandbox::new();
    let properties = json!({"id": {"type": "integer"}, "n": {"type": "integer"}});
    let dedup = users(&properties, &[&["id"]], &[]);
    let mut adds = dedup.clone();
    adds["streams"][0]["destination_sync_mode"] = json!("append");
    let row = |id: i64, n: i64| json!({"id": id, "n": n});
    let is_keyed = || {
        let told = sandbox.place().sql(&format!("SHOW TBLPROPERTIES {}", sandbox.place().name("users")));
        told.iter().any(|row| row[0].as_deref() == Some("destination-databricks.primaryKey"))
    };
    load(
        &sandbox,
        &adds,
        &[(1, row(1, 1)), (2, row(1, 2)), (3, row(2, 3)), (3, json!({"n": 4})), (3, json!({"n": 5}))],
    );
    assert!(!is_keyed());
    let run = sandbox.load(&dedup, at(4, &row(3, 6)) + &state("users", 1));
    let expected = [row(1, 2), row(2, 3), row(3, 6), json!({"n": 4}), json!({"n": 5})];
    assert_eq!(
        records(sandbox.place()),
        sorted(expected.to_vec()),
        "rows without a key were not loaded by it, and stay"
    );
    assert!(run.logs("WARN").iter().any(|text| text.contains("1 row were removed")), "{run:#?}");
    assert!(is_keyed());
    let before = sandbox.place().statements().len();
    load(&sandbox, &dedup, &[(5, row(3, 7))]);
    let merges = |statements: &[String]| statements.iter().filter(|text| text.starts_with("MERGE")).count();
    assert_eq!(merges(&sandbox.place().statements()[before..]), 1, "it is known to have one row of each key");
    // Rows that no key tells apart.
    load(&sandbox, &adds, &[(6, row(3, 8))]);
    assert!(!is_keyed());
    load(&sandbox, &dedup, &[(7, row(1, 9))]);
    let expected = [row(1, 9), row(2, 3), row(3, 8), json!({"n": 4}), json!({"n": 5})];
    assert_eq!(records(sandbox.place()), sorted(expected.to_vec()));
}

fn a_refresh_replaces_the_rows_by_the_newest_of_each_key() {
    for layout in ["raw", "columns"] {
        let sandbox = Sandbox::with(json!({"table_layout": layout}));
        let properties =
            json!({"id": {"type": "integer"}, "n": {"type": "integer"}, "_ab_cdc_deleted_at": {"type": "string"}});
        let of = |generation: i64, minimum: i64| {
            let mut streams = users(&properties, &[&["id"]], &["n"]);
            for (name, number) in [("generation_id", generation), ("minimum_generation_id", minimum), ("sync_id", 7)] {
                streams["streams"][0][name] = json!(number);
            }
            streams
        };
        let row = |id: i64, n: i64| json!({"id": id, "n": n});
        let gone = |id: i64, n: i64| json!({"id": id, "n": n, "_ab_cdc_deleted_at": "x"});
        load(&sandbox, &of(1, 0), &[(1, row(1, 1)), (1, row(2, 9)), (1, row(3, 1))]);
        load(
            &sandbox,
            &of(2, 2),
            &[(2, row(2, 3)), (2, row(2, 4)), (2, row(2, 2)), (2, row(4, 1)), (2, gone(4, 2)), (2, row(5, 1))],
        );
        assert_eq!(records(sandbox.place()), sorted(vec![row(2, 4), row(5, 1)]), "{layout}");
        // A second attempt of the same generation goes on.
        load(&sandbox, &of(2, 2), &[(3, row(2, 3)), (3, gone(5, 7)), (3, row(6, 1))]);
        assert_eq!(records(sandbox.place()), sorted(vec![row(2, 4), row(6, 1)]), "{layout}");
        load(&sandbox, &of(2, 0), &[(4, row(6, 2))]);
        assert_eq!(records(sandbox.place()), sorted(vec![row(2, 4), row(6, 2)]), "{layout}");
        load(&sandbox, &of(3, 3), &[]);
        assert_eq!(
            records(sandbox.place()),
            Vec::<String>::new(),
            "{layout}: nothing is left of what the source does not have"
        );
    }
}

fn columns_that_the_stream_lost_become_null_unless_they_must_have_a_value() {
    let sandbox = Sandbox::with(json!({"table_layout": "columns"}));
    let place = sandbox.place();
    let number = json!({"type": "integer"});
    let wide = users(&json!({"id": number, "n": number, "old": number}), &[&["id"]], &[]);
    load(&sandbox, &wide, &[(1, json!({"id": 1, "n": 1, "old": 1})), (1, json!({"id": 2, "n": 1, "old": 1}))]);
    let narrow = users(&json!({"id": number, "n": number}), &[&["id"]], &[]);
    load(&sandbox, &narrow, &[(2, json!({"id": 1, "n": 2}))]);
    let expected = vec![json!({"id": 1, "n": 2}), json!({"id": 2, "n": 1, "old": 1})];
    assert_eq!(records(place), sorted(expected));

    let sandbox = Sandbox::with(json!({"table_layout": "columns"}));
    let place = sandbox.place();
    place.sql(&format!("CREATE SCHEMA `spark_catalog`.`{}`", place.schema()));
    place.sql(&format!(
        "CREATE TABLE {} (_airbyte_ab_id STRING, _airbyte_emitted_at TIMESTAMP, _airbyte_meta STRING, id BIGINT, n BIGINT, \
         _airbyte_additional_properties MAP<STRING, STRING>, kept STRING NOT NULL DEFAULT 'x') USING delta LOCATION '{}' \
         COMMENT 'Created from stream users' TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported')",
        place.name("users"),
        place.location("default/users")
    ));
    load(&sandbox, &narrow, &[(1, json!({"id": 1, "n": 1})), (1, json!({"id": 2, "n": 1}))]);
    load(&sandbox, &narrow, &[(2, json!({"id": 1, "n": 7}))]);
    let expected = vec![json!({"id": 1, "n": 7, "kept": "x"}), json!({"id": 2, "n": 1, "kept": "x"})];
    assert_eq!(records(place), sorted(expected));
}

fn a_new_table_is_clustered_by_its_key_and_only_the_files_of_its_range_are_read() {
    let sandbox = Sandbox::with(json!({"table_layout": "columns", "cluster_by": "primary_key"}));
    let place = sandbox.place();
    let properties =
        json!({"id": {"type": "integer"}, "day": {"type": "string", "format": "date"}, "n": {"type": "integer"}});
    let streams = users(&properties, &[&["id"], &["day"]], &["n"]);
    let row = |id: i64, n: i64| json!({"id": id, "day": "2024-01-01", "n": n});
    load(&sandbox, &streams, &[(1, row(1, 1)), (1, row(50, 1))]);
    let told = place.sql(&format!("SHOW TBLPROPERTIES {}", place.name("users")));
    let clusters = told.iter().find(|row| row[0].as_deref() == Some("clusteringColumns")).unwrap();
    assert_eq!(clusters[1].as_deref(), Some(r#"[["id"],["day"]]"#));
    let before = place.statements().len();
    load(&sandbox, &streams, &[(2, row(50, 2)), (2, row(7, 2))]);
    let sent = place.statements().split_off(before);
    let merge = sent.iter().find(|text| text.starts_with("MERGE")).unwrap();
    assert!(merge.contains("target.`id` BETWEEN 7 AND 50"), "{merge}");
    // One without a key: what has none is in no range.
    load(&sandbox, &streams, &[(3, json!({"day": "2024-01-01", "n": 3})), (3, row(7, 3))]);
    load(&sandbox, &streams, &[(4, json!({"day": "2024-01-01", "n": 4}))]);
    let found = place.sql(&format!("SELECT id, n FROM {} ORDER BY n, id", place.name("users")));
    let found: Vec<[Option<&str>; 2]> = found.iter().map(|row| [row[0].as_deref(), row[1].as_deref()]).collect();
    assert_eq!(found, [[Some("1"), Some("1")], [Some("50"), Some("2")], [Some("7"), Some("3")], [None, Some("4")]]);
}
