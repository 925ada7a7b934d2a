//! `check` on broken setups, one at a time: each message names the problem and its solution. Rights that Spark does not
//! have are played by the stand-in, in Databricks' words.

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::{Value, json};

use super::bucket::{NAME_SETTING, PATH_SETTING};
use super::place::{Place, Transport, transport};
use crate::program::{Run, Sandbox};

over_one!(
    in_ci = statements:
    rights_that_are_missing_are_named_with_the_grant_that_gives_them,
    what_is_not_there_is_named,
    who_is_not_let_in_is_told_why;
    thrift:
    a_check_of_a_setup_that_works_passes_and_leaves_nothing,
    a_check_starts_what_is_stopped,
    what_stands_between_is_named
);
once!(
    a_scheme_that_would_send_the_token_readable_is_refused,
    problems_of_the_bucket_and_of_databricks_are_told_together,
);

pub fn status(run: &Run) -> Value {
    assert_eq!(run.code, Some(0), "{run:#?}");
    let answer = run.messages().into_iter().find(|message| message["type"] == "CONNECTION_STATUS").unwrap();
    answer["connectionStatus"].clone()
}

/// The message of a check that must fail: short, and without the token.
pub fn refused(sandbox: &Sandbox, what: &str) -> String {
    let run = sandbox.check();
    let status = status(&run);
    assert_eq!(status["status"], "FAILED", "{what}: {run:#?}");
    assert!(!run.says(sandbox.place().token()), "{what}: the token is told");
    let message = status["message"].as_str().unwrap().to_owned();
    assert!(message.len() < 1500, "{what}: {message}");
    message
}

pub fn assert_says(what: &str, message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{what}: no {part:?} in: {message}");
    }
}

/// Nothing is left of a check: no table, no file.
fn assert_nothing_left(place: &Place, what: &str) {
    assert_eq!(place.lake().objects(), [], "{what}");
    assert_eq!(place.tables(), Vec::<String>::new(), "{what}");
    assert_eq!(place.bucket().unfinished_uploads(), 0, "{what}");
}

pub fn impatient() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "2000");
    sandbox.set_environment("DESTINATION_DATABRICKS_DATABRICKS_RETRY_MS", "2000");
    sandbox
}

fn a_check_of_a_setup_that_works_passes_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    for _ in 0..2 {
        assert_eq!(status(&sandbox.check()), json!({"status": "SUCCEEDED"}));
        assert_nothing_left(sandbox.place(), "a check that passed");
    }
}

fn a_check_starts_what_is_stopped() {
    let sandbox = Sandbox::new();
    sandbox.place().set(json!({"state": "STOPPED", "starts_in": 3}));
    assert_eq!(status(&sandbox.check()), json!({"status": "SUCCEEDED"}));
    assert_eq!(sandbox.place().asked()["starts"], 1);
}

/// What a statement that `pattern` is found in answers in Databricks where a right is missing, and what the user is told.
const RIGHTS: [(&str, &str, &[&str]); 8] = [
    (
        "CATALOG-USE",
        "[INSUFFICIENT_PERMISSIONS] Insufficient privileges: User does not have USE CATALOG on Catalog 'CATALOG'. \
         SQLSTATE: 42501",
        &["GRANT USE CATALOG ON CATALOG `CATALOG`"],
    ),
    (
        "^(SHOW TABLES|CREATE|DESCRIBE)",
        "[INSUFFICIENT_PERMISSIONS] Insufficient privileges: User does not have USE SCHEMA on Schema 'CATALOG.SCHEMA'. \
         SQLSTATE: 42501",
        &["GRANT USE SCHEMA ON SCHEMA `CATALOG`.`SCHEMA`"],
    ),
    (
        "^CREATE SCHEMA",
        "[INSUFFICIENT_PERMISSIONS] Insufficient privileges: User does not have CREATE SCHEMA on Catalog 'CATALOG'. \
         SQLSTATE: 42501",
        &["GRANT CREATE SCHEMA ON CATALOG `CATALOG`"],
    ),
    (
        "^CREATE TABLE",
        "[INSUFFICIENT_PERMISSIONS] Insufficient privileges: User does not have CREATE TABLE on Schema 'CATALOG.SCHEMA'. \
         SQLSTATE: 42501",
        &["GRANT CREATE TABLE ON SCHEMA `CATALOG`.`SCHEMA`"],
    ),
    (
        "^CREATE TABLE",
        "[INSUFFICIENT_PERMISSIONS] Insufficient privileges: User does not have CREATE EXTERNAL TABLE on External Location \
         'lake house'. SQLSTATE: 42501",
        &["GRANT CREATE EXTERNAL TABLE ON EXTERNAL LOCATION `lake house`"],
    ),
    (
        "^CREATE TABLE",
        "PERMISSION_DENIED: User does not have READ FILES on External Location 'lake`house'.",
        &["GRANT READ FILES ON EXTERNAL LOCATION `lake``house`"],
    ),
    (
        "^MERGE",
        "PERMISSION_DENIED: User does not have WRITE FILES on External Location 'lake'.",
        &["GRANT WRITE FILES ON EXTERNAL LOCATION `lake`"],
    ),
    (
        "^CREATE TABLE",
        "[NO_PARENT_EXTERNAL_LOCATION_FOR_PATH] No parent external location was found for path 'BUCKETlakes/one'. \
         Please create an external location on one of the parent paths and then retry the query or command again. \
         SQLSTATE: XXKUC",
        &["external location", "BUCKET"],
    ),
];

fn rights_that_are_missing_are_named_with_the_grant_that_gives_them() {
    let sandbox = impatient();
    let place = sandbox.place();
    let named = |text: &str| {
        let text = text.replace("CATALOG'", &format!("{}'", place.catalog()));
        let text = text.replace("'CATALOG.SCHEMA'", &format!("'{}.{}'", place.catalog(), place.schema()));
        let text = text.replace("`CATALOG`", &format!("`{}`", place.catalog()));
        text.replace("`SCHEMA`", &format!("`{}`", place.schema())).replace("BUCKET", &place.bucket().uri(""))
    };
    for (pattern, message, told) in RIGHTS {
        let (pattern, message) = (pattern.replace("CATALOG-USE", "."), named(message));
        let value = json!({"error_code": "BAD_REQUEST", "message": message});
        place.goes_wrong(json!([{"action": "fail", "statement": pattern, "value": value}]));
        // A schema that is there is not made.
        let schema = format!("`spark_catalog`.`{}`", place.schema());
        let make = if pattern == "^CREATE SCHEMA" { "DROP SCHEMA IF EXISTS" } else { "CREATE SCHEMA IF NOT EXISTS" };
        place.sql(&format!("{make} {schema}"));
        let said = refused(&sandbox, &message);
        let told: Vec<String> = told.iter().map(|part| named(part)).collect();
        assert_says(&message, &said, &told.iter().map(String::as_str).collect::<Vec<_>>());
        place.goes_wrong(json!([]));
        assert_nothing_left(place, &message);
    }
}

fn what_is_not_there_is_named() {
    let mut sandbox = impatient();
    if sandbox.place().catalog() == "hive_metastore" {
        sandbox.set(json!({"database": "no_such_catalog"}));
        assert_says("catalog", &refused(&sandbox, "catalog"), &["no_such_catalog", "`database`"]);
    }
    let over = sandbox.place().catalog() == "hive_metastore";
    let path = if over { "/sql/1.0/warehouses/ffffffffffffffff" } else { "sql/protocolv1/o/0/0101-000000-nobody" };
    sandbox.set(json!({"databricks_http_path": path}));
    let id = path.rsplit('/').next().unwrap();
    assert_says("path", &refused(&sandbox, "path"), &[id, "`databricks_http_path`"]);
    sandbox.set(json!({"databricks_http_path": "sql/1.0/nothing/of/this/kind"}));
    assert_says("kind of path", &refused(&sandbox, "kind of path"), &["`databricks_http_path`"]);
    let mut source = sandbox.place().source();
    source[NAME_SETTING] = json!("no-such-bucket");
    sandbox.set(json!({"data_source": source}));
    assert_says("bucket", &refused(&sandbox, "bucket"), &["no-such-bucket", NAME_SETTING]);
    let place = sandbox.place();
    let elsewhere = json!({"error_code": "BAD_REQUEST", "message": format!(
        "[INVALID_PARAMETER_VALUE.LOCATION_OVERLAP] Input path url '{}lakes' overlaps with other external tables or \
         volumes. SQLSTATE: 22023", place.bucket().uri(""))});
    place.goes_wrong(json!([{"action": "fail", "statement": "^CREATE TABLE", "value": elsewhere}]));
    sandbox.set(json!({}));
    assert_says("overlap", &refused(&sandbox, "overlap"), &["overlap", PATH_SETTING]);
}

fn who_is_not_let_in_is_told_why() {
    let mut sandbox = impatient();
    sandbox.set(json!({"databricks_personal_access_token": "dapi-of-nobody"}));
    let message = refused(&sandbox, "token");
    assert_says("token", &message, &["token", "`databricks_personal_access_token`"]);
    assert!(!message.contains("dapi-of-nobody"), "{message}");
    // A token of somebody who may not use this one.
    let other = Place::new(sandbox.folder());
    sandbox.set(json!({"databricks_personal_access_token": other.token()}));
    assert_says("CAN USE", &refused(&sandbox, "CAN USE"), &["ermission", "use"]);
    sandbox.set(json!({}));
    let said = |status: u16, body: Value| {
        let value = json!({"status": status, "headers": {}, "body": body.to_string()});
        json!([{"action": "reply", "value": value}])
    };
    let blocked = "Source IP address: 192.0.2.7 is blocked by Databricks IP ACL for workspace: 1234567890";
    sandbox.place().goes_wrong(said(403, json!({"error_code": "PERMISSION_DENIED", "message": blocked})));
    assert_says("IP access list", &refused(&sandbox, "IP access list"), &["IP access list", "192.0.2.7"]);
    if transport() == Transport::Statements {
        return;
    }
    let restart = "PERMISSION_DENIED: You do not have permission to autostart this cluster. Please contact your admin.";
    sandbox.place().goes_wrong(said(403, json!({"error_code": "PERMISSION_DENIED", "message": restart})));
    assert_says("Can Restart", &refused(&sandbox, "Can Restart"), &["CAN RESTART"]);
}

fn what_stands_between_is_named() {
    let mut sandbox = impatient();
    let answered = |status: u16, kind: &str, body: &str| {
        let value = json!({"status": status, "headers": {"content-type": kind}, "body": body});
        json!([{"action": "reply", "value": value}])
    };
    let maintenance = r#"{"error_code":"SERVICE_UNDER_MAINTENANCE","message":"The service is under maintenance."}"#;
    sandbox.place().goes_wrong(answered(554, "application/json", maintenance));
    assert_says("554", &refused(&sandbox, "554"), &["maintenance"]);
    let page = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>";
    sandbox.place().goes_wrong(answered(502, "text/html", page));
    let message = refused(&sandbox, "502");
    assert_says("502", &message, &["gateway"]);
    assert!(!message.contains('<'), "{message}");
    sandbox.place().goes_wrong(json!([]));

    sandbox.set(json!({"databricks_port": unused_port().to_string()}));
    let message = refused(&sandbox, "nobody listens");
    assert_says("nobody listens", &message, &["127.0.0.1", "`databricks_server_hostname`", "`databricks_port`"]);
    sandbox.set(json!({"databricks_server_hostname": "no-such-workspace.invalid"}));
    let message = refused(&sandbox, "no such host");
    assert_says("no such host", &message, &["no-such-workspace.invalid", "`databricks_server_hostname`"]);
    // HTTPS where the other side speaks something else.
    sandbox.set(json!({"databricks_server_hostname": "127.0.0.1"}));
    assert_says("TLS", &refused(&sandbox, "TLS"), &["does not speak TLS", "`databricks_port`"]);
    sandbox.set(json!({"databricks_port": silent().to_string()}));
    assert_says("silence", &refused(&sandbox, "silence"), &["127.0.0.1"]);
}

fn unused_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The port of somebody who takes every connection and ends it without a word.
fn silent() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 512];
            drop(stream.read(&mut head));
            drop(stream.flush());
        }
    });
    port
}

fn a_scheme_that_would_send_the_token_readable_is_refused() {
    let mut sandbox = Sandbox::new();
    sandbox.set(json!({"databricks_server_hostname": "http://abc.cloud.databricks.com"}));
    assert_says("http", &refused(&sandbox, "http"), &["http://", "`databricks_server_hostname`"]);
}

fn problems_of_the_bucket_and_of_databricks_are_told_together() {
    crate::place::over_statements(|| {
        let mut sandbox = impatient();
        let mut source = sandbox.place().source();
        source[NAME_SETTING] = json!("no-such-bucket");
        sandbox.set(json!({"data_source": source, "databricks_personal_access_token": "dapi-of-nobody"}));
        let message = refused(&sandbox, "both");
        assert_says("both", &message, &["no-such-bucket", "token"]);
    });
}
