//! The cases of Airbyte's typing and deduping tests that are about keys, by the names of their files there; the records are our own, of
//! the same shapes. Where this program does something else on purpose, the case says so.

use serde_json::{Value, json};

use super::people::{DELETED, at, gone, integer, named, people, person, sandbox, seen, users};
use super::streams::{Stream, layouts, rows, sorted};
use crate::messages::catalog;
use crate::table;

/// The pair of syncs in which the column of the cursor is dropped and another one comes.
#[test]
fn incremental_dedup_change_cursor() {
    for layout in layouts("classic") {
        let sandbox = sandbox(layout, "Hard delete");
        let mut before = people();
        before.properties.as_object_mut().unwrap().remove("updated_at");
        before.properties["old_cursor"] = integer();
        before.cursor = vec!["old_cursor"];
        let old = |id1: i64, id2: i64, cursor: i64, name: &str| {
            let address = json!({"city": "Oslo", "state": null});
            json!({"id1": id1, "id2": id2, "old_cursor": cursor, "name": name, "address": address})
        };
        before.load(
            &sandbox,
            &at(1000, [old(1, 200, 0, "Ann"), old(1, 200, 1, "Anna"), old(1, 201, 2, "Ben"), old(2, 200, 3, "Cleo")]),
        );
        assert_eq!(
            seen(&sandbox),
            sorted([named(1, 200, "Anna"), named(1, 201, "Ben"), named(2, 200, "Cleo")]),
            "{layout}"
        );
        people().load(&sandbox, &at(2000, [person(1, 200, 2, "Anne"), gone(1, 201, 3), person(1, 201, 1, "late")]));
        assert_eq!(seen(&sandbox), sorted([named(1, 200, "Anne"), named(2, 200, "Cleo")]), "{layout}");
    }
}

/// The pair of syncs of the typing and deduping tests: `sync1_messages` and `sync2_messages`.
#[test]
fn incremental_dedup() {
    for layout in layouts("columns") {
        let sandbox = sandbox(layout, "Hard delete");
        let with = |mut row: Value, name: &str, value: Value| {
            row[name] = value;
            row
        };
        let signs = "a\u{8}b\u{c}c\nd\re\tf`~!@#$%^&*()_+-=[]\\{}|'\",./<>?";
        let first = [
            with(person(1, 200, 1, "Ann"), "address", json!({"city": "Bergen", "state": "VL"})),
            with(person(1, 200, 2, "Ann"), DELETED, Value::Null),
            with(person(1, 201, 3, "Ben"), "address", json!({"city": "Bodø"})),
            with(with(person(2, 200, 4, "Cleo"), "age", json!("forty")), "registration_date", json!("last May")),
            person(3, 200, 5, signs),
        ];
        people().load(&sandbox, &at(1000, first));
        let after_first = [named(1, 200, "Ann"), named(1, 201, "Ben"), named(2, 200, "Cleo"), named(3, 200, signs)];
        assert_eq!(seen(&sandbox), sorted(after_first), "{layout}");
        let second = [
            with(person(1, 200, 11, "Ann"), "address", json!({"city": "Voss"})),
            with(person(1, 200, 12, "Ann Two"), "address", json!({"city": "Gol", "state": "BU"})),
            gone(1, 201, 13),
            with(person(2, 200, 14, "Cleo"), "age", json!(41)),
        ];
        people().load(&sandbox, &at(2000, second));
        let ages = || rows(&users(&sandbox), &["id1", "id2", "name", "age"]);
        let cleo = with(named(2, 200, "Cleo"), "age", json!(41));
        assert_eq!(ages(), sorted([named(1, 200, "Ann Two"), cleo, named(3, 200, signs)]), "{layout}");
        table::assert_tidy(&sandbox.lake());
    }
}

/// Two streams of one name in two namespaces, which `sync1_messages2` is for.
#[test]
fn identical_name_simultaneous_sync() {
    for layout in layouts("raw") {
        let sandbox = sandbox(layout, "Hard delete");
        let [one, other] = ["one", "other"].map(|namespace| Stream { namespace: Some(namespace), ..people() });
        let both = catalog([one.configured(), other.configured()]);
        for (day, name) in [(1, "first"), (2, "second")] {
            let input = one.record(1, &person(1, 1, day, name)) + &other.record(1, &person(1, 1, 10 - day, name));
            sandbox.load(&both, input);
        }
        let seen = |namespace: &str| rows(&sandbox.table(&format!("{namespace}/users")), &["name"]);
        assert_eq!(seen("one"), sorted([json!({"name": "second"})]), "{layout}");
        assert_eq!(seen("other"), sorted([json!({"name": "first"})]), "{layout}");
    }
}

/// `sync_null_pk`: Airbyte's older connectors fail; here a part without a value is equal to another without one.
#[test]
fn sync_null_pk() {
    for layout in layouts("classic") {
        let sandbox = sandbox(layout, "Hard delete");
        let row = |id2: Value, day: u32| {
            let mut row = person(1, 0, day, &format!("of day {day}"));
            row["id2"] = id2;
            row
        };
        people()
            .load(&sandbox, &[(1000, row(Value::Null, 1)), (2000, row(Value::Null, 3)), (3000, row(Value::Null, 2))]);
        let nobody = |day: u32| json!({"id1": 1, "name": format!("of day {day}")});
        assert_eq!(seen(&sandbox), sorted([nobody(3)]), "{layout}");
        let mut absent = row(Value::Null, 4);
        absent.as_object_mut().unwrap().remove("id2");
        people().load(&sandbox, &[(1000, absent), (1000, row(json!(0), 1))]);
        assert_eq!(seen(&sandbox), sorted([nobody(4), named(1, 0, "of day 1")]), "{layout}");
    }
}

/// `cdcupdate`: inserts, updates, deletes and keys that come back, in two syncs.
#[test]
fn cdc_update() {
    for layout in layouts("columns") {
        for deletes in ["Hard delete", "Soft delete"] {
            let sandbox = sandbox(layout, deletes);
            let first =
                [person(1, 100, 1, "ghost"), gone(0, 100, 2), person(5, 100, 3, "doomed"), person(6, 100, 4, "calm")];
            people().load(&sandbox, &at(1000, first));
            let second = [
                person(2, 100, 11, "Ann"),
                person(2, 100, 12, "Anna"),
                person(3, 100, 13, "Ben"),
                gone(1, 100, 14),
                person(0, 100, 15, "back again"),
                person(4, 100, 16, "Cleo"),
                gone(5, 100, 17),
            ];
            people().load(&sandbox, &at(2000, second));
            let mut expected = vec![
                named(0, 100, "back again"),
                named(2, 100, "Anna"),
                named(3, 100, "Ben"),
                named(4, 100, "Cleo"),
                named(6, 100, "calm"),
            ];
            if deletes == "Soft delete" {
                expected.extend([1, 5].map(|id| json!({"id1": id, "id2": 100})));
            }
            let mut expected: Vec<String> = expected.iter().map(Value::to_string).collect();
            expected.sort();
            assert_eq!(seen(&sandbox), expected, "{layout}, {deletes}");
        }
    }
}

/// `cdcordering_updateafterdelete`: across syncs only a soft delete knows that the change is too old, as the documentation says.
#[test]
fn cdc_ordering_update_after_delete() {
    for layout in layouts("raw") {
        for (deletes, across) in
            [("Hard delete", vec![named(1, 100, "Ann")]), ("Soft delete", vec![json!({"id1": 1, "id2": 100})])]
        {
            let sandbox = sandbox(layout, deletes);
            people().load(&sandbox, &at(1000, [gone(1, 100, 2)]));
            people().load(&sandbox, &at(1000, [person(1, 100, 1, "Ann")]));
            let across: Vec<String> = across.iter().map(Value::to_string).collect();
            assert_eq!(seen(&sandbox), across, "{layout}, {deletes}");
            // In one sync both do.
            people().load(&sandbox, &at(2000, [gone(2, 100, 2), person(2, 100, 1, "Ben"), gone(1, 100, 3)]));
            let is_there = seen(&sandbox).iter().any(|row| row.contains("Ben") || row.contains("Ann"));
            assert!(!is_there, "{layout}, {deletes}");
        }
    }
}

/// `cdcordering_insertafterdelete`: a delete that is older than the row changes nothing.
#[test]
fn cdc_ordering_insert_after_delete() {
    for layout in layouts("columns") {
        for deletes in ["Hard delete", "Soft delete"] {
            let sandbox = sandbox(layout, deletes);
            people().load(&sandbox, &at(1000, [person(1, 100, 3, "Ann")]));
            people().load(&sandbox, &at(2000, [gone(1, 100, 2)]));
            people().load(&sandbox, &at(2000, [person(2, 100, 3, "Ben"), gone(2, 100, 2)]));
            assert_eq!(seen(&sandbox), sorted([named(1, 100, "Ann"), named(2, 100, "Ben")]), "{layout}, {deletes}");
        }
    }
}
