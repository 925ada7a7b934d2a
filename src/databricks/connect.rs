//! Chooses the transport by the HTTP path.
//!
//! `/sql/1.0/warehouses/<id>` and `/sql/1.0/endpoints/<id>` are SQL warehouses and use the Statement Execution API. Every other path
//! is a Thrift server: `sql/protocolv1/o/<org>/<cluster>` a cluster of Databricks, anything else, such as `cliservice`, Spark's own.

use std::sync::Arc;

use super::SqlTransport;
use super::http::{HttpClient, Request};
use super::sign_in;
use super::statement_api::StatementApi;
use super::thrift::ThriftTransport;
use super::warehouse::Warehouse;
use super::who;
use crate::config::{DatabricksSettings, Timeouts};
use crate::error::{Error, Kind, Result};

const PATH_FORMS: &str = "/sql/1.0/warehouses/<id> for a SQL warehouse, sql/protocolv1/o/<workspace>/<cluster> for a cluster; \
                     both are in the connection details";

/// What an HTTP path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compute {
    /// A SQL warehouse with this id.
    Warehouse(String),
    /// A Thrift server at this path, without a slash in front.
    Thrift(String),
}

/// The transport for `settings`. Nothing is sent yet.
///
/// # Errors
/// [`Kind::Config`](crate::error::Kind::Config) where the HTTP path is none of these forms.
pub fn connect(settings: &DatabricksSettings, timeouts: &Timeouts) -> Result<Arc<dyn SqlTransport>> {
    // Before trust and proxies are looked at.
    compute(&settings.http_path)?;
    connect_over(client(settings, timeouts)?, settings, timeouts)
}

/// The same over `client`, which others use too: all of them share its rate limit.
///
/// # Errors
/// As [`connect`].
pub fn connect_over(
    client: Arc<HttpClient>,
    settings: &DatabricksSettings,
    timeouts: &Timeouts,
) -> Result<Arc<dyn SqlTransport>> {
    match compute(&settings.http_path)? {
        Compute::Warehouse(id) => {
            let warehouse = Warehouse::new(client, id, timeouts);
            Ok(Arc::new(StatementApi::new(warehouse, settings.statement_timeout, timeouts)))
        }
        Compute::Thrift(path) => {
            Ok(Arc::new(ThriftTransport::new(client, &path, settings.statement_timeout, *timeouts)))
        }
    }
}

/// The SQL warehouse of `settings`; `None` if they name a Thrift server.
///
/// # Errors
/// As [`connect`].
pub fn warehouse(settings: &DatabricksSettings, timeouts: &Timeouts) -> Result<Option<Warehouse>> {
    match compute(&settings.http_path)? {
        Compute::Warehouse(id) => Ok(Some(Warehouse::new(client(settings, timeouts)?, id, timeouts))),
        Compute::Thrift(_) => Ok(None),
    }
}

/// A client for the workspace of `settings`: for statements, and for files in volumes. Nothing is sent yet.
///
/// # Errors
/// A configuration error where no connection can be prepared.
pub fn client(settings: &DatabricksSettings, timeouts: &Timeouts) -> Result<Arc<HttpClient>> {
    Ok(Arc::new(HttpClient::new(settings, sign_in::tokens(settings, timeouts), timeouts)?))
}

/// Asks the workspace who signs in, where only it knows; messages name that from then on. That it does not say so is no error.
///
/// # Errors
/// A configuration error where it cannot be reached, or nobody is signed in.
pub async fn learn_who(settings: &DatabricksSettings, timeouts: &Timeouts) -> Result<()> {
    let client = client(settings, timeouts)?;
    if client.workspace().who.is_named() || !client.workspace().is_databricks() {
        return Ok(());
    }
    let response = match client.send(&Request::get(who::ME)).await {
        // What passes is waited for by the request that matters.
        Err(error) if error.kind() != Kind::Config => return Ok(()),
        asked => asked?,
    };
    if let Some(name) = who::name_in(&response.body).filter(|_| response.status.is_success()) {
        who::learn(settings, &name);
    }
    Ok(())
}

/// What `http_path` names.
///
/// # Errors
/// As [`connect`].
pub fn compute(http_path: &str) -> Result<Compute> {
    let wrong =
        |what: &str| Err(Error::config(format!("`databricks_http_path` {what}: it has to be like {PATH_FORMS}.")));
    let path = http_path.split_once('?').map_or(http_path, |(path, _)| path).trim_matches('/');
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.');
    if http_path.contains("://") {
        return wrong("is a whole address, not a path");
    }
    if path.is_empty() || !path.bytes().all(is_sign) || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return wrong("is no path");
    }
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["sql", "1.0", "warehouses" | "endpoints", id] => Ok(Compute::Warehouse((*id).to_owned())),
        ["sql", "1.0", ..] | ["sql"] => wrong("names neither a warehouse nor a cluster"),
        [id] if id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            wrong("is the id of a warehouse alone")
        }
        [sql, ..] if *sql != "sql" && sql.eq_ignore_ascii_case("sql") => wrong("is in capitals"),
        _ => Ok(Compute::Thrift(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_says_what_it_leads_to() {
        let warehouse = |id: &str| Compute::Warehouse(id.to_owned());
        let thrift = |path: &str| Compute::Thrift(path.to_owned());
        for (path, leads_to) in [
            ("/sql/1.0/warehouses/0123456789abcdef", warehouse("0123456789abcdef")),
            ("sql/1.0/warehouses/0123456789abcdef/", warehouse("0123456789abcdef")),
            ("sql/1.0/endpoints/abc?o=123", warehouse("abc")),
            ("sql/protocolv1/o/123/0101-000000-abc", thrift("sql/protocolv1/o/123/0101-000000-abc")),
            ("/sql/protocolv1/o/123/0101-000000-abc", thrift("sql/protocolv1/o/123/0101-000000-abc")),
            ("cliservice", thrift("cliservice")),
        ] {
            assert_eq!(compute(path).expect(path), leads_to, "{path}");
        }
    }

    #[test]
    fn a_path_that_cannot_be_meant_is_refused_with_the_right_forms() {
        for path in [
            "",
            "/",
            "sql",
            "sql/1.0/warehouses",
            "sql/1.0/warehouses/",
            "sql/1.0/warehouses/a/b",
            "sql/1.0/warehouses/../x",
            "sql/1.0/warehouse/abc",
            "https://abc.cloud.databricks.com/sql/1.0/warehouses/abc",
            "sql/1.0/warehouses/a b",
            "7abcd94b855e4b01",
            "/SQL/1.0/WAREHOUSES/7abcd94b855e4b01",
        ] {
            let error = compute(path).expect_err(path);
            assert_eq!(error.kind(), Kind::Config, "{path}");
            assert!(error.message().contains("/sql/1.0/warehouses/<id>"), "{path}: {}", error.message());
        }
    }
}
