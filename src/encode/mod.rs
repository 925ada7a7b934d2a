//! Rows to file bytes: plain buffers in Arrow's shape, ids, Parquet. Pure: it does not know where bytes go.

pub mod ids;
pub mod parquet;
pub mod rows;
