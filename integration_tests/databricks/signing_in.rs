//! Signing in at the authorization server beside the stand-in: tokens that live for seconds, and tokens that are refused in every kind of
//! request. `ways` has every way to sign in; how Databricks' own SDK signs in to the same server is in `clients`.

mod ways;

use serde_json::{Value, json};

use super::place::{Place, Transport, adds, transport};
use super::stand_in::stand_in;
use crate::large_rows::incompressible;
use crate::messages::{append, numbered, record, records, state, status};
use crate::program::{Sandbox, until};

over_both!(a_refused_token_in_every_kind_of_request_is_replaced_once);
once!(
    a_long_load_of_a_cluster_outlives_its_tokens,
    tokens_that_nobody_takes_any_more_are_replaced_in_mid_sync,
    a_refused_token_does_not_keep_a_statement_from_being_cancelled,
    files_of_volumes_are_written_in_spite_of_refused_tokens,
    a_principal_without_rights_is_named_in_the_grant,
);

/// The id of the warehouse or cluster.
fn compute(place: &Place) -> String {
    place.settings()["databricks_http_path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

/// Says who may sign in; what the server gives back.
fn principal(id: &str, place: &Place, mut settings: Value) -> Value {
    settings["compute"] = json!(compute(place));
    stand_in().control("PUT", &format!("authority/principals/{id}"), &settings)
}

/// How many tokens a principal was given.
fn given(id: &str) -> u64 {
    stand_in().control("GET", &format!("authority/principals/{id}"), &json!({}))["given"].as_u64().unwrap()
}

fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn sign_in(sandbox: &mut Sandbox, authentication: &Value) {
    let mut settings = sandbox.settings().clone();
    settings["databricks_personal_access_token"] = Value::Null;
    settings["authentication"] = authentication.clone();
    sandbox.set(settings);
}

/// A sandbox whose service principal signs in with a secret; its tokens live for so many seconds.
fn with_secret(lives: f64) -> (Sandbox, String) {
    let (mut sandbox, id) = (Sandbox::new(), new_id());
    principal(&id, sandbox.place(), json!({"secret": "dose-of-the-bed-0123456789", "lives": lives}));
    let way = json!({"auth_type": "OAUTH_M2M", "client_id": id, "client_secret": "dose-of-the-bed-0123456789"});
    sign_in(&mut sandbox, &way);
    (sandbox, id)
}

/// That of a warehouse is in `ways`.
fn a_long_load_of_a_cluster_outlives_its_tokens() {
    crate::place::over_thrift(|| {
        let (sandbox, id) = with_secret(3.0);
        let place = sandbox.place();
        place.goes_wrong(json!([{"action": "hold", "statement": "^(MERGE|COPY)", "value": 7, "times": 1}]));
        let mut living = sandbox.start(&append(&["users"]));
        living.send(records("users", 0..20) + &state("users", 20) + &status("users", "COMPLETE"));
        until("the load", || load(place).is_some());
        let before = given(&id);
        let run = living.end();
        assert_eq!(run.code, Some(0), "{run:#?}");
        assert_eq!(rows(&sandbox), all(0..20));
        // Whatever was asked for in the seconds before the load: what came after it needed another one.
        assert!(given(&id) > before, "{before}");
    });
}

/// The first statement that loads rows, with its state.
fn load(place: &Place) -> Option<Value> {
    let asked = place.asked();
    asked["statements"].as_array().unwrap().iter().find(|one| adds(one["statement"].as_str().unwrap())).cloned()
}

/// The first request of each kind is refused as one whose token nobody knows: each time the token is replaced, and the request sent again.
fn a_refused_token_in_every_kind_of_request_is_replaced_once() {
    let (sandbox, id) = with_secret(3600.0);
    let place = sandbox.place();
    let kinds: &[&str] = match transport() {
        Transport::Statements => &["submit", "poll", "warehouse", "start", "chunk"],
        Transport::Thrift => &["session", "submit", "poll", "chunk"],
    };
    // What a table is like, which the second sync asks, has more than one chunk.
    place.set(json!({"chunk_rows": 1, "state": "STOPPED"}));
    let held = json!({"action": "hold", "statement": "^(MERGE|COPY)", "value": 2, "times": 1});
    place.goes_wrong(kinds.iter().map(|kind| refused(kind, None)).chain([held]).collect());
    let run = sandbox.check();
    assert!(run.says("SUCCEEDED"), "{run:#?}");
    for round in 0..2 {
        let from = round * 20;
        sandbox.load(&append(&["users"]), records("users", from..from + 20) + &state("users", from + 20));
    }
    assert_eq!(rows(&sandbox), all(0..40));
    assert_eq!(place.asked()["left"], json!([]), "a kind of request was not sent");
    // Each of the three processes begins with a token, and each refusal asks for one more.
    assert_eq!(given(&id), 3 + u64::try_from(kinds.len()).unwrap());
}

fn a_refused_token_does_not_keep_a_statement_from_being_cancelled() {
    let (sandbox, id) = with_secret(3600.0);
    let place = sandbox.place();
    let held = json!({"action": "hold", "statement": "^(MERGE|COPY)", "value": 60});
    place.goes_wrong(json!([refused("cancel", None), held]));
    let mut living = sandbox.start(&append(&["users"]));
    living.send(records("users", 0..20) + &state("users", 20) + &status("users", "COMPLETE"));
    until("the load", || load(place).is_some());
    let run = living.signal("TERM");
    assert_eq!(run.signal, Some(15), "{run:#?}");
    until("the cancel", || load(place).unwrap()["state"] == "CANCELED");
    assert_eq!(given(&id), 2);
}

/// The next request of this kind is refused because of its token.
fn refused(kind: &str, request: Option<&str>) -> Value {
    let body = "{\"error_code\":403,\"message\":\"Invalid access token.\"}";
    json!({"action": "reply", "on": kind, "statement": request, "times": 1, "value": {"status": 403, "body": body}})
}

fn tokens_that_nobody_takes_any_more_are_replaced_in_mid_sync() {
    let (sandbox, id) = with_secret(3600.0);
    let mut living = sandbox.start(&append(&["users"]));
    living.send(records("users", 0..20));
    living.has_read_so_far();
    stand_in().control("POST", &format!("authority/principals/{id}/expire"), &json!({}));
    living.send(records("users", 20..40) + &state("users", 40));
    let run = living.end();
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert_eq!(rows(&sandbox), all(0..40));
    assert!(given(&id) >= 2, "{}", given(&id));
}

/// A sync whose files lie in a volume.
fn in_a_volume() -> (Sandbox, String) {
    let (mut sandbox, id) = with_secret(3600.0);
    let mut settings = sandbox.settings().clone();
    settings["data_source"] = json!({"data_source_type": "MANAGED_TABLES_STORAGE"});
    settings["database"] = json!("main");
    sandbox.set(settings);
    (sandbox, id)
}

/// Loads `input` although the first of each of `requests` to the Files API is refused; how many rows there are then.
fn loads_in_spite_of_refusals(requests: &[&str], input: String) -> usize {
    let (sandbox, id) = in_a_volume();
    let place = sandbox.place();
    place.goes_wrong(requests.iter().map(|request| refused("file", Some(request))).collect());
    // A check reads files, too.
    let run = sandbox.check();
    assert!(run.says("SUCCEEDED"), "{run:#?}");
    sandbox.load(&append(&["users"]), input);
    assert_eq!(place.asked()["left"], json!([]), "a kind of request was not sent");
    assert_eq!(given(&id), 2 + u64::try_from(requests.len()).unwrap());
    place.sql(&format!("SELECT DISTINCT `_airbyte_data` FROM {}", place.name("users"))).len()
}

fn files_of_volumes_are_written_in_spite_of_refused_tokens() {
    let requests = ["^PUT .*/fs/files", "^GET .*/fs/files", "^DELETE .*/fs/files", "^GET .*/fs/directories"];
    let input = records("users", 0..20) + &state("users", 20);
    assert_eq!(loads_in_spite_of_refusals(&requests, input), 20);
}

#[test]
#[ignore = "there is time for one of each kind"]
fn files_of_several_parts_are_written_in_spite_of_refused_tokens() {
    let requests = [
        "^POST .*/fs/files/.*action=initiate",
        "^POST .*/fs/create-upload-part-urls",
        "^POST .*/fs/files/.*action=complete",
    ];
    let rows: String = (0..80).map(|n| record("users", &incompressible(n, 300_000))).collect();
    assert_eq!(loads_in_spite_of_refusals(&requests, rows + &state("users", 80)), 80);
}

fn a_principal_without_rights_is_named_in_the_grant() {
    let (sandbox, id) = in_a_volume();
    sandbox.place().set(json!({"lacks": ["CREATE VOLUME"]}));
    let run = sandbox.check();
    assert!(run.says("FAILED") && run.says(&format!("TO `{id}`")), "{run:#?}");
}

fn rows(sandbox: &Sandbox) -> Vec<String> {
    super::loading::data(sandbox.place(), "users")
}

fn all(range: std::ops::Range<u64>) -> Vec<String> {
    let mut data: Vec<String> = range.map(numbered).collect();
    data.sort();
    data
}
