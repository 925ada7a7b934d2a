//! For tests: reads CSV by the rules of RFC 4180, and its values by their types. Shares nothing with what writes it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{NaiveDate, NaiveDateTime};
use serde_json::value::RawValue;

use crate::encode::columns::testing::Plain;
use crate::schema::kind::{Kind, member};

/// The records of `text`: a value without quotes is `None`.
pub fn records(text: &str) -> Vec<Vec<Option<String>>> {
    let mut records = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut record = Vec::new();
        loop {
            let mut value = None;
            while let Some(quoted) = rest.strip_prefix('"') {
                let (part, behind) = quoted.split_once('"').expect("the quote that ends a value");
                // A second quote is one of the value's own.
                let value = value.get_or_insert_with(String::new);
                value.push_str(part);
                if behind.starts_with('"') {
                    value.push('"');
                }
                rest = behind;
            }
            record.push(value);
            let (end, behind) = rest.split_at(1);
            rest = behind;
            match end {
                "," => {}
                "\n" => break,
                other => panic!("{other:?} stands behind a value"),
            }
        }
        records.push(record);
    }
    records
}

/// The value of type `kind` that a CSV value is.
pub fn value(kind: &Kind, text: Option<&str>) -> Plain {
    let Some(text) = text else { return Plain::Null };
    match kind {
        Kind::Struct(_) | Kind::Union(_) | Kind::List(_) | Kind::TextMap => {
            json(kind, serde_json::from_str(text).expect("a JSON text"))
        }
        _ => scalar(kind, text),
    }
}

fn scalar(kind: &Kind, text: &str) -> Plain {
    let micros = |text: &str| {
        let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.6f").expect("a time");
        Plain::Whole(time.and_utc().timestamp_micros().into())
    };
    match kind {
        Kind::Uuid | Kind::Text | Kind::Json => Plain::text(text),
        Kind::Boolean => Plain::Boolean(text.parse().expect("true or false")),
        Kind::Integer(_) | Kind::Time => Plain::Whole(text.parse().expect("a whole number")),
        Kind::Decimal(decimal) => {
            let fraction = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            assert_eq!(fraction, usize::from(decimal.scale), "{text}");
            Plain::Whole(text.replace('.', "").parse().expect("digits"))
        }
        Kind::Float => Plain::Float(text.parse::<f32>().expect("a number").to_bits()),
        Kind::Double => Plain::Double(text.parse::<f64>().expect("a number").to_bits()),
        Kind::Date => {
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").expect("a day");
            Plain::Whole(day.to_epoch_days().into())
        }
        Kind::Timestamp => micros(text.strip_suffix('Z').expect("an instant in UTC")),
        Kind::LocalTimestamp => micros(text),
        Kind::Binary => Plain::Bytes(STANDARD.decode(text).expect("Base64")),
        Kind::Struct(_) | Kind::Union(_) | Kind::List(_) | Kind::TextMap => panic!("{kind:?} is none"),
    }
}

fn json(kind: &Kind, raw: &RawValue) -> Plain {
    let text = raw.get();
    if text == "null" {
        return Plain::Null;
    }
    let structure = |fields: Vec<(String, &Kind)>| {
        let mut values: BTreeMap<String, &RawValue> = serde_json::from_str(text).expect("an object");
        let field = |(name, kind): (String, &Kind)| {
            let value = values.remove(&name).map_or(Plain::Null, |value| json(kind, value));
            (name, value)
        };
        let fields = fields.into_iter().map(field).collect();
        assert!(values.is_empty(), "fields that the structure has not: {text}");
        Plain::Struct(fields)
    };
    match kind {
        Kind::Struct(record) => {
            structure(record.fields.iter().map(|field| (field.name.clone(), &field.kind)).collect())
        }
        Kind::Union(members) => structure(members.iter().enumerate().map(|(at, kind)| (member(at), kind)).collect()),
        Kind::List(item) => {
            let items: Vec<&RawValue> = serde_json::from_str(text).expect("an array");
            Plain::List(items.into_iter().map(|value| json(item, value)).collect())
        }
        Kind::TextMap => Plain::Map(serde_json::from_str(text).expect("an object of strings")),
        Kind::Boolean | Kind::Integer(_) | Kind::Time | Kind::Decimal(_) => scalar(kind, text),
        Kind::Float | Kind::Double if !text.starts_with('"') => scalar(kind, text),
        _ => scalar(kind, &serde_json::from_str::<String>(text).expect("a string")),
    }
}
