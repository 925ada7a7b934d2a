//! The Delta transaction log: what a commit says, and how tables are read and committed to.
//!
//! `actions` makes the text of a table's first commit and of a staging log's commits, which need no reading. `table`
//! reads and commits to tables that are there already, through delta-kernel, which knows every version of the
//! protocol. Neither knows what the rows are.

pub mod actions;
mod adds;
mod bounds;
mod commit;
mod damage;
mod described;
mod engine;
mod files;
mod refusals;
mod replace;
pub mod table;
