//! SIGKILL around every commit of a staging log, or of a CSV file: no acknowledged row is ever missing, and the next sync sweeps.

use super::kills::{AGE, SECOND, acknowledged, goes_on, input, settings};
use super::proxy::{Action, Proxy, Rule};
use super::server::server;
use super::victim::{Victim, When, fault};
use crate::messages::append;
use crate::program::Sandbox;

once!(a_sync_that_is_killed_around_a_staging_commit_loses_nothing_acknowledged_and_is_swept,);

fn a_sync_that_is_killed_around_a_staging_commit_loses_nothing_acknowledged_and_is_swept() {
    let mut killed = Vec::new();
    for (nth, when) in [(1, When::Before), (1, When::After), (2, When::Before), (2, When::After)] {
        let what = format!("{when:?} staging commit {nth}");
        let victim = Victim::default();
        // Only the program goes through the proxy, and it commits to no table but the staged ones. CSV files have no log.
        let commit = |request: &super::proxy::Request| {
            let is_of_log = request.target.contains("/_delta_log/") && request.target.contains(".json");
            request.action == Action::Put && (is_of_log || request.target.contains(".csv"))
        };
        let proxy = Proxy::start(server().port(), vec![Rule::nth(nth, commit, fault(when, victim.clone()))]);
        let mut sandbox = Sandbox::new();
        let mut through = settings();
        through["data_source"] = sandbox.place().bucket().source_through(&proxy.endpoint());
        sandbox.set(through);
        let mut living = sandbox.start(&append(&["users"]));
        victim.is(&living);
        living.send(input(0));
        let run = living.end();
        assert_eq!(run.code, None, "{what}: {run:#?}");
        let place = acknowledged(&sandbox, &run, &what);
        sandbox.set(settings());
        killed.push((what, sandbox, place));
    }
    std::thread::sleep(AGE + SECOND);
    for (what, mut sandbox, place) in killed {
        goes_on(&mut sandbox, place, &what);
    }
}
