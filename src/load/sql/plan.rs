//! The plan of a load: the statement that changes the table's rows, and what proves that all rows have arrived. Pure, with golden
//! files in `golden/plans`. [`SqlTable`](super::table::SqlTable) runs it.
//!
//! | plan | statement | proof |
//! |---|---|---|
//! | append | an insert-only MERGE, or a COPY INTO | its result says that it inserted all rows; else the staged rows are counted in the table |
//! | upsert | a MERGE that updates, deletes and inserts | its result says that it changed as many rows as are staged; else the staged rows are counted that are in the table or older than what is there |
//! | replace | one INSERT OVERWRITE | the staged rows are counted in the table |
//! | empty | one INSERT OVERWRITE without rows | it has run to its end: its effect does not depend on what it read |
//!
//! Without a staging table, as for managed tables, a replacing statement reads the files themselves and fails unless they have all rows:
//! its result proves it. Where a table's columns change with its rows, a CREATE OR REPLACE TABLE AS SELECT stands in place of the INSERT OVERWRITE.
//!
//! Each statement can be run again. Rows that others write at the same time are never counted.

use super::existing_table::Existing;
use super::statements::columns::Replaced;
use super::statements::dedup::{KeyRange, Keyed};
use super::statements::files::{self, Files, MOST_FILES};
use super::statements::{self, TableName};
use crate::counted::counted;
use crate::delta::actions::DataFile;
use crate::recovery::claims::ClaimKind;
use crate::schema::columns::TableSchema;
use crate::schema::stats::RowStats;
use crate::stage::Batch;
use crate::stage::staged::Staged;

/// A load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Adds these rows.
    Append {
        /// The rows.
        stats: RowStats,
        /// The names of their files, in the staging folder.
        files: Vec<String>,
    },
    /// Brings these rows in by their keys. Two of these do not commute: a row that one deletes the other may add again.
    Upsert {
        /// The rows.
        stats: RowStats,
        /// The names of their files, in the staging folder.
        files: Vec<String>,
        /// Between which values the first part of their keys lies, once it is known.
        range: Option<KeyRange>,
    },
    /// Replaces all rows by these.
    Replace(RowStats),
    /// Removes all rows.
    Empty,
}

/// The names in the statements of a load.
pub struct StatementNames<'a> {
    /// The columns.
    pub columns: &'a TableSchema,
    /// The final table.
    pub table: &'a TableName,
    /// The staged rows.
    pub staged: StagedRows<'a>,
    /// What the table is, where its columns change when its rows are replaced.
    pub replaced: Option<&'a Replaced>,
    /// How rows take the place of one another, where only the newest of each key is kept.
    pub keyed: Option<Keyed<'a>>,
}

/// Staged rows, as statements read them.
#[derive(Clone, Copy)]
pub enum StagedRows<'a> {
    /// By a table over them.
    Table(&'a TableName),
    /// By the path of their folder.
    Folder(&'a str),
}

/// The answer to the statement of a plan that has run to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// How many rows it inserted, if its result says so.
    pub inserted: Option<u64>,
    /// How many rows it inserted, changed and deleted.
    pub affected: Option<u64>,
    /// It was sent before, and that answer was lost.
    pub is_repeated: bool,
    /// It fails unless it finds all staged rows.
    pub is_guarded: bool,
    /// How many rows of the load were counted before it, if they were counted.
    pub counted_before: Option<u64>,
}

/// What follows from a count of a load's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The load is whole.
    Whole,
    /// Let the server read the staging table again, then run the statement again.
    RunAgain,
    /// Count the staged rows too: it is not known how many rows the statement inserted, and the missing ones may be in the table
    /// and hidden.
    CountStaged,
}

/// Why a load is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortfall {
    /// Inserted rows are not visible in the table: each further run would insert them again.
    Hidden {
        /// How many rows the statement has inserted.
        inserted: u64,
        /// How many should be visible.
        expected: u64,
    },
    /// The count differs from the [expected](Plan::expected) one.
    Miscounted,
}

impl Plan {
    /// The plan that adds the rows of `batches`; `None` if they have none.
    pub fn append(batches: &[Batch]) -> Option<Self> {
        Self::append_files(&files_of(batches))
    }

    /// The plans that add the files of `batches` by their names.
    pub fn copies(batches: &[Batch]) -> Vec<Self> {
        files_of(batches).chunks(MOST_FILES).filter_map(Self::append_files).collect()
    }

    /// The plan that brings the rows of `batches` in by their keys; `None` if they have none.
    pub fn upsert(batches: &[Batch]) -> Option<Self> {
        let files = files_of(batches).into_iter().map(|file| file.name.clone()).collect();
        row_stats(batches).map(|stats| Self::Upsert { stats, files, range: None })
    }

    /// The same for keys in `range`.
    pub fn within(self, range: Option<KeyRange>) -> Self {
        match self {
            Self::Upsert { stats, files, .. } => Self::Upsert { stats, files, range },
            other => other,
        }
    }

    fn append_files(files: &[&DataFile]) -> Option<Self> {
        let stats = files.iter().map(|file| file.stats.clone()).reduce(RowStats::merged)?;
        Some(Self::Append { stats, files: files.iter().map(|file| file.name.clone()).collect() })
    }

    /// The plan that replaces all rows of a table by those of `batches`; `None` if there are no rows and the table has to be
    /// created anyway. `existing`: where the table is.
    pub fn replace(batches: &[Batch], existing: Existing) -> Option<Self> {
        match row_stats(batches) {
            Some(stats) => Some(Self::Replace(stats)),
            None => Some(Self::Empty).filter(|_| existing != Existing::Nowhere),
        }
    }

    /// The files that a copy of its statement must not find later, where the statement reads them by their names: what it does depends on
    /// what the table has then.
    pub fn files_to_hide(&self) -> &[String] {
        match self {
            Self::Upsert { files, .. } => files,
            Self::Append { .. } | Self::Replace(_) | Self::Empty => &[],
        }
    }

    /// The kind of the claim that has to be made before it.
    pub fn claim(&self) -> ClaimKind {
        match self {
            Self::Append { .. } => ClaimKind::Adds,
            Self::Upsert { .. } | Self::Replace(_) | Self::Empty => ClaimKind::Replaces,
        }
    }

    /// The statement that changes the table's rows.
    pub fn statement(&self, names: &StatementNames<'_>) -> String {
        if let Some(statement) = self.keyed_statement(names) {
            return statement;
        }
        let StatementNames { columns, table, staged, replaced, .. } = names;
        let staging = match staged {
            StagedRows::Table(staging) => staging,
            StagedRows::Folder(folder) => return self.statement_over_files(names, folder),
        };
        let recreate = |replaced, stats| statements::columns::recreate(columns, table, staging, replaced, stats);
        match (self, replaced) {
            (Self::Replace(stats), Some(replaced)) => recreate(replaced, Some(stats)),
            (Self::Empty, Some(replaced)) => recreate(replaced, None),
            (Self::Append { stats, .. } | Self::Upsert { stats, .. }, _) => {
                statements::merge(columns, table, staging, stats)
            }
            (Self::Replace(stats), None) => statements::overwrite(columns, table, staging, stats),
            (Self::Empty, None) => statements::empty(columns, table, staging),
        }
    }

    /// The statement that keeps the newest row of each key, where that is asked for.
    fn keyed_statement(&self, names: &StatementNames<'_>) -> Option<String> {
        let (keyed, rows) = (names.keyed?, names.rows(self.stats()?));
        Some(match (self, names.replaced) {
            (Self::Upsert { range, .. }, _) => keyed.upsert(names.table, &rows, range.as_ref()),
            (Self::Replace(_), Some(replaced)) => keyed.recreate(names.table, replaced, &rows),
            (Self::Replace(_), None) => keyed.overwrite(names.table, &rows),
            (Self::Append { .. } | Self::Empty, _) => return None,
        })
    }

    /// Its statement for logs, where that is another one: without values of rows.
    pub fn told(&self, names: &StatementNames<'_>) -> Option<String> {
        match self {
            Self::Upsert { range: Some(_), .. } => Some(self.clone().within(None).statement(names)),
            _ => None,
        }
    }

    /// The statement that asks for the range of the keys; `None` where it is not needed.
    pub fn range(&self, names: &StatementNames<'_>) -> Option<String> {
        match self {
            Self::Upsert { stats, range: None, .. } => names.keyed?.range(&names.rows(stats)),
            _ => None,
        }
    }

    fn statement_over_files(
        &self,
        StatementNames { columns, table, replaced, .. }: &StatementNames<'_>,
        folder: &str,
    ) -> String {
        match (self, replaced) {
            (Self::Append { files, .. }, _) => files::copy_into(columns, table, folder, files),
            (Self::Upsert { .. } | Self::Replace(_) | Self::Empty, Some(replaced)) => {
                files::recreate(columns, table, folder, replaced, self.expected())
            }
            (Self::Upsert { .. } | Self::Replace(_) | Self::Empty, None) => {
                files::overwrite(columns, table, folder, self.expected())
            }
        }
    }

    /// The statement that counts the rows of the load in the table; `None` if it has no rows.
    pub fn count(&self, names: &StatementNames<'_>) -> Option<String> {
        let StatementNames { columns, table, staged, .. } = names;
        if let (Some(keyed), Some(stats)) = (names.keyed, self.stats()) {
            return Some(keyed.count(table, &names.rows(stats)));
        }
        self.stats().map(|stats| match staged {
            StagedRows::Table(staging) => statements::count(columns, table, *staging, stats),
            StagedRows::Folder(folder) => statements::count(columns, table, &Files(folder), stats),
        })
    }

    /// The statement that counts the rows of the load in the staging table; `None` if it has no rows.
    pub fn count_staged(&self, names: &StatementNames<'_>) -> Option<String> {
        self.stats().map(|stats| match names.staged {
            StagedRows::Table(staging) => statements::count_staged(names.columns, staging, stats),
            StagedRows::Folder(folder) => statements::count_staged(names.columns, &Files(folder), stats),
        })
    }

    /// How many rows the count must give.
    pub fn expected(&self) -> u64 {
        self.stats().map_or(0, |stats| stats.rows)
    }

    /// Whether the result of the statement proves that the load is whole; if not, its rows must be counted.
    pub fn is_proven_by(&self, answered: &Answered) -> bool {
        match self {
            Self::Empty => true,
            // A copy whose answer was lost may have inserted some of the rows.
            Self::Append { stats, .. } => {
                let is_the_only_copy = !answered.is_repeated && answered.counted_before.is_none();
                is_the_only_copy && answered.inserted == Some(stats.rows)
            }
            // Each staged row has changed a row of its own, so that all are the newest of their keys.
            Self::Upsert { stats, .. } => {
                let is_the_only_copy = !answered.is_repeated && answered.counted_before.is_none();
                is_the_only_copy && answered.affected == Some(stats.rows)
            }
            Self::Replace(stats) => answered.is_guarded && answered.inserted == Some(stats.rows),
        }
    }

    /// What to do after `found` rows were counted in the table.
    ///
    /// # Errors
    /// The load is not whole, and running its statement again would not help.
    pub fn after_count(&self, answered: &Answered, found: u64) -> Result<Next, Shortfall> {
        let inserted = answered.inserted.unwrap_or_default();
        let expected = inserted.saturating_add(answered.counted_before.unwrap_or_default());
        if expected > found {
            return Err(Shortfall::Hidden { inserted, expected });
        }
        if found == self.expected() {
            return Ok(Next::Whole);
        }
        match self {
            // The server may have used a state of the staging table before its newest batch.
            Self::Append { stats, .. } if found < stats.rows && answered.counted_before.is_none() => {
                let is_known = !answered.is_repeated && answered.inserted.is_some();
                Ok(if is_known { Next::RunAgain } else { Next::CountStaged })
            }
            Self::Upsert { stats, .. } if found < stats.rows && answered.counted_before.is_none() => Ok(Next::RunAgain),
            _ => Err(Shortfall::Miscounted),
        }
    }

    /// What to do after `staged` rows were counted in the staging table, and `found` of them in the table.
    ///
    /// # Errors
    /// Rows that the statement has read are not visible in the table.
    pub fn after_staged_count(&self, found: u64, staged: u64) -> Result<Next, Shortfall> {
        if found >= staged {
            return Ok(Next::RunAgain);
        }
        Err(Shortfall::Hidden { inserted: self.expected(), expected: self.expected() })
    }

    /// The work as context of an error.
    pub fn doing(&self) -> String {
        match self {
            Self::Append { stats, .. } => format!("loading {}", counted(stats.rows, "row")),
            Self::Upsert { stats, .. } => format!("merging {}", counted(stats.rows, "row")),
            Self::Replace(stats) => format!("replacing the table by {}", counted(stats.rows, "row")),
            Self::Empty => "emptying the table".to_owned(),
        }
    }

    /// The statistics of its rows; `None` if it has none.
    pub fn stats(&self) -> Option<&RowStats> {
        match self {
            Self::Append { stats, .. } | Self::Upsert { stats, .. } | Self::Replace(stats) => Some(stats),
            Self::Empty => None,
        }
    }
}

impl StatementNames<'_> {
    /// The query of the staged rows of `stats`.
    fn rows(&self, stats: &RowStats) -> String {
        match self.staged {
            StagedRows::Table(staging) => statements::staged_rows(self.columns, staging, stats),
            StagedRows::Folder(folder) => files::staged_rows(self.columns, folder, stats),
        }
    }
}

/// The statistics of all rows of `batches`; `None` if they have none.
///
/// Ids ascend within a stream, and a staging folder has the rows of only one sync and one stream. So the range of ids selects
/// exactly the rows of these batches, in the staging table and in the final one.
fn row_stats(batches: &[Batch]) -> Option<RowStats> {
    files_of(batches).into_iter().map(|file| file.stats.clone()).reduce(RowStats::merged)
}

fn files_of(batches: &[Batch]) -> Vec<&DataFile> {
    batches.iter().flat_map(|batch| &batch.files).collect()
}

/// The statement that creates the staging table `name` over `staged`, rows of `columns`; `shown` gives the URL of a folder. `None` for
/// files that are read by their names.
pub fn create_staging_table(
    name: &TableName,
    staged: &Staged,
    columns: &TableSchema,
    shown: impl Fn(&str) -> String,
) -> Option<String> {
    match staged {
        Staged::DeltaTable { folder } => Some(statements::create_over(name, &shown(folder))),
        Staged::Csv { folder, .. } => {
            // No value is the path of a folder that this sync alone has, behind these words.
            Some(statements::csv::create_over(name, columns, &shown(folder), &format!("NULL of {folder}")))
        }
        Staged::Files { .. } => None,
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
