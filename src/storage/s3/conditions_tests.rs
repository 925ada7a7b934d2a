//! The table of S3's conditions: each has its kind and its cure.

use object_store::client::{HttpError, HttpErrorKind};
use object_store::path::Path;

use super::*;
use crate::error::{Error, Kind};
use crate::storage::bucket::{NoAnswer, explained as explain};
use crate::storage::s3::provider::S3;

fn address() -> BucketAddress {
    BucketAddress { bucket: "lake".into(), region: "us-east-1".into(), endpoint: Some("https://minio:9000".into()) }
}

fn xml(status: u16, code: &str, more: &str) -> std::io::Error {
    std::io::Error::other(format!(
        "Server returned non-2xx status code: {status} Something: <?xml version=\"1.0\"?><Error><Code>{code}</Code>\
         <Message>m</Message>{more}</Error>"
    ))
}

fn explained(error: &(dyn std::error::Error + 'static), action: Action) -> (Kind, String) {
    explained_at(error, action, address())
}

fn explained_at(error: &(dyn std::error::Error + 'static), action: Action, address: BucketAddress) -> (Kind, String) {
    let error = explain(&S3(address), action, &Path::from("a/b"), &Failure::of(error));
    (error.kind(), error.message().to_owned())
}

#[test]
fn each_condition_has_its_kind_and_its_cure() {
    let cases = [
        (403, "InvalidAccessKeyId", "", Kind::Config, "s3_access_key_id"),
        (404, "XAdminUserNotFound", "", Kind::Config, "s3_access_key_id"),
        (403, "SignatureDoesNotMatch", "", Kind::Config, "s3_secret_access_key"),
        (400, "ExpiredToken", "", Kind::Config, "has expired"),
        (400, "InvalidToken", "", Kind::Config, "s3_session_token"),
        (403, "RequestTimeTooSkewed", "", Kind::Config, "clock"),
        (404, "NoSuchBucket", "", Kind::Config, "no bucket lake"),
        (301, "PermanentRedirect", "", Kind::Config, "not in the region us-east-1"),
        (
            400,
            "AuthorizationHeaderMalformed",
            "<Region>eu-west-1</Region>",
            Kind::Config,
            "`data_source.s3_bucket_region` to eu-west-1",
        ),
        (403, "AccessDenied", "", Kind::Config, "allow s3:PutObject"),
        (501, "NotImplemented", "", Kind::Config, "another store"),
        (503, "SlowDown", "", Kind::Transient, "too busy"),
        (500, "InternalError", "", Kind::Transient, "status 500 (InternalError)"),
        (400, "KeyTooLongError", "", Kind::Config, "shorten `data_source.s3_bucket_path`"),
        (507, "XMinioStorageFull", "", Kind::Config, "free space"),
        (403, "QuotaExceeded", "", Kind::Config, "raise the quota"),
        (400, "NewlyInvented", "", Kind::Config, "refuses the request (NewlyInvented, status 400)"),
        (402, "", "", Kind::Config, "refuses the request (no code, status 402)"),
        (400, "RequestTimeout", "", Kind::Transient, "status 400 (RequestTimeout)"),
        (400, "XAmzContentSHA256Mismatch", "", Kind::Transient, "status 400"),
        (404, "NoSuchUpload", "", Kind::Transient, "NoSuchUpload"),
        (409, "OperationAborted", "", Kind::Transient, "OperationAborted"),
        (408, "", "", Kind::Transient, "status 408"),
        (425, "TooEarly", "", Kind::Transient, "TooEarly"),
        (429, "", "", Kind::Transient, "too busy"),
    ];
    for (status, code, more, kind, said) in cases {
        let (found, sentence) = explained(&xml(status, code, more), Action::Put);
        assert_eq!(found, kind, "{code}");
        assert!(sentence.contains(said), "{sentence}");
        assert!(sentence.starts_with("Could not write s3://lake/a/b: ") && sentence.ends_with('.'), "{sentence}");
    }
}

#[test]
fn a_missing_right_is_named_for_each_action() {
    let actions = [
        (Action::List, "s3:ListBucket"),
        (Action::Get, "s3:GetObject"),
        (Action::Put, "s3:PutObject"),
        (Action::Copy, "s3:GetObject and s3:PutObject"),
        (Action::Delete, "s3:DeleteObject"),
        (Action::Abort, "s3:AbortMultipartUpload"),
        (Action::ListUploads, "s3:ListBucketMultipartUploads"),
    ];
    for (action, permission) in actions {
        let (_, sentence) = explained(&xml(403, "AccessDenied", ""), action);
        assert!(sentence.contains(permission), "{sentence}");
    }
    let in_words = std::io::Error::other("DeleteObjects request failed for key k: Access Denied. (code: AccessDenied)");
    assert!(explained(&in_words, Action::Delete).1.contains("s3:DeleteObject"));
}

#[test]
fn each_reason_for_no_answer_is_told_apart() {
    let http = |kind, text: &'static str| object_store::Error::Generic {
        store: "S3",
        source: Box::new(HttpError::new(kind, std::io::Error::other(text))),
    };
    let cases = [
        (HttpErrorKind::Connect, "tcp connect error", Kind::Transient, "accepts no connection"),
        (
            HttpErrorKind::Connect,
            "dns error: failed to lookup address information",
            Kind::Config,
            "cannot be resolved: correct `data_source.s3_endpoint`",
        ),
        (HttpErrorKind::Connect, "invalid peer certificate: UnknownIssuer", Kind::Config, "SSL_CERT_FILE"),
        (HttpErrorKind::Timeout, "operation timed out", Kind::Transient, "in time"),
        (HttpErrorKind::Interrupted, "connection reset", Kind::Transient, "broke"),
    ];
    for (kind, text, found, said) in cases {
        let (kind, sentence) = explained(&http(kind, text), Action::List);
        assert_eq!(kind, found, "{text}");
        assert!(sentence.contains("https://minio:9000") && sentence.contains(said), "{sentence}");
    }
}

#[test]
fn a_host_name_with_the_bucket_in_it_that_cannot_be_resolved_is_cured_by_another_style() {
    let lookup = std::io::Error::other("dns error: failed to lookup address information");
    let with_bucket = BucketAddress { endpoint: Some("http://lake.localhost:9000".into()), ..address() };
    let (kind, sentence) = explained_at(&lookup, Action::List, with_bucket);
    assert_eq!(kind, Kind::Config);
    assert!(
        sentence.contains("lake.localhost") && sentence.contains("`data_source.s3_path_style` to true"),
        "{sentence}"
    );
    assert!(!explained(&lookup, Action::List).1.contains("path_style"));
    let aws = BucketAddress { endpoint: None, ..address() };
    assert!(explained_at(&lookup, Action::List, aws).1.contains("let this machine reach AWS"));
}

#[test]
fn a_host_name_that_could_be_resolved_before_may_be_so_again() {
    let lost = Failure { no_answer: Some(NoAnswer::UnknownHost.after_answers()), ..Failure::default() };
    let error = explain(&S3(address()), Action::Put, &Path::from("a"), &lost);
    assert_eq!(error.kind(), Kind::Transient);
    assert!(error.message().contains("minio") && error.message().contains("name service"), "{error}");
}

#[test]
fn a_page_for_people_is_no_answer_of_s3() {
    let page =
        std::io::Error::other("Server returned non-2xx status code: 403 Forbidden: <!DOCTYPE html><html>no</html>");
    let (kind, sentence) = explained(&page, Action::List);
    assert_eq!(kind, Kind::Config);
    assert!(sentence.contains("https://minio:9000 does not answer like S3"), "{sentence}");
}

#[test]
fn a_page_of_a_gateway_passes() {
    for status in [429, 500, 502, 503, 504] {
        let page = format!("Server returned non-2xx status code: {status} Bad: <html><body>Bad Gateway</body></html>");
        let (kind, sentence) = explained(&std::io::Error::other(page), Action::Put);
        assert_eq!(kind, Kind::Transient, "{sentence}");
    }
    let page = std::io::Error::other("Server returned non-2xx status code: 501 No: <html></html>");
    assert_eq!(explained(&page, Action::Put).0, Kind::Config);
}

#[test]
fn an_error_of_ours_keeps_its_own_words() {
    let ours = object_store::Error::Generic { store: "S3", source: Box::new(Error::config("No keys were found.")) };
    assert_eq!(explained(&ours, Action::Put), (Kind::Config, "No keys were found.".to_owned()));
}

#[test]
fn a_404_without_a_code_is_no_answer_of_s3() {
    let plain = std::io::Error::other("Server returned non-2xx status code: 404 Not Found: 404 page not found");
    for action in [Action::List, Action::Put, Action::ListUploads] {
        let (kind, sentence) = explained(&plain, action);
        assert_eq!(kind, Kind::Config);
        assert!(sentence.contains("https://minio:9000 does not answer like S3"), "{sentence}");
    }
}

fn with_message(status: u16, code: &str, message: &str) -> std::io::Error {
    let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    std::io::Error::other(format!("Server returned non-2xx status code: {status} X: {body}"))
}

#[test]
fn a_key_that_cannot_be_used_is_named_with_its_cure() {
    let no_right = "User: arn:aws:iam::1:user/u is not authorized to perform: kms:GenerateDataKey on this resource \
                    because no resource-based policy allows it";
    for (status, code, message, said) in [
        (403, "AccessDenied", no_right, "allow kms:GenerateDataKey and kms:Decrypt"),
        (400, "KMS.NotFoundException", "Invalid arn", "`data_source.s3_sse_kms_key_id`"),
        (400, "KMS.DisabledException", "k is disabled.", "enable it for this identity in AWS KMS"),
        (400, "KMS.KMSInvalidStateException", "k is pending deletion.", "enable it"),
        (501, "NotImplemented", "Server side encryption specified but KMS is not configured", "`data_source.s3_sse`"),
        (400, "InvalidEncryptionAlgorithmError", "The valid value is AES256.", "`data_source.s3_sse`"),
        (403, "AccessDenied", "with an explicit deny in a resource-based policy", "set `data_source.s3_sse`"),
    ] {
        let (kind, sentence) = explained(&with_message(status, code, message), Action::Put);
        assert!(kind == Kind::Config && sentence.contains(said), "{sentence}");
    }
    assert_eq!(
        explained(&with_message(400, "KMS.ThrottlingException", "Rate exceeded"), Action::Put).0,
        Kind::Transient
    );
}

#[test]
fn only_the_row_for_a_missing_permission_is_marked_as_one() {
    let is_denied = |code: &str, action| {
        let error = explain(&S3(address()), action, &Path::from("a"), &Failure::of(&xml(403, code, "")));
        error.has(crate::error::Tag::AccessDenied)
    };
    assert!(
        is_denied("AccessDenied", Action::Put) && is_denied("AccessDenied", Action::List) && is_denied("", Action::Get)
    );
    assert!(!is_denied("SignatureDoesNotMatch", Action::Put) && !is_denied("QuotaExceeded", Action::Put));
}

#[test]
fn every_failure_has_a_row() {
    assert!(super::explain(&Failure::default(), Action::List, &address()).reason.is_none());
}

#[test]
fn the_documentation_shows_the_table_and_every_name_in_it_is_known() {
    conditions::assert_documented(include_str!("../../../docs/s3-errors.md"), "s3-errors.md", &markdown());
    let failed = Request { failure: &Failure::default(), action: Action::List, address: &address() };
    assert_eq!(conditions::unknown_names(ROWS, &failed), Vec::<String>::new());
}
