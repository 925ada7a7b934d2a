//! Delta logs that are damaged. A damaged checkpoint or hint is ignored; a damaged or missing commit is an error that names
//! it; a log without its first commit is no table.

use serde_json::Value;

use crate::lake::Location;
use crate::messages::{append, overwrite, records};
use crate::program::Sandbox;
use crate::python::{has, python};
use crate::table;

fn log(folder: &Location) -> Location {
    folder.join("_delta_log")
}

fn checkpoint(folder: &Location, version: usize) -> Location {
    log(folder).join(&format!("{version:020}.checkpoint.parquet"))
}

fn hint(folder: &Location) -> Location {
    log(folder).join("_last_checkpoint")
}

/// The table `users` with the rows of `versions` loads, one each, and its folder.
fn loaded(versions: u64) -> (Sandbox, Location) {
    let sandbox = Sandbox::new();
    (0..versions).for_each(|n| drop(sandbox.load(&append(&["users"]), records("users", n..n + 1))));
    let folder = sandbox.table("default/users");
    (sandbox, folder)
}

fn data(range: std::ops::Range<u64>) -> Vec<String> {
    let mut data: Vec<String> = range.map(crate::messages::numbered).collect();
    data.sort();
    data
}

fn delete_if_there(object: &Location) {
    if object.exists() {
        object.delete();
    }
}

fn cut(path: &Location, keep: usize) {
    let bytes = path.get().unwrap();
    path.put(&bytes[..keep.min(bytes.len())]);
}

/// Loads go on after `damage` to a table of 12 rows with a checkpoint of version 10, a replacement too, and other readers
/// find the table whole afterwards.
fn assert_gone_around(name: &str, damage: impl Fn(&Location)) {
    let (sandbox, folder) = loaded(12);
    assert!(checkpoint(&folder, 10).exists() && hint(&folder).exists());
    damage(&folder);
    sandbox.load(&append(&["users"]), records("users", 12..13));
    assert_eq!(table::data(&folder), data(0..13), "{name}");
    if has("damaged logs", "deltalake") {
        let script = "import os, sys\nfrom deltalake import DeltaTable\nt = DeltaTable(sys.argv[1])\n\
                      print(t.version(), t.to_pyarrow_table().num_rows)\nsys.stdout.flush()\nos._exit(0)";
        let read = python(script, &[sandbox.path("default/users")]).unwrap();
        let said = String::from_utf8_lossy(&read.stdout).into_owned();
        assert_eq!(said.trim(), "12 13", "{name}: {}", String::from_utf8_lossy(&read.stderr));
    }
    damage(&folder);
    sandbox.load(&overwrite(&["users"]), records("users", 20..22));
    assert_eq!(table::data(&folder), data(20..22), "{name}");
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_hint_of_a_checkpoint_that_is_gone_is_gone_around() {
    assert_gone_around("checkpoints gone", |folder| {
        for version in 0..20 {
            delete_if_there(&checkpoint(folder, version));
        }
    });
    assert_gone_around("a hint beyond the log", |folder| {
        hint(folder).put(r#"{"version":400,"size":3}"#);
    });
    assert_gone_around("a hint of parts", |folder| {
        hint(folder).put(r#"{"version":10,"size":3,"parts":2}"#);
        let part = log(folder).join(&format!("{:020}.checkpoint.0000000001.0000000002.parquet", 10));
        if checkpoint(folder, 10).exists() {
            part.put(checkpoint(folder, 10).get().unwrap());
            checkpoint(folder, 10).delete();
        }
    });
    assert_gone_around("a hint that is no JSON", |folder| hint(folder).put("{\"version\":1"));
    assert_gone_around("an empty hint", |folder| hint(folder).put(""));
}

#[test]
fn a_damaged_checkpoint_is_gone_around() {
    let all =
        |folder: &Location| (0..20).map(|version| checkpoint(folder, version)).filter(|path| path.exists()).collect();
    let all = |folder: &Location| -> Vec<Location> { all(folder) };
    for keep in [0, 3, 100, 2000] {
        assert_gone_around(&format!("{keep} bytes"), |folder| all(folder).iter().for_each(|path| cut(path, keep)));
    }
    assert_gone_around("no hint either", |folder| {
        all(folder).iter().for_each(|path| cut(path, 500));
        delete_if_there(&hint(folder));
    });
    assert_gone_around("zeros in the middle", |folder| {
        for path in all(folder) {
            let mut bytes = path.get().unwrap();
            let (from, to) = (4, bytes.len() / 2);
            bytes[from..to].fill(0);
            path.put(bytes);
        }
    });
    assert_gone_around("no Parquet file", |folder| {
        all(folder).iter().for_each(|path| path.put("{}\n"));
    });
}

#[test]
fn a_checkpoint_without_a_hint_is_what_a_stop_between_the_two_leaves() {
    let (sandbox, folder) = loaded(11);
    hint(&folder).delete();
    let run = sandbox.load(&append(&["users"]), records("users", 11..12));
    assert_eq!(run.logs("WARN"), [""; 0]);
    assert_eq!(table::data(&folder), data(0..12));
}

#[test]
fn an_older_checkpoint_stands_in_for_a_damaged_one_where_the_first_commits_are_cleaned_up() {
    let (sandbox, folder) = loaded(22);
    (0..9).for_each(|version| table::commit(&folder, version).delete());
    cut(&checkpoint(&folder, 20), 1000);
    sandbox.load(&append(&["users"]), records("users", 22..23));
    let newest: Value = serde_json::from_slice(&hint(&folder).get().unwrap()).unwrap();
    assert_eq!(newest["version"], 22);
    // Without the older one there is nothing to begin with, and commits 10 to 22 alone are no table.
    for version in [10, 20, 22] {
        cut(&checkpoint(&folder, version), 1000);
    }
    let before = folder.objects();
    for streams in [append(&["users"]), overwrite(&["users"])] {
        let message = sandbox.write(&streams, records("users", 23..24)).failed_with("config_error");
        assert!(message.contains("00000000000000000000.json"), "{message}");
    }
    assert_eq!(folder.objects(), before);
}

#[test]
fn a_log_that_begins_in_the_middle_is_no_table_even_if_a_later_commit_says_what_the_table_is() {
    let (sandbox, folder) = loaded(4);
    // As after a change of the table's properties, which writes protocol and metadata again.
    let first = table::commit(&folder, 0).text();
    let said = first.lines().filter(|line| line.contains("\"protocol\"") || line.contains("\"metaData\""));
    table::commit(&folder, 4).put(said.map(|line| format!("{line}\n")).collect::<String>());
    table::commit(&folder, 0).delete();
    let message = sandbox.write(&append(&["users"]), records("users", 4..5)).failed_with("config_error");
    assert!(message.contains("no commit 0"), "{message}");
}

#[test]
fn a_log_without_a_commit_is_no_table_and_is_made_one() {
    for left in [
        "_commit_11112222.json.tmp",
        ".s3-optimization-0",
        "_staged_commits/a.json",
        "00000000000000000000.json#1",
        "00000000000000000000.checkpoint.parquet.tmp",
        "00000000000000000000.json.abc.tmp",
        "00000000000000000000.json.bak",
    ] {
        let sandbox = Sandbox::new();
        let folder = sandbox.table("default/users");
        let left = log(&folder).join(left);
        left.put("");
        for (n, streams) in [append(&["users"]), append(&["users"]), overwrite(&["users"])].iter().enumerate() {
            sandbox.load(streams, records("users", n as u64..n as u64 + 1));
        }
        assert_eq!(table::data(&folder), data(2..3), "{left}");
    }
}

#[test]
fn a_log_that_lost_its_commits_is_told_and_not_begun_anew() {
    let (sandbox, folder) = loaded(11);
    (0..11).for_each(|version| table::commit(&folder, version).delete());
    checkpoint(&folder, 10).delete();
    let message = sandbox.write(&append(&["users"]), records("users", 0..1)).failed_with("config_error");
    assert!(message.contains("_last_checkpoint") && message.contains("lost"), "{message}");
}

#[test]
fn a_damaged_commit_is_named_with_what_to_do() {
    type Damage = fn(&Location);
    let cases: [(&str, usize, Damage); 6] = [
        ("00000000000000000003.json", 3, |path| path.put("\0\0\0\0")),
        ("00000000000000000003.json", 3, |path| cut(path, 200)),
        ("00000000000000000003.json", 3, |path| path.put("")),
        ("00000000000000000002.json", 2, |path| path.delete()),
        ("00000000000000000001.json", 1, |path| path.put("<html>\n")),
        ("00000000000000000000.json", 0, |path| path.put("")),
    ];
    for (name, version, damage) in cases {
        let (sandbox, folder) = loaded(4);
        damage(&table::commit(&folder, version));
        let before = sandbox.lake().objects();
        for streams in [append(&["users"]), overwrite(&["users"])] {
            let message = sandbox.write(&streams, records("users", 9..10)).failed_with("config_error");
            assert!(message.contains(name) && message.contains("_delta_log"), "{name}: {message}");
            assert_eq!(message.contains("you may delete it"), version == 3, "{name}: {message}");
        }
        assert_eq!(sandbox.lake().objects(), before, "{name}");
    }
}

#[test]
fn a_commit_that_says_nothing_is_named_wherever_it_stands_after_the_checkpoint() {
    for (loads, version) in [(5, 2), (5, 0), (5, 4), (14, 12)] {
        for said in ["", "\n \n", "{}\n", "{}\n{\"add\":null}\n"] {
            let (sandbox, folder) = loaded(loads);
            table::commit(&folder, version).put(said);
            let before = sandbox.lake().objects();
            for streams in [append(&["users"]), overwrite(&["users"])] {
                let message = sandbox.write(&streams, records("users", 20..21)).failed_with("config_error");
                assert!(message.contains(&format!("Commit {version:020}.json")), "{said:?}: {message}");
                let newest = version as u64 + 1 == loads;
                assert_eq!(message.contains("you may delete it"), newest, "{said:?}: {message}");
            }
            assert_eq!(sandbox.lake().objects(), before);
        }
    }
}

#[test]
fn a_commit_that_a_checkpoint_stands_for_is_not_named_in_place_of_the_one_that_is_needed() {
    let (sandbox, folder) = loaded(14);
    for version in [3, 12] {
        table::commit(&folder, version).put("");
    }
    let message = sandbox.write(&append(&["users"]), records("users", 20..21)).failed_with("config_error");
    assert!(message.contains("Commit 00000000000000000012.json"), "{message}");
}

#[test]
fn commits_that_only_say_who_wrote_them_are_read_as_ever() {
    let (sandbox, folder) = loaded(2);
    let info = r#"{"commitInfo":{"timestamp":1764000000000,"operation":"WRITE","engineInfo":"delta-rs:py-1.6.6"}}"#;
    for (version, info) in [(2, info), (3, "{\"commitInfo\":{}}\n")] {
        table::commit(&folder, version).put(info);
    }
    let run = sandbox.load(&append(&["users"]), records("users", 2..3));
    assert_eq!(run.logs("WARN"), [""; 0]);
    assert_eq!(table::data(&folder), data(0..3));
}

/// Damages what a checkpoint says of files, which an append does not read, and leaves its end whole.
fn damage_files_of(checkpoint: &Location) {
    let mut bytes = checkpoint.get().unwrap();
    bytes[4..304].fill(0);
    checkpoint.put(bytes);
}

#[test]
fn a_damaged_checkpoint_that_is_noticed_late_is_written_anew_by_the_next_load() {
    let (sandbox, folder) = loaded(12);
    damage_files_of(&checkpoint(&folder, 10));
    let run = sandbox.load(&append(&["users"]), records("users", 12..13));
    assert_eq!(run.logs("WARN").len(), 1, "{run:#?}");
    assert!(checkpoint(&folder, 12).exists());
    let run = sandbox.load(&append(&["users"]), records("users", 13..14));
    assert_eq!(run.logs("WARN"), [""; 0]);
    assert_eq!(table::data(&folder), data(0..14));
    if has("damaged logs", "deltalake") {
        let script = "import os, sys\nfrom deltalake import DeltaTable\nprint(DeltaTable(sys.argv[1]).to_pyarrow_table().num_rows)\n\
                      sys.stdout.flush()\nos._exit(0)";
        let read = python(script, &[sandbox.path("default/users")]).unwrap();
        let said = String::from_utf8_lossy(&read.stdout).into_owned();
        assert_eq!(said.trim(), "14", "{}", String::from_utf8_lossy(&read.stderr));
    }
}

#[test]
fn a_damaged_checkpoint_that_only_the_next_one_is_made_of_is_gone_around() {
    let (sandbox, folder) = loaded(20);
    damage_files_of(&checkpoint(&folder, 10));
    // So many streams that none has its rows counted, and an append reads nothing of the files that are there.
    let names: Vec<String> = (0..200).map(|n| format!("s{n}")).chain(["users".to_owned()]).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    sandbox.load(&append(&names), records("users", 20..21));
    assert!(checkpoint(&folder, 20).exists());
    assert_eq!(table::data(&folder), data(0..21));
}

#[test]
fn a_hint_that_leads_nowhere_does_not_hide_what_is_wrong_with_the_commits() {
    let (sandbox, folder) = loaded(3);
    let first = table::commit(&folder, 0).text();
    let kept = first.lines().filter(|line| !line.contains("\"metaData\"")).map(|line| format!("{line}\n"));
    table::commit(&folder, 0).put(kept.collect::<String>());
    for hint_there in [false, true] {
        if hint_there {
            hint(&folder).put(r#"{"version":10,"size":3}"#);
        }
        let message = sandbox.write(&append(&["users"]), records("users", 3..4)).failed_with("config_error");
        assert!(message.contains("`metaData`"), "{message}");
    }
}

#[test]
fn a_warning_of_a_damaged_checkpoint_is_one_line_whatever_is_asked_of_backtraces() {
    for late in [false, true] {
        let (mut sandbox, folder) = loaded(12);
        if late {
            damage_files_of(&checkpoint(&folder, 10));
        } else {
            checkpoint(&folder, 10).put("");
        }
        sandbox.set_environment("RUST_BACKTRACE", "1");
        let run = sandbox.load(&append(&["users"]), records("users", 12..13));
        let warnings = run.logs("WARN");
        assert_eq!(warnings.len(), 1, "{warnings:#?}");
        assert!(!warnings[0].contains('\n') && !warnings[0].contains("delta_kernel::"), "{warnings:#?}");
    }
}

/// Writes a checksum of version `version`, as Spark does; it repeats what the table is.
fn checksum(folder: &Location, version: usize) {
    let text = table::commit(folder, 0).text();
    let find = |kind: &str| {
        text.lines().find_map(|line| serde_json::from_str::<Value>(line).unwrap().get(kind).cloned()).unwrap()
    };
    let files = table::read(folder).files.len();
    let text = serde_json::json!({
        "tableSizeBytes": 1, "numFiles": files, "numMetadata": 1, "numProtocol": 1, "metadata": find("metaData"),
        "protocol": find("protocol"), "setTransactions": [], "domainMetadata": [],
    });
    log(folder).join(&format!("{version:020}.crc")).put(text.to_string());
}

#[test]
fn a_checksum_does_not_hide_that_the_newest_commit_is_damaged() {
    let damages: [fn(&Location); 3] = [|path| path.put("\0\0\0\0"), |path| cut(path, 200), |path| path.put("")];
    for damage in damages {
        let (sandbox, folder) = loaded(4);
        checksum(&folder, 3);
        sandbox.load(&append(&["users"]), "");
        damage(&table::commit(&folder, 3));
        for streams in [append(&["users"]), overwrite(&["users"])] {
            let message = sandbox.write(&streams, records("users", 9..10)).failed_with("config_error");
            assert!(message.contains("00000000000000000003.json"), "{message}");
        }
    }
}

#[test]
fn a_damaged_checksum_is_passed_over() {
    for bytes in ["", "{", "\0\0", "{\"metadata\":{}}"] {
        let (sandbox, folder) = loaded(3);
        log(&folder).join(&format!("{:020}.crc", 2)).put(bytes);
        sandbox.load(&append(&["users"]), records("users", 3..4));
        sandbox.load(&overwrite(&["users"]), records("users", 4..5));
        assert_eq!(table::data(&folder), data(4..5));
    }
}
