//! Statements that load staged Parquet files by their names, or read all files of a folder, without a table over them.
//!
//! Sources: <https://docs.databricks.com/en/sql/language-manual/delta-copy-into.html>,
//! <https://docs.databricks.com/en/sql/language-manual/functions/read_files.html>; their options:
//! <https://learn.microsoft.com/en-us/azure/databricks/spark/api-options>.

use std::fmt;

use super::columns::{Replaced, clauses, values};
use super::{TableName, between, list, literal, quoted};
use crate::schema::columns::{Column, TableSchema};
use crate::schema::stats::RowStats;

/// The most files that one COPY INTO takes.
pub const MOST_FILES: usize = 1000;

/// All staged files of the folder at this path, in place of a table's name.
pub struct Files<'a>(pub &'a str);

impl fmt::Display for Files<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Unless the schema is fixed, there is one more column, `_rescued_data`, whether or not the files have one of this name. To ignore
        // missing files is an option of all formats, whose default differs between readers.
        write!(
            f,
            "read_files({}, format => 'parquet', schemaEvolutionMode => 'none', ignoreMissingFiles => false)",
            literal(self.0)
        )
    }
}

/// Adds the rows of `files`, at most [`MOST_FILES`] names in the folder at the path `folder`. The server remembers which files a table
/// has: in another copy of the statement they add nothing. Fails as a whole if one of them is not there.
pub fn copy_into(columns: &TableSchema, table: &TableName, folder: &str, files: &[String]) -> String {
    let value = |column: &Column| {
        let name = quoted(&column.name);
        format!("    CAST({name} AS {}) AS {name}", column.kind.sql())
    };
    let values: Vec<String> = columns.columns().map(value).collect();
    let files: Vec<String> = files.iter().map(|file| format!("  {}", literal(file))).collect();
    format!(
        "COPY INTO {table}\nFROM (\n  SELECT\n{}\n  FROM {}\n)\nFILEFORMAT = PARQUET\nFILES = (\n{}\n)\nFORMAT_OPTIONS \
         ('ignoreMissingFiles' = 'false', 'ignoreCorruptFiles' = 'false')\nCOPY_OPTIONS ('force' = 'false', 'mergeSchema' = 'false')",
        values.join(",\n"),
        literal(folder),
        files.join(",\n"),
    )
}

/// Replaces all rows by those of the files in the folder at the path `folder`, which has `rows` rows. Fails as a whole if they are not
/// all there: a copy that begins while they are being deleted must not replace the table by what is left.
pub fn overwrite(columns: &TableSchema, table: &TableName, folder: &str, rows: u64) -> String {
    let names = list(columns.columns(), "");
    format!(
        "INSERT OVERWRITE TABLE {table} ({names})\n{}\nSELECT {names}\nFROM staged\n{}",
        with_staged(folder),
        only_if_whole(rows)
    )
}

/// Replaces all rows and the columns by the files in the folder at the path `folder`, as [`overwrite`] does. Columns that are not staged
/// stay, without values.
pub fn recreate(files: &TableSchema, table: &TableName, folder: &str, replaced: &Replaced, rows: u64) -> String {
    let values = values(files, table, replaced, |column| quoted(&column.name));
    format!(
        "CREATE OR REPLACE TABLE {table}\n{}AS {}\nSELECT\n{}\nFROM staged\n{}",
        clauses(replaced),
        with_staged(folder),
        values.join(",\n"),
        only_if_whole(rows)
    )
}

/// All columns of the staged rows of `stats` in the folder at the path `folder`: a query for [`super::dedup::Keyed`], which fails
/// unless they are all there.
pub fn staged_rows(columns: &TableSchema, folder: &str, stats: &RowStats) -> String {
    let names = list(columns.columns(), "");
    let ids = between(&quoted(&columns.id().name), &literal(&stats.ids.first), &literal(&stats.ids.last));
    format!(
        "WITH staged AS (\n  SELECT *\n  FROM {}\n  WHERE {ids}\n)\nSELECT {names}\nFROM staged\n{}",
        Files(folder),
        only_if_whole(stats.rows)
    )
}

/// The staged rows under one name, so that what counts them and what reads them see the same files.
fn with_staged(folder: &str) -> String {
    format!("WITH staged AS (\n  SELECT *\n  FROM {}\n)", Files(folder))
}

/// The condition of a query from `staged` that fails unless that has `rows` rows.
pub(super) fn only_if_whole(rows: u64) -> String {
    format!(
        "WHERE (\n  SELECT IF(count(*) = {rows}, true, raise_error('The staged files do not have the {rows} rows of this load.'))\n  \
         FROM staged\n)"
    )
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
