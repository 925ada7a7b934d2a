//! Disks that are full: without room for temporary files every key is compared all the same, and without room in the table's folder the
//! sync says so and leaves the table as it was.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::dedup::model::numbers;
use crate::dedup::streams::Stream;
use crate::messages::state;
use crate::on_disk::at;
use crate::place::ENVIRONMENT;
use crate::program::{Living, Run, Sandbox, program, skipped};
use crate::table;

const KEYS: u64 = 40_000;

fn users() -> Stream {
    let number = json!({"type": "integer"});
    Stream::users(json!({"id": number, "at": number, "n": number, "pad": {"type": "string"}}), &["id"], &["at"])
}

fn line(id: u64, at: u64, n: u64) -> String {
    format!(
        "{{\"type\":\"RECORD\",\"record\":{{\"stream\":\"users\",\"data\":{{\"id\":{id},\"at\":{at},\"n\":{n}}},\"emitted_at\":1}}}}\n"
    )
}

/// Runs the program where `script`, which has it and its arguments as `"$@"`, puts it.
fn write_in(sandbox: &Sandbox, config: &Path, script: &str, input: &str) -> Run {
    let catalog = sandbox.file("catalog.json", users().catalog().to_string());
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(program().get_program()).args(["write", "--config"]).arg(config);
    command.arg("--catalog").arg(catalog).envs(ENVIRONMENT).current_dir(sandbox.folder());
    let mut living = Living::start(&mut command);
    living.send(input);
    living.end()
}

/// Whether this process may mount a small disk: only root may.
fn may_mount(test: &str) -> bool {
    let output = Command::new("sh").args(["-c", "unshare -m mount -t tmpfs nothing /mnt"]).output();
    let may = output.is_ok_and(|output| output.status.success());
    if !may {
        skipped(test, "only root may mount a small disk");
    }
    may
}

#[test]
fn without_room_for_temporary_files_the_newest_row_of_each_key_stays_all_the_same() {
    if !may_mount("without_room_for_temporary_files_the_newest_row_of_each_key_stays_all_the_same") {
        return;
    }
    let first: String = (0..KEYS).map(|id| line(id, 5, id)).collect();
    let second: String = (0..KEYS).map(|id| line(id, if id % 2 == 0 { 6 } else { 4 }, KEYS + id)).collect();
    let expected = (0..KEYS).map(|id| if id % 2 == 0 { KEYS + id } else { id });
    let mut expected: Vec<u64> = expected.collect();
    expected.sort_unstable();
    for (layout, kilobytes) in [("columns", 4), ("columns", 600), ("raw", 200), ("columns", 3000), ("classic", 64)] {
        let sandbox = Sandbox::with(json!({"table_layout": layout, "memory_limit_mb": 16}));
        let script = format!(
            "exec unshare -m sh -c 'mkdir -p small && mount -t tmpfs -o size={kilobytes}k nothing small && TMPDIR=$PWD/small exec \"$@\"' sh \"$@\""
        );
        for input in [&first, &second] {
            let run = write_in(&sandbox, &sandbox.config(), &script, input);
            assert_eq!(run.code, Some(0), "{layout}, {kilobytes} kB: {run:#?}");
        }
        assert!(numbers(&sandbox.table("default/users")) == expected, "{layout}, {kilobytes} kB");
        table::assert_tidy(&sandbox.lake());
    }
    // And where there is no folder for them at all.
    let sandbox = Sandbox::with(json!({"table_layout": "columns", "memory_limit_mb": 16}));
    for input in [&first, &second] {
        let run = write_in(&sandbox, &sandbox.config(), "TMPDIR=$PWD/is-not-there exec \"$@\"", input);
        assert_eq!(run.code, Some(0), "{run:#?}");
    }
    assert!(numbers(&sandbox.table("default/users")) == expected);
}

/// A text that no codec makes shorter.
fn noise(n: u64) -> String {
    let mix = |n: u64| {
        let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(0x9e37_79b9_7f4a_7c15);
        (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
    };
    (0..40).map(|k| format!("{:016x}", mix(n * 40 + k))).collect()
}

#[test]
fn a_full_disk_under_the_tables_fails_the_sync_and_the_table_is_as_it_was() {
    if !may_mount("a_full_disk_under_the_tables_fails_the_sync_and_the_table_is_as_it_was") {
        return;
    }
    for layout in ["raw", "columns"] {
        let sandbox = Sandbox::with(json!({"table_layout": layout}));
        let input = |rows: &[(u64, u64)]| {
            let row = |(id, n): &(u64, u64)| users().record(0, &json!({"id": id, "at": n, "n": n, "pad": noise(*n)}));
            rows.iter().map(row).collect::<String>() + &state("users", 1) + &users().complete()
        };
        let old: Vec<(u64, u64)> = (0..3000).map(|n| (n, n)).collect();
        sandbox.load(&users().catalog(), input(&old));
        let size: usize = sandbox.lake().objects().iter().map(|object| object.get().unwrap().len()).sum();
        assert!(size > 1_000_000, "{size}");
        // What one changed row costs is nothing, and the file that it is in is written again.
        let second = input(&[(7, 5000)]);
        let small = sandbox.folder().join("small");
        let source = json!({"data_source_type": "LOCAL_STORAGE", "local_path": small, "local_path_is_ephemeral": true});
        let mut settings = sandbox.settings().clone();
        settings["data_source"] = source;
        let config = sandbox.file("small.json", settings.to_string());
        for (room, is_enough) in [(size / 2, false), (size * 3, true)] {
            let script = format!(
                "exec unshare -m sh -c 'rm -rf small after && mkdir small after && mount -t tmpfs -o size={} nothing small && \
                 cp -a lake/. small/ && \"$@\"; code=$?; cp -a small/. after/; exit $code' sh \"$@\"",
                size + room
            );
            let run = write_in(&sandbox, &config, &script, &second);
            let after = at(&sandbox.folder().join("after"));
            let found = numbers(&after.join("default/users"));
            if is_enough {
                assert_eq!(run.code, Some(0), "{layout}: {run:#?}");
                assert!(found.contains(&5000) && !found.contains(&7) && found.len() == 3000, "{layout}");
            } else {
                let error = run.failure();
                let told = error["message"].as_str().unwrap().to_lowercase();
                assert!(told.contains("space") || told.contains("full"), "{layout}: {error}");
                assert_eq!(run.states(), Vec::<Value>::new(), "{layout}");
                assert_eq!(found, (0..3000).collect::<Vec<_>>(), "{layout}");
            }
            table::assert_tidy(&after);
        }
    }
}

#[test]
fn hashes_of_keys_leave_their_disk_room_for_the_files_of_the_tables() {
    if !may_mount("hashes_of_keys_leave_their_disk_room_for_the_files_of_the_tables") {
        return;
    }
    let sandbox = Sandbox::with(json!({"table_layout": "columns"}));
    let small = sandbox.folder().join("small");
    let mut settings = sandbox.settings().clone();
    settings["data_source"] =
        json!({"data_source_type": "LOCAL_STORAGE", "local_path": small.join("lake"), "local_path_is_ephemeral": true});
    let config = sandbox.file("small.json", settings.to_string());
    // The hashes of all rows, and what orders them, take twice the disk.
    let script = "exec unshare -m sh -c 'mkdir small after && mount -t tmpfs -o size=8m nothing small && mkdir small/tmp && \
                  TMPDIR=$PWD/small/tmp \"$@\"; code=$?; cp -a small/lake/. after/; exit $code' sh \"$@\"";
    let rows = 300_000;
    let input: String = (0..rows).map(|id| line(id, 1, id)).collect();
    let run = write_in(&sandbox, &config, script, &(input + &state("users", 1)));
    assert_eq!(run.code, Some(0), "{run:#?}");
    let after = at(&sandbox.folder().join("after"));
    assert!(numbers(&after.join("default/users")) == (0..rows).collect::<Vec<_>>());
    table::assert_tidy(&after);
}
