//! Requests that the object store has no verb for: properties and creation of the container, deletion of one blob, the state of a copy.
//!
//! They go through the same client and are signed by object_store's own code: the official crate `azure_storage_blob` (1.1) knows
//! neither account keys nor credentials but its own.

use std::sync::Arc;
use std::time::Duration;

use object_store::azure::{AzureAuthorizer, AzureCredentialProvider};
use object_store::client::{HttpClient, HttpRequest, HttpResponse};
use object_store::path::Path;
use object_store::{Error, Result};
use url::Url;

use crate::config::AzureSettings;
use crate::error::{Error as OwnError, Result as OwnResult};
use crate::retry::Backoff;
use crate::storage::bucket::Failure;

/// What object_store's own errors name this store.
const STORE: &str = "MicrosoftAzure";

/// Makes requests to one container.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    client: HttpClient,
    credentials: AzureCredentialProvider,
    account: Arc<str>,
    container: Url,
    deadline: Duration,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) method: &'static str,
    /// The blob; `None` for the container.
    pub(super) path: Option<&'a Path>,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) headers: &'a [(&'static str, &'a str)],
}

impl Requests {
    pub(super) fn new(
        settings: &AzureSettings,
        client: HttpClient,
        credentials: AzureCredentialProvider,
        deadline: Duration,
    ) -> OwnResult<Self> {
        let container = Url::parse(&format!("{}/{}", settings.address.endpoint, settings.container));
        let container = container.map_err(|error| {
            OwnError::config("The Azure settings make no usable address. Check account, container and endpoint.")
                .with_source(error)
        })?;
        Ok(Self { client, credentials, account: settings.account.as_str().into(), container, deadline })
    }

    /// The path of the URL of the blob `path`, as it stands in requests.
    pub(super) fn url_path(&self, path: &Path) -> String {
        self.url(Some(path)).path().to_owned()
    }

    fn url(&self, path: Option<&Path>) -> Url {
        let mut url = self.container.clone();
        if let (Some(path), Ok(mut segments)) = (path, url.path_segments_mut()) {
            segments.extend(path.parts());
        }
        url
    }

    /// Sends a request, again while the server is overloaded or does not answer; an answer that is no success is an error.
    pub(super) async fn send(&self, asked: Asked<'_>) -> Result<HttpResponse> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5), Some(self.deadline));
        loop {
            let error = match self.send_once(asked).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let failure = Failure::of(&error);
            let is_busy = matches!(failure.status, Some(429 | 500..=599)) && failure.explained.is_none();
            if !(is_busy || failure.is_cut()) || !backoff.wait(None).await {
                return Err(error);
            }
        }
    }

    async fn send_once(&self, asked: Asked<'_>) -> Result<HttpResponse> {
        let mut url = self.url(asked.path);
        if !asked.query.is_empty() {
            url.query_pairs_mut().extend_pairs(asked.query);
        }
        let mut request = HttpRequest::new(Vec::new().into());
        let invalid = |error: &str| Error::Generic { store: STORE, source: error.to_owned().into() };
        *request.method_mut() = asked.method.parse().map_err(|_| invalid("a method"))?;
        *request.uri_mut() = url.as_str().parse().map_err(|_| invalid("an address"))?;
        let length = [("content-length", "0")];
        for (name, value) in asked.headers.iter().chain(&length) {
            request.headers_mut().insert(*name, value.parse().map_err(|_| invalid("a header"))?);
        }
        let credential = self.credentials.get_credential().await?;
        AzureAuthorizer::new(&credential, &self.account).try_authorize(&mut request)?;
        let wrapped = |source| Error::Generic { store: STORE, source };
        let answer = self.client.execute(request).await.map_err(|error| wrapped(Box::new(error)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = answer.into_body().bytes().await.map_err(|error| wrapped(Box::new(error)))?;
        // In the words in which the object store reports it.
        let text = format!("Server returned non-2xx status code: {status}: {}", String::from_utf8_lossy(&body));
        Err(wrapped(text.into()))
    }
}
