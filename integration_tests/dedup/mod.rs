//! Append + dedup: the newest row of each key, whatever comes in whatever order, through kills, refreshes and syncs at once.

mod airbytes_cases;
mod at_once;
pub mod files;
pub mod model;
mod sequences;
pub mod streams;
