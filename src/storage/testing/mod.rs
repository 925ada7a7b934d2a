//! What tests of this and other modules run against: a bucket in memory.

pub mod memory;
