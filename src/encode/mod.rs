//! Rows to the bytes of files: rows that wait, ids, encoders. Pure: it does not know where the bytes go.

pub mod changes;
mod columns;
pub mod csv;
pub mod encoder;
pub mod ids;
pub mod json_values;
pub mod key_guard;
mod parquet;
pub mod rows;
pub mod sql_keys;
mod texts;
mod typed;
