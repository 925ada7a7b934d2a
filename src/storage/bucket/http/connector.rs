//! The HTTP connector. It marks permanent connection failures (no TLS, invalid certificate) as not retryable.
//!
//! The object store repeats every request that failed while connecting. A server that speaks no TLS, has an invalid certificate
//! or speaks first will do the same the next time. Only this connector knows whether the store has answered before: then a
//! host name that cannot be resolved is a transient failure. A redirection is an error with the address it names, since a
//! signature is for one host. `answers` limits the length of answers, `pages` the length of listings.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use reqwest::{Certificate, Client, redirect};

use super::Dialect;
use super::answers::Asked;
use super::pages::Listings;
use crate::storage::bucket::{Failure, NoAnswer, Recognized, causes};
use crate::tls::Trust;

const USER_AGENT: &str = concat!("destination-databricks/", env!("CARGO_PKG_VERSION"));

/// Connects like the object store's own connector, except for such errors.
#[derive(Debug, Clone)]
pub(in crate::storage) struct Connector {
    /// How long a whole request may take, its answer included.
    pub(in crate::storage) request: Duration,
    /// How long a connection may take.
    pub(in crate::storage) connect: Duration,
    /// How long an idle connection is kept.
    pub(in crate::storage) idle: Duration,
    /// Whether requests may go unencrypted.
    pub(in crate::storage) plain: bool,
    /// Whether the store runs on this machine: no proxy of the environment is used then.
    pub(in crate::storage) is_here: bool,
    /// Which certificate authorities are trusted.
    pub(in crate::storage) trust: Trust,
    /// The kind of bucket.
    pub(in crate::storage) dialect: Dialect,
}

impl Connector {
    /// A client of its own.
    pub(in crate::storage) fn client(&self) -> reqwest::Result<Client> {
        let authorities: Result<Vec<_>, _> = self.trust.certificates().map(Certificate::from_der).collect();
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .timeout(self.request)
            .connect_timeout(self.connect)
            .pool_idle_timeout(self.idle)
            .redirect(redirect::Policy::none())
            .tls_certs_only(authorities?)
            .http1_only()
            .https_only(!self.plain);
        if self.is_here { builder.no_proxy().build() } else { builder.build() }
    }

    /// The header `name` of the answer to a HEAD of `url`, and the status.
    pub(in crate::storage) async fn header_of(
        &self,
        url: &str,
        name: &str,
    ) -> Result<(u16, Option<String>), HttpError> {
        let asked = async { self.client()?.head(url).send().await };
        let answer = asked.await.map_err(|error| {
            let kind = match error.is_timeout() {
                true => HttpErrorKind::Timeout,
                false if error.is_connect() => HttpErrorKind::Connect,
                false => HttpErrorKind::Unknown,
            };
            HttpError::new(kind, error.without_url())
        })?;
        let value = answer.headers().get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
        Ok((answer.status().as_u16(), value))
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = self.client();
        let client = client
            .map_err(|error| object_store::Error::Generic { store: self.dialect.name, source: Box::new(error) })?;
        Ok(HttpClient::new(CheckedClient {
            client: HttpClient::new(client),
            answered: AtomicBool::default(),
            listings: Listings::default(),
            dialect: self.dialect,
        }))
    }
}

#[derive(Debug)]
struct CheckedClient {
    client: HttpClient,
    /// Whether there was ever an answer.
    answered: AtomicBool,
    listings: Listings,
    dialect: Dialect,
}

#[async_trait]
impl HttpService for CheckedClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let asked = Asked::of(&request, self.dialect);
        let answer = self.client.execute(request).await;
        let before = self.answered.fetch_or(answer.is_ok(), Ordering::Relaxed);
        let answer = answer.map_err(|error| mark_permanent(error, before))?;
        if let Some(error) = (self.dialect.redirected)(&answer, asked.address()) {
            return Err(HttpError::new(HttpErrorKind::Unknown, error));
        }
        asked.bounded(answer, &self.listings).await
    }
}

/// `error` for the object store: not retryable if it is permanent; `before`: whether the store has answered before.
fn mark_permanent(error: HttpError, before: bool) -> HttpError {
    if is_permanent(&error) {
        HttpError::new(HttpErrorKind::Unknown, error)
    } else if !before && spoke_first(&error) {
        let text = format!("the server sent something before it was asked: {error}");
        HttpError::new(HttpErrorKind::Unknown, Recognized::Foreign(text))
    } else if before && Failure::of(&error).no_answer == Some(NoAnswer::UnknownHost) {
        let text = format!("the host name could be resolved before: {error}");
        HttpError::new(error.kind(), Recognized::NoAnswer(NoAnswer::LostHost, text))
    } else {
        error
    }
}

/// Whether another try meets the same: the server speaks no TLS, or its certificate is not valid.
fn is_permanent(error: &HttpError) -> bool {
    causes(error).map(|error| error.to_string().to_ascii_lowercase()).any(|text| {
        // A handshake that breaks is not permanent.
        text.contains("invalidcontenttype") || text.contains("invalid peer certificate")
    })
}

/// Whether the server spoke before it was asked, as no store does. A connection that was idle may be closed with such words.
fn spoke_first(error: &HttpError) -> bool {
    causes(error).map(ToString::to_string).any(|text| text.contains("received unexpected message from connection"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(text: &'static str, before: bool) -> Failure {
        let error = mark_permanent(HttpError::new(HttpErrorKind::Connect, std::io::Error::other(text)), before);
        Failure::of(&object_store::Error::Generic { store: "S3", source: Box::new(error) })
    }

    #[test]
    fn a_name_that_is_lost_is_told_from_one_that_never_was() {
        let lookup = "dns error: failed to lookup address information";
        assert_eq!(failure(lookup, false).no_answer, Some(NoAnswer::UnknownHost));
        assert_eq!(failure(lookup, true).no_answer, Some(NoAnswer::LostHost));
        assert_eq!(failure("tcp connect error", true).no_answer, Some(NoAnswer::Refused));
    }

    #[test]
    fn only_errors_that_stay_are_permanent() {
        let is_permanent =
            |text: &'static str| is_permanent(&HttpError::new(HttpErrorKind::Connect, std::io::Error::other(text)));
        assert!(is_permanent("received corrupt message of type InvalidContentType"));
        assert!(is_permanent("invalid peer certificate: UnknownIssuer"));
        assert!(!is_permanent("tls handshake eof") && !is_permanent("tcp connect error"));
    }

    #[test]
    fn a_server_that_speaks_first_is_no_store_unless_it_answered_before() {
        let unasked = "client error (SendRequest): received unexpected message from connection";
        assert!(failure(unasked, false).foreign && !failure(unasked, false).is_cut());
        assert!(!failure(unasked, true).foreign && failure(unasked, true).is_cut());
    }
}
