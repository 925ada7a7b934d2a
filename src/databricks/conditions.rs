//! The one table from what a server says to what it means: a kind, a sentence, a cure.
//!
//! A condition is known by its error class, then by its SQLSTATE, then by its error code, then by the HTTP status; the
//! first row that fits at a level counts. Where Databricks names what is missing, the GRANT that gives it is printed.

use super::said::Said;
use crate::config::DatabricksSettings;
use crate::error::{Error, Kind};

/// The workspace and the compute that sentences name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The workspace's host name.
    pub host: String,
    /// The HTTP path of the warehouse or cluster.
    pub http_path: String,
}

impl Place {
    /// The place that `settings` lead to.
    pub fn of(settings: &DatabricksSettings) -> Self {
        Self { host: settings.hostname.clone(), http_path: settings.http_path.clone() }
    }

    /// Whether the path is one of Databricks' own. Other servers are of Spark alone, and know no `Bearer`.
    pub fn is_databricks(&self) -> bool {
        self.http_path.trim_start_matches('/').starts_with("sql/")
    }
}

/// Whether the token was refused: another one might not be.
pub fn is_refused_token(said: &Said) -> bool {
    said.status == Some(401) || said.status == Some(403) && said.message.contains("access token")
}

/// Whether the same request, or the same repeatable statement, is worth another try after a while.
pub fn passes(said: &Said) -> bool {
    explain(said, &Place { host: String::new(), http_path: String::new() }).kind() == Kind::Transient
}

/// The error for the user.
pub fn explain(said: &Said, place: &Place) -> Error {
    let kind = match said.status {
        Some(429 | 500 | 502 | 503 | 504 | 554) => Kind::Transient,
        _ => Kind::System,
    };
    Error::new(kind, format!("{} said something that is not known here.", place.host))
}
