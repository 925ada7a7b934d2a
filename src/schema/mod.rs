//! What a table looks like: its columns in every form that they take, and what tables are called. Pure: no I/O, no tasks.

pub mod alter;
mod arrow;
mod avro;
pub mod columns;
pub mod dedup;
mod delta;
pub mod fit;
pub mod json_schema;
pub mod kind;
pub mod members;
pub mod naming;
pub mod stats;
pub mod table_type;
