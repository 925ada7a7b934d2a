//! Holds the rules of the sources that a test can see: which module may import which, who may do what.
//!
//! The sources are read as tokens: comments and literals never count, and what stands under `#[cfg(test)]` is free of
//! every rule but the two about whole files. ARCHITECTURE.md says why each rule is there.

mod circles;
mod sources;

use std::collections::BTreeSet;
use std::path::Path;

use sources::{Token, paths, tokens, tokens_and_literals, without_tests};

/// What each module may import from this crate, `error` aside: errors are known everywhere. A module that is not
/// listed here may not exist, so that whoever adds one decides what it may know.
const MAY_IMPORT: [(&str, &[&str]); 30] = [
    ("allocator", &[]),
    ("check", &["config", "databricks", "delta", "load", "protocol", "schema", "storage", "sync"]),
    ("cli", &[]),
    ("clock", &[]),
    ("config", &["named_file", "schema", "secret"]),
    ("counted", &[]),
    ("databricks", &["config", "redirect", "retry", "secret", "tls"]),
    ("delta", &["schema", "storage"]),
    ("encode", &["config", "schema"]),
    ("error", &["secret"]),
    ("load", &["clock", "counted", "databricks", "delta", "recovery", "retry", "schema", "stage", "storage"]),
    ("named_file", &[]),
    ("pipeline", &["clock", "counted", "encode", "load", "protocol", "stage", "tasks"]),
    ("plain", &[]),
    ("process", &[]),
    ("protocol", &["named_file", "schema", "secret"]),
    ("recovery", &["delta", "storage"]),
    ("redirect", &[]),
    ("retry", &[]),
    ("schema", &[]),
    ("secret", &[]),
    ("spec", &[]),
    ("stage", &["clock", "delta", "encode", "recovery", "schema", "storage"]),
    ("storage", &["config", "redirect", "retry", "secret", "tls"]),
    ("stream_schemas", &["config", "counted", "protocol", "schema"]),
    (
        "sync",
        &[
            "clock",
            "config",
            "counted",
            "databricks",
            "delta",
            "encode",
            "load",
            "pipeline",
            "protocol",
            "recovery",
            "stage",
            "storage",
            "tasks",
        ],
    ),
    ("tasks", &[]),
    ("telemetry", &["counted", "pipeline", "protocol", "secret"]),
    ("tls", &["config"]),
    ("write", &["config", "counted", "pipeline", "protocol", "stream_schemas", "sync", "tasks", "telemetry"]),
];

/// Imports beyond the table: one file, one module.
const ALSO: [(&str, &str); 3] = [
    ("storage/layout.rs", "protocol::catalog"),
    ("storage/layout.rs", "schema::columns"),
    ("storage/layout.rs", "schema::naming"),
];

/// Paths that the files of a folder may not name.
const NEVER: [(&str, &str, &str); 1] =
    [("storage/bucket/", "crate::storage::s3", "`bucket` is the same for every kind of store")];

/// What computes and does nothing else: no files, no network, no threads, no time of day, no asynchronous runtime.
const PURE: [&str; 2] = ["schema", "encode"];
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

/// Words that only some places may say. A place is a file or, with a `/` at its end, a folder. A word with `::` is a
/// part of a path, also of one that a `use` with braces spells; any other word is tokens that follow each other.
const ONLY: [(&[&str], &[&str], &str); 10] = [
    // The parts of one upload go on being sent while the rows of the next one are encoded. Where the first thread has too small a
    // stack, all of the program runs on another.
    (
        &["spawn(", "spawn_blocking(", "spawn_local(", "JoinSet"],
        &["pipeline/", "process.rs", "tasks/", "storage/bucket/upload.rs"],
        "only `pipeline` and `tasks` start tasks",
    ),
    // Signals are waited for on a thread and a runtime of their own.
    (&["block_on("], &["main.rs", "tasks/signals.rs"], "only `main` waits for the runtime"),
    (&["io::stdout", "print!", "println!"], &["protocol/writer.rs"], "only the protocol writer writes stdout"),
    (&["ProtocolWriter::stdout"], &["main.rs"], "there is one writer of stdout, made by `main`"),
    (&["std::env"], &["config/"], "only `config` reads settings and the environment"),
    (&["acknowledge("], &["protocol/message.rs", "pipeline/ledger.rs"], "only the ledger lets a STATE go"),
    // `main` delivers the SPEC message.
    (&["deliver("], &["protocol/writer.rs", "pipeline/ledger.rs", "main.rs"], "only the ledger lets a STATE go"),
    (&["stream: usize", "stream: Option<usize>"], &[], "a stream is a `StreamIndex`, whose look-up fails loudly"),
    (&["SystemTime::now", "Utc::now", "Local::now"], &["clock.rs"], "only `clock` tells the time of day"),
    (
        &[".unwrap(", ".expect(", ".unwrap_err(", ".expect_err(", "todo!", "unimplemented!", "panic!", "dbg!"],
        &[],
        "what comes from outside must not stop the program",
    ),
];

/// The names of the tables' columns, which only one module says: the others take them from a `TableSchema`.
const COLUMNS: [&str; 3] = ["_airbyte_ab_id", "_airbyte_emitted_at", "_airbyte_data"];
const NAMES_COLUMNS: &str = "schema/columns.rs";

/// Paths that hold a word of [`ONLY`] and break no rule: the name of the temporary folder, for a message.
const EXCEPT: [(&str, &str); 1] = [("pipeline/room.rs", "std::env::temp_dir")];

const LONGEST: usize = 400;

#[test]
fn the_sources_keep_the_rules_of_the_architecture() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    assert!(files.len() > 20, "only {} sources were found", files.len());
    let mut broken: Vec<String> = files.iter().flat_map(|(path, text)| violations(path, text)).collect();
    broken.extend(circles::circles(&files));
    assert!(broken.is_empty(), "rules are broken:\n{}", broken.join("\n"));
    let unused = unused_permissions(&files);
    assert!(unused.is_empty(), "nothing uses these permissions: {unused:?}");
}

#[test]
fn a_permission_that_nothing_uses_is_seen() {
    let files = [("spec.rs".to_owned(), "//! A file.\nuse crate::error::Error;".to_owned())];
    let unused = unused_permissions(&files);
    assert!(
        unused.contains(&("config", "secret")) && !unused.iter().any(|(module, _)| *module == "spec"),
        "{unused:?}"
    );
}

#[test]
fn each_rule_is_seen_when_it_is_broken_and_only_then() {
    let no_rule: &[(&str, &str)] = &[
        ("encode/rows.rs", "// tokio::spawn()\n/* std::fs */ const A: &str = \"std::fs\"; const B: char = '\"';"),
        ("encode/rows.rs", "#[cfg(test)]\nmod tests { use std::fs; fn f() { panic!(); } }\nuse crate::schema::avro;"),
        ("encode/rows.rs", "#[cfg(test)] use crate::storage::Storage; use crate::error::Result;"),
        (
            "storage/layout.rs",
            "use crate::protocol::catalog::{Catalog, Stream}; use crate::schema::naming::identifier;",
        ),
        ("storage/lease.rs", "use super::Storage; use super::super::error::Error; fn f<'a>(x: &'a str) {}"),
        ("pipeline/room.rs", "fn f() { std::env::temp_dir(); x.unwrap_or(1); env!(\"X\"); }"),
        ("protocol/scan/simd.rs", "mod arch { use super::super::bitmaps; use super::super::super::reader; }"),
        ("main.rs", "use destination_databricks::sync::Sync; fn f() { ProtocolWriter::stdout(); r.block_on(f) }"),
        ("config/tests.rs", "fn f() { panic!(); }"),
        ("schema/columns.rs", "const ID: &str = \"_airbyte_ab_id\";"),
        ("load/direct.rs", "/// `_airbyte_ab_id`\nconst ID: &str = \"_airbyte_tmp_\";"),
        ("load/direct.rs", "#[cfg(test)]\nmod tests { const ID: &str = \"_airbyte_ab_id\"; }"),
        ("databricks/testing/scripted_server.rs", "fn f() { panic!(); }"),
        ("databricks/mod.rs", "#[cfg(test)]\nmod testing;"),
        ("storage/bucket/mod.rs", "use super::{Home, Storage};"),
        ("storage/s3/mod.rs", "use super::bucket; use crate::storage::s3::provider::S3;"),
    ];
    for (path, code) in no_rule {
        assert_eq!(violations(path, &format!("//! Says what it is.\n{code}")), [""; 0], "{path}: {code}");
    }
    let one_rule: &[(&str, &str)] = &[
        ("encode/rows.rs", "use crate::storage::Storage;"),
        ("encode/rows.rs", "use crate::{error::Error, storage::{Put, Storage}};"),
        ("encode/rows.rs", "fn f() { super::super::storage::open() }"),
        ("encode/rows.rs", "mod inner { use super::super::super::stage::Batch; }"),
        ("encode/rows.rs", "use std::fs::File;"),
        ("encode/rows.rs", "use std::{fmt, io::Write};"),
        ("schema/avro.rs", "use tokio::sync::Mutex;"),
        ("schema/avro.rs", "fn f() { tracing::info!(\"\") }"),
        ("storage/local.rs", "use crate::schema::naming;"),
        ("storage/layout.rs", "use crate::schema::avro;"),
        ("storage/layout.rs", "use crate::pipeline::Stop;"),
        ("storage/bucket/probe.rs", "use crate::storage::s3::conditions::BucketAddress;"),
        ("storage/bucket/mod.rs", "use super::{Storage, s3};"),
        ("databricks/auth.rs", "use crate::pipeline::Stop;"),
        ("stage/mod.rs", "fn f() { tokio::spawn(async {}); }"),
        ("tasks/stop.rs", "use crate::pipeline::Progress;"),
        ("pipeline/mod.rs", "fn f() { runtime.block_on(f) }"),
        ("stage/mod.rs", "fn f() { std::thread::spawn(|| {}); }"),
        ("stage/mod.rs", "fn f() { std::thread::Builder::new().spawn(f) }"),
        ("stage/mod.rs", "fn f() { std::io::stdout(); }"),
        ("stage/mod.rs", "fn f() { ProtocolWriter::stdout(); }"),
        ("stage/mod.rs", "fn f() { println!(\"\") }"),
        ("stage/mod.rs", "use std::env;"),
        ("stage/mod.rs", "fn f() { std::env::var(\"X\"); }"),
        ("pipeline/flow.rs", "fn f() { self.writer.deliver([state]) }"),
        ("pipeline/flow.rs", "fn f() { state.acknowledge(1) }"),
        ("pipeline/flow.rs", "fn f() { SystemTime::now() }"),
        ("pipeline/flow.rs", "fn finish(&mut self, stream: usize) {}"),
        ("pipeline/flow.rs", "fn f<'a>() { x.unwrap() }"),
        ("pipeline/flow.rs", "fn f() { x.expect(\"\") }"),
        ("pipeline/flow.rs", "fn f() { todo!() }"),
        ("pipeline/flow.rs", "mod flow_tests;"),
        ("databricks/mod.rs", "mod testing;"),
        ("databricks/testing.rs", "fn f() { panic!(); }"),
        ("novelty/mod.rs", "fn f() {}"),
        ("delta/bounds.rs", "const ID: &str = \"_airbyte_ab_id\";"),
        ("load/sql/plan.rs", "const READ: &str = r#\"SELECT `_airbyte_data` FROM t\"#;"),
        ("pipeline/flow.rs", &"\n".repeat(LONGEST)),
    ];
    for (path, code) in one_rule {
        let found = violations(path, &format!("//! Says what it is.\n{code}"));
        assert_eq!(found.len(), 1, "{path}: {code}: {found:?}");
    }
    assert_eq!(violations("clock.rs", "fn f() {}").len(), 1, "a file says first what it is");
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("the sources").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            collect(root, &entry, files);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let name = entry.strip_prefix(root).expect("below the root").to_str().expect("an ASCII name");
            files.push((name.replace('\\', "/"), std::fs::read_to_string(&entry).expect("a text")));
        }
    }
}

/// What `text`, the file at `path` below `src`, does against the rules: one line each.
fn violations(path: &str, text: &str) -> Vec<String> {
    let mut found = BTreeSet::new();
    if !text.starts_with("//! ") {
        found.insert(format!("src/{path}:1: a file opens with `//!` and says what it is"));
    }
    let length = text.lines().count();
    if length > LONGEST {
        found.insert(format!("src/{path}: {length} lines are more than {LONGEST}"));
    }
    if !is_for_tests(path) {
        code_violations(path, &without_tests(tokens(text)), &mut found);
        let literals = without_tests(tokens_and_literals(text)).into_iter().filter(Token::is_literal);
        for Token { text, line } in literals.filter(|_| path != NAMES_COLUMNS) {
            let named = COLUMNS.iter().find(|column| text.contains(**column));
            found.extend(
                named.map(|column| format!("src/{path}:{line}: `{column}`: only {NAMES_COLUMNS} names columns")),
            );
        }
    }
    found.into_iter().collect()
}

/// What [`MAY_IMPORT`] allows and no source outside tests imports.
fn unused_permissions(files: &[(String, String)]) -> Vec<(&'static str, &'static str)> {
    let mut used = BTreeSet::new();
    for (path, text) in files.iter().filter(|(path, _)| !is_for_tests(path)) {
        for (_, named) in paths(path, &without_tests(tokens(text))) {
            let other = named.strip_prefix("crate::").and_then(|inside| inside.split("::").next());
            used.extend(other.map(|other| (module_of(path).to_owned(), other.to_owned())));
        }
    }
    let allowed = MAY_IMPORT.iter().flat_map(|(module, may)| may.iter().map(move |other| (*module, *other)));
    allowed.filter(|(module, other)| !used.contains(&((*module).to_owned(), (*other).to_owned()))).collect()
}

fn module_of(path: &str) -> &str {
    path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

/// Whether the file at `path` holds tests or, in a folder `testing`, what tests run against.
fn is_for_tests(path: &str) -> bool {
    path.ends_with("tests.rs") || path.split('/').any(|folder| folder == "testing")
}

fn code_violations(path: &str, tokens: &[Token<'_>], found: &mut BTreeSet<String>) {
    let module = module_of(path);
    let may = MAY_IMPORT.iter().find(|(name, _)| *name == module).map(|(_, may)| *may);
    if may.is_none() && !matches!(module, "main" | "lib") {
        found.insert(format!("src/{path}: module `{module}` is not in the table of {}", file!()));
    }
    let named = paths(path, tokens);
    for (line, named) in &named {
        let at = format!("src/{path}:{line}");
        if let (Some(inside), Some(may)) = (named.strip_prefix("crate::"), may) {
            let other = inside.split("::").next().unwrap_or_default();
            let also = ALSO.iter().any(|(file, what)| *file == path && holds(inside, what));
            // What is no module is an item of `lib.rs` itself.
            let is_module = MAY_IMPORT.iter().any(|(name, _)| *name == other);
            if is_module && other != module && other != "error" && !may.contains(&other) && !also {
                found.insert(format!("{at}: `{module}` may not import `{other}`"));
            }
        }
        let never = NEVER.iter().find(|(folder, what, _)| path.starts_with(folder) && holds(named, what));
        found.extend(never.map(|(_, what, why)| format!("{at}: `{what}`: {why}")));
        if PURE.contains(&module) {
            let impure = IMPURE.iter().find(|impure| named.starts_with(**impure) && holds(named, impure));
            found.extend(impure.map(|impure| format!("{at}: `{module}` is pure and may not use `{impure}`")));
        }
    }
    for (words, places, why) in ONLY {
        if places.iter().any(|place| path == *place || (place.ends_with('/') && path.starts_with(place))) {
            continue;
        }
        for word in words {
            let excused = |named: &str| EXCEPT.iter().any(|(file, what)| *file == path && named == *what);
            let lines: Vec<usize> = if word.contains("::") {
                let says = |(_, named): &&(usize, String)| holds(named, word) && !excused(named);
                named.iter().filter(says).map(|(line, _)| *line).collect()
            } else {
                let word = sources::tokens(word);
                let same = |said: &&[Token<'_>]| said.iter().zip(&word).all(|(said, word)| said.text == word.text);
                tokens.windows(word.len()).filter(same).map(|said| said[0].line).collect()
            };
            found.extend(lines.iter().map(|line| format!("src/{path}:{line}: `{word}`: {why}")));
        }
    }
    let is_of_tests = |name: &str| name.ends_with("tests") || name == "testing";
    for pair in tokens.windows(2).filter(|pair| pair[0].text == "mod" && is_of_tests(pair[1].text)) {
        found.insert(format!("src/{path}:{}: tests stand under `#[cfg(test)]`", pair[0].line));
    }
}

/// Whether the path `named` has the segments of `part`, one behind the other.
fn holds(named: &str, part: &str) -> bool {
    format!("::{named}::").contains(&format!("::{part}::"))
}
