//! What the values of a property may be: from its `type`, or from its `anyOf`, `allOf` and `oneOf`.
//!
//! A value must satisfy all of these keywords, so the others matter only without a `type`. Combined objects have the properties
//! of all of them.

use serde_json::value::RawValue;

use super::node::{ALL_OF, Node, Types, entries, members};
use super::path::Path;
use super::words::Word;
use crate::error::Result;

/// One of the types that a value may have.
pub(super) enum Alternative<'a> {
    /// Null.
    Null,
    /// A string that holds this.
    Text(TextOf),
    /// True or false.
    Boolean,
    /// A whole number.
    Integer,
    /// A whole number of any size.
    BigInteger,
    /// A number.
    Number,
    /// An object with these properties.
    Object(Vec<(String, &'a RawValue)>),
    /// An array whose items have one of these schemas.
    Array(Vec<&'a RawValue>),
    /// Anything: the schema does not say what.
    Any,
}

/// What a string holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TextOf {
    /// Any text.
    Anything,
    /// A day.
    Date,
    /// An instant.
    Timestamp,
    /// A date and a time of day without a zone.
    LocalTimestamp,
    /// Bytes, in base64.
    Binary,
    /// A whole number of any size.
    BigInteger,
    /// A number of any size.
    BigNumber,
}

/// Adds what values of `schema` may be.
pub(super) fn alternatives<'a>(schema: &'a RawValue, path: &Path<'_>, out: &mut Vec<Alternative<'a>>) -> Result<()> {
    if path.is_too_deep() {
        out.push(Alternative::Any);
        return Ok(());
    }
    let node = Node::read(schema)?;
    match node.types_or_unknown()? {
        Types::Missing => untyped(&node, path, out),
        // Records are objects, whatever it says.
        Types::One(None) if path.is_root() => untyped(&node, path, out),
        types => types.words().iter().try_for_each(|word| match word {
            Some(word) => typed(*word, &node, path, out),
            None => {
                out.push(Alternative::Any);
                Ok(())
            }
        }),
    }
}

fn typed<'a>(word: Word, node: &Node<'a>, path: &Path<'_>, out: &mut Vec<Alternative<'a>>) -> Result<()> {
    let airbyte_type = node.airbyte_type.as_deref();
    out.push(match word {
        Word::Null => Alternative::Null,
        Word::Boolean => Alternative::Boolean,
        Word::Integer | Word::Number if airbyte_type == Some("big_integer") => Alternative::BigInteger,
        Word::Number if airbyte_type == Some("integer") => Alternative::Integer,
        Word::Integer => Alternative::Integer,
        Word::Number | Word::PlainNumber => Alternative::Number,
        Word::String => Alternative::Text(match (node.format.as_deref(), airbyte_type) {
            (_, Some("big_integer")) => TextOf::BigInteger,
            (_, Some("big_number")) => TextOf::BigNumber,
            (Some("date"), _) => TextOf::Date,
            (Some("date-time"), Some("timestamp_without_timezone")) => TextOf::LocalTimestamp,
            (Some("date-time"), _) => TextOf::Timestamp,
            _ if node.is_base64 => TextOf::Binary,
            _ => TextOf::Anything,
        }),
        Word::PlainString | Word::TimeWithZone | Word::TimeWithoutZone => Alternative::Text(TextOf::Anything),
        Word::BinaryData => Alternative::Text(TextOf::Binary),
        Word::Date => Alternative::Text(TextOf::Date),
        Word::TimestampWithZone => Alternative::Text(TextOf::Timestamp),
        Word::TimestampWithoutZone => Alternative::Text(TextOf::LocalTimestamp),
        Word::Array => array(node, path)?,
        Word::Object => object(node, path)?,
    });
    Ok(())
}

/// What a schema without a type says all the same.
fn untyped<'a>(node: &Node<'a>, path: &Path<'_>, out: &mut Vec<Alternative<'a>>) -> Result<()> {
    if node.properties.is_some() {
        out.push(object(node, path)?);
    } else if node.items.is_some() {
        out.push(array(node, path)?);
    } else {
        let before = out.len();
        combined(node, path, out)?;
        if out.len() == before {
            out.push(Alternative::Any);
        }
    }
    Ok(())
}

fn combined<'a>(node: &Node<'a>, path: &Path<'_>, out: &mut Vec<Alternative<'a>>) -> Result<()> {
    let path = path.member();
    for (at, list) in node.combined.iter().enumerate().filter_map(|(at, list)| Some((at, (*list)?))) {
        if !list.get().starts_with('[') {
            out.push(Alternative::Any);
            continue;
        }
        for schema in members(list, &path)? {
            // Beside the others of `allOf`, a schema without a type says nothing more.
            if at != ALL_OF || !Node::read(schema)?.is_untyped() {
                alternatives(schema, &path, out)?;
            }
        }
    }
    Ok(())
}

/// An object with its own properties and those of the objects that it combines.
fn object<'a>(node: &Node<'a>, path: &Path<'_>) -> Result<Alternative<'a>> {
    let mut properties = node.properties.map(entries).transpose()?.unwrap_or_default();
    let mut found = Vec::new();
    combined(node, path, &mut found)?;
    for alternative in found {
        if let Alternative::Object(more) = alternative {
            properties.extend(more);
        }
    }
    Ok(if properties.is_empty() { Alternative::Any } else { Alternative::Object(properties) })
}

fn array<'a>(node: &Node<'a>, path: &Path<'_>) -> Result<Alternative<'a>> {
    let Some(items) = node.items else { return Ok(Alternative::Any) };
    let items = if items.get().starts_with('[') { members(items, path)? } else { vec![items] };
    let path = path.items();
    for item in &items {
        if path.is_too_deep() || Node::read(item)?.is_untyped() {
            return Ok(Alternative::Any);
        }
    }
    Ok(if items.is_empty() { Alternative::Any } else { Alternative::Array(items) })
}
