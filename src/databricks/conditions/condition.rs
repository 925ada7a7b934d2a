//! A row of the table, and short constructors for rows.

use crate::error::Kind;

/// What identifies a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The error class, or any of its sub-classes (`CLASS.SUB_CLASS`). If several rows match, the longest class counts.
    Class(&'static str),
    /// The SQLSTATE.
    SqlState(&'static str),
    /// `error_code`. Matches error classes too: Unity Catalog reports its code as a class if it fails inside a statement.
    Code(&'static str),
    /// The reason in the details of an error of the Files API.
    Reason(&'static str),
    /// The HTTP status.
    Status(u16),
    /// The message alone, where nothing else matches.
    Text,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Condition {
    /// Any of these identifies it.
    pub keys: &'static [Key],
    /// Lower-case phrases, one of which the message must contain; empty: any message.
    pub contains: &'static [&'static str],
    /// Further phrases, one of which the message must contain too; empty: no condition.
    pub also_contains: &'static [&'static str],
    /// Who can do something about it.
    pub kind: Kind,
    /// What is wrong. `{host}`, `{path}` and `{who}` stand for the workspace, the HTTP path, and who signs in; see `Who::fill`.
    pub problem: &'static str,
    /// What to do.
    pub hint: &'static str,
    /// Whether the server's message is shown with its names and paths: it never holds values.
    pub quoted: bool,
    /// What a statement that failed with it has done to the rows of its table.
    pub commit_state: CommitState,
    /// What this program does something about itself, if it does.
    pub meaning: Option<Meaning>,
}

/// What this program decides by, instead of by the sentence of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The token was refused; another one may be accepted.
    RefusedToken,
    /// Somebody else cancelled the statement.
    Cancelled,
    /// What was to be created exists, although whoever signs in may not see it.
    AlreadyExists,
    /// A column or a field must have a value, and a row has none.
    NeedsValue,
    /// The table makes the values of a column, or checks them.
    ChecksValue,
    /// Rows that are staged were not seen.
    UnseenRows,
    /// Whoever signs in may not use the catalog or the schema: nothing in it can be reached.
    MissingParentPrivilege,
    /// Whoever signs in may not use files in a volume.
    MissingVolumePrivilege,
}

/// What is known of the changes of a failed statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitState {
    /// There are none and never will be.
    RolledBack,
    /// They are in the table; a later step failed.
    Committed,
    /// Unknown: they may have been committed, or still be.
    Unknown,
}

impl Condition {
    /// The same row with another `commit_state`.
    pub(super) const fn with(self, commit_state: CommitState) -> Self {
        Self { commit_state, ..self }
    }

    /// The same row with this `meaning`.
    pub(super) const fn means(self, meaning: Meaning) -> Self {
        Self { meaning: Some(meaning), ..self }
    }

    /// The same row, only for messages that contain one of these phrases too.
    pub(super) const fn also_contains(self, also_contains: &'static [&'static str]) -> Self {
        Self { also_contains, ..self }
    }
}

/// Something that the user has to change. A statement fails with it before it commits.
pub(super) const fn config(
    keys: &'static [Key],
    contains: &'static [&'static str],
    problem: &'static str,
    hint: &'static str,
) -> Condition {
    Condition {
        keys,
        contains,
        also_contains: &[],
        kind: Kind::Config,
        problem,
        hint,
        quoted: true,
        commit_state: CommitState::RolledBack,
        meaning: None,
    }
}

/// A transient condition, which may concern the server or its response rather than the statement. Its message may hold anything.
pub(super) const fn transient(
    keys: &'static [Key],
    contains: &'static [&'static str],
    problem: &'static str,
    hint: &'static str,
) -> Condition {
    Condition {
        keys,
        contains,
        also_contains: &[],
        kind: Kind::Transient,
        problem,
        hint,
        quoted: false,
        commit_state: CommitState::Unknown,
        meaning: None,
    }
}
