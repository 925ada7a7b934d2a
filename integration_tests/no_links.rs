//! File systems without hard links, in a folder: a seccomp filter refuses the system calls as such file systems do, so that
//! the real program runs on every Linux and without privileges.
//!
//! `DESTINATION_TEST_WITHOUT_LINKS` names a folder on a real file system without links, if there is one.

use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::messages::{append, overwrite, records, state};
use crate::on_disk::at;
use crate::program::{Living, Run, Sandbox, skipped, unique};
use crate::table;

/// What the kernel says of file systems without links, and between two file systems.
const REFUSALS: [i32; 5] = [libc::EPERM, libc::EOPNOTSUPP, libc::ENOSYS, 524, libc::EXDEV];

/// A system call and the error that it ends with.
type Refused = (libc::c_long, i32);

const LINKS: [libc::c_long; 2] = [
    libc::SYS_linkat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    #[cfg(not(target_arch = "x86_64"))]
    libc::SYS_linkat,
];

fn no_links(error: i32) -> Vec<Refused> {
    LINKS.map(|call| (call, error)).into()
}

/// Makes `command` a program to which these calls are refused.
fn refuse<'a>(command: &'a mut Command, calls: &[Refused]) -> &'a mut Command {
    let instruction = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let give = |value: u32| instruction(libc::BPF_RET | libc::BPF_K, 0, 0, value);
    // The number of the call is the first thing in the kernel's description of it.
    let mut filter = vec![instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    for (call, error) in calls {
        filter.push(instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, u32::try_from(*call).unwrap()));
        filter.push(give(libc::SECCOMP_RET_ERRNO | u32::try_from(*error).unwrap()));
    }
    filter.push(give(libc::SECCOMP_RET_ALLOW));
    let restrict = move || {
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
        // SAFETY: two calls of the system that read `program` and the filter, which both live until they return; nothing is
        // allocated between fork and exec.
        #[allow(unsafe_code)]
        let done = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
        };
        if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: what runs between fork and exec only makes the two calls above.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(restrict)
    }
}

fn start(sandbox: &Sandbox, words: &[&str], catalog: &Value, refused: &[Refused]) -> Living {
    let mut command = sandbox.program();
    command.args(words).arg("--config").arg(sandbox.config());
    if words == ["write"] {
        command.arg("--catalog").arg(sandbox.file(&unique("catalog"), catalog.to_string()));
    }
    Living::start(refuse(&mut command, refused))
}

fn write(sandbox: &Sandbox, catalog: &Value, input: String, refused: &[Refused]) -> Run {
    let mut living = start(sandbox, &["write"], catalog, refused);
    living.send(input);
    living.end()
}

/// A check and syncs of every kind, also past a checkpoint; the WARNs that each run must have are `expected`.
fn assert_loads(sandbox: &Sandbox, refused: &[Refused], expected: &[&str], what: &str) {
    let assert_warned = |run: &Run| {
        let warned = run.logs("WARN");
        assert_eq!(warned.len(), expected.len(), "{what}: {warned:#?}");
        for (warned, expected) in warned.iter().zip(expected) {
            assert!(warned.contains(expected), "{what}: {warned}");
        }
    };
    let check = start(sandbox, &["check"], &Value::Null, refused).end();
    assert!(check.says("SUCCEEDED"), "{what}: {check:#?}");
    assert_warned(&check);
    let users = sandbox.table("default/users");
    for sync in 0..12 {
        let run =
            write(sandbox, &append(&["users"]), records("users", sync * 3..sync * 3 + 3) + &state("users", 1), refused);
        assert_eq!((run.code, run.states().len()), (Some(0), 1), "{what}: {run:#?}");
        assert_warned(&run);
    }
    assert_eq!(table::read(&users).rows.len(), 36, "{what}");
    let run = write(sandbox, &overwrite(&["users"]), records("users", 0..5), refused);
    assert_eq!(run.code, Some(0), "{what}: {run:#?}");
    assert_eq!(table::read(&users).rows.len(), 5, "{what}");
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn where_there_are_no_hard_links_files_are_copied_and_that_is_told_once() {
    std::thread::scope(|scope| {
        for error in REFUSALS {
            scope.spawn(move || {
                assert_loads(&Sandbox::new(), &no_links(error), &["Files are copied"], &error.to_string())
            });
        }
    });
}

#[test]
fn where_links_are_not_permitted_both_reasons_are_told() {
    let check = start(&Sandbox::new(), &["check"], &Value::Null, &no_links(libc::EPERM)).end();
    assert!(check.says("fs.protected_hardlinks") && check.says("its file system has none"), "{check:#?}");
}

#[test]
fn where_no_renaming_replaces_nothing_either_syncs_still_keep_apart() {
    let mut refused = no_links(libc::EPERM);
    refused.push((libc::SYS_renameat2, libc::EINVAL));
    let sandbox = Sandbox::new();
    let rows = |sync: u64| -> String { records("users", sync * 100..sync * 100 + 100) + &state("users", sync) };
    let mut syncs: Vec<Living> = (0..4).map(|_| start(&sandbox, &["write"], &append(&["users"]), &refused)).collect();
    for (number, sync) in (0..).zip(&mut syncs) {
        sync.send(rows(number));
    }
    for sync in syncs {
        let run = sync.end();
        assert_eq!((run.code, run.states().len()), (Some(0), 1), "{run:#?}");
        assert!(run.logs("WARN").iter().any(|warned| warned.contains("no other program may write")), "{run:#?}");
    }
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 400);
}

#[test]
fn a_link_that_rights_forbid_is_no_reason_to_copy() {
    let run = write(&Sandbox::new(), &append(&["users"]), records("users", 0..3), &no_links(libc::EACCES));
    let message = run.failed_with("config_error");
    assert!(message.contains("owner and rights") && !run.says("Files are copied"), "{run:#?}");
}

#[test]
fn a_real_file_system_without_links_is_loaded() {
    let Some(folder) = std::env::var_os("DESTINATION_TEST_WITHOUT_LINKS") else {
        return skipped(
            "a_real_file_system_without_links_is_loaded",
            "DESTINATION_TEST_WITHOUT_LINKS names no folder on one; the tests beside it refuse the calls",
        );
    };
    let lake = tempfile::tempdir_in(folder).unwrap();
    let sandbox = Sandbox::with(json!({"data_source": {
        "data_source_type": "LOCAL_STORAGE", "local_path": lake.path(), "local_path_is_ephemeral": true,
    }}));
    for sync in 0..12 {
        let run = sandbox.write(&append(&["users"]), records("users", sync * 3..sync * 3 + 3));
        assert_eq!(run.code, Some(0), "{run:#?}");
        assert!(run.says("Files are copied"), "{run:#?}");
    }
    assert_eq!(table::read(&at(&lake.path().join("default/users"))).rows.len(), 36);
}
