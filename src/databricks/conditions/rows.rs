//! What a row of the table is, and how rows are put down in short.

use crate::error::Kind;

/// By what a condition is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// The error class, or a class that goes on behind it with a dot. Where several rows know it, that of the longest.
    Class(&'static str),
    /// The SQLSTATE.
    State(&'static str),
    /// `error_code`. Unity Catalog says it as a class where it fails inside a statement, so it counts as one too.
    Code(&'static str),
    /// The status of the answer.
    Status(u16),
    /// The words alone, where nothing else was said.
    Words,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Condition {
    /// What it is known by: any of these.
    pub signs: &'static [Sign],
    /// Words in lower case, one of which the server has to say besides; none: whatever it says.
    pub says: &'static [&'static str],
    /// What can be done about it.
    pub kind: Kind,
    /// What is wrong. `{host}` and `{path}` stand for the workspace and the HTTP path.
    pub meaning: &'static str,
    /// What to do.
    pub cure: &'static str,
    /// Whether the server's words are shown as they are: they hold names and paths, never values.
    pub quoted: bool,
}

/// Something that the user has to change.
pub(super) const fn config(
    signs: &'static [Sign],
    says: &'static [&'static str],
    meaning: &'static str,
    cure: &'static str,
) -> Condition {
    Condition { signs, says, kind: Kind::Config, meaning, cure, quoted: true }
}

/// Something that passes. What the server says of it may hold anything.
pub(super) const fn passing(
    signs: &'static [Sign],
    says: &'static [&'static str],
    meaning: &'static str,
    cure: &'static str,
) -> Condition {
    Condition { signs, says, kind: Kind::Transient, meaning, cure, quoted: false }
}
