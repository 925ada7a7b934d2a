//! Settings of tables: `table_layout`, `streams` with layouts of their own, and options for column types.

use std::collections::HashMap;

use super::fields::Fields;
use crate::error::StreamDescriptor;
use crate::schema::columns::Layout;
use crate::schema::json_schema::{ColumnOptions, Nested, Number};

const LAYOUTS: [(&str, Layout); 3] = [("raw", Layout::Raw), ("columns", Layout::Columns), ("classic", Layout::Classic)];
const NUMBERS: [(&str, Number); 2] = [("double", Number::Double), ("decimal", Number::Decimal)];
const DELETES: [(&str, bool); 2] = [("Hard delete", false), ("Soft delete", true)];
const CLUSTERS: [(&str, ClusterBy); 2] = [("none", ClusterBy::Nothing), ("primary_key", ClusterBy::PrimaryKey)];
const NESTED: [(&str, Nested); 2] = [("typed", Nested::Typed), ("json", Nested::Json)];

/// How tables look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSettings {
    /// The layout of all streams that have none of their own.
    pub layout: Layout,
    /// Streams with a layout of their own, in the configuration's order; none twice.
    pub streams: Vec<(StreamDescriptor, Layout)>,
    /// The types of columns in the layout [`Layout::Columns`].
    pub options: ColumnOptions,
    /// Whether rows of deleted records stay in tables whose rows have keys.
    pub keeps_deleted: bool,
    /// By what new tables that Databricks creates are clustered.
    pub cluster_by: ClusterBy,
}

/// What a table is clustered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClusterBy {
    /// Nothing.
    #[default]
    Nothing,
    /// The columns of the key, in tables whose rows have keys and whose layout has columns for them.
    PrimaryKey,
}

impl TableSettings {
    /// Warns of settings that nothing comes of.
    pub(super) fn warn(&self) {
        let mut layouts = self.streams.iter().map(|(_, layout)| *layout).chain([self.layout]);
        let asked =
            [("number_type", self.options.number != Number::Double), ("nested", self.options.nested != Nested::Typed)];
        let asked: Vec<&str> = asked.iter().filter(|(_, is_asked)| *is_asked).map(|(name, _)| *name).collect();
        if !asked.is_empty() && layouts.all(|layout| layout != Layout::Columns) {
            tracing::warn!(
                "`{}` has no effect: no stream has the `table_layout` columns, the only one whose types can be chosen.",
                asked.join("` and `")
            );
        }
    }
}

pub(super) fn read(root: &Fields<'_>) -> TableSettings {
    TableSettings {
        layout: root.choice("table_layout", &LAYOUTS).unwrap_or(Layout::Raw),
        streams: streams(root),
        options: ColumnOptions {
            number: root.choice("number_type", &NUMBERS).unwrap_or(Number::Double),
            nested: root.choice("nested", &NESTED).unwrap_or(Nested::Typed),
        },
        keeps_deleted: root.choice("cdc_deletion_mode", &DELETES).unwrap_or(false),
        cluster_by: root.choice("cluster_by", &CLUSTERS).unwrap_or_default(),
    }
}

fn streams(root: &Fields<'_>) -> Vec<(StreamDescriptor, Layout)> {
    let mut streams = Vec::new();
    let mut first = HashMap::new();
    for (position, fields) in root.sections("streams").into_iter().enumerate() {
        let name = fields.required_name("name", "the name of a stream, as the source has it");
        let namespace = fields.name("namespace");
        let layout = fields.required_choice("table_layout", &LAYOUTS, "without it, the stream need not be listed");
        let Some(name) = name else { continue };
        let stream = StreamDescriptor { name, namespace };
        if let Some(before) = first.insert(stream.clone(), position) {
            fields.problem("name", &format!("is {stream}, which `streams[{before}]` is too: leave out one of them."));
        }
        streams.extend(layout.map(|layout| (stream, layout)));
    }
    streams
}
