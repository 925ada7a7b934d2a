//! Buckets with demands on what is written to them: checksums, encryption, retention.

use std::time::Duration;

use serde_json::{Value, json};

use super::action::error_body;
use super::faults::{assert_large_once, assert_only_tables, large, through};
use super::proxy::{Action, Fault, Proxy, Request, Rule};
use super::refusals::refused;
use super::server::{Server, server};
use crate::messages::{append, overwrite, records, status};
use crate::program::{Run, Sandbox};
use crate::table;

/// Brings copies in parts within reach.
const COPIED_AT_ONCE: (&str, &str) = ("DESTINATION_DATABRICKS_COPIED_AT_ONCE_BYTES", "10485760");
const SUM: &str = "x-amz-checksum-sha256";
const SSE: &str = "x-amz-server-side-encryption";
const KEY: &str = "x-amz-server-side-encryption-aws-kms-key-id";

fn makes_an_object(request: &Request) -> bool {
    matches!(request.action, Action::Put | Action::Begin | Action::Copy)
}

fn has_sum(request: &Request) -> bool {
    request.headers.iter().any(|(name, _)| name.to_ascii_lowercase().starts_with("x-amz-checksum-"))
}

/// A sandbox whose requests go through `proxy`, with more settings of the data source.
fn sandbox(proxy: &Proxy, more: &[(&str, &str)]) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set_environment(COPIED_AT_ONCE.0, COPIED_AT_ONCE.1);
    through(&mut sandbox, proxy);
    let mut settings = sandbox.settings().clone();
    more.iter().for_each(|(name, value)| settings["data_source"][name] = json!(value));
    sandbox.set(settings);
    sandbox
}

#[test]
fn every_put_part_and_end_carries_a_checksum() {
    let proxy = Proxy::start(server().port(), Vec::new());
    let sandbox = sandbox(&proxy, &[]);
    sandbox.load(&append(&["large"]), large());
    sandbox.load(&overwrite(&["large"]), large());
    let seen = proxy.seen();
    for action in [Action::Put, Action::Part, Action::Begin, Action::CopyPart, Action::Complete, Action::Delete] {
        assert!(seen.iter().any(|request| request.action == action), "{action:?}");
    }
    for request in &seen {
        match request.action {
            Action::Put | Action::Part => assert!(request.header(SUM).is_some(), "{request:?}"),
            Action::Begin => {
                let sum = if request.is_of_table() { "CRC64NVME" } else { "SHA256" };
                assert_eq!(request.header("x-amz-checksum-algorithm"), Some(sum), "{request:?}");
            }
            Action::Complete => {
                let parts = request.body.matches("<PartNumber>").count();
                assert_eq!(request.body.matches("<Checksum").count(), parts, "{request:?}");
            }
            Action::Delete if !request.body.is_empty() => assert!(request.header(SUM).is_some(), "{request:?}"),
            _ => {}
        }
    }
    assert_large_once(&sandbox, "checksums");
}

#[test]
fn a_bucket_with_object_lock_that_demands_checksums_is_loaded() {
    let demand = error_body(
        "InvalidRequest",
        "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters",
    );
    let without = |request: &Request| matches!(request.action, Action::Put | Action::Part) && !has_sum(request);
    let proxy = Proxy::start(server().port(), vec![Rule::every(without, Fault::Says(400, demand))]);
    let sandbox = sandbox(&proxy, &[]);
    let check = sandbox.check();
    assert!(check.says("SUCCEEDED") && !check.says("WARN"), "{check:#?}");
    sandbox.load(&append(&["large"]), large());
    assert_large_once(&sandbox, "object lock");
    assert_only_tables(&sandbox, "object lock");
}

#[test]
fn a_store_that_does_not_know_checksums_is_loaded_without_and_that_is_told_once() {
    for (status, code, message) in [
        (501, "NotImplemented", "Header 'x-amz-checksum-algorithm' with value 'SHA256' not implemented"),
        (400, "InvalidArgument", "Unsupported header 'x-amz-checksum-sha256' received for this API call."),
    ] {
        for which in [has_sum as fn(&Request) -> bool, |request| has_sum(request) && request.action == Action::Begin] {
            let written = move |request: &Request| {
                request.action != Action::Delete && request.action != Action::Get && which(request)
            };
            let refusal = Fault::Says(status, error_body(code, message));
            let proxy = Proxy::start(server().port(), vec![Rule::every(written, refusal)]);
            let sandbox = sandbox(&proxy, &[]);
            let run = sandbox.write(&append(&["large"]), large());
            assert_eq!(run.code, Some(0), "{run:#?}");
            assert_eq!(run.logs("WARN").len(), 1, "{:?}", run.logs("WARN"));
            assert!(run.logs("WARN")[0].contains(SUM), "{run:#?}");
            assert!(
                proxy.seen().iter().filter(|request| written(request)).count() < 10,
                "it is not sent again and again"
            );
            assert_large_once(&sandbox, code);
            assert_only_tables(&sandbox, code);
        }
    }
}

#[test]
fn a_policy_that_demands_encryption_is_met_when_it_is_set_and_told_when_not() {
    let deny = "User: arn:aws:iam::123456789012:user/airbyte is not authorized to perform: s3:PutObject on resource: \
                &quot;arn:aws:s3:::lake/x&quot; with an explicit deny in a resource-based policy";
    let key = "arn:aws:kms:eu-west-1:123456789012:key/1234";
    for (sse, key) in [("AES256", None), ("aws:kms", None), ("aws:kms", Some(key))] {
        let unmet = move |request: &Request| {
            makes_an_object(request) && (request.header(SSE) != Some(sse) || request.header(KEY) != key)
        };
        let refusal = Fault::Says(403, error_body("AccessDenied", deny));
        let proxy = Proxy::start(server().port(), vec![Rule::every(unmet, refusal)]);
        let told = sandbox(&proxy, &[]);
        let message = refused(&told.check());
        assert!(message.contains("s3:PutObject") && message.contains("`data_source.s3_sse`"), "{message}");
        let failed = told.write(&append(&["large"]), records("large", 0..1)).failure();
        let internal = failed["internal_message"].as_str().unwrap();
        assert!(internal.contains("\"arn:aws:s3:::lake/x\" with an explicit deny"), "{internal}");

        let mut more = vec![("s3_sse", sse)];
        more.extend(key.map(|key| ("s3_sse_kms_key_id", key)));
        let met = sandbox(&proxy, &more);
        let check = met.check();
        assert!(check.says("SUCCEEDED") && !check.says("WARN"), "{check:#?}");
        met.load(&append(&["large"]), large());
        met.load(&overwrite(&["large"]), large());
        assert_large_once(&met, sse);
        assert_only_tables(&met, sse);
        // AWS refuses the header where no object is made.
        let others = proxy.seen().into_iter().filter(|request| !makes_an_object(request));
        assert!(others.clone().count() > 10);
        others.for_each(|request| assert!(request.header(SSE).is_none(), "{request:?}"));
    }
}

#[test]
fn what_keys_refuse_is_told_by_check_and_write() {
    let no_right = "User: arn:aws:iam::1:user/u is not authorized to perform: kms:GenerateDataKey on resource: \
                    arn:aws:kms:eu-west-1:1:key/k because no identity-based policy allows the kms:GenerateDataKey action";
    for (status, code, message, said) in [
        (403, "AccessDenied", no_right, "kms:GenerateDataKey and kms:Decrypt"),
        (400, "KMS.NotFoundException", "Invalid arn eu-central-1", "`data_source.s3_sse_kms_key_id`"),
        (400, "KMS.DisabledException", "arn:aws:kms:eu-west-1:1:key/k is disabled.", "enable it"),
        (501, "NotImplemented", "Server side encryption specified but KMS is not configured", "`data_source.s3_sse`"),
    ] {
        let refusal = Fault::Says(status, error_body(code, message));
        let proxy = Proxy::start(server().port(), vec![Rule::every(makes_an_object, refusal)]);
        let mut sandbox = sandbox(&proxy, &[("s3_sse", "aws:kms")]);
        sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "2000");
        let told = refused(&sandbox.check());
        assert!(told.contains(said), "{told}");
        let run = sandbox.write(&append(&["users"]), records("users", 0..1));
        assert!(run.failed_with("config_error").contains(said), "{run:#?}");
        assert!(run.failure()["internal_message"].as_str().unwrap().contains(message), "{run:#?}");
    }
}

/// A sandbox in a bucket of `server` whose objects are all under retention, and the way to it.
fn under_retention(server: &Server, versions: bool) -> (Sandbox, Proxy) {
    let proxy = Proxy::start(server.port(), Vec::new());
    let mut sandbox = sandbox(&proxy, &[]);
    sandbox.place().lock(versions);
    // What a sync leaves would be a dead sync's soon, but no lease is renewed before.
    sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &AGE.as_millis().to_string());
    sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_RENEWAL_MS", &AGE.as_millis().to_string());
    (sandbox, proxy)
}

/// A quarter of it is how soon a lease is renewed.
const AGE: Duration = Duration::from_secs(12);

#[test]
fn a_bucket_whose_objects_are_under_retention_has_tables_like_any_other() {
    let server = Server::with_versions();
    let (sandbox, _proxy) = under_retention(&server, true);
    let check = sandbox.check();
    assert!(check.says("SUCCEEDED") && !check.says("WARN"), "{check:#?}");
    for catalog in [append(&["large"]), overwrite(&["large"])] {
        let run = sandbox.write(&catalog, large());
        assert!(run.code == Some(0) && run.logs("WARN").is_empty(), "{run:#?}");
        assert_large_once(&sandbox, "retention");
    }
}

#[test]
fn what_a_store_without_versions_does_not_delete_is_told_once_and_not_tried_again() {
    let (sandbox, proxy) = under_retention(server(), false);
    let told = |run: &Run| {
        assert_eq!(run.code, Some(0), "{run:#?}");
        let warned = run.logs("WARN");
        assert_eq!(warned.len(), 1, "{warned:#?}");
        assert!(warned[0].contains("retention") && warned[0].contains("no table uses any more"), "{warned:#?}");
    };
    told(&sandbox.write(&append(&["users"]), records("users", 0..3)));
    let left = table::staging(&sandbox.lake());
    assert_eq!(left.len(), 1, "the store keeps what was staged");
    let id = left[0].name().to_owned();
    std::thread::sleep(AGE + Duration::from_secs(2));
    let before = proxy.seen().len();
    told(&sandbox.write(&append(&["users"]), records("users", 3..5)));
    let writes = |request: &Request| !matches!(request.action, Action::Get | Action::List | Action::ListUploads);
    let again = proxy.seen().into_iter().skip(before).filter(writes);
    assert!(!again.clone().any(|request| request.target.contains(&id) || request.body.contains(&id)));
    assert!(again.count() > 3);
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 5);
    // A lease that cannot be rewritten would end a longer sync.
    let message = refused(&sandbox.check());
    assert!(message.contains("under retention") && message.contains("switch versioning on"), "{message}");
}

#[test]
fn the_words_of_a_store_are_in_the_internal_message() {
    let refusal = |message: &str| Fault::Says(400, error_body("InvalidRequest", message));
    for action in [Action::Put, Action::List, Action::Copy, Action::Begin, Action::CopyPart, Action::Complete] {
        let words = "Missing required header for this request: x-made-up &amp; more";
        let rule = Rule::every(move |request: &Request| request.action == action, refusal(words));
        let proxy = Proxy::start(server().port(), vec![rule]);
        // The small file is copied by one request, the large one in parts.
        let run = sandbox(&proxy, &[])
            .write(&append(&["users", "large"]), records("users", 0..3) + &status("users", "COMPLETE") + &large());
        let failure: Value = run.failure();
        let internal = failure["internal_message"].as_str().unwrap();
        assert!(internal.contains("x-made-up & more"), "{action:?}: {internal}");
        assert!(!internal.contains("<Error>"), "{internal}");
    }
}
