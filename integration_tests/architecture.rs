//! Holds the rules of the sources that a test can see: which module may import which, who may do what.
//!
//! The sources are read as tokens: comments and literals never count, and what stands under `#[cfg(test)]` is free of
//! every rule but the two about whole files. ARCHITECTURE.md says why each rule is there.

mod circles;
mod fuzz_lock;
mod places;
mod purity;
mod sources;

use std::collections::BTreeSet;
use std::path::Path;

use places::{is_in, lines_with};
use sources::{Token, paths, tokens, tokens_and_literals, without_tests};

/// What each module may import from this crate, `error` aside: errors are known everywhere. A module that is not
/// listed here may not exist, so that whoever adds one decides what it may know.
const MAY_IMPORT: [(&str, &[&str]); 39] = [
    ("allocator", &[]),
    (
        "check",
        &[
            "config",
            "databricks",
            "delta",
            "load",
            "opening",
            "protocol",
            "recovery",
            "renewed_config",
            "schema",
            "storage",
            "sync",
            "target",
            "tasks",
        ],
    ),
    ("cli", &["login", "setup"]),
    ("clock", &[]),
    ("config", &["named_file", "schema", "secret"]),
    ("counted", &[]),
    ("databricks", &["clock", "config", "kept", "login_file", "named_file", "redirect", "retry", "secret", "tls"]),
    ("delta", &["schema", "storage"]),
    ("encode", &["config", "counted", "schema"]),
    ("error", &["secret"]),
    ("kept", &[]),
    (
        "load",
        &[
            "clock",
            "counted",
            "databricks",
            "delta",
            "merge",
            "recovery",
            "retry",
            "schema",
            "stage",
            "storage",
            "target",
            "tasks",
        ],
    ),
    ("login", &["config", "databricks", "login_file", "named_file", "secret", "tasks"]),
    ("login_file", &["named_file", "secret"]),
    ("merge", &["encode", "schema", "temporary"]),
    ("named_file", &[]),
    ("opening", &["config", "databricks", "load", "schema", "storage"]),
    ("pipeline", &["clock", "counted", "encode", "load", "protocol", "stage", "tasks", "temporary"]),
    ("plain", &[]),
    ("process", &[]),
    ("protocol", &["named_file", "schema", "secret"]),
    ("recovery", &["delta", "storage", "target"]),
    ("redirect", &[]),
    ("renewed_config", &["config", "databricks", "sync"]),
    ("retry", &[]),
    ("schema", &[]),
    ("secret", &[]),
    (
        "setup",
        &[
            "config",
            "databricks",
            "login_file",
            "named_file",
            "protocol",
            "schema",
            "secret",
            "stream_schemas",
            "target",
        ],
    ),
    ("spec", &[]),
    ("stage", &["clock", "delta", "encode", "recovery", "schema", "storage", "target"]),
    ("storage", &["config", "databricks", "kept", "redirect", "retry", "secret", "tls"]),
    ("stream_schemas", &["config", "counted", "protocol", "schema"]),
    (
        "sync",
        &[
            "clock", "config", "counted", "delta", "encode", "load", "opening", "pipeline", "protocol", "recovery",
            "stage", "storage", "target", "tasks",
        ],
    ),
    ("tasks", &[]),
    ("target", &["delta", "protocol", "schema"]),
    ("telemetry", &["counted", "pipeline", "protocol", "secret"]),
    ("temporary", &[]),
    ("tls", &["config"]),
    (
        "write",
        &[
            "config",
            "counted",
            "pipeline",
            "protocol",
            "renewed_config",
            "stream_schemas",
            "sync",
            "tasks",
            "telemetry",
        ],
    ),
];

/// Imports beyond the table: one file, one module.
const ALSO: [(&str, &str); 1] = [("load/mod.rs", "protocol::catalog")];

/// Words that only some places may say. A place is a file or, with a `/` at its end, a folder. A word with `::` is a
/// part of a path, also of one that a `use` with braces spells; any other word is tokens that follow each other.
const ONLY: [(&[&str], &[&str], &str); 13] = [
    // A browser is a process of its own. The parts of one upload go on being sent while the rows of the next one are encoded. A renewal whose answer may hold the only good
    // refresh token is done to its end. Where the first thread has too small a
    // stack, all of the program runs on another.
    (
        &["spawn(", "spawn_blocking(", "spawn_local(", "JoinSet"],
        &["databricks/sign_in/", "login/mod.rs", "pipeline/", "process.rs", "tasks/", "storage/bucket/upload.rs"],
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
    (
        &["storage::Home", "storage::Folder", "storage::OwnFolder", "storage::Bucket", "storage::Failure", ".home("],
        &["storage/", "recovery/lease/", "recovery/unfinished.rs"],
        "only leases and left-overs differ between a folder and a bucket: all others know `Storage`",
    ),
    (&["staged::Begins"], &["stage/", "load/"], "the engine says when a staging begins, and only `stage` acts on it"),
    (&["SystemTime::now", "Utc::now", "Local::now"], &["clock.rs"], "only `clock` tells the time of day"),
    // A sweeper signs each lease that it takes over with a text that nobody else writes.
    (
        &["Uuid::now_v7", "Uuid::new_v7", "Uuid::new_v4"],
        &["clock.rs", "recovery/lease/object.rs"],
        "only `clock` makes ids and random bits",
    ),
    (
        &[".unwrap(", ".expect(", ".unwrap_err(", ".expect_err(", "todo!", "unimplemented!", "panic!", "dbg!"],
        &[],
        "what comes from outside must not stop the program",
    ),
];

/// Paths that hold a word of [`ONLY`] and break no rule: the name of the temporary folder, for a message.
const EXCEPT: [(&str, &str); 1] = [("temporary.rs", "std::env::temp_dir")];

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
    let missing = missing_places(&files);
    assert!(missing.is_empty(), "rules name places that are not there: {missing:?}");
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
fn a_rule_about_a_place_that_is_gone_is_seen() {
    let files = [("clock.rs".to_owned(), String::new()), ("storage/s3/mod.rs".to_owned(), String::new())];
    let missing = missing_places(&files);
    assert!(
        ["retry.rs", "main.rs", "load", "load/sql/plan.rs"].iter().all(|gone| missing.contains(gone)),
        "{missing:?}"
    );
    assert!(!missing.iter().any(|place| matches!(*place, "clock" | "clock.rs" | "storage/s3/")), "{missing:?}");
}

#[test]
fn each_rule_is_seen_when_it_is_broken_and_only_then() {
    let no_rule: &[(&str, &str)] = &[
        ("encode/rows.rs", "// tokio::spawn()\n/* std::fs */ const A: &str = \"std::fs\"; const B: char = '\"';"),
        ("encode/rows.rs", "#[cfg(test)]\nmod tests { use std::fs; fn f() { panic!(); } }\nuse crate::schema::avro;"),
        ("encode/rows.rs", "#[cfg(test)] use crate::storage::Storage; use crate::error::Result;"),
        ("target.rs", "use crate::protocol::catalog::{Catalog, Stream}; use crate::schema::naming::identifier;"),
        ("storage/probe.rs", "use super::Storage; use super::super::error::Error; fn f<'a>(x: &'a str) {}"),
        ("recovery/lease/mod.rs", "use crate::storage::{Home, Storage}; fn f() { storage.home() }"),
        (
            "recovery/sweep.rs",
            "use super::lease::Lease; use crate::storage::Storage; use crate::delta::table::TableLog;",
        ),
        ("load/sql/mod.rs", "use crate::recovery::lease::Lease; use crate::stage::staged::{Begins, Staged};"),
        ("temporary.rs", "fn f() { std::env::temp_dir(); x.unwrap_or(1); env!(\"X\"); }"),
        ("protocol/scan/simd.rs", "mod arch { use super::super::bitmaps; use super::super::super::reader; }"),
        ("main.rs", "use destination_databricks::sync::Sync; fn f() { ProtocolWriter::stdout(); r.block_on(f) }"),
        ("config/tests.rs", "#[test]\nfn f() { panic!(); }"),
        ("load/sql/plan_tests.rs", "#[test]\nfn f() {}"),
        ("protocol/scan_tests.rs", "proptest! {}"),
        ("storage/bucket/tests.rs", "#[tokio::test(start_paused = true)]\nasync fn f() {}"),
        ("databricks/testing/scripted_server.rs", "fn f() { panic!(); }"),
        ("databricks/mod.rs", "#[cfg(test)]\nmod testing;"),
    ];
    for (path, code) in no_rule {
        assert_eq!(violations(path, &format!("//! Says what it is.\n{code}")), [""; 0], "{path}: {code}");
    }
    let one_rule: &[(&str, &str)] = &[
        ("encode/rows.rs", "use crate::storage::Storage;"),
        ("encode/rows.rs", "use crate::{error::Error, storage::{Put, Storage}};"),
        ("encode/rows.rs", "fn f() { super::super::storage::open() }"),
        ("encode/rows.rs", "mod inner { use super::super::super::stage::Batch; }"),
        ("storage/local.rs", "use crate::schema::naming;"),
        ("storage/file_names.rs", "use crate::protocol::catalog::Catalog;"),
        ("target.rs", "use crate::pipeline::Stop;"),
        ("target.rs", "use crate::storage::Storage;"),
        ("storage/bucket/mod.rs", "use crate::recovery::lease::Lease;"),
        ("delta/commit.rs", "use crate::recovery::lease::Lease;"),
        ("recovery/sweep.rs", "use crate::load::Loader;"),
        ("recovery/left_behind.rs", "use crate::stage::StagedStream;"),
        ("recovery/contest.rs", "use crate::storage::{Home, Storage};"),
        ("load/sql/mod.rs", "use crate::storage::{Failure, Storage};"),
        ("load/direct.rs", "use crate::storage::Bucket;"),
        ("pipeline/lanes.rs", "use crate::stage::staged::Begins;"),
        ("check/check_run.rs", "fn f() { storage.home() }"),
        ("load/direct.rs", "use crate::protocol::catalog::WriteMode;"),
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
        ("encode/ids.rs", "fn f() { Uuid::now_v7() }"),
        ("pipeline/flow.rs", "fn finish(&mut self, stream: usize) {}"),
        ("pipeline/flow.rs", "fn f<'a>() { x.unwrap() }"),
        ("pipeline/flow.rs", "fn f() { x.expect(\"\") }"),
        ("pipeline/flow.rs", "fn f() { todo!() }"),
        ("pipeline/flow.rs", "mod flow_tests;"),
        ("databricks/mod.rs", "mod testing;"),
        ("databricks/testing.rs", "fn f() { panic!(); }"),
        ("novelty/mod.rs", "fn f() {}"),
        ("load/sql/warehouse_tests.rs", "pub struct Warehouse;"),
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
        let code = without_tests(tokens(text));
        code_violations(path, &code, &mut found);
        let (named, mut literals) = (paths(path, &code), without_tests(tokens_and_literals(text)));
        literals.retain(Token::is_literal);
        found.extend(places::violations(path, &named, &code, &literals));
        found.extend(purity::violations(path, &named, &code));
    } else if path.ends_with("tests.rs") && !has_tests(&tokens(text)) {
        found.insert(format!("src/{path}: what tests run against is in a folder `testing`"));
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

/// What the rules name and is neither a file nor a folder of the sources.
fn missing_places(files: &[(String, String)]) -> BTreeSet<&'static str> {
    let is_there = |place: &&str| files.iter().any(|(path, _)| is_in(path, &[*place]));
    let is_module = |module: &&str| files.iter().any(|(path, _)| module_of(path) == *module);
    let of_files = ALSO.iter().chain(&EXCEPT).map(|(file, _)| *file);
    let of_words = ONLY.iter().flat_map(|(_, places, _)| places.iter().copied());
    let places = of_files.chain(of_words).chain(purity::PURE).chain(places::named_places());
    let modules = MAY_IMPORT.iter().map(|(module, _)| *module);
    places.filter(|place| !is_there(place)).chain(modules.filter(|module| !is_module(module))).collect()
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
    }
    for (words, places, why) in ONLY {
        for word in words.iter().filter(|_| !is_in(path, places)) {
            let excused = |line: &usize| {
                named
                    .iter()
                    .any(|(at, named)| at == line && EXCEPT.iter().any(|(file, what)| *file == path && named == what))
            };
            let lines = lines_with(word, &named, tokens).into_iter().filter(|line| !excused(line));
            found.extend(lines.map(|line| format!("src/{path}:{line}: `{word}`: {why}")));
        }
    }
    let is_of_tests = |name: &str| name.ends_with("tests") || name == "testing";
    for pair in tokens.windows(2).filter(|pair| pair[0].text == "mod" && is_of_tests(pair[1].text)) {
        found.insert(format!("src/{path}:{}: tests stand under `#[cfg(test)]`", pair[0].line));
    }
}

fn has_tests(code: &[Token<'_>]) -> bool {
    let is_mark = |pair: &[Token<'_>]| matches!(pair[0].text, "[" | "::") && pair[1].text == "test";
    code.windows(2).any(is_mark) || code.iter().any(|token| token.text == "proptest")
}

/// Whether the path `named` has the segments of `part`, one behind the other.
fn holds(named: &str, part: &str) -> bool {
    format!("::{named}::").contains(&format!("::{part}::"))
}
