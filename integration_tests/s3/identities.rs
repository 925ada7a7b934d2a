//! AWS credentials without a permanent key: an assumed role, a web identity, a container. They expire while a sync runs.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::proxy::Proxy;
use super::refusals::refused;
use super::server::{ROOT, assumed, server};
use super::sts::{Call, ROLE, Say, Sts};
use crate::messages::{append, padded, record, records, state};
use crate::place::HANGS;
use crate::program::Sandbox;
use crate::table;

const HOUR: Duration = Duration::from_secs(3600);
/// How long credentials are valid that expire in the middle of a sync.
const SHORT: Duration = Duration::from_millis(1500);

/// A sandbox that assumes [`ROLE`] with an external id.
fn with_role(sts: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    let mut source = sandbox.place().source();
    source["s3_role_arn"] = json!(ROLE);
    source["s3_external_id"] = json!("airbyte-123");
    sandbox.set(json!({"data_source": source}));
    sandbox.set_environment("AWS_ENDPOINT_URL_STS", sts);
    sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "6000");
    sandbox
}

/// A sandbox without keys, which finds only what the test puts into its environment.
fn without_keys() -> Sandbox {
    let mut sandbox = Sandbox::new();
    let mut source = sandbox.place().source();
    for key in ["s3_access_key_id", "s3_secret_access_key"] {
        source.as_object_mut().unwrap().remove(key);
    }
    sandbox.set(json!({"data_source": source}));
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_CONFIG_FILE", "/nonexistent"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent"),
    ] {
        sandbox.set_environment(name, value);
    }
    sandbox
}

fn with_container(sts: &Sts) -> Sandbox {
    let mut sandbox = without_keys();
    sandbox.set_environment("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/container", sts.endpoint()));
    sandbox
}

fn with_web_identity(sts: &Sts) -> Sandbox {
    let mut sandbox = without_keys();
    let token = sandbox.file("token", "a-token-of-the-platform");
    sandbox.set_environment("AWS_ENDPOINT_URL_STS", &sts.endpoint());
    sandbox.set_environment("AWS_ROLE_ARN", ROLE);
    sandbox.set_environment("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap());
    sandbox
}

/// Says yes to nobody but who says the right external id.
fn strict(call: &Call) -> Say {
    let is_right = call.action == "AssumeRole" && call.parameters.contains("ExternalId=airbyte-123");
    if is_right { Say::Keys(HOUR) } else { Say::Refused(403, "AccessDenied") }
}

#[test]
fn a_role_is_assumed_with_its_external_id_and_used_for_everything() {
    let sts = Sts::start(strict);
    let sandbox = with_role(&sts.endpoint());
    let run = sandbox.check();
    assert!(run.says("SUCCEEDED") && !run.says("WARN"), "{run:#?}");
    let calls = sts.calls();
    // Once for the questions to the bucket, and once for the row that is sent on its way.
    assert_eq!(calls.len(), 2, "{calls:#?}");
    assert!(calls[0].parameters.contains("RoleSessionName=destination-databricks"), "{calls:#?}");
    assert!(calls[0].parameters.contains("role%2Fairbyte"), "{calls:#?}");
}

/// Sends four batches with pauses, in which credentials expire, and looks at who asked for what.
fn is_renewed_in_mid_sync(mut sandbox: Sandbox, sts: &Sts) {
    const ROWS: u64 = 100;
    let proxy = Proxy::start(server().port(), Vec::new());
    let mut source = sandbox.settings()["data_source"].clone();
    source["s3_endpoint"] = json!(proxy.endpoint());
    sandbox.set(json!({"data_source": source, "memory_limit_mb": 16, "flush_size_mb": 1}));
    let mut sync = sandbox.start(&append(&["users"]));
    for begin in (0..4).map(|batch| batch * ROWS) {
        let rows: String = (begin..begin + ROWS).map(|n| record("users", &padded(n, 12_000))).collect();
        sync.send(rows + &state("users", begin + ROWS));
        sync.next_state();
        std::thread::sleep(SHORT);
    }
    let run = sync.end();
    assert_eq!((run.code, run.states().len()), (Some(0), 4), "{run:#?}");
    let rows = table::data(&sandbox.table("default/users"));
    assert_eq!(rows.len(), 4 * ROWS as usize);
    assert!((0..4 * ROWS).all(|n| rows.contains(&padded(n, 12_000))));
    table::assert_tidy(&sandbox.lake());
    // Each user in turn, none after the one that followed, and none for a single request only.
    let mut users: Vec<String> = proxy.seen().into_iter().map(|request| request.key).collect();
    let requests = users.len();
    users.dedup();
    let given: Vec<String> = (0..users.len()).map(|number| assumed(number).0).collect();
    assert_eq!(users, given);
    assert!(users.len() >= 4 && users.len() * 2 < requests, "{requests} requests by {users:?}");
    assert_eq!(sts.calls().len(), users.len());
}

#[test]
fn an_assumed_role_is_renewed_in_mid_sync() {
    let sts = Sts::start(|_| Say::Keys(SHORT));
    is_renewed_in_mid_sync(with_role(&sts.endpoint()), &sts);
}

#[test]
fn credentials_of_a_container_are_renewed_in_mid_sync() {
    let sts = Sts::start(|_| Say::Keys(SHORT));
    is_renewed_in_mid_sync(with_container(&sts), &sts);
}

#[test]
fn a_web_identity_is_renewed_in_mid_sync() {
    let sts = Sts::start(|call| {
        assert_eq!(call.action, "AssumeRoleWithWebIdentity");
        if call.parameters.contains("WebIdentityToken=a-token-of-the-platform") {
            Say::Keys(SHORT)
        } else {
            Say::Refused(400, "InvalidIdentityToken")
        }
    });
    is_renewed_in_mid_sync(with_web_identity(&sts), &sts);
}

#[test]
fn a_renewal_that_fails_is_tried_again_while_there_is_time() {
    let sts = Sts::start(|call| match call.number {
        0 => Say::Keys(Duration::from_secs(3)),
        1 => Say::Refused(403, "AccessDenied"),
        _ => Say::Keys(HOUR),
    });
    let mut sandbox = with_role(&sts.endpoint());
    let settings = sandbox.settings().clone();
    sandbox.set(json!({"data_source": settings["data_source"], "memory_limit_mb": 16, "flush_size_mb": 1}));
    let mut sync = sandbox.start(&append(&["users"]));
    let (mut batches, deadline) = (0, Instant::now() + HANGS);
    while sts.calls().len() < 3 {
        assert!(Instant::now() < deadline, "it is not tried again: {:?}", sts.calls());
        let rows: String = (0..100).map(|row| record("users", &padded(batches * 100 + row, 12_000))).collect();
        sync.send(rows + &state("users", batches));
        sync.next_state();
        batches += 1;
        // The keys live for seconds.
        std::thread::sleep(Duration::from_millis(250));
    }
    let run = sync.end();
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert!(run.logs("WARN").iter().any(|text| text.contains(ROLE)), "the user is told: {run:#?}");
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len() as u64, batches * 100);
    assert_eq!(sts.calls().len(), 3);
}

/// What a check and a sync say when the service that gives credentials is no help.
fn told(sandbox: &Sandbox, failure_type: &str) -> String {
    let message = refused(&sandbox.check());
    let written = sandbox.write(&append(&["users"]), records("users", 0..1));
    let failed = written.failed_with(failure_type);
    assert!(failed.starts_with(&message), "{failed}");
    for secret in [ROOT.1, "a-token-of-the-platform"] {
        assert!(!written.says(secret), "a secret is told: {written:#?}");
    }
    assert!(message.len() < 500 && !message.contains('\n'), "{message}");
    message
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
}

#[test]
fn a_role_that_may_not_be_assumed_is_told_once() {
    let sts = Sts::start(|_| Say::Refused(403, "AccessDenied"));
    let message = told(&with_role(&sts.endpoint()), "config_error");
    assert_says(&message, &[ROLE, "AccessDenied", "trust policy", "s3_external_id", "sts:AssumeRole"]);
}

#[test]
fn a_wrong_external_id_is_told() {
    let sts = Sts::start(strict);
    let mut sandbox = with_role(&sts.endpoint());
    let mut source: Value = sandbox.settings()["data_source"].clone();
    source["s3_external_id"] = json!("another-id");
    sandbox.set(json!({"data_source": source}));
    assert_says(&told(&sandbox, "config_error"), &[ROLE, "s3_external_id"]);
}

#[test]
fn keys_that_the_service_does_not_know_are_told_apart_from_a_role_that_is_wrong() {
    for code in ["InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredTokenException"] {
        let sts = Sts::start(move |_| Say::Refused(403, code));
        let message = told(&with_role(&sts.endpoint()), "config_error");
        assert_says(&message, &[ROLE, code, "s3_access_key_id"]);
    }
}

#[test]
fn no_keys_to_assume_a_role_with_are_told() {
    let sts = Sts::start(strict);
    let mut sandbox = without_keys();
    let mut source: Value = sandbox.settings()["data_source"].clone();
    source["s3_role_arn"] = json!(ROLE);
    sandbox.set(json!({"data_source": source}));
    sandbox.set_environment("AWS_ENDPOINT_URL_STS", &sts.endpoint());
    assert_says(&told(&sandbox, "config_error"), &["No AWS credentials were found", "s3_access_key_id"]);
    assert_eq!(sts.calls().len(), 0);
}

#[test]
fn a_service_that_is_not_there_or_too_busy_passes() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let message = told(&with_role(&format!("http://127.0.0.1:{port}")), "transient_error");
    assert_says(&message, &[ROLE, "does not answer", "AWS_ENDPOINT_URL_STS"]);
    let busy = Sts::start(|_| Say::Refused(503, "ServiceUnavailable"));
    assert_says(&told(&with_role(&busy.endpoint()), "transient_error"), &[ROLE, "too busy"]);
    let gateway = Sts::start(|_| Say::Page(502));
    assert_says(&told(&with_role(&gateway.endpoint()), "transient_error"), &[ROLE]);
    // Another try may be answered.
    let once = Sts::start(|call| if call.number == 0 { Say::Page(502) } else { Say::Keys(HOUR) });
    assert!(with_role(&once.endpoint()).check().says("SUCCEEDED"));
}

#[test]
fn a_service_that_never_answers_is_asked_again_and_not_waited_for_for_ever() {
    let once = Sts::start(|call| if call.number == 0 { Say::Nothing } else { Say::Keys(HOUR) });
    assert!(with_role(&once.endpoint()).check().says("SUCCEEDED"));
    let never = Sts::start(|_| Say::Nothing);
    let mut sandboxes = [with_role(&never.endpoint()), with_web_identity(&never)];
    for sandbox in &mut sandboxes {
        sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "1500");
        let begun = Instant::now();
        assert_says(&told(sandbox, "transient_error"), &["does not answer"]);
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }
}

#[test]
fn a_web_identity_and_a_container_that_are_refused_are_told() {
    let sts = Sts::start(|_| Say::Refused(400, "InvalidIdentityToken"));
    assert_says(&told(&with_web_identity(&sts), "config_error"), &["InvalidIdentityToken", "token"]);
    let mut sandbox = with_web_identity(&sts);
    sandbox.set_environment("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token");
    assert_says(&told(&sandbox, "config_error"), &["web identity"]);
    let sts = Sts::start(|_| Say::Page(404));
    assert_says(&told(&with_container(&sts), "config_error"), &["container"]);
}

#[test]
fn keys_that_are_empty_texts_are_no_keys() {
    let mut sandbox = without_keys();
    let mut source: Value = sandbox.settings()["data_source"].clone();
    for name in ["s3_access_key_id", "s3_secret_access_key", "s3_session_token", "s3_role_arn", "s3_external_id"] {
        source[name] = json!("");
    }
    sandbox.set(json!({"data_source": source}));
    assert_says(&refused(&sandbox.check()), &["No AWS credentials were found", "s3_access_key_id"]);
    sandbox.set_environment("AWS_ACCESS_KEY_ID", ROOT.0);
    sandbox.set_environment("AWS_SECRET_ACCESS_KEY", ROOT.1);
    let run = sandbox.check();
    assert!(run.says("SUCCEEDED"), "{run:#?}");
}
