//! What tests of this and other modules run against: a bucket in memory.

pub mod memory;

pub(in crate::storage) use super::s3::DIALECT;
