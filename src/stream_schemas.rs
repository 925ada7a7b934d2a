//! Decides the columns of each stream's table: its layout from the settings, its columns from its JSON schema. Streams with equal
//! columns share one schema.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::config::TableSettings;
use crate::counted::names;
use crate::error::{Error, Result, StreamDescriptor};
use crate::protocol::catalog::Catalog;
use crate::schema::columns::{Layout, Source, TableSchema};
use crate::schema::json_schema::{classic, columns};

/// A stream that has no schema has no properties that are known.
const NO_SCHEMA: &str = r#"{"type":"object","properties":{}}"#;

/// Makes the columns of the streams' tables.
pub struct StreamSchemas<'a> {
    settings: &'a TableSettings,
    /// Streams with a layout of their own.
    own: HashMap<&'a StreamDescriptor, Layout>,
    made: HashSet<Arc<TableSchema>>,
    raw: Arc<TableSchema>,
    /// Streams of other layouts than raw of which no property is known.
    without_properties: Vec<StreamDescriptor>,
}

impl<'a> StreamSchemas<'a> {
    /// Those that `settings` ask for.
    pub fn new(settings: &'a TableSettings) -> Self {
        let own = settings.streams.iter().map(|(stream, layout)| (stream, *layout)).collect();
        Self { settings, own, made: HashSet::new(), raw: TableSchema::raw(), without_properties: Vec::new() }
    }

    /// The columns of the table of `stream`, whose JSON schema is the text `json_schema`, if it has one.
    ///
    /// # Errors
    /// A config error that names the stream: its schema makes no table.
    pub fn columns(&mut self, stream: &StreamDescriptor, json_schema: Option<&str>) -> Result<Arc<TableSchema>> {
        let layout = self.own.get(stream).copied().unwrap_or(self.settings.layout);
        let json_schema = json_schema.unwrap_or(NO_SCHEMA);
        let made = match layout {
            Layout::Raw => return Ok(Arc::clone(&self.raw)),
            Layout::Columns => columns(json_schema, self.settings.options),
            Layout::Classic => classic(json_schema),
        };
        let made = made.map_err(|error| {
            let said = format!("Stream {stream} with `table_layout` {layout}: {}", error.message());
            Error::new(error.kind(), said).with_source(error)
        })?;
        if !made.record().iter().any(|column| matches!(column.source, Source::Property(_))) {
            self.without_properties.push(stream.clone());
        }
        if let Some(equal) = self.made.get(&made) {
            return Ok(Arc::clone(equal));
        }
        let made = Arc::new(made);
        self.made.insert(Arc::clone(&made));
        Ok(made)
    }

    /// Warns of listed streams that `catalog`, for which the columns were made, does not have, and of streams without properties.
    pub fn warn(&self, catalog: &Catalog) {
        let there: HashSet<&StreamDescriptor> = catalog.streams.iter().map(|stream| &stream.descriptor).collect();
        let missing: Vec<&StreamDescriptor> =
            self.settings.streams.iter().map(|(stream, _)| stream).filter(|stream| !there.contains(stream)).collect();
        if !missing.is_empty() {
            let listed: HashSet<&str> = missing.iter().map(|stream| stream.name.as_str()).collect();
            let elsewhere = catalog.streams.iter().map(|stream| &stream.descriptor);
            let elsewhere =
                elsewhere.filter(|stream| listed.contains(stream.name.as_str()) && !self.own.contains_key(stream));
            let hint = match elsewhere.take(1).next() {
                Some(stream) => format!("; the catalog has {stream}, and both name and namespace have to be the same"),
                None => String::new(),
            };
            tracing::warn!(
                "`streams` lists what the catalog does not have: {}. That has no effect{hint}.",
                names(&missing)
            );
        }
        if !self.without_properties.is_empty() {
            tracing::warn!(
                "The JSON schema has no properties in streams {}: all that is in their records goes into the one column \
                 for undeclared properties. If that is not what the source has, refresh its schema.",
                names(&self.without_properties)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ClusterBy;
    use crate::error::Kind;
    use crate::schema::json_schema::{ColumnOptions, Nested, Number};

    const TWO: &str = r#"{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"integer"}}}"#;

    fn stream(name: &str, namespace: Option<&str>) -> StreamDescriptor {
        StreamDescriptor { name: name.into(), namespace: namespace.map(Into::into) }
    }

    fn settings(layout: Layout, streams: &[(&str, Option<&str>, Layout)]) -> TableSettings {
        let streams = streams.iter().map(|(name, namespace, layout)| (stream(name, *namespace), *layout)).collect();
        let options = ColumnOptions { number: Number::Double, nested: Nested::Typed };
        TableSettings { layout, streams, options, keeps_deleted: false, cluster_by: ClusterBy::Nothing }
    }

    #[test]
    fn a_stream_has_its_own_layout_or_that_of_all() -> Result<()> {
        let settings = settings(Layout::Columns, &[("a", None, Layout::Raw), ("a", Some("s"), Layout::Classic)]);
        let mut schemas = StreamSchemas::new(&settings);
        for (name, namespace, expected) in [
            ("a", None, Layout::Raw),
            ("a", Some("s"), Layout::Classic),
            ("a", Some("t"), Layout::Columns),
            ("A", None, Layout::Columns),
            ("b", None, Layout::Columns),
        ] {
            let made = schemas.columns(&stream(name, namespace), Some(TWO))?;
            assert_eq!(made.layout(), expected, "{name} {namespace:?}");
            let properties: Vec<&str> = made.record().iter().filter_map(property).collect();
            let columns: &[&str] = if expected == Layout::Raw { &[] } else { &["b", "a"] };
            assert_eq!(properties, columns, "the schema's order");
        }
        Ok(())
    }

    #[test]
    fn equal_columns_are_shared() -> Result<()> {
        let settings = settings(Layout::Columns, &[("raw", None, Layout::Raw), ("other", None, Layout::Raw)]);
        let mut schemas = StreamSchemas::new(&settings);
        let spaced = TWO.replace(':', ": ");
        let mut made = |name: &str, text: &str| schemas.columns(&stream(name, None), Some(text));
        assert!(Arc::ptr_eq(&made("a", TWO)?, &made("b", &spaced)?));
        assert!(Arc::ptr_eq(&made("raw", TWO)?, &made("other", "{}")?));
        assert!(!Arc::ptr_eq(&made("a", TWO)?, &made("c", r#"{"properties":{"a":{"type":"string"}}}"#)?));
        Ok(())
    }

    #[test]
    fn a_stream_without_a_schema_has_no_column_for_a_property() -> Result<()> {
        for layout in [Layout::Columns, Layout::Classic] {
            let settings = settings(layout, &[]);
            let mut schemas = StreamSchemas::new(&settings);
            for text in [None, Some("{}"), Some(r#"{"type":"object","properties":{}}"#), Some(TWO)] {
                schemas.columns(&stream("a", None), text)?;
            }
            assert_eq!(schemas.without_properties.len(), 3);
            let made = schemas.columns(&stream("a", None), None)?;
            assert!(made.record().iter().any(|column| column.source == Source::Undeclared));
            assert_eq!(made.record().iter().filter_map(property).count(), 0);
        }
        Ok(())
    }

    #[test]
    fn a_schema_that_makes_no_table_is_a_config_error_that_names_the_stream_and_its_layout() {
        let settings = settings(Layout::Columns, &[]);
        let error = StreamSchemas::new(&settings).columns(&stream("a", Some("s")), Some("{]")).expect_err("no JSON");
        assert_eq!(error.kind(), Kind::Config);
        assert!(
            error.message().starts_with("Stream s.a with `table_layout` columns: The stream's JSON schema"),
            "{error}"
        );
    }

    fn property(column: &crate::schema::columns::Column) -> Option<&str> {
        match &column.source {
            Source::Property(name) => Some(name),
            _ => None,
        }
    }
}
