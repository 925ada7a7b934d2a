//! Requests that got no whole answer: what the network said, and what a user can do about it.

use std::error::Error as _;

use super::workspace::Workspace;
use crate::error::{Error, Kind};

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Unreached {
    /// Nothing to do with the network.
    Error(Error),
    /// How far the connection came, and what the library said.
    Network(Stage, reqwest::Error),
}

/// How far a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The name has no address.
    Name,
    /// Nobody listens there.
    Refused,
    /// Nothing came back.
    Silence,
    /// The certificate is not trusted.
    Certificate,
    /// No TLS is spoken.
    Plain,
    /// The proxy did not connect.
    Proxy,
    /// The connection broke before the request was sent.
    Connection,
    /// The request may have arrived; its answer did not.
    Answer,
}

impl From<Error> for Unreached {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Sorts what the library says.
pub(super) fn of(error: reqwest::Error) -> Unreached {
    // The address is told in the sentence; a query does not belong into a log.
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
    let stage = if !error.is_connect() {
        Stage::Answer
    } else if says(&["InvalidContentType", "received corrupt"]) {
        Stage::Plain
    } else if says(&["certificate", "UnknownIssuer", "HandshakeFailure"]) {
        Stage::Certificate
    } else if says(&["tunnel", "proxy"]) {
        Stage::Proxy
    } else if says(&["dns error", "lookup address"]) {
        Stage::Name
    } else if refused {
        Stage::Refused
    } else if error.is_timeout() {
        Stage::Silence
    } else {
        Stage::Connection
    };
    Unreached::Network(stage, error)
}

impl Unreached {
    /// Whether the request has not arrived anywhere, which may change.
    pub(super) fn is_away(&self) -> bool {
        matches!(self, Self::Network(Stage::Name | Stage::Refused | Stage::Silence | Stage::Proxy, _))
    }

    /// Whether the request may have arrived and done its work.
    pub(super) fn may_have_arrived(&self) -> bool {
        matches!(self, Self::Network(Stage::Answer, _))
    }

    /// Whether waiting does not help.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(self, Self::Error(_) | Self::Network(Stage::Certificate | Stage::Plain, _))
    }

    /// The sentence for the user. A host that has answered before (`known`) has the right name.
    pub(super) fn into_error(self, workspace: &Workspace, known: bool) -> Error {
        let (stage, cause) = match self {
            Self::Error(error) => return error,
            Self::Network(stage, cause) => (stage, cause),
        };
        let passing = if known { Kind::Transient } else { Kind::Config };
        let host = &workspace.host;
        let (kind, sentence) = match stage {
            Stage::Name => (
                passing,
                format!(
                    "No address was found for {host}: check `databricks_server_hostname`, and the DNS of this network."
                ),
            ),
            Stage::Refused => (
                passing,
                format!(
                    "{host} refuses connections: check `databricks_server_hostname` and `databricks_port`, and that no \
                     firewall stands between."
                ),
            ),
            Stage::Silence => (
                Kind::Transient,
                format!(
                    "{host} did not answer to a connection: check that a firewall or a private link lets this machine \
                     through, and set HTTPS_PROXY where a proxy is needed."
                ),
            ),
            Stage::Plain => (
                Kind::Config,
                format!(
                    "{host} does not speak TLS at this port: check `databricks_server_hostname` and `databricks_port`, which \
                     is 443 for Databricks."
                ),
            ),
            Stage::Certificate => (
                Kind::Config,
                format!(
                    "The certificate that was shown for {host} is not trusted: where a proxy reads the traffic, put its \
                     certificate authority into a file in PEM form, together with the usual ones, and name the file in \
                     SSL_CERT_FILE; otherwise check `databricks_server_hostname` and `databricks_port`."
                ),
            ),
            Stage::Proxy => (
                passing,
                format!(
                    "The proxy did not connect to {host}: check HTTPS_PROXY, the rights it needs, and whether the host \
                     belongs into NO_PROXY."
                ),
            ),
            Stage::Connection => (Kind::Transient, format!("The connection to {host} broke: check the network.")),
            Stage::Answer if known => (
                Kind::Transient,
                format!("{host} was asked, but the answer did not arrive: check the network and try again."),
            ),
            Stage::Answer => (
                Kind::Transient,
                format!(
                    "{host} takes connections and has not answered a request: check `databricks_server_hostname` and \
                     `databricks_port`, and whether a proxy or firewall holds back what it says."
                ),
            ),
        };
        Error::new(kind, sentence).with_source(cause)
    }
}
