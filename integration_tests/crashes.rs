//! SIGKILL at many moments of a sync: no acknowledged row is missing, every table opens, left-overs are swept.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::messages::{append, catalog, configured, number_of, padded, record, said, state, status, stream_of};
use crate::program::Sandbox;
use crate::table;

const STREAMS: [&str; 3] = ["users", "pets", "cars"];
/// Records of each stream in the whole source.
const RECORDS: u64 = 6000;
/// Records of a stream between two of its STATEs.
const EVERY: u64 = 100;
const ROUNDS: u64 = 25;

fn data(n: u64) -> String {
    padded(n, 400 + (n % 7) as usize * 100)
}

/// What the source sends of all streams, interleaved, when each is at its place in `from`.
fn source(from: &BTreeMap<&str, u64>) -> Vec<String> {
    let mut lines = Vec::new();
    for n in 0..RECORDS {
        for stream in STREAMS {
            if n >= from[stream] {
                lines.push(record(stream, &data(n)));
                if (n + 1) % EVERY == 0 {
                    lines.push(state(stream, n + 1));
                }
            }
        }
    }
    lines
}

/// Moves every stream's place to its last acknowledged STATE.
fn acknowledge(places: &mut BTreeMap<&str, u64>, states: &[Value]) {
    for state in states {
        let place = places.get_mut(stream_of(state)).unwrap();
        assert!(said(state) > *place, "{} says {} after {place}", stream_of(state), said(state));
        *place = said(state);
    }
}

/// Every row is one that was sent, and no acknowledged one is missing.
fn assert_nothing_missing(sandbox: &Sandbox, places: &BTreeMap<&str, u64>) {
    for (stream, place) in places {
        let mut seen = vec![0u32; RECORDS as usize];
        for row in table::data(&sandbox.table(&format!("default/{stream}"))) {
            let n = number_of(&row);
            assert_eq!(row, data(n), "a row that nobody sent");
            seen[n as usize] += 1;
        }
        let missing: Vec<usize> = (0..*place as usize).filter(|n| seen[*n] == 0).collect();
        assert!(missing.is_empty(), "{stream}: acknowledged to {place}, missing {missing:?}");
    }
}

#[test]
fn a_sync_that_is_killed_at_any_moment_loses_nothing_acknowledged() {
    let sandbox = Sandbox::with(json!({"memory_limit_mb": 16, "flush_size_mb": 1, "flush_interval_seconds": 1}));
    let mut places: BTreeMap<&str, u64> = STREAMS.map(|stream| (stream, 0)).into();
    for round in 0..ROUNDS {
        let lines = source(&places);
        let mut living = sandbox.start(&append(&STREAMS));
        // The first rounds die before or while they begin, later ones ever deeper in their input.
        let fed = (round * round * 29) as usize % lines.len().max(1);
        living.send(lines[..fed].concat());
        if round % 3 > 0 {
            living.has_read_so_far();
        }
        if round % 3 == 2 && fed > 6000 {
            // Every stream has more than a flush, and a flush lets a dozen STATEs go: so many are sure to come.
            (0..=round % 8).for_each(|_| drop(living.next_state()));
        }
        let run = living.kill();
        assert_eq!(run.code, None, "{run:#?}");
        acknowledge(&mut places, &run.states());
        assert_nothing_missing(&sandbox, &places);
        assert!(table::staging(&sandbox.lake()).len() <= 1, "what earlier rounds left has been swept");
    }
    assert!(places.values().any(|place| *place > 0), "no round got as far as a STATE");
    let run = sandbox.load(&append(&STREAMS), source(&places).concat());
    acknowledge(&mut places, &run.states());
    assert!(places.values().all(|place| *place == RECORDS), "{places:?}");
    assert_nothing_missing(&sandbox, &places);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_sync_that_is_killed_right_after_a_state_has_its_records() {
    let sandbox = Sandbox::with(json!({"memory_limit_mb": 16, "flush_size_mb": 1}));
    let mut places: BTreeMap<&str, u64> = STREAMS.map(|stream| (stream, 0)).into();
    for _ in 0..3 {
        let mut living = sandbox.start(&append(&STREAMS));
        // More than a flush of every stream, and not the whole of any.
        living.send(source(&places)[..5000].concat());
        living.next_state();
        acknowledge(&mut places, &living.kill().states());
        assert_nothing_missing(&sandbox, &places);
    }
    sandbox.load(&append(&["others"]), "");
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn an_overwrite_that_is_killed_shows_the_old_rows_or_the_new_ones_and_nothing_between() {
    let sandbox = Sandbox::with(json!({"memory_limit_mb": 16, "flush_size_mb": 1}));
    let folder = sandbox.table("default/users");
    let all = |from: u64| {
        let rows = (from..from + 3000).map(|n| record("users", &data(n))).collect::<String>();
        rows + &state("users", from) + &status("users", "COMPLETE")
    };
    let streams = catalog([configured("users", "overwrite"), configured("pets", "append")]);
    sandbox.load(&streams, all(0) + &status("pets", "COMPLETE"));
    let mut shown = 0;
    for round in 1..=10u64 {
        let new = round * 10_000;
        let mut living = sandbox.start(&streams);
        living.send(all(new));
        match round % 3 {
            0 => {
                living.next_state();
            }
            1 => living.has_read_so_far(),
            _ => {}
        }
        let acknowledged = !living.kill().states().is_empty();
        let mut numbers: Vec<u64> = table::data(&folder).iter().map(|row| number_of(row)).collect();
        numbers.sort_unstable();
        let (old_rows, new_rows) = ((shown..shown + 3000), (new..new + 3000));
        assert!(numbers.iter().copied().eq(old_rows) || numbers.iter().copied().eq(new_rows.clone()), "round {round}");
        assert!(!acknowledged || numbers.iter().copied().eq(new_rows), "acknowledged, and the old rows are there");
        shown = numbers[0];
    }
    sandbox.load(&streams, status("users", "COMPLETE") + &status("pets", "COMPLETE"));
    assert_eq!(table::read(&folder).rows, []);
    table::assert_tidy(&sandbox.lake());
}
