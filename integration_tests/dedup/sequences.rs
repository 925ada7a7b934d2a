//! Random sequences of syncs, held against the model: whole ones, killed ones, those that are broken off after a STATE, and two at once.
//!
//! Thousands of them: `DEDUP_SEQUENCES=5000 cargo test --locked --test integration thousands_of_sequences -- --ignored`.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::model::{Mode, Model, Shape, Sync, numbers, shapes, syncs};
use crate::lake::Location;
use crate::messages::{append, said, state};
use crate::place::Place;
use crate::program::Sandbox;
use crate::table;

/// How a sync goes.
#[derive(Debug, Clone)]
pub enum Step {
    /// To its end.
    Whole(Sync),
    /// It is killed so many milliseconds after its input has ended, and then run again.
    Killed(Sync, u64),
    /// It is killed so many milliseconds after it had all records, each with a STATE, and where it is sure to come after its first STATE;
    /// then the source goes on from the last STATE.
    BrokenOff(Sync, u64),
    /// Beside another one.
    Both(Sync, Sync),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => syncs().prop_map(Step::Whole),
        2 => (syncs(), 0_u64..60).prop_map(|(sync, after)| Step::Killed(sync, after)),
        2 => (syncs(), 0_u64..60).prop_map(|(sync, after)| Step::BrokenOff(sync, after)),
        1 => (syncs(), syncs()).prop_map(|(one, other)| Step::Both(one, other)),
    ];
    prop::collection::vec(step, 1..6)
}

/// Runs `cases` random sequences.
pub fn hold(cases: u32) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&(shapes(), steps()), |(shape, steps)| sequence(&shape, &steps));
    run.unwrap_or_else(|error| panic!("{error}"));
}

fn sequence(shape: &Shape, steps: &[Step]) -> Result<(), TestCaseError> {
    let sandbox = Sandbox::with(shape.settings());
    let folder = sandbox.table("default/users");
    let (mut model, mut next) = (Model::default(), 0);
    for step in steps {
        match step {
            Step::Whole(sync) => {
                sandbox.load(&shape.catalog(&model, sync.mode), shape.messages(sync, next));
                model = model.after(shape, sync, next);
                next += 100;
            }
            Step::Killed(sync, after) => {
                let mut living = sandbox.start(&shape.catalog(&model, sync.mode));
                living.send(shape.messages(sync, next));
                living.close();
                std::thread::sleep(Duration::from_millis(*after));
                let run = living.kill();
                let loaded = model.after(shape, sync, next);
                let found = numbers(&folder);
                prop_assert!(
                    found == loaded.numbers() || run.states().is_empty() && found == model.numbers(),
                    "after a kill there is {found:?}, before it {:?}, else {:?}",
                    model.numbers(),
                    loaded.numbers()
                );
                let is_loaded = found != model.numbers();
                let again = shape.catalog(&model, sync.mode);
                // The same records, with greater ids.
                next += 100;
                sandbox.load(&again, shape.messages(sync, next));
                // A refresh that goes on adds to its rows.
                model = match (is_loaded, sync.mode) {
                    (true, Mode::Refresh) => {
                        let as_upsert = Sync { mode: Mode::Upsert, changes: sync.changes.clone() };
                        loaded.after(shape, &as_upsert, next)
                    }
                    (true, _) => loaded.after(shape, sync, next),
                    (false, _) => model.after(shape, sync, next),
                };
                next += 100;
            }
            Step::BrokenOff(sync, after) => {
                // A refresh acknowledges nothing before its end, and what is appended twice is there twice.
                let sync = Sync { mode: Mode::Upsert, changes: sync.changes.clone() };
                let place = broken_off(shape, &sandbox, &model, (&sync, next), *after)?;
                let rest = Sync { changes: sync.changes[place..].to_vec(), ..sync.clone() };
                sandbox.load(&shape.catalog(&model, Mode::Upsert), shape.messages(&rest, next + place as u64));
                model = model.after(shape, &sync, next);
                next += 100;
            }
            // Their ids are mixed.
            Step::Both(..) if shape.is_large => continue,
            Step::Both(one, other) => {
                // A new generation ends a sync beside it that is of an older one.
                let upsert = |sync: &Sync| Sync { mode: Mode::Upsert, changes: sync.changes.clone() };
                let (one, other) = (upsert(one), upsert(other));
                let mut syncs = [&one, &other].map(|sync| sandbox.start(&shape.catalog(&model, sync.mode)));
                for (living, (sync, first)) in syncs.iter_mut().zip([(&one, next), (&other, next + 50)]) {
                    living.send(shape.messages(sync, first));
                    living.close();
                }
                for living in syncs {
                    let run = living.end();
                    prop_assert_eq!(run.code, Some(0), "{:#?}", run);
                }
                // Either is loaded first, and either has the greater ids.
                let orders: Vec<Model> = [(0, 50), (50, 0)]
                    .into_iter()
                    .flat_map(|(a, b)| {
                        let one = |model: &Model| model.after_with_ids(shape, &one, next, next + a);
                        let other = |model: &Model| model.after_with_ids(shape, &other, next + 50, next + b);
                        [other(&one(&model)), one(&other(&model))]
                    })
                    .collect();
                let found = numbers(&folder);
                let Some(now) = orders.iter().find(|model| model.numbers() == found) else {
                    return Err(TestCaseError::fail(format!("{found:?} is of neither order {orders:?}")));
                };
                model = now.clone();
                next += 100;
            }
        }
        prop_assert_eq!(numbers(&folder), model.numbers(), "after {:?}", step);
    }
    if Place::SWEEPS_AT_ONCE {
        // Two syncs at once may leave what a killed one had begun: neither was alone.
        sandbox.load(&append(&["others"]), "");
        // Nobody knows of an empty folder whether a sync is about to begin in it, until it is old.
        let left: Vec<_> = table::staging(&sandbox.lake()).iter().flat_map(Location::objects).collect();
        prop_assert_eq!(left, []);
        table::assert_tables_tidy(&sandbox.lake());
    }
    Ok(())
}

/// Kills a sync after some of its STATEs; how many records the last one speaks for.
fn broken_off(
    shape: &Shape,
    sandbox: &Sandbox,
    model: &Model,
    (sync, first): (&Sync, u64),
    after: u64,
) -> Result<usize, TestCaseError> {
    let records = shape.records(sync, first);
    let input: String = (1..).zip(&records).map(|(n, record)| record.clone() + &state("users", n)).collect();
    let mut living = sandbox.start(&shape.catalog(model, sync.mode));
    living.send(input);
    // So many large records are more than a load.
    if shape.is_large && records.len() >= 8 {
        living.next_state();
    }
    std::thread::sleep(Duration::from_millis(after));
    let run = living.kill();
    let place = run.states().iter().map(said).max().unwrap_or(0);
    let place = usize::try_from(place).unwrap();
    let found = numbers(&sandbox.table("default/users"));
    let of_first = |count: usize| Sync { changes: sync.changes[..count].to_vec(), ..sync.clone() };
    let is_known = (place..=records.len()).any(|count| model.after(shape, &of_first(count), first).numbers() == found);
    prop_assert!(is_known, "broken off after the STATE of {place} records, there is {found:?}, before {model:?}");
    Ok(place)
}

#[test]
fn every_sequence_of_syncs_leaves_the_newest_row_of_each_key() {
    hold(if Place::SWEEPS_AT_ONCE { 40 } else { 10 });
}

#[test]
#[ignore = "takes long"]
fn thousands_of_sequences_of_syncs_leave_the_newest_row_of_each_key() {
    let wanted = std::env::var("DEDUP_SEQUENCES").ok();
    hold(wanted.map_or(2000, |wanted| wanted.parse().expect("a number of sequences")));
}
