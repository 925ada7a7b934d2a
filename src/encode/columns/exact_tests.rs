//! Columns whose type is the table's and not the stream's.

use std::sync::Arc;

use super::testing::{Plain, classic, columns, one, plain, property, record, written};
use crate::schema::columns::{Column, Source};
use crate::schema::kind::{Bits, Decimal, Kind};
use crate::schema::members::Members;

fn of_table(kind: &Kind) -> Column {
    Column { is_exact: true, ..property("v", kind.clone()) }
}

#[test]
fn a_value_that_the_type_would_change_is_null_and_named() {
    let long = Kind::Integer(Bits::B64);
    let cents = Kind::Decimal(Decimal { precision: 10, scale: 2 });
    for (kind, json, fits) in [
        (&Kind::Double, "9007199254740993", false),
        (&Kind::Double, "9007199254740992", true),
        (&Kind::Double, "1152921504606846976", true),
        (&Kind::Double, "1152921504606847000", false),
        (&Kind::Double, r#""9007199254740993""#, false),
        (&Kind::Double, "0.1", true),
        (&Kind::Double, "-12.50e1", true),
        (&Kind::Double, "0.10000000000000000001", false),
        (&Kind::Double, "99999999999999999999999999999999999999", false),
        (&Kind::Double, r#""NaN""#, true),
        (&Kind::Float, "0.1", true),
        (&Kind::Float, "16777217", false),
        (&Kind::Float, "0.123456789", false),
        (&Kind::Date, r#""2021-01-01T23:59:59-05:00""#, false),
        (&Kind::Date, r#""2021-01-01T12:00:00Z""#, false),
        (&Kind::Date, r#""2021-01-01T00:00:00+02:00""#, false),
        (&Kind::Date, r#""2021-01-01T00:00:00Z""#, true),
        (&Kind::Date, r#""2021-01-01T00:00:00""#, true),
        (&Kind::Date, r#""2021-01-01""#, true),
        (&Kind::LocalTimestamp, r#""2021-01-01T23:59:59-05:00""#, false),
        (&Kind::LocalTimestamp, r#""2021-01-01T23:59:59""#, true),
        (&Kind::LocalTimestamp, r#""2021-01-01T23:59:59Z""#, true),
        (&Kind::Timestamp, r#""2021-01-01T23:59:59-05:00""#, true),
        (&Kind::Binary, r#""aGVsbG8=""#, false),
        (&long, "1.0", true),
        (&long, "1.5", false),
        (&long, r#""7""#, true),
        (&long, r#""007""#, false),
        (&long, r#""+7""#, false),
        (&long, r#""1.0""#, false),
        (&long, r#""1e3""#, false),
        (&long, r#""-0""#, false),
        (&long, r#""0""#, true),
        (&long, r#""-70""#, true),
        (&long, "1e3", true),
        (&Kind::Decimal(Decimal { precision: 38, scale: 0 }), r#""1e3""#, false),
        (&Kind::Double, r#""1e3""#, true),
        (&cents, r#""01.5""#, false),
        (&cents, "1.5", true),
        (&Kind::List(Arc::new(Kind::Double)), "[9007199254740993]", false),
    ] {
        let text = format!(r#"{{"v":{json}}}"#);
        let (batch, changes) = written(columns(vec![of_table(kind)]), &[&text]);
        assert_eq!(changes.iter().collect::<Vec<_>>(), if fits { vec![] } else { vec![("v", 1)] }, "{kind:?} {json}");
        let is_null = match plain(batch.column_by_name("v").expect("a column"), 0) {
            Plain::List(items) => items == [Plain::Null],
            value => value == Plain::Null,
        };
        assert_eq!(is_null, !fits, "{kind:?} {json}");
        let kept = one(classic(vec![of_table(kind)]), &text, "_airbyte_additional_properties");
        assert_eq!(kept == Plain::Null, fits, "{kind:?} {json}");
    }
}

#[test]
fn a_field_that_only_the_table_has_takes_no_key() {
    let gone = Column { source: Source::Vacant, ..property("y", Kind::Text) };
    let object = record("o", vec![property("x", Kind::Text), gone]);
    let text = r#"{"o":{"x":"1","y":"2"}}"#;
    let schema = || columns(vec![property("o", object.clone())]);
    assert_eq!(one(schema(), text, "_airbyte_additional_properties"), Plain::map(&[("o.y", "2")]));
    let value = one(schema(), text, "o");
    assert_eq!(value, Plain::Struct(vec![("x".into(), Plain::text("1")), ("y".into(), Plain::Null)]));
}

#[test]
fn a_member_that_only_the_table_has_takes_no_value() {
    let kinds = vec![Kind::Date, Kind::Text, Kind::Timestamp];
    let union = Kind::Union(Members::of_table(kinds, vec![2, 1]));
    let value = |json: &str| one(classic(vec![property("v", union.clone())]), &format!(r#"{{"v":{json}}}"#), "v");
    let members = |values: [Plain; 3]| {
        Plain::Struct(values.into_iter().enumerate().map(|(at, value)| (format!("member{at}"), value)).collect())
    };
    let time = Plain::Whole(1_609_563_599_000_000);
    assert_eq!(value(r#""2021-01-01T23:59:59-05:00""#), members([Plain::Null, Plain::Null, time]));
    assert_eq!(value(r#""2021-01-01""#), members([Plain::Null, Plain::text("2021-01-01"), Plain::Null]));
}
