//! Azure Blob Storage: from settings to a bucket.
//!
//! Identity: `credentials` gives signatures and keys, `tokens` those of Microsoft Entra, `sas` reads what a shared access signature may do. Requests: `bucket::http` is the
//! client, `answers` gives its answers what the object store looks for, `store` is the object store, with deletes and copies as Azure
//! needs them, `requests` makes what an object store has no verb for, `unfinished` drops uploads that were never ended, `container` finds or creates the container. Errors: `conditions`
//! and `rows` are the table of what answers mean, `provider` makes sentences of them.

mod answers;
mod conditions;
mod container;
mod credentials;
mod listings;
mod provider;
mod requests;
mod rows;
mod sas;
mod store;
mod tokens;
mod unfinished;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::ClientOptions;
use object_store::ObjectStoreExt;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{HttpClient, HttpConnector, HttpResponse};
use object_store::path::Path;
use object_store::{BackoffConfig, RetryConfig};

use self::answers::{Answers, Heard};
use self::conditions::ContainerAddress;
use self::credentials::Credentials;
use self::provider::{Azure, SignedIn};
use self::requests::Requests;
use self::store::AzureStore;
use self::tokens::Renewing;
use super::bucket::http::{Connector, Dialect};
use super::bucket::{Action, Failure, Remote, explained};
use super::{Storage, bucket};
use crate::config::{AzureIdentity, AzureSettings, Timeouts, Tuning};
use crate::error::{Error, Result};
use crate::redirect;
use crate::tls::Trust;

/// A request without an answer after this time is repeated; a part may be sent at 100 kB/s.
const REQUEST: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(8);
/// Azure's requests and responses. Source: <https://learn.microsoft.com/rest/api/storageservices/list-blobs>.
pub(super) const DIALECT: Dialect = Dialect {
    name: "Azure Blob Storage",
    endpoint: "data_source.azure_blob_storage_endpoint_domain_name",
    list_query: "comp=list",
    page_query: "marker=",
    next_page: "<NextMarker>",
    names: &["<Blob>", "<BlobPrefix>"],
    redirected,
};

/// Opens the container of `settings`; creates it where it is missing and that is allowed.
pub(super) async fn open(settings: &AzureSettings, tuning: &Tuning) -> Result<Storage> {
    let timeouts = &tuning.timeouts;
    let is_plain = settings.address.endpoint.starts_with("http://");
    let asks_entra = !matches!(settings.identity, AzureIdentity::Sas(_) | AzureIdentity::Key(_));
    let connector = Connector {
        request: REQUEST.min(one_try(timeouts)),
        connect: CONNECT.min(one_try(timeouts)),
        idle: IDLE,
        plain: is_plain,
        is_here: settings.address.is_here,
        trust: if is_plain && !asks_entra { Trust::nobody() } else { Trust::found()? },
        dialect: DIALECT,
    };
    let unusable = |error| {
        Error::config("The Azure settings make no usable address. Check account, container and endpoint.")
            .with_source(error)
    };
    let heard = Arc::new(Heard::default());
    let options = ClientOptions::new().with_allow_http(is_plain);
    let client = connector.connect(&options).map_err(unusable)?;
    let signed_by = credentials::of(settings, &connector, timeouts)?;
    let client = match &signed_by {
        Credentials::Fixed(_) => client,
        Credentials::Tokens(tokens) => HttpClient::new(Renewing::new(client, Arc::clone(tokens))),
    };
    let client = HttpClient::new(Answers::new(client, Arc::clone(&heard)));
    let credentials = signed_by.provider();
    let store = MicrosoftAzureBuilder::new()
        .with_account(&settings.account)
        .with_container_name(&settings.container)
        .with_endpoint(settings.address.endpoint.clone())
        .with_credentials(Arc::clone(&credentials))
        .with_allow_http(is_plain)
        .with_http_connector(OneWay(client.clone()))
        .with_retry(retry(timeouts))
        .build()
        .map_err(unusable)?;
    let requests = Requests::new(settings, client, credentials, timeouts.request_retry)?;
    let store = Arc::new(AzureStore::new(store, requests.clone(), Arc::clone(&heard), settings.address.is_here));
    let root = Path::parse(&settings.path).map_err(|error| {
        Error::config(format!("`data_source.azure_base_path` {} is no path of a container: correct it.", settings.path))
            .with_source(error)
    })?;
    let provider = Azure { address: ContainerAddress::of(settings), signed_in: SignedIn::of(settings), heard };
    container::ensure(&requests, &provider).await?;
    provider.judge_signature()?;
    let remote = AzureRemote { store: Arc::clone(&store), requests, provider: provider.clone() };
    Ok(bucket::open(store, Some(Box::new(remote)), Box::new(provider), root, tuning))
}

/// A connector that gives every client the same HTTP client.
#[derive(Debug)]
struct OneWay(HttpClient);

impl HttpConnector for OneWay {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}

/// What an object store has no verb for.
struct AzureRemote {
    store: Arc<AzureStore>,
    requests: Requests,
    provider: Azure,
}

impl Remote for AzureRemote {
    // A copy inside an account moves no bytes, whatever its size.
    fn copy_large<'a>(&'a self, from: &'a Path, to: &'a Path, _size: u64) -> BoxFuture<'a, Result<()>> {
        async {
            let copied = self.store.copy(from, to).await;
            copied.map_err(|error| explained(&self.provider, Action::Copy, to, &Failure::of(&error)).with_source(error))
        }
        .boxed()
    }

    // Copies, which are all that has names with a `part`, are single requests: none is left unfinished.
    fn remove_unfinished<'a>(&'a self, folder: &'a Path, part: &'a str) -> BoxFuture<'a, Result<()>> {
        async move {
            if !part.is_empty() {
                return Ok(());
            }
            let removed = unfinished::remove(&self.requests, folder).await;
            removed.map_err(|error| {
                explained(&self.provider, Action::ListUploads, folder, &Failure::of(&error)).with_source(error)
            })
        }
        .boxed()
    }
}

/// The error of an answer that redirects a request to `address`.
fn redirected(answer: &HttpResponse, address: &str) -> Option<Error> {
    let status = answer.status().as_u16();
    let location = answer.headers().get("location").and_then(|value| value.to_str().ok());
    let location = location.filter(|_| redirect::is_one(status))?;
    Some(Error::config(format!(
        "The server at {} redirects requests to {} (status {status}), and this program follows no redirections: set \
         `{}` to the address of the account itself.",
        redirect::address(address, ""),
        redirect::address(location, address),
        DIALECT.endpoint,
    )))
}

/// One try gets at least this time, however short the deadline is.
const SHORTEST_TRY: Duration = Duration::from_millis(500);

/// The longest time for one try: a request without an answer must be repeated before the deadline.
fn one_try(timeouts: &Timeouts) -> Duration {
    (timeouts.request_retry / 3).max(SHORTEST_TRY)
}

/// The deadline decides when to give up, not a number of tries.
fn retry(timeouts: &Timeouts) -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(15).min(timeouts.request_retry / 4),
        base: 2.,
    };
    RetryConfig { backoff, max_retries: usize::MAX, retry_timeout: timeouts.request_retry }
}
