//! The table of S3's conditions: each has its kind and its cure.

use super::*;

fn place() -> Place {
    Place { bucket: "lake".into(), region: "us-east-1".into(), endpoint: Some("https://minio:9000".into()) }
}

fn xml(status: u16, code: &str, more: &str) -> std::io::Error {
    std::io::Error::other(format!(
        "Server returned non-2xx status code: {status} Something: <?xml version=\"1.0\"?><Error><Code>{code}</Code>\
         <Message>m</Message>{more}</Error>"
    ))
}

fn explained(error: &std::io::Error, action: Action) -> (Kind, String) {
    Answer::of(error).explain(action, &place(), "a/b")
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
        (500, "InternalError", "", Kind::Transient, "InternalError with status 500"),
        (400, "KeyTooLongError", "", Kind::Config, "shorten `data_source.s3_bucket_path`"),
        (507, "XMinioStorageFull", "", Kind::Config, "free space"),
        (403, "QuotaExceeded", "", Kind::Config, "raise the quota"),
        (400, "NewlyInvented", "", Kind::Config, "refuses the request (NewlyInvented, status 400)"),
        (402, "", "", Kind::Config, "refuses the request (status 402)"),
        (400, "RequestTimeout", "", Kind::Transient, "RequestTimeout with status 400"),
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
fn silence_is_told_apart() {
    let http = |kind, text: &'static str| object_store::Error::Generic {
        store: "S3",
        source: Box::new(HttpError::new(kind, std::io::Error::other(text))),
    };
    let cases = [
        (HttpErrorKind::Connect, "tcp connect error", Some(Silence::Refused), Kind::Transient),
        (
            HttpErrorKind::Connect,
            "dns error: failed to lookup address information",
            Some(Silence::UnknownHost),
            Kind::Config,
        ),
        (HttpErrorKind::Connect, "invalid peer certificate: UnknownIssuer", Some(Silence::Tls), Kind::Config),
        (HttpErrorKind::Timeout, "operation timed out", Some(Silence::TimedOut), Kind::Transient),
        (HttpErrorKind::Interrupted, "connection reset", Some(Silence::Cut), Kind::Transient),
    ];
    for (kind, text, silence, found) in cases {
        let answer = Answer::of(&http(kind, text));
        assert_eq!(answer.silence, silence, "{text}");
        assert_eq!(answer.explain(Action::List, &place(), "").0, found, "{text}");
    }
    assert!(Answer::of(&http(HttpErrorKind::Interrupted, "x")).is_cut());
    assert!(!Answer::of(&http(HttpErrorKind::Connect, "certificate")).is_cut());
    assert!(!Answer::of(&xml(403, "AccessDenied", "")).is_cut());
}

#[test]
fn a_name_with_the_bucket_in_it_that_leads_nowhere_is_cured_by_another_style() {
    let lookup = std::io::Error::other("dns error: failed to lookup address information");
    let place = Place { endpoint: Some("http://lake.localhost:9000".into()), ..place() };
    let (kind, sentence) = Answer::of(&lookup).explain(Action::List, &place, "");
    assert_eq!(kind, Kind::Config);
    assert!(
        sentence.contains("lake.localhost") && sentence.contains("`data_source.s3_path_style` to true"),
        "{sentence}"
    );
    assert!(!explained(&lookup, Action::List).1.contains("path_style"));
}

#[test]
fn a_name_that_led_to_the_store_before_may_do_so_again() {
    let lost = Answer { silence: Some(Silence::UnknownHost.later()), ..Answer::default() };
    let (kind, sentence) = lost.explain(Action::Put, &place(), "a");
    assert_eq!(kind, Kind::Transient);
    assert!(sentence.contains("minio") && sentence.contains("name service"), "{sentence}");
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
    let told = object_store::Error::Generic { store: "S3", source: Box::new(Error::config("No keys were found.")) };
    assert_eq!(Answer::of(&told).explain(Action::Put, &place(), "x"), (Kind::Config, "No keys were found.".to_owned()));
    assert!(!Answer::of(&told).is_cut());
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

#[test]
fn only_what_stays_as_it_is_is_hopeless() {
    let hopeless =
        |text: &'static str| Answer::is_hopeless(&HttpError::new(HttpErrorKind::Connect, std::io::Error::other(text)));
    assert!(hopeless("received corrupt message of type InvalidContentType"));
    assert!(hopeless("invalid peer certificate: UnknownIssuer"));
    assert!(!hopeless("tls handshake eof") && !hopeless("tcp connect error"));
}
