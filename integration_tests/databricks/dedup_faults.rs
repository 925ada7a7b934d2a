//! Append + dedup when something goes wrong: answers lost, kills at every statement, syncs at once, managed tables. Every key is there
//! once, with its newest row.

use std::time::Duration;

use serde_json::{Value, json};

use super::dedup::{at, records, sorted, users};
use super::place::{Transport, transport};
use crate::messages::{said, state, status};
use crate::program::{Run, Sandbox};

over_one!(
    in_ci = thrift:
    a_copy_of_a_merge_that_runs_beside_the_next_one_does_no_harm,
    a_sync_that_is_killed_at_any_statement_leaves_each_key_once_and_its_newest_row,
    managed_tables_are_merged_from_files_and_a_lost_answer_is_for_the_next_attempt,
);
once!(two_syncs_at_once_leave_the_newest_rows);

const AGE: Duration = Duration::from_millis(3000);

fn streams() -> Value {
    let properties =
        json!({"id": {"type": "integer"}, "n": {"type": "integer"}, "_ab_cdc_deleted_at": {"type": "string"}});
    users(&properties, &[&["id"]], &["n"])
}

fn row(id: i64, n: i64) -> Value {
    json!({"id": id, "n": n})
}

fn gone(id: i64, n: i64) -> Value {
    json!({"id": id, "n": n, "_ab_cdc_deleted_at": "2024-01-01"})
}

fn input(records: &[Value], number: u64) -> String {
    records.iter().map(|record| at(1, record)).collect::<String>() + &state("users", number)
}

fn a_copy_of_a_merge_that_runs_beside_the_next_one_does_no_harm() {
    for begins in ["before", "between", "after"] {
        let sandbox = Sandbox::new();
        let place = sandbox.place();
        let lost = json!([{"action": "double", "on": "submit", "statement": "^MERGE", "times": 2, "value": begins}]);
        place.goes_wrong(lost.clone());
        sandbox.load(&streams(), input(&[row(1, 1), row(1, 2), row(2, 1), row(3, 1), gone(4, 1)], 1));
        assert_eq!(records(place), sorted(vec![row(1, 2), row(2, 1), row(3, 1)]), "{begins}");
        place.goes_wrong(lost);
        sandbox.load(&streams(), input(&[row(1, 1), gone(2, 2), row(3, 2), row(5, 1)], 2));
        assert_eq!(records(place), sorted(vec![row(1, 2), row(3, 2), row(5, 1)]), "{begins}");
        let fences = place.statements().iter().filter(|text| text.contains("fence")).count();
        assert!(fences >= 4, "{begins}: {:#?}", place.statements());
        assert_eq!(place.tables(), ["users"], "{begins}");
    }
}

/// Runs a sync whose process the stand-in kills when a rule says so.
fn run(sandbox: &Sandbox, input: &str) -> Run {
    let mut living = sandbox.start(&streams());
    sandbox.place().set(json!({"client": living.process()}));
    living.send(input);
    living.end()
}

fn a_sync_that_is_killed_at_any_statement_leaves_each_key_once_and_its_newest_row() {
    let first = input(&[row(1, 1), row(2, 1), row(3, 1)], 1);
    let second = input(&[row(1, 2), row(1, 3), gone(2, 2), row(4, 1)], 2);
    let (old, new) = (sorted(vec![row(1, 1), row(2, 1), row(3, 1)]), sorted(vec![row(1, 3), row(3, 1), row(4, 1)]));
    let sandbox = Sandbox::new();
    sandbox.load(&streams(), &first);
    let before = sandbox.place().statements().len();
    sandbox.load(&streams(), &second);
    let statements = sandbox.place().statements().split_off(before);
    let changes = |text: &String| ["CREATE", "MERGE", "SELECT", "DROP"].iter().any(|kind| text.starts_with(kind));
    let every = (0..statements.len()).flat_map(|step| [(step, "before"), (step, "after")]);
    let steps = every
        .filter(|(step, when)| transport() == Transport::Statements || changes(&statements[*step]) && *when == "after");
    let mut killed = Vec::new();
    for (step, when) in steps {
        let what = format!("{when} statement {step}, {:?}", statements[step]);
        let mut sandbox = Sandbox::new();
        sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &AGE.as_millis().to_string());
        sandbox.load(&streams(), &first);
        let kill = json!([{"action": "kill", "on": "submit", "skip": step, "times": 1, "value": when}]);
        sandbox.place().goes_wrong(kill);
        let run = run(&sandbox, &second);
        assert_eq!(run.code, None, "{what}: {run:#?}");
        let found = records(sandbox.place());
        assert!(found == old || found == new, "{what}: {found:?}");
        assert!(run.states().is_empty() || found == new, "{what}: acknowledged, and old");
        killed.push((what, sandbox));
    }
    assert!(!killed.is_empty());
    std::thread::sleep(AGE + Duration::from_millis(1200));
    for (what, sandbox) in killed {
        sandbox.place().goes_wrong(json!([]));
        let run = sandbox.load(&streams(), &second);
        assert_eq!((run.states().len(), said(&run.states()[0])), (1, 2), "{what}");
        assert_eq!(records(sandbox.place()), new, "{what}");
        assert_eq!(sandbox.place().tables(), ["users"], "{what}");
    }
}

fn two_syncs_at_once_leave_the_newest_rows() {
    let sandbox = Sandbox::new();
    sandbox.load(&streams(), input(&[row(1, 1), row(2, 1)], 1));
    sandbox.place().goes_wrong(json!([{"action": "hold", "statement": "^MERGE", "value": 3}]));
    let mut syncs = [2, 3].map(|_| sandbox.start(&streams()));
    for (number, sync) in [2, 3].into_iter().zip(&mut syncs) {
        sync.send(
            input(&[row(1, number), row(10 + number, 1), gone(2, number)], number as u64)
                + &status("users", "COMPLETE"),
        );
        sync.has_read_so_far();
    }
    let runs = std::thread::scope(|scope| {
        let ends = syncs.map(|sync| scope.spawn(|| sync.end()));
        ends.map(|end| end.join().unwrap())
    });
    let newest = [2, 3].into_iter().zip(&runs).filter(|(_, run)| run.code == Some(0)).map(|(number, _)| number);
    let newest: Vec<i64> = newest.collect();
    let mut expected: Vec<Value> = newest.iter().map(|number| row(10 + number, 1)).collect();
    expected.extend(newest.last().map(|number| row(1, *number)));
    assert_eq!(records(sandbox.place()), sorted(expected), "{runs:#?}");
    for run in runs.iter().filter(|run| run.code != Some(0)) {
        assert!(run.failed_with("transient_error").contains("began before this one") && run.states().is_empty());
    }
}

fn managed_tables_are_merged_from_files_and_a_lost_answer_is_for_the_next_attempt() {
    let catalog = if transport() == Transport::Statements { "main" } else { "spark_catalog" };
    for (purges, layout) in [(true, "raw"), (false, "columns")] {
        let mut sandbox = Sandbox::new();
        let managed = json!({"data_source_type": "MANAGED_TABLES_STORAGE"});
        sandbox.set(json!({
            "data_source": managed, "database": catalog, "table_layout": layout, "purge_staging_data": purges,
        }));
        let place = sandbox.place();
        sandbox.load(&streams(), input(&[row(1, 1), row(1, 2), row(2, 1), gone(3, 1)], 1));
        assert_eq!(records(place), sorted(vec![row(1, 2), row(2, 1)]), "{layout}");
        for begins in ["before", "between", "after"] {
            let lost = json!({"action": "double", "on": "submit", "statement": "^MERGE", "times": 1, "value": begins});
            place.goes_wrong(json!([lost]));
            let run = sandbox.write(&streams(), input(&[row(1, 3), gone(2, 2), row(4, 1)], 2));
            run.failed_with("transient_error");
            assert!(run.states().is_empty(), "{layout} {begins}");
        }
        place.goes_wrong(json!([]));
        sandbox.load(&streams(), input(&[row(1, 3), gone(2, 2), row(4, 1)], 2));
        sandbox.load(&streams(), input(&[row(1, 2), gone(4, 2)], 3));
        assert_eq!(records(place), sorted(vec![row(1, 3)]), "{layout}");
        // A refresh, from all files.
        let mut again = streams();
        for (name, number) in [("generation_id", 5), ("minimum_generation_id", 5), ("sync_id", 7)] {
            again["streams"][0][name] = json!(number);
        }
        let all = input(&[row(1, 1), row(7, 1), row(7, 2), gone(8, 1)], 4) + &status("users", "COMPLETE");
        sandbox.load(&again, all);
        assert_eq!(records(place), sorted(vec![row(1, 1), row(7, 2)]), "{layout}");
        assert_eq!(place.tables(), ["users"], "{layout}");
    }
}
