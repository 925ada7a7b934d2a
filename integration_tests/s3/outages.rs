//! The store fails for good while a sync runs: the error comes soon after the deadline of the failed request, and the next
//! sync does all that is left.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::faults::{assert_clear, assert_large_once, assert_only_tables, large, through};
use super::proxy::{Action, Fault, Proxy, Request, Rule};
use super::server::server;
use crate::messages::append;
use crate::program::Sandbox;

/// How long a request is repeated, and how old a lease gets.
const RETRY: Duration = Duration::from_millis(6000);
const LEASE_AGE: Duration = Duration::from_millis(18_000);

/// What meets every request from the first one of `action` on, which happens at `gone`.
fn gone_from(action: Action, fault: Fault, gone: Arc<OnceLock<Instant>>) -> Rule {
    let is_gone = move |request: &Request| {
        if request.action == action {
            gone.get_or_init(Instant::now);
        }
        gone.get().is_some()
    };
    Rule::every(is_gone, fault)
}

fn is_told_soon(action: Action, fault: &Fault) {
    let gone = Arc::new(OnceLock::new());
    let proxy = Proxy::start(server().port(), vec![gone_from(action, fault.clone(), Arc::clone(&gone))]);
    let mut sandbox = Sandbox::new();
    sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", &RETRY.as_millis().to_string());
    sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &LEASE_AGE.as_millis().to_string());
    through(&mut sandbox, &proxy);
    let run = sandbox.write(&append(&["large"]), large());
    let took = gone.get().unwrap().elapsed();
    let what = format!("{action:?}");
    run.failed_with("transient_error");
    assert_clear(&run, &what);
    assert!(took < RETRY * 2, "{what}: {took:?}");
    assert!(run.logs("WARN").iter().any(|text| text.contains("next sync")), "{what}: {run:#?}");
    proxy.set(Vec::new());
    std::thread::sleep(LEASE_AGE + Duration::from_millis(1200));
    sandbox.load(&append(&["large"]), large());
    assert_large_once(&sandbox, &what);
    assert_only_tables(&sandbox, &what);
}

#[test]
fn a_store_that_dies_in_the_middle_of_a_sync_is_told_soon_after_the_deadline() {
    std::thread::scope(|scope| {
        for action in [Action::Part, Action::Complete, Action::Copy] {
            for fault in [Fault::Refuse, Fault::Hold, Fault::Answer(503, "SlowDown")] {
                scope.spawn(move || is_told_soon(action, &fault));
            }
        }
    });
}
