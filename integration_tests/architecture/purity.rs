//! What computes and does nothing else.

use super::places::is_in;
use super::sources::Token;

/// Places that hold nothing but computation: no files, no network, no threads, no time of day, nothing asynchronous. What a load
/// is can be read, and tested, without a server or a bucket; what has to be set up too.
pub const PURE: [&str; 6] =
    ["schema/", "encode/", "load/sql/plan.rs", "load/sql/statements.rs", "pipeline/endings.rs", "setup/plan/"];
const IMPURE: [&str; 14] = [
    "std::fs",
    "std::net",
    "std::io",
    "std::process",
    "std::thread",
    "std::env",
    "std::time",
    "std::os",
    "tokio",
    "futures",
    "object_store",
    "delta_kernel",
    "tempfile",
    "tracing",
];
/// Modules of this crate that do more than compute; the table of imports keeps them from `schema`, `encode` and `pipeline`.
const BUSY: [&str; 2] = ["crate::databricks", "crate::storage"];

/// What the file at `path` uses though it is pure: one line each. `paths` and `code` are its own, without tests.
pub fn violations(path: &str, paths: &[(usize, String)], code: &[Token<'_>]) -> Vec<String> {
    if !is_in(path, &PURE) {
        return Vec::new();
    }
    let busy = BUSY.iter().filter(|_| path.starts_with("load/"));
    let impure: Vec<String> = IMPURE.iter().chain(busy).map(|name| format!("{name}::")).collect();
    let is_impure = |named: &str| impure.iter().any(|name| format!("{named}::").starts_with(name));
    let uses = paths.iter().filter(|(_, named)| is_impure(named));
    let uses = uses.map(|(line, named)| format!("src/{path}:{line}: what is pure may not use `{named}`"));
    let waits = code.iter().filter(|token| matches!(token.text, "async" | "await"));
    uses.chain(waits.map(|token| format!("src/{path}:{}: what is pure waits for nothing", token.line))).collect()
}

#[test]
fn what_is_pure_neither_does_anything_nor_waits() {
    for (path, code) in [
        ("encode/rows.rs", "use std::fs::File;"),
        ("encode/rows.rs", "use std::{fmt, io::Write};"),
        ("schema/avro.rs", "use tokio::sync::Mutex;"),
        ("schema/avro.rs", "fn f() { tracing::info!(\"\") }"),
        ("load/sql/plan.rs", "use crate::databricks::QueryResult;"),
        ("load/sql/plan.rs", "use crate::storage::Storage;"),
        ("load/sql/statements.rs", "async fn f() {}"),
        ("pipeline/endings.rs", "use std::time::Instant;"),
    ] {
        let found = super::violations(path, &format!("//! Says what it is.\n{code}"));
        assert_eq!(found.len(), 1, "{path}: {code}: {found:?}");
    }
    for (path, code) in [
        ("encode/rows.rs", "use std::fmt; use futures_less::A;"),
        ("load/sql/table.rs", "use crate::databricks::QueryResult; async fn f() {}"),
    ] {
        assert_eq!(super::violations(path, &format!("//! Says what it is.\n{code}")), [""; 0], "{path}: {code}");
    }
}
