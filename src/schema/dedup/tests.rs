//! What a catalog may ask for, and where its values are in every layout.

use std::sync::Arc;

use super::*;
use crate::schema::columns::{Layout, TableSchema};
use crate::schema::json_schema::classic;
use crate::schema::kind::{Bits, Decimal};

const SCHEMA: &str = r#"{"properties":{
    "id":{"type":"integer"}, "Name":{"type":["null","string"]}, "rate":{"type":"number"}, "seq":{"type":"integer"}, "any":{},
    "at":{"type":"string","format":"date-time"}, "day":{"type":"string","format":"date"}, "flag":{"type":"boolean"},
    "photo":{"type":"string","contentEncoding":"base64"}, "tags":{"type":"array","items":{"type":"object","properties":{"id":{"type":"integer"}}}},
    "owner":{"type":"object","properties":{"id":{"type":["string","null"]},"home":{"type":"object","properties":{"no":{"type":"integer"}}}}},
    "_ab_cdc_deleted_at":{"type":["null","string"]}}}"#;

fn path(text: &str) -> Vec<String> {
    text.split('.').map(ToOwned::to_owned).collect()
}

fn asked(key: &[&str], cursor: &str) -> Asked {
    let cursor = if cursor.is_empty() { Vec::new() } else { path(cursor) };
    Asked { key: key.iter().map(|part| path(part)).collect(), cursor, is_cursor_of_source: false }
}

fn dedup(key: &[&str], cursor: &str) -> Dedup {
    Dedup::new(Some(SCHEMA), &asked(key, cursor)).expect("a key")
}

fn refused(schema: Option<&str>, key: &[&str], cursor: &str) -> String {
    Dedup::new(schema, &asked(key, cursor)).expect_err("refused").join(" and ")
}

fn typed(nested: Nested) -> TableSchema {
    columns(SCHEMA, ColumnOptions { number: Number::Double, nested }).expect("columns")
}

/// A place as one text: column, fields behind `.`, names in JSON behind `:`.
fn shown(places: &[Place]) -> Vec<String> {
    let fields = |names: &[String], mark| names.iter().map(|name| format!("{mark}{name}")).collect::<String>();
    let shown = |place: &Place| {
        format!("{}{}{} {}", place.column, fields(&place.fields, '.'), fields(&place.json, ':'), place.kind.sql())
    };
    places.iter().map(shown).collect()
}

#[test]
fn a_key_and_a_cursor_have_the_types_of_the_schema() {
    let found = dedup(&["id", "owner.home.no", "id"], "at");
    let parts: Vec<_> = found.key.iter().map(|part| (part.path.join("."), part.kind.clone())).collect();
    let long = Kind::Integer(Bits::B64);
    assert_eq!(parts, [("id".to_owned(), long.clone()), ("owner.home.no".to_owned(), long)]);
    assert_eq!(found.cursor.map(|cursor| cursor.kind), Some(Kind::Timestamp));
    assert_eq!(found.deleted.map(|deleted| deleted.path), Some(path("_ab_cdc_deleted_at")));
    assert_eq!(dedup(&["any"], "").cursor, None);
    assert_eq!(dedup(&["photo"], "flag").deleted.map(|property| property.kind), Some(Kind::Text));
    let without = Dedup::new(Some(r#"{"properties":{"id":{"type":"string"}}}"#), &asked(&["id"], ""));
    assert_eq!(without.map(|dedup| dedup.deleted), Ok(None));
}

#[test]
fn what_no_row_can_be_compared_by_is_told_with_its_reason() {
    for (key, cursor, part) in [
        (&[][..], "", "no primary key"),
        (&["nope"], "", "the primary key `nope`, which its JSON schema does not have"),
        (&["ID"], "", "does not have"),
        (&["id.x"], "", "does not have"),
        (&["any.x"], "", "does not have"),
        (&["owner"], "", "which is an object"),
        (&["tags"], "", "which is an array"),
        (&["tags.id"], "", "inside of an array"),
        (&["id"], "nope", "the cursor `nope`, which its JSON schema does not have"),
        (&["id"], "owner", "which is an object: those have no order"),
        (&["id"], "any", "have no order"),
        (&["id"], "photo", "no order"),
        (&["nope"], "owner", "does not have and has the cursor"),
    ] {
        let said = refused(Some(SCHEMA), key, cursor);
        assert!(said.contains(part), "{key:?} {cursor}: {said}");
    }
    assert!(refused(None, &["id"], "").contains("does not have"));
    assert!(refused(Some("{"), &["id"], "").contains("no key can be found"));
}

#[test]
fn a_cursor_that_the_source_named_is_left_out_where_it_cannot_be_used() {
    for (cursor, expected) in [("nope", None), ("owner", None), ("at", Some(path("at")))] {
        let asked = Asked { is_cursor_of_source: true, ..asked(&["id"], cursor) };
        let found = Dedup::new(Some(SCHEMA), &asked).expect("a key");
        assert_eq!(found.cursor.map(|cursor| cursor.path), expected);
    }
}

#[test]
fn a_key_is_the_same_in_any_order_and_another_one_with_other_parts() {
    let ids = [&["id", "owner.id"][..], &["owner.id", "id"], &["id"], &["owner.id"]].map(|key| dedup(key, "").id());
    assert_eq!(ids[0], r#"[["id"],["owner","id"]]"#);
    assert_eq!(ids[0], ids[1]);
    assert!(ids[0] != ids[2] && ids[2] != ids[3]);
}

#[test]
fn values_are_found_in_every_layout() {
    let asked = dedup(&["id", "owner.home.no", "owner.id"], "at");
    let found = |schema: &TableSchema| {
        let Places { key, cursor, deleted } = asked.places(schema).expect("places");
        [shown(&key), shown(&cursor), shown(&deleted)].concat()
    };
    assert_eq!(
        found(&TableSchema::raw()),
        [
            "_airbyte_data:id BIGINT",
            "_airbyte_data:owner:home:no BIGINT",
            "_airbyte_data:owner:id STRING",
            "_airbyte_data:at TIMESTAMP",
            "_airbyte_data:_ab_cdc_deleted_at STRING",
        ]
    );
    let columns = ["id BIGINT", "owner.home.no BIGINT", "owner.id STRING", "at TIMESTAMP", "_ab_cdc_deleted_at STRING"];
    assert_eq!(found(&typed(Nested::Typed)), columns);
    assert_eq!(
        found(&typed(Nested::Json)),
        ["id BIGINT", "owner:home:no BIGINT", "owner:id STRING", "at TIMESTAMP", "_ab_cdc_deleted_at STRING"]
    );
    assert_eq!(
        found(&classic(SCHEMA).expect("columns")),
        [
            "id BIGINT",
            "owner.home.no BIGINT",
            "owner.id STRING",
            "at.member0 TIMESTAMP",
            "at.member1 STRING",
            "_ab_cdc_deleted_at STRING",
        ]
    );
}

#[test]
fn a_table_with_a_column_that_compares_otherwise_is_refused() {
    let table = |name: &str, kind: Kind| {
        let column = Column { is_exact: true, ..Column::new(name, kind, Source::Property(name.to_owned())) };
        let id = Column::new("id", Kind::Integer(Bits::B64), Source::Property("id".to_owned()));
        TableSchema::of(Layout::Columns, [id].into_iter().filter(|id| id.name != name).chain([column]).collect())
    };
    for (key, cursor, name, kind, part) in [
        ("id", "", "id", Kind::Text, None),
        ("id", "", "id", Kind::Integer(Bits::B32), None),
        (
            "id",
            "",
            "id",
            Kind::Date,
            Some("DATE, of which values of the stream are not compared alike, for the primary key `id`"),
        ),
        ("id", "", "id", Kind::List(Arc::new(Kind::Text)), Some("an object or an array for the primary key")),
        (
            "at",
            "",
            "at",
            Kind::Text,
            Some("STRING, of which values of the stream are not compared alike, for the primary key `at`"),
        ),
        ("day", "", "day", Kind::Text, Some("STRING, of which")),
        ("at", "", "at", Kind::Timestamp, None),
        ("Name", "", "Name", Kind::Text, None),
        ("id", "rate", "rate", Kind::Integer(Bits::B64), Some("BIGINT, which does not hold every value of the stream")),
        ("id", "rate", "rate", Kind::Double, Some("DOUBLE, which does not hold")),
        ("id", "rate", "rate", Kind::Decimal(Decimal { precision: 38, scale: 10 }), Some("which does not hold")),
        ("id", "seq", "seq", Kind::Decimal(Decimal { precision: 38, scale: 10 }), None),
        ("id", "seq", "seq", Kind::Decimal(Decimal { precision: 20, scale: 2 }), Some("which does not hold")),
        ("id", "seq", "seq", Kind::Integer(Bits::B32), Some("INT, which does not hold")),
        ("id", "seq", "seq", Kind::Double, Some("DOUBLE, which does not hold")),
        ("id", "rate", "rate", Kind::Text, Some("STRING, of which")),
        (
            "id",
            "at",
            "at",
            Kind::Date,
            Some("DATE, which does not hold every value of the stream, for the cursor `at`"),
        ),
        ("id", "at", "at", Kind::LocalTimestamp, Some("TIMESTAMP_NTZ, which does not hold")),
        (
            "id",
            "at",
            "at",
            Kind::Union(vec![Kind::Date, Kind::Timestamp].into()),
            Some("DATE or TIMESTAMP, in which the stream's values are in another member than those"),
        ),
        ("id", "at", "at", Kind::Timestamp, None),
        ("id", "day", "day", Kind::Timestamp, None),
        ("id", "Name", "Name", Kind::Text, None),
        // Its values are kept apart, or refused one by one.
        ("at", "", "at", Kind::Date, None),
        ("id", "at", "id", Kind::Text, Some("no column for the cursor `at`")),
    ] {
        let mut asked = dedup(&[key], cursor);
        asked.keep_deleted();
        let found = asked.places(&table(name, kind));
        match part {
            None => assert!(found.is_ok(), "{found:?}"),
            Some(part) => assert!(found.clone().is_err_and(|said| said.join(" and ").contains(part)), "{found:?}"),
        }
    }
}

#[test]
fn a_table_that_cannot_tell_which_rows_were_deleted_is_refused() {
    let id = Column::new("id", Kind::Integer(Bits::B64), Source::Property("id".to_owned()));
    let table = TableSchema::of(Layout::Columns, vec![id]);
    let mut asked = dedup(&["id"], "");
    let said = asked.places(&table).expect_err("refused").join(" and ");
    assert_eq!(said, "has no column for deletes, `_ab_cdc_deleted_at`");
    asked.keep_deleted();
    assert_eq!(asked.places(&table).map(|places| places.deleted), Ok(Vec::new()));
}

#[test]
fn a_key_whose_column_has_other_texts_than_before_is_told() {
    let (text, any) = (dedup(&["Name", "id"], ""), dedup(&["any", "id"], ""));
    assert_eq!((text.id().as_str(), any.id().as_str()), (r#"[["Name"],["id"]]"#, r#"[{"json":["any"]},["id"]]"#));
    assert_eq!(text.written_otherwise_than(r#"[{"json":["Name"]},["id"]]"#).as_deref(), Some("`Name`"));
    assert_eq!(any.written_otherwise_than(r#"[["any"]]"#).as_deref(), Some("`any`"));
    for key in ["at", "day", "photo"] {
        let part = dedup(&[key], "");
        assert_eq!(part.written_otherwise_than(&format!(r#"[{{"json":["{key}"]}}]"#)), Some(format!("`{key}`")));
        assert_eq!(part.written_otherwise_than(&format!(r#"[["{key}"]]"#)), None);
    }
    for (dedup, stored) in [(&text, r#"[["Name"],["id"]]"#), (&text, r#"[{"json":["id"]}]"#), (&any, "no list")] {
        assert_eq!(dedup.written_otherwise_than(stored), None, "{stored}");
    }
}
