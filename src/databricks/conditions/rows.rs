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
    /// Further words, one of which has to be there too; none: whatever else it says.
    pub besides: &'static [&'static str],
    /// What can be done about it.
    pub kind: Kind,
    /// What is wrong. `{host}` and `{path}` stand for the workspace and the HTTP path.
    pub meaning: &'static str,
    /// What to do.
    pub cure: &'static str,
    /// Whether the server's words are shown as they are: they hold names and paths, never values.
    pub quoted: bool,
    /// What a statement that has ended so has done to the rows of its table.
    pub fate: Fate,
}

/// What is known of the changes of a statement that has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// There are none, and there never will be.
    RolledBack,
    /// They are in the table; something else failed afterwards.
    Committed,
    /// Nobody knows: what was running it may still commit.
    Open,
}

impl Condition {
    /// The same, of which this is known.
    pub(super) const fn with(self, fate: Fate) -> Self {
        Self { fate, ..self }
    }

    /// The same, known only where one of these words is said too.
    pub(super) const fn besides(self, besides: &'static [&'static str]) -> Self {
        Self { besides, ..self }
    }
}

/// Something that the user has to change. A statement finds it before it commits.
pub(super) const fn config(
    signs: &'static [Sign],
    says: &'static [&'static str],
    meaning: &'static str,
    cure: &'static str,
) -> Condition {
    Condition { signs, says, besides: &[], kind: Kind::Config, meaning, cure, quoted: true, fate: Fate::RolledBack }
}

/// Something that passes, and that may hit the server or what it tells rather than the statement. What the server says of it may hold anything.
pub(super) const fn passing(
    signs: &'static [Sign],
    says: &'static [&'static str],
    meaning: &'static str,
    cure: &'static str,
) -> Condition {
    Condition { signs, says, besides: &[], kind: Kind::Transient, meaning, cure, quoted: false, fate: Fate::Open }
}
