//! Append + dedup beside rows that are not this program's own: several rows of one key, rows without an id, and copies.

use std::time::Duration;

use serde_json::{Value, json};

use super::dedup::{at, records, sorted, users};
use super::place::Place;
use crate::messages::state;
use crate::program::{Run, Sandbox};

once!(
    a_load_leaves_one_row_of_each_of_its_keys_whoever_added_others,
    several_rows_without_a_key_become_one_when_one_comes,
    a_sync_that_is_killed_between_a_merge_and_the_removal_is_made_good_by_the_next_one,
    copies_of_rows_go_when_the_table_no_longer_says_by_which_key_it_was_loaded,
    keys_are_compared_by_their_bytes_in_spite_of_a_collation,
    a_load_whose_rows_are_not_all_seen_at_first_is_whole,
);

const AGE: Duration = Duration::from_millis(3000);

fn streams() -> Value {
    let number = json!({"type": "integer"});
    let properties = json!({"id": number, "n": number, "at": number, "_ab_cdc_deleted_at": {"type": "string"}});
    users(&properties, &[&["id"]], &["at"])
}

fn row(id: i64, at: i64, n: i64) -> Value {
    json!({"id": id, "n": n, "at": at})
}

fn load(sandbox: &Sandbox, later: i64, rows: &[Value]) -> Run {
    let run = sandbox.load(&streams(), input(later, rows));
    assert_eq!(run.states().len(), 1);
    run
}

fn input(later: i64, rows: &[Value]) -> String {
    rows.iter().map(|data| at(later, data)).collect::<String>() + &state("users", later as u64)
}

/// Adds a row past the program; `own`: its id and its time in SQL.
fn add(place: &Place, layout: &str, own: &str, (id, at, n): (i64, &str, i64)) {
    let table = place.name("users");
    if layout == "raw" {
        let at = if at == "NULL" { "null" } else { at };
        place.sql(&format!(
            "INSERT INTO {table} (_airbyte_ab_id, _airbyte_emitted_at, _airbyte_data) VALUES ({own}, '{{\"id\":{id},\"at\":{at},\"n\":{n}}}')"
        ));
    } else {
        place.sql(&format!(
            "INSERT INTO {table} (_airbyte_ab_id, _airbyte_emitted_at, id, at, n) VALUES ({own}, {id}, {at}, {n})"
        ));
    }
}

fn a_load_leaves_one_row_of_each_of_its_keys_whoever_added_others() {
    for layout in ["columns", "raw"] {
        let sandbox = Sandbox::with(json!({"table_layout": layout}));
        let place = sandbox.place();
        load(
            &sandbox,
            1,
            &[row(1, 1, 1), row(2, 1, 1), row(3, 1, 1), row(4, 9, 1), row(5, 1, 1), row(6, 1, 1), row(9, 1, 1)],
        );
        let theirs = "'theirs', TIMESTAMP '2020-01-01'";
        // Older than what comes; newer; without all by which rows are told apart; of keys that do not come.
        add(place, layout, theirs, (1, "1", 50));
        add(place, layout, theirs, (2, "7", 51));
        add(place, layout, "NULL, NULL", (3, "NULL", 52));
        add(place, layout, "NULL, NULL", (7, "5", 53));
        add(place, layout, "NULL, NULL", (8, "5", 54));
        add(place, layout, theirs, (5, "1", 55));
        add(place, layout, theirs, (9, "1", 56));
        let gone = json!({"id": 5, "at": 5, "n": 2, "_ab_cdc_deleted_at": "x"});
        let gone_of_nobody = json!({"id": 8, "at": 5, "n": 2, "_ab_cdc_deleted_at": "x"});
        // As many rows as are changed: the row of key 4 is not newer, and that of key 1 changes two.
        let run = load(
            &sandbox,
            2,
            &[row(1, 5, 2), row(2, 5, 2), row(3, 5, 2), row(4, 5, 2), row(7, 5, 2), gone, gone_of_nobody],
        );
        let expected = vec![
            row(1, 5, 2),
            row(2, 7, 51),
            row(3, 5, 2),
            row(4, 9, 1),
            row(6, 1, 1),
            row(7, 5, 2),
            row(9, 1, 1),
            row(9, 1, 56),
        ];
        assert_eq!(records(place), sorted(expected), "{layout}");
        let told =
            run.logs("WARN").iter().any(|line| line.contains("several rows") && line.contains("3 rows were removed"));
        assert!(told, "{layout}: {:?}", run.logs("WARN"));
        // Nothing more is asked of a table that has one row of each key.
        let before = place.statements().len();
        load(&sandbox, 3, &[row(1, 6, 3), row(10, 6, 3)]);
        let merges = place.statements().split_off(before).iter().filter(|text| text.starts_with("MERGE")).count();
        assert_eq!(merges, 1, "{layout}");
    }
}

fn several_rows_without_a_key_become_one_when_one_comes() {
    let sandbox = Sandbox::with(json!({"table_layout": "columns"}));
    let mut adds = streams();
    adds["streams"][0]["destination_sync_mode"] = json!("append");
    let without = |n: i64| json!({"id": null, "n": n});
    let appended: Vec<Value> = (1..4).map(without).collect();
    sandbox.load(&adds, input(1, &appended));
    load(&sandbox, 2, &[row(1, 1, 4)]);
    assert_eq!(records(sandbox.place()).len(), 4, "rows without a key were not loaded by it, and stay");
    load(&sandbox, 3, &[without(5)]);
    assert_eq!(records(sandbox.place()), sorted(vec![row(1, 1, 4), without(5)]));
}

fn a_sync_that_is_killed_between_a_merge_and_the_removal_is_made_good_by_the_next_one() {
    for step in [0, 1] {
        let mut sandbox = Sandbox::with(json!({"table_layout": "columns"}));
        sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &AGE.as_millis().to_string());
        let place = sandbox.place();
        load(&sandbox, 1, &[row(1, 1, 1), row(2, 1, 1)]);
        add(place, "columns", "'theirs', TIMESTAMP '2020-01-01'", (1, "1", 50));
        let kill = json!([{"action": "kill", "on": "submit", "statement": "^MERGE", "skip": step, "times": 1, "value": "after"}]);
        place.goes_wrong(kill);
        let mut living = sandbox.start(&streams());
        place.set(json!({"client": living.process()}));
        living.send(input(2, &[row(1, 2, 2), row(3, 2, 2)]));
        let run = living.end();
        assert!(run.code.is_none() && run.states().is_empty(), "{run:#?}");
        std::thread::sleep(AGE + Duration::from_millis(1200));
        place.goes_wrong(json!([]));
        load(&sandbox, 3, &[row(1, 2, 2), row(3, 2, 2)]);
        assert_eq!(records(place), sorted(vec![row(1, 2, 2), row(2, 1, 1), row(3, 2, 2)]), "{step}");
    }
}

fn copies_of_rows_go_when_the_table_no_longer_says_by_which_key_it_was_loaded() {
    let sandbox = Sandbox::with(json!({"table_layout": "columns"}));
    let (place, name) = (sandbox.place(), sandbox.place().name("users"));
    load(&sandbox, 1, &[row(1, 1, 1), row(2, 1, 1), row(3, 1, 1)]);
    place.sql(&format!("ALTER TABLE {name} ADD COLUMNS (theirs STRING)"));
    place.sql(&format!("UPDATE {name} SET theirs = concat('of ', id)"));
    // As an older version could leave them, and others of no id.
    place.sql(&format!("INSERT INTO {name} SELECT * FROM {name} WHERE id < 3"));
    add(place, "columns", "NULL, NULL", (3, "NULL", 50));
    add(place, "columns", "NULL, NULL", (4, "1", 51));
    add(place, "columns", "NULL, NULL", (4, "2", 52));
    place.sql(&format!("ALTER TABLE {name} UNSET TBLPROPERTIES ('destination-databricks.primaryKey')"));
    load(&sandbox, 2, &[row(5, 2, 2)]);
    let without = place.sql(&format!("SELECT count(*) FROM {name} WHERE _airbyte_ab_id IS NULL"));
    assert_eq!(without[0][0].as_deref(), Some("1"));
    place.sql(&format!(
        "UPDATE {name} SET _airbyte_ab_id = 'x', _airbyte_emitted_at = now() WHERE _airbyte_ab_id IS NULL"
    ));
    let with = |mut row: Value| {
        row["theirs"] = json!(format!("of {}", row["id"]));
        row
    };
    let expected = vec![with(row(1, 1, 1)), with(row(2, 1, 1)), with(row(3, 1, 1)), row(4, 2, 52), row(5, 2, 2)];
    assert_eq!(records(place), sorted(expected));
}

fn keys_are_compared_by_their_bytes_in_spite_of_a_collation() {
    let sandbox = Sandbox::with(json!({"table_layout": "columns"}));
    let place = sandbox.place();
    place.sql(&format!("CREATE SCHEMA `spark_catalog`.`{}`", place.schema()));
    place.sql(&format!(
        "CREATE TABLE {} (_airbyte_ab_id STRING, _airbyte_emitted_at TIMESTAMP, _airbyte_meta STRING, id STRING COLLATE UTF8_LCASE, n BIGINT, \
         _airbyte_additional_properties MAP<STRING, STRING>) USING delta LOCATION '{}' COMMENT 'Created from stream users'",
        place.name("users"),
        place.location("default/users")
    ));
    let named = |id: &str, n: i64| json!({"id": id, "n": n});
    for (name, n) in [("Abc", 1), ("aBC", 2), ("x", 3), ("x", 4)] {
        let time = format!("'{n}', TIMESTAMP '2020-01-0{n}'");
        place.sql(&format!(
            "INSERT INTO {} (_airbyte_ab_id, _airbyte_emitted_at, id, n) VALUES ({time}, '{name}', {n})",
            place.name("users")
        ));
    }
    let by_name = users(&json!({"id": {"type": "string"}, "n": {"type": "integer"}}), &[&["id"]], &[]);
    sandbox.load(&by_name, input(1, &[named("X", 5), named("ABC", 6)]));
    let expected = [("Abc", 1), ("aBC", 2), ("x", 4), ("X", 5), ("ABC", 6)].map(|(id, n)| named(id, n));
    assert_eq!(records(place), sorted(expected.to_vec()));
}

fn a_load_whose_rows_are_not_all_seen_at_first_is_whole() {
    let sandbox = Sandbox::with(json!({"table_layout": "columns"}));
    let place = sandbox.place();
    load(&sandbox, 1, &[row(1, 1, 1)]);
    let said = "[USER_RAISED_EXCEPTION] The staged files do not have the 2 rows of this load. SQLSTATE: P0001";
    let unseen = json!({"error_code": "BAD_REQUEST", "message": said, "sql_state": "P0001"});
    place.goes_wrong(json!([{"action": "fail", "statement": "^MERGE", "times": 1, "value": unseen}]));
    load(&sandbox, 2, &[row(1, 2, 2), row(2, 2, 2)]);
    assert_eq!(records(place), sorted(vec![row(1, 2, 2), row(2, 2, 2)]));
    let refreshed = place.statements().iter().filter(|text| text.starts_with("REFRESH TABLE")).count();
    assert_eq!(refreshed, 1);
    // Once alone: what is not there does not come by looking for it.
    place.goes_wrong(json!([{"action": "fail", "statement": "^MERGE", "value": unseen}]));
    let run = sandbox.write(&streams(), input(3, &[row(1, 3, 3)]));
    assert!(run.failed_with("system_error").contains("Staged files are missing") && run.states().is_empty());
}
