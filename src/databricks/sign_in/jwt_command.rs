//! A program that writes a JWT to its standard output: read from a pipe up to a length, never from a file, and ended with all that it has
//! started when it takes too long.

use std::io::{ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time::{Instant, sleep};

use super::jwt_sources::LONGEST;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// How often is looked what it has written, and whether it has ended.
const LOOK: Duration = Duration::from_millis(20);

/// What a program writes to its standard output, within `limit`. What it writes to its standard error is not shown: it may hold secrets.
///
/// # Errors
/// Why it gives none.
pub(super) async fn of_command(parts: &[String], limit: Duration) -> Result<Secret> {
    let Some((program, arguments)) = parts.split_first() else {
        return Err(Error::config("`authentication.jwt_command` is empty: give a program."));
    };
    let named = |what: &str| format!("The program that `authentication.jwt_command` names {what}");
    let unusable = |error: std::io::Error| {
        let what = match error.kind() {
            ErrorKind::NotFound => {
                "does not exist: give its whole path, and check that it is installed where the sync runs."
            }
            ErrorKind::PermissionDenied => "may not be executed: give this user the right to.",
            _ => "could not be started: check that it can be run where the sync runs.",
        };
        Error::config(named(what)).with_source(error)
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Running { child: command.process_group(0).spawn().map_err(unusable)?, has_ended: false };
    let mut output = running.child.stdout.take().ok_or_else(|| Error::system("A program has no output."))?;
    rustix::io::ioctl_fionbio(&output, true).map_err(|error| unusable(error.into()))?;
    let (begun, mut bytes) = (Instant::now(), Vec::new());
    let status = loop {
        // In this order: what it has written before its end is there when it has ended.
        let ended = running.ended().map_err(unusable)?;
        read(&mut output, &mut bytes).map_err(unusable)?;
        if bytes.len() as u64 > LONGEST {
            return Err(Error::config(named("writes more than any JWT has: let it print the JWT alone.")));
        }
        match ended {
            Some(status) => break status,
            None if begun.elapsed() < limit => sleep(LOOK).await,
            None => {
                return Err(Error::config(named(&format!(
                    "did not end within {} s: let it print the JWT and end.",
                    limit.as_secs()
                ))));
            }
        }
    };
    if !status.success() {
        return Err(Error::config(named(&format!("failed ({status}): run it by hand as the same user to see why."))));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| Error::config(named("wrote something that is no text.")).with_source(error.utf8_error()))?;
    match text.trim() {
        "" => Err(Error::config(named("wrote nothing to its standard output: let it print the JWT there."))),
        text => Ok(Secret::passing(text)),
    }
}

/// Reads what is there, up to more than [`LONGEST`]. Another process may hold the other end open after the program has ended.
fn read(output: &mut ChildStdout, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    let mut piece = [0; 4096];
    while bytes.len() as u64 <= LONGEST {
        match output.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A program in a process group of its own, which is killed with this if the program has not ended.
struct Running {
    child: Child,
    has_ended: bool,
}

impl Running {
    fn ended(&mut self) -> std::io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        self.has_ended |= status.is_some();
        Ok(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended {
            // Its number is its own as long as nobody has waited for it.
            if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(script: &str, limit: Duration) -> Result<Secret> {
        of_command(&["sh".to_owned(), "-c".to_owned(), script.to_owned()], limit).await
    }

    #[tokio::test]
    async fn what_a_program_prints_is_read_and_who_it_leaves_behind_is_not_waited_for() {
        let long = Duration::from_secs(20);
        assert_eq!(run("sleep 100 & echo ' a.b.c '", long).await.expect("a text"), Secret::new("a.b.c"));
        let largest = run("head -c 65536 /dev/zero | tr '\\0' a", long).await.expect("a text");
        assert_eq!(largest.expose().len(), 65536);
        assert!(run("echo x; exit 3", long).await.expect_err("failed").message().contains("failed (exit status: 3)"));
        assert!(run("true", long).await.expect_err("empty").message().contains("wrote nothing"));
    }

    #[tokio::test]
    async fn a_program_without_an_end_is_killed_with_all_that_it_has_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let pid = folder.path().join("pid");
        for (script, words) in [("yes", "more than any JWT"), ("sleep 100", "did not end within")] {
            let script = format!("sh -c 'echo $$ > {}; exec {script}' & wait", pid.display());
            let error = run(&script, Duration::from_millis(700)).await.expect_err(words);
            assert!(error.message().contains(words), "{error}");
            let pid = std::fs::read_to_string(&pid).expect("a number").trim().to_owned();
            // It may be dead and not yet buried.
            let is_dead = || {
                let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                state.is_empty() || state.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'))
            };
            for _ in 0..200 {
                if is_dead() {
                    break;
                }
                sleep(LOOK).await;
            }
            assert!(is_dead(), "{words}");
        }
    }
}
