//! Keys that come twice, keys that the schema does not declare, and strings that no text column holds as they are.

use std::sync::Arc;

use super::testing::{Plain, classic, columns, plain, property, record, undeclared, written};
use crate::schema::kind::{Bits, Kind};

const LONG: Kind = Kind::Integer(Bits::B64);

fn address() -> Kind {
    record("address", vec![property("zip", Kind::Text)])
}

/// The undeclared keys, the changes and the count of those in the only row of `text`.
fn kept(properties: Vec<crate::schema::columns::Column>, text: &str) -> (Plain, String, u64) {
    let (batch, changes) = written(columns(properties), &[text]);
    let map = plain(batch.column(batch.num_columns() - 1), 0);
    let Plain::Bytes(meta) = plain(batch.column(2), 0) else { panic!("no text") };
    (map, String::from_utf8(meta).expect("UTF-8"), changes.iter().map(|(_, count)| count).sum())
}

#[test]
fn keys_that_share_a_path_are_all_kept_whatever_their_order() {
    for (texts, expected) in [
        (
            [r#"{"address.floor":"top","address":{"floor":2}}"#, r#"{"address":{"floor":2},"address.floor":"top"}"#],
            Plain::map(&[("address.floor", "top"), ("address.floor#2", "2")]),
        ),
        (
            [
                r#"{"items.0.z":1,"items.0":{"z":0},"items":[{"z":2}]}"#,
                r#"{"items":[{"z":2}],"items.0":{"z":0},"items.0.z":1}"#,
            ],
            Plain::map(&[("items.0.z", "1"), ("items.0", r#"{"z":0}"#), ("items.0.z#2", "2")]),
        ),
        (
            [
                r#"{"address":{"a":1},"address.a":2,"address.a#2":3}"#,
                r#"{"address.a#2":3,"address.a":2,"address":{"a":1}}"#,
            ],
            Plain::map(&[("address.a", "2"), ("address.a#2", "3"), ("address.a#3", "1")]),
        ),
        (
            [r#"{"\ud800":1,"\ud801":2}"#, r#"{"\ud801":2,"\ud800":1}"#],
            Plain::map(&[("\u{fffd}", "1"), ("\u{fffd}#2", "2")]),
        ),
    ] {
        for text in texts {
            let item = record("item", vec![property("n", LONG)]);
            let properties = vec![property("address", address()), property("items", Kind::List(Arc::new(item)))];
            assert_eq!(kept(properties, text).0, expected, "{text}");
        }
    }
}

#[test]
fn the_last_value_of_an_undeclared_key_counts_null_too() {
    for (text, expected) in [
        (r#"{"x":1,"x":2,"x":null}"#, Plain::Null),
        (r#"{"x":1,"y":2,"x":null}"#, Plain::map(&[("y", "2")])),
        (r#"{"x":1,"x":null,"x":3}"#, Plain::map(&[("x", "3")])),
        (r#"{"x":1,"\u0078":2}"#, Plain::map(&[("x", "2")])),
        (r#"{"address":{"a":1,"a":null}}"#, Plain::Null),
        (r#"{"address":{"a":1},"address.a":2,"address":{}}"#, Plain::map(&[("address.a", "2")])),
        (r#"{"address.a":2,"address":{"a":1},"address":null}"#, Plain::map(&[("address.a", "2")])),
    ] {
        assert_eq!(kept(vec![property("address", address())], text).0, expected, "{text}");
    }
}

#[test]
fn a_value_that_a_later_one_of_its_key_replaces_is_no_change() {
    let none = r#"{"sync_id":7,"changes":[]}"#;
    let named = |field: &str| {
        format!(
            r#"{{"sync_id":7,"changes":[{{"field":"{field}","change":"NULLED","reason":"DESTINATION_TYPECAST_ERROR"}}]}}"#
        )
    };
    let item = record("item", vec![property("n", LONG)]);
    for (text, meta, count) in [
        (r#"{"v":"bad","v":1}"#, none.to_owned(), 0),
        (r#"{"v":"bad","v":null}"#, none.to_owned(), 0),
        (r#"{"v":"bad","v":"bad"}"#, named("v"), 1),
        (r#"{"items":[{"n":"bad"},{"n":"bad","n":1}]}"#, named("items.n"), 1),
        (r#"{"items":[{"n":"bad"}],"items":[{"n":1}]}"#, none.to_owned(), 0),
    ] {
        let properties = vec![property("v", LONG), property("items", Kind::List(Arc::new(item.clone())))];
        assert_eq!(kept(properties, text), (Plain::Null, meta, count), "{text}");
    }
}

#[test]
fn of_a_key_that_comes_again_and_again_the_last_value_counts_however_often_it_comes() {
    let inner = || record("o", vec![property("n", LONG), property("t", Kind::Text)]);
    let properties = || vec![property("v", LONG), property("o", inner()), property("w", Kind::Text)];
    let often = |one: &str, times: usize| vec![one; times].join(",");
    for times in [2, 15, 16, 17, 18, 100] {
        for (repeated, last) in [
            (r#""v":"bad","u":1,"o":{"n":"bad","x":2}"#, r#""v":7,"o":{"n":1}"#),
            (r#""v":1"#, r#""v":"bad""#),
            (r#""o":{"n":1,"x":2}, "v" : 3"#, r#""o":null"#),
            (r#""v":null,"v":1,"\u0076":2"#, r#""v":null,"w":"x""#),
            (r#""w":"a","v":"bad""#, r#""u":{"u":1}"#),
        ] {
            let many = format!("{{{},{last}}}", often(repeated, times));
            let few = format!("{{{repeated},{last}}}");
            let nested =
                |of: &str| format!(r#"{{"o":{of}}}"#, of = of.replace(r#""v""#, r#""n""#).replace(r#""w""#, r#""t""#));
            for (many, few) in [(many.clone(), few.clone()), (nested(&many), nested(&few))] {
                for schema in [columns(properties()), classic(properties())] {
                    let of = |text: &String| -> Vec<Plain> {
                        let (batch, _) = written(schema.clone(), &[text]);
                        (2..batch.num_columns()).map(|at| plain(batch.column(at), 0)).collect()
                    };
                    assert_eq!(of(&many), of(&few), "{many}");
                }
                let counted = |text| kept(properties(), text).2;
                assert_eq!(counted(&many), counted(&few), "{many}");
            }
        }
    }
}

#[test]
fn the_older_connectors_tables_keep_no_value_that_a_later_one_replaces() {
    let inner = record("o", vec![property("n", LONG), undeclared()]);
    for (text, map, count) in [
        (r#"{"v":"bad","v":1}"#, Plain::Null, 0),
        (r#"{"v":"bad","v":null}"#, Plain::Null, 0),
        (r#"{"v":1,"v":"bad"}"#, Plain::map(&[("v", "bad")]), 1),
        (r#"{"x":1,"x":null}"#, Plain::Null, 0),
        (r#"{"o":{"n":"bad","n":1}}"#, Plain::Null, 0),
        (
            r#"{"x":1,"_airbyte_additional_properties":{"x":2},"_ab_additional_properties":{"x":3}}"#,
            Plain::map(&[("x", "1"), ("x#2", "3"), ("x#3", "2")]),
            0,
        ),
    ] {
        let (batch, changes) = written(classic(vec![property("v", LONG), property("o", inner.clone())]), &[text]);
        assert_eq!(plain(batch.column(4), 0), map, "{text}");
        assert_eq!(changes.iter().map(|(_, count)| count).sum::<u64>(), count, "{text}");
        if let Plain::Struct(fields) = plain(batch.column(3), 0) {
            assert_eq!(fields.last().map(|(_, value)| value), Some(&Plain::Null), "{text}");
        }
    }
}

#[test]
fn half_a_surrogate_pair_in_a_text_is_replaced_and_named() {
    let change =
        r#"{"sync_id":7,"changes":[{"field":"v","change":"TRUNCATED","reason":"DESTINATION_TYPECAST_ERROR"}]}"#;
    let (batch, changes) =
        written(columns(vec![property("v", Kind::Text)]), &[r#"{"v":"a\ud800b"}"#, r#"{"v":"\ud83d\ude00\ufffd"}"#]);
    assert_eq!([0, 1].map(|row| plain(batch.column(3), row)), ["a\u{fffd}b", "😀\u{fffd}"].map(Plain::text));
    assert_eq!(plain(batch.column(2), 0), Plain::text(change));
    assert_eq!(plain(batch.column(2), 1), Plain::text(r#"{"sync_id":7,"changes":[]}"#));
    assert_eq!(changes.iter().collect::<Vec<_>>(), [("v", 1)]);
    // JSON texts have the escape as it was written.
    let (batch, _) = written(columns(vec![property("v", Kind::Json)]), &[r#"{"v":"a\ud800b"}"#]);
    assert_eq!(plain(batch.column(3), 0), Plain::text(r#""a\ud800b""#));
}
