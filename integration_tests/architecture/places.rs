//! Paths, crates and words in texts that only some places use, each because one module is to know the thing that they stand for.
//!
//! A place is a file or, with a `/` at its end, a folder.

use super::sources::{Token, tokens};

/// What only some places use, these places, and why.
type Rule = (&'static [&'static str], &'static [&'static str], &'static str);

/// Parts of paths, also of those that a `use` with braces spells; with `*` at the end, any name that begins with a capital letter:
/// every variant of an enum. Without `::`, tokens that follow each other.
const NAMED: [Rule; 4] = [
    // Whoever compares modes has to be found and changed for each new one.
    (
        &["WriteMode::*", "write_mode ==", "write_mode !="],
        &["protocol/catalog.rs"],
        "a mode is asked what it does, not which one it is",
    ),
    (&["Plan::*"], &["load/sql/plan.rs"], "a plan is asked what it does, not which one it is"),
    (
        &["recovery::sweep::sweep", "recovery::sweep::clear_moved_files"],
        &["recovery/", "sync.rs"],
        "what dead syncs left is cleared away when a sync begins, or waits for one",
    ),
    (&["storage::s3"], &["storage/mod.rs", "storage/s3/"], "`bucket` is the same for every kind of store"),
];

/// Crates.
const CRATES: [Rule; 6] = [
    // `check` reads back the one row that it wrote.
    (
        &["parquet"],
        &["encode/", "check/check_run.rs", "merge/", "load/direct/parquet_file.rs"],
        "only what encodes rows, and what takes rows out of files, knows the format of files",
    ),
    (&["apache_avro"], &["schema/"], "types follow from one description of the columns"),
    (&["delta_kernel"], &["delta/"], "only `delta` reads and writes logs"),
    (
        &["aws_config", "aws_credential_types", "aws_sdk_s3", "aws_smithy_http_client", "aws_smithy_runtime_api"],
        &["storage/s3/"],
        "only `storage/s3` knows S3",
    ),
    (
        &["reqwest"],
        &["databricks/", "storage/bucket/http/connector.rs", "storage/volume/cloud.rs"],
        "requests are sent by those who know how they fail",
    ),
    (&["fastrand"], &["retry.rs"], "there is one back-off and one source of jitter"),
];

/// Words in texts.
const WORDS: [Rule; 3] = [
    (
        &["_airbyte_ab_id", "_airbyte_emitted_at", "_airbyte_data"],
        &["schema/columns.rs"],
        "the others take the names of columns from a `TableSchema`",
    ),
    (
        &["finalTable", "stagingTable", "left_behind.json"],
        &["recovery/left_behind.rs"],
        "only recovery writes down and reads what a sync may leave elsewhere",
    ),
    (
        &["MERGE INTO", "INSERT OVERWRITE", "CREATE TABLE IF", "DROP TABLE IF", "REFRESH TABLE", "SELECT count"],
        &["load/sql/statements.rs", "load/sql/statements/"],
        "all statements that are sent are in one place",
    ),
];

/// All places that these rules name.
pub fn named_places() -> impl Iterator<Item = &'static str> {
    NAMED.iter().chain(&CRATES).chain(&WORDS).flat_map(|(_, places, _)| places.iter().copied())
}

/// Whether the file at `path` is one of `places`, or in one.
pub fn is_in(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| path == *place || (place.ends_with('/') && path.starts_with(place)))
}

/// The lines in which `word`, a part of a path or tokens, is said.
pub fn lines_with(word: &str, paths: &[(usize, String)], code: &[Token<'_>]) -> Vec<usize> {
    if let Some(before) = word.strip_suffix('*') {
        let variant = |named: &str| {
            let named = format!("::{named}");
            let at = named.find(&format!("::{before}"))? + "::".len() + before.len();
            named.get(at..)?.chars().next().filter(char::is_ascii_uppercase)
        };
        return paths.iter().filter(|(_, named)| variant(named).is_some()).map(|(line, _)| *line).collect();
    }
    if word.contains("::") {
        let says = |(_, named): &&(usize, String)| format!("::{named}::").contains(&format!("::{word}::"));
        return paths.iter().filter(says).map(|(line, _)| *line).collect();
    }
    let word = tokens(word);
    let same = |said: &&[Token<'_>]| said.iter().zip(&word).all(|(said, word)| said.text == word.text);
    code.windows(word.len()).filter(same).map(|said| said[0].line).collect()
}

/// What the file at `path` uses against the rules: one line each. `paths`, `code` and `literals` are its own, without tests.
pub fn violations(path: &str, paths: &[(usize, String)], code: &[Token<'_>], literals: &[Token<'_>]) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |line: usize, what: &str, why: &str| found.push(format!("src/{path}:{line}: `{what}`: {why}"));
    let is_free = |rule: &&Rule| !is_in(path, rule.1);
    for (words, _, why) in NAMED.iter().filter(is_free) {
        for word in *words {
            lines_with(word, paths, code).into_iter().for_each(|line| note(line, word, why));
        }
    }
    for (crates, _, why) in CRATES.iter().filter(is_free) {
        let uses = |(_, named): &&(usize, String)| crates.iter().any(|name| named.split("::").next() == Some(name));
        paths.iter().filter(uses).for_each(|(line, named)| note(*line, named, why));
    }
    for (words, _, why) in WORDS.iter().filter(is_free) {
        let said = |literal: &Token<'_>| words.iter().find(|word| literal.text.contains(**word)).copied();
        literals
            .iter()
            .filter_map(|literal| Some((literal.line, said(literal)?)))
            .for_each(|(line, word)| note(line, word, why));
    }
    found
}

#[test]
fn what_only_some_places_use_is_seen_elsewhere_and_only_there() {
    let no_rule: &[(&str, &str)] = &[
        ("schema/columns.rs", "const ID: &str = \"_airbyte_ab_id\";"),
        ("load/direct.rs", "/// `_airbyte_ab_id`\nconst ID: &str = \"_airbyte_tmp_\";"),
        ("load/direct.rs", "#[cfg(test)]\nmod tests { const ID: &str = \"_airbyte_ab_id\"; }"),
        ("storage/bucket/mod.rs", "use super::{Home, Storage};"),
        ("storage/s3/mod.rs", "use super::bucket; use crate::storage::s3::provider::S3;"),
        ("storage/mod.rs", "fn f() { s3::open(settings, tuning) }"),
        ("sync.rs", "use crate::recovery::sweep::{clear_moved_files, sweep};"),
        ("load/mod.rs", "use crate::recovery::sweep::StagingTables;"),
        ("load/direct.rs", "fn f() { let adds = !target.write_mode.removes_rows(); }"),
        ("load/sql/table.rs", "fn f() { let plan = Plan::append(batches); }"),
        ("load/sql/plan.rs", "fn f() { Self::Append(load) } use crate::recovery::claims::ClaimKind;"),
        ("delta/table.rs", "use delta_kernel::Engine; fn f() { self.parquet() }"),
        ("load/sql/statements.rs", "fn f() { format!(\"MERGE INTO {table}\") }"),
        ("load/sql/existing_table.rs", "const HINT: &str = \"ALTER TABLE x DROP ROW FILTER\";"),
    ];
    for (path, code) in no_rule {
        assert_eq!(super::violations(path, &format!("//! Says what it is.\n{code}")), [""; 0], "{path}: {code}");
    }
    let one_rule: &[(&str, &str)] = &[
        ("delta/bounds.rs", "const ID: &str = \"_airbyte_ab_id\";"),
        ("load/sql/plan.rs", "const READ: &str = r#\"SELECT `_airbyte_data` FROM t\"#;"),
        ("stage/mod.rs", "const TABLE: &str = \"airbyte.finalTable\";"),
        ("load/sql/mod.rs", "const TABLE: &str = \"airbyte.stagingTable\";"),
        ("sync.rs", "const LIST: &str = \"sync.left_behind.json\";"),
        ("load/sql/table.rs", "fn f() { format!(\"MERGE INTO {table}\") }"),
        ("load/sql/table.rs", "fn f() { format!(\"DROP TABLE IF EXISTS {table}\") }"),
        ("load/direct.rs", "fn f() { if target.write_mode == mode {} }"),
        ("load/direct.rs", "fn f() { matches!(target.write_mode, WriteMode::Append) }"),
        ("pipeline/lanes.rs", "use crate::protocol::catalog::WriteMode::{self, Replace};"),
        ("load/sql/table.rs", "fn f() { matches!(plan, Plan::Append(_)) }"),
        ("load/sql/table.rs", "fn f() { matches!(plan, Plan::AnyNewOne) }"),
        ("load/direct.rs", "fn f() { matches!(mode, WriteMode::AnyNewOne) }"),
        ("load/direct.rs", "use crate::recovery::sweep::sweep;"),
        ("load/sql/mod.rs", "use crate::recovery::sweep::clear_moved_files;"),
        ("storage/bucket/probe.rs", "use crate::storage::s3::conditions::BucketAddress;"),
        ("storage/bucket/mod.rs", "use super::{Storage, s3};"),
        ("storage/unfinished.rs", "use super::s3::remote;"),
        ("stage/mod.rs", "use parquet::file::writer::SerializedFileWriter;"),
        ("delta/adds.rs", "use apache_avro::Schema;"),
        ("load/direct.rs", "use delta_kernel::Engine;"),
        ("storage/bucket/upload.rs", "use aws_sdk_s3::Client;"),
        ("storage/bucket/upload.rs", "fn f() { fastrand::f64() }"),
        ("load/sql/mod.rs", "use reqwest::Client;"),
        // The table of imports: who may know of dead syncs.
        ("delta/table.rs", "use crate::recovery::left_behind::LeftBehind;"),
        ("pipeline/lanes.rs", "use crate::recovery::claims::put;"),
        ("storage/mod.rs", "use crate::recovery::left_behind::application_id;"),
    ];
    for (path, code) in one_rule {
        let found = super::violations(path, &format!("//! Says what it is.\n{code}"));
        assert_eq!(found.len(), 1, "{path}: {code}: {found:?}");
    }
}
