//! The columns of a stream's table, described once: the schemas of Avro, Arrow, Parquet and Delta, the types and column lists
//! of SQL, and what a table that exists must look like all follow from a [`TableSchema`].
//!
//! This is the only module that names the columns. A layout of tables is one constructor of [`TableSchema`]; a type of
//! columns is one variant of [`Kind`](super::kind::Kind), and the compiler then names every place that needs an arm for it.

use std::fmt;
use std::sync::Arc;

use super::kind::Kind;
use super::table_type::are_same_names;

const ID: &str = "_airbyte_ab_id";
const EMITTED_AT: &str = "_airbyte_emitted_at";
/// The column of the raw layout for the record.
pub(super) const RECORD: &str = "_airbyte_data";
const META: &str = "_airbyte_meta";

/// The columns of a stream's table. Streams with equal columns share one of these.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableSchema {
    layout: Layout,
    id: Column,
    emitted_at: Column,
    record: Vec<Column>,
}

/// Airbyte's word for the properties that no column has. Connector 1.1.x took a property of the first name, or of the second,
/// for more of them.
pub(super) const UNDECLARED: [&str; 2] = ["_airbyte_additional_properties", "_ab_additional_properties"];

/// How a record becomes columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// One column with the record's JSON text.
    Raw,
    /// A typed column for each property, and what was changed to make values fit.
    Columns,
    /// The columns of Airbyte's connector 1.1.x in its S3 mode.
    Classic,
}

/// A column, or a field of a structure.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// Where its values come from.
    pub source: Source,
    /// Whether its type is that of a table and not the stream's own: no layout then has it take a value that it changes.
    pub is_exact: bool,
}

/// Where the values of a column come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// The row's id, which this program gives.
    Id,
    /// The time at which the source emitted the record.
    EmittedAt,
    /// The record's whole JSON text, as the source sent it.
    Record,
    /// What was changed in the row's values, and in which sync.
    Meta,
    /// The property of this name, as the source writes it.
    Property(String),
    /// All properties that no other column or field of the same object has.
    Undeclared,
    /// Nothing: the field is a table's, and the stream has no such property any more.
    Vacant,
}

impl TableSchema {
    /// The raw layout: the three columns that Airbyte's raw tables have had from the start.
    pub fn raw() -> Arc<Self> {
        Arc::new(Self::new(Layout::Raw, vec![Column::new(RECORD, Kind::Text, Source::Record)]))
    }

    /// The layout [`Layout::Columns`], with `properties` of the record.
    pub(super) fn typed(properties: Vec<Column>) -> Self {
        let meta = Column::new(META, Kind::Json, Source::Meta);
        Self::new(Layout::Columns, [meta].into_iter().chain(properties).chain([Column::undeclared()]).collect())
    }

    /// The layout [`Layout::Classic`], with `properties` of the record.
    pub(super) fn classic(properties: Vec<Column>) -> Self {
        Self::new(Layout::Classic, properties.into_iter().chain([Column::undeclared()]).collect())
    }

    /// The columns `record` behind those of the row's id and time.
    fn new(layout: Layout, record: Vec<Column>) -> Self {
        Self {
            layout,
            id: Column::new(ID, Kind::Uuid, Source::Id),
            emitted_at: Column::new(EMITTED_AT, Kind::Timestamp, Source::EmittedAt),
            record,
        }
    }

    /// Any columns, for tests of other modules.
    #[cfg(test)]
    pub fn of(layout: Layout, record: Vec<Column>) -> Self {
        Self::new(layout, record)
    }

    /// The raw layout with a time that is a text, see [`Column::is_time_as_text`], for tests of other modules.
    #[cfg(test)]
    pub fn with_time_as_text() -> Self {
        let mut schema = Self::new(Layout::Raw, vec![Column::new(RECORD, Kind::Text, Source::Record)]);
        schema.emitted_at.kind = Kind::Text;
        schema
    }

    /// The same layout with `columns` in place of its own; `None` where those of the id and the time are missing.
    pub(crate) fn with_columns(&self, columns: Vec<Column>) -> Option<Self> {
        let (mut id, mut emitted_at, mut record) = (None, None, Vec::with_capacity(columns.len()));
        for column in columns {
            match column.source {
                Source::Id => id = Some(column),
                Source::EmittedAt => emitted_at = Some(column),
                _ => record.push(column),
            }
        }
        Some(Self { layout: self.layout, id: id?, emitted_at: emitted_at?, record })
    }

    /// How a record becomes columns.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// All columns, in the order that new tables and files have.
    pub fn columns(&self) -> impl Iterator<Item = &Column> {
        [&self.id, &self.emitted_at].into_iter().chain(&self.record)
    }

    /// The column of the rows' ids, which ascend within a sync.
    pub fn id(&self) -> &Column {
        &self.id
    }

    /// The column of the times at which records were emitted.
    pub fn emitted_at(&self) -> &Column {
        &self.emitted_at
    }

    /// The columns that are filled from the record itself.
    pub fn record(&self) -> &[Column] {
        &self.record
    }

    /// The column that says what was changed in a row's values, where the layout has one.
    pub fn meta(&self) -> Option<&Column> {
        self.record.iter().find(|column| self.layout == Layout::Columns && column.source == Source::Meta)
    }

    /// The column for properties that no other column has, where the layout has one.
    pub fn undeclared(&self) -> Option<&Column> {
        self.record.iter().rfind(|column| column.source == Source::Undeclared)
    }

    /// Whether a table of the layout `found` may be one of these columns: a property of the layout `classic` may have the name
    /// of a column of `columns`.
    pub fn may_be(&self, found: Layout) -> bool {
        let is_meta = |column: &Column| are_same_names(&column.name, META);
        self.layout == found
            || (self.layout, found) == (Layout::Classic, Layout::Columns) && self.columns().any(is_meta)
    }

    /// Whether a table with the columns `found`, names and types as Delta or SQL writes them, has these columns and no
    /// others, in any order.
    pub fn matches(&self, found: &[(String, String)]) -> bool {
        let is = |column: &Column, (name, kind): &(String, String)| {
            let is_in_log = column.kind.delta().trim_matches('"') == kind;
            column.name == *name && (is_in_log || column.kind.sql().eq_ignore_ascii_case(kind))
        };
        found.len() == self.columns().count()
            && self.columns().all(|column| found.iter().any(|found| is(column, found)))
    }
}

impl Layout {
    /// Whether a layout has a column of this name, which is no property.
    pub fn is_of_layout(name: &str) -> bool {
        [RECORD, META].iter().any(|own| are_same_names(own, name))
    }
}

/// As `table_layout` has it.
impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Columns => "columns",
            Self::Classic => "classic",
        })
    }
}

/// The layout that a table with the columns `names` has; `None` where it has columns of none of them.
pub fn layout_of<'a>(names: impl Iterator<Item = &'a str>) -> Option<Layout> {
    let names: Vec<&str> = names.collect();
    let has = |own: &str| names.iter().any(|name| are_same_names(name, own));
    if !has(ID) || !has(EMITTED_AT) {
        None
    } else {
        // Properties may have the names of a layout's columns, but for this one.
        match (UNDECLARED.iter().take(1).any(|own| has(own)), has(META)) {
            (true, true) => Some(Layout::Columns),
            (true, false) => Some(Layout::Classic),
            (false, _) if has(RECORD) => Some(Layout::Raw),
            (false, has_meta) => has_meta.then_some(Layout::Columns),
        }
    }
}

impl Column {
    /// A column.
    pub fn new(name: impl Into<String>, kind: Kind, source: Source) -> Self {
        Self { name: name.into(), kind, source, is_exact: false }
    }

    /// The column, or field, of what no other one has.
    pub(super) fn undeclared() -> Self {
        let [name, _] = UNDECLARED;
        Self::new(name, Kind::TextMap, Source::Undeclared)
    }

    /// Whether it is the time of the row as connector 1.1.x had it in its Azure mode: a text with the milliseconds since the epoch.
    pub fn is_time_as_text(&self) -> bool {
        self.source == Source::EmittedAt && self.kind == Kind::Text
    }

    /// Whether every row has a value.
    pub fn is_required(&self) -> bool {
        match self.source {
            Source::Id | Source::EmittedAt | Source::Record | Source::Meta => true,
            Source::Property(_) | Source::Undeclared | Source::Vacant => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_matches_with_the_same_columns_in_any_order_and_with_nothing_else() {
        let raw = TableSchema::raw();
        let delta = |column: &Column| column.kind.delta().trim_matches('"').to_owned();
        let mut found: Vec<_> = raw.columns().map(|column| (column.name.clone(), delta(column))).collect();
        assert!(raw.matches(&found));
        found.reverse();
        assert!(raw.matches(&found));
        let as_sql: Vec<_> = raw.columns().map(|column| (column.name.clone(), column.kind.sql())).collect();
        assert!(raw.matches(&as_sql));
        for (at, wrong) in [(0, "long"), (1, "string"), (2, "binary")] {
            let mut found = found.clone();
            found[at].1 = wrong.to_owned();
            assert!(!raw.matches(&found), "{found:?}");
        }
        assert!(!raw.matches(&found[..2]) && !raw.matches(&[&found[..2], &found[..1]].concat()));
        found.push(("name".into(), "string".into()));
        assert!(!raw.matches(&found));
    }
}
