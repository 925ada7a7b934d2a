//! The way to the store: a connection that can never come about is an answer, and not asked for again until the deadline.
//!
//! The object store repeats whatever failed while connecting. A server that speaks no TLS, or whose certificate is not
//! good, is the same the next time: its error is given on as one of a kind that is not repeated.

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

use super::errors::Answer;

/// Connects like the object store itself, but for hopeless errors.
#[derive(Debug)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Way(ReqwestConnector::default().connect(options)?)))
    }
}

#[derive(Debug)]
struct Way(HttpClient);

#[async_trait]
impl HttpService for Way {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.0.execute(request).await.map_err(|error| {
            if Answer::is_hopeless(&error) { HttpError::new(HttpErrorKind::Unknown, error) } else { error }
        })
    }
}
