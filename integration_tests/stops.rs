//! Stopping on purpose: signals, and a reader of stdout that closes it.

use std::io::Write;

use serde_json::json;

use crate::messages::{append, overwrite, records, said, state};
use crate::program::{Living, Sandbox, program, run, start_unheard, until};
use crate::table;

#[test]
fn a_signal_stops_a_sync_cleanly_and_what_is_complete_is_acknowledged() {
    for (signal, number) in [("TERM", 15), ("INT", 2)] {
        let sandbox = Sandbox::new();
        let mut living = sandbox.start(&append(&["users", "pets"]));
        living.send(records("users", 0..3) + &state("users", 3) + &records("users", 3..5));
        living.send(records("pets", 0..2) + &state("pets", 2));
        living.has_read_so_far();
        assert_eq!(living.states_heard().len(), 0);
        // The input stays open: the signal alone ends it.
        let run = living.signal(signal);
        assert_eq!((run.code, run.signal), (None, Some(number)), "{run:#?}");
        assert_eq!(run.error()["failure_type"], "transient_error");
        // Streams do not wait for each other.
        let mut acknowledged: Vec<u64> = run.states().iter().map(said).collect();
        acknowledged.sort_unstable();
        assert_eq!(acknowledged, [2, 3]);
        // What came after a STATE will be sent again.
        let numbers = |count: u64| (0..count).map(|n| format!("{{\"n\":{n}}}")).collect::<Vec<_>>();
        assert_eq!(table::data(&sandbox.table("default/users")), numbers(3));
        assert_eq!(table::data(&sandbox.table("default/pets")), numbers(2));
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn a_signal_leaves_the_old_rows_of_an_overwrite() {
    let sandbox = Sandbox::new();
    sandbox.load(&overwrite(&["users"]), records("users", 0..3));
    let mut living = sandbox.start(&overwrite(&["users"]));
    living.send(records("users", 10..20) + &state("users", 20));
    living.has_read_so_far();
    let run = living.signal("TERM");
    assert_eq!((run.signal, run.states().len()), (Some(15), 0), "{run:#?}");
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 3);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_signal_to_a_sync_that_has_read_nothing_stops_it() {
    for (signal, number) in [("TERM", 15), ("INT", 2)] {
        let sandbox = Sandbox::new();
        let mut living = sandbox.start(&append(&["users"]));
        living.next_message(|message| message["log"]["message"].as_str().is_some_and(|text| text.contains("begins")));
        let run = living.signal(signal);
        assert_eq!((run.code, run.signal), (None, Some(number)), "{run:#?}");
        run.error();
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn a_shell_sees_the_exit_code_of_the_signal() {
    let sandbox = Sandbox::new();
    let config = sandbox.config();
    let catalog = sandbox.file("catalog.json", append(&["users"]).to_string());
    let mut shell = std::process::Command::new("sh");
    // It tells its child's number first, as a message of its own.
    let script = r#""$@" <&3 & printf '{"type":"LOG","log":{"child":%s}}\n' $!; wait $!; exit $?"#;
    shell.args(["-c", &format!("exec 3<&0; {script}"), "sh"]).arg(program().get_program());
    shell.arg("write").arg("--config").arg(config).arg("--catalog").arg(catalog);
    shell.envs(program().get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut living = Living::start(&mut shell);
    let child = living.next_message(|message| message["log"]["child"].is_number())["log"]["child"].clone();
    living.send(records("users", 0..3));
    living.has_read_so_far();
    let kill = std::process::Command::new("kill").arg("-TERM").arg(child.to_string()).status().unwrap();
    assert!(kill.success());
    let run = living.wait();
    assert_eq!(run.code, Some(143), "{run:#?}");
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn the_first_of_several_signals_counts() {
    let sandbox = Sandbox::new();
    let mut living = sandbox.start(&append(&["users"]));
    living.send(records("users", 0..3) + &state("users", 3));
    living.has_read_so_far();
    living.send_signal("INT");
    living.next_state();
    living.send_signal("TERM");
    let run = living.wait();
    assert_eq!(run.signal, Some(2), "{run:#?}");
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 3);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_stopped_sync_is_continued_by_the_next_one() {
    let sandbox = Sandbox::new();
    let mut living = sandbox.start(&append(&["users"]));
    living.send(records("users", 0..3) + &state("users", 3) + &records("users", 3..5));
    living.has_read_so_far();
    let from = said(living.signal("TERM").states().last().unwrap());
    sandbox.load(&append(&["users"]), records("users", from..6) + &state("users", 6));
    assert_eq!(
        table::data(&sandbox.table("default/users")),
        (0..6).map(|n| format!("{{\"n\":{n}}}")).collect::<Vec<_>>()
    );
}

#[test]
fn a_stdout_that_nobody_reads_stops_the_sync_without_a_panic() {
    let sandbox = Sandbox::new();
    let catalog = sandbox.file("catalog.json", append(&["users"]).to_string());
    let config = sandbox.config();
    let mut unheard = start_unheard(program().arg("write").arg("--config").arg(config).arg("--catalog").arg(catalog));
    unheard.send(records("users", 0..3) + &state("users", 3));
    let run = unheard.end();
    assert_eq!(run.code, Some(1), "{run:#?}");
    assert!(!run.stderr.is_empty(), "people are told");
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn a_stdout_that_is_closed_is_noticed_while_the_input_stays_open() {
    let sandbox = Sandbox::with(json!({"heartbeat_seconds": 1}));
    let catalog = sandbox.file("catalog.json", append(&["users"]).to_string());
    let config = sandbox.config();
    let mut unheard = start_unheard(program().arg("write").arg("--config").arg(config).arg("--catalog").arg(catalog));
    unheard.send(records("users", 0..3) + &state("users", 3));
    let run = unheard.wait();
    assert_eq!(run.code, Some(1), "{run:#?}");
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn staging_is_kept_after_a_signal_and_after_a_failure_when_the_user_asks_for_it() {
    let sandbox = Sandbox::with(json!({"purge_staging_data": false}));
    let mut living = sandbox.start(&append(&["users"]));
    living.send(records("users", 0..3) + &state("users", 3));
    living.has_read_so_far();
    assert_eq!(living.signal("TERM").signal, Some(15));
    assert_eq!(table::staging(&sandbox.lake()).len(), 1);
    sandbox.write(&append(&["users"]), records("users", 3..5) + &state("users", 5) + "oops\n").failure();
    assert_eq!(table::staging(&sandbox.lake()).len(), 2);
    for sync in table::staging(&sandbox.lake()) {
        assert!(!table::data(&sync.join("default/users")).is_empty(), "{sync}");
    }
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 5);
    table::assert_tables_tidy(&sandbox.lake());
}

#[test]
fn a_failed_sync_leaves_no_staging_by_default() {
    let sandbox = Sandbox::new();
    sandbox.write(&append(&["users"]), records("users", 0..5) + "oops\n").failure();
    table::assert_tidy(&sandbox.lake());
    assert_eq!(sandbox.lake().objects(), [], "nothing was acknowledged");
    // And the program itself still starts.
    assert_eq!(run(["spec".as_ref()], b"").code, Some(0));
}

#[test]
fn a_signal_ends_a_sync_whose_answers_nobody_takes() {
    let sandbox = Sandbox::new();
    let (config, catalog) = (sandbox.config(), sandbox.file("catalog.json", append(&["users"]).to_string()));
    let (unread, stdout) = std::io::pipe().unwrap();
    let mut child = program()
        .arg("write")
        .arg("--config")
        .arg(config)
        .arg("--catalog")
        .arg(catalog)
        .stdin(std::process::Stdio::piped())
        .stdout(stdout)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // More answers than a pipe takes: the program hangs on its stdout, and then so does this writer on its stdin.
    let written = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counter = std::sync::Arc::clone(&written);
    let feeder = std::thread::spawn(move || {
        for n in 0..200_000 {
            counter.store(n + 1, std::sync::atomic::Ordering::Relaxed);
            if stdin.write_all(state("users", n).as_bytes()).is_err() {
                return;
            }
        }
    });
    until("the writer hangs", {
        let hung = std::cell::Cell::new((0, 0));
        move || {
            let (sent, same) = hung.get();
            let now = written.load(std::sync::atomic::Ordering::Relaxed);
            hung.set(if now == sent { (sent, same + 1) } else { (now, 0) });
            now > 0 && same > 40
        }
    });
    std::process::Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(15));
    drop(unread);
    feeder.join().unwrap();
}

#[test]
fn nothing_is_loaded_that_nobody_can_be_told_of() {
    let sandbox = Sandbox::new();
    let (config, catalog) = (sandbox.config(), sandbox.file("catalog.json", append(&["users"]).to_string()));
    let mut command = program();
    command.arg("write").arg("--config").arg(config).arg("--catalog").arg(catalog);
    for input_ends in [false, true] {
        let mut living = start_unheard(&mut command);
        living.send(records("users", 0..3) + &state("users", 3));
        let run = if input_ends { living.end() } else { living.wait() };
        assert_eq!(run.code, Some(1), "{run:#?}");
        // A retry sends these rows again: they would be there twice.
        let rows = table::try_read(&sandbox.table("default/users")).map_or(0, |table| table.rows.len());
        assert_eq!(rows, 0, "the input ends: {input_ends}");
    }
}
