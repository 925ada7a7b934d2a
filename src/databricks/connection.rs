//! The beginning of every HTTP client of this module: whom it trusts, which proxies it uses, how long it waits.

use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, redirect};

use crate::error::{Error, Result};
use crate::tls::Trust;

/// How integrations identify themselves to Databricks.
const USER_AGENT: &str = concat!("destination-databricks/", env!("CARGO_PKG_VERSION"));

/// A client that follows no redirection and repeats nothing. `is_here`: the server is on this machine or beside it, past any proxy.
///
/// # Errors
/// A config error where proxies or certificates are not usable.
pub(super) fn client(
    is_here: bool,
    is_encrypted: bool,
    connect_timeout: Duration,
    timeout: Duration,
) -> Result<Client> {
    let mut builder: ClientBuilder = Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(connect_timeout)
        .timeout(timeout)
        // A redirection leads to a login page: the host is no workspace, or is behind a private link.
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never());
    if is_here {
        builder = builder.no_proxy();
    }
    let unprepared = |error| {
        Error::config(
            "The connection to Databricks could not be prepared: check that the proxy in HTTPS_PROXY is an address.",
        )
        .with_source(error)
    };
    let trust = if is_encrypted { Trust::found()? } else { Trust::nobody() };
    let authorities: Result<Vec<_>, _> = trust.certificates().map(Certificate::from_der).collect();
    builder.tls_certs_only(authorities.map_err(unprepared)?).build().map_err(unprepared)
}
