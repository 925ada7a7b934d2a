//! SIGKILL at every statement: no acknowledged row is ever missing, and once the lease
//! has expired the next sync leaves only the tables, in the bucket and in the catalog.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::place::{Place, Transport, transport};
use crate::lake::Location;
use crate::messages::{append, numbered, overwrite, padded, record, records, said, state, status};
use crate::program::{Run, Sandbox, until};
use crate::table;

over_one!(
    in_ci = thrift:
    a_sync_that_is_killed_at_any_statement_loses_nothing_acknowledged_and_is_swept,
    an_overwrite_that_is_killed_at_any_statement_shows_the_old_rows_or_the_new_ones,
    an_emptying_sync_that_is_killed_is_swept_with_its_staging_table,
    a_statement_of_a_killed_sync_does_not_replace_what_came_after_it,
    a_sync_that_is_killed_after_a_state_goes_on_from_there,
);
once!(what_a_killed_sync_left_and_cannot_be_dropped_is_told_and_not_waited_for_in_vain,);

/// A lease is old after this time.
pub const AGE: Duration = Duration::from_millis(3000);
/// The server tells the age of an object by whole seconds.
pub const SECOND: Duration = Duration::from_millis(1200);
pub const ROWS: u64 = 60;
pub const SIZE: usize = 40_000;

/// Two batches of rows, each with its STATE.
pub fn input(from: u64) -> String {
    let batch = |begin: u64| {
        let rows: String = (begin..begin + 30).map(|n| record("users", &padded(n, SIZE))).collect();
        rows + &state("users", begin + 30)
    };
    (0..ROWS).step_by(30).filter(|begin| *begin >= from).map(batch).collect()
}

pub fn settings() -> Value {
    json!({"memory_limit_mb": 16, "flush_size_mb": 1})
}

/// Runs a sync whose process the stand-in kills when a rule says so.
pub fn run(sandbox: &Sandbox, streams: &Value, input: &str) -> Run {
    let mut living = sandbox.start(streams);
    sandbox.place().set(json!({"client": living.process()}));
    living.send(input);
    living.end()
}

/// A rule that kills at the `step`th statement, from 0.
fn kill(step: usize, when: &str) -> Value {
    json!([{"action": "kill", "on": "submit", "skip": step, "times": 1, "value": when}])
}

/// The steps at which a sync is killed: all statements, before the server hears of one and after it has run.
fn steps(statements: &[String]) -> Vec<(usize, &'static str)> {
    let every = (0..statements.len()).flat_map(|step| [(step, "before"), (step, "after")]);
    // Thrift differs in how a statement is sent, not in what one does: those that change something are enough.
    let changes = |step: &usize| {
        ["CREATE", "MERGE", "COPY", "INSERT", "DROP"].iter().any(|kind| statements[*step].starts_with(kind))
    };
    every.filter(|(step, when)| transport() == Transport::Statements || (changes(step) && *when == "after")).collect()
}

/// The source goes on from the acknowledged `place`: all rows are there, what was acknowledged once, and nothing else.
pub fn goes_on(sandbox: &mut Sandbox, place: u64, what: &str) {
    sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &AGE.as_millis().to_string());
    sandbox.place().goes_wrong(json!([]));
    sandbox.load(&append(&["users"]), input(place) + &state("users", ROWS));
    let rows = table::data(&sandbox.table("default/users"));
    for n in 0..ROWS {
        let times = rows.iter().filter(|row| **row == padded(n, SIZE)).count();
        // What was loaded and not acknowledged is sent again: an appending stream cannot know that.
        assert!(times == 1 || (times == 2 && n >= place), "{what}: row {n} is there {times} times");
    }
    assert_only_tables(sandbox.place(), what);
}

pub fn assert_only_tables(place: &Place, what: &str) {
    let left = table::staging(&place.lake());
    assert!(left.is_empty(), "{what}: {:?}", left.iter().map(Location::objects).collect::<Vec<_>>());
    assert_eq!(place.tables(), ["users"], "{what}");
    assert_eq!(place.bucket().unfinished_uploads(), 0, "{what}");
}

/// After a kill: the last acknowledged place; no row before it is missing.
pub fn acknowledged(sandbox: &Sandbox, run: &Run, what: &str) -> u64 {
    let place = run.states().last().map_or(0, said);
    let rows = table::data(&sandbox.table("default/users"));
    let missing = (0..place).find(|n| !rows.contains(&padded(*n, SIZE)));
    assert_eq!(missing, None, "{what}: a row is missing of those that were acknowledged to {place}");
    place
}

fn a_sync_that_is_killed_at_any_statement_loses_nothing_acknowledged_and_is_swept() {
    let sandbox = Sandbox::with(settings());
    sandbox.load(&append(&["users"]), input(0));
    let statements = sandbox.place().statements();
    assert!(statements.len() > 5, "{statements:#?}");
    let (mut killed, mut ended) = (Vec::new(), 0);
    for (step, when) in steps(&statements) {
        let what = format!("{when} statement {step}, {:?}", statements[step]);
        let sandbox = Sandbox::with(settings());
        sandbox.place().goes_wrong(kill(step, when));
        let run = run(&sandbox, &append(&["users"]), &input(0));
        let place = acknowledged(&sandbox, &run, &what);
        assert!(run.code.is_none() || (run.code == Some(0) && place == ROWS), "{what}: {run:#?}");
        ended += usize::from(run.code.is_some());
        killed.push((what, sandbox, place));
    }
    // A batch that joined another one takes a statement away, and no more.
    assert!(ended <= 2, "{ended} of {} syncs were not killed", killed.len());
    // All of them are dead for long enough then.
    std::thread::sleep(AGE + SECOND);
    for (what, mut sandbox, place) in killed {
        goes_on(&mut sandbox, place, &what);
    }
}

fn an_overwrite_that_is_killed_at_any_statement_shows_the_old_rows_or_the_new_ones() {
    let all = |from: u64| records("users", from..from + 3) + &state("users", from) + &status("users", "COMPLETE");
    let data = |from: u64| {
        let mut data: Vec<String> = (from..from + 3).map(numbered).collect();
        data.sort();
        data
    };
    let rows_of = |step: usize, when: &str| 20 * step as u64 + if when == "before" { 10 } else { 20 };
    let mut sandbox = Sandbox::new();
    sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &AGE.as_millis().to_string());
    sandbox.load(&overwrite(&["users"]), all(0));
    let before = sandbox.place().statements().len();
    sandbox.load(&overwrite(&["users"]), all(0));
    let statements = sandbox.place().statements().split_off(before);
    let mut shown = 0;
    for (step, when) in steps(&statements) {
        let (what, new) = (format!("{when} statement {step}, {:?}", statements[step]), rows_of(step, when));
        sandbox.place().goes_wrong(kill(step, when));
        let run = run(&sandbox, &overwrite(&["users"]), &all(new));
        assert_eq!(run.code, None, "{what}: {run:#?}");
        let found = table::data(&sandbox.table("default/users"));
        assert!(found == data(shown) || found == data(new), "{what}: {found:?}");
        assert!(run.states().is_empty() || found == data(new), "{what}: acknowledged, and old");
        if found == data(new) {
            shown = new;
        }
    }
    sandbox.place().goes_wrong(json!([]));
    std::thread::sleep(AGE + SECOND);
    sandbox.load(&overwrite(&["users"]), all(5000));
    assert_eq!(table::data(&sandbox.table("default/users")), data(5000));
    assert_only_tables(sandbox.place(), "overwrite");
}

fn an_emptying_sync_that_is_killed_is_swept_with_its_staging_table() {
    let mut sandbox = Sandbox::new();
    sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &AGE.as_millis().to_string());
    let nothing = status("users", "COMPLETE");
    sandbox.load(&overwrite(&["users"]), records("users", 0..3) + &nothing);
    for statement in ["^CREATE TABLE.*_airbyte_tmp_", "^INSERT OVERWRITE"] {
        let kill = json!({"action": "kill", "on": "submit", "statement": statement, "times": 1, "value": "after"});
        sandbox.place().goes_wrong(json!([kill]));
        let run = run(&sandbox, &overwrite(&["users"]), &nothing);
        assert_eq!(run.code, None, "{statement}: {run:#?}");
    }
    assert_eq!(sandbox.place().tables().len(), 3);
    sandbox.place().goes_wrong(json!([]));
    std::thread::sleep(AGE + SECOND);
    sandbox.load(&overwrite(&["users"]), &*nothing);
    assert_eq!(table::data(&sandbox.table("default/users")), Vec::<String>::new());
    assert_only_tables(sandbox.place(), "emptied");
}

fn a_statement_of_a_killed_sync_does_not_replace_what_came_after_it() {
    const QUEUED: Duration = Duration::from_secs(15);
    for is_new in [false, true] {
        let mut sandbox = Sandbox::new();
        sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &AGE.as_millis().to_string());
        let all = |from: u64| records("users", from..from + 3) + &state("users", from) + &status("users", "COMPLETE");
        if !is_new {
            sandbox.load(&overwrite(&["users"]), all(0));
        }
        let queued = json!({"action": "hold", "statement": "^INSERT", "times": 1, "value": QUEUED.as_secs()});
        sandbox.place().goes_wrong(json!([queued]));
        let replaces = |text: &String| text.starts_with("INSERT");
        let before = sandbox.place().statements().into_iter().filter(replaces).count();
        let mut living = sandbox.start(&overwrite(&["users"]));
        living.send(all(100));
        until("it is sent", || sandbox.place().statements().into_iter().filter(replaces).count() > before);
        let queued = Instant::now();
        let run = living.kill();
        assert!(run.states().is_empty(), "{run:#?}");
        let run = sandbox.load(&overwrite(&["users"]), all(200));
        assert_eq!(run.states().len(), 1);
        assert!(run.logs("INFO").iter().any(|text| text.contains("waiting until that is certain")), "{run:#?}");
        let fenced = sandbox.place().statements().iter().any(|text| text.contains("destination-databricks.fence"));
        assert!(fenced, "the table got no fence");
        let expected: Vec<String> = (200..203).map(numbered).collect();
        assert_eq!(super::loading::data(sandbox.place(), "users"), expected, "at once, new: {is_new}");
        // By then the dead sync's statement has had its turn.
        std::thread::sleep((QUEUED + 5 * SECOND).saturating_sub(queued.elapsed()));
        assert_eq!(super::loading::data(sandbox.place(), "users"), expected, "later, new: {is_new}");
        assert_only_tables(sandbox.place(), "a statement that was queued");
    }
}

fn a_sync_that_is_killed_after_a_state_goes_on_from_there() {
    let mut sandbox = Sandbox::with(settings());
    let mut living = sandbox.start(&append(&["users"]));
    living.send(input(0));
    let place = said(&living.next_state());
    let run = living.kill();
    let place = run.states().last().map_or(place, said);
    let rows = table::data(&sandbox.table("default/users"));
    assert_eq!((0..place).find(|n| !rows.contains(&padded(*n, SIZE))), None, "acknowledged to {place}");
    std::thread::sleep(AGE + SECOND);
    goes_on(&mut sandbox, place, "after a STATE");
}

fn what_a_killed_sync_left_and_cannot_be_dropped_is_told_and_not_waited_for_in_vain() {
    let mut sandbox = Sandbox::new();
    sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &AGE.as_millis().to_string());
    let all = |from: u64| records("users", from..from + 3) + &state("users", from) + &status("users", "COMPLETE");
    let kill = json!({"action": "kill", "on": "submit", "statement": "^INSERT", "times": 1, "value": "before"});
    sandbox.place().goes_wrong(json!([kill]));
    assert_eq!(run(&sandbox, &overwrite(&["users"]), &all(0)).code, None);
    let denied = json!({
        "error_code": "PERMISSION_DENIED", "message": "[INSUFFICIENT_PERMISSIONS] User does not own the table.",
        "sql_state": "42501",
    });
    sandbox.place().goes_wrong(json!([{"action": "fail", "statement": "^DROP", "value": denied}]));
    let message = sandbox.write(&overwrite(&["users"]), all(10)).failed_with("config_error");
    for part in [
        "was killed while it loaded table",
        "cannot be cleared away",
        "`_airbyte_tmp_",
        &format!("delete the folder {}", sandbox.place().bucket().uri("")),
    ] {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
    sandbox.place().goes_wrong(json!([]));
    sandbox.load(&overwrite(&["users"]), all(20));
    assert_eq!(table::data(&sandbox.table("default/users")), (20..23).map(numbered).collect::<Vec<_>>());
}
