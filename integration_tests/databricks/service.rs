//! What Databricks does and Spark alone does not: it limits requests, serves several workspaces on one host, hides what a
//! user may not see, and lets others cancel statements and end sessions.

use serde_json::{Value, json};

use super::loading::data;
use super::place::{Place, Transport, adds, transport};
use crate::messages::{append, numbered, overwrite, record, records, state, status};
use crate::program::Sandbox;
use crate::table;

over_one!(
    in_ci = statements:
    a_workspace_on_a_shared_host_is_reached_by_its_number,
    statements_that_somebody_else_cancels_are_sent_again,
    a_table_that_is_there_and_hidden_is_told_as_that;
    thrift:
    a_statement_that_is_cancelled_again_and_again_ends_the_sync_with_the_reason,
    a_schema_that_is_there_and_hidden_is_told_as_that,
    a_row_that_nobody_may_see_is_told_as_that
);
once!(
    sessions_that_a_cluster_loses_are_opened_again_however_it_tells_of_that,
    many_streams_stay_below_the_limit_of_requests,
    two_hundred_streams_stay_below_the_limit_of_requests,
    a_sync_that_is_turned_away_all_the_time_loads_without_a_fence,
);

fn streams() -> Value {
    json!({"streams": [append(&["added"])["streams"][0], overwrite(&["replaced"])["streams"][0]]})
}

fn input(from: u64) -> String {
    let both = records("added", from..from + 20) + &records("replaced", from..from + 20);
    let states = state("added", from + 20) + &state("replaced", from + 20);
    both + &states + &status("added", "COMPLETE") + &status("replaced", "COMPLETE")
}

fn numbers(range: std::ops::Range<u64>) -> Vec<String> {
    let mut data: Vec<String> = range.map(numbered).collect();
    data.sort();
    data
}

fn a_workspace_on_a_shared_host_is_reached_by_its_number() {
    let mut sandbox = Sandbox::new();
    let number = "6051921418418893";
    let path = sandbox.place().settings()["databricks_http_path"].as_str().unwrap().to_owned();
    let forms = match transport() {
        Transport::Statements => vec![
            ("http://127.0.0.1/?o=6051921418418893", path.clone()),
            ("http://127.0.0.1", path.clone() + "?o=6051921418418893"),
        ],
        Transport::Thrift => vec![("http://127.0.0.1", path.replace("/o/0/", "/o/6051921418418893/"))],
    };
    sandbox.place().set(json!({"org": number}));
    for (round, (host, path)) in forms.into_iter().enumerate() {
        sandbox.set(json!({"databricks_server_hostname": host, "databricks_http_path": path}));
        let from = round as u64 * 20;
        sandbox.load(&append(&["added"]), records("added", from..from + 20) + &state("added", from + 20));
        assert_eq!(table::data(&sandbox.table("default/added")).len() as u64, from + 20);
    }
    sandbox.set(json!({"databricks_server_hostname": "http://127.0.0.1", "databricks_http_path": path}));
    let run = sandbox.write(&append(&["added"]), records("added", 0..1));
    let message = run.failed_with("config_error");
    assert!(message.contains("?o="), "{message}");
}

/// `action`, once for each kind of statement.
fn once_each(value: &Value) -> Value {
    const KINDS: [&str; 6] = ["^SHOW", "^DESCRIBE", "^CREATE", "^(MERGE|COPY)", "^INSERT", "^DROP"];
    let rule = |kind: &&str| json!({"action": "cancel", "statement": kind, "times": 1, "value": value});
    KINDS.iter().map(rule).collect()
}

fn statements_that_somebody_else_cancels_are_sent_again() {
    for when in [json!(0.3), json!("done")] {
        let sandbox = Sandbox::new();
        for round in 0..2 {
            sandbox.place().goes_wrong(once_each(&when));
            let run = sandbox.load(&streams(), input(round * 20));
            assert_eq!(run.states().len(), 2, "{when}");
        }
        assert_eq!(data(sandbox.place(), "added"), numbers(0..40), "{when}");
        assert_eq!(data(sandbox.place(), "replaced"), numbers(20..40), "{when}");
        let mut tables = sandbox.place().tables();
        tables.sort();
        assert_eq!(tables, ["added", "replaced"], "{when}");
    }
}

fn a_statement_that_is_cancelled_again_and_again_ends_the_sync_with_the_reason() {
    let sandbox = Sandbox::new();
    sandbox.place().goes_wrong(json!([{"action": "cancel", "statement": "^(MERGE|COPY)", "value": 0}]));
    let run = sandbox.write(&append(&["added"]), records("added", 0..20) + &state("added", 20));
    let message = run.failed_with("transient_error");
    assert!(message.contains("was cancelled") && message.contains("STATEMENT_TIMEOUT"), "{message}");
    let merges = sandbox.place().statements().iter().filter(|text| adds(text)).count();
    assert_eq!((merges, run.states().len()), (3, 0));
    sandbox.place().goes_wrong(json!([]));
    sandbox.load(&append(&["added"]), records("added", 0..20) + &state("added", 20));
    assert_eq!(data(sandbox.place(), "added"), numbers(0..20));
    assert_eq!(sandbox.place().tables(), ["added"]);
}

/// The message of a check, which has to fail.
fn refused(sandbox: &Sandbox) -> String {
    let run = sandbox.check();
    let answer = run.messages().into_iter().find(|message| message["type"] == "CONNECTION_STATUS").unwrap();
    assert_eq!(answer["connectionStatus"]["status"], "FAILED", "{run:#?}");
    answer["connectionStatus"]["message"].as_str().unwrap().to_owned()
}

fn a_schema_that_is_there_and_hidden_is_told_as_that() {
    let sandbox = Sandbox::new();
    let place = sandbox.place();
    place.sql(&format!("CREATE SCHEMA `spark_catalog`.`{}`", place.schema()));
    place.set(json!({"hidden": [place.schema()]}));
    let written = sandbox.write(&append(&["users"]), records("users", 0..3)).failed_with("config_error");
    for message in [refused(&sandbox), written] {
        assert!(message.contains("CREATE SCHEMA") && message.contains("USE SCHEMA"), "{message}");
        assert!(message.contains("hidden"), "{message}");
    }
    place.set(json!({"hidden": []}));
    sandbox.load(&append(&["users"]), records("users", 0..3) + &state("users", 3));
    assert_eq!(data(place, "users"), numbers(0..3));
}

fn a_table_that_is_there_and_hidden_is_told_as_that() {
    let sandbox = Sandbox::new();
    let place = sandbox.place();
    sandbox.load(&append(&["users"]), records("users", 0..3) + &state("users", 3));
    place.set(json!({"hidden": [format!("{}.users", place.schema())]}));
    let run = sandbox.write(&append(&["users"]), records("users", 3..6) + &state("users", 6));
    let message = run.failed_with("config_error");
    let grant = format!("GRANT SELECT ON TABLE `{}`.`{}`.`users`", place.catalog(), place.schema());
    assert!(message.contains(&grant), "{message}");
    assert!(run.states().is_empty());
    place.set(json!({"hidden": []}));
    sandbox.load(&append(&["users"]), records("users", 3..6) + &state("users", 6));
    assert_eq!(data(place, "users"), numbers(0..6));
}

/// As where a row filter of the schema keeps every row from the token's user.
fn a_row_that_nobody_may_see_is_told_as_that() {
    let sandbox = Sandbox::new();
    let place: &Place = sandbox.place();
    place.set(json!({"filtered": true}));
    let message = refused(&sandbox);
    assert!(message.contains("row filter"), "{message}");
    assert_eq!(place.lake().objects(), []);
    assert_eq!(place.tables(), Vec::<String>::new());
}

fn sessions_that_a_cluster_loses_are_opened_again_however_it_tells_of_that() {
    crate::place::over_thrift(|| {
        for told in ["handle", "http", "uninitialized"] {
            let sandbox = Sandbox::with(json!({"flush_interval_seconds": 1}));
            let mut living = sandbox.start(&append(&["added"]));
            for round in 0..2 {
                living.send(records("added", round * 20..round * 20 + 20) + &state("added", round));
                living.next_state();
                sandbox.place().loses_its_sessions(told);
            }
            let run = living.end();
            assert_eq!((run.code, run.states().len()), (Some(0), 2), "{told}: {run:#?}");
            assert_eq!(data(sandbox.place(), "added"), numbers(0..40), "{told}");
            assert_eq!(sandbox.place().tables(), ["added"], "{told}");
            // They had not begun: nothing had to be kept from a copy of them.
            let fences = |text: &String| text.contains("destination-databricks.fence");
            assert!(!sandbox.place().statements().iter().any(fences), "{told}");
        }
    });
}

/// A sync of `streams` streams with a row each; what the warehouse was asked for. It never says that it was asked too often.
fn asked_of_many(sandbox: &Sandbox, streams: usize) -> Value {
    let names: Vec<String> = (0..streams).map(|n| format!("stream_{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let input = names.iter().map(|name| record(name, &numbered(1)) + &state(name, 1)).collect::<String>();
    let run = sandbox.load(&append(&names), input);
    assert_eq!(run.states().len(), streams);
    let asked = sandbox.place().asked();
    assert_eq!(asked["turned_away"], 0, "{} requests", asked["requests"]);
    // Three for each stream, one for each of its loads, and two or three for all.
    let statements = asked["statements"].as_array().unwrap();
    assert!(statements.len() <= 4 * streams + 3, "{} statements", statements.len());
    asked
}

fn many_streams_stay_below_the_limit_of_requests() {
    crate::place::over_statements(|| {
        let sandbox = Sandbox::with(json!({"load_parallelism": 16}));
        let asked = asked_of_many(&sandbox, 24);
        for stream in 0..24 {
            assert_eq!(table::data(&sandbox.table(&format!("default/stream_{stream}"))).len(), 1, "{stream}");
        }
        // Databricks' JDBC driver asks five times a second about each statement that runs.
        let statements = asked["statements"].as_array().unwrap().iter();
        let of_jdbc: f64 = statements.map(|one| 1.0 + 5.0 * one["seconds"].as_f64().unwrap()).sum();
        let requests = asked["requests"].as_f64().unwrap();
        assert!(requests * 2.0 < of_jdbc, "{requests} requests, and JDBC's driver would send {of_jdbc}");
    });
}

/// Spark takes more than four minutes for so many tables. The requests are the same where it does not run.
fn two_hundred_streams_stay_below_the_limit_of_requests() {
    crate::place::over_statements(|| {
        let sandbox = Sandbox::with(json!({"load_parallelism": 16}));
        sandbox.place().set(json!({"scripted": true}));
        // Such a MERGE is asked about; everything else ends while its first answer is waited for.
        sandbox.place().goes_wrong(json!([{"action": "hold", "statement": "^(MERGE|COPY)", "value": 1}]));
        let asked = asked_of_many(&sandbox, 200);
        let statements = asked["statements"].as_array().unwrap();
        let merges = statements.iter().filter(|one| adds(one["statement"].as_str().unwrap())).count();
        let requests = asked["requests"].as_u64().unwrap() as usize;
        // One for each statement, and for each MERGE not more than JDBC's driver would ask in a second.
        let most = statements.len() + 6 * merges;
        assert!(merges == 200 && requests <= most, "{requests} requests for {} statements", statements.len());
    });
}

fn a_sync_that_is_turned_away_all_the_time_loads_without_a_fence() {
    crate::place::over_statements(|| {
        let sandbox = Sandbox::new();
        // Far less than this program takes for little.
        sandbox.place().set(json!({"requests_a_second": 2}));
        sandbox.load(&streams(), input(0));
        let asked = sandbox.place().asked();
        assert!(asked["turned_away"].as_u64().unwrap() > 0, "{asked:#}");
        assert_eq!(data(sandbox.place(), "added"), numbers(0..20));
        assert_eq!(data(sandbox.place(), "replaced"), numbers(0..20));
        let statements = sandbox.place().statements();
        let changes = statements.iter().filter(|text| text.starts_with("ALTER")).count();
        assert_eq!(changes, 0, "{statements:#?}");
    });
}
