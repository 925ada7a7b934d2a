//! What streams have sent, and what other readers see of their tables.

#[path = "../layouts/expected.rs"]
pub mod expected;
#[path = "../layouts/readers.rs"]
pub mod readers;
