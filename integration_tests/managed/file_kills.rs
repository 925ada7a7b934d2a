//! SIGKILL at every request to the Files API: no acknowledged row is ever missing, and once the lease has expired the next sync leaves only
//! the tables, in the volume and in the catalog.

use serde_json::json;

use crate::kills::{AGE, SECOND, acknowledged, goes_on, input, run, settings};
use crate::messages::append;
use crate::program::Sandbox;

/// In CI every tenth request, before it is looked at or after it is done.
#[test]
fn a_sync_that_is_killed_at_a_request_to_the_files_api_loses_nothing_acknowledged_and_is_swept() {
    is_swept(10);
}

#[test]
#[ignore = "one of all combinations"]
fn a_sync_that_is_killed_at_any_request_to_the_files_api_loses_nothing_acknowledged_and_is_swept() {
    is_swept(1);
}

fn is_swept(every: usize) {
    let mut killed = Vec::new();
    for (place, when) in [(0, "before"), (every / 2, "after")] {
        // Until a sync comes to its end: it has no further request.
        for step in (place..).step_by(every) {
            let what = format!("{when} request {step}");
            let sandbox = Sandbox::with(settings());
            let rule = json!([{"action": "kill", "on": "file", "skip": step, "times": 1, "value": when}]);
            sandbox.place().goes_wrong(rule);
            let run = run(&sandbox, &append(&["users"]), &input(0));
            let place = acknowledged(&sandbox, &run, &what);
            let is_over = run.code.is_some();
            assert!(!is_over || run.code == Some(0), "{what}: {run:#?}");
            killed.push((what, sandbox, place));
            if is_over {
                break;
            }
        }
    }
    assert!(killed.len() > 4, "{} syncs", killed.len());
    std::thread::sleep(AGE + SECOND);
    for (what, mut sandbox, place) in killed {
        goes_on(&mut sandbox, place, &what);
    }
}
