//! Value rules of the layout `classic` that the public cases do not cover.

use std::sync::Arc;

use super::testing::{Plain, classic, plain, property, record, undeclared, written};
use crate::encode::changes::Changes;
use crate::schema::columns::{Column, TableSchema};
use crate::schema::kind::{Bits, Kind};

fn read(kind: Kind, json: &str) -> (Plain, Plain, Changes) {
    let (batch, changes) = written(classic(vec![property("v", kind)]), &[format!(r#"{{"v":{json}}}"#)]);
    (plain(batch.column(2), 0), plain(batch.column(3), 0), changes)
}

fn value(kind: Kind, json: &str) -> Plain {
    let (value, kept, changes) = read(kind, json);
    assert_eq!((kept, changes), (Plain::Null, Changes::default()), "{json}");
    value
}

fn union(kinds: &[Kind]) -> Kind {
    Kind::Union(kinds.into())
}

fn members(values: Vec<Plain>) -> Plain {
    Plain::Struct(values.into_iter().enumerate().map(|(at, value)| (format!("member{at}"), value)).collect())
}

#[test]
fn numbers_are_cast_as_java_casts_them() {
    let long = || Kind::Integer(Bits::B64);
    for (json, whole) in
        [("1.9", 1), ("-1.9", -1), ("1e30", i64::MAX.into()), ("9223372036854775808", i64::MIN.into()), (r#""+5""#, 5)]
    {
        assert_eq!(value(long(), json), Plain::Whole(whole), "{json}");
    }
    for (json, whole) in [("4294967297", 1), ("1e30", i32::MAX.into()), (r#""7""#, 7)] {
        assert_eq!(value(Kind::Integer(Bits::B32), json), Plain::Whole(whole), "{json}");
    }
    for (json, number) in [
        ("1e400", f64::INFINITY),
        (r#"" 1.5 ""#, 1.5),
        (r#""1.5f""#, 1.5),
        (r#""-Infinity""#, f64::NEG_INFINITY),
        (r#""+Infinity""#, f64::INFINITY),
    ] {
        assert_eq!(value(Kind::Double, json), Plain::Double(number.to_bits()), "{json}");
    }
    assert_eq!(value(Kind::Float, "0.1"), Plain::Float(0.1_f32.to_bits()));
}

#[test]
fn base64_is_decoded_and_taken_for_a_text() {
    for (json, bytes) in
        [(r#""aGk=""#, b"hi".as_slice()), (r#""AP8=""#, b"\0\xef\xbf\xbd"), (r#""hi""#, b"hi"), (r#""""#, b"")]
    {
        assert_eq!(value(Kind::Binary, json), Plain::Bytes(bytes.to_vec()), "{json}");
    }
}

#[test]
fn what_no_member_takes_is_kept_as_text() {
    for (kind, json, kept) in [
        (Kind::Integer(Bits::B64), r#""1.5""#, "1.5"),
        (Kind::Integer(Bits::B64), "true", "true"),
        (Kind::Integer(Bits::B64), r#""9223372036854775808""#, "9223372036854775808"),
        (Kind::Boolean, r#""true""#, "true"),
        (Kind::Text, "1.50", "1.50"),
        (Kind::Double, r#""inf""#, "inf"),
        (union(&[Kind::Date, Kind::Text]), r#"{"a": 1}"#, r#"{"a":1}"#),
        (Kind::List(Arc::new(Kind::Integer(Bits::B64))), r#"[1, "x"]"#, r#"[1,"x"]"#),
        (Kind::Date, r#""0000-12-31""#, "0000-12-31"),
        (Kind::Timestamp, r#""+10000-01-01 00:00:00""#, "+10000-01-01 00:00:00"),
    ] {
        let (value, map, changes) = read(kind, json);
        assert_eq!((value, map), (Plain::Null, Plain::map(&[("v", kept)])), "{json}");
        assert_eq!(changes.iter().collect::<Vec<_>>(), [("v", 1)], "{json}");
    }
}

#[test]
fn the_first_member_that_takes_a_value_whole_has_it() {
    let of = |name: &str, kind: Kind| record(name, vec![property("a", kind), undeclared()]);
    let kind = union(&[of("one", Kind::Integer(Bits::B64)), of("two", Kind::Text)]);
    let text = Plain::Struct(vec![
        ("a".into(), Plain::text("x")),
        ("_airbyte_additional_properties".into(), Plain::map(&[("b", "1")])),
    ]);
    assert_eq!(value(kind.clone(), r#"{"a":"x","b":1}"#), members(vec![Plain::Null, text]));
    // None takes it whole: the first one keeps what does not fit.
    let kept = Plain::Struct(vec![
        ("a".into(), Plain::Null),
        ("_airbyte_additional_properties".into(), Plain::map(&[("a", "[]")])),
    ]);
    let (found, map, changes) = read(kind, r#"{"a":[]}"#);
    assert_eq!((found, map), (members(vec![kept, Plain::Null]), Plain::Null));
    assert_eq!(changes.iter().collect::<Vec<_>>(), [("v", 1)]);
    let long_or_text = union(&[Kind::Integer(Bits::B64), Kind::Text]);
    assert_eq!(value(long_or_text.clone(), r#""7""#), members(vec![Plain::Whole(7), Plain::Null]));
    assert_eq!(value(long_or_text, r#""x""#), members(vec![Plain::Null, Plain::text("x")]));
    for kind in [Kind::Date, Kind::Timestamp] {
        let far = "2021-01-01 00:00:00 BC";
        assert_eq!(
            value(union(&[kind, Kind::Text]), &format!(r#""{far}""#)),
            members(vec![Plain::Null, Plain::text(far)])
        );
    }
}

#[test]
fn keys_go_by_their_avro_names_and_properties_that_hold_more_are_taken_apart() {
    let schema = || -> TableSchema {
        let mut columns: Vec<Column> = vec![property("node:id", Kind::Text)];
        columns[0].name = "node_id".to_owned();
        classic(columns)
    };
    let text = r#"{"node id":"x","é y":1,"_ab_additional_properties":{"k:1":{"b": 1},"n":null},"_airbyte_additional_properties":"s"}"#;
    let (batch, _) = written(schema(), &[text, r#"{"node:id":"y","_ab_additional_properties":null}"#]);
    assert_eq!([0, 1].map(|row| plain(batch.column(2), row)), ["x", "y"].map(Plain::text));
    let kept = [("e_y", "1"), ("k:1", r#"{"b":1}"#), ("n", "null"), ("_airbyte_additional_properties", "s")];
    assert_eq!([0, 1].map(|row| plain(batch.column(3), row)), [Plain::map(&kept), Plain::Null]);
}

#[test]
fn lists_of_texts_make_a_text_of_every_item() {
    let list = |kind: Kind| Kind::List(Arc::new(kind));
    let texts = ["a", "1.50", r#"{"b":[1]}"#].map(Plain::text);
    let [a, b, c] = texts;
    assert_eq!(value(list(Kind::Text), r#"["a", 1.50, {"b": [1]}, null]"#), Plain::List(vec![a, b, c, Plain::Null]));
    let nested = value(list(list(Kind::Text)), "[[1],[],null]");
    assert_eq!(nested, Plain::List(vec![Plain::List(vec![Plain::text("1")]), Plain::List(vec![]), Plain::Null]));
}
