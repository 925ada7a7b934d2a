//! The columns of the layout `columns`: one type per property.
//!
//! The type is one that holds all values which the property may have, without loss. Where there is none, the column is JSON text.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::alternatives::{Alternative, TextOf, alternatives};
use super::names::ColumnNames;
use super::path::Path;
use super::{Count, MAX_LEVELS, MAX_LISTS, unreadable};
use crate::error::Result;
use crate::schema::columns::{Column, Source, TableSchema, UNDECLARED};
use crate::schema::kind::{Bits, Decimal, Kind, Record};

/// How columns are made where there is a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ColumnOptions {
    /// The type of numbers with a fraction.
    pub number: Number,
    /// The type of objects and arrays.
    pub nested: Nested,
}

/// The type of numbers with a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Number {
    /// DOUBLE, which has about 16 digits.
    #[default]
    Double,
    /// DECIMAL(38,10), which is exact within its digits.
    Decimal,
}

/// The type of objects and arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nested {
    /// STRUCT and ARRAY.
    #[default]
    Typed,
    /// JSON text.
    Json,
}

/// A whole number of any size that a decimal number has.
const BIG_INTEGER: Kind = Kind::Decimal(Decimal { precision: 38, scale: 0 });

/// The table of the layout `columns` for a stream with the JSON schema of this text: `_airbyte_ab_id`, `_airbyte_emitted_at`,
/// `_airbyte_meta`, a column per property in the text's order, `_airbyte_additional_properties`.
///
/// Fails with a config error that names the property where the table cannot be.
pub fn columns(schema: &str, options: ColumnOptions) -> Result<TableSchema> {
    let text: &RawValue = serde_json::from_str(schema).map_err(unreadable)?;
    let mut columns = Columns { options, count: Count::default() };
    let mut found = Vec::new();
    alternatives(text, &Path::ROOT, &mut found)?;
    let objects = found.into_iter().filter_map(|alternative| match alternative {
        Alternative::Object(properties) => Some(properties),
        _ => None,
    });
    let names = ColumnNames::beside_and_of_readers(&TableSchema::typed(Vec::new()));
    Ok(TableSchema::typed(columns.fields(objects, names, &Place::ROOT, &Path::ROOT)?))
}

/// Where a column is among structures: what records are called, and how deep they are.
struct Place {
    namespace: String,
    level: usize,
    lists: usize,
}

impl Place {
    const ROOT: Self = Self { namespace: String::new(), level: 0, lists: 0 };

    fn list(&self) -> Self {
        Self { namespace: self.namespace.clone(), level: self.level + 1, lists: self.lists + 1 }
    }

    fn record(&self, name: &str) -> Self {
        let separator = if self.namespace.is_empty() { "" } else { "." };
        Self { namespace: format!("{}{separator}{name}", self.namespace), level: self.level + 1, lists: self.lists }
    }
}

struct Columns {
    options: ColumnOptions,
    count: Count,
}

impl Columns {
    /// The fields of one object with the properties of all `objects`.
    fn fields<'a>(
        &mut self,
        objects: impl Iterator<Item = Vec<(String, &'a RawValue)>>,
        mut names: ColumnNames,
        place: &Place,
        path: &Path<'_>,
    ) -> Result<Vec<Column>> {
        let mut fields = Vec::new();
        let properties = together(objects);
        let given = names.give_all(properties.iter().map(|(property, _)| property.as_str()));
        for ((property, schemas), name) in properties.into_iter().zip(given) {
            let path = path.property(&property);
            self.count.one_more(&path)?;
            let kind = self.kind(&schemas, &name, place, &path)?;
            fields.push(Column::new(name, kind, Source::Property(property)));
        }
        Ok(fields)
    }

    /// The type of values that have one of `schemas`.
    fn kind(&mut self, schemas: &[&RawValue], name: &str, place: &Place, path: &Path<'_>) -> Result<Kind> {
        let mut found = Vec::new();
        for schema in schemas {
            alternatives(schema, path, &mut found)?;
        }
        if found.iter().any(|one| matches!(one, Alternative::Any)) || found.is_empty() {
            return Ok(Kind::Json);
        }
        found.retain(|one| !matches!(one, Alternative::Null));
        let (mut objects, mut arrays, mut scalars) = (Vec::new(), Vec::new(), Vec::new());
        for alternative in found {
            match alternative {
                Alternative::Object(properties) => objects.push(properties),
                Alternative::Array(items) => arrays.extend(items),
                scalar => scalars.push(scalar),
            }
        }
        let is_nested = self.options.nested == Nested::Typed && place.level < MAX_LEVELS;
        match (scalars.is_empty(), objects.is_empty(), arrays.is_empty()) {
            (_, true, true) => Ok(self.scalar(&scalars)),
            (true, false, true) if is_nested => self.structure(objects, name, place, path),
            (true, true, false) if is_nested && place.lists < MAX_LISTS => {
                Ok(Kind::List(Arc::new(self.kind(&arrays, name, &place.list(), &path.items())?)))
            }
            _ => Ok(Kind::Json),
        }
    }

    fn structure(
        &mut self,
        objects: Vec<Vec<(String, &RawValue)>>,
        name: &str,
        place: &Place,
        path: &Path<'_>,
    ) -> Result<Kind> {
        let inner = place.record(name);
        let fields = self.fields(objects.into_iter(), ColumnNames::default(), &inner, path)?;
        if fields.is_empty() {
            return Ok(Kind::Json);
        }
        let namespace = Some(place.namespace.clone());
        Ok(Kind::Struct(Arc::new(Record { name: name.to_owned(), namespace, fields })))
    }

    /// The type that holds all `scalars`; text if there are none, so that a column for nulls is one for anything.
    fn scalar(&self, scalars: &[Alternative<'_>]) -> Kind {
        let mut kinds: Vec<Kind> = Vec::new();
        for kind in scalars.iter().map(|scalar| self.scalar_kind(scalar)) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        match kinds.as_slice() {
            [] => Kind::Text,
            [one] => one.clone(),
            _ if scalars.iter().all(|scalar| matches!(scalar, Alternative::Text(_))) => Kind::Text,
            [Kind::Integer(_), wider] | [wider, Kind::Integer(_)] if [self.number(), BIG_INTEGER].contains(wider) => {
                wider.clone()
            }
            _ => Kind::Json,
        }
    }

    fn scalar_kind(&self, scalar: &Alternative<'_>) -> Kind {
        match scalar {
            Alternative::Boolean => Kind::Boolean,
            Alternative::Integer => Kind::Integer(Bits::B64),
            Alternative::BigInteger | Alternative::Text(TextOf::BigInteger) => BIG_INTEGER,
            Alternative::Number => self.number(),
            Alternative::Text(TextOf::Anything) => Kind::Text,
            Alternative::Text(TextOf::Date) => Kind::Date,
            Alternative::Text(TextOf::Timestamp) => Kind::Timestamp,
            Alternative::Text(TextOf::LocalTimestamp) => Kind::LocalTimestamp,
            Alternative::Text(TextOf::Binary) => Kind::Binary,
            // A source that writes numbers as text does it for digits that a DOUBLE would lose.
            Alternative::Text(TextOf::BigNumber) => match self.options.number {
                Number::Double => Kind::Text,
                Number::Decimal => self.number(),
            },
            Alternative::Null | Alternative::Object(_) | Alternative::Array(_) | Alternative::Any => Kind::Json,
        }
    }

    fn number(&self) -> Kind {
        match self.options.number {
            Number::Double => Kind::Double,
            Number::Decimal => Kind::Decimal(Decimal { precision: 38, scale: 10 }),
        }
    }
}

/// The properties of all objects in the order in which they come, each with all its schemas.
fn together<'a>(objects: impl Iterator<Item = Vec<(String, &'a RawValue)>>) -> Vec<(String, Vec<&'a RawValue>)> {
    let mut all: Vec<(String, Vec<&'a RawValue>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let properties = objects.flatten().filter(|(property, _)| !UNDECLARED.contains(&property.as_str()));
    for (property, schema) in properties {
        match places.entry(property) {
            Entry::Vacant(place) => {
                let property = place.key().clone();
                place.insert(all.len());
                all.push((property, vec![schema]));
            }
            Entry::Occupied(place) => {
                if let Some((_, schemas)) = all.get_mut(*place.get()) {
                    schemas.push(schema);
                }
            }
        }
    }
    all
}
