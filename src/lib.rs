//! `destination-databricks`: an Airbyte destination that turns protocol messages into Delta tables.
//!
//! `main` picks a command (`spec`, `check`, `write`, and for people `login`, `logout`, `setup`); `write` runs one `sync`; a sync runs the `pipeline`. See
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
mod kept;
mod load;
pub mod login;
mod login_file;
mod merge;
mod named_file;
mod opening;
pub mod pipeline;
pub mod plain;
pub mod process;
pub mod protocol;
mod recovery;
mod redirect;
mod renewed_config;
mod retry;
pub mod schema;
pub mod secret;
pub mod setup;
pub mod spec;
mod stage;
mod storage;
mod stream_schemas;
pub mod sync;
mod target;
pub mod tasks;
pub mod telemetry;
mod temporary;
mod tls;
pub mod write;
