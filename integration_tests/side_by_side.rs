//! Syncs that run at the same time in one lake: none touches the staging of another, and two syncs into one table both
//! land.

use serde_json::json;

use crate::messages::{append, numbered, overwrite, padded, record, records, state};
use crate::program::{Sandbox, until};
use crate::table;

fn batch(stream: &str, from: u64) -> String {
    (from..from + 1000).map(|n| record(stream, &padded(n, 1200))).collect::<String>() + &state(stream, from)
}

fn small_flushes() -> Sandbox {
    Sandbox::with(json!({"memory_limit_mb": 16, "flush_size_mb": 1}))
}

#[test]
fn a_living_syncs_staging_is_not_swept() {
    let sandbox = small_flushes();
    let mut living = sandbox.start(&overwrite(&["users"]));
    living.send(batch("users", 0));
    let staged =
        || table::staging(&sandbox.lake()).iter().any(|sync| table::commit(&sync.join("default/users"), 0).exists());
    until("a staged batch", staged);
    let files = table::staging(&sandbox.lake())[0].objects();

    sandbox.load(&append(&["pets"]), records("pets", 0..3));
    assert_eq!(sandbox.check().code, Some(0));
    assert!(files.iter().all(|file| file.exists()), "{files:?}");

    let run = living.end();
    assert_eq!((run.code, run.states().len()), (Some(0), 1), "{run:#?}");
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 1000);
    assert_eq!(table::read(&sandbox.table("default/pets")).rows.len(), 3);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_sync_that_has_staged_nothing_yet_is_not_swept_either() {
    let sandbox = Sandbox::new();
    let mut living = sandbox.start(&append(&["users"]));
    living.has_read_so_far();
    let folders = table::staging(&sandbox.lake());
    assert_eq!(folders.len(), 1);
    sandbox.load(&append(&["pets"]), "");
    assert_eq!(table::staging(&sandbox.lake()), folders);
    living.send(records("users", 0..3));
    assert_eq!(living.end().code, Some(0));
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 3);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn two_syncs_into_one_table_both_land() {
    // Once into a table that both of them want to make, once into one that is there.
    let sandbox = small_flushes();
    for round in 1..=2 {
        let mut syncs = [sandbox.start(&append(&["users"])), sandbox.start(&append(&["users"]))];
        for part in 0..5u64 {
            for (number, sync) in syncs.iter_mut().enumerate() {
                sync.send(batch("users", number as u64 * 100_000 + part * 1000));
            }
        }
        for sync in syncs {
            let run = sync.end();
            assert_eq!((run.code, run.states().len()), (Some(0), 5), "{run:#?}");
        }
        let mut expected: Vec<String> = (0..5000).chain(100_000..105_000).map(|n| padded(n, 1200)).collect();
        expected = std::iter::repeat_n(expected, round).flatten().collect();
        expected.sort();
        assert!(table::data(&sandbox.table("default/users")) == expected, "round {round}: other rows than were sent");
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn many_syncs_at_once_make_one_table() {
    let sandbox = Sandbox::new();
    let mut syncs: Vec<_> = (0..6).map(|_| sandbox.start(&append(&["users"]))).collect();
    for (number, sync) in syncs.iter_mut().enumerate() {
        sync.send(record("users", &format!("{{\"n\":{number}}}")));
        sync.has_read_so_far();
    }
    // All of them have seen that there is no table, and now end at the same time.
    let ends: Vec<_> = syncs.into_iter().map(|sync| std::thread::spawn(|| sync.end())).collect();
    for end in ends {
        let run = end.join().unwrap();
        assert_eq!(run.code, Some(0), "{run:#?}");
    }
    assert_eq!(
        table::data(&sandbox.table("default/users")),
        (0..6).map(|n| format!("{{\"n\":{n}}}")).collect::<Vec<_>>()
    );
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn an_append_beside_an_overwrite_is_in_the_table_or_was_replaced_by_it() {
    let sandbox = Sandbox::new();
    sandbox.load(&append(&["users"]), records("users", 0..2));
    let mut replacing = sandbox.start(&overwrite(&["users"]));
    replacing.send(records("users", 10..12));
    replacing.has_read_so_far();
    sandbox.load(&append(&["users"]), records("users", 5..6));
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 3);
    assert_eq!(replacing.end().code, Some(0));
    // It ended last, so its rows are all there is.
    assert_eq!(table::data(&sandbox.table("default/users")), [r#"{"n":10}"#, r#"{"n":11}"#]);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn of_overwrites_that_end_at_the_same_moment_the_table_has_the_rows_of_one() {
    for round in 0..3 {
        let sandbox = Sandbox::new();
        if round > 0 {
            sandbox.load(&append(&["users"]), records("users", 0..2));
        }
        let mut syncs: Vec<_> = (1..=4).map(|_| sandbox.start(&overwrite(&["users"]))).collect();
        for (number, sync) in (1..).zip(&mut syncs) {
            sync.send(records("users", 10 * number..10 * number + 5) + &state("users", number));
            sync.has_read_so_far();
        }
        let runs: Vec<_> = std::thread::scope(|scope| {
            let ends: Vec<_> = syncs.into_iter().map(|sync| scope.spawn(|| sync.end())).collect();
            ends.into_iter().map(|end| end.join().unwrap()).collect()
        });
        assert!(runs.iter().all(|run| (run.code, run.states().len()) == (Some(0), 1)), "{runs:#?}");
        let of = |number: u64| (10 * number..10 * number + 5).map(numbered).collect::<Vec<_>>();
        let found = table::data(&sandbox.table("default/users"));
        assert!((1..=4).any(|number| of(number) == found), "{found:?}");
        table::assert_tidy(&sandbox.lake());
    }
}
