//! The types of columns, and their names in Delta and in SQL.
//!
//! Values of every type may be NULL, also in structures and lists. Sources:
//! <https://github.com/delta-io/delta/blob/master/PROTOCOL.md#schema-serialization-format>, and for SQL
//! <https://docs.databricks.com/en/sql/language-manual/sql-ref-datatypes.html>.

use std::sync::Arc;

use serde_json::Value;

use super::columns::Column;
use super::members::Members;

/// A type of columns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A UUID in its 36 character form.
    Uuid,
    /// A text.
    Text,
    /// A JSON text of any value.
    Json,
    /// True or false.
    Boolean,
    /// A whole number.
    Integer(Bits),
    /// A binary floating-point number of 32 bits.
    Float,
    /// A binary floating-point number of 64 bits.
    Double,
    /// A decimal number.
    Decimal(Decimal),
    /// A day.
    Date,
    /// A time of day without a zone, in microseconds since midnight. Delta has no such type: it is a whole number there.
    Time,
    /// An instant, in microseconds since the epoch.
    Timestamp,
    /// A date and a time of day without a zone, in microseconds since 1970-01-01 00:00.
    LocalTimestamp,
    /// Bytes.
    Binary,
    /// A structure.
    Struct(Arc<Record>),
    /// A list.
    List(Arc<Kind>),
    /// One of several types: a structure with the fields `member0`, `member1`, …, of which one has a value. Airbyte's connector
    /// 1.1.x wrote unions so, because the Parquet library for Avro does.
    Union(Members),
    /// Texts by their names.
    TextMap,
}

/// The fields of a structure.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    /// Its name, which Avro's rules for names make legal in an Avro schema.
    pub name: String,
    /// Its namespace in an Avro schema: the path to it, legal there, empty for a record in the root.
    pub namespace: Option<String>,
    /// Its fields.
    pub fields: Vec<Column>,
}

/// The size of a whole number, which has a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bits {
    /// 8 bits.
    B8,
    /// 16 bits.
    B16,
    /// 32 bits.
    B32,
    /// 64 bits.
    B64,
}

/// The size of a decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// Digits in all, at most 38.
    pub precision: u8,
    /// Digits behind the point, at most `precision`.
    pub scale: u8,
}

impl Kind {
    /// The JSON text of the type in a Delta log: a name in quotes, or an object for a type that is made of others.
    pub fn delta(&self) -> String {
        let name = match self {
            Self::Uuid | Self::Text | Self::Json => "string",
            Self::Boolean => "boolean",
            Self::Integer(bits) => bits.names().0,
            Self::Time => Bits::B64.names().0,
            Self::Float => "float",
            Self::Double => "double",
            Self::Decimal(Decimal { precision, scale }) => return format!("\"decimal({precision},{scale})\""),
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::LocalTimestamp => "timestamp_ntz",
            Self::Binary => "binary",
            Self::Struct(record) => return delta_struct(record.fields.iter().map(|field| (&*field.name, &field.kind))),
            Self::Union(members) => {
                let names: Vec<String> = (0..members.len()).map(member).collect();
                return delta_struct(names.iter().map(String::as_str).zip(members.iter()));
            }
            Self::List(item) => {
                return format!(r#"{{"type":"array","elementType":{},"containsNull":true}}"#, item.delta());
            }
            Self::TextMap => {
                return r#"{"type":"map","keyType":"string","valueType":"string","valueContainsNull":true}"#.to_owned();
            }
        };
        format!("\"{name}\"")
    }

    /// How many columns it has in a Parquet file.
    pub fn leaves(&self) -> usize {
        match self {
            Self::Struct(record) => record.fields.iter().map(|field| field.kind.leaves()).sum(),
            Self::Union(members) => members.iter().map(Self::leaves).sum(),
            Self::List(item) => item.leaves(),
            Self::TextMap => 2,
            _ => 1,
        }
    }

    /// Whether values are rounded to a number of digits behind the point.
    pub fn has_fraction(&self) -> bool {
        matches!(self, Self::Decimal(Decimal { scale: 1.., .. }))
    }

    /// The type in SQL.
    pub fn sql(&self) -> String {
        let name = match self {
            Self::Uuid | Self::Text | Self::Json => "STRING",
            Self::Boolean => "BOOLEAN",
            Self::Integer(bits) => bits.names().1,
            Self::Time => Bits::B64.names().1,
            Self::Float => "FLOAT",
            Self::Double => "DOUBLE",
            Self::Decimal(Decimal { precision, scale }) => return format!("DECIMAL({precision},{scale})"),
            Self::Date => "DATE",
            Self::Timestamp => "TIMESTAMP",
            Self::LocalTimestamp => "TIMESTAMP_NTZ",
            Self::Binary => "BINARY",
            Self::Struct(record) => return sql_struct(record.fields.iter().map(|field| (&*field.name, &field.kind))),
            Self::Union(members) => {
                let names: Vec<String> = (0..members.len()).map(member).collect();
                return sql_struct(names.iter().map(String::as_str).zip(members.iter()));
            }
            Self::List(item) => return format!("ARRAY<{}>", item.sql()),
            Self::TextMap => "MAP<STRING, STRING>",
        };
        name.to_owned()
    }
}

impl Bits {
    /// The name in a Delta log, and in SQL.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::B8 => ("byte", "TINYINT"),
            Self::B16 => ("short", "SMALLINT"),
            Self::B32 => ("integer", "INT"),
            Self::B64 => ("long", "BIGINT"),
        }
    }
}

/// The name of the member `at` of a union.
pub fn member(at: usize) -> String {
    format!("member{at}")
}

/// The structure of `fields`, names and types, in a Delta log.
pub(super) fn delta_struct<'a>(fields: impl Iterator<Item = (&'a str, &'a Kind)>) -> String {
    let field = |(name, kind): (&str, &Kind)| {
        // A JSON value escapes what has to be escaped in a name.
        format!(r#"{{"name":{},"type":{},"nullable":true,"metadata":{{}}}}"#, Value::from(name), kind.delta())
    };
    let fields: Vec<String> = fields.map(field).collect();
    format!(r#"{{"type":"struct","fields":[{}]}}"#, fields.join(","))
}

fn sql_struct<'a>(fields: impl Iterator<Item = (&'a str, &'a Kind)>) -> String {
    let fields: Vec<String> =
        fields.map(|(name, kind)| format!("`{}`: {}", name.replace('`', "``"), kind.sql())).collect();
    format!("STRUCT<{}>", fields.join(", "))
}
