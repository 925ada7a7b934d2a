//! Logs that cannot be read: the ways around what only saves work, and what is wrong where there is no way.
//!
//! The protocol calls `_last_checkpoint` a hint, and a checkpoint repeats what the commits before it say. So a log is read
//! without the hint, then without the newest checkpoints, as far as older ones and commits are there. A commit is the only
//! place of what it says: without it there is no table, and the user has to know which one it is.

use delta_kernel::{Engine, KernelError, KernelResult};
use serde_json::Value;

use super::engine::Hidden;
use super::files::{CommitFile, LogFiles};
use crate::error::Error;

/// Checkpoints that are taken to be damaged one by one, before all are.
const CHECKPOINTS_TRIED: usize = 3;
/// What to do about a table whose log is lost in part.
const ADVICE: &str = "Put it back from a backup, or move the table's folder away or rename the stream: the next sync then makes a \
                      new table.";

/// Bytes of a commit that may be without an action: those of a blank file, or of a few empty objects. Commits with rows are
/// larger, so that looking into small ones costs next to nothing.
pub const SMALL: u64 = 512;

/// Whether hints and checkpoints may be to blame for `error`.
pub fn may_be_damage(error: &KernelError) -> bool {
    !matches!(
        error.without_backtrace(),
        KernelError::IOError(_)
            | KernelError::ObjectStore(_)
            | KernelError::Unsupported(_)
            | KernelError::MaxCatalogVersion(_)
            | KernelError::StatsValidation(_)
            | KernelError::InvalidTransactionState(_)
            | KernelError::Cancelled
    )
}

/// What can be hidden so that the rest may be read, the least first.
pub fn ways_around(files: &LogFiles) -> Vec<Hidden> {
    let newest = files.checkpoints.iter().rev().take(CHECKPOINTS_TRIED).copied();
    let from = newest.chain((files.checkpoints.len() > CHECKPOINTS_TRIED).then_some(0));
    let without = from.map(|version| Hidden { hint: true, checkpoints_from: Some(version) });
    std::iter::once(Hidden { hint: true, checkpoints_from: None }).chain(without).collect()
}

/// What a user is told of a log that was read around `hidden`.
pub fn told(shown: &str, hidden: Hidden, error: &KernelError) -> String {
    let what = match hidden.checkpoints_from {
        None => "The file _last_checkpoint".to_owned(),
        Some(version) => format!("A checkpoint of version {version} or later"),
    };
    let error = error.without_backtrace();
    format!(
        "{what} in the log of table {shown} cannot be used ({error}). The table was read without it, and the next load writes \
         a new one; until then other readers may fail."
    )
}

/// What is wrong with a log for which there is no way around, and what to do.
pub fn diagnosis(shown: &str, files: &LogFiles, engine: &dyn Engine) -> Option<Error> {
    let log = format!("{shown}/_delta_log");
    if !files.has_table() {
        let trace = files.traces.first()?;
        return Some(Error::config(format!(
            "{log} has {trace} in it, but neither a commit nor a checkpoint: the log of a table that was there is lost. {ADVICE}"
        )));
    }
    let base = whole_base(files);
    let mut expected = base;
    for commit in files.commits.iter().filter(|commit| commit.version >= base) {
        if commit.version > expected {
            return Some(Error::config(format!(
                "{log} has commit {} and no commit {expected} before it ({expected:020}.json), and no checkpoint that can be read \
                 stands in for it. {ADVICE}",
                commit.version
            )));
        }
        expected = commit.version + 1;
    }
    let newest = files.commits.last()?.version;
    let needed = files.commits.iter().filter(|commit| commit.version >= base);
    let found = needed.filter_map(|commit| first_broken(vec![commit.clone()], engine).ok()?).next();
    let found = found.map(|(commit, what)| of_commit(shown, &commit, newest, &what));
    let first = files.commits.first()?.version;
    let lost = files.checkpoints.last().filter(|_| first > 0).map(|checkpoint| {
        Error::config(format!(
            "The checkpoint of version {checkpoint} in {log} cannot be read, nor any before it, and of the commits that it stands \
             for those before {first} are cleaned up (from {:020}.json on). {ADVICE}",
            0
        ))
    });
    found.or(lost)
}

/// The first version whose commit is needed if no checkpoint is.
fn whole_base(files: &LogFiles) -> u64 {
    let first = files.commits.first().map_or(0, |commit| commit.version);
    // Commits before a checkpoint may have been cleaned up.
    match files.checkpoints.iter().rev().find(|version| **version + 1 >= first) {
        Some(checkpoint) if first > 0 => checkpoint + 1,
        _ => 0,
    }
}

/// A commit of the table `shown` that cannot be used; `newest`: the version of the newest one.
pub fn of_commit(shown: &str, commit: &CommitFile, newest: u64, what: &str) -> Error {
    let cure = if commit.version == newest {
        "It is the newest one: if a crash or a loss of power left it so, its rows were never acknowledged, and you may \
         delete it and run the sync again. Else put it back from a backup, or move the table's folder away."
    } else {
        ADVICE
    };
    Error::config(format!("Commit {:020}.json in {shown}/_delta_log {what}. {cure}", commit.version))
}

/// The first of `commits` that is empty, is damaged or says nothing, and what is wrong with it.
pub fn first_broken(commits: Vec<CommitFile>, engine: &dyn Engine) -> KernelResult<Option<(CommitFile, String)>> {
    if let Some(empty) = commits.iter().find(|commit| commit.size == 0) {
        return Ok(Some((empty.clone(), "is empty".to_owned())));
    }
    let slices = commits.iter().map(|commit| (commit.url.clone(), None)).collect();
    for (commit, bytes) in commits.iter().zip(engine.storage_handler().read_files(slices)?) {
        if let Some(what) = broken(&bytes?) {
            return Ok(Some((commit.clone(), what)));
        }
    }
    Ok(None)
}

/// What is wrong with the text of a commit.
fn broken(bytes: &[u8]) -> Option<String> {
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    let mut acts = false;
    let mut lines = lines.filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace)).peekable();
    if lines.peek().is_none() {
        return Some("has no line in it".to_owned());
    }
    for (number, line) in lines {
        let Ok(Value::Object(actions)) = serde_json::from_slice(line) else {
            return Some(format!("is damaged: line {} is no JSON object", number + 1));
        };
        acts |= actions.values().any(Value::is_object);
    }
    (!acts).then(|| "has no action in it".to_owned())
}

#[cfg(test)]
#[path = "damage_tests.rs"]
mod tests;
