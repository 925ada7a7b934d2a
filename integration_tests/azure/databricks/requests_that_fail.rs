//! Requests to the container that fail, and syncs that are killed at one, where Databricks loads what is staged: no acknowledged row
//! is missing, none is there twice, and the next sync leaves only the tables. The rows of one file take several blocks.

use std::time::Duration;

use serde_json::{Value, json};

use crate::action::KINDS;
use crate::bucket::{Staging, staged_as};
use crate::lake::Location;
use crate::messages::{append, overwrite, padded, record, said, state, status};
use crate::program::{Run, Sandbox};
use crate::proxy::{Fault, Proxy, Rule};
use crate::server::server;
use crate::table;
use crate::victim::{Victim, When, fault};

/// A lease is old after this time.
const AGE: Duration = Duration::from_millis(9000);
/// The server tells the age of a blob by whole seconds.
const SECOND: Duration = Duration::from_millis(1200);
/// Of a record, which no codec makes smaller than a block with the others of its file.
const SIZE: usize = 400_000;
const ROWS: u64 = 60;

/// A file in blocks, and a small one, each with its STATE.
fn input(from: u64) -> String {
    let batch = |rows: std::ops::Range<u64>| {
        let end = rows.end;
        rows.map(|n| record("users", &padded(n, SIZE))).collect::<String>() + &state("users", end)
    };
    [0..50, 50..ROWS].into_iter().filter(|rows| rows.start >= from).map(batch).collect()
}

fn through(sandbox: &mut Sandbox, proxy: &Proxy) {
    let source = sandbox.place().bucket().source_through(&proxy.endpoint());
    sandbox.set(json!({"data_source": source, "memory_limit_mb": 128, "flush_size_mb": 1}));
}

fn run(sandbox: &Sandbox, victim: &Victim, streams: &Value, input: &str) -> Run {
    let mut living = sandbox.start(streams);
    victim.is(&living);
    living.send(input);
    living.end()
}

fn times(sandbox: &Sandbox) -> Vec<usize> {
    let rows = table::data(&sandbox.table("default/users"));
    (0..ROWS).map(|n| rows.iter().filter(|row| **row == padded(n, SIZE)).count()).collect()
}

fn assert_only_tables(sandbox: &Sandbox, what: &str) {
    let left = table::staging(&sandbox.lake());
    assert!(left.is_empty(), "{what}: {:?}", left.iter().map(Location::objects).collect::<Vec<_>>());
    assert_eq!(sandbox.place().tables(), ["users"], "{what}");
}

/// A sync that appends, and one that replaces the rows, each while requests of every kind fail twice with `fault`.
fn gets_over(what: &str, fault: &Fault) {
    let proxy = Proxy::start(server().port(), Vec::new());
    let mut sandbox = Sandbox::new();
    through(&mut sandbox, &proxy);
    for streams in [append(&["users"]), overwrite(&["users"])] {
        proxy.set(KINDS.map(|(_, which)| Rule::every(which, fault.clone()).times(2)).into());
        let run = sandbox.load(&streams, input(0) + &status("users", "COMPLETE"));
        assert_eq!(said(run.states().last().unwrap()), ROWS, "{what}");
        assert_eq!(times(&sandbox), vec![1; ROWS as usize], "{what}");
        assert_only_tables(&sandbox, what);
    }
    for (kind, which) in KINDS {
        // Tables are Databricks' to commit and to copy; whether a log is staged is a question of the format.
        if !["commit", "copy"].contains(&kind) {
            assert!(proxy.seen().iter().any(which), "{what}: no {kind}");
        }
    }
}

fn every_fault() {
    for (what, fault) in [
        ("busy", Fault::Answer(503, "ServerBusy")),
        ("refused", Fault::Refuse),
        ("a page of a gateway", Fault::Page(502)),
        ("done, answered 500", Fault::DoneButAnswer(500, "InternalError")),
        ("half a request", Fault::HalfRequest),
        ("half an answer", Fault::HalfAnswer),
    ] {
        gets_over(what, &fault);
    }
}

fn every_kill() {
    let proxy = Proxy::start(server().port(), Vec::new());
    let mut sandbox = Sandbox::new();
    through(&mut sandbox, &proxy);
    sandbox.load(&append(&["users"]), input(0));
    let steps = u32::try_from(proxy.seen().len()).unwrap();
    let both = [When::Before, When::After];
    killed_at(both.into_iter().flat_map(|when| (1..=steps).map(move |step| (when, Which::Nth(step)))));
}

/// Which request a sync is killed at.
#[derive(Debug, Clone, Copy)]
enum Which {
    /// The `n`th of all.
    Nth(u32),
    /// The first of a kind.
    First(&'static str),
}

/// Kills syncs at requests; the source of each goes on from its last STATE.
fn killed_at(steps: impl IntoIterator<Item = (When, Which)>) {
    let mut killed = Vec::new();
    for (when, which) in steps {
        let (what, victim) = (format!("{when:?} {which:?}"), Victim::default());
        let fault = fault(when, victim.clone());
        let rule = match which {
            Which::Nth(nth) => Rule::nth(nth, |_| true, fault),
            Which::First(kind) => Rule::nth(1, KINDS.iter().find(|(name, _)| *name == kind).unwrap().1, fault),
        };
        let proxy = Proxy::start(server().port(), vec![rule]);
        let mut sandbox = Sandbox::new();
        through(&mut sandbox, &proxy);
        let run = run(&sandbox, &victim, &append(&["users"]), &input(0));
        let place = run.states().last().map_or(0, said);
        // A request fewer than in the first run is one that two batches had together.
        assert!(run.code.is_none() || (run.code == Some(0) && place == ROWS), "{what}: {run:#?}");
        let there = times(&sandbox);
        assert!(there[..place as usize].iter().all(|times| *times == 1), "{what}: acknowledged to {place}: {there:?}");
        sandbox.set(json!({"memory_limit_mb": 128, "flush_size_mb": 1}));
        killed.push((what, sandbox, place));
    }
    std::thread::sleep(AGE + SECOND);
    for (what, mut sandbox, place) in killed {
        sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &AGE.as_millis().to_string());
        sandbox.load(&append(&["users"]), input(place) + &state("users", ROWS));
        for (n, times) in times(&sandbox).into_iter().enumerate() {
            // What was loaded and not acknowledged is sent again: an appending stream cannot know that.
            assert!(times == 1 || (times == 2 && n as u64 >= place), "{what}: row {n} is there {times} times");
        }
        assert_only_tables(&sandbox, &what);
    }
}

/// Every kind of request, also blocks and their list: the server did it, and its answer was lost.
#[test]
fn requests_whose_answer_is_lost_are_made_again_and_nothing_is_there_twice() {
    gets_over("done, cut", &Fault::DoneButCut);
}

#[test]
fn a_sync_that_is_killed_in_its_first_file_is_swept_with_its_csv_folder_and_staging_table() {
    staged_as(Staging::Csv, || {
        killed_at([(When::After, Which::First("part")), (When::Before, Which::First("complete"))]);
    });
}

#[test]
#[ignore = "there is time for one of each kind: see main.rs"]
fn every_fault_of_every_kind_of_request_is_got_over() {
    every_fault();
}

#[test]
#[ignore = "there is time for one of each kind: see main.rs"]
fn a_sync_that_is_killed_at_any_request_loses_nothing_acknowledged_and_is_swept() {
    every_kill();
}
