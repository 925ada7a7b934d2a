//! What killed syncs leave behind, in a folder. Made by hand, since a kill would have to hit one instant: the next sync
//! sweeps it, and nothing else.

use std::path::{Path, PathBuf};

use serde_json::json;
use uuid::Uuid;

use crate::messages::{append, overwrite, padded, record, records, state};
use crate::on_disk;
use crate::program::Sandbox;
use crate::table;

/// Turns the staging folder that a sync was told to keep into one that it left when it was killed.
fn died(staging: &Path) {
    std::fs::rename(staging.join("sync.kept"), staging.join("sync.lock")).unwrap();
}

/// A sync that was killed between the move of its files and the commit of the table's version `version`.
fn killed_before_commit(sandbox: &Sandbox, version: usize) -> Vec<PathBuf> {
    let folder = sandbox.path("default/users");
    let before = table::try_read(&on_disk::at(&folder)).map(|table| table.named).unwrap_or_default();
    let kept = on_disk::staging(sandbox.root());
    assert_eq!(kept.len(), 1, "{kept:?}");
    let text = std::fs::read_to_string(on_disk::commit(&folder, version)).unwrap();
    std::fs::remove_file(on_disk::commit(&folder, version)).unwrap();
    died(&kept[0]);
    let added = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let added: Vec<String> = added.filter_map(|action| action["add"]["path"].as_str().map(str::to_owned)).collect();
    assert!(!added.is_empty() && before.iter().any(|name| added.contains(name)));
    added.into_iter().map(|name| folder.join(name)).collect()
}

#[test]
fn files_that_were_moved_and_never_committed_are_swept_from_a_table() {
    for is_of_an_older_version in [false, true] {
        let mut sandbox = Sandbox::new();
        sandbox.load(&append(&["users"]), records("users", 0..3));
        sandbox.set(json!({"purge_staging_data": false}));
        sandbox.load(&append(&["users"]), records("users", 3..6));
        let orphans = killed_before_commit(&sandbox, 1);
        assert!(orphans.iter().all(|file| file.exists()));
        let list = table::staging(&sandbox.lake()).remove(0).join("sync.left_behind.json");
        assert!(list.text().contains(r#""finalTable":"default/users""#));
        if is_of_an_older_version {
            // Its staging log alone says where its files are.
            list.delete();
        }
        sandbox.set(json!({}));
        sandbox.load(&append(&["users"]), records("users", 6..7));
        assert!(orphans.iter().all(|file| !file.exists()), "{orphans:?}");
        assert_eq!(table::data(&sandbox.table("default/users")), [0, 1, 2, 6].map(|n| format!("{{\"n\":{n}}}")));
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn files_of_a_table_that_forgets_who_wrote_them_are_not_swept() {
    let mut sandbox = Sandbox::new();
    sandbox.load(&append(&["users"]), records("users", 0..3));
    let folder = sandbox.path("default/users");
    let edit = |version: usize, from: &str, to: &str| {
        let text = std::fs::read_to_string(on_disk::commit(&folder, version)).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(on_disk::commit(&folder, version), text.replacen(from, to, 1)).unwrap();
    };
    edit(
        0,
        r#""configuration":{"#,
        r#""configuration":{"delta.setTransactionRetentionDuration":"interval 1 seconds","#,
    );
    sandbox.set(json!({"purge_staging_data": false}));
    sandbox.load(&append(&["users"]), records("users", 3..6));
    edit(1, r#""lastUpdated":1"#, r#""lastUpdated":0,"was":1"#);
    died(&on_disk::staging(sandbox.root())[0]);
    sandbox.set(json!({}));
    sandbox.load(&append(&["pets"]), "");
    assert_eq!(table::read(&on_disk::at(&folder)).rows.len(), 6);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn files_of_a_table_that_was_never_made_are_swept_too() {
    let mut sandbox = Sandbox::with(json!({"purge_staging_data": false}));
    sandbox.load(&append(&["users"]), records("users", 0..3));
    let orphans = killed_before_commit(&sandbox, 0);
    sandbox.set(json!({}));
    // A sync that has nothing to do with that table sweeps it as well.
    sandbox.load(&append(&["pets"]), "");
    assert!(orphans.iter().all(|file| !file.exists()), "{orphans:?}");
    sandbox.load(&append(&["users"]), records("users", 5..6));
    assert_eq!(table::data(&sandbox.table("default/users")), [r#"{"n":5}"#]);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn files_for_an_overwrite_that_was_never_committed_are_swept_and_the_old_rows_stay() {
    let mut sandbox = Sandbox::new();
    sandbox.load(&overwrite(&["users"]), records("users", 0..3));
    sandbox.set(json!({"purge_staging_data": false}));
    sandbox.load(&overwrite(&["users"]), records("users", 3..6));
    let orphans = killed_before_commit(&sandbox, 1);
    sandbox.set(json!({}));
    sandbox.load(&append(&["pets"]), "");
    assert!(orphans.iter().all(|file| !file.exists()), "{orphans:?}");
    assert_eq!(table::data(&sandbox.table("default/users")), [0, 1, 2].map(|n| format!("{{\"n\":{n}}}")));
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn only_the_batches_that_were_not_committed_are_swept() {
    let mut sandbox = Sandbox::with(json!({"purge_staging_data": false, "memory_limit_mb": 16, "flush_size_mb": 1}));
    let folder = sandbox.path("default/users");
    let mut living = sandbox.start(&append(&["users"]));
    for batch in 0..3 {
        living.send((batch * 1000..(batch + 1) * 1000).map(|n| record("users", &padded(n, 1200))).collect::<String>());
        living.send(state("users", batch));
        living.next_state();
    }
    assert_eq!(living.end().code, Some(0));
    let whole = table::read(&on_disk::at(&folder));
    assert_eq!((whole.versions, whole.rows.len()), (3, 3000), "one commit a batch");
    let orphans = killed_before_commit(&sandbox, 2);
    sandbox.set(json!({}));
    sandbox.load(&append(&["pets"]), "");
    assert!(orphans.iter().all(|file| !file.exists()), "{orphans:?}");
    assert_eq!(table::read(&on_disk::at(&folder)).rows, whole.rows[..2000]);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn half_written_files_of_a_killed_sync_are_swept() {
    let mut sandbox = Sandbox::with(json!({"purge_staging_data": false}));
    sandbox.load(&append(&["users"]), records("users", 0..3));
    let folder = sandbox.path("default/users");
    for name in ["2026_01_01_1_0_0123.parquet#1", "_delta_log/00000000000000000001.json#12"] {
        std::fs::write(folder.join(name), "half").unwrap();
    }
    // Not a temporary's name: somebody else's business.
    std::fs::write(folder.join("_delta_log/notes#today"), "kept").unwrap();
    died(&on_disk::staging(sandbox.root())[0]);
    sandbox.set(json!({}));
    sandbox.load(&append(&["pets"]), "");
    assert!(folder.join("_delta_log/notes#today").exists());
    std::fs::remove_file(folder.join("_delta_log/notes#today")).unwrap();
    assert_eq!(table::read(&on_disk::at(&folder)).rows.len(), 3);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn what_a_user_keeps_stays_through_later_syncs() {
    let mut sandbox = Sandbox::with(json!({"purge_staging_data": false}));
    sandbox.load(&append(&["users"]), records("users", 0..3));
    let kept = on_disk::staging(sandbox.root());
    assert_eq!(kept.len(), 1);
    let files = on_disk::files(&kept[0]);
    assert_eq!(
        table::data(&on_disk::at(&kept[0].join("default/users"))).len(),
        3,
        "what was staged is a Delta table of its own"
    );

    sandbox.set(json!({}));
    sandbox.load(&append(&["users"]), records("users", 3..5));
    assert_eq!(sandbox.check().code, Some(0));
    assert_eq!((on_disk::staging(sandbox.root()), on_disk::files(&kept[0])), (kept.clone(), files));
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 5);
    table::assert_tables_tidy(&sandbox.lake());
}

#[test]
fn folders_that_are_no_staging_stay() {
    let sandbox = Sandbox::new();
    let young = sandbox.root().join(Uuid::now_v7().to_string());
    let simple = sandbox.root().join(Uuid::now_v7().simple().to_string());
    let other = sandbox.root().join("lake of others");
    for folder in [&young, &simple, &other] {
        std::fs::create_dir(folder).unwrap();
    }
    let file = sandbox.root().join(Uuid::now_v7().to_string());
    std::fs::write(&file, "a file, not a folder").unwrap();
    sandbox.load(&append(&["users"]), records("users", 0..3));
    // A folder without a lock may be one that another sync is making this very moment.
    for path in [&young, &simple, &other, &file] {
        assert!(path.exists(), "{}", path.display());
    }
}

#[test]
fn a_dead_sync_whose_staging_log_is_broken_does_not_stop_others() {
    let mut sandbox = Sandbox::with(json!({"purge_staging_data": false}));
    sandbox.load(&append(&["users"]), records("users", 0..3));
    let staging = on_disk::staging(sandbox.root()).remove(0);
    std::fs::write(on_disk::commit(&staging.join("default/users"), 0), "{\"add\":{\"pa").unwrap();
    died(&staging);
    sandbox.set(json!({}));
    sandbox.load(&append(&["users"]), records("users", 3..5));
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 5);
    table::assert_tables_tidy(&sandbox.lake());
}

#[test]
fn a_folder_of_somebody_else_is_not_swept_though_it_is_called_like_a_sync() {
    let sandbox = Sandbox::new();
    let foreign = sandbox.root().join(Uuid::now_v7().to_string());
    let precious = foreign.join("public/users/part.parquet");
    std::fs::create_dir_all(precious.parent().unwrap()).unwrap();
    std::fs::write(&precious, "rows").unwrap();
    for folder in [&foreign, &precious] {
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        std::fs::File::open(folder).unwrap().set_modified(long_ago).unwrap();
    }
    sandbox.load(&append(&["users"]), records("users", 0..3));
    assert!(precious.exists());
}
