//! Requests to the cloud's storage by URLs that the workspace has signed. They never carry this program's token, and no message shows a
//! URL: it is a secret while it is valid.

use std::time::Duration;

use object_store::PutPayload;
use object_store::client::HttpRequestBody;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, RANGE};
use reqwest::{Body, Certificate, Client, Method, redirect};
use serde_json::Value;

use crate::error::{Error, Result, code};
use crate::retry::Backoff;
use crate::tls::Trust;

const USER_AGENT: &str = concat!("destination-databricks/", env!("CARGO_PKG_VERSION"));
const CONNECT: Duration = Duration::from_secs(10);
/// A part may be sent at 100 kB/s.
const SLOWEST: u64 = 100_000;
const SHORTEST: Duration = Duration::from_secs(60);
/// How much of an error is read.
const LONGEST_ERROR: usize = 64 * 1024;

/// A URL that the workspace has signed, with the headers that belong to it.
#[derive(Clone)]
pub(super) struct SignedUrl {
    url: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl SignedUrl {
    /// As the workspace gives it: `{"url", "headers": [{"name", "value"}]}`.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let url = value.get("url")?.as_str()?.to_owned();
        let headers = value.get("headers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let header = |header: &Value| {
            let text = |name: &str| header.get(name).and_then(Value::as_str);
            Some((text("name")?.parse().ok()?, text("value")?.parse().ok()?))
        };
        Some(Self { url, headers: headers.iter().filter_map(header).collect() })
    }
}

/// What the cloud's storage answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is done; the tag of the part.
    Done(String),
    /// So many bytes of a file that goes up piece by piece are there.
    Received(u64),
    /// The URL has expired.
    Expired,
    /// It refuses the request, for this reason.
    Refused(String),
    /// It cannot be reached, for this reason.
    Unreachable(String),
}

/// A client of the cloud's storage.
pub(super) struct Cloud {
    client: Client,
    is_encrypted: bool,
    deadline: Duration,
}

impl Cloud {
    /// `deadline`: how long a request is repeated. Without encryption only where the workspace has none either.
    pub(super) fn new(is_encrypted: bool, deadline: Duration) -> Result<Self> {
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT.min(deadline / 3))
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .http1_only()
            .https_only(is_encrypted);
        let builder = if is_encrypted { builder } else { builder.no_proxy() };
        let unprepared = |error| {
            Error::config(
                "The connection to the cloud's storage could not be prepared: check that the proxy in HTTPS_PROXY is an address.",
            )
            .with_source(error)
        };
        let trust = if is_encrypted { Trust::found()? } else { Trust::nobody() };
        let authorities: Result<Vec<_>, _> = trust.certificates().map(Certificate::from_der).collect();
        let client = builder.tls_certs_only(authorities.map_err(unprepared)?).build().map_err(unprepared)?;
        Ok(Self { client, is_encrypted, deadline })
    }

    /// Sends a part.
    pub(super) async fn put(&self, url: &SignedUrl, payload: &PutPayload, deadline: Option<Duration>) -> Answer {
        self.repeat(url, Method::PUT, payload, None, deadline).await
    }

    /// Sends bytes of a file that goes up piece by piece. `range`: which, and of how many, as in `bytes 0-9/*`. Once: after a failure,
    /// the storage has to be asked what has arrived.
    pub(super) async fn put_piece(&self, url: &SignedUrl, payload: &PutPayload, range: &str) -> Answer {
        match self.once(url, Method::PUT, payload, Some(range)).await {
            Ok(answer) => answer,
            Err(why) => Answer::Unreachable(why),
        }
    }

    /// Asks how much of such a file has arrived.
    pub(super) async fn ask(&self, url: &SignedUrl, deadline: Option<Duration>) -> Answer {
        self.repeat(url, Method::PUT, &PutPayload::new(), Some("bytes */*"), deadline).await
    }

    /// Aborts an upload.
    pub(super) async fn delete(&self, url: &SignedUrl) -> Answer {
        self.repeat(url, Method::DELETE, &PutPayload::new(), None, None).await
    }

    async fn repeat(
        &self,
        url: &SignedUrl,
        method: Method,
        payload: &PutPayload,
        range: Option<&str>,
        deadline: Option<Duration>,
    ) -> Answer {
        let deadline = deadline.unwrap_or(self.deadline).min(self.deadline);
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5), Some(deadline));
        loop {
            match self.once(url, method.clone(), payload, range).await {
                Ok(answer) => return answer,
                Err(why) if !backoff.wait(None).await => return Answer::Unreachable(why),
                Err(why) => tracing::debug!("A request to the cloud's storage is repeated: {why}"),
            }
        }
    }

    /// An error is worth another try.
    async fn once(
        &self,
        url: &SignedUrl,
        method: Method,
        payload: &PutPayload,
        range: Option<&str>,
    ) -> Result<Answer, String> {
        if self.is_encrypted && !url.url.starts_with("https://") {
            return Ok(Answer::Refused("its URL is not one of https".to_owned()));
        }
        let length = payload.content_length() as u64;
        let asked = self.client.request(method, &url.url).timeout(SHORTEST + Duration::from_secs(length / SLOWEST));
        let mut asked = asked.body(Body::wrap(HttpRequestBody::from(payload.clone())));
        let has_type = url.headers.iter().any(|(name, _)| *name == CONTENT_TYPE);
        if !has_type {
            asked = asked.header(CONTENT_TYPE, "application/octet-stream");
        }
        for (name, value) in &url.headers {
            asked = asked.header(name, value);
        }
        if let Some(range) = range {
            asked = asked.header(CONTENT_RANGE, range);
        }
        // A URL must not get into a log.
        let mut answer = asked.send().await.map_err(|error| cause(error.without_url()))?;
        let header =
            |name: HeaderName| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let status = answer.status().as_u16();
        match status {
            200..=299 => return Ok(Answer::Done(header(ETAG).unwrap_or_default())),
            308 => return Ok(Answer::Received(received(header(RANGE).as_deref()))),
            _ => {}
        }
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = answer.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST_ERROR {
                break;
            }
        }
        let said = String::from_utf8_lossy(&body);
        let name = said.split_once("<Code>").and_then(|(_, rest)| code(rest.split_once('<')?.0));
        let why = format!("status {status}, {}", name.unwrap_or("no code"));
        match status {
            400 | 403 if is_expired(&said) => Ok(Answer::Expired),
            408 | 429 | 500..=599 => Err(why),
            _ => Ok(Answer::Refused(why)),
        }
    }
}

/// What S3 and Azure say of a URL that has expired, or whose signer's own token has.
fn is_expired(said: &str) -> bool {
    let all = ["Request has expired", "Signature not valid in the specified time frame", "<Code>ExpiredToken</Code>"];
    all.iter().any(|words| said.contains(words))
}

/// How many bytes the header `Range: bytes=0-9` says.
fn received(range: Option<&str>) -> u64 {
    let last = range.and_then(|range| range.strip_prefix("bytes=0-")).and_then(|last| last.parse::<u64>().ok());
    last.map_or(0, |last| last.saturating_add(1))
}

fn cause(error: reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
