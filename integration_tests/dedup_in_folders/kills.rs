//! SIGKILL before each step on disk of a sync that writes files of its table again: each key is there once, with its old row or with its
//! new one as what was acknowledged says, older versions keep their files, and the next run leaves nothing behind.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::dedup::files::assert_all_kept;
use crate::dedup::model::numbers;
use crate::dedup::streams::Stream;
use crate::lake::Location;
use crate::messages::{append, state};
use crate::program::Sandbox;
use crate::table;
use crate::traced::{Traced, is_there, steps};

fn users() -> Stream {
    let number = json!({"type": "integer"});
    let properties = json!({"id": number, "at": number, "n": number, "_ab_cdc_deleted_at": {"type": "string"}});
    Stream::users(properties, &["id"], &["at"])
}

fn input(rows: &[Value]) -> String {
    rows.iter().map(|row| users().record(0, row)).collect::<String>() + &state("users", 1) + &users().complete()
}

fn row(id: u64, n: u64) -> Value {
    json!({"id": id, "at": n, "n": n})
}

fn gone(id: u64, at: u64) -> Value {
    json!({"id": id, "at": at, "n": 999, "_ab_cdc_deleted_at": "x"})
}

/// A table of two files.
fn sandbox(layout: &str) -> Sandbox {
    let sandbox = Sandbox::with(json!({"table_layout": layout}));
    sandbox.load(&users().catalog(), input(&[row(1, 1), row(2, 2), row(3, 3)]));
    sandbox.load(&users().catalog(), input(&[row(4, 4), row(5, 5)]));
    sandbox
}

/// A load that takes rows out of both files, and has one that is not the newest of its key itself.
fn second() -> String {
    input(&[row(1, 10), row(1, 11), gone(4, 12), row(6, 13)])
}

const OLD: [u64; 5] = [1, 2, 3, 4, 5];
const NEW: [u64; 5] = [2, 3, 5, 11, 13];

fn killed_at_every_step(layout: &str) {
    let catalog = users().catalog();
    let (mut killed, mut seen) = (0, BTreeSet::new());
    for step in steps("default/users", || (sandbox(layout), catalog.clone(), second())) {
        let what = format!("{layout}, before {step:?}");
        let sandbox = sandbox(layout);
        let folder = sandbox.table("default/users");
        let traced = Traced { sandbox: &sandbox, table: "default/users", catalog: &catalog, input: &second() };
        let run = traced.killed_before(&step);
        assert!(run.code == Some(0) || run.signal == Some(9), "{what}: {run:#?}");
        killed += usize::from(run.signal.is_some());
        let found = numbers(&folder);
        assert!(found == OLD || found == NEW, "{what}: {found:?}");
        assert!(run.states().is_empty() || found == NEW, "{what}: acknowledged, and not there");
        seen.insert(found);
        sandbox.load(&catalog, second());
        assert_eq!(numbers(&folder), NEW, "{what}, and the next run");
        assert_all_kept(&folder);
        // Nobody knows of an empty folder whether a sync is about to begin in it, until it is old.
        let left: Vec<_> = table::staging(&sandbox.lake()).iter().flat_map(Location::objects).collect();
        assert_eq!(left, [], "{what}, and the next run");
        table::assert_tables_tidy(&sandbox.lake());
    }
    assert!(killed > 40, "{layout}: {killed} syncs were killed");
    assert_eq!(seen.len(), 2, "{layout}: none was killed before, or none behind the commit");
}

#[test]
fn a_sync_that_is_killed_at_any_step_of_writing_files_again_leaves_the_old_rows_or_the_new_ones() {
    if is_there("a_sync_that_is_killed_at_any_step_of_writing_files_again_leaves_the_old_rows_or_the_new_ones") {
        killed_at_every_step("columns");
    }
}

/// A file that a sync has added and removed again is in no newest version, and the table does not say any more that it had that load.
#[test]
fn older_versions_keep_their_files_also_where_the_table_forgets_which_loads_it_has() {
    let sandbox = Sandbox::with(json!({"table_layout": "columns", "memory_limit_mb": 16, "flush_size_mb": 1}));
    let (catalog, folder) = (users().catalog(), sandbox.table("default/users"));
    sandbox.load(&catalog, input(&[row(1, 1)]));
    let first = table::commit(&folder, 0);
    let property = r#""configuration":{"delta.setTransactionRetentionDuration":"interval 1 seconds","#;
    first.put(first.text().replacen(r#""configuration":{"#, property, 1));
    let mut living = sandbox.start(&catalog);
    for load in 1..=3 {
        // Enough for a load, and the same keys each time.
        let large =
            |id: u64| json!({"id": id, "at": load * 100 + id, "n": load * 100 + id, "rest": "é".repeat(100_000)});
        living.send((0..8).map(|id| users().record(0, &large(id))).collect::<String>() + &state("users", load));
        living.next_state();
    }
    living.kill();
    assert!(table::read(&folder).versions >= 4);
    assert_all_kept(&folder);
    std::thread::sleep(Duration::from_millis(2100));
    sandbox.load(&append(&["others"]), "");
    assert_all_kept(&folder);
    assert_eq!(numbers(&folder).len(), 8);
}

#[test]
#[ignore = "takes long"]
fn a_sync_that_is_killed_at_any_step_of_writing_files_again_leaves_the_old_rows_or_the_new_ones_in_the_other_layouts() {
    if is_there(
        "a_sync_that_is_killed_at_any_step_of_writing_files_again_leaves_the_old_rows_or_the_new_ones_in_the_other_layouts",
    ) {
        killed_at_every_step("raw");
        killed_at_every_step("classic");
    }
}
