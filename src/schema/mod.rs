//! What a row looks like, from Avro to Arrow to Delta, and what tables are called. Pure: no I/O, no tasks.

pub mod arrow;
pub mod avro;
pub mod naming;
