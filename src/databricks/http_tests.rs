//! Connections that do not come about, and tokens that change.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;

use super::http::{HttpClient, Request};
use super::no_response;
use super::testing::scripted_server::{Reaction, ScriptedServer, TOKEN, answer, timeouts};
use super::token::{PersonalAccessToken, TokenProvider};
use super::who::Who;
use super::workspace::Workspace;
use crate::config::DatabricksSettings;
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;

fn client(settings: &DatabricksSettings) -> HttpClient {
    HttpClient::new(settings, Arc::new(PersonalAccessToken(Secret::new(TOKEN))), &timeouts()).expect("a client")
}

/// What asking the server of `settings` that was never reached says, soon.
async fn refused(settings: &DatabricksSettings) -> Error {
    let begun = Instant::now();
    let error = client(settings).repeat(&Request::get("/")).await.expect_err("nobody there");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    error
}

fn nobody() -> DatabricksSettings {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    DatabricksSettings { port, ..ScriptedServer::with(vec![Reaction::DropConnection]).settings() }
}

#[tokio::test]
async fn a_host_that_never_answered_is_most_likely_wrong() {
    let error = refused(&nobody()).await;
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.message().contains("refuses connections: check `databricks_server_hostname`"), "{}", error.message());
}

#[tokio::test]
async fn a_name_without_an_address_is_told_however_long_the_look_up_takes() {
    // A label of more than 63 letters has no address anywhere, and nobody needs to be asked for it.
    let hostname = format!("{}.localhost", "a".repeat(64));
    let asked = reqwest::Client::builder().no_proxy().build().expect("a client");
    let workspace = Workspace { host: hostname, http_path: String::new(), who: Who::default() };
    for (has_answered, kind) in [(false, Kind::Config), (true, Kind::Transient)] {
        let failed = asked.get(format!("http://{}/", workspace.host)).send().await.expect_err("no address");
        let error = no_response::classify(failed).into_error(&workspace, has_answered);
        assert_eq!(error.kind(), kind);
        assert!(error.message().contains("No address was found"), "{}", error.internal_message());
    }
}

#[tokio::test]
async fn a_server_without_tls_is_told_apart() {
    let server = ScriptedServer::with(vec![Reaction::DropConnection]);
    // What listens there speaks, and it is no TLS.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(|stream| stream.ok()) {
            let _ = std::io::Write::write_all(&mut &stream, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let settings = DatabricksSettings { https: true, port, ..server.settings() };
    let error = refused(&settings).await;
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.message().contains("does not speak TLS at this port"), "{}", error.internal_message());
}

#[tokio::test]
async fn a_host_that_takes_connections_and_never_answers_is_given_up_soon() {
    let server = ScriptedServer::with(vec![Reaction::DropConnection]);
    let client = client(&server.settings());
    let error = client.repeat(&Request::get("/")).await.expect_err("lost");
    assert_eq!(error.kind(), Kind::Transient);
    assert!(
        error.message().contains("has not responded to a request: check `databricks"),
        "{}",
        error.internal_message()
    );
}

#[tokio::test]
async fn a_single_request_waits_for_a_host_that_is_not_there_yet() {
    let settings = nobody();
    let address = ("127.0.0.1", settings.port);
    let listening = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        let listener = TcpListener::bind(address).expect("the port");
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = [0; 1];
        let _ = std::io::Read::read(&mut stream, &mut request);
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").expect("written");
    });
    let answer = client(&settings).send(&Request::get("/")).await.expect("an answer");
    assert_eq!(answer.status, 200);
    listening.join().expect("no panic");
}

#[tokio::test]
async fn a_server_that_has_answered_before_is_out_of_reach_for_a_while() {
    let server = ScriptedServer::with(vec![answer(200, json!({})), Reaction::DropConnection]);
    let client = client(&server.settings());
    client.send(&Request::get("/")).await.expect("an answer");
    let error = client.repeat(&Request::get("/")).await.expect_err("lost");
    assert_eq!(error.kind(), Kind::Transient);
    assert!(error.message().contains("the response did not arrive"), "{}", error.internal_message());
    assert!(server.count("GET", "/") > 3);
}

/// A token that is another one each time it was forgotten.
struct Renewed(AtomicU32);

#[async_trait]
impl TokenProvider for Renewed {
    async fn token(&self) -> Result<Secret> {
        Ok(Secret::new(format!("token-{}", self.0.load(Ordering::SeqCst))))
    }

    async fn forget(&self, _token: &Secret) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn the_token_is_looked_up_for_each_request_and_again_when_it_is_refused() {
    for refusal in [
        answer(401, json!({"error_code": 401, "message": "expired"})),
        answer(403, json!({"error_code": 403, "message": "Invalid access token."})),
        // In answer to HEAD there are no words.
        Reaction::Respond(403, Vec::new(), String::new()),
    ] {
        let server = ScriptedServer::new(move |received, _| match received.header("authorization") {
            Some("Bearer token-1") => answer(200, json!({})),
            _ => refusal.clone(),
        });
        let client =
            HttpClient::new(&server.settings(), Arc::new(Renewed(AtomicU32::new(0))), &timeouts()).expect("a client");
        for _ in 0..2 {
            assert!(client.send(&Request::get("/")).await.expect("an answer").status.is_success());
        }
        assert_eq!(server.received().len(), 3);
    }
}

#[tokio::test]
async fn the_workspaces_number_goes_with_every_request() {
    let server = ScriptedServer::new(|received, _| match received.header("x-databricks-org-id") {
        Some("123") => answer(200, json!({})),
        _ => Reaction::Respond(303, vec![("location", "/login".to_owned())], String::new()),
    });
    let settings = DatabricksSettings { workspace: Some("123".to_owned()), ..server.settings() };
    for request in [Request::get("/"), Request::post("/", "{}")] {
        assert_eq!(client(&settings).repeat(&request).await.expect("an answer").status.as_u16(), 200);
        assert_eq!(client(&server.settings()).repeat(&request).await.expect("an answer").status.as_u16(), 303);
    }
}

#[tokio::test]
async fn a_right_that_is_missing_is_no_refused_token() {
    let body = json!({"error_code": "PERMISSION_DENIED", "message": "User does not have USE CATALOG on Catalog 'x'."});
    let server = ScriptedServer::with(vec![answer(403, body)]);
    let answer = client(&server.settings()).repeat(&Request::get("/")).await.expect("an answer");
    assert_eq!((answer.status.as_u16(), server.received().len()), (403, 1));
}
