//! For tests: the engine on a temporary folder, and a warehouse that runs its statements on ids instead of rows.

pub(crate) mod bed;
mod fake_files;
pub(crate) mod fake_warehouse;
