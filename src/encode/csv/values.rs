//! The values of a column, as CSV has them.
//!
//! | type | text |
//! |---|---|
//! | texts | as they are |
//! | numbers, decimals | digits; `NaN`, `Infinity`, `-Infinity` |
//! | days, times | ISO 8601 with microseconds; instants in UTC, with `Z` |
//! | bytes | Base64 |
//! | structures, lists, maps | JSON with these texts, as strings where they are no JSON numbers or truth values; fields that are NULL are left out |
//!
//! A number of 32 bits is written as the one of 64 bits that it equals: whoever reads it by way of 64 bits gets it exactly, too.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow_array::{Array, BinaryArray, BooleanArray, ListArray, MapArray, PrimitiveArray, StructArray};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{quoting, texts};
use crate::error::{Error, Result};
use crate::schema::kind::{Bits, Decimal, Kind, member};

/// Spark reads no JSON with longer names, in units of UTF-16. Those of structures are shorter.
const LONGEST_NAME: usize = 50_000;

/// The values of a column.
pub enum Values<'a> {
    Boolean(&'a BooleanArray),
    Int32(&'a PrimitiveArray<Int32Type>),
    Int64(&'a PrimitiveArray<Int64Type>),
    Float(&'a PrimitiveArray<Float32Type>),
    Double(&'a PrimitiveArray<Float64Type>),
    Decimal(&'a PrimitiveArray<Decimal128Type>, u8),
    Date(&'a PrimitiveArray<Date32Type>),
    Timestamp(&'a PrimitiveArray<TimestampMicrosecondType>),
    LocalTimestamp(&'a PrimitiveArray<TimestampMicrosecondType>),
    Text(&'a BinaryArray),
    Binary(&'a BinaryArray),
    /// Each field behind its name in JSON.
    Struct(&'a StructArray, Vec<(Vec<u8>, Values<'a>)>),
    List(&'a ListArray, Box<Values<'a>>),
    Map(&'a MapArray, &'a BinaryArray, &'a BinaryArray),
}

impl<'a> Values<'a> {
    /// The values of `array`, which are of type `kind`.
    pub fn new(kind: &Kind, array: &'a dyn Array) -> Result<Self> {
        let other = || Error::system("A column of a block has another type than its table.");
        let made = match kind {
            Kind::Boolean => array.as_boolean_opt().map(Self::Boolean),
            Kind::Integer(Bits::B64) | Kind::Time => primitive(array).map(Self::Int64),
            Kind::Integer(_) => primitive(array).map(Self::Int32),
            Kind::Float => primitive(array).map(Self::Float),
            Kind::Double => primitive(array).map(Self::Double),
            Kind::Decimal(Decimal { scale, .. }) => primitive(array).map(|array| Self::Decimal(array, *scale)),
            Kind::Date => primitive(array).map(Self::Date),
            Kind::Timestamp => primitive(array).map(Self::Timestamp),
            Kind::LocalTimestamp => primitive(array).map(Self::LocalTimestamp),
            Kind::Uuid | Kind::Text | Kind::Json => array.as_binary_opt().map(Self::Text),
            Kind::Binary => array.as_binary_opt().map(Self::Binary),
            Kind::Struct(record) => {
                let fields = record.fields.iter().map(|field| (field.name.clone(), &field.kind));
                Some(Self::structure(array, fields.collect())?)
            }
            Kind::Union(members) => {
                let members = members.iter().enumerate().map(|(at, kind)| (member(at), kind));
                Some(Self::structure(array, members.collect())?)
            }
            Kind::List(item) => {
                let list = array.as_list_opt::<i32>().ok_or_else(other)?;
                Some(Self::List(list, Box::new(Self::new(item, list.values())?)))
            }
            Kind::TextMap => {
                let map = array.as_map_opt().ok_or_else(other)?;
                let entries = map.keys().as_binary_opt().zip(map.values().as_binary_opt());
                if entries.is_some_and(|(keys, _)| keys.iter().flatten().any(is_too_long)) {
                    return Err(Error::config(format!(
                        "A record has a property that is not declared and whose name has more than {LONGEST_NAME} characters, and Databricks reads no \
                         such name from CSV: set `data_source.azure_staging_format` to delta."
                    )));
                }
                entries.map(|(keys, values)| Self::Map(map, keys, values))
            }
        };
        made.ok_or_else(other)
    }

    fn structure(array: &'a dyn Array, fields: Vec<(String, &Kind)>) -> Result<Self> {
        let structure = array.as_struct_opt().filter(|structure| structure.num_columns() == fields.len());
        let structure = structure.ok_or_else(|| Error::system("A structure has other fields than its table."))?;
        let field = |((name, kind), array): ((String, &Kind), &'a arrow_array::ArrayRef)| {
            let mut key = Vec::new();
            quoting::json_string(name.as_bytes(), &mut key);
            key.push(b':');
            Ok((key, Self::new(kind, array)?))
        };
        let fields = fields.into_iter().zip(structure.columns()).map(field).collect::<Result<_>>()?;
        Ok(Self::Struct(structure, fields))
    }

    /// Appends value `row` as a CSV value: in quotes, or nothing for NULL. `scratch` is memory for it.
    pub fn cell(&self, row: usize, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        if self.is_null(row) {
            return;
        }
        match self {
            Self::Text(array) => quoting::quote(array.value(row), out),
            Self::Struct(..) | Self::List(..) | Self::Map(..) => {
                scratch.clear();
                self.json(row, scratch);
                quoting::quote(scratch, out);
            }
            _ => {
                out.push(b'"');
                self.plain(row, out);
                out.push(b'"');
            }
        }
    }

    fn is_null(&self, row: usize) -> bool {
        let array: &dyn Array = match self {
            Self::Boolean(array) => array,
            Self::Int32(array) => array,
            Self::Int64(array) => array,
            Self::Float(array) => array,
            Self::Double(array) => array,
            Self::Decimal(array, _) => array,
            Self::Date(array) => array,
            Self::Timestamp(array) | Self::LocalTimestamp(array) => array,
            Self::Text(array) | Self::Binary(array) => array,
            Self::Struct(array, _) => array,
            Self::List(array, _) => array,
            Self::Map(array, ..) => array,
        };
        array.is_null(row)
    }

    /// Appends a value that needs no quotes inside; nothing for others.
    fn plain(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Boolean(array) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
            Self::Int32(array) => texts::number(i64::from(array.value(row)), out),
            Self::Int64(array) => texts::number(array.value(row), out),
            Self::Float(array) => float(f64::from(array.value(row)), out),
            Self::Double(array) => float(array.value(row), out),
            Self::Decimal(array, scale) => texts::decimal(array.value(row), *scale, out),
            Self::Date(array) => texts::date(i64::from(array.value(row)), out),
            Self::Timestamp(array) => {
                texts::timestamp(array.value(row), out);
                out.push(b'Z');
            }
            Self::LocalTimestamp(array) => texts::timestamp(array.value(row), out),
            Self::Binary(array) => out.extend_from_slice(STANDARD.encode(array.value(row)).as_bytes()),
            Self::Text(_) | Self::Struct(..) | Self::List(..) | Self::Map(..) => {}
        }
    }

    /// Appends value `row` as JSON.
    fn json(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
            return;
        }
        let is_bare = match self {
            Self::Boolean(_) | Self::Int32(_) | Self::Int64(_) | Self::Decimal(..) => true,
            Self::Float(array) => array.value(row).is_finite(),
            Self::Double(array) => array.value(row).is_finite(),
            _ => false,
        };
        match self {
            Self::Text(array) => quoting::json_string(array.value(row), out),
            Self::Struct(_, fields) => {
                let written = fields.iter().filter(|(_, values)| !values.is_null(row));
                let write = |(key, values): &(Vec<u8>, Self), out: &mut Vec<u8>| {
                    out.extend_from_slice(key);
                    values.json(row, out);
                };
                sequence([b'{', b'}'], written, write, out);
            }
            Self::List(array, items) => {
                sequence([b'[', b']'], range(array.value_offsets(), row), |item, out| items.json(item, out), out);
            }
            Self::Map(array, keys, values) => {
                let write = |entry: usize, out: &mut Vec<u8>| {
                    quoting::json_string(keys.value(entry), out);
                    out.push(b':');
                    match values.is_null(entry) {
                        true => out.extend_from_slice(b"null"),
                        false => quoting::json_string(values.value(entry), out),
                    }
                };
                sequence([b'{', b'}'], range(array.value_offsets(), row), write, out);
            }
            _ if is_bare => self.plain(row, out),
            _ => {
                out.push(b'"');
                self.plain(row, out);
                out.push(b'"');
            }
        }
    }
}

fn is_too_long(name: &[u8]) -> bool {
    name.len() > LONGEST_NAME && String::from_utf8_lossy(name).encode_utf16().count() > LONGEST_NAME
}

fn primitive<T: ArrowPrimitiveType>(array: &dyn Array) -> Option<&PrimitiveArray<T>> {
    array.as_primitive_opt()
}

fn float(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() { texts::float(value, out) } else { out.extend_from_slice(texts::not_finite(value)) }
}

/// The items of list `row`, where `ends` has the ends of all lists behind the first one's beginning.
fn range(ends: &[i32], row: usize) -> std::ops::Range<usize> {
    let end = |at: usize| ends.get(at).and_then(|end| usize::try_from(*end).ok()).unwrap_or(0);
    end(row)..end(row + 1)
}

fn sequence<T>(
    [begin, end]: [u8; 2],
    items: impl Iterator<Item = T>,
    write: impl Fn(T, &mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    out.push(begin);
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(end);
}
