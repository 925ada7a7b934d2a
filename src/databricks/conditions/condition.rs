//! What a row of the table is, and how rows are put down in short.

use crate::error::Kind;

/// By what a condition is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The error class, or a class that goes on behind it with a dot. Where several rows know it, that of the longest.
    Class(&'static str),
    /// The SQLSTATE.
    SqlState(&'static str),
    /// `error_code`. Unity Catalog says it as a class where it fails inside a statement, so it counts as one too.
    Code(&'static str),
    /// The status of the answer.
    Status(u16),
    /// The words alone, where nothing else was said.
    Text,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Condition {
    /// What it is known by: any of these.
    pub keys: &'static [Key],
    /// Words in lower case, one of which the server has to say besides; none: whatever it says.
    pub contains: &'static [&'static str],
    /// What can be done about it.
    pub kind: Kind,
    /// What is wrong. `{host}` and `{path}` stand for the workspace and the HTTP path.
    pub problem: &'static str,
    /// What to do.
    pub hint: &'static str,
    /// Whether the server's words are shown as they are: they hold names and paths, never values.
    pub quoted: bool,
    /// What a statement that has ended so has done to the rows of its table.
    pub commit_state: CommitState,
}

/// What is known of the changes of a statement that has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitState {
    /// There are none, and there never will be.
    RolledBack,
    /// They are in the table; something else failed afterwards.
    Committed,
    /// Nobody knows: what was running it may still commit.
    Unknown,
}

impl Condition {
    /// The same, of which this is known.
    pub(super) const fn with(self, commit_state: CommitState) -> Self {
        Self { commit_state, ..self }
    }
}

/// Something that the user has to change. A statement finds it before it commits.
pub(super) const fn config(
    keys: &'static [Key],
    contains: &'static [&'static str],
    problem: &'static str,
    hint: &'static str,
) -> Condition {
    Condition { keys, contains, kind: Kind::Config, problem, hint, quoted: true, commit_state: CommitState::RolledBack }
}

/// Something that passes, and that may hit the server or what it tells rather than the statement. What the server says of it may hold anything.
pub(super) const fn transient(
    keys: &'static [Key],
    contains: &'static [&'static str],
    problem: &'static str,
    hint: &'static str,
) -> Condition {
    Condition {
        keys,
        contains,
        kind: Kind::Transient,
        problem,
        hint,
        quoted: false,
        commit_state: CommitState::Unknown,
    }
}
