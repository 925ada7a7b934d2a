//! SIGKILL at every request: no acknowledged row is ever missing, and once the lease has expired the next sync leaves only
//! the tables.

use std::time::Duration;

use serde_json::json;

use super::action::UPLOAD;
use super::faults;
use super::place::Place;
use super::proxy::{Proxy, Rule};
use super::server::server;
use super::victim::{Victim, When, fault};
use crate::lake::Location;
use crate::messages::{append, numbered, overwrite, padded, record, said, state, status};
use crate::program::{Living, Sandbox};
use crate::table;

/// A lease is old after this time.
pub const AGE: Duration = Duration::from_millis(3000);
/// The server tells the age of an object by whole seconds.
pub const SECOND: Duration = Duration::from_millis(1200);

fn short_leases(sandbox: &mut Sandbox) {
    sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &AGE.as_millis().to_string());
}

const ROWS: u64 = 300;
const SIZE: usize = 12_000;

/// Three batches of rows, each with its STATE.
fn input(from: u64) -> String {
    let batch = |begin: u64| {
        let rows: String = (begin..begin + 100).map(|n| record("users", &padded(n, SIZE))).collect();
        rows + &state("users", begin + 100)
    };
    (0..ROWS).step_by(100).filter(|begin| *begin >= from).map(batch).collect()
}

fn settings(source: serde_json::Value) -> serde_json::Value {
    json!({"data_source": source, "memory_limit_mb": 16, "flush_size_mb": 1})
}

#[test]
fn a_sync_that_is_killed_at_any_request_loses_nothing_acknowledged_and_is_swept() {
    // How many requests there are is seen in a first run.
    let proxy = Proxy::start(server().port(), Vec::new());
    let mut sandbox = Sandbox::new();
    sandbox.set(settings(sandbox.place().source_through(&proxy.endpoint())));
    sandbox.load(&append(&["users"]), input(0));
    let steps = u32::try_from(proxy.seen().len()).unwrap();
    assert!(steps > 15, "{:#?}", proxy.counts());

    // Each step twice: the process dies before the server hears of the request, or before it hears of the answer.
    let mut killed = Vec::new();
    for (when, step) in
        [When::Before, When::After].into_iter().flat_map(|when| (1..=steps).map(move |step| (when, step)))
    {
        let what = format!("{when:?} request {step}");
        let victim = Victim::default();
        let proxy = Proxy::start(server().port(), vec![Rule::nth(step, |_| true, fault(when, victim.clone()))]);
        let mut sandbox = Sandbox::new();
        sandbox.set(settings(sandbox.place().source_through(&proxy.endpoint())));
        let run = start(&sandbox, &victim, &append(&["users"]), &input(0));
        let place = run.states().last().map_or(0, said);
        let rows = table::data(&sandbox.table("default/users"));
        let missing = (0..place).find(|n| !rows.contains(&padded(*n, SIZE)));
        assert_eq!(missing, None, "{what}: a row is missing of those that were acknowledged to {place}");
        sandbox.set(settings(sandbox.place().source()));
        killed.push((what, sandbox, place, run.code));
    }
    // All of them are dead for long enough then.
    std::thread::sleep(AGE + SECOND);
    for (what, mut sandbox, place, code) in killed {
        short_leases(&mut sandbox);
        if code.is_some() {
            // It was through before it came to that request.
            assert_eq!((code, place), (Some(0), ROWS), "{what}");
        }
        // The source goes on from the last acknowledged STATE.
        sandbox.load(&append(&["users"]), input(place) + &state("users", ROWS));
        let rows = table::data(&sandbox.table("default/users"));
        for n in 0..ROWS {
            let times = rows.iter().filter(|row| **row == padded(n, SIZE)).count();
            // What was loaded and not acknowledged is sent again: an appending stream cannot know that.
            assert!(times == 1 || (times == 2 && n >= place), "{what}: row {n} is there {times} times");
        }
        let left = table::staging(&sandbox.lake());
        assert!(left.is_empty(), "{what}: {:?}", left.iter().map(Location::objects).collect::<Vec<_>>());
        table::assert_tidy(&sandbox.lake());
        assert_eq!(sandbox.place().unfinished_uploads(), 0, "{what}");
    }
}

#[test]
fn a_sync_that_is_killed_in_the_middle_of_a_file_leaves_an_upload_that_the_next_one_gives_up() {
    let mut killed = Vec::new();
    let (first, last) = (UPLOAD[0], *UPLOAD.last().unwrap());
    for (step, when) in UPLOAD.iter().flat_map(|step| [(*step, When::Before), (*step, When::After)]) {
        let (action, nth) = step;
        let what = format!("{when:?} {action:?} {nth}");
        let victim = Victim::default();
        let rule = Rule::nth(nth, move |request| request.action == action, fault(when, victim.clone()));
        let proxy = Proxy::start(server().port(), vec![rule]);
        let mut sandbox = Sandbox::new();
        let large = |source| json!({"data_source": source, "memory_limit_mb": 128});
        sandbox.set(large(sandbox.place().source_through(&proxy.endpoint())));
        let run = start(&sandbox, &victim, &append(&["large"]), &faults::large());
        assert_eq!((run.code, run.states().len()), (None, 0), "{what}");
        let is_left = (step, when) != (first, When::Before) && (step, when) != (last, When::After);
        assert_eq!(sandbox.place().unfinished_uploads(), usize::from(is_left), "{what}");
        sandbox.set(large(sandbox.place().source()));
        killed.push((what, sandbox));
    }
    // A server may take a while to copy a large file, and no commit waits longer than a lease lasts.
    std::thread::sleep(Place::LEASE_AGE + SECOND);
    for (what, mut sandbox) in killed {
        sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &Place::LEASE_AGE.as_millis().to_string());
        sandbox.load(&append(&["large"]), faults::large());
        faults::assert_large_once(&sandbox, &what);
        faults::assert_only_tables(&sandbox, &what);
    }
}

#[test]
fn an_overwrite_that_is_killed_at_any_request_shows_the_old_rows_or_the_new_ones() {
    let all = |from: u64| {
        let rows: String = (from..from + 3).map(|n| record("users", &numbered(n))).collect();
        rows + &state("users", from) + &status("users", "COMPLETE")
    };
    let proxy = Proxy::start(server().port(), Vec::new());
    let mut sandbox = Sandbox::new();
    short_leases(&mut sandbox);
    sandbox.set(settings(sandbox.place().source_through(&proxy.endpoint())));
    sandbox.load(&overwrite(&["users"]), all(0));
    let before = proxy.seen().len();
    sandbox.load(&overwrite(&["users"]), all(0));
    let steps = u32::try_from(proxy.seen().len() - before).unwrap();
    let data = |from: u64| (from..from + 3).map(numbered).collect::<Vec<_>>();
    let mut shown = 0;
    for step in 1..=steps {
        let victim = Victim::default();
        let when = if step % 2 == 0 { When::Before } else { When::After };
        let new = u64::from(step) * 10;
        proxy.set(vec![Rule::nth(step, |_| true, fault(when, victim.clone()))]);
        let run = start(&sandbox, &victim, &overwrite(&["users"]), &all(new));
        let mut found = table::data(&sandbox.table("default/users"));
        found.sort();
        let sorted = |from: u64| {
            let mut data = data(from);
            data.sort();
            data
        };
        assert!(found == sorted(shown) || found == sorted(new), "{when:?} request {step}: {found:?}");
        assert!(run.states().is_empty() || found == sorted(new), "{when:?} request {step}: acknowledged, and old");
        if found == sorted(new) {
            shown = new;
        }
    }
    proxy.set(Vec::new());
    std::thread::sleep(AGE + SECOND);
    sandbox.load(&overwrite(&["users"]), all(5000));
    assert_eq!(table::data(&sandbox.table("default/users")), data(5000));
    table::assert_tidy(&sandbox.lake());
}

/// A sync that its victim's fault may end.
pub fn start(sandbox: &Sandbox, victim: &Victim, streams: &serde_json::Value, input: &str) -> crate::program::Run {
    let mut living: Living = sandbox.start(streams);
    victim.is(&living);
    living.send(input);
    living.end()
}

#[test]
fn a_living_neighbour_is_not_touched_while_the_dead_are_swept() {
    let proxy = Proxy::start(server().port(), Vec::new());
    let mut sandbox = Sandbox::new();
    short_leases(&mut sandbox);
    sandbox.set(settings(sandbox.place().source_through(&proxy.endpoint())));
    let mut neighbour = sandbox.start(&append(&["pets"]));
    neighbour.send(record("pets", &numbered(1)));
    neighbour.has_read_so_far();
    let mut dead = sandbox.start(&append(&["users"]));
    dead.send(input(0));
    dead.next_state();
    dead.kill();
    let staging = || table::staging(&sandbox.lake()).len();
    assert_eq!(staging(), 2);
    std::thread::sleep(AGE * 2);
    // The neighbour is older than a lease may be, and has renewed its own.
    sandbox.load(&append(&["cars"]), "{\"type\":\"LOG\",\"log\":{\"level\":\"INFO\",\"message\":\"nothing\"}}\n");
    assert_eq!(staging(), 1, "the dead sync's folder is gone, the neighbour's is there");
    neighbour.send(record("pets", &numbered(2)) + &state("pets", 2));
    let run = neighbour.end();
    assert_eq!((run.code, run.states().len()), (Some(0), 1), "{run:#?}");
    assert_eq!(table::data(&sandbox.table("default/pets")), [numbered(1), numbered(2)]);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_sync_that_lost_its_lease_commits_nothing_more() {
    let mut sandbox = Sandbox::new();
    short_leases(&mut sandbox);
    sandbox.set(settings(sandbox.place().source()));
    let mut stopped = sandbox.start(&append(&["users"]));
    stopped.send(record("users", &numbered(1)));
    stopped.has_read_so_far();
    // A machine that sleeps: nothing is renewed.
    stopped.send_signal("STOP");
    std::thread::sleep(AGE + SECOND);
    sandbox.load(&append(&["pets"]), record("pets", &numbered(1)) + &state("pets", 1));
    stopped.send_signal("CONT");
    stopped.send(record("users", &numbered(2)) + &state("users", 2));
    let run = stopped.end();
    let message = run.failed_with("transient_error");
    assert!(message.contains("lease"), "{message}");
    assert!(run.states().is_empty());
    assert_eq!(table::data(&sandbox.table("default/users")), Vec::<String>::new());
    std::thread::sleep(AGE + SECOND);
    sandbox.load(&append(&["users"]), record("users", &numbered(1)) + &state("users", 1));
    assert_eq!(table::data(&sandbox.table("default/users")), [numbered(1)]);
    table::assert_tidy(&sandbox.lake());
}
