//! Stores that differ from S3, and corners of S3 that clients get wrong: from bug reports of other projects.

use serde_json::json;

use super::action::{KINDS, error_body};
use super::faults::{assert_all_once, assert_large_once, assert_only_tables, input, large, through};
use super::proxy::{Action, Fault, Proxy, Request, Rule};
use super::refusals::refused;
use super::server::server;
use crate::messages::{append, overwrite, records, state, status};
use crate::program::{Sandbox, until};
use crate::table;

fn sandbox(proxy: &Proxy) -> Sandbox {
    let mut sandbox = Sandbox::new();
    through(&mut sandbox, proxy);
    sandbox
}

fn is_copy(request: &Request) -> bool {
    request.action == Action::Copy
}

#[test]
fn a_copy_that_is_answered_with_200_and_an_error_is_not_taken_for_done() {
    for code in ["InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout"] {
        let proxy = Proxy::start(
            server().port(),
            vec![Rule::every(is_copy, Fault::Says(200, error_body(code, "try again"))).times(2)],
        );
        let sandbox = sandbox(&proxy);
        let run = sandbox.write(&append(&["users"]), records("users", 0..5) + &state("users", 5));
        assert_eq!((run.code, run.states().len()), (Some(0), 1), "{code}: {run:#?}");
        assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 5, "{code}");
    }
    for (code, kind) in [("AccessDenied", "config_error"), ("NewlyInvented", "config_error")] {
        let refusal = Fault::Says(200, error_body(code, "never"));
        let proxy = Proxy::start(server().port(), vec![Rule::every(is_copy, refusal)]);
        let sandbox = sandbox(&proxy);
        let run = sandbox.write(&append(&["users"]), records("users", 0..5) + &state("users", 5));
        run.failed_with(kind);
        assert_eq!(run.states().len(), 0, "{code}: a STATE of rows that are not there");
        assert!(
            table::try_read(&sandbox.table("default/users")).is_none(),
            "{code}: a commit of files that are not there"
        );
        assert!(proxy.seen().iter().filter(|request| is_copy(request)).count() < 4, "{code}: it is not repeated");
    }
}

#[test]
fn a_request_that_a_store_does_not_know_is_told_at_once() {
    let refusal = Fault::Answer(501, "NotImplemented");
    let proxy = Proxy::start(server().port(), vec![Rule::every(is_copy, refusal)]);
    let message = refused(&sandbox(&proxy).check());
    assert!(message.contains("NotImplemented"), "{message}");
    assert_eq!(proxy.seen().iter().filter(|request| is_copy(request)).count(), 1);
}

#[test]
fn leases_are_renewed_where_the_store_does_not_know_their_condition() {
    let rewrites = |request: &Request| request.action == Action::Put && request.header("if-match").is_some();
    for refusal in [
        Fault::Answer(501, "NotImplemented"),
        // As a store says that was given a tag which something on the way has changed.
        Fault::Answer(412, "PreconditionFailed"),
    ] {
        let proxy = Proxy::start(server().port(), vec![Rule::every(rewrites, refusal)]);
        let mut sandbox = sandbox(&proxy);
        sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", "3000");
        let mut living = sandbox.start(&append(&["users"]));
        living.send(records("users", 0..3));
        living.has_read_so_far();
        // One each quarter of the age: so many that the lease has had to be renewed.
        let renewals = || proxy.seen().iter().filter(|request| rewrites(request)).count();
        until("six renewals", || renewals() >= 6);
        living.send(records("users", 3..5) + &state("users", 5));
        let run = living.end();
        assert_eq!((run.code, run.states().len()), (Some(0), 1), "{run:#?}");
        assert!(!run.logs("WARN").iter().any(|warned| warned.contains("lease")), "{run:#?}");
        assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 5);
        assert_only_tables(&sandbox, "leases");
    }
}

#[test]
fn folders_that_were_made_by_hand_are_no_tables() {
    let sandbox = Sandbox::new();
    for folder in ["", "default", "default/users", "default/users/_delta_log"] {
        sandbox.place().make_folder(folder);
    }
    let check = sandbox.check();
    assert!(check.says("SUCCEEDED"), "{check:#?}");
    for round in 1..=2 {
        sandbox.load(&append(&["users"]), records("users", 0..3));
        assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 3 * round);
    }
    sandbox.load(&overwrite(&["users"]), records("users", 0..2));
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 2);
}

#[test]
fn a_store_that_deletes_objects_one_by_one_alone_is_used_like_any_other() {
    let many = |request: &Request| request.action == Action::Delete && !request.body.is_empty();
    for status in [400, 405, 501] {
        let refusal = Fault::Says(status, error_body("NotImplemented", "A header or query that is not implemented."));
        let proxy = Proxy::start(server().port(), vec![Rule::every(many, refusal)]);
        let sandbox = sandbox(&proxy);
        let check = sandbox.check();
        assert!(check.says("SUCCEEDED"), "{check:#?}");
        sandbox.load(&append(&["large"]), large());
        assert_large_once(&sandbox, "one by one");
        assert_only_tables(&sandbox, "one by one");
    }
}

#[test]
fn a_conflict_of_a_conditional_put_that_came_to_nothing_is_tried_again() {
    // AWS answers 409 where something else happens to the name; that says nothing of whether it is taken.
    for fault in [Fault::Answer(409, "ConditionalRequestConflict"), Fault::Answer(409, "OperationAborted")] {
        let proxy = Proxy::start(server().port(), vec![Rule::every(Request::is_commit, fault).times(2)]);
        let sandbox = sandbox(&proxy);
        for round in 1..=2 {
            let run = sandbox.write(&append(&["users"]), records("users", 0..3) + &state("users", 3));
            assert_eq!((run.code, run.states().len()), (Some(0), 1), "{run:#?}");
            assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 3 * round);
        }
    }
}

#[test]
fn signs_in_a_folders_name_that_addresses_and_headers_change_are_kept() {
    for path in ["a+b", "a b", "x=1&y=2", "prozent-100", "ä/ö", "a,b;c:d@e!", "(1)[2]{3}", "'quoted'", "~*"] {
        let place = super::place::Place::at(path);
        let mut source = place.source();
        source["s3_bucket_path"] = json!(format!("/{path}//"));
        let mut sandbox = Sandbox::with(json!({"data_source": source, "memory_limit_mb": 128}));
        sandbox.set_environment("DESTINATION_DATABRICKS_COPIED_AT_ONCE_BYTES", "10485760");
        let check = sandbox.check();
        assert!(check.says("SUCCEEDED"), "{path}: {check:#?}");
        sandbox.load(&append(&["large", "small"]), large() + &records("small", 0..3) + &status("small", "COMPLETE"));
        sandbox.load(&append(&["small"]), records("small", 3..5));
        assert_eq!(table::read(&place.table("default/small")).rows.len(), 5, "{path}");
        assert_eq!(table::read(&place.table("default/large")).rows.len(), 28, "{path}");
        table::assert_tidy(&place.lake());
    }
}

#[test]
fn an_error_inside_an_answer_of_success_is_an_error() {
    // S3 begins to answer long copies before it knows how they end.
    for (kind, which) in KINDS.into_iter().filter(|(kind, _)| matches!(*kind, "copy" | "complete")) {
        let fault = Fault::Answer(200, "InternalError");
        let proxy = Proxy::start(server().port(), vec![Rule::every(which, fault).times(2)]);
        let mut sandbox = Sandbox::new();
        through(&mut sandbox, &proxy);
        sandbox.load(&append(&["large", "small"]), input());
        assert_all_once(&sandbox, kind);
        assert_only_tables(&sandbox, kind);
    }
}
