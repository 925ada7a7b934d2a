//! The transport against a scripted server: whole, slow, broken, forgetful.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::*;
use crate::config::{Authentication, DatabricksSettings, TokenSetting};
use crate::databricks::testing::thrift_server::{Fault, ThriftServer};
use crate::databricks::token::PersonalAccessToken;
use crate::error::Kind;
use crate::secret::Secret;

const CLUSTER: &str = "/sql/protocolv1/o/1/0101-000000-abc";
const SECOND: Duration = Duration::from_secs(1);
const STARTING: Fault = Fault::RespondStatus(
    503,
    &[("Retry-After", "0"), ("X-Thriftserver-Error-Message", "TEMPORARILY_UNAVAILABLE: The cluster is PENDING")],
    "",
);

fn transport_at(server: &ThriftServer, http_path: &str) -> ThriftTransport {
    let (hostname, port) = server.address.rsplit_once(':').expect("host and port");
    let settings = DatabricksSettings {
        hostname: hostname.to_owned(),
        https: false,
        workspace: None,
        http_path: http_path.to_owned(),
        port: port.parse().expect("a port"),
        authentication: Authentication::token(Secret::new("dapi-1"), TokenSetting::Flat),
        account: None,
        statement_timeout: 3 * SECOND,
        load_parallelism: 8,
    };
    let timeouts = Timeouts {
        lease_age: SECOND,
        lease_renewal: SECOND,
        request_retry: SECOND,
        databricks_retry: 4 * SECOND,
        databricks_start: 4 * SECOND,
    };
    let tokens = Arc::new(PersonalAccessToken(Secret::new("dapi-1")));
    let http = Arc::new(HttpClient::new(&settings, tokens, &timeouts).expect("a client"));
    ThriftTransport::new(http, &settings.http_path, settings.statement_timeout, timeouts)
}

pub(super) fn transport(server: &ThriftServer, is_databricks: bool) -> ThriftTransport {
    transport_at(server, if is_databricks { CLUSTER } else { "cliservice" })
}

pub(super) fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(work)
}

fn numbers(rows: &QueryResult) -> Vec<usize> {
    rows.rows.iter().map(|row| row[0].as_deref().expect("a number").parse().expect("a number")).collect()
}

#[test]
fn databricks_answers_a_short_statement_in_one_request() {
    let server = ThriftServer::start(true);
    let transport = transport(&server, true);
    let rows = run(transport.execute("rows 3")).expect("rows");
    assert_eq!(rows.columns, ["number", "text"]);
    assert_eq!(rows.rows[2], [Some("2".to_owned()), Some("text 2".to_owned())]);
    assert_eq!(server.state().calls, ["OpenSession", "ExecuteStatement"]);
    assert_eq!(server.state().logins, ["Bearer dapi-1", "Bearer dapi-1"]);
}

#[test]
fn a_hive_server_refuses_the_version_of_databricks_and_is_spoken_to_in_its_own() {
    let server = ThriftServer::start(false);
    let transport = transport(&server, false);
    let rows = run(transport.execute("rows 3")).expect("rows");
    assert_eq!(numbers(&rows), [0, 1, 2]);
    let calls = "OpenSession OpenSession ExecuteStatement GetOperationStatus GetResultSetMetadata FetchResults \
                 FetchResults CloseOperation";
    assert_eq!(server.state().calls.join(" "), calls);
    assert!(server.state().logins.iter().all(|login| login == "Basic dG9rZW46ZGFwaS0x"));
}

#[test]
fn a_result_of_many_pages_is_whole_on_both_kinds_of_server() {
    for is_databricks in [true, false] {
        let server = ThriftServer::start(is_databricks);
        server.state().page = 7;
        let rows = run(transport(&server, is_databricks).execute("rows 30")).expect("rows");
        assert_eq!(numbers(&rows), (0..30).collect::<Vec<_>>());
    }
}

#[test]
fn a_statement_that_takes_its_time_is_asked_for_until_it_is_done() {
    let server = ThriftServer::start(true);
    run(transport(&server, true).execute("wait 4")).expect("rows");
    assert_eq!(server.count("GetOperationStatus"), 4);
}

#[test]
fn a_call_refused_before_work_is_made_again_and_nothing_runs_twice() {
    let server = ThriftServer::start(true).with("ExecuteStatement", &[STARTING, Fault::CutBeforeWork, STARTING]);
    let rows = run(transport(&server, true).execute("rows 2")).expect("rows");
    assert_eq!((numbers(&rows), server.state().statements.len()), (vec![0, 1], 1));
}

#[test]
fn a_statement_whose_answer_is_lost_or_broken_is_sent_again() {
    let server = ThriftServer::start(true)
        .with("ExecuteStatement", &[Fault::CutAfterWork, Fault::RespondHalf, Fault::RespondBytes(b"<html>".to_vec())]);
    let rows = run(transport(&server, true).execute("rows 2")).expect("rows");
    assert_eq!((numbers(&rows), server.state().statements.len()), (vec![0, 1], 3));
}

#[test]
fn a_change_is_sent_again_only_where_it_was_not_taken() {
    let forgotten =
        Fault::RespondStatus(404, &[("X-Thriftserver-Error-Message", "RESOURCE_DOES_NOT_EXIST: no session")], "");
    for not_taken in [STARTING, Fault::RespondStatus(429, &[], ""), forgotten, Fault::ForgetEverything] {
        let server = ThriftServer::start(true).with("ExecuteStatement", &[not_taken]);
        let changed = run(transport(&server, true).change("rows 2")).expect("rows");
        assert!(matches!(changed, Changed::Done(rows) if numbers(&rows) == [0, 1]));
        assert_eq!(server.state().statements.len(), 1);
    }
    let lost = [
        Fault::CutBeforeWork,
        Fault::CutAfterWork,
        Fault::RespondHalf,
        Fault::RespondBytes(b"<html>".to_vec()),
        Fault::RespondStatus(502, &[], ""),
    ];
    for lost in lost {
        let server = ThriftServer::start(true).with("ExecuteStatement", &[lost]);
        let changed = run(transport(&server, true).change("rows 2")).expect("no error");
        assert!(matches!(changed, Changed::Unknown(_)), "{changed:?}");
        assert_eq!(server.count("ExecuteStatement"), 1);
    }
    // A statement that the server has forgotten after it began; its session is opened anew.
    let server = ThriftServer::start(false).with("GetOperationStatus", &[Fault::None, Fault::ForgetEverything]);
    let transport = transport(&server, false);
    assert!(matches!(run(transport.change("wait 2")).expect("no error"), Changed::Unknown(_)));
    assert!(matches!(run(transport.change("rows 1")).expect("rows"), Changed::Done(_)));
    assert_eq!(server.state().statements, ["wait 2", "rows 1"]);
}

#[test]
fn a_page_whose_answer_is_lost_is_read_again_from_the_first_row() {
    for is_databricks in [true, false] {
        let server = ThriftServer::start(is_databricks)
            .with("FetchResults", &[Fault::None, Fault::CutAfterWork, Fault::None, Fault::RespondHalf]);
        server.state().page = 4;
        let rows = run(transport(&server, is_databricks).execute("rows 18")).expect("rows");
        assert_eq!(numbers(&rows), (0..18).collect::<Vec<_>>());
        assert_eq!(server.state().statements.len(), 1);
    }
}

#[test]
fn an_answer_that_comes_late_is_waited_for() {
    let server = ThriftServer::start(false).with("GetOperationStatus", &[Fault::RespondLate(Duration::from_secs(1))]);
    let rows = run(transport(&server, false).execute("rows 2")).expect("rows");
    assert_eq!((numbers(&rows), server.state().statements.len()), (vec![0, 1], 1));
}

#[test]
fn a_session_lost_in_mid_sync_is_opened_again_once_for_all_that_run() {
    let server = ThriftServer::start(true);
    let transport = transport(&server, true);
    run(async {
        transport.execute("rows 1").await.expect("rows");
        server.state().sessions.clear();
        let all = join_all((0..8).map(|_| transport.execute("rows 2"))).await;
        assert!(all.into_iter().all(|rows| numbers(&rows.expect("rows")) == [0, 1]));
    });
    assert_eq!(server.count("OpenSession"), 2);
    assert_eq!(server.state().statements.len(), 9);
}

#[test]
fn a_statement_that_a_restart_forgot_is_sent_again() {
    let server = ThriftServer::start(false).with("GetOperationStatus", &[Fault::None, Fault::ForgetEverything]);
    run(transport(&server, false).execute("wait 2")).expect("rows");
    assert_eq!(server.state().statements, ["wait 2", "wait 2"]);
    // A gateway of Databricks says it so.
    let gone =
        Fault::RespondStatus(404, &[("X-Thriftserver-Error-Message", "RESOURCE_DOES_NOT_EXIST: no such session")], "");
    let server = ThriftServer::start(true).with("ExecuteStatement", &[gone]);
    run(transport(&server, true).execute("rows 1")).expect("rows");
    assert_eq!(server.count("OpenSession"), 2);
}

#[test]
fn a_lost_session_is_known_in_all_its_forms() {
    let of_http = Fault::RespondStatus(
        400,
        &[(
            "X-Thriftserver-Error-Message",
            "BAD_REQUEST: Invalid SessionHandle: Session [01f05276-6147-1fa3] is closed.",
        )],
        "",
    );
    let of_body = Fault::RespondStatus(
        400,
        &[],
        r#"{"error_code": "BAD_REQUEST", "message": "Invalid SessionHandle: Session [1] is closed."}"#,
    );
    let says = |message: &'static str| Fault::RespondError("HY000", message);
    for lost in [
        of_http,
        of_body,
        says("requirement failed: Session handle: SessionHandle [1f] has not been initialized or had already closed."),
        says("Invalid SessionHandle: SessionHandle [1f]"),
        says("Invalid Session Handle: Session [1f] is Closed"),
    ] {
        let server = ThriftServer::start(true).with("ExecuteStatement", std::slice::from_ref(&lost));
        run(transport(&server, true).execute("rows 1")).expect("rows");
        assert_eq!((server.count("OpenSession"), server.state().statements.len()), (2, 1));
        // The statement had not begun, so that it may be sent again also where it changes rows.
        let server = ThriftServer::start(true).with("ExecuteStatement", std::slice::from_ref(&lost));
        let changed = run(transport(&server, true).change("rows 1")).expect("rows");
        assert!(matches!(changed, Changed::Done(_)), "{changed:?}");
    }
}

#[test]
fn a_statement_that_somebody_else_cancels_is_sent_again_once_or_twice() {
    let server = ThriftServer::start(true);
    run(transport(&server, true).execute("cancelled 2")).expect("rows");
    assert_eq!(server.state().statements.len(), 3);
    let server = ThriftServer::start(true);
    let error = run(transport(&server, true).execute("cancelled 9")).expect_err("always cancelled");
    assert_eq!((error.kind(), server.state().statements.len()), (Kind::Transient, 3));
    assert!(error.to_string().contains("STATEMENT_TIMEOUT"), "{error}");
    let server = ThriftServer::start(true);
    let changed = run(transport(&server, true).change("cancelled 2")).expect("no error");
    assert!(matches!(changed, Changed::Cancelled(_)), "{changed:?}");
    assert_eq!(server.state().statements.len(), 1);
}

#[test]
fn a_result_without_rows_may_say_that_it_is_in_another_format() {
    for (statement, is_read) in [("arrow 0", true), ("arrow 3", false)] {
        let server = ThriftServer::start(true);
        let rows = run(transport(&server, true).execute(statement));
        assert_eq!(rows.is_ok(), is_read, "{statement}: {rows:?}");
        assert!(rows.is_ok_and(|rows| rows.rows.is_empty()) || !is_read);
    }
}

#[test]
fn a_server_that_loses_every_session_is_not_asked_for_ever() {
    let lost = vec![Fault::ForgetEverything; 100];
    let server = ThriftServer::start(true).with("ExecuteStatement", &lost);
    let error = run(transport(&server, true).execute("rows 1")).expect_err("always lost");
    assert_eq!(error.kind(), Kind::Transient);
    assert!(error.to_string().contains("repeatedly lost"), "{error}");
}

#[test]
fn a_starting_cluster_is_waited_for() {
    let plain = Fault::RespondStatus(503, &[], "");
    let other = Fault::RespondStatus(400, &[("X-Databricks-Reason-Phrase", "The cluster 1 is starting")], "");
    let server = ThriftServer::start(true).with("OpenSession", &[STARTING, plain, other, STARTING]);
    run(transport(&server, true).execute("rows 1")).expect("rows");
    assert_eq!(server.count("OpenSession"), 5);
}

#[test]
fn a_storm_of_503_ends_at_its_limit_and_says_what_the_server_said() {
    let server = ThriftServer::start(true).with("OpenSession", &vec![STARTING; 10_000]);
    let error = run(transport(&server, true).execute("rows 1")).expect_err("never starts");
    assert_eq!(error.kind(), Kind::Transient);
    assert!(error.to_string().contains("For 4 seconds there was no response"), "{error}");
    assert!(error.internal_message().contains("The cluster is PENDING"), "{}", error.internal_message());
    assert!(server.count("OpenSession") < 40, "{} calls", server.count("OpenSession"));
}

#[test]
fn garbage_is_refused_after_a_few_tries_with_advice() {
    let garbage = || Fault::RespondBytes(b"<html>log in</html>".to_vec());
    let server = ThriftServer::start(true).with("OpenSession", &[garbage(), garbage(), garbage(), garbage()]);
    let error = run(transport(&server, true).execute("rows 1")).expect_err("no Thrift");
    assert!(error.to_string().contains("databricks_http_path"), "{error}");
    assert_eq!(server.count("OpenSession"), 3);
}

#[test]
fn a_statement_that_fails_says_why_and_is_ended_on_the_server() {
    for is_databricks in [true, false] {
        let server = ThriftServer::start(is_databricks);
        let error = run(transport(&server, is_databricks).execute("fail")).expect_err("no table");
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.to_string().contains("said: [TABLE_OR_VIEW_NOT_FOUND] The table"), "{error}");
        assert_eq!(server.state().statements.len(), 1);
        assert_eq!(server.count("CloseOperation"), 1);
    }
}

#[test]
fn a_statement_that_takes_too_long_is_cancelled() {
    let server = ThriftServer::start(false);
    let error = run(transport(&server, false).execute("forever")).expect_err("too slow");
    assert!(error.to_string().contains("longer than 3 seconds"), "{error}");
    assert_eq!(server.state().cancelled, 1);
    assert_eq!(server.state().statements.len(), 1);
}

/// Waits until the states of so many statements have been asked for: by then their handles are noted.
async fn are_polled(server: &ThriftServer, statements: usize) {
    while server.polled() < statements {
        sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn close_cancels_what_runs_and_ends_the_session() {
    let server = ThriftServer::start(false);
    let transport = transport(&server, false);
    run(async {
        let closing = async {
            are_polled(&server, 3).await;
            transport.close().await;
        };
        let running = join_all((0..3).map(|_| transport.execute("forever")));
        let (ended, ()) = tokio::join!(running, closing);
        assert!(
            ended.into_iter().all(|ended| ended.is_err_and(|error| error.to_string().contains("the sync has ended")))
        );
        assert!(transport.execute("rows 1").await.is_err(), "nothing is executed after it");
    });
    assert_eq!(server.state().cancelled, 3);
    assert!(server.state().sessions.is_empty());
}

#[test]
fn a_statement_that_nobody_waits_for_any_more_is_cancelled_at_the_end() {
    let server = ThriftServer::start(false);
    let transport = transport(&server, false);
    run(async {
        tokio::select! {
            ended = transport.execute("forever") => panic!("it runs for ever: {ended:?}"),
            () = are_polled(&server, 1) => {}
        }
        assert_eq!(server.state().cancelled, 0);
        transport.close().await;
    });
    assert_eq!(server.state().cancelled, 1);
}

#[test]
fn an_expired_token_is_looked_up_once_more_and_then_told() {
    let refused = Fault::RespondStatus(401, &[("X-Databricks-Reason-Phrase", "Invalid access token.")], "");
    let server = ThriftServer::start(true).with("ExecuteStatement", std::slice::from_ref(&refused));
    run(transport(&server, true).execute("rows 1")).expect("rows, with the token of the second look-up");
    let server = ThriftServer::start(true).with("ExecuteStatement", &[refused.clone(), refused]);
    let error = run(transport(&server, true).execute("rows 1")).expect_err("the token is no good");
    assert_eq!(error.kind(), Kind::Config);
    assert_eq!(server.count("ExecuteStatement"), 2);
}
