//! Each kind of fault on each kind of request: the sync succeeds, or ends with one clear error and succeeds when it is run
//! again. Every row is then in the table once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::action::{BUSY, DENIED, KINDS, Kind, PART, RIGHTS};
use super::place::Place;
use super::proxy::{Action, Fault, Proxy, Request, Rule};
use super::server::server;
use crate::messages::{append, number_of, overwrite, record, state, status};
use crate::program::{Run, Sandbox};
use crate::table;

/// Records of the sync; each has so many bytes that no codec makes fewer: their files take several parts.
const RECORDS: u64 = 28;
const BYTES: usize = 600_000;

/// The data of record `n`: a text without any repetition.
fn data(n: u64) -> String {
    let mut seed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut letter = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[(seed >> 40) as usize % 64] as char
    };
    let pad: String = (0..BYTES).map(|_| letter()).collect();
    format!("{{\"n\":{n},\"pad\":\"{pad}\"}}")
}

/// All of one large stream, with a STATE at its end.
pub fn large() -> String {
    let rows: String = (0..RECORDS).map(|n| record("large", &data(n))).collect();
    rows + &state("large", RECORDS) + &status("large", "COMPLETE")
}

/// The large stream and a small one.
pub fn input() -> String {
    let rows: String = (0..5).map(|n| record("small", &format!("{{\"n\":{n}}}"))).collect();
    large() + &rows + &state("small", 5) + &status("small", "COMPLETE")
}

/// Settings for a sync through `proxy`.
pub fn through(sandbox: &mut Sandbox, proxy: &Proxy) {
    let source = sandbox.place().source_through(&proxy.endpoint());
    sandbox.set(json!({"data_source": source, "memory_limit_mb": 128}));
}

/// Both tables have every row, once.
pub fn assert_all_once(sandbox: &Sandbox, what: &str) {
    assert_large_once(sandbox, what);
    assert_once(sandbox, "small", 5, what);
}

/// So has that of the large stream.
pub fn assert_large_once(sandbox: &Sandbox, what: &str) {
    let rows = assert_once(sandbox, "large", RECORDS, what);
    assert!(rows.iter().all(|row| *row == data(number_of(row))), "{what}: other bytes than were sent");
}

fn assert_once(sandbox: &Sandbox, stream: &str, count: u64, what: &str) -> Vec<String> {
    let rows = table::data(&sandbox.table(&format!("default/{stream}")));
    let mut numbers: Vec<u64> = rows.iter().map(|row| number_of(row)).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..count).collect::<Vec<_>>(), "{what}: {stream}");
    rows
}

/// Nothing is left but the tables: no staging, no unfinished upload.
pub fn assert_only_tables(sandbox: &Sandbox, what: &str) {
    table::assert_tidy(&sandbox.lake());
    assert!(!Place::REMOVES_UPLOADS || sandbox.place().unfinished_uploads() == 0, "{what}: unfinished uploads");
}

/// One clear error, and no two words of what lies behind it.
pub fn assert_clear(run: &Run, what: &str) {
    let error = run.failure();
    let message = error["message"].as_str().unwrap();
    assert!(message.len() < 700 && !message.contains("Generic ") && !message.contains("<Error>"), "{what}: {message}");
}

/// Every kind of request fails once or twice with `fault`; the sync gets over it.
fn gets_over(name: &str, fault: &Fault) {
    KINDS.into_iter().for_each(|kind| gets_over_one(name, fault, kind, &[]));
}

/// Requests of one kind fail twice with `fault`; the sync, in an `environment`, gets over it.
pub fn gets_over_one(name: &str, fault: &Fault, (kind, which): Kind, environment: &[(&str, &str)]) {
    let what = format!("{name}: {kind}");
    let proxy = Proxy::start(server().port(), vec![Rule::every(which, fault.clone()).times(2)]);
    let mut sandbox = Sandbox::new();
    environment.iter().for_each(|(name, value)| sandbox.set_environment(name, value));
    if kind == "get" {
        // There is nothing to be read where no table is.
        old_rows(&sandbox);
    }
    through(&mut sandbox, &proxy);
    let streams = if kind == "get" { overwrite } else { append };
    let run = sandbox.write(&streams(&["large", "small"]), input());
    assert_eq!(run.code, Some(0), "{what}: {:#?}", run.messages());
    assert!(proxy.seen().iter().any(which), "{what}: no such request");
    assert_eq!(run.states().len(), 2, "{what}");
    assert_all_once(&sandbox, &what);
    assert_only_tables(&sandbox, &what);
}

/// Tables with rows that the sync will replace.
fn old_rows(sandbox: &Sandbox) {
    let old = |stream| record(stream, "{\"n\":99,\"pad\":\"\"}");
    sandbox.load(&append(&["large", "small"]), old("large") + &old("small"));
}

#[test]
fn a_connection_that_is_refused_is_made_again() {
    gets_over("refused", &Fault::Refuse);
}

#[test]
fn a_server_that_says_to_slow_down_is_asked_again() {
    gets_over(BUSY, &Fault::Answer(503, BUSY));
}

#[test]
fn a_page_of_a_gateway_in_front_of_the_server_passes() {
    gets_over("502 with a page", &Fault::Page(502));
}

#[test]
fn a_gateway_that_never_lets_anything_through_is_one_clear_error_that_may_pass() {
    for status in [502, 503, 504] {
        let proxy = Proxy::start(server().port(), vec![Rule::every(|_| true, Fault::Page(status))]);
        let mut sandbox = Sandbox::new();
        sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "700");
        through(&mut sandbox, &proxy);
        let run = sandbox.write(&append(&["small"]), record("small", "{}") + &state("small", 1));
        run.failed_with("transient_error");
        assert_clear(&run, "a gateway");
        let tries = proxy.seen().len();
        assert!(tries > 1, "{tries}");
    }
}

#[test]
fn a_request_that_is_never_answered_is_made_again() {
    // A third of it is how long one try may take.
    let timeouts = [("DESTINATION_DATABRICKS_RETRY_MS", "6000")];
    std::thread::scope(|scope| {
        for half in KINDS.chunks(KINDS.len() / 2) {
            scope
                .spawn(|| half.iter().for_each(|kind| gets_over_one("never answered", &Fault::Hold, *kind, &timeouts)));
        }
    });
}

#[test]
fn a_server_that_never_answers_is_one_clear_error_within_the_deadline() {
    let proxy = Proxy::start(server().port(), vec![Rule::every(|_| true, Fault::Hold)]);
    let mut sandbox = Sandbox::new();
    sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "1500");
    through(&mut sandbox, &proxy);
    let begun = Instant::now();
    let run = sandbox.write(&append(&["small"]), record("small", "{}") + &state("small", 1));
    assert!(run.failed_with("transient_error").contains("did not answer in time"), "{run:#?}");
    assert_clear(&run, "never answered");
    assert!(proxy.seen().len() > 1 && begun.elapsed().as_secs() < 15, "{:?}", begun.elapsed());
}

#[test]
fn work_that_was_done_and_answered_with_an_error_is_not_done_twice() {
    gets_over("done, answered 500", &Fault::DoneButAnswer(500, "InternalError"));
}

#[test]
fn work_that_was_done_without_an_answer_is_not_done_twice() {
    gets_over("done, cut", &Fault::DoneButCut);
}

#[test]
fn a_request_whose_body_is_cut_short_is_made_again() {
    gets_over("half a request", &Fault::HalfRequest);
}

#[test]
fn an_answer_whose_body_is_cut_short_is_asked_for_again() {
    gets_over("half an answer", &Fault::HalfAnswer);
}

#[test]
fn a_sync_that_fails_in_the_middle_of_a_file_gives_its_upload_up() {
    let proxy = Proxy::start(server().port(), Vec::new());
    let mut sandbox = Sandbox::new();
    through(&mut sandbox, &proxy);
    let rows: String = large().lines().take(20).map(|line| format!("{line}\n")).collect();
    sandbox.write(&append(&["large"]), rows + "oops\n").failure();
    assert!(proxy.seen().iter().any(|request| request.action == PART), "{:#?}", proxy.counts());
    assert_only_tables(&sandbox, "a broken input");
}

#[test]
fn a_storm_of_slow_downs_passes() {
    let requests = AtomicU64::new(0);
    // Two of three requests are turned away, whatever they are for.
    let most = move |_: &Request| !requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(3);
    let proxy = Proxy::start(server().port(), vec![Rule::every(most, Fault::Answer(503, BUSY))]);
    let mut sandbox = Sandbox::new();
    through(&mut sandbox, &proxy);
    let run = sandbox.write(&append(&["large", "small"]), input());
    if run.code != Some(0) {
        assert_clear(&run, "a storm");
        proxy.set(Vec::new());
        sandbox.load(&append(&["large", "small"]), input());
    }
    assert_all_once(&sandbox, "a storm");
}

#[test]
fn a_slow_server_is_waited_for() {
    let slow = Fault::Slow(Duration::from_millis(50));
    let proxy = Proxy::start(server().port(), vec![Rule::every(|_| true, slow)]);
    let mut sandbox = Sandbox::new();
    through(&mut sandbox, &proxy);
    sandbox.load(&append(&["large", "small"]), input());
    assert_all_once(&sandbox, "slow");
    assert_only_tables(&sandbox, "slow");
}

/// All of `kind` fail; the sync ends with one clear error, and the one after it well.
fn fails_and_recovers(kind: Kind, mode: fn(&[&str]) -> Value) {
    const AGE: Duration = Place::LEASE_AGE;
    let (kind, which) = kind;
    let proxy = Proxy::start(server().port(), vec![Rule::every(which, Fault::Answer(503, BUSY))]);
    let mut sandbox = Sandbox::new();
    if kind == "get" {
        old_rows(&sandbox);
    }
    sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "700");
    sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &AGE.as_millis().to_string());
    through(&mut sandbox, &proxy);
    let run = sandbox.write(&mode(&["large", "small"]), input());
    assert_clear(&run, kind);
    // The small stream needs no parts: it may have landed, and is acknowledged then.
    let landed = run.states().len();
    assert!(landed == 0 || (landed == 1 && matches!(kind, "begin" | "part" | "complete")), "{kind}: {landed}");
    proxy.set(Vec::new());
    sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "20000");
    // Where not even deleting worked, the staging folder waits for its lease to be old, by whole seconds.
    std::thread::sleep(AGE + Duration::from_millis(1200));
    let left = if landed == 0 { &["large", "small"][..] } else { &["large"] };
    let input = input();
    let again = input.lines().filter(|line| landed == 0 || !line.contains("\"small\""));
    sandbox.load(&mode(left), again.map(|line| format!("{line}\n")).collect::<String>());
    assert_all_once(&sandbox, kind);
    assert_only_tables(&sandbox, kind);
}

#[test]
fn what_never_succeeds_ends_a_sync_that_appends_with_one_clear_error_and_the_next_one_ends_well() {
    for kind in KINDS.into_iter().filter(|(kind, _)| !matches!(*kind, "get" | "delete" | "list of uploads")) {
        fails_and_recovers(kind, append);
    }
}

#[test]
fn what_never_succeeds_ends_a_sync_that_replaces_with_one_clear_error_and_the_next_one_ends_well() {
    for kind in KINDS.into_iter().filter(|(kind, _)| !matches!(*kind, "delete" | "list of uploads")) {
        fails_and_recovers(kind, overwrite);
    }
}

#[test]
fn a_sync_that_cannot_clean_up_has_loaded_everything_and_the_next_one_cleans_up() {
    const AGE: Duration = Place::LEASE_AGE;
    let deletes = |request: &Request| request.action == Action::Delete;
    let proxy = Proxy::start(server().port(), vec![Rule::every(deletes, Fault::Answer(503, BUSY))]);
    let mut sandbox = Sandbox::new();
    sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "700");
    sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &AGE.as_millis().to_string());
    through(&mut sandbox, &proxy);
    let run = sandbox.load(&append(&["small"]), record("small", "{}") + &state("small", 1));
    assert_eq!(run.states().len(), 1);
    assert!(!run.logs("WARN").is_empty(), "the user is told of what is left: {run:#?}");
    assert_eq!(table::staging(&sandbox.lake()).len(), 1);
    proxy.set(Vec::new());
    std::thread::sleep(AGE + Duration::from_millis(1200));
    sandbox.load(&append(&["small"]), record("small", "{}") + &state("small", 1));
    assert_eq!(table::read(&sandbox.table("default/small")).rows.len(), 2);
    assert_only_tables(&sandbox, "clean-up");
}

#[test]
fn a_failed_request_that_the_user_can_mend_is_not_repeated() {
    let seen = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&seen);
    let copies = move |request: &Request| {
        let copies = request.action == Action::Copy;
        counter.fetch_add(u64::from(copies), Ordering::Relaxed);
        copies
    };
    let proxy = Proxy::start(server().port(), vec![Rule::every(copies, Fault::Answer(403, DENIED))]);
    let mut sandbox = Sandbox::new();
    through(&mut sandbox, &proxy);
    let run = sandbox.write(&append(&["small"]), record("small", "{}") + &state("small", 1));
    let message = run.failed_with("config_error");
    assert!(RIGHTS.iter().any(|right| message.contains(right)), "{message}");
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

#[test]
fn an_upload_that_fails_is_given_up_also_where_the_user_keeps_the_staging() {
    let part = |request: &Request| request.action == PART;
    let proxy = Proxy::start(server().port(), vec![Rule::every(part, Fault::Answer(403, DENIED))]);
    let mut sandbox = Sandbox::new();
    let source = sandbox.place().source_through(&proxy.endpoint());
    sandbox.set(json!({"data_source": source, "memory_limit_mb": 128, "purge_staging_data": false}));
    let message = sandbox.write(&append(&["large"]), large()).failed_with("config_error");
    assert!(message.contains(RIGHTS[0]), "{message}");
    assert_eq!(sandbox.place().unfinished_uploads(), 0);
}
