//! The way to the store: what can never come about is an answer, and not asked for again until the deadline.
//!
//! The object store repeats whatever failed while connecting. A server that speaks no TLS, whose certificate is not good, or
//! that speaks first, is the same the next time: its error is given on as one of a kind that is not repeated. Whether
//! anything has come from the store before is known here alone: a name that leads nowhere then is a passing thing.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

use super::errors::{Answer, NAME_LOST, SPOKE_FIRST, Silence};

/// Connects like the object store itself, but for such errors.
#[derive(Debug)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Way {
            client: ReqwestConnector::default().connect(options)?,
            answered: AtomicBool::default(),
        }))
    }
}

#[derive(Debug)]
struct Way {
    client: HttpClient,
    /// Whether there was ever an answer.
    answered: AtomicBool,
}

#[async_trait]
impl HttpService for Way {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.client.execute(request).await;
        let before = self.answered.fetch_or(answer.is_ok(), Ordering::Relaxed);
        answer.map_err(|error| told(error, before))
    }
}

/// The error as the object store is to take it, where there was an answer `before` or not.
fn told(error: HttpError, before: bool) -> HttpError {
    let saying = |text: &str| std::io::Error::other(format!("{text}: {error}"));
    if Answer::is_hopeless(&error) {
        HttpError::new(HttpErrorKind::Unknown, error)
    } else if !before && Answer::spoke_first(&error) {
        HttpError::new(HttpErrorKind::Unknown, saying(SPOKE_FIRST))
    } else if before && Answer::of(&error).silence == Some(Silence::UnknownHost) {
        HttpError::new(error.kind(), saying(NAME_LOST))
    } else {
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &'static str, before: bool) -> Answer {
        let error = told(HttpError::new(HttpErrorKind::Connect, std::io::Error::other(text)), before);
        Answer::of(&object_store::Error::Generic { store: "S3", source: Box::new(error) })
    }

    #[test]
    fn a_name_that_is_lost_is_told_from_one_that_never_was() {
        let lookup = "dns error: failed to lookup address information";
        assert_eq!(answer(lookup, false).silence, Some(Silence::UnknownHost));
        assert_eq!(answer(lookup, true).silence, Some(Silence::LostHost));
        assert_eq!(answer("tcp connect error", true).silence, Some(Silence::Refused));
    }

    #[test]
    fn a_server_that_speaks_first_is_no_s3_unless_it_answered_before() {
        let unasked = "client error (SendRequest): received unexpected message from connection";
        assert!(answer(unasked, false).foreign && !answer(unasked, false).is_cut());
        assert!(!answer(unasked, true).foreign && answer(unasked, true).is_cut());
    }
}
