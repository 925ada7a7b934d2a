//! Which engine loads staged files into tables, and how a Databricks workspace is reached.
//!
//! A server hostname means Databricks; without one this program commits the tables itself. Connection settings
//! without a hostname are a mistake to report: going on without Databricks would be a surprise.

use std::time::Duration;

use url::Url;

use super::authentication::{self, AUTHENTICATION, Account, Authentication, TOKEN};
use super::fields::Fields;
use super::host::{is_host, is_loopback};
use crate::error::{Error, Result};
use crate::secret::know_open;

const HOSTNAME: &str = "databricks_server_hostname";
const HTTP_PATH: &str = "databricks_http_path";

/// The engine that makes staged files part of the final tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// This program commits the tables' Delta logs itself.
    Direct,
    /// A Databricks warehouse or cluster runs SQL.
    Databricks(Box<DatabricksSettings>),
}

/// How to reach a Databricks warehouse or cluster, and how much may be asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabricksSettings {
    /// The workspace's host name, without scheme, port and path. An IPv6 address is in brackets.
    pub hostname: String,
    /// Whether requests are encrypted; plain HTTP only goes to this machine.
    pub https: bool,
    /// The HTTP path of the warehouse or cluster, as the user gave it.
    pub http_path: String,
    /// The workspace's number, where a setting holds it: a host may be shared by several.
    pub workspace: Option<String>,
    /// The port of the server.
    pub port: u16,
    /// How requests are authenticated.
    pub authentication: Authentication,
    /// The account at which tokens are asked for, in place of the workspace.
    pub account: Option<Account>,
    /// How long one statement may take.
    pub statement_timeout: Duration,
    /// How many statements load at the same time.
    pub load_parallelism: usize,
}

impl DatabricksSettings {
    /// Whether the server is where this program is.
    pub fn is_on_this_machine(&self) -> bool {
        Url::parse(&self.address()).is_ok_and(|url| is_loopback(&url))
    }

    /// Scheme, host and port, as in `https://abc.cloud.databricks.com:443`.
    pub fn address(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}:{}", self.hostname, self.port)
    }
}

pub(super) fn read(root: &Fields<'_>) -> Engine {
    // Read first, so that a wrong value is reported also when there is no hostname.
    let port = root.port("databricks_port").unwrap_or(443);
    let statement_timeout = Duration::from_secs(root.whole("statement_timeout_seconds", 1..=172_800).unwrap_or(7200));
    let load_parallelism = root.whole("load_parallelism", 1..=64).and_then(|count| count.try_into().ok()).unwrap_or(8);
    if root.is_absent(HOSTNAME) {
        let given = [
            (HTTP_PATH, root.text(HTTP_PATH).is_some()),
            (TOKEN, root.secret(TOKEN).is_some()),
            (AUTHENTICATION, !root.is_absent(AUTHENTICATION)),
        ];
        let given: Vec<String> =
            given.iter().filter(|(_, given)| *given).map(|(name, _)| format!("`{name}`")).collect();
        if !given.is_empty() {
            let verb = if given.len() == 1 { "is" } else { "are" };
            root.problem(
                HOSTNAME,
                &format!(
                    "is missing, but {} {verb} set: set all of them, or none to do without Databricks.",
                    given.join(" and ")
                ),
            );
        }
        return Engine::Direct;
    }
    let advice = "a Databricks hostname needs it; it is in the connection details of the warehouse or cluster";
    let (https, hostname, host_query) = hostname(root);
    let http_path = root.required_text(HTTP_PATH, advice).unwrap_or_default();
    // Without a dot it is no host in the network, and may be a token that got into the wrong field.
    Some(&hostname).filter(|hostname| hostname.contains('.')).into_iter().for_each(|hostname| know_open(hostname));
    let (authentication, account) = authentication::read(root, &hostname);
    Engine::Databricks(Box::new(DatabricksSettings {
        hostname,
        https,
        workspace: workspace(&http_path, &host_query),
        http_path,
        port,
        authentication,
        account,
        statement_timeout,
        load_parallelism,
    }))
}

/// The workspace's number: from `?o=` behind the HTTP path, else behind the host name, else from a cluster's path. In this order
/// databricks-sql-python looks for it.
fn workspace(http_path: &str, host_query: &str) -> Option<String> {
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let asked = |query: &str| {
        let query = query.split('#').next().unwrap_or_default().to_owned();
        query.split('&').filter_map(|pair| pair.strip_prefix("o=")).find(is_number).map(str::to_owned)
    };
    let (path, query) = http_path.split_once('?').unwrap_or((http_path, ""));
    let of_cluster = || path.trim_matches('/').strip_prefix("sql/protocolv1/o/")?.split('/').next().filter(is_number);
    asked(query).or_else(|| asked(host_query)).or_else(|| of_cluster().map(str::to_owned))
}

/// A workspace by its host name alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceHost {
    /// The host name.
    pub hostname: String,
    /// Scheme, host and port.
    pub address: String,
}

impl WorkspaceHost {
    /// The workspace that `text` names, as people copy it: with or without scheme, port and path.
    ///
    /// # Errors
    /// A config error where it is no host name, or would be asked without encryption.
    pub fn parse(text: &str) -> Result<Self> {
        let with_scheme =
            if text.contains("://") { text.trim().to_owned() } else { format!("https://{}", text.trim()) };
        let url = Url::parse(&with_scheme).ok();
        let is_right =
            |url: &Url| is_host(url) && (url.scheme() == "https" || url.scheme() == "http" && is_loopback(url));
        let url = url.filter(is_right).ok_or_else(|| {
            Error::config(
                "The host must be the host name of a workspace, such as abc-12345678-wxyz.cloud.databricks.com: copy it from the address \
                 of the workspace in the browser.",
            )
        })?;
        let hostname = url.host_str().unwrap_or_default().to_owned();
        know_open(&hostname);
        Ok(Self { hostname, address: url.origin().ascii_serialization() })
    }
}

/// Whether it is to be reached with HTTPS, the name alone, and what came behind a question mark.
fn hostname(root: &Fields<'_>) -> (bool, String, String) {
    let text = root.text(HOSTNAME).unwrap_or_default();
    // People copy the address from the browser: with a scheme, a slash, the workspace's number.
    let (https, rest) = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
        _ => (true, text.as_str()),
    };
    let (name, query) = match rest.split_once('?') {
        Some((name, query)) if query.starts_with("o=") || query.contains("&o=") => (name, query),
        _ => (rest, ""),
    };
    let name = name.trim_end_matches('/');
    let alone = |url: &Url| is_host(url) && url.host_str().is_some_and(|host| host.eq_ignore_ascii_case(name));
    match Url::parse(&format!("http://{name}/")).ok().filter(alone) {
        Some(url) if !https && !is_loopback(&url) => root.problem(
            HOSTNAME,
            "begins with http://, which would send the token readable over the network: give the host name alone.",
        ),
        Some(_) => {}
        None if text.is_empty() => {}
        None => root.problem(
            HOSTNAME,
            "must be only a host name such as abc-12345678-wxyz.cloud.databricks.com, without port or path; a port \
             belongs into `databricks_port`.",
        ),
    }
    (https, name.to_owned(), query.to_owned())
}
