//! How often a server is asked, and what is sent again that somebody else has ended.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};

use super::statement_api_tests::{SUBMIT, change, one, run};
use super::testing::scripted_server::{Reaction, ScriptedServer, answer, failure, state, success, timeouts};
use super::{Changed, connect};
use crate::config::Timeouts;
use crate::error::Kind;

fn cancelled(status: Value) -> Reaction {
    let mut status = status;
    status["state"] = json!("CANCELED");
    answer(200, json!({"statement_id": "01ef-a", "status": status}))
}

#[tokio::test]
async fn a_statement_that_somebody_else_cancels_is_run_again_once_or_twice() {
    for by_others in [
        cancelled(json!({})),
        cancelled(json!({"error": {"error_code": "CANCELLED", "message": "The warehouse was stopped."}})),
        failure("BAD_REQUEST", "[OPERATION_CANCELED] Operation has been canceled. SQLSTATE: HY008"),
    ] {
        let server = ScriptedServer::with(vec![state("RUNNING"), by_others.clone(), by_others.clone(), success("1")]);
        assert_eq!(run(&server).await.expect("a result"), one("1"), "{by_others:?}");
        assert_eq!(server.count("POST", SUBMIT), 3);
        let server = ScriptedServer::with(vec![by_others.clone()]);
        let error = run(&server).await.expect_err("always cancelled");
        assert_eq!((error.kind(), server.count("POST", SUBMIT)), (Kind::Transient, 3), "{by_others:?}");
        assert!(error.message().contains("was cancelled") && error.message().contains("STATEMENT_TIMEOUT"), "{error}");
        let server = ScriptedServer::with(vec![by_others.clone()]);
        let changed = change(&server).await.expect("no error");
        assert!(matches!(changed, Changed::Cancelled(_)), "{by_others:?}: {changed:?}");
        assert_eq!(server.count("POST", SUBMIT), 1);
    }
}

#[tokio::test]
async fn a_statement_for_which_the_workspace_has_no_time_says_so_and_is_not_run_again() {
    let message = "[QUERY_EXECUTION_TIMEOUT_EXCEEDED] Query execution was cancelled due to exceeding the timeout (3600s). \
                   SQLSTATE: 57KD0";
    let error = json!({"error_code": "CANCELLED", "message": message});
    for ended in [cancelled(json!({"error": error})), failure("BAD_REQUEST", message)] {
        let server = ScriptedServer::with(vec![ended]);
        let error = run(&server).await.expect_err("too long");
        assert_eq!((error.kind(), server.count("POST", SUBMIT)), (Kind::Config, 1));
        assert!(error.message().contains("raise STATEMENT_TIMEOUT"), "{}", error.message());
    }
}

/// What a submit asks for as `wait_timeout`.
fn server_wait(server: &ScriptedServer) -> String {
    let received = server.received();
    let body: Value = serde_json::from_str(&received[0].body).expect("JSON");
    body["wait_timeout"].as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn only_a_statement_that_changes_no_rows_is_waited_for_by_the_server() {
    // A request's time is a quarter of it, and the server's half of that.
    for (retry, asked) in [(900, "10s"), (60, "7s"), (40, "5s"), (39, "0s"), (1, "0s")] {
        let timeouts = Timeouts { databricks_retry: Duration::from_secs(retry), ..timeouts() };
        let server = ScriptedServer::with(vec![success("1")]);
        connect(&server.settings(), &timeouts).expect("a warehouse").execute("SELECT 1").await.expect("a result");
        assert_eq!((server_wait(&server).as_str(), server.received().len()), (asked, 1), "{retry}");
        let server = ScriptedServer::with(vec![success("1")]);
        connect(&server.settings(), &timeouts).expect("a warehouse").change("MERGE").await.expect("a result");
        assert_eq!(server_wait(&server), "0s", "{retry}");
    }
}

#[tokio::test]
async fn statements_and_questions_of_all_streams_keep_one_pace() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let times = asked.clone();
    let server = ScriptedServer::new(move |received, _| {
        let mut times = times.lock().expect("no panic");
        times.push(Instant::now());
        let polls = times.len() > 40;
        if received.method == "POST" || !polls { state("RUNNING") } else { success("1") }
    });
    let sql = connect(&server.settings(), &timeouts()).expect("a warehouse");
    let ended = join_all((0..16).map(|_| sql.change("MERGE"))).await;
    assert!(ended.into_iter().all(|ended| matches!(ended, Ok(Changed::Done(_)))));
    let times = asked.lock().expect("no panic");
    // 2 more than 10 within a second, and some for a clock that is read later than the request was sent.
    for first in times.iter() {
        let within =
            times.iter().filter(|at| *at >= first && at.duration_since(*first) < Duration::from_secs(1)).count();
        assert!(within <= 15, "{within} requests within a second");
    }
}
