//! A store whose answers may be lost on the way: repeats what can be repeated, and finds out what has happened.
//!
//! The store below repeats requests that were refused or answered with 5xx. What it cannot know is handled here, for
//! this program's own calls and for the Delta kernel's alike:
//! - a conditional put whose answer was lost finds its own object when it is repeated: equal bytes are ours, since every
//!   commit says something that no other one says;
//! - a list that breaks off goes on behind the last name it gave;
//! - a connection that is cut in the middle of any other request has it made again: every one of them can be repeated.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::lifeline::Lifeline;
use crate::storage::s3::errors::Answer;

/// The first pause before a request is made again; each later one is twice as long, up to the longest.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A store with a deadline for each call.
pub(in crate::storage) struct Careful {
    inner: Arc<dyn ObjectStore>,
    deadline: Duration,
    lifeline: Arc<Lifeline>,
}

impl Careful {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, deadline: Duration, lifeline: Arc<Lifeline>) -> Self {
        Self { inner, deadline, lifeline }
    }

    async fn create(&self, location: &Path, payload: &PutPayload, options: &PutOptions) -> Result<PutResult> {
        let held = self.lifeline.ensure_held();
        held.map_err(|error| Error::Generic { store: "S3", source: Box::new(error) })?;
        match self.inner.put_opts(location, payload.clone(), options.clone()).await {
            Err(Error::AlreadyExists { path, source }) => match self.inner.get(location).await {
                Ok(there) => {
                    let (meta, bytes) = (there.meta.clone(), there.bytes().await?);
                    if bytes != Bytes::from(payload.clone()) {
                        return Err(Error::AlreadyExists { path, source });
                    }
                    Ok(PutResult { e_tag: meta.e_tag, version: meta.version, extensions: Default::default() })
                }
                // Refused because of another request for the same name that has come to nothing.
                Err(Error::NotFound { .. }) => Err(passing("two writers met")),
                Err(error) => Err(error),
            },
            outcome => outcome,
        }
    }
}

fn is_cut<T>(outcome: &Result<T>) -> bool {
    outcome.as_ref().is_err_and(|error| Answer::of(error).is_cut())
}

/// An error that is worth another try.
fn passing(what: &'static str) -> Error {
    let interrupted = std::io::Error::new(std::io::ErrorKind::Interrupted, what);
    let http = object_store::client::HttpError::new(object_store::client::HttpErrorKind::Interrupted, interrupted);
    Error::Generic { store: "S3", source: Box::new(http) }
}

/// Does `work` until it answers or fails for good, or until the deadline.
pub(in crate::storage) async fn again<T, F>(deadline: Duration, work: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let begun = Instant::now();
    let mut pause = PAUSE;
    loop {
        match work().await {
            Err(error) if Answer::of(&error).is_cut() && begun.elapsed() + pause < deadline => {
                tracing::debug!("A request is made again: {error}");
                wait(begun, pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// Waits for a part of `pause` that differs from call to call, so that not all come back at once.
async fn wait(begun: Instant, pause: Duration) {
    let share = begun.elapsed().subsec_nanos() % 1000;
    tokio::time::sleep(pause / 2 + pause * share / 2000).await;
}

#[async_trait]
impl ObjectStore for Careful {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        match options.mode {
            PutMode::Create => again(self.deadline, || self.create(location, &payload, &options)).await,
            PutMode::Overwrite => {
                again(self.deadline, || self.inner.put_opts(location, payload.clone(), options.clone())).await
            }
            // Whoever asks for that has to look himself whose version is there.
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
        again(self.deadline, || self.inner.get_opts(location, options.clone())).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (inner, deadline) = (Arc::clone(&self.inner), self.deadline);
        let chunks = locations.try_chunks(1000).map_err(|error| error.1);
        let deleted = chunks.and_then(move |chunk| {
            let inner = Arc::clone(&inner);
            async move {
                let gone = again(deadline, || {
                    let chunk = stream::iter(chunk.clone()).map(Ok).boxed();
                    let gone = inner.delete_stream(chunk).collect::<Vec<_>>();
                    // What became of one name says nothing of the others; a connection that was cut, of all of them.
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
        again(self.deadline, || self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        again(self.deadline, || self.inner.copy_opts(from, to, options.clone())).await
    }
}

struct Listing {
    inner: Arc<dyn ObjectStore>,
    prefix: Option<Path>,
    /// Everything up to here has been given.
    last: Option<Path>,
    objects: Option<BoxStream<'static, Result<ObjectMeta>>>,
    deadline: Duration,
    /// When the last name came, and how long to wait if the next one does not.
    since: Instant,
    pause: Duration,
}

fn listing(
    inner: Arc<dyn ObjectStore>,
    prefix: Option<Path>,
    last: Option<Path>,
    deadline: Duration,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let listing = Listing { inner, prefix, last, objects: None, deadline, since: Instant::now(), pause: PAUSE };
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
                    (self.since, self.pause) = (Instant::now(), PAUSE);
                    return Ok(Some((object, self)));
                }
                Some(Err(error)) => {
                    if !Answer::of(&error).is_cut() || self.since.elapsed() + self.pause >= self.deadline {
                        return Err(error);
                    }
                    self.objects = None;
                    wait(self.since, self.pause).await;
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}

impl std::fmt::Debug for Careful {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl std::fmt::Display for Careful {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.inner, f)
    }
}
