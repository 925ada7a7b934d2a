//! The columns of a stream's table, described once: the schemas of Avro, Arrow, Parquet and Delta, the types and column lists
//! of SQL, and what a table that exists must look like all follow from a [`TableSchema`].
//!
//! This is the only module that names the columns. A layout of tables is one constructor of [`TableSchema`]; a type of
//! columns is one variant of [`Kind`], and the compiler then names every place that needs an arm for it.

use std::sync::Arc;

/// The columns of a stream's table. Streams with equal columns share one of these.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableSchema {
    id: Column,
    emitted_at: Column,
    record: Vec<Column>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// Where its values come from.
    pub source: Source,
}

/// A type of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A UUID in its 36 character form.
    Uuid,
    /// An instant, in microseconds since the epoch.
    Timestamp,
    /// A text.
    Text,
}

/// Where the values of a column come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The row's id, which this program gives.
    Id,
    /// The time at which the source emitted the record.
    EmittedAt,
    /// The record's whole JSON text, as the source sent it.
    Record,
}

impl TableSchema {
    /// The raw layout: the three columns that Airbyte's raw tables have had from the start.
    pub fn raw() -> Arc<Self> {
        let column = |name: &str, kind, source| Column { name: name.to_owned(), kind, source };
        Arc::new(Self {
            id: column("_airbyte_ab_id", Kind::Uuid, Source::Id),
            emitted_at: column("_airbyte_emitted_at", Kind::Timestamp, Source::EmittedAt),
            record: vec![column("_airbyte_data", Kind::Text, Source::Record)],
        })
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

    /// Whether a table with the columns `found`, names and types as Delta or SQL writes them, has these columns and no
    /// others, in any order.
    pub fn matches(&self, found: &[(String, String)]) -> bool {
        let is = |column: &Column, (name, kind): &(String, String)| {
            column.name == *name && (column.kind.delta() == kind || column.kind.sql().eq_ignore_ascii_case(kind))
        };
        found.len() == self.columns().count()
            && self.columns().all(|column| found.iter().any(|found| is(column, found)))
    }
}

impl Kind {
    /// The type's name in a Delta log. Source: <https://github.com/delta-io/delta/blob/master/PROTOCOL.md#primitive-types>.
    pub fn delta(self) -> &'static str {
        match self {
            Self::Uuid | Self::Text => "string",
            Self::Timestamp => "timestamp",
        }
    }

    /// The type's name in SQL.
    pub fn sql(self) -> &'static str {
        match self {
            Self::Uuid | Self::Text => "STRING",
            Self::Timestamp => "TIMESTAMP",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_matches_with_the_same_columns_in_any_order_and_with_nothing_else() {
        let raw = TableSchema::raw();
        let mut found: Vec<_> =
            raw.columns().map(|column| (column.name.clone(), column.kind.delta().to_owned())).collect();
        assert!(raw.matches(&found));
        found.reverse();
        assert!(raw.matches(&found));
        let as_sql: Vec<_> = raw.columns().map(|column| (column.name.clone(), column.kind.sql().to_owned())).collect();
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
