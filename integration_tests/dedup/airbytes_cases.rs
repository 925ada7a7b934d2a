//! The cases of Airbyte's own tests that are about keys, by their names there: those of `BasicFunctionalityIntegrationTest` and those of
//! the typing and deduping tests. The records are our own, of the same shapes. Where this program does something else on purpose, the
//! case says so.

use serde_json::{Value, json};

use super::streams::{Stream, layouts, rows, sorted};
use crate::lake::Location;
use crate::messages::catalog;
use crate::program::Sandbox;
use crate::table;

const DELETED: &str = "_ab_cdc_deleted_at";

/// A table for each layout, and how the deletes of change data capture count.
fn sandbox(layout: &str, deletes: &str) -> Sandbox {
    Sandbox::with(json!({"table_layout": layout, "cdc_deletion_mode": deletes, "enable_schema_evolution": true}))
}

fn users(sandbox: &Sandbox) -> Location {
    sandbox.table("default/users")
}

fn integer() -> Value {
    json!({"type": ["null", "integer"]})
}

fn text() -> Value {
    json!({"type": ["null", "string"]})
}

fn moment() -> Value {
    json!({"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"})
}

/// People with a key of two numbers, as change data capture sends them.
fn people() -> Stream {
    let address = json!({"type": ["null", "object"], "properties": {"city": text(), "state": text()}});
    let properties = json!({
        "id1": integer(), "id2": integer(), "updated_at": moment(), DELETED: moment(), "name": text(), "address": address,
        "age": integer(), "registration_date": {"type": ["null", "string"], "format": "date"},
    });
    Stream::users(properties, &["id1", "id2"], &["updated_at"])
}

fn person(id1: i64, id2: i64, day: u32, name: &str) -> Value {
    json!({"id1": id1, "id2": id2, "updated_at": format!("2000-01-{day:02}T00:00:00Z"), "name": name})
}

fn gone(id1: i64, id2: i64, day: u32) -> Value {
    let at = format!("2000-01-{day:02}T00:00:00Z");
    json!({"id1": id1, "id2": id2, "updated_at": at, DELETED: at})
}

fn at<const N: usize>(later: i64, data: [Value; N]) -> Vec<(i64, Value)> {
    data.into_iter().map(|data| (later, data)).collect()
}

/// What the tests look at of people.
fn seen(sandbox: &Sandbox) -> Vec<String> {
    rows(&users(sandbox), &["id1", "id2", "name"])
}

fn named(id1: i64, id2: i64, name: &str) -> Value {
    json!({"id1": id1, "id2": id2, "name": name})
}

#[test]
fn test_dedup() {
    dedup_of(json!(1), integer(), "columns");
}

#[test]
fn test_dedup_with_string_key() {
    dedup_of(json!("4f1c0f5e-0b57-4b6b-8d7c-2f1f1f0a9b11"), text(), "classic");
}

fn dedup_of(id: Value, kind: Value, layout: &'static str) {
    for layout in layouts(layout) {
        let sandbox = sandbox(layout, "Hard delete");
        let properties = json!({
            "id1": kind, "id2": integer(), "updated_at": integer(), "name": text(), DELETED: moment(),
        });
        let stream = Stream::users(properties, &["id1", "id2"], &["updated_at"]);
        let row = |id2: i64, at: i64, name: &str| json!({"id1": id, "id2": id2, "updated_at": at, "name": name});
        let delete = |id2: i64| {
            let mut row = row(id2, 2000, "");
            row[DELETED] = json!("2024-01-01T00:00:00Z");
            row
        };
        // In one sync the later of two, whatever their order.
        let mut with_null = row(200, 20, "Alicia");
        with_null[DELETED] = Value::Null;
        stream.load(&sandbox, &at(1000, [with_null, row(200, 10, "Alice"), row(201, 30, "Bob")]));
        let seen = || rows(&users(&sandbox), &["id1", "id2", "updated_at", "name"]);
        assert_eq!(seen(), sorted([row(200, 20, "Alicia"), row(201, 30, "Bob")]), "{layout}");
        let second =
            [row(200, 1000, "Alisha"), row(201, 1000, "Bobby"), delete(201), row(202, 1000, "Carl"), delete(202)];
        stream.load(&sandbox, &at(2000, second));
        assert_eq!(seen(), sorted([row(200, 1000, "Alisha")]), "{layout}");
        // Of a key that was never there.
        stream.load(&sandbox, &at(3000, [delete(203)]));
        assert_eq!(seen(), sorted([row(200, 1000, "Alisha")]), "{layout}");
    }
}

#[test]
fn test_dedup_no_cursor() {
    for layout in layouts("raw") {
        let sandbox = sandbox(layout, "Hard delete");
        let stream = Stream::users(json!({"id": integer(), "name": text()}), &["id"], &[]);
        let row = |name: &str| json!({"id": 5, "name": name});
        stream.load(&sandbox, &[(200, row("later")), (100, row("earlier"))]);
        assert_eq!(rows(&users(&sandbox), &["id", "name"]), sorted([row("later")]), "{layout}");
        stream.load(&sandbox, &[(200, row("of the same time"))]);
        assert_eq!(rows(&users(&sandbox), &["id", "name"]), sorted([row("of the same time")]), "{layout}");
        stream.load(&sandbox, &[(150, row("late"))]);
        assert_eq!(rows(&users(&sandbox), &["id", "name"]), sorted([row("of the same time")]), "{layout}");
    }
}

#[test]
fn test_dedup_change_cursor() {
    for layout in layouts("columns") {
        let sandbox = sandbox(layout, "Hard delete");
        let by = |cursor: &'static str| {
            Stream::users(json!({"id": integer(), cursor: integer(), "name": text()}), &["id"], &[cursor])
        };
        let row = |cursor: &str, value: i64, name: &str| json!({"id": 1, cursor: value, "name": name});
        by("first").load(&sandbox, &[(100, row("first", 900, "old"))]);
        by("second").load(&sandbox, &[(200, row("second", 1, "new"))]);
        assert_eq!(rows(&users(&sandbox), &["id", "name"]), sorted([json!({"id": 1, "name": "new"})]), "{layout}");
    }
}

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

#[test]
fn test_dedup_change_pk() {
    for layout in layouts("raw") {
        let sandbox = sandbox(layout, "Hard delete");
        let properties = json!({"id1": integer(), "id2": integer(), "id3": integer(), "updated_at": integer()});
        let by = |second: &str| Stream::users(properties.clone(), &["id1", second], &["updated_at"]);
        let row = |second: &str, id: i64| json!({"id1": 1, second: id, "updated_at": 1});
        by("id2").load(&sandbox, &at(100, [row("id2", 200), row("id2", 201)]));
        by("id3").load(&sandbox, &at(200, [row("id3", 200)]));
        let seen = || rows(&users(&sandbox), &["id1", "id2", "id3"]);
        let whole = |second: &str, id: i64| json!({"id1": 1, second: id});
        let all = [whole("id2", 200), whole("id2", 201), whole("id3", 200)];
        assert_eq!(seen(), sorted(all), "{layout}: rows that lack a part of the key stay");
        by("id3").load(&sandbox, &at(300, [row("id3", 200), row("id3", 300)]));
        let all = [whole("id2", 200), whole("id2", 201), whole("id3", 200), whole("id3", 300)];
        assert_eq!(seen(), sorted(all), "{layout}");
    }
}

#[test]
fn test_funky_characters_dedup() {
    let odd = [
        "Streaming!",
        "with space",
        "with.dot",
        "it's",
        "double\"quote",
        "back`tick",
        "semi;colon",
        "dollar$",
        "per%cent",
        "br[ack]et",
        "{brace}",
        "naïve",
        "雪",
        "🌊",
        "select",
        "back\\slash",
        "tab\tbed",
        "a:b",
        "1st",
    ];
    for layout in layouts("columns") {
        for name in odd {
            let sandbox = sandbox(layout, "Hard delete");
            let cursor: &'static str = Box::leak(format!("{name} cursor").into_boxed_str());
            let properties = json!({name: text(), cursor: integer(), "n": integer()});
            let mut stream = Stream::users(properties, &[name], &[cursor]);
            stream.name = name;
            stream.namespace = Some(name);
            let row = |key: &str, at: i64, n: i64| json!({name: key, cursor: at, "n": n});
            let input = |rows: &[Value]| rows.iter().map(|row| stream.record(1, row)).collect::<String>();
            sandbox.load(&stream.catalog(), input(&[row("a", 5, 1), row("a", 4, 2), row("b", 5, 3)]));
            sandbox.load(&stream.catalog(), input(&[row("a", 6, 4), row("b", 4, 5), row("c", 1, 6)]));
            let tables = table::tables(&sandbox.lake());
            assert_eq!(tables.len(), 1, "{layout} {name}: {tables:?}");
            let expected = sorted([3, 4, 6].map(|n| json!({"n": n})));
            assert_eq!(rows(&tables[0], &["n"]), expected, "{layout} {name}");
        }
    }
}

#[test]
fn test_truncate_refresh() {
    for layout in layouts("classic") {
        let sandbox = sandbox(layout, "Hard delete");
        let stream = people();
        stream.load(&sandbox, &at(1000, [person(1, 1, 9, "Ann"), person(2, 1, 9, "Ben")]));
        // Older rows than those that are there.
        stream
            .refresh(42)
            .load(&sandbox, &at(2000, [person(1, 1, 2, "Anna"), person(1, 1, 1, "Annie"), gone(3, 1, 1)]));
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Anna")]), "{layout}");
        let next = Stream { generation: (42, 0), ..stream };
        next.load(&sandbox, &at(3000, [person(1, 1, 1, "late"), person(2, 1, 1, "Bo")]));
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Anna"), named(2, 1, "Bo")]), "{layout}");
    }
}

#[test]
fn test_truncate_refresh_change_sync_mode() {
    for layout in layouts("columns") {
        let sandbox = sandbox(layout, "Hard delete");
        let (stream, both) = (people(), || at(1000, [person(1, 1, 2, "Ann"), person(1, 1, 1, "Annie")]));
        stream.load(&sandbox, &both());
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Ann")]), "{layout}");
        stream.mode("append").refresh(42).load(&sandbox, &both());
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Ann"), named(1, 1, "Annie")]), "{layout}");
        stream.refresh(43).load(&sandbox, &both());
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Ann")]), "{layout}");
        stream.mode("overwrite").refresh(44).load(&sandbox, &both());
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Ann"), named(1, 1, "Annie")]), "{layout}");
        let next = Stream { generation: (44, 0), ..stream };
        next.load(&sandbox, &at(2000, [person(2, 1, 1, "Ben")]));
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Ann"), named(2, 1, "Ben")]), "{layout}: the newest of each");
    }
}

#[test]
fn test_truncate_refresh_no_data() {
    for layout in layouts("raw") {
        let sandbox = sandbox(layout, "Hard delete");
        let stream = people();
        stream.load(&sandbox, &at(1000, [person(1, 1, 1, "Ann")]));
        sandbox.load(&stream.refresh(42).catalog(), stream.complete());
        assert_eq!(seen(&sandbox), sorted([]), "{layout}");
        let next = Stream { generation: (42, 0), ..stream };
        next.load(&sandbox, &at(2000, [person(1, 1, 1, "Ann"), gone(1, 1, 2), person(2, 1, 1, "Ben")]));
        assert_eq!(seen(&sandbox), sorted([named(2, 1, "Ben")]), "{layout}");
    }
}

/// No STATE is acknowledged of a refresh before its COMPLETE, so the source begins again.
#[test]
fn test_interrupted_truncate_with_prior_data() {
    for layout in layouts("columns") {
        let sandbox = sandbox(layout, "Hard delete");
        let stream = people();
        stream.load(&sandbox, &at(1000, [person(1, 1, 9, "Ann"), person(2, 1, 9, "Ben")]));
        let run = stream.refresh(42).break_off(&sandbox, &at(2000, [person(1, 1, 1, "Anna")]));
        assert_eq!((run.code, run.states().len()), (Some(1), 0), "{layout}: {run:#?}");
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Ann"), named(2, 1, "Ben")]), "{layout}: as it was");
        let again = at(3000, [person(1, 1, 1, "Anna"), person(3, 1, 1, "Cleo"), person(3, 1, 2, "Clea")]);
        stream.refresh(42).load(&sandbox, &again);
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Anna"), named(3, 1, "Clea")]), "{layout}");
        // One more attempt of the same generation, of a platform that has not heard of the end of the last one.
        stream.refresh(42).load(&sandbox, &again);
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Anna"), named(3, 1, "Clea")]), "{layout}");
    }
}

#[test]
fn test_interrupted_truncate_without_prior_data() {
    for layout in layouts("raw") {
        let sandbox = sandbox(layout, "Hard delete");
        let stream = people().refresh(42);
        let run = stream.break_off(&sandbox, &at(1000, [person(1, 1, 1, "Ann"), person(2, 1, 1, "Ben")]));
        assert_eq!((run.code, run.states().len()), (Some(1), 0), "{layout}: {run:#?}");
        assert_eq!(seen(&sandbox), sorted([]), "{layout}");
        stream.load(&sandbox, &at(2000, [person(1, 1, 1, "Ann"), person(1, 1, 2, "Anna")]));
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Anna")]), "{layout}");
    }
}

#[test]
fn resume_after_cancelled_truncate() {
    for layout in layouts("classic") {
        let sandbox = sandbox(layout, "Hard delete");
        let stream = people();
        stream.load(&sandbox, &at(1000, [person(1, 1, 1, "Ann"), person(2, 1, 5, "Ben")]));
        let run = stream.refresh(42).break_off(&sandbox, &at(2000, [person(1, 1, 2, "never acknowledged")]));
        assert_eq!((run.code, run.states().len()), (Some(1), 0), "{layout}: {run:#?}");
        let next = Stream { generation: (42, 0), ..stream };
        next.load(&sandbox, &at(3000, [person(1, 1, 3, "Anna"), person(2, 1, 4, "late"), person(3, 1, 1, "Cleo")]));
        let expected = [named(1, 1, "Anna"), named(2, 1, "Ben"), named(3, 1, "Cleo")];
        assert_eq!(seen(&sandbox), sorted(expected), "{layout}: old rows and new ones");
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
