//! What a load is: the statement that changes the table's rows, and what proves that all of them have arrived. Pure, with golden
//! files in `golden/plans`. [`SqlTable`](super::table::SqlTable) runs it.
//!
//! | plan | statement | proof |
//! |---|---|---|
//! | append | an insert-only MERGE | it says that it has inserted all rows; else the staged rows are counted in the table |
//! | replace | one INSERT OVERWRITE | the staged rows are counted in the table |
//! | empty | one INSERT OVERWRITE without rows | that it has run to its end: its result does not depend on what it read |
//!
//! Where a table's columns change with its rows, a CREATE OR REPLACE TABLE AS SELECT stands in place of the INSERT OVERWRITE.
//!
//! Each statement can be run again after it has run. Rows of others, who may write at the same time, are never counted.

use super::existing_table::Existing;
use super::statements::columns::Replaced;
use super::statements::{self, TableName};
use crate::counted::counted;
use crate::recovery::claims::ClaimKind;
use crate::schema::columns::TableSchema;
use crate::schema::stats::RowStats;
use crate::stage::Batch;
use crate::stage::staged::Staged;

/// A load.
///
/// An upsert would be one more variant, with the keys and with what tells the newer of two rows: a MERGE that updates as well. Its
/// [count](Plan::count) would be of staged winners that the table has not, or has in an older version, and its
/// [expected](Plan::expected) number 0; its claim would be [`ClaimKind::Replaces`], because two upserts of one table do not commute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Adds these rows.
    Append(RowStats),
    /// Replaces all rows by these.
    Replace(RowStats),
    /// Removes all rows.
    Empty,
}

/// The names in the statements of a load.
pub struct Names<'a> {
    /// The columns.
    pub columns: &'a TableSchema,
    /// The final table.
    pub table: &'a TableName,
    /// The staging table.
    pub staging: &'a TableName,
    /// What the table is, where its columns change when its rows are replaced.
    pub replaced: Option<&'a Replaced>,
}

/// The answer to the statement of a plan that has run to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// How many rows it says that it has inserted, if it says so.
    pub inserted: Option<u64>,
    /// It was sent before, too, and the answer was lost.
    pub is_repeated: bool,
    /// How many rows of the load had been counted before it, where they were counted.
    pub counted_before: Option<u64>,
}

/// What a count of its rows says of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is whole.
    Whole,
    /// The statement is run again, after the server has read the staging table anew.
    RunAgain,
    /// The staged rows are counted, too: nothing tells how many rows the statement has inserted in all, and those that are missing
    /// may be there and hidden.
    CountStaged,
}

/// Why a load is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortfall {
    /// Rows that were inserted are not seen in the table: each further run would insert them once more.
    Hidden {
        /// How many rows the statement has inserted.
        inserted: u64,
        /// How many should be seen.
        expected: u64,
    },
    /// The count is another one than [expected](Plan::expected).
    Miscounted,
}

impl Plan {
    /// The plan that adds the rows of `batches`; `None` where there are none.
    pub fn append(batches: &[Batch]) -> Option<Self> {
        row_stats(batches).map(Self::Append)
    }

    /// The plan that replaces the rows of a table, `existing` or not, by those of `batches`; `None` where nothing is to be done
    /// beside making the table.
    pub fn replace(batches: &[Batch], existing: Existing) -> Option<Self> {
        match row_stats(batches) {
            Some(load) => Some(Self::Replace(load)),
            None => Some(Self::Empty).filter(|_| existing != Existing::Nowhere),
        }
    }

    /// What a claim of the table says of it.
    pub fn claim(&self) -> ClaimKind {
        match self {
            Self::Append(_) => ClaimKind::Adds,
            Self::Replace(_) | Self::Empty => ClaimKind::Replaces,
        }
    }

    /// The statement that changes the table's rows.
    pub fn statement(&self, names: &Names<'_>) -> String {
        let Names { columns, table, staging, replaced } = names;
        let recreate = |replaced, load| statements::columns::recreate(columns, table, staging, replaced, load);
        match (self, replaced) {
            (Self::Replace(load), Some(replaced)) => recreate(replaced, Some(load)),
            (Self::Empty, Some(replaced)) => recreate(replaced, None),
            (Self::Append(load), _) => statements::merge(columns, table, staging, load),
            (Self::Replace(load), None) => statements::overwrite(columns, table, staging, load),
            (Self::Empty, None) => statements::empty(columns, table, staging),
        }
    }

    /// The statement that counts the rows of the load in the table; `None` where nothing is to be counted.
    pub fn count(&self, names: &Names<'_>) -> Option<String> {
        let Names { columns, table, staging, .. } = names;
        self.load().map(|load| statements::count(columns, table, staging, load))
    }

    /// The statement that counts the rows of the load in the staging table; `None` where nothing is to be counted.
    pub fn count_staged(&self, names: &Names<'_>) -> Option<String> {
        self.load().map(|load| statements::count_staged(names.columns, names.staging, load))
    }

    /// How many rows have to be counted.
    pub fn expected(&self) -> u64 {
        self.load().map_or(0, |load| load.rows)
    }

    /// Whether the answer to the statement proves that the load is whole; if not, its rows are to be counted.
    pub fn is_proven_by(&self, answered: &Answered) -> bool {
        match self {
            Self::Empty => true,
            // A lost answer may have been of a copy that has inserted rows; what was counted before is no longer the number of rows
            // that were missing.
            Self::Append(load) => {
                let is_the_only_copy = !answered.is_repeated && answered.counted_before.is_none();
                is_the_only_copy && answered.inserted == Some(load.rows)
            }
            Self::Replace(_) => false,
        }
    }

    /// What comes after `found` rows were counted.
    ///
    /// # Errors
    /// Why the load is not whole, and cannot be made whole by running its statement again.
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
            // A server may have read the staging table before its newest batch was there.
            Self::Append(load) if found < load.rows && answered.counted_before.is_none() => {
                let is_known = !answered.is_repeated && answered.inserted.is_some();
                Ok(if is_known { Next::RunAgain } else { Next::CountStaged })
            }
            _ => Err(Shortfall::Miscounted),
        }
    }

    /// What comes after `staged` rows were counted in the staging table, and `found` of them in the table.
    ///
    /// # Errors
    /// Rows that the statement has read are not seen in the table.
    pub fn after_staged_count(&self, found: u64, staged: u64) -> Result<Next, Shortfall> {
        if found >= staged {
            return Ok(Next::RunAgain);
        }
        Err(Shortfall::Hidden { inserted: self.expected(), expected: self.expected() })
    }

    /// What is being done, for messages.
    pub fn doing(&self) -> String {
        match self {
            Self::Append(load) => format!("loading {} by MERGE", counted(load.rows, "row")),
            Self::Replace(load) => format!("replacing the table by {}", counted(load.rows, "row")),
            Self::Empty => "emptying the table".to_owned(),
        }
    }

    /// The rows of the load.
    pub fn load(&self) -> Option<&RowStats> {
        match self {
            Self::Append(load) | Self::Replace(load) => Some(load),
            Self::Empty => None,
        }
    }
}

/// What the rows of `batches` are known by; `None` where they have no rows.
///
/// Ids ascend within a stream, and a staging folder has the rows of only one sync and one stream. So the range of ids selects
/// exactly the rows of these batches, in the staging table and in the final one.
fn row_stats(batches: &[Batch]) -> Option<RowStats> {
    let stats = batches.iter().flat_map(|batch| &batch.files).map(|file| file.stats.clone());
    stats.reduce(RowStats::merged)
}

/// The statement that makes the staging table `name` over `staged`; `shown` gives the URL of a folder.
pub fn create_staging_table(name: &TableName, staged: &Staged, shown: impl Fn(&str) -> String) -> String {
    match staged {
        Staged::DeltaTable { folder } => statements::create_over(name, &shown(folder)),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
