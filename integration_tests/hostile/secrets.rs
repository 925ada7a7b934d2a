//! Servers that repeat what they receive: no output of the program has a secret, in any form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use super::bucket::{KEY, KEY_ID, TOKEN, sandbox, source, store};
use super::server::{Reply, Request, Server};
use crate::messages::{append, records};
use crate::program::{Run, Sandbox};

pub const DAPI: &str = "dapi0ca0a0y1234567890abcdef12345678";
/// What is configured with Databricks; without it, the first three.
const SECRETS: [&str; 4] = [KEY_ID, KEY, TOKEN, DAPI];

/// No secret is in any output, in none of its forms.
fn assert_hidden(run: &Run, secrets: &[&str], what: &str) {
    let percent = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    for secret in secrets {
        let basic = BASE64.encode(format!("token:{secret}"));
        let forms = [
            (*secret).to_owned(),
            BASE64.encode(secret).trim_end_matches('=').to_owned(),
            basic.trim_end_matches('=').to_owned(),
            percent(secret),
            percent(&percent(secret)),
            percent(&basic),
            secret.replace('/', "\\/"),
            secret.replace('+', "&#43;").replace('/', "&#x2F;"),
            // Where a text was cut.
            secret[..12].to_owned(),
        ];
        for form in forms {
            assert!(!run.says(&form), "{what}: {form} is told: {run:#?}");
        }
    }
    assert!(!run.says("Credential=AKIA"), "{what}: {run:#?}");
}

/// What the server has heard, and what it knows beside, in the form `form`.
fn echo(request: &Request, form: &str) -> String {
    // A store hears nothing of Databricks' token.
    let known = if request.path.starts_with("/lake") { &SECRETS[..3] } else { &SECRETS };
    let heard = format!("{}\n{}", known.join(" "), request.whole());
    match form {
        "plain" => heard,
        "percent" => url::form_urlencoded::byte_serialize(heard.as_bytes()).collect(),
        "base64" => BASE64.encode(&heard),
        "token" => known[request.number % known.len()].to_owned(),
        // The cut of a message falls into a secret.
        "long" => format!("{}{heard}", "x ".repeat(130)),
        _ => panic!("{form}"),
    }
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('+', "&#43;").replace('/', "&#x2F;")
}

const FORMS: [&str; 5] = ["plain", "percent", "base64", "token", "long"];

/// The answer `kind` with what was heard.
fn said(request: &Request, kind: &str, form: &str, status: u16) -> Reply {
    let heard = echo(request, form);
    match kind {
        "json" => Reply::new(status, "application/json", json!({"message": heard, "error_code": heard}).to_string()),
        "error" => Reply::new(status, "application/json", json!({"error": heard, "details": [heard]}).to_string()),
        "code" => Reply::new(status, "application/xml", format!("<Error><Code>{heard}</Code></Error>")),
        "xml" => Reply::new(
            status,
            "application/xml",
            format!(
                "<?xml version=\"1.0\"?><Error><Code>Odd</Code><Message>{0}</Message><Region>{0}</Region></Error>",
                xml(&heard)
            ),
        ),
        "html" => Reply::new(status, "text/html", format!("<html><title>{heard}</title><pre>{heard}</pre></html>")),
        "text" => Reply::new(status, "text/plain", heard),
        "header" => Reply::new(status, "text/plain", "")
            .with("x-databricks-reason-phrase", &heard)
            .with("x-thriftserver-error-message", &heard)
            .with("x-amz-bucket-region", &heard)
            .with("Location", &format!("http://127.0.0.1:1/{heard}")),
        _ => panic!("{kind}"),
    }
}

const KINDS: [&str; 7] = ["json", "error", "code", "xml", "html", "text", "header"];

/// Every shape in every form, each with two statuses of `statuses`, all of which are met.
fn shapes(statuses: &[u16]) -> Vec<(&'static str, &'static str, u16)> {
    let mut shapes = Vec::new();
    for kind in KINDS {
        for form in FORMS {
            for _ in 0..2 {
                shapes.push((kind, form, statuses[shapes.len() % statuses.len()]));
            }
        }
    }
    shapes
}

#[test]
fn what_a_store_repeats_is_hidden_in_every_shape_and_place() {
    for (number, (kind, form, status)) in shapes(&[200, 307, 400, 403, 503]).into_iter().enumerate() {
        let store = Server::start(move |request| said(request, kind, form, status));
        let sandbox = sandbox(&store.endpoint(), json!({}));
        let what = format!("{kind} {form} {status}");
        let run = if number % 3 == 0 {
            let run = sandbox.write(&append(&["users"]), records("users", 0..1));
            assert_eq!(run.code, Some(1), "{what}: {run:#?}");
            run
        } else {
            let run = sandbox.check();
            assert!(run.says("FAILED"), "{what}: {run:#?}");
            run
        };
        assert_hidden(&run, &SECRETS[..3], &what);
    }
}

/// A sandbox that loads through `server`.
pub fn workspace(server: &Server, store: &Server, path: &str) -> Sandbox {
    let mut sandbox = Sandbox::with(json!({
        "data_source": source(&store.endpoint()), "accept_terms": true,
        "databricks_server_hostname": "http://127.0.0.1", "databricks_port": server.port().to_string(),
        "databricks_http_path": path, "databricks_personal_access_token": DAPI,
    }));
    for name in ["RETRY_MS", "DATABRICKS_RETRY_MS", "DATABRICKS_START_MS"] {
        sandbox.set_environment(&format!("DESTINATION_DATABRICKS_{name}"), "600");
    }
    sandbox
}

#[test]
fn what_databricks_repeats_is_hidden_in_every_shape_and_place() {
    for path in ["/sql/1.0/warehouses/abc", "cliservice"] {
        for (kind, form, status) in shapes(&[307, 400, 401, 403, 503]) {
            let server = Server::start(move |request| said(request, kind, form, status));
            let store = store(&[], |_| None);
            let run = workspace(&server, &store, path).check();
            let what = format!("{path} {kind} {form} {status}");
            assert!(run.says("FAILED"), "{what}: {run:#?}");
            assert_hidden(&run, &SECRETS, &what);
        }
    }
}

#[test]
fn what_a_warehouse_and_a_statement_repeat_is_hidden() {
    for form in FORMS {
        for place in ["state", "reason", "statement state", "statement error"] {
            let server = Server::start(move |request| {
                let heard = echo(request, form);
                let answer = match (place, request.path.contains("/warehouses/")) {
                    ("state", true) => json!({"state": heard}),
                    ("reason", true) => json!({"state": "STOPPED", "health": {"failure_reason": {"code": heard}}}),
                    ("statement state", false) => json!({"statement_id": "s1", "status": {"state": heard}}),
                    (_, false) => json!({"statement_id": "s1", "status": {"state": "FAILED", "sql_state": heard,
                        "error": {"error_code": heard, "message": heard}}}),
                    (_, true) => json!({"state": "RUNNING"}),
                };
                Reply::new(200, "application/json", answer.to_string())
            });
            let store = store(&[], |_| None);
            let run = workspace(&server, &store, "/sql/1.0/warehouses/abc").check();
            assert!(run.says("FAILED"), "{place} {form}: {run:#?}");
            assert_hidden(&run, &SECRETS, &format!("{place} {form}"));
        }
    }
}

/// A Thrift message of the kind `kind` to the call in `request`, with the structure `fields`.
fn thrift(request: &Request, kind: u8, fields: &[u8]) -> Reply {
    let name = usize::try_from(u32::from_be_bytes(request.body[4..8].try_into().unwrap())).unwrap();
    let mut bytes = vec![0x80, 1, 0, kind];
    bytes.extend_from_slice(&request.body[4..12 + name]);
    bytes.extend_from_slice(fields);
    Reply::new(200, "application/x-thrift", bytes)
}

fn text_field(id: u8, text: &str) -> Vec<u8> {
    let mut bytes = vec![11, 0, id];
    bytes.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

#[test]
fn what_a_thrift_server_repeats_is_hidden() {
    for form in FORMS {
        for exception in [false, true] {
            let server = Server::start(move |request| {
                let heard = echo(request, form);
                if exception {
                    return thrift(request, 3, &[text_field(1, &heard), vec![8, 0, 2, 0, 0, 0, 6, 0]].concat());
                }
                // Field 0, its status: ERROR with a state and words; a version of the protocol.
                let status =
                    [vec![8, 0, 1, 0, 0, 0, 3], text_field(3, &heard), text_field(5, &heard), vec![0]].concat();
                thrift(request, 2, &[vec![12, 0, 0, 12, 0, 1], status, vec![8, 0, 2, 0, 0, 0, 9, 0, 0]].concat())
            });
            let store = store(&[], |_| None);
            let run = workspace(&server, &store, "cliservice").check();
            let what = format!("thrift {form} {exception}");
            assert!(run.says("FAILED"), "{what}: {run:#?}");
            assert!(
                server
                    .seen()
                    .iter()
                    .all(|request| request.header("authorization").is_some_and(|login| login.starts_with("Basic ")))
            );
            assert_hidden(&run, &SECRETS, &what);
        }
    }
}

#[test]
fn what_a_store_says_in_another_encoding_is_read_and_hidden() {
    let units = |text: &str, pair: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(pair).collect()
    };
    let error = format!("<Error><Code>AccessDenied</Code><Message>The key {KEY} is bad</Message></Error>");
    let latin: Vec<u8> = error.bytes().map(|byte| if byte == b'T' { 0xe9 } else { byte }).collect();
    for body in [units(&error, u16::to_le_bytes), units(&error, u16::to_be_bytes), latin] {
        let store = Server::start(move |_| Reply::new(400, "application/xml", body.clone()));
        let run = sandbox(&store.endpoint(), json!({})).check();
        assert!(run.says("FAILED") && run.says("access is denied") && run.says("***"), "{run:#?}");
        assert!(!run.says("broke repeatedly"), "{run:#?}");
        assert_hidden(&run, &SECRETS[..3], "another encoding");
    }
}

#[test]
fn states_and_records_stay_as_they_came_whatever_is_in_them() {
    let mut sandbox = Sandbox::new();
    // Known to the program, and in the source's own texts.
    sandbox.set_environment("AWS_SECRET_ACCESS_KEY", KEY);
    let state = json!({"type": "STATE", "state": {"type": "STREAM", "stream": {
        "stream_descriptor": {"name": "users"}, "stream_state": {"cursor": KEY, "bearer": "Bearer abc123def456"}}}});
    let row = json!({"secret": KEY}).to_string();
    let input = format!("{}{state}\n", crate::messages::record("users", &row));
    let run = sandbox.load(&append(&["users"]), input);
    let states = run.states();
    assert_eq!(states[0]["state"]["stream"], state["state"]["stream"]);
    assert_eq!(crate::table::data(&sandbox.table("default/users")), [row]);
}

#[test]
fn a_secret_that_is_short_or_a_word_leaves_the_messages_readable() {
    for word in ["a", "s3", "the", "store", "bucket", "warehouse"] {
        let store = Server::start(|_| Reply::new(403, "application/xml", "<Error><Code>AccessDenied</Code></Error>"));
        let mut source = source(&store.endpoint());
        source["s3_secret_access_key"] = json!(word);
        let mut sandbox = Sandbox::with(json!({"data_source": source}));
        sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "1000");
        let run = sandbox.check();
        assert!(run.says("access is denied: allow s3:ListBucket for this identity"), "{word}: {run:#?}");
    }
}
