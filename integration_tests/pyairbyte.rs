//! PyAirbyte drives the real program: `check`, every write strategy, a state cache, and sources that crash.
//!
//! It runs in the Python that `TEST_PYAIRBYTE` names, which has `.ci/requirements-pyairbyte.txt` installed. Without it the
//! test is skipped and says so; under CI it fails. The source is a script beside the client: no network is needed, and
//! PyAirbyte's usage statistics are off.

mod cache;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::program::{Sandbox, skipped};
use crate::table;

/// A client that waits for requests.
struct Client {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Client {
    /// A client of the program for the lake of `sandbox`; `None`, with a printed reason, where there is no PyAirbyte.
    fn start(test: &str, sandbox: &Sandbox) -> Option<Self> {
        let Some(python) = std::env::var_os("TEST_PYAIRBYTE").filter(|named| !named.is_empty()) else {
            let why = "TEST_PYAIRBYTE names no Python with PyAirbyte (.ci/requirements-pyairbyte.txt)";
            assert!(std::env::var_os("CI").is_none(), "{why}");
            skipped(test, why);
            return None;
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration_tests/pyairbyte/client.py");
        let folder = sandbox.folder().join("pyairbyte");
        std::fs::create_dir(&folder).unwrap();
        let mut command = Command::new(python);
        command.arg(script).arg(env!("CARGO_BIN_EXE_destination-databricks")).arg(sandbox.config()).arg(&folder);
        command.env_remove("WORKER_JOB_ID").env("HOME", &folder).env("DO_NOT_TRACK", "1");
        command.env("AIRBYTE_OFFLINE_MODE", "1");
        let log = std::fs::File::create(folder.join("stderr")).unwrap();
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let (requests, answers) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        Some(Self { process, requests, answers })
    }

    /// What comes of `request`.
    fn ask(&mut self, sandbox: &Sandbox, request: &Value) -> Value {
        writeln!(self.requests, "{request}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let said = || std::fs::read_to_string(sandbox.folder().join("pyairbyte/stderr")).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer:?} to {request}: {}", said()))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // After a failed assertion; one that has ended already cannot be killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How many rows `orders` and `notes` have, and of which runs of the source they are.
fn rows(sandbox: &Sandbox) -> [(usize, Vec<String>); 2] {
    ["orders", "notes"].map(|stream| {
        let data = table::data(&sandbox.table(&format!("shop/{stream}")));
        let run = |data: &String| serde_json::from_str::<Value>(data).unwrap()["run"].as_str().unwrap().to_owned();
        let mut runs: Vec<String> = data.iter().map(run).collect();
        runs.sort();
        runs.dedup();
        (data.len(), runs)
    })
}

fn counts(sandbox: &Sandbox) -> [usize; 2] {
    rows(sandbox).map(|(count, _)| count)
}

#[test]
fn pyairbyte_checks_appends_replaces_and_goes_on_from_its_states() {
    let test = "pyairbyte_checks_appends_replaces_and_goes_on_from_its_states";
    let sandbox = Sandbox::with(json!({"schema": "shop"}));
    let Some(mut client) = Client::start(test, &sandbox) else { return };
    let mut ask = |request: Value| client.ask(&sandbox, &request);
    let of = |run: &str| json!({"run": run});
    let one = |run: &str| vec![run.to_owned()];

    let begun = ask(json!({"check": true, "source": of("a"), "strategy": "APPEND"}));
    assert_eq!(begun, json!({}), "the check succeeds");

    // APPEND adds and REPLACE replaces, however often, with and without a full refresh.
    for round in 1..=2 {
        ask(json!({"source": of("a"), "strategy": "APPEND"}));
        assert_eq!(counts(&sandbox), [5 * round, 3 * round]);
    }
    for (run, force_full_refresh) in [("b", false), ("c", false), ("d", true)] {
        ask(json!({"source": of(run), "strategy": "REPLACE", "force_full_refresh": force_full_refresh}));
        assert_eq!(rows(&sandbox), [(5, one(run)), (3, one(run))]);
    }
    ask(json!({"source": of("e"), "strategy": "APPEND", "force_full_refresh": true}));
    assert_eq!(counts(&sandbox), [10, 6], "an append of everything");

    // With a state cache the second run sends what is new; it knows that from the STATEs that were given back.
    let first = ask(json!({"source": of("f"), "strategy": "APPEND", "state_cache": "state"}));
    assert_eq!((&first["records"], counts(&sandbox)), (&json!(8), [15, 9]));
    let grown = json!({"run": "g", "orders": 8});
    let second = ask(json!({"source": grown, "strategy": "APPEND", "state_cache": "state"}));
    assert_eq!((&second["records"], counts(&sandbox)), (&json!(3), [18, 9]));
    // REPLACE with states has only what is new; the full refresh is the cure that docs/pyairbyte.md names.
    ask(json!({"source": grown, "strategy": "REPLACE", "state_cache": "state", "force_full_refresh": true}));
    assert_eq!(rows(&sandbox), [(8, one("g")), (3, one("g"))]);

    // Read first, written from the cache, whose states are kept in another file.
    let from_cache = json!({"source": of("h"), "strategy": "REPLACE", "read_first": "cache", "state_cache": "other"});
    for _ in 0..2 {
        let written = ask(from_cache.clone());
        assert_eq!(written.get("error"), None, "{written}");
        assert_eq!(rows(&sandbox), [(5, one("h")), (3, one("h"))]);
    }
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn the_default_of_pyairbyte_keeps_the_newest_row_of_each_key_and_replaces_streams_without_one() {
    let test = "the_default_of_pyairbyte_keeps_the_newest_row_of_each_key_and_replaces_streams_without_one";
    let sandbox = Sandbox::with(json!({"schema": "shop"}));
    let Some(mut client) = Client::start(test, &sandbox) else { return };
    let mut ask = |request: Value| client.ask(&sandbox, &request);
    let one = |run: &str| vec![run.to_owned()];
    for run in ["a", "b"] {
        let written = ask(json!({"source": {"run": run}}));
        assert_eq!(written["records"], 8, "{written}");
        assert_eq!(rows(&sandbox), [(5, one(run)), (3, one(run))], "the records of one cursor that came later");
    }
    // Only what is new: the rows before it stay.
    ask(json!({"source": {"run": "c"}, "state_cache": "state"}));
    ask(json!({"source": {"run": "d", "orders": 8}, "state_cache": "state"}));
    assert_eq!(rows(&sandbox)[0], (8, vec!["c".to_owned(), "d".to_owned()]));
    let refused = ask(json!({"source": {"run": "e"}, "strategy": "MERGE"}));
    assert!(refused["error"].is_string(), "notes has no key: {refused}");
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn the_default_call_of_pyairbyte_works_with_a_cache_that_spells_names_otherwise() {
    let test = "the_default_call_of_pyairbyte_works_with_a_cache_that_spells_names_otherwise";
    for (layout, names) in
        [("raw", [("Id", "id"), ("Order No.", "order_no_")]), ("columns", [("shop.ID", "shop_id"), ("1st", "_1st")])]
    {
        let sandbox = Sandbox::with(json!({"schema": "shop", "table_layout": layout}));
        let Some(mut client) = Client::start(test, &sandbox) else { return };
        for (key, of_cache) in names {
            let stream = format!("orders {key}");
            let source = |run: &str, orders: u32| json!({"run": run, "orders": orders, "key": key, "named": stream});
            let folder = sandbox.table(&format!("shop/{}", stream.replace([' ', '.'], "_").to_lowercase()));
            // The run and the number of each row.
            let found = || -> Vec<(String, Option<u64>)> {
                let one = |row: &std::collections::BTreeMap<String, Value>| {
                    let run = row.iter().find(|(name, _)| name.eq_ignore_ascii_case("run")).unwrap().1;
                    (run.as_str().unwrap().to_owned(), row.get(of_cache).and_then(Value::as_u64))
                };
                let mut rows: Vec<_> = cache::rows(&folder).iter().map(one).collect();
                rows.sort();
                rows
            };
            let of = |run: &str, numbers: std::ops::Range<u64>| {
                numbers.map(|n| (run.to_owned(), Some(n))).collect::<Vec<_>>()
            };
            for (run, orders, expected) in [
                ("a", 5, of("a", 0..5)),
                // The source goes on from its state; the cache sends all that it has.
                ("b", 8, [of("a", 0..5), of("b", 5..8)].concat()),
            ] {
                let written = client.ask(&sandbox, &json!({"source": source(run, orders), "default": key}));
                assert_eq!(written.get("error"), None, "{layout} {key}: {written}");
                assert_eq!(found(), expected, "{layout} {key}");
            }
        }
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn rows_of_pyairbytes_cache_are_as_new_as_those_that_it_passes_on() {
    let test = "rows_of_pyairbytes_cache_are_as_new_as_those_that_it_passes_on";
    let sandbox = Sandbox::with(json!({"schema": "shop"}));
    let Some(mut client) = Client::start(test, &sandbox) else { return };
    for (run, cache) in [("a", Value::Null), ("b", json!("cache")), ("c", Value::Null)] {
        let written = client.ask(&sandbox, &json!({"source": {"run": run}, "cache": cache}));
        assert_eq!(written.get("error"), None, "{written}");
        assert_eq!(rows(&sandbox)[0], (5, vec![run.to_owned()]), "the source sends all of them with one time");
        let times = table::read(&sandbox.table("shop/orders")).rows;
        assert!(times.iter().all(|row| row.emitted_at == 1_764_000_000_123_000), "{times:#?}");
    }
}

#[test]
fn a_source_that_dies_under_pyairbyte_takes_no_rows_that_it_does_not_replace() {
    let test = "a_source_that_dies_under_pyairbyte_takes_no_rows_that_it_does_not_replace";
    let sandbox = Sandbox::with(json!({"schema": "shop"}));
    let Some(mut client) = Client::start(test, &sandbox) else { return };
    let mut ask = |request: Value| client.ask(&sandbox, &request);
    ask(json!({"source": {"run": "a"}, "strategy": "REPLACE"}));
    let before = rows(&sandbox);
    assert_eq!(counts(&sandbox), [5, 3]);

    // In the middle of the first stream, whose status says that it is not complete.
    let dying = json!({"run": "b", "dies_in": "orders", "dies_after": 2});
    let failed = ask(json!({"source": dying, "strategy": "REPLACE"}));
    assert!(failed["error"].is_string(), "{failed}");
    assert_eq!(rows(&sandbox), before);
    // The second stream is not reached, and no status is told: its rows stay.
    let silent = json!({"run": "c", "dies_in": "orders", "dies_after": 2, "statuses": false});
    let failed = ask(json!({"source": silent, "strategy": "REPLACE"}));
    assert!(failed["error"].is_string(), "{failed}");
    assert_eq!(rows(&sandbox)[1], before[1]);
    table::assert_tidy(&sandbox.lake());
}
