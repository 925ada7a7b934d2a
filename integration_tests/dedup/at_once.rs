//! Two syncs at once into one table, whose keys overlap: each key is there once, with its newest row, and nothing that was acknowledged
//! is lost.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::files::assert_all_kept;
use super::model::numbers;
use super::streams::{Stream, layouts};
use crate::lake::Location;
use crate::messages::{said, state};
use crate::place::Place;
use crate::program::{Living, Run, Sandbox};
use crate::table;

/// Records of both sources together: one sends the even ones, the other the odd ones.
const RECORDS: u64 = 240;
const KEYS: u64 = 30;
/// Records between two STATEs.
const EVERY: u64 = 20;

fn users() -> Stream {
    let properties = json!({
        "id": {"type": "integer"}, "at": {"type": "integer"}, "n": {"type": "integer"}, "pad": {"type": "string"},
    });
    Stream::users(properties, &["id"], &["at"])
}

/// The key of record `n`, for both sources the same ones.
fn id_of(n: u64) -> u64 {
    (n / 2) * 7 % KEYS
}

/// What a source sends of its records from `from` on, in parts that end with a STATE.
fn source(which: u64, from: u64) -> Vec<String> {
    let mine = (from..RECORDS).filter(|n| n % 2 == which);
    let row = |n: u64| json!({"id": id_of(n), "at": n, "n": n, "pad": "é".repeat(12_000)});
    let end = |n: u64| if n % EVERY >= EVERY - 2 { state("users", n + 1) } else { String::new() };
    let part = |n: u64| users().record(0, &row(n)) + &end(n);
    mine.map(part).collect()
}

/// How far a source has been acknowledged.
fn state_of(run: &Run) -> u64 {
    run.states().iter().map(said).max().unwrap_or(0)
}

/// The newest record of each key among those that either source has sent up to its place.
fn newest(places: [u64; 2]) -> BTreeMap<u64, u64> {
    (0..RECORDS).filter(|n| *n < places[(n % 2) as usize]).map(|n| (id_of(n), n)).collect()
}

/// Every key is there once, and not older than what was acknowledged.
fn assert_acknowledged(folder: &Location, places: [u64; 2], what: &str) {
    let found = numbers(folder);
    let keys: BTreeSet<u64> = found.iter().map(|n| id_of(*n)).collect();
    assert_eq!(keys.len(), found.len(), "{what}: a key is there twice: {found:?}");
    for (id, n) in newest(places) {
        assert!(found.iter().any(|other| id_of(*other) == id && *other >= n), "{what}: {n} is lost: {found:?}");
    }
}

fn sandbox(layout: &str) -> Sandbox {
    Sandbox::with(json!({"table_layout": layout, "memory_limit_mb": 16, "flush_size_mb": 1}))
}

/// Sends both what they are to send, a bit of each in turn.
fn send_in_turn(syncs: &mut [Living; 2], parts: [Vec<String>; 2]) {
    for at in 0..parts[0].len().max(parts[1].len()) {
        for (sync, parts) in syncs.iter_mut().zip(&parts) {
            sync.send(parts.get(at).cloned().unwrap_or_default());
        }
    }
}

#[test]
fn two_syncs_at_once_leave_the_newest_row_of_each_key_of_both() {
    for layout in layouts("raw") {
        let sandbox = sandbox(layout);
        let folder = sandbox.table("default/users");
        let mut syncs = [0, 1].map(|_| sandbox.start(&users().catalog()));
        send_in_turn(&mut syncs, [source(0, 0), source(1, 0)]);
        syncs.iter_mut().for_each(Living::close);
        for sync in syncs {
            let run = sync.end();
            assert_eq!(run.code, Some(0), "{layout}: {run:#?}");
            assert_eq!(run.states().len() as u64, RECORDS / EVERY, "{layout}");
        }
        let expected: BTreeSet<u64> = newest([RECORDS; 2]).into_values().collect();
        assert_eq!(numbers(&folder), expected.into_iter().collect::<Vec<_>>(), "{layout}");
        assert!(table::read(&folder).versions > 3, "{layout}: one load of each is no test");
        assert_all_kept(&folder);
        sandbox.load(&crate::messages::append(&["others"]), "");
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn a_sync_that_is_killed_beside_another_one_loses_nothing_and_goes_on() {
    for layout in layouts("columns") {
        let sandbox = sandbox(layout);
        let folder = sandbox.table("default/users");
        let mut syncs = [0, 1].map(|_| sandbox.start(&users().catalog()));
        send_in_turn(&mut syncs, [source(0, 0), source(1, 0)]);
        let [mut dies, lives] = syncs;
        dies.next_state();
        let died = state_of(&dies.kill());
        let lived = lives.end();
        assert_eq!(lived.code, Some(0), "{layout}: {lived:#?}");
        assert_acknowledged(&folder, [died, state_of(&lived)], layout);
        sandbox.load(&users().catalog(), source(0, died).concat());
        let expected: BTreeSet<u64> = newest([RECORDS; 2]).into_values().collect();
        assert_eq!(numbers(&folder), expected.into_iter().collect::<Vec<_>>(), "{layout}");
        assert_all_kept(&folder);
        if Place::SWEEPS_AT_ONCE {
            sandbox.load(&crate::messages::append(&["others"]), "");
            table::assert_tidy(&sandbox.lake());
        }
    }
}
