//! A statement whose answer was lost may still run beside the one that was sent again: whenever it begins, only one of the
//! two commits. The behaviour of Delta that this rests on is tested on Delta itself.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::loading::data;
use super::stand_in::stand_in;
use crate::messages::{append, numbered, overwrite, records, state, status};
use crate::program::Sandbox;
use crate::table;

over_one!(
    in_ci = statements:
    a_copy_that_begins_before_the_fence_does_no_harm,
    a_copy_that_begins_after_the_next_one_does_no_harm;
    thrift:
    a_copy_that_begins_between_the_fence_and_the_next_one_does_no_harm,
    two_overwrites_at_the_same_moment_are_one_after_the_other_or_one_gives_way
);
once!(
    a_merge_that_began_before_a_property_got_a_new_value_does_not_commit,
    a_property_that_keeps_its_value_is_no_fence_from_delta_4_1_on,
);

fn a_copy_that_begins_before_the_fence_does_no_harm() {
    does_no_harm("before");
}

fn a_copy_that_begins_between_the_fence_and_the_next_one_does_no_harm() {
    does_no_harm("between");
}

fn a_copy_that_begins_after_the_next_one_does_no_harm() {
    does_no_harm("after");
}

fn does_no_harm(begins: &str) {
    let sandbox = Sandbox::new();
    let place = sandbox.place();
    let streams = json!({"streams": [append(&["added"])["streams"][0], overwrite(&["replaced"])["streams"][0]]});
    for round in 0..2 {
        // Two in a row, so that a fence is followed by another one.
        let lost =
            |kind: &str| json!({"action": "double", "on": "submit", "statement": kind, "times": 2, "value": begins});
        place.goes_wrong(json!([lost("^MERGE"), lost("^INSERT OVERWRITE")]));
        let rows = round * 20..round * 20 + 20;
        let input =
            records("added", rows.clone()) + &records("replaced", rows) + &state("added", 1) + &state("replaced", 1);
        let run = sandbox.load(&streams, input + &status("added", "COMPLETE") + &status("replaced", "COMPLETE"));
        assert_eq!(run.states().len(), 2);
    }
    let numbers = |range: std::ops::Range<u64>| range.map(numbered).collect::<BTreeSet<_>>();
    for (name, expected) in [("added", numbers(0..40)), ("replaced", numbers(20..40))] {
        let found = data(place, name);
        assert_eq!((found.len(), found.into_iter().collect()), (expected.len(), expected), "{name}");
    }
    let statements = place.statements();
    // No two are alike, but for one that is sent again because a slow machine has not answered.
    let fences: BTreeSet<&String> = statements.iter().filter(|text| text.contains("fence")).collect();
    assert!(fences.len() >= 8, "{fences:#?}");
    let mut tables = place.tables();
    tables.sort();
    assert_eq!(tables, ["added", "replaced"]);
    assert!(table::staging(&sandbox.lake()).is_empty());
}

fn two_overwrites_at_the_same_moment_are_one_after_the_other_or_one_gives_way() {
    let sandbox = Sandbox::new();
    sandbox.load(&append(&["users"]), records("users", 0..2));
    // Whoever claims the table second finds the claim of the first.
    sandbox.place().goes_wrong(json!([{"action": "hold", "statement": "^INSERT OVERWRITE", "value": 3}]));
    let mut syncs = [10, 20].map(|_| sandbox.start(&overwrite(&["users"])));
    for (number, sync) in [1, 2].into_iter().zip(&mut syncs) {
        sync.send(records("users", 10 * number..10 * number + 5) + &state("users", number));
        sync.has_read_so_far();
    }
    let runs = std::thread::scope(|scope| {
        let ends = syncs.map(|sync| scope.spawn(|| sync.end()));
        ends.map(|end| end.join().unwrap())
    });
    let found = data(sandbox.place(), "users");
    let loaded = [1, 2].map(|number| found == (10 * number..10 * number + 5).map(numbered).collect::<Vec<_>>());
    assert!(loaded.contains(&true), "{found:?}");
    for (run, loaded) in runs.iter().zip(loaded) {
        if run.code == Some(0) {
            assert_eq!(run.states().len(), 1);
            continue;
        }
        let message = run.failed_with("transient_error");
        assert!(message.contains("began before this one") && !loaded && run.states().is_empty(), "{message}");
    }
    let statements = sandbox.place().statements();
    let replaced = statements.iter().filter(|text| text.starts_with("INSERT OVERWRITE")).count();
    assert_eq!(replaced, runs.iter().filter(|run| run.code == Some(0)).count(), "{statements:#?}");
}

/// Sets the property to `values`, one after the other, while a MERGE runs that reads and writes no row of anybody else and
/// has begun before; what the server says of that MERGE.
fn fenced(values: impl Fn(u32) -> String) -> (Value, String) {
    let sandbox = Sandbox::new();
    let place = sandbox.place();
    sandbox.load(&append(&["added"]), records("added", 0..20) + &state("added", 20));
    let name = place.name("added");
    let slow = format!(
        "MERGE INTO {name} AS target USING (SELECT 'copy' AS id, java_method('java.lang.Thread', 'sleep', 8000L) AS slept) \
         AS copy ON target._airbyte_ab_id = copy.id WHEN NOT MATCHED THEN INSERT (_airbyte_ab_id, _airbyte_data) VALUES \
         (copy.id, copy.slept)"
    );
    let fence = |value: &str| {
        place.sql(&format!("ALTER TABLE {name} SET TBLPROPERTIES ('destination-databricks.fence' = '{value}')"));
    };
    fence(&values(0));
    let said = std::thread::scope(|scope| {
        let copy = scope.spawn(|| stand_in().said(&slow));
        // However long it takes to begin, one of them comes after that.
        for number in 1.. {
            if copy.is_finished() {
                break;
            }
            fence(&values(number));
            std::thread::sleep(Duration::from_secs(1));
        }
        copy.join().unwrap()
    });
    let count = place.sql(&format!("SELECT count(*) FROM {name}"));
    (said, count[0][0].clone().unwrap())
}

fn a_merge_that_began_before_a_property_got_a_new_value_does_not_commit() {
    let (said, rows) = fenced(|number| number.to_string());
    assert!(said.to_string().contains("DELTA_METADATA_CHANGED"), "{said}");
    assert_eq!(rows, "20");
}

/// Why no two fences are alike.
fn a_property_that_keeps_its_value_is_no_fence_from_delta_4_1_on() {
    let (said, rows) = fenced(|_| "1".to_owned());
    let version = stand_in().sql("SELECT version()")[0][0].clone().unwrap();
    let is_older = version.starts_with("4.0.");
    assert_eq!(rows, if is_older { "20" } else { "21" }, "{version}: {said}");
}
