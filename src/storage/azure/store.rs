//! A container as an object store: object_store's own client, with deletes and copies as Azure needs them.
//!
//! - Blobs are deleted one by one, many at a time. A batch needs rights for the whole container, which a SAS for a folder does not have, and
//!   its answer has no error codes.
//! - A copy that Azure has only accepted (202) is waited for.
//! - A listing behind a name has no names before it, also where a server does not know `startFrom`.
//! - What is refused for another reason than that the blob exists is no [`Error::AlreadyExists`].

use std::fmt::{Debug, Display, Formatter};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::azure::MicrosoftAzure;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartId, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::answers::Heard;
use super::requests::{Asked, Requests};
use crate::retry::Backoff;
use crate::storage::bucket::Failure;

/// Blobs that are deleted at the same time.
const DELETES: usize = 32;
/// How long one copy may go on after it was accepted.
const LONGEST_COPY: Duration = Duration::from_secs(1800);

/// One container.
pub(super) struct AzureStore {
    inner: MicrosoftAzure,
    requests: Requests,
    heard: Arc<Heard>,
    /// Azurite, which lists from the first name on, whatever is asked.
    is_here: bool,
}

impl AzureStore {
    pub(super) fn new(inner: MicrosoftAzure, requests: Requests, heard: Arc<Heard>, is_here: bool) -> Self {
        Self { inner, requests, heard, is_here }
    }

    /// Waits for the copy `id` to `path`.
    async fn wait_for_copy(&self, path: &Path, id: &str) -> Result<()> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5), Some(LONGEST_COPY));
        loop {
            let goes_on = backoff.wait(None).await;
            let head = Asked { method: "HEAD", path: Some(path), query: &[], headers: &[] };
            let there = self.requests.send(head).await?;
            let header = |name: &str| there.headers().get(name).and_then(|value| value.to_str().ok());
            match header("x-ms-copy-status") {
                Some("pending") if goes_on => {}
                Some("pending") => {
                    let query = [("comp", "copy"), ("copyid", id)];
                    let headers = [("x-ms-copy-action", "abort")];
                    let stop = Asked { method: "PUT", path: Some(path), query: &query, headers: &headers };
                    if let Err(error) = self.requests.send(stop).await {
                        tracing::debug!("A copy was not stopped: {error}");
                    }
                    return Err(failed_copy("status code: 408: <Code>CopyPending</Code>"));
                }
                Some("failed" | "aborted") => return Err(failed_copy("status code: 409: <Code>CopyFailed</Code>")),
                _ => return Ok(()),
            }
        }
    }
}

fn failed_copy(text: &'static str) -> Error {
    Error::Generic { store: "MicrosoftAzure", source: text.into() }
}

/// Deletes one blob, with its snapshots; a missing blob is an [`Error::NotFound`].
pub(super) async fn delete(requests: &Requests, path: Path) -> Result<Path> {
    let headers = [("x-ms-delete-snapshots", "include")];
    let asked = Asked { method: "DELETE", path: Some(&path), query: &[], headers: &headers };
    match requests.send(asked).await {
        Ok(_) => Ok(path),
        Err(error) if Failure::of(&error).code.as_deref() == Some("BlobNotFound") => {
            Err(Error::NotFound { path: path.to_string(), source: Box::new(error) })
        }
        Err(error) => Err(error),
    }
}

/// `error` of a conditional put: refused for another reason, it is not about the condition.
fn of_condition(error: Error) -> Error {
    let code = Failure::of(&error).code;
    let is_met =
        matches!(code.as_deref(), None | Some("BlobAlreadyExists" | "ConditionNotMet" | "UnauthorizedBlobOverwrite"));
    match error {
        Error::AlreadyExists { source, .. } | Error::Precondition { source, .. } if !is_met => {
            Error::Generic { store: "MicrosoftAzure", source }
        }
        error => error,
    }
}

#[async_trait]
impl ObjectStore for AzureStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await.map_err(of_condition)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let requests = self.requests.clone();
        let deleted = locations.map(move |location| {
            let requests = requests.clone();
            async move { delete(&requests, location?).await }
        });
        deleted.buffered(DELETES).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let offset = offset.clone();
        let listed = match self.is_here {
            true => self.inner.list(prefix),
            false => self.inner.list_with_offset(prefix, &offset),
        };
        listed.try_filter(move |found| std::future::ready(found.location > offset)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let copied = self.inner.copy_opts(from, to, options).await;
        let pending = self.heard.take_copy(&self.requests.url_path(to));
        match (copied, pending) {
            (Ok(()), None) => Ok(()),
            (Ok(()), Some(id)) => self.wait_for_copy(to, &id).await,
            // The same copy, whose answer was lost.
            (Err(error), _) if Failure::of(&error).code.as_deref() == Some("PendingCopyOperation") => {
                self.wait_for_copy(to, "").await
            }
            (Err(error), _) => Err(of_condition(error)),
        }
    }
}

#[async_trait]
impl MultipartStore for AzureStore {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        self.inner.create_multipart(path).await
    }

    async fn put_part(&self, path: &Path, id: &MultipartId, part: usize, data: PutPayload) -> Result<PartId> {
        self.inner.put_part(path, id, part, data).await
    }

    async fn complete_multipart(&self, path: &Path, id: &MultipartId, parts: Vec<PartId>) -> Result<PutResult> {
        self.inner.complete_multipart(path, id, parts).await
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        self.inner.abort_multipart(path, id).await
    }
}

impl Debug for AzureStore {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        Debug::fmt(&self.inner, f)
    }
}

impl Display for AzureStore {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        Display::fmt(&self.inner, f)
    }
}
