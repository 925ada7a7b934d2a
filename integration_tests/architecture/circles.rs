//! Files of one module that import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::sources::{paths, tokens, without_tests};

/// Modules whose files have an order: none imports one that, by whatever way, imports it.
const ORDERED: [&str; 10] =
    ["check", "config", "databricks", "delta", "load", "pipeline", "protocol", "recovery", "stage", "tasks"];

/// A line for each of [`ORDERED`] in which files (folders count as one) import each other in a circle. A `mod.rs`, which
/// everybody below it may ask, does not count.
pub fn circles(files: &[(String, String)]) -> Vec<String> {
    let within = |module: &&str| {
        let mut imports = BTreeMap::<String, BTreeSet<String>>::new();
        for (path, text) in files {
            let Some(file) = path.strip_prefix(*module).and_then(|rest| rest.strip_prefix('/')) else { continue };
            let file = first(file);
            if matches!(file, "mod" | "testing") || file.ends_with("tests") {
                continue;
            }
            let inside = format!("crate::{module}::");
            let named = paths(path, &without_tests(tokens(text)));
            let others = named.iter().filter_map(|(_, named)| named.strip_prefix(&inside)).map(first);
            let others = others.filter(|other| *other != file).map(str::to_owned);
            imports.entry(file.to_owned()).or_default().extend(others);
        }
        // A name that is no file is an item of `mod.rs`.
        let files: BTreeSet<String> = imports.keys().cloned().collect();
        imports.values_mut().for_each(|others| others.retain(|other| files.contains(other)));
        // Whoever imports nobody that is left is in no circle.
        while let Some(free) = imports.iter().find(|(_, others)| others.is_empty()).map(|(file, _)| file.clone()) {
            imports.remove(&free);
            imports.values_mut().for_each(|others| others.retain(|other| *other != free));
        }
        let left: Vec<&str> = imports.keys().map(String::as_str).collect();
        (!left.is_empty()).then(|| format!("src/{module}: files import each other in a circle: {}", left.join(", ")))
    };
    ORDERED.iter().filter_map(within).collect()
}

/// The first name of a path of files or of modules.
fn first(path: &str) -> &str {
    path.split(['/', ':', '.']).next().unwrap_or_default()
}

#[test]
fn a_circle_is_seen_and_an_order_is_none() {
    let file = |name: &str, code: &str| (format!("databricks/{name}.rs"), code.to_owned());
    let ordered = [
        file("mod", "use self::http::Http; pub trait Sql {}"),
        file("http", "use super::conditions::explain; use super::Sql; use super::testing::Server;"),
        file("conditions/mod", "use crate::databricks::server_error::ServerError;"),
        file("server_error", "#[cfg(test)] use super::http::Http;"),
        file("testing/server", "use crate::databricks::http::Http;"),
    ];
    assert_eq!(circles(&ordered), [""; 0]);
    let mut circle = ordered.to_vec();
    circle.push(file("conditions/words", "fn f() { super::super::http::send() }"));
    let found = circles(&circle);
    assert!(found.len() == 1 && found[0].ends_with("in a circle: conditions, http"), "{found:?}");
}
