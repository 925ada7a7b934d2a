//! An object store whose answers may be lost: repeats requests that can be repeated, and finds out what has happened.
//!
//! object_store repeats requests that were answered with 5xx. This store handles what object_store cannot know, for this
//! program's own calls and for the Delta kernel's:
//! - a conditional put whose answer was lost finds its own object when it is repeated: equal bytes are its own, since no two
//!   commits have the same bytes;
//! - a listing that breaks continues behind the last name;
//! - any other request whose connection breaks is repeated: all of them are idempotent.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::failure::Failure;
use super::lease_clock::LeaseClock;
use crate::retry::Backoff;

/// What object_store's own errors name this store.
const STORE: &str = "bucket";

/// A store with a deadline for each call.
pub(in crate::storage) struct RetryingStore {
    inner: Arc<dyn ObjectStore>,
    deadline: Duration,
    lease: Arc<LeaseClock>,
}

impl RetryingStore {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, deadline: Duration, lease: Arc<LeaseClock>) -> Self {
        Self { inner, deadline, lease }
    }

    async fn create(&self, location: &Path, payload: &PutPayload, options: &PutOptions) -> Result<PutResult> {
        let held = self.lease.ensure_held();
        held.map_err(|error| Error::Generic { store: STORE, source: Box::new(error) })?;
        match self.inner.put_opts(location, payload.clone(), options.clone()).await {
            Err(Error::AlreadyExists { path, source }) => match self.inner.get(location).await {
                Ok(there) => {
                    let (meta, bytes) = (there.meta.clone(), there.bytes().await?);
                    if bytes != Bytes::from(payload.clone()) {
                        return Err(Error::AlreadyExists { path, source });
                    }
                    Ok(PutResult { e_tag: meta.e_tag, version: meta.version, extensions: Default::default() })
                }
                // Refused because of another request for the same name that then failed.
                Err(Error::NotFound { .. }) => Err(retryable_error("two writers met")),
                Err(error) => Err(error),
            },
            outcome => outcome,
        }
    }
}

fn is_cut<T>(outcome: &Result<T>) -> bool {
    outcome.as_ref().is_err_and(|error| Failure::of(error).is_cut())
}

/// An error that [`Failure::is_cut`] takes for a broken connection, so that the request is repeated.
fn retryable_error(what: &'static str) -> Error {
    let interrupted = std::io::Error::new(std::io::ErrorKind::Interrupted, what);
    let http = object_store::client::HttpError::new(object_store::client::HttpErrorKind::Interrupted, interrupted);
    Error::Generic { store: STORE, source: Box::new(http) }
}

/// Repeats `work` while its connection breaks, until `deadline` has passed.
pub(in crate::storage) async fn retry_while_cut<T, F>(deadline: Duration, work: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut backoff = backoff(deadline);
    loop {
        match work().await {
            Err(error) if Failure::of(&error).is_cut() && backoff.wait(None).await => {
                tracing::debug!("A request is repeated: {error}");
            }
            outcome => return outcome,
        }
    }
}

fn backoff(deadline: Duration) -> Backoff {
    Backoff::new(Duration::from_millis(100), Duration::from_secs(5), Some(deadline))
}

#[async_trait]
impl ObjectStore for RetryingStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        match options.mode {
            PutMode::Create => retry_while_cut(self.deadline, || self.create(location, &payload, &options)).await,
            PutMode::Overwrite => {
                retry_while_cut(self.deadline, || self.inner.put_opts(location, payload.clone(), options.clone())).await
            }
            // Not retried: after a lost answer only the caller can tell whose version is stored.
            PutMode::Update(_) => self.inner.put_opts(location, payload, options).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        retry_while_cut(self.deadline, || self.inner.get_opts(location, options.clone())).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (inner, deadline) = (Arc::clone(&self.inner), self.deadline);
        let chunks = locations.try_chunks(1000).map_err(|error| error.1);
        let deleted = chunks.and_then(move |chunk| {
            let inner = Arc::clone(&inner);
            async move {
                let gone = retry_while_cut(deadline, || {
                    let chunk = stream::iter(chunk.clone()).map(Ok).boxed();
                    let gone = inner.delete_stream(chunk).collect::<Vec<_>>();
                    // A failure is that of one name; a broken connection is that of all names.
                    gone.map(|gone| match gone.into_iter().partition::<Vec<_>, _>(is_cut) {
                        (cut, gone) if cut.is_empty() => Ok(gone),
                        (cut, _) => cut.into_iter().collect::<Result<Vec<Path>>>().map(|_| Vec::new()),
                    })
                });
                gone.await.map(stream::iter)
            }
        });
        deleted.try_flatten().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        listing(Arc::clone(&self.inner), prefix.cloned(), None, self.deadline)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        listing(Arc::clone(&self.inner), prefix.cloned(), Some(offset.clone()), self.deadline)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        retry_while_cut(self.deadline, || self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        retry_while_cut(self.deadline, || self.inner.copy_opts(from, to, options.clone())).await
    }
}

struct Listing {
    inner: Arc<dyn ObjectStore>,
    prefix: Option<Path>,
    /// The last name that was returned.
    last: Option<Path>,
    objects: Option<BoxStream<'static, Result<ObjectMeta>>>,
    /// Begins again with each name.
    backoff: Backoff,
}

fn listing(
    inner: Arc<dyn ObjectStore>,
    prefix: Option<Path>,
    last: Option<Path>,
    deadline: Duration,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let listing = Listing { inner, prefix, last, objects: None, backoff: backoff(deadline) };
    stream::try_unfold(listing, Listing::next).boxed()
}

impl Listing {
    async fn next(mut self) -> Result<Option<(ObjectMeta, Self)>> {
        loop {
            let objects = self.objects.get_or_insert_with(|| match &self.last {
                Some(last) => self.inner.list_with_offset(self.prefix.as_ref(), last),
                None => self.inner.list(self.prefix.as_ref()),
            });
            match objects.next().await {
                None => return Ok(None),
                Some(Ok(object)) => {
                    self.last = Some(object.location.clone());
                    self.backoff.restart();
                    return Ok(Some((object, self)));
                }
                Some(Err(error)) => {
                    if !Failure::of(&error).is_cut() || !self.backoff.wait(None).await {
                        return Err(error);
                    }
                    self.objects = None;
                }
            }
        }
    }
}

impl std::fmt::Debug for RetryingStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl std::fmt::Display for RetryingStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.inner, f)
    }
}
