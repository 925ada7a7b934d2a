//! Append + dedup: the newest row of each key, whatever comes in whatever order, through kills, refreshes and syncs at once.

mod files;
mod keys;
mod model;
mod sequences;
