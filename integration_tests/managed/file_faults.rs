//! Failures of the Files API and of the cloud's storage behind it: the sync recovers, or ends with one clear error and succeeds when it is
//! run again. Every row is then in the table once.

use serde_json::{Value, json};

use crate::messages::{append, padded, record, records, state, status};
use crate::program::Sandbox;
use crate::table;

/// Each row is so long that few of them make a file of several parts.
const SIZE: usize = 300_000;
const ROWS: u64 = 80;

/// More than the smallest file that goes up in parts, and it cannot be compressed.
fn large(from: u64) -> String {
    let rows: String = (from..from + ROWS).map(|n| record("users", &incompressible(n))).collect();
    rows + &state("users", from + ROWS)
}

fn incompressible(n: u64) -> String {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let digits: String = (0..SIZE / 16)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            format!("{state:016x}")
        })
        .collect();
    json!({"n": n, "text": digits}).to_string()
}

fn numbers(sandbox: &Sandbox) -> Vec<u64> {
    let mut numbers: Vec<u64> =
        table::data(&sandbox.table("default/users")).iter().map(|row| crate::messages::number_of(row)).collect();
    numbers.sort_unstable();
    numbers
}

/// A sync of large files while `rules` hold, by the cloud's storage `cloud`.
fn gets_over(cloud: &str, rules: &Value, more: &Value) {
    let sandbox = Sandbox::with(json!({"memory_limit_mb": 192}));
    let place = sandbox.place();
    let mut settings = json!({"cloud": cloud, "rules": rules});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    place.set(settings);
    let run = sandbox.load(&append(&["users"]), large(0));
    assert_eq!(run.states().len(), 1, "{cloud} {rules}");
    assert_eq!(numbers(&sandbox), (0..ROWS).collect::<Vec<_>>(), "{cloud} {rules}");
    assert_eq!(table::staging(&sandbox.lake()), [], "{cloud} {rules}");
    // Who does not reach the cloud's storage cannot tell it to drop what was begun there: the first file.
    let reaches = cloud != "blocked" && more["urls"] != "off";
    let unfinished = place.bucket().unfinished_uploads();
    assert!(unfinished <= usize::from(!reaches), "{cloud} {rules} {more}: {unfinished}");
}

fn reply(on: &str, times: u32, status: u16, code: &str) -> Value {
    let body = json!({"error_code": code, "message": "later"}).to_string();
    json!({"action": "reply", "on": on, "times": times, "value": {"status": status, "headers": {"retry-after": "0"}, "body": body}})
}

#[test]
fn large_files_go_up_by_every_cloud() {
    // Those with parts have their turn below.
    for cloud in ["google", "blocked"] {
        gets_over(cloud, &json!([]), &json!({}));
    }
    gets_over("aws", &json!([]), &json!({"urls": "off"}));
}

#[test]
fn parts_that_are_lost_refused_or_late_are_sent_again() {
    gets_over("aws", &json!([{"action": "lose", "on": "part", "skip": 1, "times": 3}]), &json!({}));
    gets_over("google", &json!([{"action": "refuse", "on": "part", "skip": 1, "times": 3}]), &json!({}));
    gets_over("azure", &json!([reply("part", 4, 503, "SlowDown")]), &json!({}));
}

/// Each URL is good for less than a part takes at times.
#[test]
fn urls_that_have_expired_are_fetched_again() {
    let expired = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
    let late =
        json!({"action": "reply", "on": "part", "skip": 1, "times": 2, "value": {"status": 403, "body": expired}});
    gets_over("aws", &json!([late]), &json!({}));
}

#[test]
fn a_storm_of_too_many_requests_and_of_unavailability_passes() {
    let sandbox = Sandbox::new();
    let storm = (0..40).map(|n| match n % 2 {
        0 => reply("file", 1, 429, "REQUEST_LIMIT_EXCEEDED"),
        _ => reply("file", 1, 503, "TEMPORARILY_UNAVAILABLE"),
    });
    // Two requests of three, until the storm is over.
    let storm: Vec<Value> = storm
        .enumerate()
        .map(|(n, mut rule)| {
            rule["skip"] = json!(n / 2);
            rule
        })
        .collect();
    sandbox.place().goes_wrong(json!(storm));
    let input = records("users", 0..20) + &state("users", 20) + &status("users", "COMPLETE");
    sandbox.load(&append(&["users"]), input);
    assert_eq!(table::data(&sandbox.table("default/users")).len(), 20);
    assert_eq!(table::staging(&sandbox.lake()), []);
}

#[test]
fn answers_that_are_lost_are_asked_for_again() {
    for action in ["lose", "refuse"] {
        let sandbox = Sandbox::new();
        let kinds = [
            "^PUT .*/files/.*parquet",
            "^PUT .*/files/.*sync",
            "^PUT .*claim",
            "^DELETE .*/files/",
            "^GET .*/directories",
        ];
        let rule = |kind: &&str| json!({"action": action, "on": "file", "statement": kind, "times": 2});
        sandbox.place().goes_wrong(kinds.iter().map(rule).collect());
        sandbox.load(&append(&["users"]), records("users", 0..20) + &state("users", 20));
        assert_eq!(table::data(&sandbox.table("default/users")).len(), 20, "{action}");
        assert_eq!(table::staging(&sandbox.lake()), [], "{action}");
    }
}

/// The token is refused by the Files API alone: what was loaded is acknowledged, and nothing else.
#[test]
fn a_token_that_the_files_are_refused_to_ends_the_sync_and_the_next_one_goes_on() {
    let sandbox = Sandbox::with(json!({"flush_size_mb": 1}));
    let rows = |range: std::ops::Range<u64>| range.map(|n| record("users", &padded(n, 30_000))).collect::<String>();
    let mut living = sandbox.start(&append(&["users"]));
    living.send(rows(0..50) + &state("users", 50));
    assert_eq!(crate::messages::said(&living.next_state()), 50);
    let refused =
        json!({"status": 403, "body": json!({"error_code": 403, "message": "Invalid access token."}).to_string()});
    let rule = json!({"action": "reply", "on": "file", "statement": "parquet", "value": refused});
    sandbox.place().goes_wrong(json!([rule]));
    living.send(rows(50..100) + &state("users", 100));
    let run = living.end();
    let message = run.failed_with("config_error");
    assert!(message.contains("token") && run.states().len() == 1, "{message}");
    sandbox.place().goes_wrong(json!([]));
    sandbox.load(&append(&["users"]), rows(50..100) + &state("users", 100));
    assert_eq!(numbers(&sandbox), (0..100).collect::<Vec<_>>());
}
