//! Random schemas and records: the columns equal those of a simple implementation with `apache-avro`.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::testing::{classic, classic_reference, columns, property, reference, row, undeclared, written};
use crate::schema::columns::Column;
use crate::schema::kind::{Bits, Decimal, Kind, Record};

const KEYS: [&str; 5] = ["a", "b", "c", "d", "é\n\"k"];

/// Types of columns, made of others too.
pub fn kinds() -> impl Strategy<Value = Kind> {
    let leaf = prop_oneof![
        Just(Kind::Text),
        Just(Kind::Json),
        Just(Kind::Boolean),
        prop_oneof![Just(Bits::B8), Just(Bits::B16), Just(Bits::B32), Just(Bits::B64)].prop_map(Kind::Integer),
        Just(Kind::Float),
        Just(Kind::Double),
        prop_oneof![Just(0), Just(10)].prop_map(|scale| Kind::Decimal(Decimal { precision: 38, scale })),
        Just(Kind::Date),
        Just(Kind::Timestamp),
        Just(Kind::LocalTimestamp),
        Just(Kind::Binary),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|kind| Kind::List(Arc::new(kind))),
            fields(inner).prop_map(|fields| {
                Kind::Struct(Arc::new(Record { name: "record".to_owned(), namespace: None, fields }))
            }),
        ]
    })
}

/// Types of the layout `classic`: of a union's members no two are the same in Avro.
pub fn classic_kinds() -> impl Strategy<Value = Kind> {
    let int = prop_oneof![Just(Kind::Integer(Bits::B32)), Just(Kind::Date)];
    let long = prop_oneof![Just(Kind::Integer(Bits::B64)), Just(Kind::Time), Just(Kind::Timestamp)];
    let other =
        prop_oneof![Just(Kind::Text), Just(Kind::Boolean), Just(Kind::Float), Just(Kind::Double), Just(Kind::Binary)];
    let leaf = prop_oneof![int.clone(), long.clone(), other.clone(), other.clone()];
    leaf.prop_recursive(3, 20, 4, move |inner| {
        let list = inner.clone().prop_map(|kind| Kind::List(Arc::new(kind)));
        let structure = fields(inner).prop_map(|mut fields| {
            fields.push(undeclared());
            Kind::Struct(Arc::new(Record { name: "record".to_owned(), namespace: None, fields }))
        });
        let members = (list.clone(), structure.clone(), int.clone(), long.clone(), other.clone());
        let members = members
            .prop_map(|(list, structure, int, long, other)| vec![list, structure, int, long, other])
            .prop_flat_map(|members| (2..=members.len(), Just(members).prop_shuffle()));
        let union = members.prop_map(|(count, mut members)| {
            members.truncate(count);
            Kind::Union(members.into())
        });
        prop_oneof![list, structure, union]
    })
}

/// Properties with different names, and columns with other names than their properties.
pub fn fields(kinds: impl Strategy<Value = Kind> + 'static) -> BoxedStrategy<Vec<Column>> {
    let keys = Just(KEYS.to_vec()).prop_shuffle();
    (prop::collection::vec(kinds, 1..KEYS.len()), keys)
        .prop_map(|(kinds, keys)| {
            let column = |(at, (kind, key)): (usize, (Kind, &str))| {
                let mut column = property(key, kind);
                column.name = format!("column_{at}");
                column
            };
            kinds.into_iter().zip(keys).enumerate().map(column).collect()
        })
        .boxed()
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-200..200_i64).prop_map(Value::from),
        any::<i32>().prop_map(|value| json!(f64::from(value) / 8.0)),
        any::<i64>().prop_map(|value| Value::from(value.to_string())),
        (0..100_000_i32).prop_map(|value| Value::from(format!("{}.{:03}", value / 1000, value % 1000))),
        (-80_000..80_000_i64, 0..86_400_000_000_i64).prop_map(|(day, micros)| {
            let time = chrono::DateTime::from_timestamp_micros(day * 86_400_000_000 + micros).unwrap_or_default();
            Value::from(
                time.format(if micros % 2 == 0 { "%Y-%m-%d" } else { "%Y-%m-%dT%H:%M:%S%.6f+05:30" }).to_string(),
            )
        }),
        prop_oneof![Just("NaN"), Just("Infinity"), Just("-Infinity"), Just("AP8="), Just("true"), Just("")]
            .prop_map(Value::from),
        "[a-z \"\\\\\u{0}é😀\n]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(KEYS.to_vec()), inner, 0..5)
                .prop_map(|entries| entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// Records whose properties are some of those, and have values of all kinds.
pub fn records() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(prop::sample::select(KEYS.to_vec()), values(), 0..KEYS.len())
        .prop_map(|entries| entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

proptest! {
    #[test]
    fn columns_are_what_avro_gives(properties in fields(kinds()), records in prop::collection::vec(records(), 1..6)) {
        let schema = columns(properties);
        let texts: Vec<String> = records.iter().map(Value::to_string).collect();
        let (batch, _) = written(schema.clone(), &texts);
        for (at, text) in texts.iter().enumerate() {
            prop_assert_eq!(row(&batch, at), reference::row(&schema, text), "{}", text);
        }
    }
    #[test]
    fn classic_columns_are_what_avro_gives(
        properties in fields(classic_kinds()), records in prop::collection::vec(records(), 1..6),
    ) {
        let schema = classic(properties);
        let texts: Vec<String> = records.iter().map(Value::to_string).collect();
        let (batch, _) = written(schema.clone(), &texts);
        for (at, text) in texts.iter().enumerate() {
            prop_assert_eq!(row(&batch, at), classic_reference::row(&schema, text), "{}", text);
        }
    }
}
