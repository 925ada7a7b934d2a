//! Statements against a server that refuses, loses, holds and delays; and against answers that were recorded.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::testing::scripted_server::{
    Reaction, ReceivedRequest, ScriptedServer, TOKEN, answer, failure, state, success, timeouts,
};
use super::{Changed, QueryResult, connect};
use crate::config::Timeouts;
use crate::error::{Error, Kind};

pub(super) const SUBMIT: &str = "/api/2.0/sql/statements";
const POLL: &str = "/api/2.0/sql/statements/01ef-a";

pub(super) async fn run(server: &ScriptedServer) -> Result<QueryResult, Error> {
    connect(&server.settings(), &timeouts()).expect("a warehouse").execute("SELECT 1").await
}

pub(super) fn one(value: &str) -> QueryResult {
    QueryResult { columns: vec!["n".to_owned()], rows: vec![vec![Some(value.to_owned())]] }
}

pub(super) async fn change(server: &ScriptedServer) -> Result<Changed, Error> {
    change_by(server, "MERGE").await
}

pub(super) async fn change_by(server: &ScriptedServer, statement: &str) -> Result<Changed, Error> {
    connect(&server.settings(), &timeouts()).expect("a warehouse").change(statement).await
}

fn unavailable(status: u16, after: &str) -> Reaction {
    let headers = vec![("retry-after", after.to_owned()), ("date", "Sun, 06 Nov 1994 08:49:37 GMT".to_owned())];
    Reaction::Respond(status, headers, json!({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "busy"}).to_string())
}

#[tokio::test]
async fn a_statement_is_submitted_asked_for_and_its_chunks_are_put_together() {
    let server = ScriptedServer::new(|received, before| match before {
        0 => state("PENDING"),
        1 => state("RUNNING"),
        2 => answer(
            200,
            json!({
                "statement_id": "01ef-a",
                "status": {"state": "SUCCEEDED"},
                "manifest": {"schema": {"columns": [{"name": "a"}, {"name": "b"}]}, "total_row_count": 3, "new": 1},
                "result": {
                    "data_array": [["1", null]],
                    "next_chunk_index": 1,
                    "next_chunk_internal_link": "/api/2.0/sql/statements/01ef-a/result/chunks/1?row_offset=1"
                }
            }),
        ),
        3 => {
            assert_eq!(received.path, format!("{POLL}/result/chunks/1"));
            answer(200, json!({"data_array": [["2", ""]], "next_chunk_index": 2}))
        }
        _ => answer(200, json!({"data_array": [["3", "x"]]})),
    });
    let rows = run(&server).await.expect("rows");
    assert_eq!(rows.columns, ["a", "b"]);
    let texts: Vec<_> = rows.rows.iter().map(|row| (row[0].as_deref(), row[1].as_deref())).collect();
    assert_eq!(texts, [(Some("1"), None), (Some("2"), Some("")), (Some("3"), Some("x"))]);
    let received = server.received();
    let asked: Vec<_> = received.iter().map(|received| format!("{} {}", received.method, received.path)).collect();
    let chunk = |index| format!("GET {POLL}/result/chunks/{index}");
    assert_eq!(asked, [format!("POST {SUBMIT}"), format!("GET {POLL}"), format!("GET {POLL}"), chunk(1), chunk(2)]);
    let body: Value = serde_json::from_str(&received[0].body).expect("JSON");
    assert_eq!((&body["warehouse_id"], &body["statement"]), (&json!("abc"), &json!("SELECT 1")));
    assert_eq!((&body["disposition"], &body["format"]), (&json!("INLINE"), &json!("JSON_ARRAY")));
    for received in &received {
        assert_eq!(received.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
        assert!(received.header("user-agent").expect("a name").starts_with("destination-databricks/0."));
    }
}

#[tokio::test]
async fn a_submit_that_is_refused_before_work_is_sent_again() {
    for refusal in [
        unavailable(503, "0"),
        unavailable(429, "0"),
        unavailable(429, "Sun, 06 Nov 1994 08:49:37 GMT"),
        Reaction::Respond(502, vec![], "<html><title>Bad Gateway</title></html>".to_owned()),
        Reaction::Respond(504, vec![], String::new()),
        Reaction::Respond(554, vec![], String::new()),
    ] {
        let server = ScriptedServer::with(vec![refusal.clone(), refusal.clone(), success("1")]);
        assert_eq!(run(&server).await.expect("a result"), one("1"), "{refusal:?}");
        assert_eq!(server.count("POST", SUBMIT), 3);
    }
}

#[tokio::test]
async fn a_server_that_asks_to_be_left_alone_is_left_alone() {
    let server = ScriptedServer::with(vec![unavailable(429, "1"), success("1")]);
    let settings = server.settings();
    let timeouts = Timeouts { databricks_retry: Duration::from_secs(10), ..timeouts() };
    let begun = Instant::now();
    connect(&settings, &timeouts).expect("a warehouse").execute("SELECT 1").await.expect("a result");
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_storm_is_waited_for_and_then_told() {
    for (status, says) in [(429, "beyond its rate limit"), (503, "not available"), (554, "maintenance")] {
        let server = ScriptedServer::with(vec![Reaction::Respond(status, vec![], String::new())]);
        let begun = Instant::now();
        let error = run(&server).await.expect_err("a storm");
        assert_eq!(error.kind(), Kind::Transient);
        assert!(error.to_string().contains(says), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(3));
        assert!(server.count("POST", SUBMIT) > 3);
    }
    let server = ScriptedServer::with(vec![unavailable(503, "3600")]);
    let begun = Instant::now();
    assert_eq!(run(&server).await.expect_err("an hour").kind(), Kind::Transient);
    assert!(begun.elapsed() < Duration::from_secs(1), "an hour is not begun to be waited for");
}

#[tokio::test]
async fn a_submit_whose_answer_is_lost_or_held_is_sent_again() {
    for shape in [Reaction::DropConnection, Reaction::HoldResponse] {
        let server = ScriptedServer::with(vec![shape.clone(), success("1")]);
        assert_eq!(run(&server).await.expect("a result"), one("1"), "{shape:?}");
        assert_eq!(server.count("POST", SUBMIT), 2);
    }
}

#[tokio::test]
async fn a_change_is_sent_again_only_where_it_was_not_taken_or_has_failed() {
    let conflict = failure("BAD_REQUEST", "[DELTA_CONCURRENT_APPEND] Transaction conflict detected.");
    for not_taken in [unavailable(503, "0"), unavailable(429, "0"), conflict] {
        let server = ScriptedServer::with(vec![
            not_taken.clone(),
            not_taken.clone(),
            state("RUNNING"),
            Reaction::DropConnection,
            success("1"),
        ]);
        let changed = change(&server).await.expect("a result");
        assert!(matches!(&changed, Changed::Done(rows) if *rows == one("1")), "{not_taken:?}: {changed:?}");
        assert_eq!(server.count("POST", SUBMIT), 3);
    }
    let gone = answer(404, json!({"error_code": "NOT_FOUND", "message": "The statement 01ef-a was not found."}));
    for (reactions, says) in [
        (vec![Reaction::DropConnection], "has not responded"),
        (vec![Reaction::HoldResponse], "has not responded"),
        (vec![unavailable(503, "0"), Reaction::DropConnection], "the response did not arrive"),
        (vec![Reaction::Respond(502, vec![], String::new())], "did not respond in time"),
        (vec![Reaction::Respond(504, vec![], String::new())], "did not respond in time"),
        (vec![state("RUNNING"), gone], "repeatedly lost a statement"),
        (vec![state("CLOSED")], "repeatedly lost a statement"),
    ] {
        let (lost, submits) = (format!("{reactions:?}"), reactions.len());
        let server = ScriptedServer::with(reactions);
        let changed = change(&server).await.expect("no error");
        assert!(matches!(&changed, Changed::Unknown(why) if why.to_string().contains(says)), "{lost}: {changed:?}");
        assert!(server.count("POST", SUBMIT) <= submits, "{lost}");
    }
}

#[tokio::test]
async fn a_question_whose_answer_is_lost_held_or_slow_is_asked_again() {
    let slow = Reaction::RespondSlowly(Duration::from_millis(100), Box::new(success("1")));
    for shape in [Reaction::DropConnection, Reaction::HoldResponse, slow] {
        let server = ScriptedServer::with(vec![state("RUNNING"), shape.clone(), success("1")]);
        assert_eq!(run(&server).await.expect("a result"), one("1"), "{shape:?}");
        assert_eq!(server.count("POST", SUBMIT), 1);
    }
}

#[tokio::test]
async fn a_statement_that_the_server_lost_is_submitted_again() {
    let lost = answer(404, json!({"error_code": "NOT_FOUND", "message": "The statement 01ef-a was not found."}));
    for shape in [lost, state("CLOSED")] {
        let server = ScriptedServer::with(vec![state("RUNNING"), shape.clone(), success("1")]);
        assert_eq!(run(&server).await.expect("a result"), one("1"), "{shape:?}");
        assert_eq!(server.count("POST", SUBMIT), 2);
    }
    let error = run(&ScriptedServer::with(vec![state("CLOSED")])).await.expect_err("always lost");
    assert_eq!(error.kind(), Kind::Transient);
}

#[tokio::test]
async fn a_conflict_with_another_writer_is_tried_again_a_few_times() {
    let conflict = failure(
        "BAD_REQUEST",
        "[DELTA_CONCURRENT_APPEND.ROW_LEVEL_CHANGES] Transaction conflict detected. Conflicting commit: {\"a\":1}",
    );
    let server = ScriptedServer::with(vec![conflict.clone(), conflict.clone(), success("1")]);
    assert_eq!(run(&server).await.expect("a result"), one("1"));
    assert_eq!(server.count("POST", SUBMIT), 3);
    let server = ScriptedServer::with(vec![conflict]);
    let error = run(&server).await.expect_err("a conflict");
    assert_eq!((error.kind(), server.count("POST", SUBMIT)), (Kind::Transient, 8));
    assert!(error.to_string().contains("Somebody else repeatedly wrote to the table"), "{error}");
    assert!(!error.to_string().contains("Conflicting"), "{error}");
}

#[tokio::test]
async fn a_statement_that_cannot_succeed_fails_at_once() {
    let message = "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nUser does not have USE SCHEMA on Schema \
                   'main.sales'. SQLSTATE: 42501";
    let server = ScriptedServer::with(vec![failure("BAD_REQUEST", message)]);
    let error = run(&server).await.expect_err("no right");
    assert_eq!((error.kind(), server.count("POST", SUBMIT)), (Kind::Config, 1));
    assert!(error.to_string().contains("GRANT USE SCHEMA ON SCHEMA `main`.`sales` TO"), "{error}");
}

#[tokio::test]
async fn a_starting_warehouse_is_waited_for() {
    let mut is_asked = false;
    let server = ScriptedServer::new(move |received, _| match received {
        _ if received.is("GET", "/api/2.0/sql/warehouses/abc") => {
            is_asked = true;
            answer(200, json!({"state": "STARTING"}))
        }
        _ if is_asked => success("1"),
        _ => state("PENDING"),
    });
    let timeouts = Timeouts { databricks_start: Duration::from_secs(5), ..timeouts() };
    let rows = connect(&server.settings(), &timeouts).expect("a warehouse").execute("SELECT 1").await;
    assert_eq!(rows.expect("a result"), one("1"));
    assert_eq!(server.count("GET", "warehouses/abc"), 1);
}

#[tokio::test]
async fn a_warehouse_that_never_starts_is_given_up_and_the_statement_cancelled() {
    let server = ScriptedServer::new(|received, _| match received {
        _ if received.path.ends_with("/cancel") => answer(200, json!({})),
        _ if received.path.contains("warehouses") => answer(200, json!({"state": "STARTING"})),
        _ => state("PENDING"),
    });
    let error = run(&server).await.expect_err("never");
    assert_eq!(error.kind(), Kind::Transient);
    assert!(error.to_string().contains("did not start within"), "{error}");
    assert_eq!(server.count("POST", "/01ef-a/cancel"), 1);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_cancelled_also_while_it_waits_for_its_turn() {
    for under_way in ["RUNNING", "PENDING"] {
        let server = ScriptedServer::new(move |received, _| match received {
            _ if received.path.ends_with("/cancel") => answer(200, json!({})),
            _ if received.path.contains("warehouses") => answer(200, json!({"state": "RUNNING"})),
            _ => state(under_way),
        });
        let mut settings = server.settings();
        settings.statement_timeout = Duration::from_millis(200);
        let timeouts = Timeouts { databricks_start: Duration::from_millis(1000), ..timeouts() };
        let error = connect(&settings, &timeouts).expect("a warehouse").execute("SELECT 1").await.expect_err("long");
        assert_eq!(error.kind(), Kind::Transient);
        assert!(error.to_string().contains("`statement_timeout_seconds`"), "{error}");
        assert_eq!(server.count("POST", "/01ef-a/cancel"), 1);
    }
}

#[tokio::test]
async fn closing_cancels_what_runs_and_nothing_runs_after_it() {
    let server = ScriptedServer::new(|received, _| match received {
        _ if received.path.ends_with("/cancel") => answer(200, json!({})),
        _ => state("RUNNING"),
    });
    let sql = connect(&server.settings(), &timeouts()).expect("a warehouse");
    let is_asked_for = async |times| {
        while server.count("GET", POLL) < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // The first is dropped in the middle, as when a sync is stopped; the second goes on.
    tokio::select! {
        ended = sql.execute("SELECT 1") => panic!("it runs for ever: {ended:?}"),
        () = is_asked_for(1) => {}
    }
    let before = server.count("GET", POLL);
    let (ended, ()) = tokio::join!(sql.execute("SELECT 2"), async {
        is_asked_for(before + 1).await;
        sql.close().await;
    });
    assert!(ended.expect_err("cancelled").to_string().contains("the sync has ended"));
    assert!(server.count("POST", "/01ef-a/cancel") >= 1);
    let before = server.count("POST", SUBMIT);
    sql.execute("SELECT 3").await.expect_err("closed");
    assert_eq!(server.count("POST", SUBMIT), before);
}

#[tokio::test]
async fn a_token_that_expires_in_the_middle_is_looked_up_once_more_and_then_told() {
    let expired = answer(403, json!({"error_code": 403, "message": "Invalid access token."}));
    let missing = answer(401, json!({"error_code": 401, "message": "Credential was not sent."}));
    for refusal in [expired, missing, Reaction::Respond(401, vec![], String::new())] {
        let server = ScriptedServer::with(vec![state("RUNNING"), refusal.clone()]);
        let error = run(&server).await.expect_err("expired");
        assert_eq!((error.kind(), server.count("GET", POLL)), (Kind::Config, 2), "{refusal:?}");
        assert!(error.to_string().contains("create a new one"), "{error}");
        assert!(!error.internal_message().contains(TOKEN));
    }
    let once = answer(401, json!({"error_code": 401, "message": "x"}));
    let server = ScriptedServer::with(vec![state("RUNNING"), once, success("1")]);
    assert_eq!(run(&server).await.expect("a result"), one("1"));
}

#[tokio::test]
async fn what_is_not_known_is_an_error() {
    let result = |manifest: Value, result: Value| {
        let status = json!({"state": "SUCCEEDED"});
        answer(200, json!({"statement_id": "01ef-a", "status": status, "manifest": manifest, "result": result}))
    };
    let columns = json!({"columns": [{"name": "n"}]});
    for garbage in [
        state("PAUSED"),
        Reaction::Respond(200, vec![], "<html>Sign in</html>".to_owned()),
        Reaction::Respond(200, vec![], String::new()),
        answer(200, json!([])),
        answer(200, json!({"statement_id": "../x", "status": {"state": "RUNNING"}})),
        Reaction::Respond(418, vec![], "teapot".to_owned()),
        result(json!({"schema": columns, "truncated": true}), json!({})),
        result(json!({"schema": columns, "total_row_count": 2}), json!({"data_array": [["1"]]})),
        result(json!({"schema": columns}), json!({"data_array": [["1", "2"]]})),
        result(json!({"schema": columns}), json!({"data_array": [[1]]})),
        result(json!({"schema": columns}), json!({"external_links": []})),
        result(json!({"schema": columns}), json!({"data_array": [["1"]], "next_chunk_index": 0})),
    ] {
        let error = run(&ScriptedServer::with(vec![garbage.clone()])).await.expect_err("garbage");
        assert_eq!(error.kind(), Kind::System, "{garbage:?}: {error}");
    }
}

#[tokio::test]
async fn a_page_to_sign_in_is_no_workspace() {
    let server =
        ScriptedServer::with(vec![Reaction::Respond(303, vec![("location", "/login.html".to_owned())], String::new())]);
    let error = run(&server).await.expect_err("a redirection");
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.to_string().contains("`databricks_server_hostname`"), "{error}");
}

/// One recorded request and its answer.
fn recorded() -> Option<Vec<Value>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/databricks/statement_api.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        let reason = format!("skipped: there is no recorded traffic at {}\n", path.display());
        std::io::stderr().write_all(reason.as_bytes()).expect("somebody who reads");
        return None;
    };
    Some(text.lines().map(|line| serde_json::from_str(line).expect("a recorded pair")).collect())
}

#[tokio::test]
async fn recorded_answers_of_the_service_are_understood() {
    let Some(pairs) = recorded() else { return };
    let (mut results, mut refusals) = (0, 0);
    for pair in pairs.iter().filter(|pair| pair["request"]["method"] == "POST") {
        let (request, response) = (pair["request"].clone(), pair["response"].clone());
        let status = u16::try_from(response["status"].as_u64().expect("a status")).expect("a status");
        if status == 200 && response["body"]["statement_id"].is_null() {
            continue;
        }
        let body = response["body"].clone();
        let server = ScriptedServer::new(move |_: &ReceivedRequest, _| answer(status, body.clone()));
        let got = run(&server).await;
        let linked = !response["body"]["result"]["external_links"].is_null();
        match (status, response["body"]["status"]["state"].as_str()) {
            (200, Some("SUCCEEDED")) if !linked => {
                let expected = response["body"]["manifest"]["total_row_count"].as_u64().expect("a count");
                assert_eq!(got.expect("a result").rows.len() as u64, expected, "{request}");
                results += 1;
            }
            (200, Some("SUCCEEDED")) => assert_eq!(got.expect_err("links").kind(), Kind::System),
            (200, state) => {
                assert_eq!(state, Some("FAILED"), "{request}");
                let error = got.expect_err("a failure");
                assert!(error.to_string().contains("PARSE_SYNTAX_ERROR"), "{error}");
                assert!(!error.to_string().contains("value1"), "{error}");
                refusals += 1;
            }
            _ => {
                assert_eq!(got.expect_err("refused").kind(), Kind::Config, "{request}");
                refusals += 1;
            }
        }
    }
    assert!(results >= 4 && refusals >= 3, "{results} results, {refusals} refusals");
}
