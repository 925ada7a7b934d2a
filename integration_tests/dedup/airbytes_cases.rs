//! The cases of `BasicFunctionalityIntegrationTest`, Airbyte's test of destinations, that are about keys, by their names there. Those of
//! refreshes are in `airbytes_refreshes`.

use serde_json::{Value, json};

use super::people::{DELETED, at, integer, moment, sandbox, text, users};
use super::streams::{Stream, layouts, rows, sorted};
use crate::table;

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
