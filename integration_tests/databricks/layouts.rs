//! Streams whose schema changes from sync to sync, loaded by Databricks: the same rows for every reader as without it.

#[path = "../layouts/evolution.rs"]
mod evolution;
#[path = "../layouts/expected.rs"]
pub mod expected;
#[path = "../layouts/readers.rs"]
pub mod readers;
