//! Login files in places of every kind: mounted by themselves, as containers have them, pipes, and removed while a token is renewed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::renewed::{login_at, next, renewals, single_use, slow};
use super::workspace::{REFRESH, sandbox};
use crate::hostile::server::Server;
use crate::program::{Living, Run, Sandbox, program, skipped};

fn of_file(path: &Path) -> Value {
    json!({"auth_type": "OAUTH_U2M", "login_file": path})
}

fn refresh_token_in(path: &Path) -> Value {
    serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap()["refresh_token"].clone()
}

/// Runs `check` of `sandbox` where `script`, which has the program and its arguments as `"$@"`, puts it.
fn check_in(sandbox: &Sandbox, script: &str) -> Run {
    let check = sandbox.program();
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(check.get_program());
    command.envs(check.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Living::start(command.arg("check").arg("--config").arg(sandbox.config())).end()
}

/// A login file, and one that it is mounted at; `None` where this process may not mount.
fn mounted(folder: &Path, test: &str) -> Option<(PathBuf, PathBuf)> {
    let may = Command::new("sh").args(["-c", "unshare -m mount -t tmpfs nothing /mnt"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        skipped(test, "only root may mount a file");
        return None;
    }
    let (real, shown) = (folder.join("real.json"), folder.join("login.json"));
    login_at(&real);
    std::fs::write(&shown, "").unwrap();
    Some((real, shown))
}

fn check_of_mounted(server: &Server, (real, shown): &(PathBuf, PathBuf), more: &str) -> Run {
    let (real, shown) = (real.display(), shown.display());
    let script = format!("mount --bind {real} {shown} && {more} exec \"$@\"");
    check_in(&sandbox(server, &of_file(Path::new(&shown.to_string()))), &script)
}

#[test]
fn a_login_file_that_is_mounted_by_itself_is_written_where_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let test = "a_login_file_that_is_mounted_by_itself_is_written_where_it_lies";
    let Some(files) = mounted(folder.path(), test) else { return };
    let server = single_use();
    for _ in 0..2 {
        let run = check_of_mounted(&server, &files, "");
        assert!(run.says("The user `me@example.com` may not use the SQL warehouse"), "{run:#?}");
        assert_eq!(refresh_token_in(&files.0), next(renewals(&server)), "{run:#?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn no_refresh_token_is_used_up_where_a_file_that_is_mounted_by_itself_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let test = "no_refresh_token_is_used_up_where_a_file_that_is_mounted_by_itself_cannot_be_written";
    let Some(files) = mounted(folder.path(), test) else { return };
    let server = single_use();
    let run = check_of_mounted(&server, &files, &format!("mount -o remount,ro,bind {} &&", files.1.display()));
    assert!(run.says("cannot be written") && run.says("no token was asked for"), "{run:#?}");
    assert_eq!((refresh_token_in(&files.0), renewals(&server)), (json!(REFRESH), 0));
}

#[test]
fn a_logout_while_a_token_is_renewed_leaves_no_login_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("login.json");
    login_at(&path);
    let (server, begun) = slow();
    let mut sandbox = sandbox(&server, &of_file(&path));
    sandbox.set_environment("DESTINATION_DATABRICKS_DATABRICKS_RETRY_MS", "60000");
    let running = Living::start(sandbox.program().arg("check").arg("--config").arg(sandbox.config()));
    begun.recv_timeout(Duration::from_secs(60)).unwrap();
    let logout = program().args(["logout", "--file"]).arg(&path).stdin(Stdio::null()).output().unwrap();
    assert!(logout.status.success(), "{logout:?}");
    let run = running.end();
    assert!(!path.exists() && std::fs::read_dir(folder.path()).unwrap().count() == 0, "{run:#?}");
}

#[test]
fn a_pipe_is_no_login_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let server = single_use();
    let run = sandbox(&server, &of_file(&path)).check();
    assert!(run.says("is no regular file"), "{run:#?}");
}
