//! Copies in parts. A hidden setting lowers the size from which objects are copied so.

use super::action::Kind;
use super::faults::{assert_clear, assert_large_once, assert_only_tables, gets_over_one, large, through};
use super::kills::{AGE, SECOND, start};
use super::proxy::{Action, Fault, Proxy, Request, Rule};
use super::server::server;
use super::victim::{Victim, When, fault};
use crate::messages::append;
use crate::program::Sandbox;
use crate::table;

/// Parts are half as long. The large stream's file is longer.
const COPIED_AT_ONCE: (&str, &str) = ("DESTINATION_DATABRICKS_COPIED_AT_ONCE_BYTES", "10485760");

/// What a copy in parts asks for, and nothing else.
const KINDS: [Kind; 3] = [
    ("begin of a copy", |request| request.action == Action::Begin && request.is_of_table()),
    ("part of a copy", |request| request.action == Action::CopyPart),
    ("end of a copy", |request| request.action == Action::Complete && request.is_of_table()),
];

#[test]
fn a_large_file_is_copied_in_parts_and_leaves_nothing_unfinished() {
    let proxy = Proxy::start(server().port(), Vec::new());
    let mut sandbox = Sandbox::new();
    sandbox.set_environment(COPIED_AT_ONCE.0, COPIED_AT_ONCE.1);
    through(&mut sandbox, &proxy);
    sandbox.load(&append(&["large"]), large());
    let seen = proxy.seen();
    let count = |which: fn(&Request) -> bool| seen.iter().filter(|request| which(request)).count();
    assert_eq!(KINDS.map(|(_, which)| count(which)), [1, 3, 1], "{:#?}", proxy.counts());
    assert_large_once(&sandbox, "parts");
    assert_only_tables(&sandbox, "parts");
}

#[test]
fn a_copy_in_parts_gets_over_every_fault() {
    let faults = [
        ("refused", Fault::Refuse),
        ("SlowDown", Fault::Answer(503, "SlowDown")),
        ("done, answered 500", Fault::DoneButAnswer(500, "InternalError")),
        ("done, cut", Fault::DoneButCut),
        ("half an answer", Fault::HalfAnswer),
        ("a gateway's page", Fault::Page(502)),
    ];
    for (name, fault) in faults {
        KINDS.into_iter().for_each(|kind| gets_over_one(name, &fault, kind, &[COPIED_AT_ONCE]));
    }
    // S3 begins to answer before it knows how it ends.
    for kind in [KINDS[1], KINDS[2]] {
        gets_over_one("200 with an error", &Fault::Answer(200, "InternalError"), kind, &[COPIED_AT_ONCE]);
    }
}

#[test]
fn a_copy_that_fails_for_good_is_given_up_and_the_next_sync_ends_well() {
    for (kind, which) in KINDS {
        for fault in [Fault::Answer(403, "AccessDenied"), Fault::Answer(503, "SlowDown")] {
            let proxy = Proxy::start(server().port(), vec![Rule::every(which, fault)]);
            let mut sandbox = Sandbox::new();
            sandbox.set_environment(COPIED_AT_ONCE.0, COPIED_AT_ONCE.1);
            sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "1500");
            through(&mut sandbox, &proxy);
            let run = sandbox.write(&append(&["large"]), large());
            assert_clear(&run, kind);
            assert_eq!(run.states().len(), 0, "{kind}");
            assert_eq!(sandbox.place().unfinished_uploads(), 0, "{kind}: given up at once");
            proxy.set(Vec::new());
            sandbox.load(&append(&["large"]), large());
            assert_large_once(&sandbox, kind);
            assert_only_tables(&sandbox, kind);
        }
    }
}

#[test]
fn a_sync_that_is_killed_in_the_middle_of_a_copy_leaves_an_upload_that_the_next_one_gives_up() {
    let mut killed = Vec::new();
    for ((kind, which), when) in KINDS.into_iter().flat_map(|kind| [(kind, When::Before), (kind, When::After)]) {
        let what = format!("{when:?} {kind}");
        let victim = Victim::default();
        let proxy = Proxy::start(server().port(), vec![Rule::nth(1, which, fault(when, victim.clone()))]);
        let mut sandbox = Sandbox::new();
        sandbox.set_environment(COPIED_AT_ONCE.0, COPIED_AT_ONCE.1);
        through(&mut sandbox, &proxy);
        let run = start(&sandbox, &victim, &append(&["large"]), &large());
        assert_eq!((run.code, run.states().len()), (None, 0), "{what}");
        let is_left = !matches!((kind, when), ("begin of a copy", When::Before) | ("end of a copy", When::After));
        assert_eq!(sandbox.place().unfinished_uploads(), usize::from(is_left), "{what}");
        assert!(table::data(&sandbox.table("default/large")).is_empty(), "{what}");
        let source = sandbox.place().source();
        sandbox.set(serde_json::json!({"data_source": source, "memory_limit_mb": 128}));
        killed.push((what, sandbox));
    }
    std::thread::sleep(AGE + SECOND);
    for (what, mut sandbox) in killed {
        sandbox.set_environment("DESTINATION_DATABRICKS_LEASE_AGE_MS", &AGE.as_millis().to_string());
        sandbox.load(&append(&["large"]), large());
        assert_large_once(&sandbox, &what);
        assert_only_tables(&sandbox, &what);
    }
}
