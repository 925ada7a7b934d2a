//! Sources that report a failure, or take a COMPLETE back, where no status or a COMPLETE was sent before.

use serde_json::{Value, json};

use crate::messages::{append, catalog, configured, global_state, overwrite, record, records, said, state, status};
use crate::program::Sandbox;
use crate::table;

fn rows(sandbox: &Sandbox, stream: &str) -> usize {
    table::try_read(&sandbox.table(&format!("default/{stream}"))).map_or(0, |table| table.rows.len())
}

/// Each of `streams` has three rows.
fn filled(streams: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.load(&append(streams), streams.iter().map(|stream| records(stream, 0..3)).collect::<String>());
    sandbox
}

/// What a source says that has failed; its text may hold what nobody else is to read.
fn error() -> String {
    let error =
        json!({"message": "no such user: secret", "internal_message": "secret", "failure_type": "config_error"});
    format!("{}\n", json!({"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1.5, "error": error}}))
}

#[test]
fn a_source_that_says_it_has_failed_replaces_no_table() {
    let bare = "{\"type\":\"TRACE\",\"trace\":{\"type\":\"ERROR\"}}\n".to_owned();
    for input in [
        record("users", "{}") + &error(),
        error() + &record("users", "{}"),
        record("users", "{}") + &bare,
        record("users", "{}") + &state("users", 1) + &error(),
        state("users", 1) + &error(),
        global_state(1) + &error(),
        error(),
    ] {
        let sandbox = filled(&["users"]);
        let run = sandbox.write(&overwrite(&["users"]), &input);
        let message = run.failed_with("transient_error");
        assert!(message.contains("TRACE of type ERROR") && message.contains("users"), "{message}");
        assert_eq!(run.error()["stream_descriptor"], json!({"name": "users"}));
        assert!(!run.says("secret"), "another program's text is not ours to repeat: {run:#?}");
        assert_eq!((run.states(), rows(&sandbox, "users")), (Vec::<Value>::new(), 3), "{input}");
        table::assert_tidy(&sandbox.lake());
    }
    // Nor does it make one that the next attempt would find.
    let sandbox = Sandbox::new();
    sandbox.write(&overwrite(&["users"]), record("users", "{}") + &error()).failed_with("transient_error");
    assert!(table::try_read(&sandbox.table("default/users")).is_none());
}

#[test]
fn behind_an_error_of_the_source_what_adds_is_loaded_up_to_its_state() {
    let sandbox = filled(&["users", "pets"]);
    let input = records("users", 3..5) + &state("users", 5) + &records("users", 5..9) + &records("pets", 3..4);
    let run = sandbox.write(&append(&["users", "pets"]), input + &error());
    let message = run.failed_with("transient_error");
    assert!(message.starts_with("Line 9 ") && message.contains("users, pets"), "{message}");
    assert_eq!(run.states().iter().map(said).collect::<Vec<_>>(), [5]);
    assert_eq!((rows(&sandbox, "users"), rows(&sandbox, "pets")), (5, 3));
}

#[test]
fn a_complete_stands_beside_an_error_of_the_source() {
    let sandbox = filled(&["users", "pets"]);
    let complete = |stream: &str| records(stream, 9..10) + &status(stream, "COMPLETE");
    let run = sandbox.write(&overwrite(&["users", "pets"]), complete("users") + &records("pets", 9..10) + &error());
    let message = run.failed_with("transient_error");
    assert!(message.contains("pets") && !message.contains("users"), "{message}");
    assert_eq!((rows(&sandbox, "users"), rows(&sandbox, "pets")), (1, 3));
    let run = sandbox.load(&overwrite(&["users", "pets"]), complete("users") + &error() + &complete("pets"));
    assert_eq!((rows(&sandbox, "users"), rows(&sandbox, "pets")), (1, 1));
    let warnings = run.logs("WARN");
    assert!(matches!(&warnings[..], [one] if one.contains("TRACE of type ERROR")), "{warnings:#?}");
}

#[test]
fn a_sync_that_is_known_to_fail_replaces_no_table_with_a_part_of_its_rows() {
    let mut resumed = configured("resumed", "append");
    (resumed["generation_id"], resumed["minimum_generation_id"]) = (json!(5), json!(5));
    let streams = catalog([resumed, configured("replaced", "overwrite"), configured("made", "overwrite")]);
    let sandbox = filled(&["resumed", "replaced"]);
    sandbox.load(
        &streams,
        ["resumed", "replaced"].map(|stream| records(stream, 0..3) + &status(stream, "COMPLETE")).concat()
            + &status("made", "COMPLETE"),
    );
    sandbox.table("default/made").delete_all();
    let input = ["replaced", "made"].map(|stream| records(stream, 9..10) + &state(stream, 10)).concat();
    for input in [input.clone(), input + &records("resumed", 3..4)] {
        let run = sandbox.write(&streams, &input);
        let message = run.failed_with("transient_error");
        assert!(message.contains("resumed, replaced, made"), "{message}");
        assert_eq!(run.states(), Vec::<Value>::new());
        assert_eq!((rows(&sandbox, "resumed"), rows(&sandbox, "replaced"), rows(&sandbox, "made")), (3, 3, 0));
    }
}

#[test]
fn only_a_complete_that_is_still_taken_back_at_the_end_is_warned_of() {
    for (statuses, warnings) in [
        (vec!["COMPLETE", "INCOMPLETE", "COMPLETE"], 0),
        (vec!["COMPLETE", "INCOMPLETE", "COMPLETE", "INCOMPLETE"], 1),
        (vec!["COMPLETE", "INCOMPLETE", "INCOMPLETE", "RUNNING"], 1),
    ] {
        let sandbox = filled(&["users"]);
        let input: String = statuses.iter().map(|said| status("users", said)).collect();
        let run = sandbox.write(&overwrite(&["users"]), input);
        let told: Vec<String> = run.logs("WARN").into_iter().filter(|text| text.contains("INCOMPLETE")).collect();
        assert_eq!(
            (told.len(), run.code),
            (warnings, Some(if warnings == 0 { 0 } else { 1 })),
            "{statuses:?} {run:#?}"
        );
        assert_eq!(rows(&sandbox, "users"), if warnings == 0 { 0 } else { 3 });
    }
}
