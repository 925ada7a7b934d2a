//! Which engine loads staged files into tables, and how a Databricks workspace is reached.
//!
//! A server hostname means Databricks; without one this program commits the tables itself. Connection settings
//! without a hostname are a mistake to report: going on without Databricks would be a surprise.

use super::fields::Fields;
use crate::secret::Secret;

const HOSTNAME: &str = "databricks_server_hostname";
const HTTP_PATH: &str = "databricks_http_path";
const TOKEN: &str = "databricks_personal_access_token";

/// Who makes staged files part of the final tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// This program commits the tables' Delta logs itself.
    Direct,
    /// A Databricks warehouse or cluster runs SQL.
    Databricks(DatabricksSettings),
}

/// How to reach a Databricks warehouse or cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabricksSettings {
    /// The workspace's host name, without scheme, port and path.
    pub hostname: String,
    /// The HTTP path of the warehouse or cluster, as the user gave it.
    pub http_path: String,
    /// The port of the server.
    pub port: u16,
    /// The personal access token.
    pub token: Secret,
}

pub(super) fn read(root: &Fields<'_>) -> Engine {
    // Read first, so that a wrong type is reported also when there is no hostname.
    let port = root.port("databricks_port").unwrap_or(443);
    if root.is_absent(HOSTNAME) {
        let given = [(HTTP_PATH, root.text(HTTP_PATH).is_some()), (TOKEN, root.secret(TOKEN).is_some())];
        for (name, _) in given.into_iter().filter(|(_, given)| *given) {
            root.problem(
                name,
                &format!("is set but `{HOSTNAME}` is not: set both, or neither to do without Databricks."),
            );
        }
        return Engine::Direct;
    }
    let advice = "a Databricks hostname needs it; it is in the connection details of the warehouse or cluster";
    Engine::Databricks(DatabricksSettings {
        hostname: hostname(root),
        http_path: root.required_text(HTTP_PATH, advice).unwrap_or_default(),
        port,
        token: root
            .required_secret(TOKEN, "a Databricks hostname needs it; create one in the workspace's user settings")
            .unwrap_or_else(|| Secret::new("")),
    })
}

fn hostname(root: &Fields<'_>) -> String {
    let text = root.text(HOSTNAME).unwrap_or_default();
    // People copy the address from the browser.
    let name = text.strip_prefix("https://").unwrap_or(&text).trim_end_matches('/');
    if name.contains(|c: char| c.is_whitespace() || matches!(c, '/' | ':' | '?' | '@')) {
        root.problem(
            HOSTNAME,
            "must be only a host name such as abc-12345678-wxyz.cloud.databricks.com, without scheme, port or path.",
        );
    }
    name.to_owned()
}
