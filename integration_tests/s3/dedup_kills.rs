//! Syncs that write files of their table again, killed at every request, and those of which every answer is lost once: each key is there
//! once, with its newest row of those that were acknowledged, and older versions keep their files.

use std::collections::BTreeSet;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::kills::{AGE, SECOND, start};
use super::place::HANGS;
use super::proxy::{Fault, Proxy, Request, Rule};
use super::server::server;
use super::victim::{Victim, When, fault};
use crate::dedup::files::assert_all_kept;
use crate::dedup::model::numbers;
use crate::dedup::streams::Stream;
use crate::lake::Location;
use crate::messages::state;
use crate::program::Sandbox;
use crate::table;

fn users() -> Stream {
    let number = json!({"type": "integer"});
    let properties = json!({"id": number, "at": number, "n": number, "_ab_cdc_deleted_at": {"type": "string"}});
    Stream::users(properties, &["id"], &["at"])
}

fn input(rows: &[Value]) -> String {
    rows.iter().map(|row| users().record(0, row)).collect::<String>() + &state("users", 1) + &users().complete()
}

fn row(id: u64, n: u64) -> Value {
    json!({"id": id, "at": n, "n": n})
}

/// A load that takes rows out of both files of the table, and has one that is not the newest of its key itself.
fn second() -> String {
    input(&[row(1, 10), row(1, 11), json!({"id": 4, "at": 12, "n": 999, "_ab_cdc_deleted_at": "x"}), row(6, 13)])
}

const OLD: [u64; 5] = [1, 2, 3, 4, 5];
const NEW: [u64; 5] = [2, 3, 5, 11, 13];

/// What a lake has before the load: a table of two files.
struct Before {
    layout: &'static str,
    objects: Vec<(String, Vec<u8>)>,
    /// How many requests the load makes.
    steps: u32,
}

impl Before {
    fn new(layout: &'static str) -> Self {
        let sandbox = Sandbox::with(json!({"table_layout": layout}));
        sandbox.load(&users().catalog(), input(&[row(1, 1), row(2, 2), row(3, 3)]));
        sandbox.load(&users().catalog(), input(&[row(4, 4), row(5, 5)]));
        let lake = sandbox.lake();
        let content = |object: Location| (object.below(&lake).to_owned(), object.get().unwrap());
        let objects = lake.objects().into_iter().map(content).collect();
        let mut before = Self { layout, objects, steps: 0 };
        let proxy = Proxy::start(server().port(), Vec::new());
        let sandbox = before.sandbox(&proxy);
        sandbox.load(&users().catalog(), second());
        assert_eq!(numbers(&sandbox.table("default/users")), NEW, "{layout}");
        before.steps = u32::try_from(proxy.seen().len()).unwrap();
        assert!(before.steps > 20, "{layout}: {:#?}", proxy.counts());
        before
    }

    /// A lake of its own that has this.
    fn sandbox(&self, proxy: &Proxy) -> Sandbox {
        let mut sandbox = Sandbox::new();
        self.objects.iter().for_each(|(key, content)| sandbox.lake().join(key).put(content));
        sandbox.set(self.settings(sandbox.place().source_through(&proxy.endpoint())));
        sandbox
    }

    fn settings(&self, source: Value) -> Value {
        json!({"data_source": source, "table_layout": self.layout})
    }
}

fn killed_at_any_request(layout: &'static str, steps_of: fn(u32) -> Vec<When>) {
    let before = Before::new(layout);
    let (mut killed, mut seen) = (Vec::new(), BTreeSet::new());
    for (step, when) in (1..=before.steps).flat_map(|step| steps_of(step).into_iter().map(move |when| (step, when))) {
        let what = format!("{layout}, {when:?} request {step}");
        let victim = Victim::default();
        let proxy = Proxy::start(server().port(), vec![Rule::nth(step, |_| true, fault(when, victim.clone()))]);
        let mut sandbox = before.sandbox(&proxy);
        let run = start(&sandbox, &victim, &users().catalog(), &second());
        let found = numbers(&sandbox.table("default/users"));
        assert!(found == OLD || found == NEW, "{what}: {found:?}");
        assert!(run.states().is_empty() || found == NEW, "{what}: acknowledged, and not there");
        seen.insert(found);
        sandbox.set(before.settings(sandbox.place().source()));
        killed.push((what, sandbox));
    }
    assert_eq!(seen.len(), 2, "{layout}: none was killed before, or none behind the commit");
    // All of them are dead for long enough then.
    std::thread::sleep(AGE + SECOND);
    for (what, mut sandbox) in killed {
        sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &AGE.as_millis().to_string());
        sandbox.load(&users().catalog(), second());
        let folder = sandbox.table("default/users");
        assert_eq!(numbers(&folder), NEW, "{what}, and the next run");
        assert_all_kept(&folder);
        table::assert_tidy(&sandbox.lake());
    }
}

/// By turns before the server hears of a request and before the answer is heard.
fn by_turns(step: u32) -> Vec<When> {
    vec![if step.is_multiple_of(2) { When::Before } else { When::After }]
}

#[test]
fn a_sync_that_writes_files_again_and_is_killed_at_any_request_leaves_each_key_once() {
    killed_at_any_request("columns", by_turns);
}

#[test]
#[ignore = "takes long"]
fn a_sync_that_writes_files_again_and_is_killed_at_any_request_leaves_each_key_once_in_every_layout() {
    for layout in ["raw", "columns", "classic"] {
        killed_at_any_request(layout, |_| vec![When::Before, When::After]);
    }
}

fn lost_answers(layout: &'static str, faults: &[Fault]) {
    let before = Before::new(layout);
    for (step, fault) in (1..=before.steps).flat_map(|step| faults.iter().map(move |fault| (step, fault))) {
        let what = format!("{layout}, request {step}");
        let proxy = Proxy::start(server().port(), vec![Rule::nth(step, |_| true, fault.clone())]);
        let sandbox = before.sandbox(&proxy);
        let run = sandbox.load(&users().catalog(), second());
        assert_eq!(run.states().len(), 1, "{what}");
        let folder = sandbox.table("default/users");
        assert_eq!(numbers(&folder), NEW, "{what}");
        assert_all_kept(&folder);
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn an_answer_that_is_lost_while_files_are_written_again_makes_no_difference() {
    lost_answers("raw", &[Fault::DoneButCut]);
}

#[test]
#[ignore = "takes long"]
fn an_answer_that_is_lost_while_files_are_written_again_makes_no_difference_in_any_layout() {
    for layout in ["raw", "columns", "classic"] {
        lost_answers(
            layout,
            &[Fault::DoneButCut, Fault::DoneButAnswer(500, "InternalError"), Fault::HalfAnswer, Fault::Refuse],
        );
    }
}

/// Between a commit whose answer is lost and its repetition, another sync writes the files of that commit again.
#[test]
fn a_commit_whose_answer_is_lost_is_known_also_where_another_sync_has_replaced_its_rows_meanwhile() {
    let before = Before::new("columns");
    let (asks, is_asked) = channel();
    let (goes_on, may_go_on) = channel();
    let waiting = Mutex::new((asks, may_go_on));
    let wait = Fault::First(Arc::new(move || {
        let waiting = waiting.lock().unwrap();
        waiting.0.send(()).unwrap();
        waiting.1.recv().unwrap();
    }));
    let proxy = Proxy::start(
        server().port(),
        vec![Rule::nth(1, Request::is_commit, Fault::DoneButCut), Rule::nth(1, Request::is_commit, wait)],
    );
    let mut sandbox = before.sandbox(&proxy);
    let mut living = sandbox.start(&users().catalog());
    living.send(second());
    living.close();
    is_asked.recv_timeout(HANGS).unwrap();
    let folder = sandbox.table("default/users");
    assert_eq!(numbers(&folder), NEW);
    sandbox.set(before.settings(sandbox.place().source()));
    sandbox.load(&users().catalog(), input(&[row(1, 20), row(3, 21), row(6, 12)]));
    assert_eq!(numbers(&folder), [2, 5, 13, 20, 21]);
    goes_on.send(()).unwrap();
    let run = living.end();
    assert_eq!((run.code, run.states().len()), (Some(0), 1), "{run:#?}");
    assert_eq!(numbers(&folder), [2, 5, 13, 20, 21]);
    assert_all_kept(&folder);
    table::assert_tidy(&sandbox.lake());
}
