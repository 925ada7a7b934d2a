//! Syncs that change the columns of their table, killed at every statement or with the answer lost: what the next run leaves has every
//! row once and the columns of the newest schema.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::columns::{kind, made_by_hand, row, rows, sandbox, stream};
use super::place::{Place, Transport, transport};
use crate::lake::Location;
use crate::messages::{catalog, state, status};
use crate::program::{Run, Sandbox};
use crate::table;

over_one!(
    in_ci = statements:
    a_sync_that_evolves_its_table_and_is_killed_at_any_statement_is_run_again,
    statements_that_evolve_a_table_may_lose_their_answers,
    a_sync_that_replaces_rows_and_columns_and_is_killed_at_any_statement_shows_the_old_or_the_new_ones,
);

/// A lease is old after this time.
const AGE: Duration = Duration::from_millis(3000);
/// The server tells the age of an object by whole seconds.
const SECOND: Duration = Duration::from_millis(1200);

/// The table with the row 0, of whose columns a sync has to add, add within a structure, relax and widen.
fn begun() -> Sandbox {
    let mut sandbox = sandbox("columns", true);
    sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &AGE.as_millis().to_string());
    let (place, columns) = (sandbox.place(), "id BIGINT, must STRING NOT NULL, w INT, o STRUCT<x: BIGINT>");
    made_by_hand(place, columns, "TBLPROPERTIES ('delta.enableTypeWidening' = 'true')");
    place.sql(&format!(
        "INSERT INTO {} SELECT '0', now(), '{{}}', 0, 'm', 1, named_struct('x', 1), NULL",
        place.name("users")
    ));
    sandbox
}

fn evolving() -> Value {
    let (integer, text) = (json!({"type": "integer"}), json!({"type": "string"}));
    let o = json!({"type": "object", "properties": {"x": integer, "y": text}});
    catalog([stream("users", "append", json!({"id": integer, "must": text, "w": integer, "o": o, "new": text}))])
}

/// Three rows, none of which the table takes as it is.
fn input(first: u64) -> String {
    let rows: String = (first..first + 3)
        .map(|id| row("users", &json!({"id": id, "w": 1_i64 << 40, "o": {"x": 1, "y": "t"}, "new": "n"})))
        .collect();
    rows + &state("users", first)
}

/// The rows by their ids, without what is NULL.
fn seen(place: &Place) -> BTreeMap<i64, Value> {
    let mut seen = BTreeMap::new();
    for row in rows(place, &place.name("users")) {
        let row = without_nulls(row);
        let id = row["id"].as_i64().unwrap();
        assert_eq!(seen.insert(id, row), None, "row {id} is there twice");
    }
    seen
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let present = fields.into_iter().filter(|(name, value)| !value.is_null() && name != "_airbyte_meta");
            present.map(|(name, value)| (name, without_nulls(value))).collect::<serde_json::Map<_, _>>().into()
        }
        other => other,
    }
}

/// What has to be there: the row 0, and the rows from each of these.
fn expected(firsts: &[u64]) -> BTreeMap<i64, Value> {
    let old = json!({"id": 0, "must": "m", "w": 1, "o": {"x": 1}});
    let new = firsts.iter().flat_map(|first| *first..first + 3).map(|id| {
        let row = json!({"id": id, "w": 1_i64 << 40, "o": {"x": 1, "y": "t"}, "new": "n"});
        (i64::try_from(id).unwrap(), row)
    });
    [(0, old)].into_iter().chain(new).collect()
}

fn assert_newest_columns(place: &Place, what: &str) {
    let kinds = ["w", "o", "new", "must"].map(|column| kind(place, "users", column));
    assert_eq!(kinds, ["bigint", "struct<x:bigint,y:string>", "string", "string"], "{what}");
}

fn assert_only_the_table(sandbox: &Sandbox, what: &str) {
    let left = table::staging(&sandbox.lake());
    assert!(left.is_empty(), "{what}: {:?}", left.iter().map(Location::objects).collect::<Vec<_>>());
    assert_eq!(sandbox.place().tables(), ["users"], "{what}");
}

/// Runs a sync whose process the stand-in kills when a rule says so.
fn run(sandbox: &Sandbox, streams: &Value, input: &str, rules: Value) -> Run {
    let mut living = sandbox.start(streams);
    sandbox.place().set(json!({"client": living.process(), "rules": rules}));
    living.send(input);
    living.end()
}

/// The steps at which a sync is killed: before the server hears of the first statement, and when it has done each. Before the next
/// one, nothing else has changed.
fn steps(statements: &[String]) -> Vec<(usize, &'static str)> {
    let after = (0..statements.len()).map(|step| (step, "after"));
    // Thrift differs in how a statement is sent, not in what one does.
    let sent = |step: usize| transport() == Transport::Statements || changes(&statements[step]);
    [(0, "before")].into_iter().chain(after).filter(|(step, _)| sent(*step)).collect()
}

fn changes(statement: &str) -> bool {
    ["CREATE", "MERGE", "COPY", "INSERT", "DROP", "ALTER"].iter().any(|kind| statement.starts_with(kind))
}

fn a_sync_that_evolves_its_table_and_is_killed_at_any_statement_is_run_again() {
    let sandbox = begun();
    sandbox.load(&evolving(), input(10));
    let statements = sandbox.place().statements();
    let altering = statements.iter().filter(|text| text.starts_with("ALTER")).count();
    assert!(altering >= 3, "{statements:#?}");
    assert_eq!(seen(sandbox.place()), expected(&[10]));
    assert_newest_columns(sandbox.place(), "undisturbed");
    let (mut killed, mut through) = (Vec::new(), 0);
    for (step, when) in steps(&statements) {
        let what = format!("{when} statement {step}, {:?}", statements[step]);
        let sandbox = begun();
        let kill = json!([{"action": "kill", "on": "submit", "skip": step, "times": 1, "value": when}]);
        let run = run(&sandbox, &evolving(), &input(10), kill);
        assert!(run.signal == Some(9) || run.code == Some(0), "{what}: {run:#?}");
        through += usize::from(run.code.is_some());
        // All rows of a batch or none.
        let found = seen(sandbox.place());
        let is_loaded = found.len() > 1;
        assert_eq!(found, expected(if is_loaded { &[10] } else { &[] }), "{what}");
        assert!(is_loaded || run.states().is_empty(), "{what}: acknowledged, and not there");
        killed.push((what, sandbox, is_loaded));
    }
    assert!(through <= 1, "{through} of {} syncs were not killed", killed.len());
    assert!(killed.iter().any(|(.., is_loaded)| *is_loaded) && killed.iter().any(|(.., is_loaded)| !is_loaded));
    // All of them are dead for long enough then.
    std::thread::sleep(AGE + SECOND);
    for (what, sandbox, is_loaded) in killed {
        sandbox.place().goes_wrong(json!([]));
        sandbox.load(&evolving(), input(20));
        let loaded: &[u64] = if is_loaded { &[10, 20] } else { &[20] };
        assert_eq!(seen(sandbox.place()), expected(loaded), "{what}, and the next run");
        assert_newest_columns(sandbox.place(), &what);
        assert_only_the_table(&sandbox, &what);
    }
}

fn statements_that_evolve_a_table_may_lose_their_answers() {
    let sandbox = begun();
    sandbox.load(&evolving(), input(10));
    let statements = sandbox.place().statements();
    let lost = statements.iter().enumerate().filter(|(_, text)| changes(text) && !text.starts_with("DROP"));
    for (step, statement) in lost {
        // Thrift sends them by the same way.
        if transport() == Transport::Thrift && !statement.starts_with("ALTER") {
            continue;
        }
        for action in ["lose", "refuse"] {
            let what = format!("{action} {step}, {statement:?}");
            let sandbox = begun();
            sandbox.place().goes_wrong(json!([{"action": action, "on": "submit", "skip": step, "times": 1}]));
            let run = sandbox.load(&evolving(), input(10));
            assert_eq!(run.states().len(), 1, "{what}");
            assert_eq!(seen(sandbox.place()), expected(&[10]), "{what}");
            assert_newest_columns(sandbox.place(), &what);
            assert_only_the_table(&sandbox, &what);
        }
    }
}

/// A sync that replaces all rows by one, of other columns than each before it.
fn replacing(round: usize) -> (Value, String, Value) {
    let (kind, value) = [
        (json!({"type": "string"}), json!("t")),
        (json!({"type": "boolean"}), json!(true)),
        (json!({"type": "array", "items": {"type": "integer"}}), json!([1])),
        (json!({"type": "object", "properties": {"x": {"type": "integer"}}}), json!({"x": 1})),
    ][round % 4]
        .clone();
    let properties = json!({"id": {"type": "integer"}, "w": kind});
    let data = json!({"id": round, "w": value});
    let input = row("users", &data) + &state("users", 1) + &status("users", "COMPLETE");
    (catalog([stream("users", "overwrite", properties)]), input, data)
}

fn a_sync_that_replaces_rows_and_columns_and_is_killed_at_any_statement_shows_the_old_or_the_new_ones() {
    let mut sandbox = sandbox("columns", false);
    sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &AGE.as_millis().to_string());
    let load = |sandbox: &Sandbox, round: usize| {
        let (streams, input, data) = replacing(round);
        sandbox.load(&streams, input);
        data
    };
    let shown = |sandbox: &Sandbox| -> Vec<Value> { seen(sandbox.place()).into_values().collect() };
    load(&sandbox, 0);
    let before = sandbox.place().statements().len();
    let mut old = load(&sandbox, 1);
    let statements = sandbox.place().statements().split_off(before);
    assert!(statements.iter().any(|text| text.starts_with("CREATE OR REPLACE TABLE")), "{statements:#?}");
    let (mut round, mut replaced) = (1, 0);
    for (step, when) in steps(&statements) {
        let what = format!("{when} statement {step}, {:?}", statements[step]);
        round += 1;
        // Never of the same columns as the table.
        if replacing(round).2["w"] == old["w"] {
            round += 1;
        }
        let (streams, input, new) = replacing(round);
        let kill = json!([{"action": "kill", "on": "submit", "skip": step, "times": 1, "value": when}]);
        let run = run(&sandbox, &streams, &input, kill);
        assert!(run.signal == Some(9) || run.code == Some(0), "{what}: {run:#?}");
        let found = shown(&sandbox);
        assert!(found == [old.clone()] || found == [new.clone()], "{what}: {found:?}");
        assert!(run.states().is_empty() || found == [new.clone()], "{what}: acknowledged, and old");
        if found == [new.clone()] {
            (old, replaced) = (new, replaced + 1);
        }
    }
    assert!(replaced > 0, "no sync was killed behind its commit");
    std::thread::sleep(AGE + SECOND);
    sandbox.place().goes_wrong(json!([]));
    round += if replacing(round + 1).2["w"] == old["w"] { 2 } else { 1 };
    let newest = load(&sandbox, round);
    assert_eq!(shown(&sandbox), [newest]);
    assert_only_the_table(&sandbox, "at the end");
}
