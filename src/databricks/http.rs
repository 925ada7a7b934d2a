//! Requests to one Databricks workspace: signed in, named, bounded in time and size.
//!
//! [`HttpClient::send`] makes one request. [`HttpClient::repeat`] makes it again for as long as patience lasts where the
//! server is overloaded, under maintenance or out of reach; only for requests that may arrive twice.
//! [`HttpClient::submit`] does so only as long as it has surely not been taken. None judges an answer beyond that: `said`
//! reads what an error says, `conditions` knows what it means.
//!
//! Proxies come from `HTTPS_PROXY` and `NO_PROXY`, but never stand before this machine itself. `tls` says whose
//! certificates are good.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Certificate, Client, Method, StatusCode, redirect};

use super::conditions;
use super::no_response::{self, NoResponse};
use super::rate_limit::{Priority, RateLimit};
use super::server_error::ServerError;
use super::token::TokenProvider;
use super::waits::Waits;
use super::workspace::{Response, Workspace};
use crate::config::{DatabricksSettings, Patience};
use crate::error::{Error, Result};
use crate::tls::Trust;

/// How products name themselves to Databricks.
const USER_AGENT: &str = concat!("destination-databricks/", env!("CARGO_PKG_VERSION"));
/// Says which workspace is meant where several share a host; without it such a host leads to a login page. Official clients send
/// it with every request (databricks-sql-python, `session.py`), and others take no notice of it.
const WORKSPACE_HEADER: &str = "x-databricks-org-id";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// A request that has no answer after so long has lost it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);
/// How long a host that has never answered is tried: most likely its name is wrong.
const FIRST_CONTACT: Duration = Duration::from_secs(15);
/// How long one is asked that takes requests and has never answered any: something between may hold back the first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(300);
/// From which try on a wait is worth a message.
const LOGGED_FROM_TRY: u32 = 4;
/// Answers hold a few rows or a chunk of at most 25 MiB.
const LONGEST_RESPONSE: usize = 64 * 1024 * 1024;
/// Of an answer that is an error, this much is read: it is words for people.
const LONGEST_ERROR: usize = 1024 * 1024;

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST` …
    pub method: Method,
    /// The path with its query, with or without a slash in front.
    pub path: String,
    /// What kind of body it is and expects.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
    /// How urgent it is.
    pub priority: Priority,
}

impl Request {
    /// A `GET` of JSON.
    pub fn get(path: impl Into<String>) -> Self {
        let content_type = "application/json";
        Self { method: Method::GET, path: path.into(), content_type, body: Bytes::new(), priority: Priority::Normal }
    }

    /// A `POST` of JSON.
    pub fn post(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { method: Method::POST, body: body.into(), ..Self::get(path) }
    }

    /// The same, of this urgency.
    #[must_use]
    pub fn with_priority(self, priority: Priority) -> Self {
        Self { priority, ..self }
    }
}

/// What came of a request that was made.
#[derive(Debug)]
pub enum Sent {
    /// It was answered.
    Answered(Response),
    /// It may have arrived and done its work; why nobody knows.
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
    /// The workspace's number, as its header.
    workspace_number: Option<HeaderValue>,
    rate_limit: RateLimit,
    /// Whether the host has ever answered: then its name is right, and what fails now passes.
    has_answered: AtomicBool,
}

impl HttpClient {
    /// A client for the workspace of `settings`. No connection is made yet.
    pub fn new(
        settings: &DatabricksSettings,
        tokens: Arc<dyn TokenProvider>,
        patience: &Patience,
    ) -> Result<HttpClient> {
        let timeout = REQUEST_TIMEOUT.min(patience.databricks_retry / 4);
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT.min(patience.databricks_retry / 4))
            .timeout(timeout)
            // A redirection leads to a login page: there is no workspace, or it is behind a private link.
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never());
        if settings.is_on_this_machine() {
            builder = builder.no_proxy();
        }
        let unprepared = |error| {
            Error::config(
                "The connection to Databricks could not be prepared: check that the proxy in HTTPS_PROXY is an address.",
            )
            .with_source(error)
        };
        let trust = if settings.https { Trust::found()? } else { Trust::nobody() };
        let authorities: Result<Vec<_>, _> = trust.certificates().map(Certificate::from_der).collect();
        let client = builder.tls_certs_only(authorities.map_err(unprepared)?).build().map_err(unprepared)?;
        Ok(Self {
            client,
            address: settings.address(),
            workspace: Workspace::new(settings),
            tokens,
            retry: patience.databricks_retry,
            timeout,
            workspace_number: settings.workspace.as_ref().and_then(|number| HeaderValue::try_from(number).ok()),
            rate_limit: RateLimit::default(),
            has_answered: AtomicBool::new(false),
        })
    }

    /// The workspace and the compute that errors name.
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// How long one request may take before its answer counts as lost.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Makes one request. A token that is refused is looked up once more; if that helps nothing, the answer that
    /// refuses it comes back.
    ///
    /// # Errors
    /// A transient one where no whole answer came and the request may or may not have done its work; one of the
    /// configuration where the host cannot be meant, and nothing was sent.
    pub async fn send(&self, request: &Request) -> Result<Response> {
        match self.try_send(request).await? {
            Sent::Answered(response) => Ok(response),
            Sent::Unknown(error) => Err(error),
        }
    }

    /// Makes one request like [`HttpClient::send`], and tells apart whether it may have arrived.
    ///
    /// # Errors
    /// As for `send`, where nothing has arrived.
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

    /// Waits for a request that may have arrived, and was not answered: as long as for any outage where the host has
    /// answered before.
    pub fn waits(&self) -> Waits {
        Waits::of_retries(if self.is_known() { self.retry } else { FIRST_ANSWER.min(self.retry) })
    }

    /// Makes one request, of a host that has not answered yet again and again while it does not arrive.
    async fn send_until_connected(&self, request: &Request) -> Result<Response, NoResponse> {
        let mut waits = Waits::of_retries(FIRST_CONTACT.min(self.retry));
        loop {
            match self.send_authenticated(request).await {
                Err(no_response) if !self.is_known() && no_response.is_unreachable() && waits.another(None).await => {}
                ended => return ended,
            }
        }
    }

    /// Makes a request that may arrive more than once, again and again while the server is overloaded, under
    /// maintenance or out of reach. Any other answer comes back, whatever its status.
    ///
    /// # Errors
    /// What the last try said, when patience is over; at once what no waiting cures.
    pub async fn repeat(&self, request: &Request) -> Result<Response> {
        match self.send_until_answered(request, true).await? {
            Sent::Answered(response) => Ok(response),
            Sent::Unknown(error) => Err(error),
        }
    }

    /// Makes a request that must not do its work twice: again and again like [`HttpClient::repeat`] only while it has surely
    /// not been taken.
    ///
    /// # Errors
    /// What the last try said, when patience is over; at once what no waiting cures. It was not taken.
    pub async fn submit(&self, request: &Request) -> Result<Sent> {
        self.send_until_answered(request, false).await
    }

    async fn send_until_answered(&self, request: &Request, may_repeat: bool) -> Result<Sent> {
        let mut usual = Waits::of_retries(self.retry);
        let mut first_contact = Waits::of_retries(FIRST_CONTACT.min(self.retry));
        let mut first_answer = self.waits();
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
            if !waits.another(asked).await {
                return Err(failed);
            }
            if tries.is_power_of_two() && tries >= LOGGED_FROM_TRY {
                tracing::info!("Still waiting for Databricks after {tries} tries: {failed}");
            }
        }
        Err(Error::system("Databricks was asked more often than can be counted."))
    }

    /// Whether the host has ever answered.
    pub fn is_known(&self) -> bool {
        self.has_answered.load(Ordering::Relaxed)
    }

    async fn send_authenticated(&self, request: &Request) -> Result<Response, NoResponse> {
        let token = self.tokens.token().await?;
        let response = self.send_once(request, token.expose()).await?;
        let refused = matches!(response.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            && conditions::is_refused_token(&ServerError::of_response(&response));
        if refused {
            self.tokens.forget(&token).await;
            let token = self.tokens.token().await?;
            return self.send_once(request, token.expose()).await;
        }
        Ok(response)
    }

    async fn send_once(&self, request: &Request, token: &str) -> Result<Response, NoResponse> {
        let login = match self.workspace.is_databricks() {
            true => format!("Bearer {token}"),
            false => format!("Basic {}", BASE64.encode(format!("token:{token}"))),
        };
        let mut login = HeaderValue::try_from(login)
            .map_err(|_| Error::config("The Databricks token has signs that no token has: copy it again."))?;
        login.set_sensitive(true);
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
        let mut response = asked.send().await.map_err(no_response::classify)?;
        self.has_answered.store(true, Ordering::Relaxed);
        let is_error = !response.status().is_success();
        let too_long = || {
            Error::system(format!(
                "{} sent an answer of more than 64 MiB, which nobody asked for.",
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

/// Whether a request that was answered by `status`, which is no success, may have done its work all the same. Official
/// clients send a statement again on just these two that say no (databricks-sql-python, `DatabricksRetryPolicy`).
pub(super) fn may_have_been_taken(status: u16) -> bool {
    !matches!(status, 429 | 503)
}
