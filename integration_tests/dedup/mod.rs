//! Append + dedup: the newest row of each key, whatever comes in whatever order, through kills, refreshes and syncs at once.

mod airbytes_cases;
mod airbytes_refreshes;
mod at_once;
mod cursors;
pub mod files;
mod json_key_cases;
pub mod json_keys;
mod keys;
pub mod model;
mod people;
mod raw_keys;
mod sequences;
pub mod streams;
mod typing_cases;
