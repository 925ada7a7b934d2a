//! Machines with little of something: space for temporary files, threads, open files, memory, sizes of files, time. Either
//! the sync does what it promises, or one message says why not and what to do.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::messages::{append, overwrite, padded, record, records, state};
use crate::place::ENVIRONMENT;
use crate::program::{Living, Run, Sandbox, program, skipped};
use crate::table;

/// Runs `script`, which has the program and its arguments as `"$@"`, as a command with the sandbox's lake.
fn run_in(sandbox: &Sandbox, script: &str, arguments: &[&str], input: impl AsRef<[u8]>) -> Run {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(program().get_program()).args(arguments).envs(ENVIRONMENT);
    command.current_dir(sandbox.folder());
    let mut living = Living::start(&mut command);
    living.send(input);
    living.end()
}

fn files(sandbox: &Sandbox, catalog: &Value) -> [String; 2] {
    let catalog = sandbox.file("catalog.json", catalog.to_string());
    [sandbox.config(), catalog].map(|path| path.to_str().unwrap().to_owned())
}

fn write_in(sandbox: &Sandbox, script: &str, catalog: &Value, input: impl AsRef<[u8]>) -> Run {
    let [config, catalog] = files(sandbox, catalog);
    run_in(sandbox, script, &["write", "--config", &config, "--catalog", &catalog], input)
}

/// Whether this process may do what `script` does; only root may mount.
fn may(script: &str) -> bool {
    Command::new("sh").args(["-c", script]).output().is_ok_and(|output| output.status.success())
}

/// Rows of many streams that do not fit in 16 MB of memory, with a STATE now and then.
fn many(streams: usize, rounds: u64) -> (Vec<String>, String) {
    let names: Vec<String> = (0..streams).map(|stream| format!("s{stream}")).collect();
    let mut input = String::new();
    for n in 0..rounds {
        for name in &names {
            input += &record(name, &padded(n, 1000));
            if n % 37 == 36 {
                input += &state(name, n + 1);
            }
        }
    }
    (names, input)
}

#[test]
fn whatever_the_size_of_the_temporary_folder_every_row_lands() {
    const NAME: &str = "whatever_the_size_of_the_temporary_folder_every_row_lands";
    if !may("unshare -m mount -t tmpfs nothing /mnt") {
        return skipped(NAME, "only root may mount a small disk");
    }
    let (names, input) = many(40, 500);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for kilobytes in [64, 1024, 1536, 2048, 3072, 5120, 200_000] {
        let sandbox = Sandbox::with(json!({"memory_limit_mb": 16}));
        let script = format!(
            "exec unshare -m sh -c 'mkdir small && mount -t tmpfs -o size={kilobytes}k nothing small && TMPDIR=$PWD/small exec \"$@\"' sh \"$@\""
        );
        let run = write_in(&sandbox, &script, &append(&names), &input);
        assert_eq!(run.code, Some(0), "{kilobytes} kB: {run:#?}");
        assert_eq!(run.states().len(), 40 * (500 / 37), "{kilobytes} kB");
        assert_eq!(run.logs("WARN").len(), usize::from(kilobytes < 100_000), "{kilobytes} kB: the user is told once");
        for name in &names {
            assert_eq!(
                table::read(&sandbox.table(&format!("default/{name}"))).rows.len(),
                500,
                "{kilobytes} kB, {name}"
            );
        }
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn a_spill_file_that_may_not_grow_is_given_up_and_every_row_lands() {
    let (names, input) = many(40, 500);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let sandbox = Sandbox::with(json!({"memory_limit_mb": 16}));
    // Units of 512 bytes in some shells and of 1024 in others; what is staged stays far below either.
    let run = write_in(&sandbox, "ulimit -f 2000; exec \"$@\"", &append(&names), &input);
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert!(run.logs("WARN").iter().any(|text| text.contains("File too large")), "{:?}", run.logs("WARN"));
    for name in &names {
        assert_eq!(table::read(&sandbox.table(&format!("default/{name}"))).rows.len(), 500, "{name}");
    }
}

#[test]
fn a_file_of_a_table_that_may_not_grow_fails_the_sync_with_the_limit() {
    let sandbox = Sandbox::new();
    let random =
        |n: u64| format!("{{\"n\":\"{}\"}}", (0..20).map(|k| format!("{:x}", mix(n * 20 + k))).collect::<String>());
    let input: String = (0..20_000).map(|n| record("users", &random(n))).collect::<String>() + &state("users", 1);
    let run = write_in(&sandbox, "ulimit -f 1000; exec \"$@\"", &append(&["users"]), input);
    let message = run.failed_with("config_error");
    assert!(message.contains("ulimit -f"), "{message}");
    assert_eq!(run.states(), Vec::<Value>::new());
}

/// A number that no codec makes shorter.
fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(0x9e37_79b9_7f4a_7c15);
    (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

/// A user of whom no other process is, so that limits of processes count for these runs alone. `None` where this is
/// not root, whose limit does not count.
fn user(sandbox: &Sandbox, number: u32) -> Option<PathBuf> {
    if !may("setpriv --reuid=54321 --regid=54321 --clear-groups prlimit --nproc=9 true") {
        return None;
    }
    let own = sandbox.folder().join("program");
    assert!(Command::new("cp").arg(program().get_program()).arg(&own).status().unwrap().success());
    for path in [sandbox.folder().to_owned(), sandbox.lake()] {
        std::os::unix::fs::chown(&path, Some(number), Some(number)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    Some(own)
}

#[test]
fn with_few_threads_a_sync_goes_on_and_with_too_few_one_message_says_so() {
    const NAME: &str = "with_few_threads_a_sync_goes_on_and_with_too_few_one_message_says_so";
    let names: Vec<String> = (0..12).map(|stream| format!("s{stream}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let input: String = (0..60).map(|n| record(names[n % 12], &padded(n as u64, 100))).collect();
    let (mut done, mut refused) = (0, 0);
    for limit in 1..=24 {
        let sandbox = Sandbox::new();
        let number = 54_400 + limit;
        let Some(own) = user(&sandbox, number) else { return skipped(NAME, "only root may become many users") };
        let [config, catalog] = files(&sandbox, &append(&names));
        // As root first, so that a second sync finds tables, whose logs are read through the kernel.
        sandbox.load(&append(&names), &input);
        assert!(
            Command::new("chown").args(["-R", &number.to_string()]).arg(sandbox.lake()).status().unwrap().success()
        );
        let script =
            format!("exec setpriv --reuid={number} --regid={number} --clear-groups prlimit --nproc={limit} \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(own).args(["write", "--config", &config, "--catalog", &catalog]);
        let mut living = Living::start(command.envs(ENVIRONMENT));
        living.send(&input);
        let run = living.end();
        if run.code == Some(0) {
            done += 1;
            let rows = |name: &&&str| table::read(&sandbox.table(&format!("default/{name}"))).rows.len();
            assert!(names.iter().all(|name| rows(&name) == 10), "{limit}: {run:#?}");
        } else {
            refused += 1;
            let message = run.failed_with("config_error");
            assert!(message.contains("ulimit -u") && limit < 9, "{limit}: {message}");
            assert!(!run.stderr.contains("panicked"), "{limit}: {}", run.stderr);
        }
    }
    assert!(done >= 16 && refused >= 3, "{done} {refused}");
}

#[test]
fn with_few_open_files_a_sync_goes_on_or_names_the_limit() {
    let names: Vec<String> = (0..12).map(|stream| format!("s{stream}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let input: String = (0..60).map(|n| record(names[n % 12], &padded(n as u64, 100))).collect();
    let mut done = 0;
    for limit in [4, 6, 8, 10, 12, 14, 16, 20, 24, 32, 128] {
        let sandbox = Sandbox::new();
        let run = write_in(&sandbox, &format!("ulimit -n {limit}; exec \"$@\""), &append(&names), &input);
        if run.code == Some(0) {
            done += 1;
            continue;
        }
        // Below that the shell cannot even start the program, or the program not find its libraries.
        if run.lines.is_empty() && limit < 8 {
            continue;
        }
        let message = run.failed_with("config_error");
        assert!(message.contains("ulimit -n"), "{limit}: {message}");
        assert!(!run.stderr.contains("panicked"), "{limit}: {}", run.stderr);
    }
    assert!(done >= 1);
}

#[test]
fn when_memory_runs_out_the_last_line_is_a_message_that_says_so() {
    let sandbox = Sandbox::with(json!({"memory_limit_mb": 64}));
    let long = format!("{{\"text\":\"{}\"}}", "x".repeat(200 << 20));
    let input = records("users", 0..3) + &state("users", 3) + &record("users", &long);
    let mut ends = Vec::new();
    for megabytes in [300, 500, 650, 800] {
        let run =
            write_in(&sandbox, &format!("ulimit -v {}; exec \"$@\"", megabytes << 10), &append(&["users"]), &input);
        assert_eq!(run.code, Some(1), "{megabytes} MB: {run:#?}");
        let lines: Vec<&String> = run.lines.iter().filter(|line| !line.is_empty()).collect();
        let last: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
        let message = last["trace"]["error"]["message"].as_str().unwrap_or_default();
        assert!(
            message.contains("ulimit -v") && !message.contains("If they speak of memory"),
            "{megabytes} MB: {last}"
        );
        ends.push(last["trace"]["error"]["failure_type"].clone());
    }
    assert!(ends.iter().all(|end| end == "config_error"), "{ends:?}");
}

#[test]
fn many_waiting_states_find_room_in_memory_where_the_temporary_folder_has_none() {
    const NAME: &str = "many_waiting_states_find_room_in_memory_where_the_temporary_folder_has_none";
    if !may("unshare -m mount -t tmpfs nothing /mnt") {
        return skipped(NAME, "only root may mount a small disk");
    }
    let mut input = String::new();
    for n in 0..3000 {
        input += &record("users", &padded(n, 10));
        let data = "cursor ".repeat(300);
        input += &format!(
            "{}\n",
            json!({"type": "STATE", "state": {"type": "STREAM", "stream": {
                "stream_descriptor": {"name": "users"}, "stream_state": {"n": n, "data": data}}}})
        );
    }
    // Nothing is given back before the end of a stream that replaces its table.
    for kilobytes in [None, Some(100), Some(2000)] {
        let sandbox = Sandbox::with(json!({"memory_limit_mb": 16}));
        let small = kilobytes.map_or_else(
            || "TMPDIR=$PWD/nowhere exec \"$@\"".to_owned(),
            |size| format!("exec unshare -m sh -c 'mkdir small && mount -t tmpfs -o size={size}k nothing small && TMPDIR=$PWD/small exec \"$@\"' sh \"$@\""),
        );
        let run = write_in(&sandbox, &small, &overwrite(&["users"]), &input);
        assert_eq!(run.code, Some(0), "{run:#?}");
        let numbers: Vec<u64> =
            run.states().iter().map(|state| state["state"]["stream"]["stream_state"]["n"].as_u64().unwrap()).collect();
        assert!(numbers.iter().copied().eq(0..3000));
        assert!(run.logs("WARN").iter().any(|text| text.contains("STATEs")), "{:?}", run.logs("WARN"));
    }
}

#[test]
fn what_others_have_said_cannot_steer_a_terminal_or_pass_for_a_message() {
    let sandbox = Sandbox::new();
    let name = "\u{1b}[2J\u{1b}]0;title\u{7}\n{\"type\":\"LOG\"}\r\u{202e}";
    let run = sandbox.write(&append(&["users"]), record(name, "{}"));
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.lines().all(|line| line.starts_with("error: ")), "{:?}", run.stderr);
    let obeyed = |sign: char| (sign.is_control() && sign != '\n') || ('\u{202a}'..='\u{202e}').contains(&sign);
    assert!(!run.stderr.contains(obeyed), "{:?}", run.stderr);
}

/// A library that turns the clock on by so many seconds, for the dynamic linker; `None` without a C compiler.
fn turned_clock(sandbox: &Sandbox, seconds: i64) -> Option<PathBuf> {
    let source = sandbox.file(
        "clock.c",
        format!(
            "#define _GNU_SOURCE\n#include <time.h>\n#include <unistd.h>\n#include <sys/syscall.h>\n\
             int clock_gettime(clockid_t id, struct timespec *t) {{ int r = syscall(SYS_clock_gettime, id, t); \
             if (id == CLOCK_REALTIME) t->tv_sec += {seconds}L; return r; }}\n"
        ),
    );
    let library = sandbox.folder().join("clock.so");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
    built.is_ok_and(|built| built.success()).then_some(library)
}

#[test]
fn a_clock_before_1970_or_far_in_the_future_is_told_as_that() {
    const NAME: &str = "a_clock_before_1970_or_far_in_the_future_is_told_as_that";
    let back = (-4_000_000_000, "1970");
    let on = [6_000_000_000, 9_000_000_000_000, 92_000_000_000_000_000, 9_000_000_000_000_000_000];
    for (seconds, year) in std::iter::once(back).chain(on.map(|seconds| (seconds, "2199"))) {
        let sandbox = Sandbox::new();
        let Some(library) = turned_clock(&sandbox, seconds) else { return skipped(NAME, "there is no C compiler") };
        let script = format!("LD_PRELOAD='{}' exec \"$@\"", library.display());
        let run = write_in(&sandbox, &script, &append(&["users"]), records("users", 0..1));
        let message = run.failed_with("config_error");
        assert!(message.contains(year), "{seconds}: {message}");
        let [config, _] = files(&sandbox, &append(&["users"]));
        let check = run_in(&sandbox, &script, &["check", "--config", &config], "");
        assert!(check.code == Some(0) && check.says("FAILED") && check.says(year), "{seconds}: {check:#?}");
        assert!(!table::files(&sandbox.lake()).iter().any(|file| file.is_file()));
    }
}

#[test]
fn with_any_size_of_the_stack_a_sync_goes_on() {
    for kilobytes in [64, 128, 512, 1024, 4096] {
        let sandbox = Sandbox::new();
        let script = format!("ulimit -s {kilobytes}; exec \"$@\"");
        let run = write_in(&sandbox, &script, &append(&["users"]), records("users", 0..100));
        assert_eq!(run.code, Some(0), "{kilobytes} kB: {run:#?}");
        assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 100);
        let [config, _] = files(&sandbox, &append(&["users"]));
        let check = run_in(&sandbox, &script, &["check", "--config", &config], "");
        assert!(check.says("SUCCEEDED"), "{kilobytes} kB: {check:#?}");
    }
}

#[test]
fn when_the_processor_time_is_used_up_the_last_line_is_a_message_that_says_so() {
    let rows = records("users", 0..1000);
    for limit in ["-S -t 1", "-t 2"] {
        let sandbox = Sandbox::new();
        let [config, catalog] = files(&sandbox, &append(&["users"]));
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit {limit}; exec \"$@\""), "sh"])
            .arg(program().get_program())
            .envs(ENVIRONMENT);
        let mut living = Living::start(command.args(["write", "--config", &config, "--catalog", &catalog]));
        // More than any processor reads in that time.
        for _ in 0..10_000 {
            living.send(&rows);
        }
        let run = living.end();
        assert_eq!((run.code, run.signal), (Some(1), None), "{limit}: {run:#?}");
        let last: Value = serde_json::from_str(run.lines.last().unwrap()).unwrap();
        let error = &last["trace"]["error"];
        assert_eq!(error["failure_type"], "config_error", "{limit}: {last}");
        assert!(error["message"].as_str().unwrap_or_default().contains("ulimit -t"), "{limit}: {last}");
    }
}

#[test]
fn a_configuration_or_a_catalog_without_an_end_is_not_read_to_it() {
    let sandbox = Sandbox::new();
    let [config, _] = files(&sandbox, &append(&["users"]));
    // So that the machine has memory left where it is read all the same.
    let script = "ulimit -v 3000000; exec \"$@\"";
    let check = run_in(&sandbox, script, &["check", "--config", "/dev/zero"], "");
    assert!(check.code == Some(0) && check.says("FAILED") && check.says("more than 16 MiB"), "{check:#?}");
    let run = run_in(&sandbox, script, &["write", "--config", &config, "--catalog", "/dev/zero"], "");
    let message = run.failed_with("config_error");
    assert!(message.contains("/dev/zero") && message.contains("more than 512 MiB"), "{message}");
}

/// Whether a process that is ended by SIGABRT leaves a file in its working folder.
fn dumps_core(folder: &Path, start: &str) -> bool {
    let script = format!("ulimit -c unlimited; cd '{}'; {start}", folder.display());
    let mut child = Command::new("sh").args(["-c", &script]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert!(Command::new("kill").args(["-QUIT", &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap();
    std::fs::read_dir(folder).unwrap().flatten().any(|entry| entry.file_name().to_string_lossy().contains("core"))
}

#[test]
fn a_process_that_crashes_leaves_no_core_with_keys_in_it() {
    let sandbox = Sandbox::new();
    let folders = ["control", "crash"].map(|name| sandbox.folder().join(name));
    folders.iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    if !dumps_core(&folders[0], "exec cat > /dev/null") {
        return skipped(
            "a_process_that_crashes_leaves_no_core_with_keys_in_it",
            "this system keeps no cores in the folder",
        );
    }
    let [config, catalog] = files(&sandbox, &append(&["users"]));
    let start = format!(
        "exec '{}' write --config '{config}' --catalog '{catalog}' > /dev/null",
        program().get_program().to_str().unwrap()
    );
    assert!(!dumps_core(&folders[1], &start));
}
