//! What others have put into a table's log: links, pipes, folders, files without an end. The sync neither follows nor waits, and
//! says what is in the way.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::messages::{append, records};
use crate::program::Sandbox;
use crate::table;

/// Puts something that is no file to the path that it is given, in the sandbox.
type Plant = fn(&Sandbox, &Path);

const PLANTS: [(&str, Plant); 5] = [
    ("a pipe", |_, path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
    ("a link to a device", |_, path| symlink("/dev/zero", path).unwrap()),
    ("a link to nothing", |_, path| symlink("nothing", path).unwrap()),
    ("a link to a file", |sandbox, path| {
        symlink(sandbox.table("default/others/_delta_log/00000000000000000000.json"), path).unwrap();
    }),
    ("a folder", |_, path| std::fs::create_dir(path).unwrap()),
];

/// A sandbox with a table `users` of three commits, and one `others`.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.load(&append(&["others"]), records("others", 0..2));
    for range in [0..3, 3..5] {
        sandbox.load(&append(&["users"]), records("users", range));
    }
    sandbox
}

fn in_log(sandbox: &Sandbox, name: &str) -> PathBuf {
    sandbox.table("default/users/_delta_log").join(name)
}

/// The number of the next commit of `users`.
fn next(sandbox: &Sandbox) -> usize {
    (0..).find(|version| !table::commit(&sandbox.table("default/users"), *version).exists()).unwrap()
}

#[test]
fn a_commit_that_is_no_file_is_named_and_neither_followed_nor_waited_for() {
    for (what, plant) in PLANTS {
        let sandbox = sandbox();
        let commit = table::commit(&sandbox.table("default/users"), next(&sandbox));
        plant(&sandbox, &commit);
        let run = sandbox.write(&append(&["users"]), records("users", 5..9));
        let message = run.failed_with("config_error");
        let name = commit.file_name().unwrap().to_str().unwrap();
        assert!(message.contains(name) && message.contains("remove it"), "{what}: {message}");
        std::fs::remove_file(&commit).or_else(|_| std::fs::remove_dir(&commit)).unwrap();
        sandbox.load(&append(&["users"]), records("users", 5..9));
        assert_eq!(table::data(&sandbox.table("default/users")).len(), 9, "{what}");
    }
}

#[test]
fn a_log_of_nothing_but_what_is_no_file_is_no_table_and_not_gone_either() {
    for (what, plant) in PLANTS {
        let sandbox = Sandbox::new();
        sandbox.load(&append(&["others"]), records("others", 0..2));
        std::fs::create_dir_all(in_log(&sandbox, "")).unwrap();
        plant(&sandbox, &in_log(&sandbox, "00000000000000000000.json"));
        let run = sandbox.write(&append(&["users"]), records("users", 0..3));
        let message = run.failed_with("config_error");
        assert!(message.contains("00000000000000000000.json"), "{what}: {message}");
        assert!(!in_log(&sandbox, "00000000000000000001.json").exists(), "{what}");
    }
}

#[test]
fn hints_and_sums_that_are_no_files_are_not_needed() {
    for (what, plant) in PLANTS {
        for name in ["_last_checkpoint", "00000000000000000001.crc", "00000000000000000000.json.tmp", "_sidecars"] {
            let sandbox = sandbox();
            plant(&sandbox, &in_log(&sandbox, name));
            sandbox.load(&append(&["users"]), records("users", 5..9));
            assert_eq!(table::data(&sandbox.table("default/users")).len(), 9, "{what}: {name}");
        }
    }
}

#[test]
fn a_checkpoint_that_is_no_file_is_done_without_or_named() {
    for (what, plant) in PLANTS {
        let sandbox = sandbox();
        let newest = format!("{:020}.checkpoint.parquet", next(&sandbox) - 1);
        plant(&sandbox, &in_log(&sandbox, &newest));
        let run = sandbox.write(&append(&["users"]), records("users", 5..9));
        if run.code == Some(0) {
            assert_eq!(table::data(&sandbox.table("default/users")).len(), 9, "{what}");
        } else {
            assert!(run.failed_with("config_error").contains(&newest), "{what}: {run:#?}");
        }
    }
}

#[test]
fn a_commit_of_more_bytes_than_any_is_refused_unread() {
    for length in [300 << 20, 3 << 30] {
        let sandbox = sandbox();
        let commit = table::commit(&sandbox.table("default/users"), next(&sandbox));
        File::create(&commit).unwrap().set_len(length).unwrap();
        let run = sandbox.write(&append(&["users"]), records("users", 5..9));
        let message = run.failed_with("config_error");
        assert!(message.contains("256 MiB"), "{message}");
    }
}

#[test]
fn hints_and_sums_of_more_bytes_than_any_are_not_needed() {
    for length in [2 << 20, 65 << 20, 3 << 30] {
        for name in ["_last_checkpoint", "the newest sum"] {
            let sandbox = sandbox();
            let sum = format!("{:020}.crc", next(&sandbox) - 1);
            let file = in_log(&sandbox, if name == "_last_checkpoint" { name } else { &sum });
            File::create(&file).unwrap().set_len(length).unwrap();
            sandbox.load(&append(&["users"]), records("users", 5..9));
            assert_eq!(table::data(&sandbox.table("default/users")).len(), 9, "{name}: {length}");
        }
    }
}
