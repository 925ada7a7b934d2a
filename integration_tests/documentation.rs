//! Checks the documentation against the program: links resolve, every setting is described, the README stays one page.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Lines that a newcomer reads in three minutes.
const README_LINES: usize = 150;

#[test]
fn every_link_between_pages_leads_to_a_file_and_a_heading() {
    let mut wrong = Vec::new();
    for page in pages() {
        for target in links(&fs::read_to_string(&page).unwrap()) {
            if !leads_somewhere(&page, &target) {
                wrong.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere:\n{}", wrong.join("\n"));
}

#[test]
fn a_link_to_a_page_or_heading_that_is_not_there_is_found() {
    let page = root().join("docs/limits.md");
    assert!(leads_somewhere(&page, "s3.md#file-names") && leads_somewhere(&page, "../README.md"));
    assert!(!leads_somewhere(&page, "s3.md#no-such-heading"));
    assert!(!leads_somewhere(&page, "no_such_page.md"));
}

#[test]
fn every_setting_of_the_specification_is_described() {
    let spec: Value = serde_json::from_str(include_str!("golden/spec.json")).unwrap();
    let mut names = BTreeSet::new();
    settings(
        spec.get("connectionSpecification").or_else(|| spec.pointer("/spec/connectionSpecification")).unwrap(),
        &mut names,
    );
    assert!(names.contains("memory_limit_mb") && names.contains("s3_bucket_name"), "{names:?}");
    let page = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let missing: Vec<&String> = names.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/configuration.md says nothing of {missing:?}");
}

#[test]
fn every_page_is_in_the_index_and_the_readme_is_one_page() {
    let index = fs::read_to_string(root().join("docs/README.md")).unwrap();
    for page in pages().iter().filter(|page| page.parent() == Some(&root().join("docs"))) {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(name == "README.md" || index.contains(&format!("({name})")), "docs/README.md does not list {name}");
    }
    let lines = fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines <= README_LINES, "README.md has {lines} lines, more than {README_LINES}");
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    let of = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let all = of(root()).chain(of(root().join("docs")));
    all.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// Targets of `[…](target)` that lie in this repository.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://") && !target.contains(' ')).map(str::to_owned).collect()
}

fn leads_somewhere(page: &Path, target: &str) -> bool {
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() { page.to_owned() } else { page.parent().unwrap().join(file) };
    if heading.is_empty() {
        return path.exists();
    }
    fs::read_to_string(path).is_ok_and(|text| text.lines().any(|line| line.starts_with('#') && anchor(line) == heading))
}

/// A heading's anchor as GitHub makes it: lower case, words joined by `-`, other signs left out.
fn anchor(line: &str) -> String {
    let heading = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    heading.chars().filter(|sign| sign.is_alphanumeric() || matches!(sign, '-' | '_')).collect()
}

/// Names of all properties that are no objects themselves.
fn settings(schema: &Value, names: &mut BTreeSet<String>) {
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if property.get("oneOf").is_none() && property.get("properties").is_none() {
            names.insert(name.clone());
        }
        settings(property, names);
    }
    for variant in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
        settings(variant, names);
    }
}
