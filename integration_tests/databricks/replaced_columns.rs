//! A table whose rows are replaced by those of a stream with other columns: one statement, which may be repeated.

use std::time::Duration;

use serde_json::{Value, json};

use super::columns::{described, property, row, rows, sandbox, sent_with, stream};
use super::place::Place;
use crate::messages::{catalog, status};
use crate::program::{Sandbox, until};

over_one!(in_ci = thrift: another_schema_comes_with_the_rows_in_one_statement, the_statement_may_be_lost_and_is_repeated,);
once!(
    a_sync_that_is_killed_at_the_statement_is_run_again,
    a_stream_without_records_leaves_an_empty_table_with_its_columns,
);

const REPLACES: &str = "CREATE OR REPLACE TABLE";

/// A sync of the stream `users` with the property `n` of `kind`, which replaces all rows.
fn replace(kind: &str) -> Value {
    catalog([stream("users", "overwrite", json!({"n": {"type": kind}, "note": {"type": "string"}}))])
}

/// The table with one row, in which others have set something.
fn begun() -> Sandbox {
    let sandbox = sandbox("columns", false);
    let properties = json!({"n": {"type": "integer"}, "old": {"type": "string"}});
    let streams = catalog([stream("users", "overwrite", properties)]);
    sandbox.load(&streams, row("users", &json!({"n": 1, "old": "x"})));
    let (place, name) = (sandbox.place(), sandbox.place().name("users"));
    place.sql(&format!(
        "ALTER TABLE {name} SET TBLPROPERTIES ('owner\\'s' = 'it is', 'delta.enableChangeDataFeed' = 'true', \
         'delta.enableTypeWidening' = 'true', 'delta.enableDeletionVectors' = 'true')"
    ));
    place.sql(&format!("ALTER TABLE {name} CLUSTER BY (n, old)"));
    sandbox
}

/// The values of the columns `n` and `note`.
fn values(place: &Place) -> Vec<(Value, Value)> {
    rows(place, &place.name("users")).iter().map(|row| (row["n"].clone(), row["note"].clone())).collect()
}

fn history(place: &Place) -> Vec<String> {
    let rows = place.sql(&format!("DESCRIBE HISTORY {}", place.name("users")));
    rows.into_iter().map(|row| row[4].clone().unwrap()).collect()
}

fn another_schema_comes_with_the_rows_in_one_statement() {
    let sandbox = begun();
    let place = sandbox.place();
    let before = history(place).len();
    let comment = |place: &Place| {
        let rows = place.sql(&format!("DESCRIBE TABLE EXTENDED {}", place.name("users")));
        rows.into_iter().rfind(|row| row[0].as_deref() == Some("Comment")).and_then(|row| row[1].clone())
    };
    let (location, said) = (place.location("default/users"), comment(place));
    assert!(said.as_ref().is_some_and(|said| said.contains("users")), "{said:?}");
    // While it runs, the old rows are seen.
    place.goes_wrong(json!([{"action": "hold", "statement": format!("^{REPLACES}"), "value": 2}]));
    let mut living = sandbox.start(&replace("string"));
    living.send(row("users", &json!({"n": "2", "note": "new"})) + &status("users", "COMPLETE"));
    until("the statement", || !sent_with(place, REPLACES).is_empty());
    let seen = place.sql(&format!("SELECT count(*) FROM {}", place.name("users")));
    assert_eq!(seen, [[Some("1".to_owned())]]);
    let run = living.end();
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert_eq!(values(place), [(json!("2"), json!("new"))]);
    let columns: Vec<String> =
        described(place, "users").into_iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    let expected = [
        "_airbyte_ab_id string",
        "_airbyte_emitted_at timestamp",
        "_airbyte_meta string",
        "n string",
        "old string",
        "_airbyte_additional_properties map<string,string>",
        "note string",
    ];
    assert_eq!(columns, expected);
    let history = history(place);
    assert_eq!((history.len(), &*history[0]), (before + 1, "CREATE OR REPLACE TABLE AS SELECT"), "{history:?}");
    let old = format!("SELECT old FROM {} VERSION AS OF {}", place.name("users"), before - 1);
    assert_eq!(place.sql(&old), [[Some("x".to_owned())]]);
    assert_eq!(comment(place), said);
    for (key, value) in [
        ("owner's", "it is"),
        ("airbyte.destinationSyncMode", "overwrite"),
        ("delta.enableChangeDataFeed", "true"),
        ("delta.enableTypeWidening", "true"),
        ("delta.enableDeletionVectors", "true"),
        ("clusteringColumns", "[[\"n\"],[\"old\"]]"),
    ] {
        assert_eq!(property(place, "users", key).as_deref(), Some(value), "{key}");
    }
    let detail = place.sql(&format!("DESCRIBE DETAIL {}", place.name("users")));
    assert_eq!(detail[0][4].as_deref(), Some(&*location));
    // With the same schema it is loaded as ever.
    place.goes_wrong(json!([]));
    sandbox.load(&replace("string"), row("users", &json!({"n": "3"})) + &status("users", "COMPLETE"));
    assert_eq!((values(place), sent_with(place, REPLACES).len()), (vec![(json!("3"), Value::Null)], 1));
}

fn the_statement_may_be_lost_and_is_repeated() {
    let sandbox = begun();
    let place = sandbox.place();
    let mut kinds = ["string", "boolean", "number"].into_iter();
    for action in
        [json!({"action": "lose"}), json!({"action": "refuse"}), json!({"action": "double", "value": "between"})]
    {
        let mut rule = action;
        rule["on"] = json!("submit");
        rule["statement"] = json!(format!("^{REPLACES}"));
        rule["times"] = json!(1);
        place.goes_wrong(json!([rule]));
        let kind = kinds.next().unwrap();
        let value = match kind {
            "string" => json!("2"),
            "boolean" => json!(true),
            _ => json!(2.5),
        };
        let both = row("users", &json!({"n": value})) + &row("users", &json!({"n": value}));
        sandbox.load(&replace(kind), both + &status("users", "COMPLETE"));
        assert_eq!(values(place), vec![(value, Value::Null); 2], "{rule}");
        assert_eq!(place.tables(), ["users"], "{rule}");
    }
}

fn a_sync_that_is_killed_at_the_statement_is_run_again() {
    let mut sandbox = begun();
    sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &Duration::from_secs(2).as_millis().to_string());
    for (when, kind, value, before) in
        [("before", "string", json!("2"), json!(1)), ("after", "boolean", json!(true), json!(true))]
    {
        let place = sandbox.place();
        let mut living = sandbox.start(&replace(kind));
        let rule =
            json!({"action": "kill", "on": "submit", "statement": format!("^{REPLACES}"), "times": 1, "value": when});
        place.set(json!({"client": living.process(), "rules": [rule]}));
        living.send(row("users", &json!({"n": value})) + &status("users", "COMPLETE"));
        let run = living.end();
        assert_eq!(run.signal, Some(9), "{when}: {run:#?}");
        assert_eq!(values_of_n(place), [before], "{when}");
        place.goes_wrong(json!([]));
        sandbox.load(&replace(kind), row("users", &json!({"n": value})) + &status("users", "COMPLETE"));
        assert_eq!((values_of_n(place), place.tables()), (vec![value], vec!["users".to_owned()]), "{when}");
    }
}

/// The column `n`, where there may be no `note`.
fn values_of_n(place: &Place) -> Vec<Value> {
    rows(place, &place.name("users")).iter().map(|row| row["n"].clone()).collect()
}

fn a_stream_without_records_leaves_an_empty_table_with_its_columns() {
    let sandbox = begun();
    let place = sandbox.place();
    let gone = catalog([stream("users", "overwrite", json!({"n": {"type": "array", "items": {"type": "string"}}}))]);
    sandbox.load(&gone, status("users", "COMPLETE"));
    assert_eq!(values(place), []);
    let columns = described(place, "users");
    assert!(columns.contains(&("n".to_owned(), "array<string>".to_owned())), "{columns:?}");
    // A list cannot be clustered by.
    assert_eq!(property(place, "users", "clusteringColumns").as_deref(), Some("[[\"old\"]]"));
    sandbox.load(&gone, row("users", &json!({"n": ["a"]})) + &status("users", "COMPLETE"));
    assert_eq!(values_of_n(place), [json!(["a"])]);
}
