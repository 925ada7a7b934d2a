//! The plan of a load: the statement that changes the table's rows, and what proves that all rows have arrived. Pure, with golden
//! files in `golden/plans`. [`SqlTable`](super::table::SqlTable) runs it.
//!
//! | plan | statement | proof |
//! |---|---|---|
//! | append | an insert-only MERGE, or a COPY INTO | its result says that it inserted all rows; else the staged rows are counted in the table |
//! | upsert | a MERGE that updates, deletes and inserts | it fails unless it reads all staged rows; if it was sent twice, or changed nothing, the staged rows are counted that are in the table or older than what is there |
//! | replace | one INSERT OVERWRITE | the staged rows are counted in the table |
//! | empty | one INSERT OVERWRITE without rows | it has run to its end: its effect does not depend on what it read |
//!
//! Without a staging table, as for managed tables, a replacing statement reads the files themselves and fails unless they have all rows:
//! its result proves it. Where a table's columns change with its rows, a CREATE OR REPLACE TABLE AS SELECT stands in place of the INSERT OVERWRITE.
//!
//! Each statement can be run again. Rows that others write at the same time are never counted.
//!
//! An upsert also has to leave one row of each key, where others may have added rows: see [`Plan::leaves_one_of_each`].

mod proof;

pub use self::proof::{Answered, Next, Shortfall};
use super::existing_table::Existing;
use super::statements::columns::Replaced;
use super::statements::dedup::{KeyRange, Keyed, Survey};
use super::statements::files::{self, Files, MOST_FILES};
use super::statements::{self, TableName};
use crate::counted::counted;
use crate::delta::actions::DataFile;
use crate::error::{Error, Result};
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
        /// What they say of their keys, once it is known.
        survey: Option<Survey>,
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
        row_stats(batches).map(|stats| Self::Upsert { stats, files, survey: None })
    }

    /// The same, of whose keys `survey` is known.
    pub fn surveyed(self, survey: Option<Survey>) -> Self {
        match self {
            Self::Upsert { stats, files, .. } => Self::Upsert { stats, files, survey },
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
    ///
    /// # Errors
    /// A system error: rows are to take the place of others, and it is not known by which key.
    pub fn statement(&self, names: &StatementNames<'_>) -> Result<String> {
        let StatementNames { columns, table, staged, replaced, .. } = names;
        if let (Some(keyed), Some(stats)) = (names.keyed, self.stats()) {
            let rows = names.rows(stats);
            match (self, replaced) {
                (Self::Upsert { .. }, _) => return Ok(keyed.upsert(table, &rows, self.range())),
                (Self::Replace(_), Some(replaced)) => return Ok(keyed.recreate(table, replaced, &rows)),
                (Self::Replace(_), None) => return Ok(keyed.overwrite(table, &rows)),
                (Self::Append { .. } | Self::Empty, _) => {}
            }
        }
        Ok(match (self, staged, replaced) {
            (Self::Upsert { .. }, ..) => return Err(Error::system("Rows without a key cannot be merged by it.")),
            (Self::Append { stats, .. }, StagedRows::Table(staging), _) => {
                statements::merge(columns, table, staging, stats)
            }
            (Self::Append { files, .. }, StagedRows::Folder(folder), _) => {
                files::copy_into(columns, table, folder, files)
            }
            (Self::Replace(_) | Self::Empty, StagedRows::Table(staging), Some(replaced)) => {
                statements::columns::recreate(columns, table, staging, replaced, self.stats())
            }
            (Self::Replace(stats), StagedRows::Table(staging), None) => {
                statements::overwrite(columns, table, staging, stats)
            }
            (Self::Empty, StagedRows::Table(staging), None) => statements::empty(columns, table, staging),
            (Self::Replace(_) | Self::Empty, StagedRows::Folder(folder), Some(replaced)) => {
                files::recreate(columns, table, folder, replaced, self.expected())
            }
            (Self::Replace(_) | Self::Empty, StagedRows::Folder(folder), None) => {
                files::overwrite(columns, table, folder, self.expected())
            }
        })
    }

    /// The statement that leaves one row of each of its keys; `None` where rows have no keys.
    pub fn removal(&self, names: &StatementNames<'_>) -> Option<String> {
        let rows = names.rows(self.stats()?);
        Some(names.keyed?.remove_copies(names.table, Some((&rows, self.range()))))
    }

    /// The same plan for logs: its statements are without values of rows.
    pub fn told(&self) -> Self {
        self.clone().surveyed(None)
    }

    /// The statement that asks what the staged rows say of their keys; `None` where that is known, or rows have no keys.
    pub fn survey(&self, names: &StatementNames<'_>) -> Option<String> {
        match self {
            Self::Upsert { stats, survey: None, .. } => {
                Some(names.keyed?.survey(names.table, &names.visible_rows(stats)))
            }
            _ => None,
        }
    }

    fn range(&self) -> Option<&KeyRange> {
        match self {
            Self::Upsert { survey, .. } => survey.as_ref()?.range.as_ref(),
            Self::Append { .. } | Self::Replace(_) | Self::Empty => None,
        }
    }

    /// The statement that counts the rows of the load in the table; `None` if it has no rows.
    pub fn count(&self, names: &StatementNames<'_>) -> Option<String> {
        let StatementNames { columns, table, staged, .. } = names;
        if let (Some(keyed), Some(stats)) = (names.keyed, self.stats()) {
            return Some(keyed.count(table, &names.visible_rows(stats), self.range()));
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
    /// The query of the staged rows of `stats`, which fails unless all are there.
    fn rows(&self, stats: &RowStats) -> String {
        match self.staged {
            StagedRows::Table(staging) => statements::all_staged_rows(self.columns, staging, stats),
            StagedRows::Folder(folder) => files::staged_rows(self.columns, folder, stats),
        }
    }

    /// The query of those staged rows of `stats` that a table over them shows.
    fn visible_rows(&self, stats: &RowStats) -> String {
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
