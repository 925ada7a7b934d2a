//! Statements that change a table's columns, or query their types. All of them also run in open-source Spark with Delta Lake.
//!
//! Source: <https://docs.databricks.com/en/sql/language-manual/sql-ref-syntax-ddl-alter-table-manage-column.html>.

use std::collections::BTreeMap;

use super::{TableName, between, csv, literal, quoted};
use crate::schema::alter::Alter;
use crate::schema::columns::{Column, TableSchema};
use crate::schema::stats::RowStats;
use crate::schema::table_type::{FoundColumn, are_same_names};

/// The property that lets a table have times without a zone. Delta sets it by itself for new tables alone.
const LOCAL_TIMES: &str = "delta.feature.timestampNtz";
/// The type that needs it.
const LOCAL_TIME: &str = "timestamp_ntz";

/// What a table is that is replaced with other columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The folder of its files as a URL; none for a table whose place the catalog decides.
    pub location: Option<String>,
    /// What it says of itself.
    pub comment: Option<String>,
    /// Its properties.
    pub properties: BTreeMap<String, String>,
    /// The paths of the columns that it is clustered by.
    pub clustered_by: Vec<Vec<String>>,
    /// Its columns afterwards.
    pub columns: Vec<FoundColumn>,
}

/// The statements that make `changes` to the columns of `table`, whose rows stay; all new columns come with one.
pub fn alter(table: &TableName, changes: &[Alter]) -> Vec<String> {
    let (mut added, mut others) = (Vec::new(), Vec::new());
    let mut needs_feature = false;
    for change in changes {
        let path = column(change.path());
        match change {
            Alter::Add { kind, .. } => {
                needs_feature |= kind.has(LOCAL_TIME);
                added.push(format!("{path} {kind}"));
            }
            Alter::Relax { .. } => others.push(format!("ALTER TABLE {table} ALTER COLUMN {path} DROP NOT NULL")),
            Alter::Widen { kind, .. } => {
                needs_feature |= kind.has(LOCAL_TIME);
                others.push(format!("ALTER TABLE {table} ALTER COLUMN {path} TYPE {kind}"));
            }
            // Where rows stay there are none of these.
            Alter::Retype { .. } | Alter::Drop { .. } => {}
        }
    }
    let feature = needs_feature
        .then(|| format!("ALTER TABLE {table} SET TBLPROPERTIES ({} = 'supported')", literal(LOCAL_TIMES)));
    let add = (!added.is_empty()).then(|| format!("ALTER TABLE {table} ADD COLUMNS (\n  {}\n)", added.join(",\n  ")));
    feature.into_iter().chain(add).chain(others).collect()
}

/// Replaces all rows and the columns by the staged rows of `stats`; without it, by those of `staging`, which has none. Columns that
/// are not staged stay, without values.
pub fn recreate(
    files: &TableSchema,
    table: &TableName,
    staging: &TableName,
    replaced: &Replaced,
    stats: Option<&RowStats>,
) -> String {
    let read = |staged: &Column| if staging.texts { csv::value(staged) } else { quoted(&staged.name) };
    let values = values(files, table, replaced, read);
    let ids = |stats: &RowStats| {
        let ids = between(&quoted(&files.id().name), &literal(&stats.ids.first), &literal(&stats.ids.last));
        format!("\nWHERE {ids}")
    };
    format!(
        "CREATE OR REPLACE TABLE {table}\n{}AS SELECT\n{}\nFROM {staging}{}",
        clauses(replaced),
        values.join(",\n"),
        stats.map(ids).unwrap_or_default()
    )
}

/// The values of the columns that the table `replaced` gets, from files of `files`, whose columns `read` reads.
pub(super) fn values(
    files: &TableSchema,
    table: &TableName,
    replaced: &Replaced,
    read: impl Fn(&Column) -> String,
) -> Vec<String> {
    let value = |column: &FoundColumn| {
        let (name, kind) = (quoted(&column.name), &column.kind);
        let staged = files.columns().find(|staged| are_same_names(&staged.name, &column.name));
        match (staged, kind.is_understood()) {
            (Some(staged), _) => format!("  CAST({} AS {kind}) AS {name}", read(staged)),
            (None, true) => format!("  CAST(NULL AS {kind}) AS {name}"),
            // A description does not quote the names of fields: only the table itself can say the type.
            (None, false) => format!("  (SELECT first({name}) FROM {table} WHERE false) AS {name}"),
        }
    };
    replaced.columns.iter().map(value).collect()
}

/// Asks for the whole types of `columns`: a description cuts the text of a long one. The answer has one row, without reading any.
pub fn types(table: &TableName, columns: &[&str]) -> String {
    let kinds: Vec<String> = columns.iter().map(|name| format!("typeof(first({}))", quoted(name))).collect();
    format!("SELECT {}\nFROM {table}\nWHERE false", kinds.join(", "))
}

/// What follows the name of a table that is replaced: all that it keeps.
pub(super) fn clauses(replaced: &Replaced) -> String {
    let mut clauses = format!("USING delta\n{}", cluster_by(&replaced.clustered_by));
    if let Some(location) = &replaced.location {
        clauses.push_str(&format!("LOCATION {}\n", literal(location)));
    }
    if let Some(comment) = &replaced.comment {
        clauses.push_str(&format!("COMMENT {}\n", literal(comment)));
    }
    let kept = replaced.properties.iter().filter(|(key, _)| is_set_by_users(key));
    let kept: Vec<String> = kept.map(|(key, value)| format!("  {} = {}", literal(key), literal(value))).collect();
    if !kept.is_empty() {
        clauses.push_str(&format!("TBLPROPERTIES (\n{}\n)\n", kept.join(",\n")));
    }
    clauses
}

/// The clause that clusters a table by the columns or fields of `paths`; empty for none.
pub(super) fn cluster_by(paths: &[Vec<String>]) -> String {
    let names: Vec<String> = paths.iter().map(|path| column(path)).collect();
    if names.is_empty() { String::new() } else { format!("CLUSTER BY ({})\n", names.join(", ")) }
}

/// Whether a property is one that a statement may set; others say what the table's log has, and follow from the table.
fn is_set_by_users(key: &str) -> bool {
    let follow = [
        "delta.minReaderVersion",
        "delta.minWriterVersion",
        "delta.feature.",
        "delta.columnMapping.maxColumnId",
        "delta.rowTracking.materialized",
        "delta.inCommitTimestampEnablement",
        "clusteringColumns",
        "delta.lastCommitTimestamp",
        "delta.lastUpdateVersion",
        "delta.rowTracking.",
    ];
    !follow.iter().any(|beginning| key.starts_with(beginning)) && !key.is_empty()
}

/// A column or field by its path.
fn column(path: &[String]) -> String {
    path.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(".")
}

/// Whether a text of a type was cut where it was printed.
pub fn is_cut(kind: &str) -> bool {
    kind.contains(" more field")
}

#[cfg(test)]
#[path = "columns_tests.rs"]
mod tests;
