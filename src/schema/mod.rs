//! What a table looks like: its columns in every form that they take, and what tables are called. Pure: no I/O, no tasks.

mod arrow;
mod avro;
pub mod columns;
mod delta;
pub mod json_schema;
pub mod kind;
pub mod naming;
pub mod stats;
