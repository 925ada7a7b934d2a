//! Damaged logs: which parts can be left out when a log is read, and the error where one cannot.
//!
//! The protocol calls `_last_checkpoint` a hint, and a checkpoint repeats the commits before it. So a log can be read without
//! the hint, then without the newest checkpoints, as long as older ones and the commits are there. A commit is not repeated
//! elsewhere: without it the table cannot be read, and the error names it.

use delta_kernel::{Engine, KernelError, KernelResult};
use serde_json::Value;

use super::engine::Hidden;
use super::files::{CommitFile, LogFiles};
use crate::error::Error;

/// How many of the newest checkpoints are left out one by one; after them, all are left out.
const CHECKPOINTS_TRIED: usize = 3;
/// What to do about a table that has lost a part of its log.
const ADVICE: &str = "Restore it from a backup; or move the table's folder away, or rename the stream: the next sync then makes a \
                      new table.";

/// The size in bytes up to which a commit is checked for actions: a blank file or a few empty objects are smaller, a commit
/// with rows is larger. So hardly any commit is read twice.
pub const SMALL_COMMIT: u64 = 512;

/// Whether a damaged hint or checkpoint may be the cause of `error`.
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

/// What to hide from the kernel so that the rest may be readable: the smallest part first.
pub fn fallbacks(files: &LogFiles) -> Vec<Hidden> {
    let newest = files.checkpoints.iter().rev().take(CHECKPOINTS_TRIED).copied();
    let from = newest.chain((files.checkpoints.len() > CHECKPOINTS_TRIED).then_some(0));
    let without = from.map(|version| Hidden { hint: true, checkpoints_from: Some(version) });
    std::iter::once(Hidden { hint: true, checkpoints_from: None }).chain(without).collect()
}

/// The warning about a log that was read without `hidden`.
pub fn warning(shown: &str, hidden: Hidden, error: &KernelError) -> String {
    let what = match hidden.checkpoints_from {
        None => "The file _last_checkpoint".to_owned(),
        Some(version) => format!("A checkpoint of version {version} or later"),
    };
    let error = error.without_backtrace();
    format!(
        "{what} in the log of table {shown} cannot be read ({error}). The table was read without it, and the next load writes \
         a new one; until then other readers may fail."
    )
}

/// What is wrong with a log that cannot be read, and what to do about it.
pub fn diagnosis(shown: &str, files: &LogFiles, engine: &dyn Engine) -> Option<Error> {
    let log = format!("{shown}/_delta_log");
    if !files.has_table() {
        let trace = files.traces.first()?;
        return Some(Error::config(format!(
            "{log} contains {trace}, but neither a commit nor a checkpoint: the log of an earlier table is lost. {ADVICE}"
        )));
    }
    let base = whole_base(files);
    let mut expected = base;
    for commit in files.commits.iter().filter(|commit| commit.version >= base) {
        if commit.version > expected {
            return Some(Error::config(format!(
                "{log} has commit {} and no commit {expected} before it ({expected:020}.json), and no readable checkpoint \
                 replaces it. {ADVICE}",
                commit.version
            )));
        }
        expected = commit.version + 1;
    }
    let newest = files.commits.last()?.version;
    let needed = files.commits.iter().filter(|commit| commit.version >= base);
    let found = needed.filter_map(|commit| first_broken(vec![commit.clone()], engine).ok()?).next();
    let found = found.map(|(commit, what)| commit_error(shown, &commit, newest, &what));
    let first = files.commits.first()?.version;
    let lost = files.checkpoints.last().filter(|_| first > 0).map(|checkpoint| {
        Error::config(format!(
            "The checkpoint of version {checkpoint} in {log} cannot be read, nor can any earlier one, and of the commits that \
             it replaces those before version {first} have been deleted (from {:020}.json on). {ADVICE}",
            0
        ))
    });
    found.or(lost)
}

/// The first version whose commit is needed where no checkpoint can be read.
fn whole_base(files: &LogFiles) -> u64 {
    let first = files.commits.first().map_or(0, |commit| commit.version);
    // Commits before a checkpoint may have been deleted as outdated.
    match files.checkpoints.iter().rev().find(|version| **version + 1 >= first) {
        Some(checkpoint) if first > 0 => checkpoint + 1,
        _ => 0,
    }
}

/// The error of a commit of the table `shown` that cannot be used; `newest` is the version of the newest one.
pub fn commit_error(shown: &str, commit: &CommitFile, newest: u64, what: &str) -> Error {
    let advice = if commit.version == newest {
        "It is the newest commit: if a crash or a loss of power left it so, its rows were never acknowledged, and you may \
         delete it and run the sync again. Otherwise restore it from a backup, or move the table's folder away."
    } else {
        ADVICE
    };
    Error::config(format!("Commit {:020}.json in {shown}/_delta_log {what}. {advice}", commit.version))
}

/// The first of `commits` that is empty, is damaged or has no action, and what is wrong with it.
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
        return Some("is blank".to_owned());
    }
    for (number, line) in lines {
        let Ok(Value::Object(actions)) = serde_json::from_slice(line) else {
            return Some(format!("is damaged: line {} is not a JSON object", number + 1));
        };
        acts |= actions.values().any(Value::is_object);
    }
    (!acts).then(|| "has no action".to_owned())
}

#[cfg(test)]
#[path = "damage_tests.rs"]
mod tests;
