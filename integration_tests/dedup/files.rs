//! What becomes of the files of a table: many loads in one sync, kills between them, files that keep all rows, files that readers of
//! older versions need, and tables that cannot be loaded by keys.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::model::numbers;
use super::streams::layouts;
use crate::lake::Location;
use crate::messages::{catalog, record, said, state, status};
use crate::place::Place;
use crate::program::Sandbox;
use crate::table;

/// A catalog of one stream with the key `key`.
fn keyed(mode: &str, key: &str) -> Value {
    let schema = json!({"type": "object", "properties": {
        "id": {"type": "integer"}, "k": {"type": "integer"}, "at": {"type": "integer"}, "n": {"type": "integer"},
        "pad": {"type": "string"},
    }});
    catalog([json!({
        "stream": {"name": "users", "json_schema": schema, "supported_sync_modes": ["incremental"]},
        "sync_mode": "incremental", "destination_sync_mode": mode,
        "primary_key": [[key]], "cursor_field": ["at"],
    })])
}

/// Record `n` of the key `id`, with so many bytes more.
fn row(n: u64, id: u64, at: u64, pad: usize) -> String {
    record("users", &json!({"id": id, "k": n, "at": at, "n": n, "pad": "é".repeat(pad / 2)}).to_string())
}

/// Every file that any version names is still there.
pub fn assert_all_kept(folder: &Location) {
    let gone: Vec<String> = table::read(folder).named.into_iter().filter(|file| !folder.join(file).exists()).collect();
    assert!(gone.is_empty(), "older versions of {folder} need {gone:?}");
}

/// How many files the newest version of the table adds and removes.
fn changed(folder: &Location) -> (usize, usize) {
    let newest = table::read(folder).versions - 1;
    let text = String::from_utf8(table::commit(folder, newest).get().unwrap()).unwrap();
    let count = |key: &str| text.lines().filter(|line| line.starts_with(&format!("{{\"{key}\":"))).count();
    (count("add"), count("remove"))
}

/// The newest `n` of each key.
fn newest(rows: impl IntoIterator<Item = (u64, u64)>) -> Vec<u64> {
    let mut numbers: Vec<u64> =
        rows.into_iter().map(|(n, id)| (id, n)).collect::<BTreeMap<_, _>>().into_values().collect();
    numbers.sort_unstable();
    numbers
}

/// Records of a source, and between two of its STATEs.
const RECORDS: u64 = 300;
const EVERY: u64 = 10;

/// The key of record `n`: most come back soon, some late.
fn id_of(n: u64) -> u64 {
    if n.is_multiple_of(3) { n % 40 } else { 1000 + n / 7 }
}

/// What the source sends from its place on.
fn source(from: u64) -> Vec<String> {
    let line = |n: u64| {
        let state = if (n + 1).is_multiple_of(EVERY) { state("users", n + 1) } else { String::new() };
        row(n, id_of(n), n, 20_000) + &state
    };
    (from..RECORDS).map(line).collect()
}

#[test]
pub fn a_sync_of_many_loads_leaves_one_row_of_each_key() {
    for layout in layouts("columns") {
        let sandbox = Sandbox::with(json!({"table_layout": layout, "memory_limit_mb": 16, "flush_size_mb": 1}));
        sandbox.load(&keyed("append_dedup", "id"), source(0).concat());
        let folder = sandbox.table("default/users");
        assert_eq!(numbers(&folder), newest((0..RECORDS).map(|n| (n, id_of(n)))), "{layout}");
        assert!(table::read(&folder).versions > 1, "{layout}: one load is no test");
        assert_all_kept(&folder);
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
pub fn loads_of_more_keys_than_memory_has_room_for_leave_one_row_of_each_key() {
    // So many rows of a load are looked at in two parts or more.
    const MANY: u64 = 180_000;
    let sandbox = Sandbox::with(json!({"table_layout": "raw", "memory_limit_mb": 16}));
    let id_of = |n: u64| if n < MANY { n % 150_000 } else { n * 7 % 200_000 };
    let folder = sandbox.table("default/users");
    for first in [0, MANY] {
        let rows: String = (first..first + MANY).map(|n| row(n, id_of(n), n, 0)).collect();
        sandbox.load(&keyed("append_dedup", "id"), rows + &state("users", first));
        assert_eq!(numbers(&folder), newest((0..first + MANY).map(|n| (n, id_of(n)))));
    }
}

#[test]
pub fn a_sync_that_is_killed_between_its_loads_goes_on_with_one_row_of_each_key() {
    for layout in layouts("raw") {
        let sandbox = Sandbox::with(json!({"table_layout": layout, "memory_limit_mb": 16, "flush_size_mb": 1}));
        let folder = sandbox.table("default/users");
        let mut place = 0;
        for _ in 0..4 {
            // So many records are more than a load.
            if place + 100 > RECORDS {
                break;
            }
            let mut living = sandbox.start(&keyed("append_dedup", "id"));
            living.send(source(place).concat());
            living.next_state();
            let run = living.kill();
            place = run.states().iter().map(said).max().unwrap_or(place);
            let found = numbers(&folder);
            for n in newest((0..place).map(|n| (n, id_of(n)))) {
                let is_there = found.contains(&n) || found.iter().any(|other| id_of(*other) == id_of(n) && *other > n);
                assert!(is_there, "{layout}: acknowledged up to {place}, and {n} is missing in {found:?}");
            }
            assert_eq!(found.len(), newest(found.iter().map(|n| (*n, id_of(*n)))).len(), "a key is there twice");
        }
        assert!(place > 0, "no round got as far as a STATE");
        sandbox.load(&keyed("append_dedup", "id"), source(place).concat());
        assert_eq!(numbers(&folder), newest((0..RECORDS).map(|n| (n, id_of(n)))), "{layout}");
        assert_all_kept(&folder);
        if Place::SWEEPS_AT_ONCE {
            table::assert_tidy(&sandbox.lake());
        }
    }
}

/// The keys of a load and of its table take more than what `memory_limit_mb` leaves for them.
#[test]
fn keys_that_do_not_fit_in_memory_are_compared_all_the_same() {
    const KEYS: u64 = 60_000;
    for layout in layouts("columns") {
        let sandbox = Sandbox::with(json!({"table_layout": layout, "memory_limit_mb": 16}));
        let (folder, by_id) = (sandbox.table("default/users"), keyed("append_dedup", "id"));
        let line = |n: u64, id: u64, at: u64| record("users", &format!("{{\"id\":{id},\"at\":{at},\"n\":{n}}}"));
        sandbox.load(&by_id, (0..KEYS).map(|n| line(n, n, 5)).collect::<String>());
        // Of each key an older one, of every third a newer one behind it, of every fifth one behind that which is newer still.
        let older = (0..KEYS).map(|id| line(KEYS + id, id, 4));
        let newer = (0..KEYS).step_by(3).map(|id| line(2 * KEYS + id, id, 6));
        let newest = (0..KEYS).step_by(5).map(|id| line(3 * KEYS + id, id, 7));
        sandbox.load(&by_id, older.chain(newer).chain(newest).collect::<String>());
        let mut expected: Vec<u64> = (0..KEYS)
            .map(|id| match (id % 3, id % 5) {
                (_, 0) => 3 * KEYS + id,
                (0, _) => 2 * KEYS + id,
                _ => id,
            })
            .collect();
        expected.sort_unstable();
        assert!(numbers(&folder) == expected, "{layout}");
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
pub fn only_files_with_a_replaced_row_are_written_again() {
    for layout in layouts("columns") {
        let sandbox = Sandbox::with(json!({"table_layout": layout}));
        let (folder, by_id) = (sandbox.table("default/users"), keyed("append_dedup", "id"));
        let load = |rows: &[(u64, u64, u64)]| {
            let rows: String = rows.iter().map(|(n, id, at)| row(*n, *id, *at, 0)).collect();
            sandbox.load(&by_id, rows + &status("users", "COMPLETE"));
        };
        load(&[(0, 0, 0), (1, 1, 0), (2, 2, 0)]);
        load(&[(3, 3, 0), (4, 4, 0)]);
        assert_eq!((changed(&folder), numbers(&folder)), ((1, 0), vec![0, 1, 2, 3, 4]), "{layout}");
        load(&[(5, 1, 1)]);
        assert_eq!((changed(&folder), numbers(&folder)), ((2, 1), vec![0, 2, 3, 4, 5]), "{layout}");
        // All rows of a file go: nothing is left to be written.
        load(&[(6, 3, 1), (7, 4, 1)]);
        assert_eq!((changed(&folder), numbers(&folder)), ((1, 1), vec![0, 2, 5, 6, 7]), "{layout}");
        // An older one comes too late.
        load(&[(8, 1, 0)]);
        assert_eq!((changed(&folder), numbers(&folder)), ((0, 0), vec![0, 2, 5, 6, 7]), "{layout}");
        // What is staged of one key.
        load(&[(9, 9, 1), (10, 9, 3), (11, 9, 2)]);
        assert_eq!((changed(&folder), numbers(&folder)), ((1, 0), vec![0, 2, 5, 6, 7, 10]), "{layout}");
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
pub fn another_key_and_rows_that_were_appended_leave_one_row_of_each_key_of_now() {
    for layout in layouts("raw") {
        let sandbox = Sandbox::with(json!({"table_layout": layout}));
        let folder = sandbox.table("default/users");
        let load = |mode: &str, key: &str, rows: &[(u64, u64, u64)]| {
            let rows: String = rows.iter().map(|(n, id, at)| row(*n, *id, *at, 0)).collect();
            sandbox.load(&keyed(mode, key), rows);
            numbers(&folder)
        };
        assert_eq!(load("append", "id", &[(0, 1, 0), (1, 1, 5), (2, 2, 0)]), [0, 1, 2], "{layout}");
        assert_eq!(load("append_dedup", "id", &[(3, 3, 0)]), [1, 2, 3], "{layout}: the newest of each key");
        assert_eq!(
            load("append_dedup", "k", &[(4, 3, 0), (5, 3, 0)]),
            [1, 2, 3, 4, 5],
            "{layout}: all have keys of their own"
        );
        assert_eq!(load("append_dedup", "id", &[]), [1, 2, 3, 4, 5], "{layout}: without rows nothing is loaded");
        assert_eq!(load("append_dedup", "id", &[(6, 2, 1)]), [1, 5, 6], "{layout}: 3, 4 and 5 have one key");
        assert_eq!(load("append", "id", &[(7, 2, 0)]), [1, 5, 6, 7], "{layout}");
        assert_eq!(
            load("append_dedup", "id", &[(8, 9, 0)]),
            [1, 5, 6, 8],
            "{layout}: an older row that was appended goes"
        );
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn the_first_load_by_a_key_says_how_many_rows_it_removed_and_no_other_does() {
    let sandbox = Sandbox::with(json!({"table_layout": "columns"}));
    let load = |mode: &str, rows: &[(u64, u64, u64)]| {
        let rows: String = rows.iter().map(|(n, id, at)| row(*n, *id, *at, 0)).collect();
        let run = sandbox.load(&keyed(mode, "id"), rows + &status("users", "COMPLETE"));
        run.logs("WARN").into_iter().filter(|text| text.contains("primary key")).collect::<Vec<_>>()
    };
    assert!(load("append", &[(0, 1, 0), (1, 1, 1), (2, 1, 2), (3, 2, 0), (4, 2, 0), (5, 3, 0)]).is_empty());
    // 3 is replaced by the load, as it would be in any other.
    let told = load("append_dedup", &[(6, 2, 1), (7, 3, 1)]);
    assert!(
        told.len() == 1 && told[0].contains("3 rows were removed") && told[0].contains("default/users"),
        "{told:?}"
    );
    assert!(load("append_dedup", &[(8, 2, 2), (9, 1, 3)]).is_empty());
    assert!(load("append", &[(10, 4, 0)]).is_empty());
    assert!(load("append_dedup", &[(11, 4, 1)]).is_empty(), "no key had several rows");
    assert_eq!(numbers(&sandbox.table("default/users")), [7, 8, 9, 11]);
}

#[test]
pub fn a_table_in_which_rows_cannot_be_replaced_is_a_config_error_that_names_the_property() {
    for (property, part) in
        [("delta.enableChangeDataFeed", "delta.enableChangeDataFeed"), ("delta.appendOnly", "delta.appendOnly")]
    {
        let sandbox = Sandbox::new();
        let folder = sandbox.table("default/users");
        sandbox.load(&keyed("append_dedup", "id"), row(0, 1, 0, 0));
        let mut metadata = table::read(&folder).metadata;
        metadata["configuration"][property] = json!("true");
        let features = ["appendOnly", "invariants", "changeDataFeed"];
        let protocol = json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": features}});
        let actions = format!("{protocol}\n{}\n", json!({"metaData": metadata}));
        table::commit(&folder, 1).put(actions.as_bytes());
        let run = sandbox.write(&keyed("append_dedup", "id"), row(1, 1, 1, 0));
        let said = run.failed_with("config_error");
        assert!(said.contains(part) && said.contains("default/users"), "{said}");
        assert_eq!(numbers(&folder), [0]);
        sandbox.load(&keyed("append", "id"), row(2, 1, 1, 0));
        assert_eq!(numbers(&folder), [0, 2]);
    }
}
