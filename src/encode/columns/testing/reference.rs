//! The expected columns: a slow, simple conversion of a JSON text to the values of a row, with trees of values and `apache-avro`.

use std::collections::BTreeMap;

use apache_avro::types::Value as Avro;
use apache_avro::{Decimal as AvroDecimal, Reader, Writer};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate};
use serde_json::{Map, Value};

use super::Plain;
use crate::schema::columns::{Column, Source, TableSchema};
use crate::schema::kind::{Bits, Decimal, Kind, Record, member};

/// What is found on the way, by dotted paths.
#[derive(Default)]
pub struct Found {
    changes: Vec<(String, &'static str, &'static str)>,
    undeclared: BTreeMap<String, String>,
}

/// A row of `text` by the rules of the layout `columns`, written and read by Avro's own writer and reader.
pub fn row(schema: &TableSchema, text: &str) -> Vec<(String, Plain)> {
    let avro = schema.avro("row", None).expect("an Avro schema");
    let Value::Object(record) = serde_json::from_str(text).expect("JSON") else { panic!("no object") };
    let mut found = Found::default();
    let mut fields = fields(schema.record(), &record, "", "", &mut found);
    let changes: Vec<String> = found
        .changes
        .iter()
        .map(|(field, change, reason)| {
            let field = Value::from(field.as_str());
            format!(r#"{{"field":{field},"change":"{change}","reason":"DESTINATION_{reason}"}}"#)
        })
        .collect();
    for (column, (_, value)) in schema.record().iter().zip(&mut fields) {
        match column.source {
            Source::Meta => *value = Avro::String(format!(r#"{{"sync_id":7,"changes":[{}]}}"#, changes.join(","))),
            Source::Undeclared if !found.undeclared.is_empty() => {
                let map = found.undeclared.iter().map(|(key, value)| (key.clone(), Avro::String(value.clone())));
                *value = Avro::Union(1, Box::new(Avro::Map(map.collect())));
            }
            _ => {}
        }
    }
    let mut all = vec![
        (schema.id().name.clone(), Avro::Uuid(uuid::Uuid::nil())),
        (schema.emitted_at().name.clone(), Avro::TimestampMicros(0)),
    ];
    all.extend(fields);
    let mut writer = Writer::new(&avro, Vec::new());
    writer.append(Avro::Record(all)).expect("the row is one of the schema");
    let bytes = writer.into_inner().expect("bytes");
    let read = Reader::new(bytes.as_slice()).expect("an Avro file").next().expect("a row").expect("a row");
    let Plain::Struct(fields) = plain(read) else { panic!("no record") };
    fields.into_iter().skip(2).collect()
}

fn fields(
    columns: &[Column],
    object: &Map<String, Value>,
    path: &str,
    items: &str,
    found: &mut Found,
) -> Vec<(String, Avro)> {
    let below = |path: &str, key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    let mut values: BTreeMap<&str, Avro> = BTreeMap::new();
    for (key, value) in object.iter().filter(|(_, value)| !value.is_null()) {
        let column = columns.iter().find(|column| column.source == Source::Property(key.clone()));
        let Some(column) = column else {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            found.undeclared.insert(below(items, key), text);
            continue;
        };
        values.insert(&column.name, nullable(&column.kind, value, &below(path, key), &below(items, key), found));
    }
    columns
        .iter()
        .map(|column| (column.name.clone(), values.remove(column.name.as_str()).unwrap_or_else(null)))
        .collect()
}

fn null() -> Avro {
    Avro::Union(0, Box::new(Avro::Null))
}

fn nullable(kind: &Kind, value: &Value, path: &str, items: &str, found: &mut Found) -> Avro {
    let reason = match (value, any(kind, value, path, items, found)) {
        (Value::Null, _) => return null(),
        (_, Ok(value)) => return Avro::Union(1, Box::new(value)),
        (_, Err(reason)) => reason,
    };
    let change = (path.to_owned(), "NULLED", reason);
    if !found.changes.contains(&change) {
        found.changes.push(change);
    }
    null()
}

const TYPE: &str = "TYPECAST_ERROR";
const SIZE: &str = "FIELD_SIZE_LIMITATION";

fn any(kind: &Kind, value: &Value, path: &str, items: &str, found: &mut Found) -> Result<Avro, &'static str> {
    let text = value.as_str().ok_or(TYPE);
    Ok(match kind {
        Kind::Uuid | Kind::Text => Avro::String(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
        Kind::Json => Avro::String(value.to_string()),
        Kind::Boolean => Avro::Boolean(value.as_bool().ok_or(TYPE)?),
        Kind::Integer(bits) => {
            let whole = scaled(value, 0)?.ok_or(TYPE)?;
            match bits {
                Bits::B8 => Avro::Int(i8::try_from(whole).map_err(|_| SIZE)?.into()),
                Bits::B16 => Avro::Int(i16::try_from(whole).map_err(|_| SIZE)?.into()),
                Bits::B32 => Avro::Int(i32::try_from(whole).map_err(|_| SIZE)?),
                Bits::B64 => Avro::Long(i64::try_from(whole).map_err(|_| SIZE)?),
            }
        }
        Kind::Float => Avro::Float(number(value)?.parse().map_err(|_| TYPE)?),
        Kind::Double => Avro::Double(number(value)?.parse().map_err(|_| TYPE)?),
        Kind::Decimal(Decimal { scale, .. }) => {
            let whole = scaled(value, u32::from(*scale))?.ok_or(TYPE)?;
            Avro::Decimal(AvroDecimal::from(whole.to_be_bytes()))
        }
        Kind::Date => {
            let day = NaiveDate::parse_from_str(text?.get(..10).ok_or(TYPE)?, "%Y-%m-%d").map_err(|_| TYPE)?;
            let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a day");
            Avro::Date(i32::try_from((day - epoch).num_days()).map_err(|_| TYPE)?)
        }
        Kind::Time => return Err(TYPE),
        Kind::Timestamp => Avro::TimestampMicros(micros(text?, true)?),
        Kind::LocalTimestamp => Avro::LocalTimestampMicros(micros(text?, false)?),
        Kind::Binary => Avro::Bytes(STANDARD.decode(text?).map_err(|_| TYPE)?),
        Kind::Struct(record) => {
            let Record { fields: columns, .. } = &**record;
            Avro::Record(fields(columns, value.as_object().ok_or(TYPE)?, path, items, found))
        }
        Kind::List(item) => {
            let all = value.as_array().ok_or(TYPE)?.iter().enumerate();
            Avro::Array(all.map(|(at, value)| nullable(item, value, path, &format!("{items}.{at}"), found)).collect())
        }
        Kind::Union(_) | Kind::TextMap => panic!("no type of the layout columns"),
    })
}

/// The text of a number, or of one in a string.
fn number(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text)
            if text.starts_with(|first: char| "+-.0123456789".contains(first)) && text.parse::<f64>().is_ok() =>
        {
            Ok(text.clone())
        }
        Value::String(text) if ["NaN", "Infinity", "-Infinity"].contains(&text.as_str()) => Ok(text.clone()),
        _ => Err(TYPE),
    }
}

/// The number times ten to the power of `scale`, `None` if that has a fraction. Only plain notation comes here.
fn scaled(value: &Value, scale: u32) -> Result<Option<i128>, &'static str> {
    let text = number(value)?;
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let rest = fraction.get(scale as usize..).unwrap_or_default();
    let digits = format!("{whole}{:0<width$}", &fraction[..fraction.len().min(scale as usize)], width = scale as usize);
    let value = digits.parse().map_err(|_| TYPE)?;
    Ok(rest.chars().all(|digit| digit == '0').then_some(value))
}

fn micros(text: &str, with_zone: bool) -> Result<i64, &'static str> {
    if text.len() == 10 {
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| TYPE)?;
        return Ok(day.and_hms_opt(0, 0, 0).ok_or(TYPE)?.and_utc().timestamp_micros());
    }
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| TYPE)?;
    Ok(if with_zone { time.timestamp_micros() } else { time.naive_local().and_utc().timestamp_micros() })
}

/// A value that was read from Avro, of any type but a union of several.
pub fn plain(value: Avro) -> Plain {
    match value {
        Avro::Union(_, value) => plain(*value),
        Avro::Null => Plain::Null,
        Avro::Boolean(value) => Plain::Boolean(value),
        Avro::Int(value) | Avro::Date(value) => Plain::Whole(value.into()),
        Avro::Long(value) | Avro::TimestampMicros(value) | Avro::LocalTimestampMicros(value) => {
            Plain::Whole(value.into())
        }
        Avro::Float(value) => Plain::Float(value.to_bits()),
        Avro::Double(value) => Plain::Double(value.to_bits()),
        Avro::String(text) => Plain::text(&text),
        Avro::Uuid(id) => Plain::text(&id.to_string()),
        Avro::Bytes(bytes) => Plain::Bytes(bytes),
        Avro::Decimal(decimal) => {
            let bytes = Vec::<u8>::try_from(&decimal).expect("bytes");
            let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
            let mut all = [sign; 16];
            let begin = all.len() - bytes.len();
            all[begin..].copy_from_slice(&bytes);
            Plain::Whole(i128::from_be_bytes(all))
        }
        Avro::Record(fields) => Plain::Struct(fields.into_iter().map(|(name, value)| (name, plain(value))).collect()),
        Avro::Array(items) => Plain::List(items.into_iter().map(plain).collect()),
        Avro::Map(entries) => Plain::Map(
            entries
                .into_iter()
                .map(|(key, value)| match value {
                    Avro::String(value) => (key, value),
                    other => panic!("{other:?}"),
                })
                .collect(),
        ),
        other => panic!("{other:?} {}", member(0)),
    }
}
