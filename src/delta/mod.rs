//! The Delta transaction log: the text of commits, and how tables are read and committed to.
//!
//! `actions` makes the text of a table's first commit and of a staging log's commits: nothing has to be read for these. `table`
//! reads existing tables and commits to them, through delta-kernel, which knows every version of the protocol. What the rows
//! are is said by the `TableSchema` that both are given.

pub mod actions;
mod adds;
mod bounds;
mod clustered;
mod commit;
mod damage;
mod described;
mod engine;
mod evolve;
mod files;
mod found;
mod kernel_errors;
mod replace;
mod some_files;
pub mod table;
mod widening;

/// Folder of a Delta table's log, inside the table's folder.
pub const DELTA_LOG: &str = "_delta_log";

/// The path of version `version` of the log of the Delta table in `folder`.
pub fn commit_path(folder: &str, version: u64) -> String {
    format!("{folder}/{DELTA_LOG}/{version:020}.json")
}
