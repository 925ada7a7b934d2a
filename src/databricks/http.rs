//! HTTP requests to one Databricks workspace: authenticated, identified, limited in time and size.
//!
//! [`HttpClient::send`] sends a request once. [`HttpClient::repeat`] retries it while the server is overloaded, under maintenance or
//! unreachable, up to a time limit; only for requests that may arrive twice. [`HttpClient::submit`] retries only while the server
//! cannot have accepted the request. What an error response says is read by `server_error`; what it means is known by `conditions`.
//!
//! Proxies come from `HTTPS_PROXY` and `NO_PROXY`; requests to this machine itself use none. `tls` supplies the trusted certificates.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, StatusCode};

use super::conditions;
use super::connection;
use super::no_response::{self, NoResponse};
use super::rate_limit::{Priority, RateLimit};
use super::server_error::ServerError;
use super::token::TokenProvider;
use super::workspace::{Response, Workspace};
use crate::config::{DatabricksSettings, Timeouts};
use crate::error::{Error, Result};
use crate::retry::Backoff;
use crate::secret::Secret;

/// Names the workspace where several share a host; without it, such a host redirects to a login page. Official clients send it with
/// every request (databricks-sql-python, `session.py`); a host with one workspace ignores it.
const WORKSPACE_HEADER: &str = "x-databricks-org-id";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// After this time without a response, the response counts as lost.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);
/// How long a host is tried that has never been reached: most likely its name is wrong.
const FIRST_CONTACT: Duration = Duration::from_secs(15);
/// How long a host is tried that accepts connections and has never responded: a proxy or firewall may hold back the response.
const FIRST_ANSWER: Duration = Duration::from_secs(300);
/// The number of tries from which on waiting is logged.
const LOGGED_FROM_TRY: u32 = 4;
/// A response holds a few rows or a chunk of at most 25 MiB.
const LONGEST_RESPONSE: usize = 64 * 1024 * 1024;
/// How much of an error response is read: it is text for people.
const LONGEST_ERROR: usize = 1024 * 1024;

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST` …
    pub method: Method,
    /// The path with its query, with or without a slash in front.
    pub path: String,
    /// The media type of the body, and of the response.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
    /// Its priority in the rate limit.
    pub priority: Priority,
    /// How long it may take, if longer than other requests.
    pub timeout: Option<Duration>,
}

impl Request {
    /// A `GET` of JSON.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            content_type: "application/json",
            body: Bytes::new(),
            priority: Priority::Normal,
            timeout: None,
        }
    }

    /// A `POST` of JSON.
    pub fn post(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { method: Method::POST, body: body.into(), ..Self::get(path) }
    }

    /// A `PUT` of bytes, or without any.
    pub fn put(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { method: Method::PUT, body: body.into(), ..Self::get(path) }
    }

    /// A `HEAD`.
    pub fn head(path: impl Into<String>) -> Self {
        Self { method: Method::HEAD, ..Self::get(path) }
    }

    /// A `DELETE`.
    pub fn delete(path: impl Into<String>) -> Self {
        Self { method: Method::DELETE, ..Self::get(path) }
    }

    /// The same request with another priority.
    #[must_use]
    pub fn with_priority(self, priority: Priority) -> Self {
        Self { priority, ..self }
    }
}

/// The outcome of a request that may have arrived.
#[derive(Debug)]
pub enum Sent {
    /// The response.
    Answered(Response),
    /// It may have arrived and done its work; the error says why there is no response.
    Unknown(Error),
}

/// A client of one workspace. Cheap to share; connections are kept and used again.
pub struct HttpClient {
    client: Client,
    address: String,
    workspace: Workspace,
    tokens: Arc<dyn TokenProvider>,
    retry: Duration,
    /// How long one request may take.
    timeout: Duration,
    /// The workspace's number, as the value of its header.
    workspace_number: Option<HeaderValue>,
    rate_limit: RateLimit,
    /// Whether the host has ever responded: then its name is right, and later failures are transient.
    has_answered: AtomicBool,
}

impl HttpClient {
    /// A client for the workspace of `settings`. No connection is made yet.
    pub fn new(
        settings: &DatabricksSettings,
        tokens: Arc<dyn TokenProvider>,
        timeouts: &Timeouts,
    ) -> Result<HttpClient> {
        let timeout = REQUEST_TIMEOUT.min(timeouts.databricks_retry / 4);
        let connect_timeout = CONNECT_TIMEOUT.min(timeouts.databricks_retry / 4);
        let client = connection::client(settings.is_on_this_machine(), settings.https, connect_timeout, timeout)?;
        Ok(Self {
            client,
            address: settings.address(),
            workspace: Workspace::new(settings),
            tokens,
            retry: timeouts.databricks_retry,
            timeout,
            workspace_number: settings.workspace.as_ref().and_then(|number| HeaderValue::try_from(number).ok()),
            rate_limit: RateLimit::default(),
            has_answered: AtomicBool::new(false),
        })
    }

    /// The workspace, for error messages.
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Whether requests are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.address.starts_with("https://")
    }

    /// How long one request may take before its response counts as lost.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends one request. A refused token is looked up once more; if the new one is refused too, that response is returned.
    ///
    /// # Errors
    /// Transient if the response is missing or incomplete: the request may have done its work. A configuration error if the host
    /// cannot be right; then nothing was sent.
    pub async fn send(&self, request: &Request) -> Result<Response> {
        match self.try_send(request).await? {
            Sent::Answered(response) => Ok(response),
            Sent::Unknown(error) => Err(error),
        }
    }

    /// Sends one request like [`HttpClient::send`], and distinguishes whether it may have arrived.
    ///
    /// # Errors
    /// As for `send`; the request has not arrived.
    pub async fn try_send(&self, request: &Request) -> Result<Sent> {
        match self.send_until_connected(request).await {
            Ok(response) => Ok(Sent::Answered(response)),
            Err(no_response) => {
                let may_have_arrived = no_response.may_have_arrived();
                let error = no_response.into_error(&self.workspace, self.is_known());
                if may_have_arrived { Ok(Sent::Unknown(error)) } else { Err(error) }
            }
        }
    }

    /// The waits between tries of a request that got no response: as long as for any outage if the host has responded before.
    pub fn waits(&self) -> Backoff {
        Backoff::within(if self.is_known() { self.retry } else { FIRST_ANSWER.min(self.retry) })
    }

    /// Sends one request; repeats it while a host that has never responded cannot be reached.
    async fn send_until_connected(&self, request: &Request) -> Result<Response, NoResponse> {
        let mut waits = Backoff::within(FIRST_CONTACT.min(self.retry));
        loop {
            match self.send_authenticated(request).await {
                Err(no_response) if !self.is_known() && no_response.is_unreachable() && waits.wait(None).await => {}
                ended => return ended,
            }
        }
    }

    /// Sends a request that may arrive more than once, and retries it while the server is overloaded, under maintenance or
    /// unreachable. Any other response is returned, whatever its status.
    ///
    /// # Errors
    /// The error of the last try when the time is up; a permanent error at once.
    pub async fn repeat(&self, request: &Request) -> Result<Response> {
        self.repeat_within(request, self.retry).await
    }

    /// The same for at most `limit`.
    ///
    /// # Errors
    /// As for `repeat`.
    pub async fn repeat_within(&self, request: &Request, limit: Duration) -> Result<Response> {
        match self.send_until_answered(request, true, limit.min(self.retry)).await? {
            Sent::Answered(response) => Ok(response),
            Sent::Unknown(error) => Err(error),
        }
    }

    /// Sends a request that must not do its work twice: retried like [`HttpClient::repeat`], but only while the server cannot have
    /// accepted it.
    ///
    /// # Errors
    /// As for `repeat`; the server has not accepted the request.
    pub async fn submit(&self, request: &Request) -> Result<Sent> {
        self.send_until_answered(request, false, self.retry).await
    }

    async fn send_until_answered(&self, request: &Request, may_repeat: bool, limit: Duration) -> Result<Sent> {
        let mut usual = Backoff::within(limit);
        let mut first_contact = Backoff::within(FIRST_CONTACT.min(limit));
        let mut first_answer = Backoff::within(if self.is_known() { limit } else { FIRST_ANSWER.min(limit) });
        for tries in 1_u32.. {
            let known = self.is_known();
            let (waits, failed, asked) = match self.send_authenticated(request).await {
                Ok(response) => {
                    if response.status.is_success() {
                        return Ok(Sent::Answered(response));
                    }
                    let server_error = ServerError::of_response(&response);
                    if !conditions::is_transient(&server_error) {
                        return Ok(Sent::Answered(response));
                    }
                    let error = conditions::explain(&server_error, &self.workspace);
                    if !may_repeat && may_have_been_taken(response.status.as_u16()) {
                        return Ok(Sent::Unknown(error));
                    }
                    (&mut usual, error, server_error.retry_after)
                }
                Err(no_response) => {
                    let waits = match (known, no_response.is_unreachable()) {
                        (true, _) => &mut usual,
                        (false, true) => &mut first_contact,
                        (false, false) => &mut first_answer,
                    };
                    let (lasting, arrived) = (no_response.is_permanent(), no_response.may_have_arrived());
                    let error = no_response.into_error(&self.workspace, known);
                    if lasting {
                        return Err(error);
                    }
                    if !may_repeat && arrived {
                        return Ok(Sent::Unknown(error));
                    }
                    (waits, error, None)
                }
            };
            if !waits.wait(asked).await {
                return Err(failed);
            }
            if tries.is_power_of_two() && tries >= LOGGED_FROM_TRY {
                tracing::info!("Still waiting for Databricks after {tries} tries: {failed}");
            }
        }
        Err(Error::system("A request to Databricks was sent more often than can be counted."))
    }

    /// Whether the host has ever responded.
    pub fn is_known(&self) -> bool {
        self.has_answered.load(Ordering::Relaxed)
    }

    async fn send_authenticated(&self, request: &Request) -> Result<Response, NoResponse> {
        let token = self.tokens.token().await?;
        let response = self.send_once(request, &token).await?;
        let refused = matches!(response.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            && conditions::is_refused_token(&ServerError::of_response(&response));
        if refused {
            self.tokens.forget(&token).await;
            let token = self.tokens.token().await?;
            return self.send_once(request, &token).await;
        }
        Ok(response)
    }

    async fn send_once(&self, request: &Request, token: &Secret) -> Result<Response, NoResponse> {
        let token = token.expose();
        let login = match self.workspace.is_databricks() {
            true => format!("Bearer {token}"),
            false => format!("Basic {}", BASE64.encode(format!("token:{token}"))),
        };
        let login = sensitive(&login)?;
        if self.workspace.is_databricks() {
            self.rate_limit.wait(request.priority).await;
        }
        let url = format!("{}/{}", self.address, request.path.trim_start_matches('/'));
        let address = url.split('?').next().unwrap_or_default().to_owned();
        let mut asked = self
            .client
            .request(request.method.clone(), url)
            .header(AUTHORIZATION, login)
            .header(ACCEPT, request.content_type)
            .header(CONTENT_TYPE, request.content_type)
            .body(request.body.clone());
        if let Some(number) = &self.workspace_number {
            asked = asked.header(WORKSPACE_HEADER, number);
        }
        for (name, value) in self.tokens.headers().await? {
            asked = asked.header(name, sensitive(&value)?);
        }
        if let Some(timeout) = request.timeout {
            asked = asked.timeout(timeout.max(self.timeout));
        }
        let mut response = asked.send().await.map_err(no_response::classify)?;
        self.has_answered.store(true, Ordering::Relaxed);
        let is_error = !response.status().is_success();
        let too_long = || {
            Error::system(format!(
                "{} sent a response of more than 64 MiB, more than any request asks for.",
                self.workspace.host
            ))
        };
        if !is_error && response.content_length().is_some_and(|length| length > LONGEST_RESPONSE as u64) {
            return Err(too_long().into());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(no_response::classify)? {
            if is_error && body.len() + chunk.len() > LONGEST_ERROR {
                body.extend_from_slice(chunk.get(..LONGEST_ERROR - body.len()).unwrap_or_default());
                break;
            }
            if body.len() + chunk.len() > LONGEST_RESPONSE {
                return Err(too_long().into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status: response.status(), headers: response.headers().clone(), body: body.into(), address })
    }
}

fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Error::config("The Databricks token has characters that no token has: copy it again."))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether a request may have done its work although its response has the error `status`. Official clients send a statement again
/// only on the two for which this is `false` (databricks-sql-python, `DatabricksRetryPolicy`).
pub(super) fn may_have_been_taken(status: u16) -> bool {
    !matches!(status, 429 | 503)
}
