//! A workspace for the tests of this module.

pub(in crate::storage::volume) mod fake;
