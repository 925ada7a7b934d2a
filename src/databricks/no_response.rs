//! Requests without a complete response: which step failed, and what the user can do about it.

use std::error::Error as _;

use super::workspace::Workspace;
use crate::error::{Error, Kind};

/// Why there is no response.
#[derive(Debug)]
pub(super) enum NoResponse {
    /// The request was not sent, or the response was refused; not a network failure.
    Error(Error),
    /// The step that failed, and the library's error.
    Network(NetworkFailure, reqwest::Error),
}

/// The step of a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NetworkFailure {
    /// The host name has no address.
    UnknownHost,
    /// Nothing listens on the port.
    Refused,
    /// The connection attempt timed out.
    TimedOut,
    /// The certificate is not trusted.
    UntrustedCertificate,
    /// The server does not speak TLS.
    NoTls,
    /// The proxy did not connect to the host.
    Proxy,
    /// The connection broke before the request was sent.
    ConnectionBroken,
    /// The request may have arrived; its response did not.
    ResponseLost,
}

impl From<Error> for NoResponse {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// The failed step, from the library's error.
pub(super) fn classify(error: reqwest::Error) -> NoResponse {
    // The message names the host; the query of the URL must not get into a log.
    let error = error.without_url();
    let mut chain = String::new();
    let mut refused = false;
    let mut cause = error.source();
    while let Some(inner) = cause {
        chain.push_str(&inner.to_string());
        chain.push('\n');
        let io = inner.downcast_ref::<std::io::Error>();
        refused |= io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused);
        cause = inner.source();
    }
    let says = |words: &[&str]| words.iter().any(|word| chain.contains(word));
    let failure = if !error.is_connect() {
        NetworkFailure::ResponseLost
    } else if says(&["InvalidContentType", "received corrupt"]) {
        NetworkFailure::NoTls
    } else if says(&["certificate", "UnknownIssuer", "HandshakeFailure"]) {
        NetworkFailure::UntrustedCertificate
    } else if says(&["tunnel", "proxy"]) {
        NetworkFailure::Proxy
    } else if says(&["dns error", "lookup address"]) {
        NetworkFailure::UnknownHost
    } else if refused {
        NetworkFailure::Refused
    } else if error.is_timeout() {
        NetworkFailure::TimedOut
    } else {
        NetworkFailure::ConnectionBroken
    };
    NoResponse::Network(failure, error)
}

impl NoResponse {
    /// Whether no connection was made, which may change.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Network(
                NetworkFailure::UnknownHost
                    | NetworkFailure::Refused
                    | NetworkFailure::TimedOut
                    | NetworkFailure::Proxy,
                _
            )
        )
    }

    /// Whether the request may have arrived and done its work.
    pub(super) fn may_have_arrived(&self) -> bool {
        matches!(self, Self::Network(NetworkFailure::ResponseLost, _))
    }

    /// Whether retrying is pointless.
    pub(super) fn is_permanent(&self) -> bool {
        matches!(self, Self::Error(_) | Self::Network(NetworkFailure::UntrustedCertificate | NetworkFailure::NoTls, _))
    }

    /// The error for the user. A host that has responded before (`known`) has the right name, so that failures are transient.
    pub(super) fn into_error(self, workspace: &Workspace, known: bool) -> Error {
        let (failure, cause) = match self {
            Self::Error(error) => return error,
            Self::Network(failure, cause) => (failure, cause),
        };
        let transient = if known { Kind::Transient } else { Kind::Config };
        let host = &workspace.host;
        let (kind, sentence) = match failure {
            NetworkFailure::UnknownHost => (
                transient,
                format!(
                    "No address was found for {host}: check `databricks_server_hostname`, and the DNS of this network."
                ),
            ),
            NetworkFailure::Refused => (
                transient,
                format!(
                    "{host} refuses connections: check `databricks_server_hostname` and `databricks_port`, and that no \
                     firewall stands between."
                ),
            ),
            NetworkFailure::TimedOut => (
                Kind::Transient,
                format!(
                    "{host} did not respond to a connection attempt: check that a firewall or a private link lets this machine \
                     through, and set HTTPS_PROXY where a proxy is needed."
                ),
            ),
            NetworkFailure::NoTls => (
                Kind::Config,
                format!(
                    "{host} does not speak TLS at this port: check `databricks_server_hostname` and `databricks_port`, which \
                     is 443 for Databricks."
                ),
            ),
            NetworkFailure::UntrustedCertificate => (
                Kind::Config,
                format!(
                    "The certificate that was shown for {host} is not trusted: where a proxy reads the traffic, put its \
                     certificate authority into a file in PEM form, together with the usual ones, and name the file in \
                     SSL_CERT_FILE; otherwise check `databricks_server_hostname` and `databricks_port`."
                ),
            ),
            NetworkFailure::Proxy => (
                transient,
                format!(
                    "The proxy did not connect to {host}: check HTTPS_PROXY, the rights it needs, and whether the host \
                     belongs into NO_PROXY."
                ),
            ),
            NetworkFailure::ConnectionBroken => {
                (Kind::Transient, format!("The connection to {host} broke: check the network."))
            }
            NetworkFailure::ResponseLost if known => (
                Kind::Transient,
                format!("{host} was sent a request, but the response did not arrive: check the network and try again."),
            ),
            NetworkFailure::ResponseLost => (
                Kind::Transient,
                format!(
                    "{host} accepts connections and has not responded to a request: check `databricks_server_hostname` and \
                     `databricks_port`, and whether a proxy or firewall holds back its responses."
                ),
            ),
        };
        Error::new(kind, sentence).with_source(cause)
    }
}
