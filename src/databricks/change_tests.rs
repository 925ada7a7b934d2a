//! What is known of a statement that changes rows when it has failed, and what is sent again.

use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::statement_api_tests::{SUBMIT, change, change_by, one, run};
use super::testing::scripted_server::{ScriptedServer, failure, state, success};
use super::{Changed, QueryResult};
use crate::error::Kind;

#[tokio::test]
async fn a_change_that_failed_is_run_again_at_once_only_if_it_was_surely_rolled_back() {
    for (code, message) in [
        ("INTERNAL_ERROR", "The spark driver has stopped unexpectedly and is restarting."),
        ("UNKNOWN", ""),
        ("IO_ERROR", "Connection reset by peer"),
        ("DEADLINE_EXCEEDED", "It took too long."),
        ("TEMPORARILY_UNAVAILABLE", "The warehouse restarts."),
        ("BAD_REQUEST", "[RequestId=1f ErrorClass=TEMPORARILY_UNAVAILABLE] It went wrong."),
        ("BAD_REQUEST", "Job aborted due to stage failure: ExecutorLostFailure (executor 3 exited)"),
        ("ABORTED", ""),
    ] {
        let server = ScriptedServer::with(vec![state("RUNNING"), failure(code, message), success("5")]);
        let changed = change(&server).await.expect("no error");
        assert!(matches!(changed, Changed::Unknown(_)), "{code} {message}: {changed:?}");
        assert_eq!(server.count("POST", SUBMIT), 1, "{code} {message}");
        let server = ScriptedServer::with(vec![failure(code, message), success("5")]);
        assert_eq!(run(&server).await.expect("harmless to repeat"), one("5"), "{code} {message}");
    }
    for (code, message) in [
        ("BAD_REQUEST", "[DELTA_CONCURRENT_WRITE] A concurrent transaction has written new data. SQLSTATE: 2D521"),
        ("BAD_REQUEST", "[DELTA_SOMETHING_NEW] Transaction conflict detected. SQLSTATE: 2D521"),
        ("INTERNAL_ERROR", "[DELTA_MAX_COMMIT_RETRIES_EXCEEDED] It was tried too often. SQLSTATE: 40000"),
        ("RESOURCE_EXHAUSTED", ""),
    ] {
        let server = ScriptedServer::with(vec![state("RUNNING"), failure(code, message), success("5")]);
        let changed = change(&server).await.expect("no error");
        assert!(matches!(&changed, Changed::Done(rows) if *rows == one("5")), "{code} {message}: {changed:?}");
        assert_eq!(server.count("POST", SUBMIT), 2, "{code} {message}");
    }
}

#[tokio::test]
async fn a_change_that_is_committed_is_done_whatever_failed_after_it() {
    for (code, message) in [
        (
            "BAD_REQUEST",
            "[DELTA_POST_COMMIT_HOOK_FAILED] Committing to the Delta table version 5 succeeded but error while executing \
             post-commit hook UniForm. SQLSTATE: 2DKD0",
        ),
        (
            "INTERNAL_ERROR",
            "Committing to the Delta table version 5 succeeded but error while executing post-commit hook Generate.",
        ),
    ] {
        let server = ScriptedServer::with(vec![state("RUNNING"), failure(code, message)]);
        let changed = change(&server).await.expect("no error");
        // Without an answer: the rows are counted.
        assert!(matches!(&changed, Changed::Done(rows) if *rows == QueryResult::default()), "{changed:?}");
        assert_eq!(run(&server).await.expect("done"), QueryResult::default());
        assert_eq!(server.count("POST", SUBMIT), 2);
    }
}

#[tokio::test]
async fn a_change_that_was_refused_has_surely_changed_nothing_and_one_that_a_clock_ended_may_have() {
    for (code, message) in [
        ("BAD_REQUEST", "[PERMISSION_DENIED] User does not have MODIFY on Table 'main.shop.users'. SQLSTATE: 42501"),
        ("BAD_REQUEST", "[TABLE_OR_VIEW_NOT_FOUND] The table or view `a` cannot be found. SQLSTATE: 42P01"),
        ("BAD_REQUEST", "[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated. SQLSTATE: 23502"),
    ] {
        let changed = change(&ScriptedServer::with(vec![failure(code, message)])).await.expect("no error");
        assert!(matches!(&changed, Changed::Refused(why) if why.kind() == Kind::Config), "{message}: {changed:?}");
    }
    let conflict = failure("BAD_REQUEST", "[DELTA_CONCURRENT_APPEND] Transaction conflict detected. SQLSTATE: 2D521");
    let changed = change(&ScriptedServer::with(vec![conflict])).await.expect("no error");
    assert!(matches!(&changed, Changed::Refused(why) if why.kind() == Kind::Transient), "{changed:?}");
    for (code, message) in [
        ("BAD_REQUEST", "[QUERY_EXECUTION_TIMEOUT_EXCEEDED] It took too long. SQLSTATE: 57KD0"),
        ("DEADLINE_EXCEEDED", "Statement execution exceeded the timeout of 3600 seconds"),
        ("INTERNAL_ERROR", "Access Denied (Service: Amazon S3; Status Code: 403)"),
        ("BAD_REQUEST", "[SOMETHING_NEW] Whatever."),
    ] {
        change(&ScriptedServer::with(vec![failure(code, message)])).await.expect_err(message);
    }
}

/// What `tracing` was told in this thread.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<String>>);

impl Visit for Told {
    fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
        self.0.lock().unwrap().push_str(&format!("{value:?}"));
    }
}

impl<S: Subscriber> Layer<S> for Told {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut self.clone());
    }
}

#[tokio::test]
async fn what_failed_after_a_commit_is_told_with_the_table() {
    let told = Told::default();
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(told.clone()));
    for statement in [
        "MERGE INTO `main`.`shop`.`users` AS target\nUSING (`x`) AS staged",
        "INSERT OVERWRITE TABLE `main`.`shop`.`users` (`a`, `b`)\nSELECT 1",
    ] {
        let hook = "[DELTA_POST_COMMIT_HOOK_FAILED] Committing to the Delta table version 5 succeeded. SQLSTATE: 2DKD0";
        let server = ScriptedServer::with(vec![failure("BAD_REQUEST", hook)]);
        change_by(&server, statement).await.expect("done");
        let told = std::mem::take(&mut *told.0.lock().unwrap());
        assert!(told.contains("Table `main`.`shop`.`users`: A commit to the table succeeded"), "{told}");
    }
    drop(guard);
}
