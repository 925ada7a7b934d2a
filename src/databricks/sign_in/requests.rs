//! One request of a sign-in, to whichever service gives tokens: encrypted or on this machine, led nowhere else, short, repeated while
//! the service is overloaded or out of reach.

use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Response};
use url::Url;

use crate::config::{Timeouts, is_near};
use crate::databricks::connection;
use crate::databricks::no_response::{NetworkFailure, NoResponse, classify};
use crate::databricks::server_error::pause;
use crate::error::{Error, Kind, Result};
use crate::redirect;
use crate::retry::Backoff;
use crate::secret::Secret;

/// A longer answer holds no token.
const LONGEST: usize = 1 << 20;
/// How long a service is tried that has never been reached: most likely its name is wrong.
const FIRST_CONTACT: Duration = Duration::from_secs(15);
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A request.
pub(super) struct Asked<'a> {
    pub(super) method: Method,
    pub(super) url: &'a Url,
    /// The fields of a form.
    pub(super) form: &'a [(&'a str, &'a str)],
    /// `Authorization`.
    pub(super) login: Option<Secret>,
    /// Further headers.
    pub(super) headers: &'a [(&'static str, &'a str)],
    /// What names the service, for "check …".
    pub(super) setting: &'a str,
    /// Whether it may do its work twice.
    pub(super) may_repeat: bool,
}

/// An answer, whatever its status.
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) body: Bytes,
    /// The server's own time, in seconds since the epoch.
    pub(super) now: Option<i64>,
    /// How long it asks to wait before the next request.
    pub(super) retry_after: Option<Duration>,
    /// Where it redirects to, without secrets.
    pub(super) led_to: Option<String>,
}

/// How patiently is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// How long a request is repeated.
    retry: Duration,
    timeout: Duration,
    /// Whether the host has answered before: then its name is right, and whatever fails may pass.
    is_known: bool,
}

impl Patience {
    pub(super) fn of(timeouts: &Timeouts) -> Self {
        Self { retry: timeouts.databricks_retry, timeout: TIMEOUT.min(timeouts.databricks_retry / 2), is_known: false }
    }

    /// The same; where it is not urgent, one try is enough.
    pub(super) fn when(self, is_urgent: bool) -> Self {
        if is_urgent { self } else { Self { retry: Duration::ZERO, ..self } }
    }

    /// The same for a host that has answered before, if it `is_known`.
    pub(super) fn of_host(self, is_known: bool) -> Self {
        Self { is_known: self.is_known || is_known, ..self }
    }

    /// How long somebody else may take to be given an answer.
    pub(super) fn longest(self) -> Duration {
        self.retry.max(self.timeout)
    }

    /// How long one request may take.
    pub(super) fn timeout(self) -> Duration {
        self.timeout
    }
}

/// Whether what is sent to `url` stays on this machine or is encrypted.
pub(super) fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || url.scheme() == "http" && is_near(url)
}

/// Sends `asked`, with tries as `patience` says.
///
/// # Errors
/// Where no answer came, or the address is not private.
pub(super) async fn ask(asked: &Asked<'_>, patience: Patience) -> Result<Said> {
    let host = host_of(asked.url);
    if !is_private(asked.url) {
        return Err(Error::config(format!(
            "A token would be asked for at {host} without encryption: check {}.",
            asked.setting
        )));
    }
    let mut waits = Backoff::within(patience.retry);
    let mut contact = Backoff::within(match patience.is_known {
        true => patience.retry,
        false => FIRST_CONTACT.min(patience.retry),
    });
    loop {
        match ask_once(asked, patience).await {
            Ok(said) => {
                let is_passing = matches!(said.status, 429 | 503)
                    || asked.may_repeat && matches!(said.status, 408 | 500 | 502 | 504);
                if !is_passing || !waits.wait(said.retry_after).await {
                    return Ok(said);
                }
            }
            Err(NoResponse::Error(error)) => return Err(error),
            Err(none) => {
                let again = match none.is_permanent() {
                    true => false,
                    false if none.is_unreachable() => contact.wait(None).await,
                    false => (asked.may_repeat || !none.may_have_arrived()) && waits.wait(None).await,
                };
                if !again {
                    return Err(unreachable(none, &host, asked.setting, patience.is_known));
                }
            }
        }
    }
}

async fn ask_once(asked: &Asked<'_>, patience: Patience) -> Result<Said, NoResponse> {
    let url = asked.url;
    let client = connection::client(is_near(url), url.scheme() == "https", patience.timeout, patience.timeout)?;
    let mut request = client.request(asked.method.clone(), url.clone()).header("accept", "application/json");
    for (name, value) in asked.headers {
        request = request.header(*name, sensitive(value)?);
    }
    if let Some(login) = &asked.login {
        request = request.header(AUTHORIZATION, sensitive(login.expose())?);
    }
    if asked.method == Method::POST {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(asked.form).finish();
        request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
    }
    read(request.send().await.map_err(classify)?, url).await
}

fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::try_from(text).map_err(|_| {
        Error::config("What signs in has a line break or another character in it that no header takes: copy it again.")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

async fn read(mut response: Response, url: &Url) -> Result<Said, NoResponse> {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after = header("retry-after").and_then(|after| pause(after, header("date")));
    let now = header("date").and_then(|date| DateTime::parse_from_rfc2822(date.trim()).ok());
    let status = response.status().as_u16();
    let led_to = header("location")
        .filter(|_| redirect::is_one(status))
        .map(|location| redirect::address(location, url.as_str()));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(classify)? {
        if body.len() + chunk.len() > LONGEST {
            return Err(Error::system(format!("{} sent a longer answer than any token has.", host_of(url))).into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Said { status, body: body.into(), now: now.map(|now| now.timestamp()), retry_after, led_to })
}

/// The host that `url` names, with its port where it is no usual one.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The error for the user where nothing answers at `host`. One that has answered before has the right name.
fn unreachable(none: NoResponse, host: &str, setting: &str, is_known: bool) -> Error {
    let (failure, cause) = match none {
        NoResponse::Error(error) => return error,
        NoResponse::Network(failure, cause) => (failure, cause),
    };
    let unless_known = if is_known { Kind::Transient } else { Kind::Config };
    let (kind, what) = match failure {
        NetworkFailure::UnknownHost => (unless_known, "has no address: check {setting}, and the DNS of this network"),
        NetworkFailure::Refused => {
            (unless_known, "refuses connections: check {setting}, and that no firewall stands between")
        }
        NetworkFailure::TimedOut => (
            Kind::Transient,
            "did not respond to a connection attempt: check that a firewall lets this machine through, and set HTTPS_PROXY where a \
             proxy is needed",
        ),
        NetworkFailure::NoTls => (Kind::Config, "does not speak TLS there: check {setting}"),
        NetworkFailure::UntrustedCertificate => (
            Kind::Config,
            "shows a certificate that is not trusted: where a proxy reads the traffic, put its certificate authority into the file \
             that SSL_CERT_FILE names; otherwise check {setting}",
        ),
        NetworkFailure::Proxy => (
            unless_known,
            "was not reached through the proxy: check HTTPS_PROXY, and whether the host belongs into NO_PROXY",
        ),
        NetworkFailure::ConnectionBroken | NetworkFailure::ResponseLost => {
            (Kind::Transient, "was asked, and its answer did not arrive: check the network and try again")
        }
    };
    Error::new(kind, format!("{host}, where a token is asked for, {}.", what.replace("{setting}", setting)))
        .with_source(cause)
}
