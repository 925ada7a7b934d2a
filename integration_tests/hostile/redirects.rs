//! Redirects: no request follows one, and the user is told where it would have gone.

use serde_json::json;

use super::bucket::{sandbox, source, store};
use super::server::{Reply, Request, Server};
use crate::messages::{append, records};
use crate::program::{Run, Sandbox};

const STATUSES: [u16; 6] = [300, 301, 302, 303, 307, 308];

/// The lease of a sync that died long ago: then a sync asks for the head of its own.
const DEAD: &str = "0189b0c4-3d00-7000-8000-000000000001/sync.lease";

/// A server that nobody may come to.
fn elsewhere() -> Server {
    Server::start(|_| Reply::new(200, "text/plain", "caught"))
}

fn assert_told(run: &Run, elsewhere: &Server, what: &str) {
    let address = format!("{}/caught/here", elsewhere.endpoint());
    assert!(run.says(&address), "{what}: {run:#?}");
    assert!(!run.says("hidden=query") && !run.says("user:word"), "{what}: {run:#?}");
    assert_eq!(elsewhere.seen().len(), 0, "{what}: a request was sent on");
}

#[test]
fn no_request_to_a_store_is_sent_on_whatever_its_method_and_the_status() {
    type Which = fn(&Request) -> bool;
    let kinds: [(&str, Which); 8] = [
        ("list", |request| request.method == "GET" && request.query.contains("list-type")),
        ("get", |request| request.method == "GET" && request.query.is_empty()),
        ("head", |request| request.method == "HEAD"),
        ("put", |request| request.method == "PUT" && request.header("x-amz-copy-source").is_none()),
        ("copy", |request| request.header("x-amz-copy-source").is_some()),
        ("post", |request| request.method == "POST"),
        ("delete", |request| request.method == "DELETE"),
        ("unfinished", |request| request.method == "GET" && request.query.starts_with("uploads")),
    ];
    for (what, which) in kinds {
        for status in STATUSES {
            let elsewhere = elsewhere();
            let location =
                format!("{}/caught/here?hidden=query", elsewhere.endpoint()).replace("http://", "http://user:word@");
            let store = store(&[(DEAD, "dead")], move |request| {
                which(request).then(|| Reply::new(status, "text/plain", "").with("Location", &location))
            });
            let run = sandbox(&store.endpoint(), json!({})).check();
            assert!(store.seen().iter().any(which), "{what} was never asked");
            assert!(run.says("FAILED"), "{what} {status}: {run:#?}");
            assert_told(&run, &elsewhere, &format!("{what} {status}"));
        }
    }
}

#[test]
fn a_sync_that_is_sent_on_fails_with_a_config_error() {
    for status in STATUSES {
        let elsewhere = elsewhere();
        let location = format!("{}/caught/here?hidden=query", elsewhere.endpoint());
        let store = store(&[], move |_| Some(Reply::new(status, "text/plain", "").with("Location", &location)));
        let run = sandbox(&store.endpoint(), json!({})).write(&append(&["users"]), records("users", 0..1));
        let message = run.failed_with("config_error");
        assert!(message.contains("s3_endpoint"), "{message}");
        assert_told(&run, &elsewhere, &status.to_string());
    }
}

#[test]
fn no_request_to_databricks_is_sent_on() {
    for path in ["/sql/1.0/warehouses/abc", "sql/protocolv1/o/1/2", "cliservice"] {
        for status in STATUSES {
            let elsewhere = elsewhere();
            let location = format!("{}/caught/here?hidden=query", elsewhere.endpoint());
            let workspace = Server::start(move |_| Reply::new(status, "text/plain", "").with("Location", &location));
            let store = store(&[], |_| None);
            let mut sandbox = Sandbox::with(json!({
                "data_source": source(&store.endpoint()), "accept_terms": true,
                "databricks_server_hostname": "http://127.0.0.1", "databricks_port": workspace.port().to_string(),
                "databricks_http_path": path, "databricks_personal_access_token": "dapi0ca0a0y1234567890abcdef12345678",
            }));
            for name in ["RETRY_MS", "DATABRICKS_RETRY_MS", "DATABRICKS_START_MS"] {
                sandbox.set_environment(&format!("DESTINATION_DATABRICKS_{name}"), "1500");
            }
            let run = sandbox.write(&append(&["users"]), records("users", 0..1));
            let message = run.failed_with("config_error");
            assert!(message.contains("databricks_server_hostname"), "{message}");
            assert_told(&run, &elsewhere, &format!("{path} {status}"));
        }
    }
}
