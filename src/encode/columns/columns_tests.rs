//! The value rules of the layout `columns`.

use super::testing::{Plain, columns, one, plain, property, record, row, written};
use crate::schema::kind::{Bits, Decimal, Kind};
use std::sync::Arc;

const NAME: &str = "v";

fn schema(kind: &Kind) -> crate::schema::columns::TableSchema {
    columns(vec![property(NAME, kind.clone())])
}

fn value(kind: &Kind, json: &str) -> Plain {
    let (batch, changes) = written(schema(kind), &[format!(r#"{{"{NAME}":{json}}}"#)]);
    assert!(changes.is_empty(), "{json}: {changes:?}");
    plain(batch.column_by_name(NAME).expect("a column"), 0)
}

/// The reason for which the value is NULL.
fn refused(kind: &Kind, json: &str) -> String {
    let (batch, changes) = written(schema(kind), &[format!(r#"{{"{NAME}":{json}}}"#)]);
    assert_eq!(plain(batch.column_by_name(NAME).expect("a column"), 0), Plain::Null, "{json}");
    assert_eq!(changes.iter().collect::<Vec<_>>(), [(NAME, 1)], "{json}");
    let meta = plain(batch.column_by_name("_airbyte_meta").expect("a column"), 0);
    let Plain::Bytes(meta) = meta else { panic!("{meta:?}") };
    let meta: serde_json::Value = serde_json::from_slice(&meta).expect("JSON");
    let change = &meta["changes"][0];
    assert_eq!((&change["field"], &change["change"], &meta["sync_id"]), (&NAME.into(), &"NULLED".into(), &7.into()));
    change["reason"].as_str().unwrap_or_default().replace("DESTINATION_", "")
}

#[test]
fn whole_numbers_are_exact_or_null() {
    let long = Kind::Integer(Bits::B64);
    for (json, whole) in
        [("1.0", 1), ("1e3", 1000), (r#""-12""#, -12), (r#""1.0""#, 1), ("9223372036854775807", i64::MAX)]
    {
        assert_eq!(value(&long, json), Plain::Whole(whole.into()), "{json}");
    }
    assert_eq!(value(&long, "null"), Plain::Null);
    for json in ["9223372036854775808", "1e19", r#""9223372036854775808""#] {
        assert_eq!(refused(&long, json), "FIELD_SIZE_LIMITATION", "{json}");
    }
    for json in ["1.5", r#""1.5""#, r#""""#, r#"" 1""#, "true", "{}", "[1]", r#""x""#, r#""NaN""#] {
        assert_eq!(refused(&long, json), "TYPECAST_ERROR", "{json}");
    }
    for (bits, most) in [(Bits::B8, 127), (Bits::B16, 32_767), (Bits::B32, 2_147_483_647)] {
        assert_eq!(value(&Kind::Integer(bits), &most.to_string()), Plain::Whole(most));
        assert_eq!(refused(&Kind::Integer(bits), &(most + 1).to_string()), "FIELD_SIZE_LIMITATION");
    }
}

#[test]
fn numbers_are_exact_or_said_to_be_rounded() {
    let decimal = Kind::Decimal(Decimal { precision: 38, scale: 10 });
    assert_eq!(value(&decimal, "-1.25"), Plain::Whole(-12_500_000_000));
    assert_eq!(value(&decimal, r#""1e27""#), Plain::Whole(10_i128.pow(37)));
    assert_eq!(refused(&decimal, "1e28"), "FIELD_SIZE_LIMITATION");
    assert_eq!(refused(&decimal, r#""NaN""#), "TYPECAST_ERROR");
    let (batch, changes) = written(schema(&decimal), &[r#"{"v":0.30000000000000004}"#]);
    assert_eq!(plain(batch.column(3), 0), Plain::Whole(3_000_000_000));
    let meta =
        r#"{"sync_id":7,"changes":[{"field":"v","change":"TRUNCATED","reason":"DESTINATION_FIELD_SIZE_LIMITATION"}]}"#;
    assert_eq!((plain(batch.column(2), 0), changes.iter().next()), (Plain::text(meta), Some(("v", 1))));
    let integer = Kind::Decimal(Decimal { precision: 38, scale: 0 });
    let digits = "9".repeat(38);
    assert_eq!(value(&integer, &digits), Plain::Whole(10_i128.pow(38) - 1));
    assert_eq!(refused(&integer, &format!("{digits}0")), "FIELD_SIZE_LIMITATION");
    for (json, number) in
        [("0.1", 0.1), (r#""1e-3""#, 0.001), ("123456789012345678901234567890", 1.2345678901234568e29)]
    {
        assert_eq!(value(&Kind::Double, json), Plain::Double(f64::to_bits(number)), "{json}");
    }
    assert_eq!(value(&Kind::Double, r#""-Infinity""#), Plain::Double(f64::NEG_INFINITY.to_bits()));
    assert!(matches!(value(&Kind::Double, r#""NaN""#), Plain::Double(bits) if f64::from_bits(bits).is_nan()));
    assert_eq!(refused(&Kind::Double, "1e400"), "FIELD_SIZE_LIMITATION");
    assert_eq!(refused(&Kind::Float, "1e39"), "FIELD_SIZE_LIMITATION");
    for json in [r#""inf""#, r#""nan""#, r#""0x10""#, "false"] {
        assert_eq!(refused(&Kind::Double, json), "TYPECAST_ERROR", "{json}");
    }
}

#[test]
fn a_big_whole_number_with_a_fraction_is_not_rounded_without_a_word() {
    let integer = Kind::Decimal(Decimal { precision: 38, scale: 0 });
    assert_eq!(refused(&integer, "1.5"), "TYPECAST_ERROR");
}

#[test]
fn texts_hold_any_value_and_json_any_text() {
    for (json, text) in [
        (r#""a\u00e9\n""#, "aé\n"),
        ("1.50", "1.50"),
        ("true", "true"),
        (r#"{ "b" : 1, "a" : [ 1e3 ] }"#, r#"{"b":1,"a":[1e3]}"#),
    ] {
        assert_eq!(value(&Kind::Text, json), Plain::text(text), "{json}");
    }
    assert_eq!(value(&Kind::Json, r#""a\u00e9 b""#), Plain::text(r#""a\u00e9 b""#));
    assert_eq!(value(&Kind::Json, r#"[ 1.0 , {} ]"#), Plain::text("[1.0,{}]"));
    assert_eq!(value(&Kind::Json, "null"), Plain::Null);
}

#[test]
fn booleans_days_times_and_bytes_are_exact() {
    assert_eq!(value(&Kind::Boolean, "true"), Plain::Boolean(true));
    assert_eq!(value(&Kind::Date, r#""2021-01-01""#), Plain::Whole(18_628));
    assert_eq!(value(&Kind::Timestamp, r#""1970-01-01T00:00:00.000001Z""#), Plain::Whole(1));
    assert_eq!(value(&Kind::LocalTimestamp, r#""1970-01-01 00:00:01""#), Plain::Whole(1_000_000));
    assert_eq!(value(&Kind::Time, r#""00:00:01""#), Plain::Whole(1_000_000));
    assert_eq!(value(&Kind::Binary, r#""AP8=""#), Plain::Bytes(vec![0, 255]));
    for (kind, json) in [
        (Kind::Boolean, r#""true""#),
        (Kind::Boolean, "1"),
        (Kind::Date, "18628"),
        (Kind::Timestamp, "1634982000"),
        (Kind::Timestamp, r#""tomorrow""#),
        (Kind::Binary, r#""AP8""#),
        (Kind::Binary, r#""?""#),
    ] {
        assert_eq!(refused(&kind, json), "TYPECAST_ERROR", "{json}");
    }
}

#[test]
fn days_that_no_reader_shows_are_null() {
    for (kind, first, last, beyond) in [
        (Kind::Date, r#""0001-01-01""#, r#""9999-12-31""#, [r#""0000-12-31""#, r#""+10000-01-01""#]),
        (
            Kind::Timestamp,
            r#""0001-01-01T00:00:00Z""#,
            r#""9999-12-31T23:59:59.999999Z""#,
            [r#""0001-01-01T00:00:00+01:00""#, r#""9999-12-31T23:59:59-01:00""#],
        ),
        (
            Kind::LocalTimestamp,
            r#""0001-01-01T00:00:00+01:00""#,
            r#""9999-12-31T23:59:59.999999-01:00""#,
            [r#""0000-12-31T23:59:59""#, r#""9999-12-31T24:00:00""#],
        ),
    ] {
        for json in [first, last] {
            assert!(matches!(value(&kind, json), Plain::Whole(_)), "{json}");
        }
        for json in beyond.into_iter().chain([r#""2021-01-01 00:00:00 BC""#]) {
            assert_eq!(refused(&kind, json), "FIELD_SIZE_LIMITATION", "{json}");
        }
    }
}

#[test]
fn what_does_not_fit_within_a_value_is_null_there_and_named_by_its_path() {
    let item = record("item", vec![property("n", Kind::Integer(Bits::B64)), property("t", Kind::Text)]);
    let kind = record("o", vec![property("list", Kind::List(Arc::new(item))), property("d", Kind::Date)]);
    let text =
        r#"{"v":{"d":"x","list":[{"n":"y","t":1,"more":2},3,{"n":4},null,{"n":"z","more":[5]}],"zip":6},"extra":7}"#;
    let (batch, changes) = written(schema(&kind), &[text]);
    let item = |n: Plain, t: Plain| Plain::Struct(vec![("n".into(), n), ("t".into(), t)]);
    let list = vec![
        item(Plain::Null, Plain::text("1")),
        Plain::Null,
        item(Plain::Whole(4), Plain::Null),
        Plain::Null,
        item(Plain::Null, Plain::Null),
    ];
    let expected = Plain::Struct(vec![("list".into(), Plain::List(list)), ("d".into(), Plain::Null)]);
    assert_eq!(plain(batch.column(3), 0), expected);
    let kept = [("extra", "7"), ("v.list.0.more", "2"), ("v.list.4.more", "[5]"), ("v.zip", "6")];
    assert_eq!(plain(batch.column(4), 0), Plain::map(&kept));
    let Plain::Bytes(meta) = plain(batch.column(2), 0) else { panic!("no text") };
    let meta: serde_json::Value = serde_json::from_slice(&meta).expect("JSON");
    let fields: Vec<_> =
        meta["changes"].as_array().expect("changes").iter().map(|change| change["field"].clone()).collect();
    assert_eq!(fields, ["v.d", "v.list.n", "v.list"]);
    assert_eq!(changes.iter().collect::<Vec<_>>(), [("v", 3)]);
}

#[test]
fn of_a_key_that_comes_twice_the_last_value_counts_with_all_that_is_in_it() {
    let kind = record("o", vec![property("a", Kind::Integer(Bits::B64)), property("b", Kind::Text)]);
    let kind = Kind::List(Arc::new(kind));
    let text = r#"{"v":[{"a":"x","b":"1","k":1}],"w":1,"v":[{"b":"2","b":"3","a":7,"a":null},{"a":5}],"w":2,"w":null,"u":1,"u":2}"#;
    let (batch, changes) = written(schema(&kind), &[text, r#"{"v":"no","v":[]}"#, r#"{"v":[],"v":null}"#, "{}"]);
    let item = |a: Plain, b: Plain| Plain::Struct(vec![("a".into(), a), ("b".into(), b)]);
    let expected = vec![item(Plain::Null, Plain::text("3")), item(Plain::Whole(5), Plain::Null)];
    assert_eq!(plain(batch.column(3), 0), Plain::List(expected));
    assert_eq!(plain(batch.column(4), 0), Plain::map(&[("u", "2")]));
    assert_eq!(plain(batch.column(2), 0), Plain::text(r#"{"sync_id":7,"changes":[]}"#));
    assert_eq!(plain(batch.column(3), 1), Plain::List(vec![]));
    assert_eq!([2, 3].map(|row| plain(batch.column(3), row)), [Plain::Null, Plain::Null]);
    assert_eq!(plain(batch.column(4), 3), Plain::Null);
    assert!(changes.iter().all(|(name, _)| name == NAME));
}

#[test]
fn what_the_source_changed_comes_first() {
    let text =
        r#"{"v":"x"} {"changes": [ {"field":"s","change":"NULLED","reason":"SOURCE_RETRIEVAL_ERROR"} ],"other":1}"#;
    let found = one(schema(&Kind::Date), text, "_airbyte_meta");
    let expected = r#"{"sync_id":7,"changes":[{"field":"s","change":"NULLED","reason":"SOURCE_RETRIEVAL_ERROR"},{"field":"v","change":"NULLED","reason":"DESTINATION_TYPECAST_ERROR"}]}"#;
    assert_eq!(found, Plain::text(expected));
    for meta in ["null", "{}", r#"{"changes":null}"#, r#"{"changes":[]}"#, "5"] {
        let found = one(schema(&Kind::Date), &format!("{{}}{meta}"), "_airbyte_meta");
        assert_eq!(found, Plain::text(r#"{"sync_id":7,"changes":[]}"#), "{meta}");
    }
}

#[test]
fn rows_keep_their_place_whatever_they_lack() {
    let properties = vec![property("a", Kind::Text), property("b", Kind::Boolean), property("c", Kind::Double)];
    let texts = ["{}", r#"{"b":true}"#, r#"{"c":1,"a":"x"}"#, "{}", r#" { "b" : false , "d" : [ ] } "#, "{}"];
    let (batch, _) = written(columns(properties), &texts);
    let values = |column: usize| (0..texts.len()).map(|row| plain(batch.column(column), row)).collect::<Vec<_>>();
    let null = || Plain::Null;
    assert_eq!(values(3), [null(), null(), Plain::text("x"), null(), null(), null()]);
    assert_eq!(values(4), [null(), Plain::Boolean(true), null(), null(), Plain::Boolean(false), null()]);
    assert_eq!(values(5), [null(), null(), Plain::Double(1_f64.to_bits()), null(), null(), null()]);
    assert_eq!(row(&batch, 4).last(), Some(&("_airbyte_additional_properties".into(), Plain::map(&[("d", "[]")]))));
}
