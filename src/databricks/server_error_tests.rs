//! Every shape in which an error comes.

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::server_error::ServerError;
use super::workspace::Response;
use std::time::Duration;

fn said(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> ServerError {
    let headers: HeaderMap =
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
    let status = StatusCode::from_u16(status).expect("a status");
    ServerError::of_response(&Response {
        status,
        headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
        address: String::new(),
    })
}

#[test]
fn the_envelope_has_a_text_or_a_number_as_code() {
    let named = said(400, &[], r#"{"error_code": "BAD_REQUEST", "message": "No.", "details": [{"x": 1}]}"#);
    assert_eq!((named.code.as_deref(), named.message.as_str(), named.status), (Some("BAD_REQUEST"), "No.", Some(400)));
    let numbered = said(403, &[], r#"{"error_code": 403, "message": "Invalid access token."}"#);
    assert_eq!((numbered.code, numbered.message.as_str()), (None, "Invalid access token."));
    assert_eq!(said(400, &[], r#"{"error": "older"}"#).message, "older");
    for odd in ["{}", "[]", "null", r#"{"error_code": {}, "message": 1}"#, r#"{"message": ""}"#] {
        assert_eq!((said(500, &[], odd).code, said(500, &[], odd).message), (None, String::new()), "{odd}");
    }
}

#[test]
fn texts_pages_and_nothing_are_understood() {
    let plain = said(403, &[], "PERMISSION_DENIED: You may not.\n");
    assert_eq!(
        (plain.class.as_deref(), plain.message.as_str()),
        (Some("PERMISSION_DENIED"), "PERMISSION_DENIED: You may not.")
    );
    assert_eq!(plain.code.as_deref(), Some("PERMISSION_DENIED"));
    assert_eq!(said(502, &[], "<html><head><title> Bad Gateway </title></html>").message, "Bad Gateway");
    assert_eq!(said(500, &[], "<html><pre>Reason: boom</pre></html>").message, "Reason: boom");
    assert_eq!(said(502, &[], "<html></html>").message, "");
    assert_eq!(said(503, &[], "").message, "");
    let bytes = Response {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"\xff\xfe"),
        address: String::new(),
    };
    assert!(!ServerError::of_response(&bytes).message.is_empty());
}

#[test]
fn headers_say_what_the_body_does_not() {
    let headers = [
        ("x-databricks-reason-phrase", "Invalid."),
        ("x-thriftserver-error-message", "RESOURCE_DOES_NOT_EXIST: No cluster"),
    ];
    let both = said(404, &headers, "<html><title>Not Found</title></html>");
    assert_eq!(
        (both.message.as_str(), both.class.as_deref()),
        ("RESOURCE_DOES_NOT_EXIST: No cluster", Some("RESOURCE_DOES_NOT_EXIST"))
    );
    assert_eq!(said(401, &headers[..1], "").message, "Invalid.");
    assert_eq!(said(401, &headers[..1], r#"{"message": "Body."}"#).message, "Body.");
}

#[test]
fn classes_and_sqlstates_are_found_in_words() {
    for (message, class, sqlstate) in [
        ("[DELTA_CONCURRENT_APPEND.X] a SQLSTATE: 2D521", Some("DELTA_CONCURRENT_APPEND.X"), Some("2D521")),
        ("\n[PARSE_SYNTAX_ERROR] at 'INSER'. SQLSTATE: 42601 (line 1)", Some("PARSE_SYNTAX_ERROR"), Some("42601")),
        ("org.apache.spark.SparkException: [UC_X] x", Some("UC_X"), None),
        ("[RequestId=1f ErrorClass=UC.CD] x", Some("UC.CD"), None),
        ("Error: [x] y", None, None),
        ("SQLSTATE: 4", None, None),
        ("", None, None),
    ] {
        let said = ServerError::of_statement(None, None, message);
        assert_eq!((said.class.as_deref(), said.sqlstate.as_deref()), (class, sqlstate), "{message}");
    }
    let said = ServerError::of_statement(Some("X"), Some("42501"), "SQLSTATE: 22018");
    assert_eq!(said.sqlstate.as_deref(), Some("42501"));
}

#[test]
fn a_wait_is_seconds_or_a_date_by_the_servers_clock() {
    let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let after = |value| said(429, &[date, ("retry-after", value)], "").retry_after;
    assert_eq!(after("7"), Some(Duration::from_secs(7)));
    assert_eq!(after("Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
    assert_eq!(after("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
    assert_eq!(after("soon"), None);
    assert_eq!(said(429, &[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")], "").retry_after, None);
}
