//! What is sent again, and what not, of statements that change rows.

use super::tests::{run, transport};
use super::*;
use crate::databricks::testing::thrift_server::{Fault, ThriftServer};

#[test]
fn a_change_that_a_gateway_answers_for_in_any_words_is_not_sent_again() {
    for words in ["TEMPORARILY_UNAVAILABLE: x", "PENDING", "The cluster is RESTARTING", "The cluster 1 is starting"] {
        for status in [500, 502, 504] {
            let headers: &'static [_] = Box::leak(Box::new([("X-Thriftserver-Error-Message", words)]));
            let server =
                ThriftServer::start(true).with("ExecuteStatement", &[Fault::RespondStatus(status, headers, "")]);
            let changed = run(transport(&server, true).change("rows 1")).expect("no error");
            assert!(matches!(changed, Changed::Unknown(_)), "{status} {words}: {changed:?}");
            assert_eq!(server.count("ExecuteStatement"), 1);
        }
    }
}

#[test]
fn a_change_that_failed_is_sent_again_at_once_only_if_it_was_surely_rolled_back() {
    for words in [
        "[INTERNAL_ERROR] The Spark SQL phase execution failed.",
        "Cannot call methods on a stopped SparkContext.",
        "The spark driver has stopped unexpectedly and is restarting. Your notebook will be automatically reattached.",
        "Job aborted due to stage failure: ExecutorLostFailure (executor 1 exited)",
        "IO_ERROR: Connection reset by peer",
        "UNKNOWN: x",
        "DEADLINE_EXCEEDED: x",
        "TEMPORARILY_UNAVAILABLE: x",
    ] {
        for is_databricks in [true, false] {
            let server = ThriftServer::start(is_databricks);
            let changed = run(transport(&server, is_databricks).change(&format!("dies {words}"))).expect("no error");
            assert!(matches!(changed, Changed::Unknown(_)), "{words}: {changed:?}");
            assert_eq!(server.state().statements.len(), 1, "{words}");
        }
        let server = ThriftServer::start(true);
        run(transport(&server, true).execute(&format!("dies {words}"))).expect("harmless to repeat");
        assert_eq!(server.state().statements.len(), 2, "{words}");
    }
    for words in [
        "[DELTA_CONCURRENT_APPEND.ROW_LEVEL_CHANGES] Transaction conflict detected. SQLSTATE: 2D521",
        "[DELTA_MAX_COMMIT_RETRIES_EXCEEDED] This commit has failed as it has been tried 10 times. SQLSTATE: 40000",
        "io.delta.exceptions.ConcurrentAppendException: Files were added",
        "RESOURCE_EXHAUSTED: x",
    ] {
        let server = ThriftServer::start(true);
        let changed = run(transport(&server, true).change(&format!("dies {words}"))).expect("no error");
        assert!(matches!(changed, Changed::Done(_)), "{words}: {changed:?}");
        assert_eq!(server.state().statements.len(), 2, "{words}");
    }
}

#[test]
fn a_change_whose_end_cannot_be_asked_for_is_not_sent_again() {
    for words in ["RESOURCE_EXHAUSTED: too many requests", "[DELTA_CONCURRENT_APPEND] of another statement"] {
        for call in ["GetOperationStatus", "FetchResults"] {
            let server = ThriftServer::start(false).with(call, &[Fault::RespondError("HY000", words)]);
            let changed = run(transport(&server, false).change("rows 1")).expect("no error");
            assert!(matches!(changed, Changed::Unknown(_)), "{call} {words}: {changed:?}");
            assert_eq!(server.state().statements.len(), 1);
        }
    }
}

#[test]
fn a_change_that_was_refused_or_committed_says_so_and_a_question_that_is_refused_says_neither() {
    let denied = "[PERMISSION_DENIED] User does not have MODIFY on Table 'a.b'. SQLSTATE: 42501";
    for is_databricks in [true, false] {
        let server = ThriftServer::start(is_databricks);
        let changed = run(transport(&server, is_databricks).change(&format!("dies {denied}"))).expect("no error");
        assert!(matches!(changed, Changed::Refused(_)), "{changed:?}");
        let server = ThriftServer::start(is_databricks);
        let hook = "dies [DELTA_POST_COMMIT_HOOK_FAILED] Committing to the Delta table version 5 succeeded.";
        let changed = run(transport(&server, is_databricks).change(hook)).expect("no error");
        assert!(matches!(&changed, Changed::Done(rows) if *rows == QueryResult::default()), "{changed:?}");
        assert_eq!(server.state().statements.len(), 1);
    }
    let server = ThriftServer::start(true).with("ExecuteStatement", &[Fault::RespondError("42501", denied)]);
    assert!(matches!(run(transport(&server, true).change("rows 1")), Ok(Changed::Refused(_))));
    let server = ThriftServer::start(false).with("GetOperationStatus", &[Fault::RespondError("42501", denied)]);
    run(transport(&server, false).change("rows 1")).expect_err("nobody knows");
}

#[test]
fn a_lost_session_is_told_with_the_status_and_the_header_of_the_answer() {
    let gone =
        Fault::RespondStatus(404, &[("X-Thriftserver-Error-Message", "RESOURCE_DOES_NOT_EXIST: no session")], "");
    let server = ThriftServer::start(true).with("ExecuteStatement", &vec![gone; 20]);
    let error = run(transport(&server, true).execute("rows 1")).expect_err("always lost");
    let told = error.internal_message();
    assert!(told.contains("HTTP 404, x-thriftserver-error-message: RESOURCE_DOES_NOT_EXIST"), "{told}");
}
