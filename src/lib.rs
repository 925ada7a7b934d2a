//! `destination-databricks`: an Airbyte destination that turns protocol messages into Delta tables.
//!
//! `main` picks a command (`spec`, `check`, `write`); `write` runs one `sync`; a sync runs the `pipeline`. See
//! ARCHITECTURE.md for the way of a record through the modules.

pub mod allocator;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
mod counted;
pub mod databricks;
mod delta;
pub mod encode;
pub mod error;
mod load;
mod merge;
mod named_file;
mod opening;
pub mod pipeline;
pub mod plain;
pub mod process;
pub mod protocol;
mod recovery;
mod redirect;
mod retry;
pub mod schema;
pub mod secret;
pub mod spec;
mod stage;
mod storage;
mod stream_schemas;
pub mod sync;
mod target;
pub mod tasks;
pub mod telemetry;
mod tls;
pub mod write;
