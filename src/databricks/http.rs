//! Requests to one Databricks workspace: signed in, named, bounded in time and size.
//!
//! [`HttpClient::send`] makes one request. [`HttpClient::repeat`] makes it again for as long as its timeout allows where the
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
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, Method, StatusCode, redirect};
use serde::de::DeserializeOwned;

use super::conditions::{self, Place};
use super::pace::{Pace, Turn};
use super::said::Said;
use super::token::TokenProvider;
use super::unreached::{self, Unreached};
use crate::config::{DatabricksSettings, Timeouts};
use crate::error::{Error, Result};
use crate::retry::Backoff;
use crate::tls::Trust;

/// How products name themselves to Databricks.
const USER_AGENT: &str = concat!("destination-databricks/", env!("CARGO_PKG_VERSION"));
/// Says which workspace is meant where several share a host; without it such a host leads to a login page. Official clients send
/// it with every request (databricks-sql-python, `session.py`), and others take no notice of it.
const WORKSPACE: &str = "x-databricks-org-id";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// A request that has no answer after so long has lost it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);
/// How long a host that has never answered is tried: most likely its name is wrong.
const FIRST_CONTACT: Duration = Duration::from_secs(15);
/// How long one is asked that takes requests and has never answered any: something between may hold back the first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(300);
/// From which try on a wait is worth a message.
const TOLD: u32 = 4;
/// Answers hold a few rows or a chunk of at most 25 MiB.
const LONGEST_ANSWER: usize = 64 * 1024 * 1024;
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
    pub turn: Turn,
}

impl Request {
    /// A `GET` of JSON.
    pub fn get(path: impl Into<String>) -> Self {
        let content_type = "application/json";
        Self { method: Method::GET, path: path.into(), content_type, body: Bytes::new(), turn: Turn::Next }
    }

    /// A `POST` of JSON.
    pub fn post(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { method: Method::POST, body: body.into(), ..Self::get(path) }
    }

    /// The same, of this urgency.
    #[must_use]
    pub fn at(self, turn: Turn) -> Self {
        Self { turn, ..self }
    }
}

/// What the server answered, whatever it says.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// What was asked: the address without the query.
    pub address: String,
}

/// What came of a request that was made.
#[derive(Debug)]
pub enum Sent {
    /// It was answered.
    Answered(Answer),
    /// It may have arrived and done its work; why nobody knows.
    Unknown(Error),
}

impl Answer {
    /// The body as JSON of the shape `T`.
    ///
    /// # Errors
    /// That something else than Databricks answers there, or a Databricks that this program does not know.
    pub fn json<T: DeserializeOwned>(&self, place: &Place) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // The library's own words may hold values; where it failed does not.
            let at = format!("line {}, column {} of {} bytes", error.line(), error.column(), self.body.len());
            Error::system(format!(
                "{} answered something that is no answer of Databricks: check `databricks_server_hostname` and \
                 `databricks_http_path`, and whether a proxy answers in its place.",
                place.host
            ))
            .with_source(at)
        })
    }
}

/// A client of one workspace. Cheap to share; connections are kept and used again.
pub struct HttpClient {
    client: Client,
    address: String,
    place: Place,
    tokens: Arc<dyn TokenProvider>,
    retry: Duration,
    /// How long one request may take.
    timeout: Duration,
    /// The workspace's number, as its header.
    workspace: Option<HeaderValue>,
    pace: Pace,
    /// Whether the host has ever answered: then its name is right, and what fails now passes.
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
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT.min(timeouts.databricks_retry / 4))
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
            place: Place::of(settings),
            tokens,
            retry: timeouts.databricks_retry,
            timeout,
            workspace: settings.workspace.as_ref().and_then(|number| HeaderValue::try_from(number).ok()),
            pace: Pace::default(),
            has_answered: AtomicBool::new(false),
        })
    }

    /// The workspace and the compute that errors name.
    pub fn place(&self) -> &Place {
        &self.place
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
    pub async fn send(&self, request: &Request) -> Result<Answer> {
        match self.try_send(request).await? {
            Sent::Answered(answer) => Ok(answer),
            Sent::Unknown(error) => Err(error),
        }
    }

    /// Makes one request like [`HttpClient::send`], and tells apart whether it may have arrived.
    ///
    /// # Errors
    /// As for `send`, where nothing has arrived.
    pub async fn try_send(&self, request: &Request) -> Result<Sent> {
        match self.reached(request).await {
            Ok(answer) => Ok(Sent::Answered(answer)),
            Err(unreached) => {
                let may_have_arrived = unreached.may_have_arrived();
                let error = unreached.into_error(&self.place, self.is_known());
                if may_have_arrived { Ok(Sent::Unknown(error)) } else { Err(error) }
            }
        }
    }

    /// Waits for a request that may have arrived, and was not answered: as long as for any outage where the host has
    /// answered before.
    pub fn waits(&self) -> Backoff {
        Backoff::within(if self.is_known() { self.retry } else { FIRST_ANSWER.min(self.retry) })
    }

    /// Makes one request, of a host that has not answered yet again and again while it does not arrive.
    async fn reached(&self, request: &Request) -> Result<Answer, Unreached> {
        let mut waits = Backoff::within(FIRST_CONTACT.min(self.retry));
        loop {
            match self.signed_in(request).await {
                Err(unreached) if !self.is_known() && unreached.is_away() && waits.wait(None).await => {}
                ended => return ended,
            }
        }
    }

    /// Makes a request that may arrive more than once, again and again while the server is overloaded, under
    /// maintenance or out of reach. Any other answer comes back, whatever its status.
    ///
    /// # Errors
    /// What the last try said, when its timeout has passed; at once what no waiting cures.
    pub async fn repeat(&self, request: &Request) -> Result<Answer> {
        match self.until_answered(request, true).await? {
            Sent::Answered(answer) => Ok(answer),
            Sent::Unknown(error) => Err(error),
        }
    }

    /// Makes a request that must not do its work twice: again and again like [`HttpClient::repeat`] only while it has surely
    /// not been taken.
    ///
    /// # Errors
    /// What the last try said, when its timeout has passed; at once what no waiting cures. It was not taken.
    pub async fn submit(&self, request: &Request) -> Result<Sent> {
        self.until_answered(request, false).await
    }

    async fn until_answered(&self, request: &Request, may_repeat: bool) -> Result<Sent> {
        let mut usual = Backoff::within(self.retry);
        let mut first_contact = Backoff::within(FIRST_CONTACT.min(self.retry));
        let mut first_answer = self.waits();
        for tries in 1_u32.. {
            let known = self.is_known();
            let (waits, failed, asked) = match self.signed_in(request).await {
                Ok(answer) => {
                    if answer.status.is_success() {
                        return Ok(Sent::Answered(answer));
                    }
                    let said = Said::of_answer(&answer);
                    if !conditions::passes(&said) {
                        return Ok(Sent::Answered(answer));
                    }
                    let error = conditions::explain(&said, &self.place);
                    if !may_repeat && may_have_been_taken(answer.status.as_u16()) {
                        return Ok(Sent::Unknown(error));
                    }
                    (&mut usual, error, said.retry_after)
                }
                Err(unreached) => {
                    let waits = match (known, unreached.is_away()) {
                        (true, _) => &mut usual,
                        (false, true) => &mut first_contact,
                        (false, false) => &mut first_answer,
                    };
                    let (lasting, arrived) = (unreached.is_lasting(), unreached.may_have_arrived());
                    let error = unreached.into_error(&self.place, known);
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
            if tries.is_power_of_two() && tries >= TOLD {
                tracing::info!("Still waiting for Databricks after {tries} tries: {failed}");
            }
        }
        Err(Error::system("Databricks was asked more often than can be counted."))
    }

    /// Whether the host has ever answered.
    pub fn is_known(&self) -> bool {
        self.has_answered.load(Ordering::Relaxed)
    }

    async fn signed_in(&self, request: &Request) -> Result<Answer, Unreached> {
        let token = self.tokens.token().await?;
        let answer = self.once(request, token.expose()).await?;
        let refused = matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            && conditions::is_refused_token(&Said::of_answer(&answer));
        if refused {
            self.tokens.forget(&token).await;
            let token = self.tokens.token().await?;
            return self.once(request, token.expose()).await;
        }
        Ok(answer)
    }

    async fn once(&self, request: &Request, token: &str) -> Result<Answer, Unreached> {
        let login = match self.place.is_databricks() {
            true => format!("Bearer {token}"),
            false => format!("Basic {}", BASE64.encode(format!("token:{token}"))),
        };
        let mut login = HeaderValue::try_from(login)
            .map_err(|_| Error::config("The Databricks token has signs that no token has: copy it again."))?;
        login.set_sensitive(true);
        if self.place.is_databricks() {
            self.pace.wait(request.turn).await;
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
        if let Some(workspace) = &self.workspace {
            asked = asked.header(WORKSPACE, workspace);
        }
        let mut response = asked.send().await.map_err(unreached::of)?;
        self.has_answered.store(true, Ordering::Relaxed);
        let is_error = !response.status().is_success();
        let too_long = || {
            Error::system(format!("{} sent an answer of more than 64 MiB, which nobody asked for.", self.place.host))
        };
        if !is_error && response.content_length().is_some_and(|length| length > LONGEST_ANSWER as u64) {
            return Err(too_long().into());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreached::of)? {
            if is_error && body.len() + chunk.len() > LONGEST_ERROR {
                body.extend_from_slice(chunk.get(..LONGEST_ERROR - body.len()).unwrap_or_default());
                break;
            }
            if body.len() + chunk.len() > LONGEST_ANSWER {
                return Err(too_long().into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status: response.status(), headers: response.headers().clone(), body: body.into(), address })
    }
}

/// Whether a request that was answered by `status`, which is no success, may have done its work all the same. Official
/// clients send a statement again on just these two that say no (databricks-sql-python, `DatabricksRetryPolicy`).
pub(super) fn may_have_been_taken(status: u16) -> bool {
    !matches!(status, 429 | 503)
}
