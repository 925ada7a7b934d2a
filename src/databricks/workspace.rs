//! The workspace that requests go to, and what comes back: types that the other files of this module share.

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;

use super::who::{self, Who};
use crate::config::DatabricksSettings;
use crate::error::{Error, Result};

/// The workspace and the warehouse or cluster in it, as messages name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// The workspace's host name.
    pub host: String,
    /// The HTTP path of the warehouse or cluster.
    pub http_path: String,
    /// Who signs in.
    pub who: Who,
}

impl Workspace {
    /// The workspace that `settings` name.
    pub fn new(settings: &DatabricksSettings) -> Self {
        Self { host: settings.hostname.clone(), http_path: settings.http_path.clone(), who: who::of_settings(settings) }
    }

    /// Whether the HTTP path is one of Databricks' own. Any other belongs to a Spark server, which takes no `Bearer` token.
    pub fn is_databricks(&self) -> bool {
        self.http_path.trim_start_matches('/').starts_with("sql/")
    }
}

/// An HTTP response, whatever its status.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// The URL of the request, without its query.
    pub address: String,
}

impl Response {
    /// The body as JSON of the shape `T`.
    ///
    /// # Errors
    /// [`Kind::System`](crate::error::Kind::System) where the body is of another shape: something else than Databricks answered, or
    /// a version of it that this program does not know.
    pub fn json<T: DeserializeOwned>(&self, workspace: &Workspace) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // The library's message may hold values; the position does not.
            let at = format!("line {}, column {} of {} bytes", error.line(), error.column(), self.body.len());
            Error::system(format!(
                "{} sent a response that is not from Databricks: check `databricks_server_hostname` and \
                 `databricks_http_path`, and whether a proxy responds in its place.",
                workspace.host
            ))
            .with_source(at)
        })
    }
}
