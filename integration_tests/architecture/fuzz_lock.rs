//! The fuzz targets are a package of their own, with a lock file of its own, which only `cargo fuzz` reads.

use std::path::Path;

/// The names of the direct dependencies in `manifest`, a Cargo.toml.
fn declared(manifest: &str) -> Vec<&str> {
    let section = manifest.split_once("\n[dependencies]\n").expect("dependencies").1;
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    let names = lines.filter(|line| line.starts_with(|first: char| first.is_ascii_alphabetic()));
    names.filter_map(|line| line.split([' ', '=', '.']).next()).collect()
}

/// The names of what the program depends on in `lock`, a Cargo.lock.
fn locked(lock: &str) -> Vec<&str> {
    let package = lock.split_once("\nname = \"destination-databricks\"\n").expect("the program").1;
    let package = package.split("\n[[package]]").next().expect("its lines");
    package.lines().filter_map(|line| line.strip_prefix(" \"")?.split(['"', ' ']).next()).collect()
}

#[test]
fn the_lock_file_of_the_fuzz_targets_knows_every_dependency_of_the_program() {
    let read = |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path);
    let (manifest, lock) = (read("Cargo.toml"), read("fuzz/Cargo.lock"));
    let (declared, locked) = (declared(&manifest), locked(&lock));
    assert!(declared.len() > 20, "{declared:?}");
    let missing: Vec<_> = declared.iter().filter(|name| !locked.contains(*name)).collect();
    assert!(missing.is_empty(), "run `cargo check` in fuzz: its lock file lacks {missing:?}");
}
