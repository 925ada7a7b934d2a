//! The expected columns of the layout `classic`, from trees of values and through `apache-avro`.
//!
//! Only notations of dates and times are read by the same code as the columns; they have tests of their own.

use std::collections::BTreeMap;

use apache_avro::types::Value as Avro;
use apache_avro::{Reader, Writer};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::super::scalar::{day_of_readers, micros_of_readers};
use super::super::times::{self, Style};
use super::Plain;
use crate::schema::columns::{Column, Source, TableSchema};
use crate::schema::kind::{Bits, Kind, member};
use crate::schema::naming::avro_name;

/// A row of `text` by the rules of connector 1.1.x, written and read by Avro's own writer and reader.
pub fn row(schema: &TableSchema, text: &str) -> Vec<(String, Plain)> {
    let avro = schema.avro("row", None).expect("an Avro schema");
    let Value::Object(record) = serde_json::from_str(text).expect("JSON") else { panic!("no object") };
    let mut all = vec![
        (schema.id().name.clone(), Avro::Uuid(uuid::Uuid::nil())),
        (schema.emitted_at().name.clone(), Avro::TimestampMicros(0)),
    ];
    all.extend(fields(schema.record(), &record, false).expect("every value has a place"));
    let mut writer = Writer::new(&avro, Vec::new());
    writer.append(Avro::Record(all)).expect("the row is one of the schema");
    let bytes = writer.into_inner().expect("bytes");
    let read = Reader::new(bytes.as_slice()).expect("an Avro file").next().expect("a row").expect("a row");
    let Avro::Record(fields) = read else { panic!("no record") };
    let columns = schema.record().iter().zip(fields.into_iter().skip(2));
    columns.map(|(column, (name, value))| (name, plain(&column.kind, value))).collect()
}

/// The fields of an object. `None`: with `strict`, where a value in it does not fit.
fn fields(columns: &[Column], object: &Map<String, Value>, strict: bool) -> Option<Vec<(String, Avro)>> {
    let (mut values, mut rest) = (BTreeMap::new(), BTreeMap::new());
    for (key, value) in object.iter().filter(|(_, value)| !value.is_null()) {
        let is_of = |column: &&Column| column.source == Source::Property(key.clone());
        match columns.iter().find(is_of).map(|column| (column, nullable(&column.kind, value, strict, false))) {
            Some((column, Some(value))) => drop(values.insert(column.name.as_str(), value)),
            Some((_, None)) if strict => return None,
            Some((_, None)) => drop(rest.insert(key.clone(), Avro::String(as_text(value)))),
            None => drop(rest.insert(avro_name(key), Avro::String(as_text(value)))),
        }
    }
    let rest = if rest.is_empty() { null() } else { some(0, Avro::Map(rest.into_iter().collect())) };
    let value = |column: &Column| match column.source {
        Source::Undeclared => rest.clone(),
        _ => values.remove(column.name.as_str()).unwrap_or_else(null),
    };
    let mut value = value;
    Some(columns.iter().map(|column| (column.name.clone(), value(column))).collect())
}

fn null() -> Avro {
    Avro::Union(0, Box::new(Avro::Null))
}

/// The value of the member `at` of those behind null.
fn some(at: usize, value: Avro) -> Avro {
    Avro::Union(u32::try_from(at + 1).expect("a place"), Box::new(value))
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A value that is not null in its union with null; `None` where it does not fit.
fn nullable(kind: &Kind, value: &Value, strict: bool, in_list: bool) -> Option<Avro> {
    let Kind::Union(members) = kind else { return Some(some(0, any(kind, value, strict, in_list)?)) };
    let first = |strict: bool| {
        let mut taken = members.iter().enumerate().map(|(at, kind)| Some(some(at, any(kind, value, strict, false)?)));
        taken.find_map(|value| value)
    };
    first(true).or_else(|| if strict { None } else { first(false) })
}

fn any(kind: &Kind, value: &Value, strict: bool, in_list: bool) -> Option<Avro> {
    let text = value.as_str();
    let bytes = text.map(str::as_bytes);
    Some(match kind {
        Kind::Text if in_list => Avro::String(as_text(value)),
        Kind::Text => Avro::String(text?.to_owned()),
        Kind::Boolean => Avro::Boolean(value.as_bool()?),
        Kind::Integer(Bits::B64) => Avro::Long(match text {
            Some(text) => text.parse().ok()?,
            None => value.as_i64().or_else(|| value.as_f64().map(|value| value as i64))?,
        }),
        Kind::Integer(_) => Avro::Int(match text {
            Some(text) => i32::try_from(text.parse::<i64>().ok()?).ok()?,
            // A whole number keeps its lowest bits, another one stops at the limits.
            None => value.as_i64().map(|value| value as i32).or_else(|| value.as_f64().map(|value| value as i32))?,
        }),
        Kind::Float => Avro::Float(match text {
            Some(text) => real(text)?.parse().ok()?,
            None => value.as_f64()? as f32,
        }),
        Kind::Double => Avro::Double(match text {
            Some(text) => real(text)?.parse().ok()?,
            None => value.as_f64()?,
        }),
        Kind::Date => Avro::Date(day_of_readers(times::date(bytes?, Style::Classic)?).ok()?),
        Kind::Time => Avro::TimeMicros(times::time(bytes?, Style::Classic)?.value),
        Kind::Timestamp => {
            Avro::TimestampMicros(micros_of_readers(times::timestamp(bytes?, Style::Classic)?.value).ok()?)
        }
        Kind::Binary => Avro::Bytes(match STANDARD.decode(text?) {
            Ok(decoded) => String::from_utf8_lossy(&decoded).into_owned().into_bytes(),
            Err(_) => text?.as_bytes().to_vec(),
        }),
        Kind::Struct(record) => Avro::Record(fields(&record.fields, value.as_object()?, strict)?),
        Kind::List(item) => {
            let item = |value: &Value| if value.is_null() { Some(null()) } else { nullable(item, value, strict, true) };
            Avro::Array(value.as_array()?.iter().map(item).collect::<Option<_>>()?)
        }
        other => panic!("no type of the layout classic: {other:?}"),
    })
}

/// What of a text is a number, as Rust writes it.
fn real(text: &str) -> Option<&str> {
    let text = text.trim_matches(|c| c <= ' ');
    let is_number = text.strip_prefix(['-', '+']).unwrap_or(text).starts_with(|c: char| c.is_ascii_digit() || c == '.');
    (is_number || matches!(text, "NaN" | "Infinity" | "-Infinity")).then_some(text)
}

/// A value of the type `kind`; that of a union is a structure of which one member has a value.
fn plain(kind: &Kind, value: Avro) -> Plain {
    let Avro::Union(at, value) = value else { return inner(kind, value) };
    match (kind, at) {
        (_, 0) => Plain::Null,
        (Kind::Union(members), at) => {
            let mut value = Some(*value);
            let each = members.iter().enumerate().map(|(place, kind)| {
                let is_it = place + 1 == at as usize;
                (member(place), value.take_if(|_| is_it).map_or(Plain::Null, |value| inner(kind, value)))
            });
            Plain::Struct(each.collect())
        }
        (kind, _) => inner(kind, *value),
    }
}

fn inner(kind: &Kind, value: Avro) -> Plain {
    match (kind, value) {
        (Kind::Struct(record), Avro::Record(fields)) => {
            let fields = record.fields.iter().zip(fields);
            Plain::Struct(fields.map(|(column, (name, value))| (name, plain(&column.kind, value))).collect())
        }
        (Kind::List(item), Avro::Array(items)) => {
            Plain::List(items.into_iter().map(|value| plain(item, value)).collect())
        }
        (_, Avro::TimeMicros(value)) => Plain::Whole(value.into()),
        (_, value) => super::reference::plain(value),
    }
}
