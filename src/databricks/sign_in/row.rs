//! What a row of the table of refusals consists of.

use crate::error::Kind;

/// Who was asked, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// Databricks, with a client secret.
    Secret,
    /// Databricks, with a JWT.
    Jwt,
    /// Databricks, with a refresh token.
    Refresh,
    /// Databricks, with the code that a browser has brought.
    Code,
    /// Microsoft Entra.
    Entra,
    /// The metadata service of a machine in Azure.
    Machine,
    /// GitHub, for a JWT.
    GitHub,
    /// Azure DevOps, for a JWT.
    DevOps,
}

impl Asker {
    /// Its name in the documentation.
    pub(super) fn text(self) -> &'static str {
        match self {
            Asker::Secret => "Databricks with a secret",
            Asker::Jwt => "Databricks with a JWT",
            Asker::Refresh => "Databricks with a refresh token",
            Asker::Code => "`login`",
            Asker::Entra => "Microsoft Entra",
            Asker::Machine => "the machine in Azure",
            Asker::GitHub => "GitHub Actions",
            Asker::DevOps => "Azure DevOps",
        }
    }
}

/// A row. What is empty matches everything.
pub(super) struct Row {
    pub(super) askers: &'static [Asker],
    /// `error`, or the number of `AADSTS`.
    pub(super) codes: &'static [&'static str],
    pub(super) statuses: &'static [u16],
    /// Lower-case phrases, one of which the description has.
    pub(super) says: &'static [&'static str],
    pub(super) kind: Kind,
    pub(super) problem: &'static str,
    pub(super) cure: &'static str,
}
