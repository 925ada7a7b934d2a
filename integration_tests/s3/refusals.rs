//! `check` on buckets that cannot be used: all problems at once, each with its solution. The proxy plays what the server
//! does not answer itself.

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::{Value, json};

use super::place::Place;
use super::proxy::{Action, Fault, Proxy, Request, Rule};
use super::server::{LIMITED, ROOT, server};
use crate::messages::{append, records};
use crate::program::{Run, Sandbox};
use crate::table;

/// What a bucket's user has to be allowed.
const NEEDED: [&str; 6] = [
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
];

/// The message of a check that failed; no key is told in it.
pub fn refused(run: &Run) -> String {
    assert_eq!(run.code, Some(0), "{run:#?}");
    let status = run.messages().into_iter().find(|message| message["type"] == "CONNECTION_STATUS").unwrap();
    assert_eq!(status["connectionStatus"]["status"], "FAILED", "{run:#?}");
    for secret in [ROOT.1, LIMITED.1, "a-wrong-secret"] {
        assert!(!run.says(secret), "a secret is told: {run:#?}");
    }
    status["connectionStatus"]["message"].as_str().unwrap().to_owned()
}

fn check(place: &Place, change: impl FnOnce(&mut Value)) -> String {
    let mut source = place.source();
    change(&mut source);
    let mut sandbox = Sandbox::with(json!({"data_source": source}));
    sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "2000");
    let message = refused(&sandbox.check());
    let failed = sandbox.write(&append(&["users"]), records("users", 0..1)).failure();
    assert!(!failed["message"].as_str().unwrap().is_empty());
    message
}

fn answered(status: u16, code: &'static str) -> String {
    let place = Place::at("lake");
    let proxy = Proxy::start(server().port(), vec![Rule::every(|_| true, Fault::Answer(status, code))]);
    check(&place, |source| source["s3_endpoint"] = json!(proxy.endpoint()))
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
    // One cause is told once.
    assert!(message.matches("Could not").count() <= 1, "{message}");
}

#[test]
fn a_check_passes_where_all_is_allowed_and_leaves_nothing() {
    let place = Place::at("lakes/one");
    place.allow(&NEEDED);
    let mut source = place.source();
    source["s3_access_key_id"] = json!(LIMITED.0);
    source["s3_secret_access_key"] = json!(LIMITED.1);
    let sandbox = Sandbox::with(json!({"data_source": source}));
    let run = sandbox.check();
    assert!(run.says("SUCCEEDED"), "{run:#?}");
    assert_eq!(place.lake().objects(), []);
    assert_eq!(place.unfinished_uploads(), 0);
    sandbox.load(&append(&["users"]), records("users", 0..3));
    assert_eq!(table::read(&place.lake().join("default/users")).rows.len(), 3);
}

#[test]
fn each_missing_permission_is_named_and_all_of_them_together() {
    let with = |allowed: &[&str]| {
        let place = Place::at("lakes/one");
        place.allow(allowed);
        let mut source = place.source();
        source["s3_access_key_id"] = json!(LIMITED.0);
        source["s3_secret_access_key"] = json!(LIMITED.1);
        let mut sandbox = Sandbox::with(json!({"data_source": source}));
        sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "2000");
        refused(&sandbox.check())
    };
    for missing in NEEDED {
        let allowed: Vec<&str> = NEEDED.into_iter().filter(|action| *action != missing).collect();
        let message = with(&allowed);
        assert!(message.contains(&format!("allow {missing}")), "{missing}: {message}");
        let (problems, policy) = message.split_once("policy that is enough").unwrap();
        for other in allowed {
            assert!(missing.starts_with(other) || !problems.contains(other), "{missing}, not {other}: {problems}");
        }
        assert!(NEEDED.iter().all(|action| policy.contains(&format!("\"{action}\""))), "{policy}");
    }
    let message = with(&["s3:GetObject"]);
    for missing in ["s3:ListBucket", "s3:PutObject", "s3:DeleteObject"] {
        assert!(message.contains(&format!("allow {missing}")), "{missing}: {message}");
    }
}

#[test]
fn a_wrong_key_and_a_wrong_secret_are_told_apart() {
    let place = Place::at("lake");
    let message = check(&place, |source| source["s3_access_key_id"] = json!("NOBODYHASTHISKEY"));
    assert_says(&message, &["s3_access_key_id", "does not know"]);
    let message = check(&place, |source| source["s3_secret_access_key"] = json!("a-wrong-secret"));
    assert_says(&message, &["s3_secret_access_key", "secret"]);
}

#[test]
fn a_session_token_that_is_wrong_or_has_expired_is_told() {
    let place = Place::at("lake");
    let message = check(&place, |source| source["s3_session_token"] = json!("made-up"));
    assert_says(&message, &["session token"]);
    assert_says(&answered(400, "ExpiredToken"), &["expired", "session token"]);
}

#[test]
fn no_keys_anywhere_are_told() {
    let place = Place::at("lake");
    let mut source = place.source();
    for key in ["s3_access_key_id", "s3_secret_access_key"] {
        source.as_object_mut().unwrap().remove(key);
    }
    let mut sandbox = Sandbox::with(json!({"data_source": source}));
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_CONFIG_FILE", "/nonexistent"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent"),
    ] {
        sandbox.set_environment(name, value);
    }
    let run = sandbox.check();
    assert_says(&refused(&run), &["s3_access_key_id"]);
    assert!(!run.says("Error {") && !run.says("CredentialsNotLoaded"), "{run:#?}");
    // And where AWS's own variables are set, they are used.
    sandbox.set_environment("AWS_ACCESS_KEY_ID", ROOT.0);
    sandbox.set_environment("AWS_SECRET_ACCESS_KEY", ROOT.1);
    let run = sandbox.check();
    assert!(run.says("SUCCEEDED"), "{run:#?}");
}

#[test]
fn a_bucket_that_is_not_there_or_elsewhere_is_told() {
    let place = Place::at("lake");
    let message = check(&place, |source| source["s3_bucket_name"] = json!("no-such-bucket-anywhere"));
    assert_says(&message, &["no-such-bucket-anywhere", "s3_bucket_name"]);
    let message = check(&place, |source| source["s3_bucket_region"] = json!("us-west-2"));
    assert_says(&message, &["eu-west-1", "us-west-2", "s3_bucket_region"]);
}

#[test]
fn a_clock_that_is_wrong_is_told() {
    assert_says(&answered(403, "RequestTimeTooSkewed"), &["clock"]);
}

#[test]
fn an_endpoint_where_nobody_listens_is_told() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let message = check(&Place::at("lake"), |source| source["s3_endpoint"] = json!(endpoint));
    assert_says(&message, &[&endpoint, "accepts no connection"]);
    let message = check(&Place::at("lake"), |source| source["s3_endpoint"] = json!("https://no.such.host.invalid"));
    assert_says(&message, &["no.such.host.invalid", "s3_endpoint"]);
}

#[test]
fn an_address_with_the_bucket_in_it_that_leads_nowhere_is_told_with_its_cure() {
    let message = check(&Place::at("lake"), |source| {
        source["s3_endpoint"] = json!("https://no.such.host.invalid");
        source["s3_path_style"] = json!(false);
    });
    assert_says(&message, &[".no.such.host.invalid", "`data_source.s3_path_style` to true"]);
}

#[test]
fn a_name_that_is_too_long_and_a_store_that_is_full_are_not_to_be_tried_again() {
    assert_says(&answered(400, "KeyTooLongError"), &["shorten `data_source.s3_bucket_path`"]);
    assert_says(&answered(507, "XMinioStorageFull"), &["free space"]);
    assert_says(&answered(400, "NewlyInvented"), &["refuses the request (NewlyInvented, status 400)"]);
}

#[test]
fn a_server_that_speaks_first_is_no_s3_for_check_and_write_alike() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { return };
            let _ = client.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
            std::thread::spawn(move || client.read_to_end(&mut Vec::new()));
        }
    });
    let mut source = Place::at("lake").source();
    source["s3_endpoint"] = json!(endpoint);
    let mut sandbox = Sandbox::with(json!({"data_source": source}));
    sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "2000");
    for _ in 0..5 {
        assert_says(&refused(&sandbox.check()), &["does not answer like S3", "s3_endpoint"]);
        let message = sandbox.write(&append(&["users"]), records("users", 0..1)).failed_with("config_error");
        assert_says(&message, &["does not answer like S3", "s3_endpoint"]);
    }
}

/// A server that answers every request with `answer`, or with nothing.
fn answering(answer: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { return };
            std::thread::spawn(move || {
                let mut request = [0; 16_384];
                let _ = client.read(&mut request);
                let _ = client.write_all(answer.as_bytes());
            });
        }
    });
    port
}

#[test]
fn an_endpoint_that_is_no_s3_is_told() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 28\r\nConnection: close\r\n\r\n<html><body>Hi</body></html>",
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 28\r\nConnection: close\r\n\r\n<html><body>No</body></html>",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 18\r\nConnection: close\r\n\r\n404 page not found",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    ] {
        let endpoint = format!("http://127.0.0.1:{}", answering(answer));
        let message = check(&Place::at("lake"), |source| source["s3_endpoint"] = json!(endpoint));
        assert_says(&message, &["s3_endpoint"]);
    }
}

#[test]
fn a_server_without_tls_behind_https_is_told() {
    let place = Place::at("lake");
    let endpoint = format!("https://127.0.0.1:{}", server().port());
    let mut source = place.source();
    source["s3_endpoint"] = json!(endpoint);
    // Without a shorter timeout: it is told at once all the same.
    let begun = std::time::Instant::now();
    let message = refused(&Sandbox::with(json!({"data_source": source})).check());
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    assert_says(&message, &["encrypted", "certificate"]);
}

#[test]
fn a_store_on_this_machine_is_not_looked_for_behind_a_proxy() {
    let place = Place::at("lake");
    let mut sandbox = Sandbox::with(json!({"data_source": place.source()}));
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"] {
        sandbox.set_environment(name, "http://127.0.0.1:9");
    }
    sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "2000");
    let run = sandbox.check();
    assert!(run.says("SUCCEEDED") && !run.says("WARN"), "{run:#?}");
}

#[test]
fn what_a_server_says_of_a_signature_is_not_told() {
    let place = Place::at("lake");
    let mut source = place.source();
    source["s3_secret_access_key"] = json!("a-wrong-secret");
    let run = Sandbox::with(json!({"data_source": source})).check();
    refused(&run);
    assert!(!run.says("StringToSign") && !run.says("<Code>") && !run.says("<?xml"), "{run:#?}");
}

#[test]
fn a_store_that_ignores_conditional_puts_is_refused_and_told_why() {
    let place = Place::at("lake");
    let proxy = Proxy::start(server().port(), vec![Rule::every(|_| true, Fault::Forgive)]);
    let mut source = place.source();
    source["s3_endpoint"] = json!(proxy.endpoint());
    let sandbox = Sandbox::with(json!({"data_source": source}));
    let message = refused(&sandbox.check());
    assert!(message.contains("If-None-Match") && message.contains("at the same time"), "{message}");
    assert_eq!(place.lake().objects(), []);
}

#[test]
fn a_store_that_does_not_know_copies_is_refused() {
    let place = Place::at("lake");
    let copies = |request: &Request| request.action == Action::Copy;
    let proxy = Proxy::start(server().port(), vec![Rule::every(copies, Fault::Answer(501, "NotImplemented"))]);
    let message = check(&place, |source| source["s3_endpoint"] = json!(proxy.endpoint()));
    assert!(message.contains("NotImplemented"), "{message}");
}

#[test]
fn problems_of_different_kinds_are_told_together() {
    let place = Place::at("lake");
    let copies = |request: &Request| request.action == Action::Copy;
    let deletes = |request: &Request| request.action == Action::Delete;
    let rules = vec![
        Rule::every(copies, Fault::Answer(501, "NotImplemented")),
        Rule::every(deletes, Fault::Answer(403, "AccessDenied")),
    ];
    let proxy = Proxy::start(server().port(), rules);
    let mut source = place.source();
    source["s3_endpoint"] = json!(proxy.endpoint());
    let mut sandbox = Sandbox::with(json!({"data_source": source}));
    sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "2000");
    let message = refused(&sandbox.check());
    assert!(message.contains("NotImplemented") && message.contains("s3:DeleteObject"), "{message}");
}
