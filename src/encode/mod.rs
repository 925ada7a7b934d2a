//! Rows to file bytes: plain buffers, ids, texts, Parquet. Pure: it does not know where bytes go.

pub mod ids;
pub mod parquet;
pub mod rows;
mod texts;
