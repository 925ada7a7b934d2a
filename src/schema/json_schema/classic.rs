//! The columns of Airbyte's connector 1.1.x in its S3 mode.
//!
//! Source: `JsonToAvroSchemaConverter` in `airbytehq/airbyte`, with its public cases. What that connector failed on (two types in
//! a union that Avro cannot tell apart, two records of one name) has a rule here that changes no table which it could make.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::names::ColumnNames;
use super::node::{Node, Types, entries, is_object, members};
use super::path::Path;
use super::union::{distinct, kind_of, merge_records, one_of_each, with_text_behind_logical};
use super::words::Word;
use super::{Count, MAX_DELTA_LEVELS, unreadable};
use crate::error::Result;
use crate::schema::columns::{Column, Source, TableSchema, UNDECLARED};
use crate::schema::kind::{Bits, Kind, Record};
use crate::schema::naming::{avro_name, avro_namespace};

/// The table of connector 1.1.x for a stream with the JSON schema of this text: `_airbyte_ab_id`, `_airbyte_emitted_at`, a column
/// per property in the text's order, `_airbyte_additional_properties`. Properties that can only be null have no column.
///
/// Fails with a config error that names the property where the table cannot be.
pub fn classic(schema: &str) -> Result<TableSchema> {
    let text: &RawValue = serde_json::from_str(schema).map_err(unreadable)?;
    let node = Node::read(text)?;
    let names = ColumnNames::beside(&TableSchema::classic(Vec::new()));
    let columns = Classic::default().fields(&node, None, names, &Path::ROOT)?;
    for column in &columns {
        let levels = levels(&column.kind);
        if levels > MAX_DELTA_LEVELS {
            let Source::Property(property) = &column.source else { continue };
            return Err(too_deep(&Path::ROOT.property(property)));
        }
    }
    Ok(TableSchema::classic(columns))
}

#[derive(Default)]
struct Classic {
    count: Count,
}

impl Classic {
    /// The fields of an object. `namespace`: that of records right inside of it.
    fn fields(
        &mut self,
        node: &Node<'_>,
        namespace: Option<&str>,
        mut names: ColumnNames,
        path: &Path<'_>,
    ) -> Result<Vec<Column>> {
        let mut fields = Vec::new();
        for (property, schema) in node.properties.map(entries).transpose()?.unwrap_or_default() {
            if UNDECLARED.contains(&property.as_str()) {
                continue;
            }
            let path = path.property(&property);
            let Some(kind) = kind_of(self.field(&property, namespace, schema, &path)?) else { continue };
            self.count.one_more(&path)?;
            fields.push(Column::new(names.exact(&property, &path)?, kind, Source::Property(property)));
        }
        Ok(fields)
    }

    /// The types that a field may have beside null.
    fn field(&mut self, name: &str, namespace: Option<&str>, schema: &RawValue, path: &Path<'_>) -> Result<Vec<Kind>> {
        let kinds = self.declared(name, namespace, schema, path)?;
        Ok(with_text_behind_logical(one_of_each(kinds, path)?))
    }

    /// The types of `schema`, each one once, in its order.
    fn declared(
        &mut self,
        name: &str,
        namespace: Option<&str>,
        schema: &RawValue,
        path: &Path<'_>,
    ) -> Result<Vec<Kind>> {
        if path.is_too_deep() {
            return Err(too_deep(path));
        }
        let node = Node::read(schema)?;
        if let Some(list) = node.combined.iter().flatten().next() {
            return one_of_each(self.union(name, namespace, &members(list, path)?, path)?, path);
        }
        let mut kinds = Vec::new();
        let types = node.types(path)?;
        if matches!(types, Types::Missing) {
            kinds.push(Kind::Text);
        }
        // The older connector overlooked `airbyte_type` beside a list of types.
        let airbyte_type = node.airbyte_type.as_deref().filter(|_| matches!(types, Types::One(_)));
        for word in types.words() {
            kinds.extend(match word {
                Word::Null => None,
                Word::Array => Some(Kind::List(Arc::new(self.items(name, namespace, &node, path)?))),
                Word::Object => Some(Kind::Struct(Arc::new(self.record(name, namespace, &node, path)?))),
                word => Some(scalar(*word, node.format.as_deref(), airbyte_type)),
            });
        }
        Ok(distinct(kinds))
    }

    fn items(&mut self, name: &str, namespace: Option<&str>, node: &Node<'_>, path: &Path<'_>) -> Result<Kind> {
        let Some(items) = node.items else { return Ok(Kind::Text) };
        let path = path.items();
        let kinds = if items.get().starts_with('[') {
            one_of_each(self.union(name, namespace, &members(items, &path)?, &path)?, &path)?
        } else if is_object(items) && says_a_type(items)? {
            self.field(&format!("{name}.items"), namespace, items, &path)?
        } else {
            Vec::new()
        };
        Ok(kind_of(kinds).unwrap_or(Kind::Text))
    }

    fn record(&mut self, name: &str, namespace: Option<&str>, node: &Node<'_>, path: &Path<'_>) -> Result<Record> {
        let namespace = namespace.map(avro_namespace);
        let inner = match &namespace {
            None => avro_name(name),
            Some(namespace) => format!("{namespace}.{}", avro_name(name)),
        };
        let mut names = ColumnNames::default();
        let undeclared = Column::undeclared();
        names.reserve(&undeclared.name);
        let mut fields = self.fields(node, Some(&inner), names, path)?;
        fields.push(undeclared);
        Ok(Record { name: name.to_owned(), namespace: Some(namespace.unwrap_or_default()), fields })
    }

    /// The types of several schemas, of which a value has one; all their records as one.
    fn union(
        &mut self,
        name: &str,
        namespace: Option<&str>,
        schemas: &[&RawValue],
        path: &Path<'_>,
    ) -> Result<Vec<Kind>> {
        let inner = namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}.{name}"));
        let path = path.member();
        let mut kinds = Vec::new();
        for schema in schemas {
            kinds.extend(self.declared(name, Some(&inner), schema, &path)?);
        }
        merge_records(name, namespace, distinct(kinds), &path)
    }
}

/// The type of what holds no others.
fn scalar(word: Word, format: Option<&str>, airbyte_type: Option<&str>) -> Kind {
    match word {
        Word::Boolean => Kind::Boolean,
        Word::Integer => Kind::Integer(Bits::B64),
        Word::Number => match airbyte_type {
            Some("integer") => Kind::Integer(Bits::B64),
            Some("float") => Kind::Float,
            _ => Kind::Double,
        },
        Word::PlainNumber => Kind::Double,
        Word::String => match format {
            _ if airbyte_type == Some("big_integer") => Kind::Text,
            Some("date-time") => Kind::Timestamp,
            Some("date") => Kind::Date,
            Some("time") => Kind::Time,
            _ => Kind::Text,
        },
        Word::BinaryData => Kind::Binary,
        Word::Date => Kind::Date,
        Word::TimestampWithZone | Word::TimestampWithoutZone => Kind::Timestamp,
        Word::TimeWithoutZone => Kind::Time,
        Word::PlainString | Word::TimeWithZone | Word::Null | Word::Array | Word::Object => Kind::Text,
    }
}

/// Whether the items of an array have a `type` or a `$ref`: the older connector asked for nothing else.
fn says_a_type(items: &RawValue) -> Result<bool> {
    let says = |(key, value): (String, &RawValue)| matches!(key.as_str(), "type" | "$ref") && value.get() != "null";
    Ok(entries(items)?.into_iter().any(says))
}

/// The levels of JSON in the text of the type in a Delta log.
fn levels(kind: &Kind) -> usize {
    match kind {
        Kind::Struct(record) => 3 + record.fields.iter().map(|field| levels(&field.kind)).max().unwrap_or(0),
        Kind::Union(kinds) => 3 + kinds.iter().map(levels).max().unwrap_or(0),
        Kind::List(item) => 1 + levels(item),
        Kind::TextMap => 1,
        _ => 0,
    }
}

fn too_deep(path: &Path<'_>) -> crate::error::Error {
    path.refused(
        "has objects, arrays or unions within each other that are nested deeper than readers of Delta tables follow",
        "deselect this field or use `table_layout` `columns`, where what lies deep is JSON text",
    )
}
