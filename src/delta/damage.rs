//! Logs that cannot be read: the ways around what only saves work, and what is wrong where there is no way.
//!
//! The protocol calls `_last_checkpoint` a hint, and a checkpoint repeats what the commits before it say. So a log is read
//! without the hint, then without the newest checkpoints, as far as older ones and commits are there. A commit is the only
//! place of what it says: without it there is no table, and the user has to know which one it is.

use delta_kernel::{Engine, KernelError};
use serde_json::Value;
use url::Url;

use super::engine::Hidden;
use super::files::LogFiles;
use crate::error::Error;

/// Checkpoints that are taken to be damaged one by one, before all are.
const CHECKPOINTS_TRIED: usize = 3;

/// Whether hints and checkpoints may be to blame for `error`.
pub fn may_be_damage(error: &KernelError) -> bool {
    match error {
        KernelError::Backtraced { source, .. } => may_be_damage(source),
        KernelError::IOError(_)
        | KernelError::ObjectStore(_)
        | KernelError::Unsupported(_)
        | KernelError::MaxCatalogVersion(_)
        | KernelError::StatsValidation(_)
        | KernelError::InvalidTransactionState(_)
        | KernelError::Cancelled => false,
        _ => true,
    }
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
    format!(
        "{what} in the log of table {shown} cannot be used ({error}). The table was read without it, and the next load writes \
         a new one; until then other readers may fail."
    )
}

/// What is wrong with a log for which there is no way around, and what to do.
pub fn diagnosis(shown: &str, files: &LogFiles, engine: &dyn Engine) -> Option<Error> {
    let log = format!("{shown}/_delta_log");
    let advice = "Put it back from a backup, or move the table's folder away or rename the stream: the next sync then makes a \
                  new table.";
    if !files.has_table() {
        let trace = files.traces.first()?;
        return Some(Error::config(format!(
            "{log} has {trace} in it, but neither a commit nor a checkpoint: the log of a table that was there is lost. {advice}"
        )));
    }
    let base = whole_base(files);
    let mut expected = base;
    for commit in files.commits.iter().filter(|commit| commit.version >= base) {
        if commit.version > expected {
            return Some(Error::config(format!(
                "{log} has commit {} and no commit {expected} before it ({expected:020}.json), and no checkpoint that can be read \
                 stands in for it. {advice}",
                commit.version
            )));
        }
        expected = commit.version + 1;
    }
    let newest = files.commits.last()?.version;
    let found = files.commits.iter().filter(|commit| commit.version >= base).find_map(|commit| {
        let what = if commit.size == 0 { Some("is empty".to_owned()) } else { broken(&commit.url, engine) }?;
        let cure = if commit.version == newest {
            "It is the newest one: if a crash or a loss of power left it so, its rows were never acknowledged, and you may \
             delete it and run the sync again. Else put it back from a backup, or move the table's folder away."
        } else {
            advice
        };
        Some(Error::config(format!("Commit {:020}.json in {log} {what}. {cure}", commit.version)))
    });
    let first = files.commits.first()?.version;
    let lost = files.checkpoints.last().filter(|_| first > 0).map(|checkpoint| {
        Error::config(format!(
            "The checkpoint of version {checkpoint} in {log} cannot be read, nor any before it, and of the commits that it stands \
             for those before {first} are cleaned up (from {:020}.json on). {advice}",
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

/// What is wrong with the text of a commit that is not empty.
pub fn broken(commit: &Url, engine: &dyn Engine) -> Option<String> {
    let bytes = engine.storage_handler().read_files(vec![(commit.clone(), None)]).ok()?.next()?.ok()?;
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    let mut lines = lines.filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace)).peekable();
    if lines.peek().is_none() {
        return Some("has no line in it".to_owned());
    }
    let bad = |(_, line): &(usize, &[u8])| !matches!(serde_json::from_slice::<Value>(line), Ok(Value::Object(_)));
    lines.find(bad).map(|(number, _)| format!("is damaged: line {} is no JSON object", number + 1))
}

#[cfg(test)]
#[path = "damage_tests.rs"]
mod tests;
