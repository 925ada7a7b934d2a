//! Checksums of what is written: the object store's client with checksums and without, as one object store.
//!
//! Each put and each part carries `x-amz-checksum-sha256`, which buckets with object lock demand; the signature's SHA-256 does
//! not count for that. If a store refuses the header, the request is repeated without it, and later requests do not have it.
//! Some stores do not know how to delete many objects by one request either.

use std::fmt::{Debug, Display, Formatter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, Checksum};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartId, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::demands;
use crate::storage::bucket::Failure;

/// S3 deletes so many by one request.
const DELETED_AT_ONCE: usize = 1000;

/// Whether the store accepts checksums: it does until it refuses one.
#[derive(Debug, Clone, Default)]
pub(super) struct ChecksumSupport(Arc<AtomicBool>);

impl ChecksumSupport {
    /// Whether a checksum should be sent.
    pub(super) fn may_be_sent(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }

    /// Whether `failure` of a request with a checksum means that the store accepts the request without one; remembers it.
    pub(super) fn is_refused_by(&self, failure: &Failure) -> bool {
        let refused = demands::refuses_checksums(failure);
        if refused && !self.0.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "The store does not know the header x-amz-checksum-sha256: further requests do not have it. Changed bytes are \
                 still refused, by the signature of each request."
            );
        }
        refused
    }
}

/// A bucket that gets checksums as long as it accepts them.
pub(super) struct Sums {
    with: Arc<AmazonS3>,
    without: Arc<AmazonS3>,
    /// Without encryption: for requests that create no object.
    plain: Arc<AmazonS3>,
    /// Deletes one by one.
    single: Arc<AmazonS3>,
    support: ChecksumSupport,
}

impl Sums {
    /// The bucket of `builder`, which has no encryption yet: that comes from `encrypted`.
    pub(super) fn build(
        builder: AmazonS3Builder,
        encrypted: impl Fn(AmazonS3Builder) -> Result<AmazonS3Builder>,
        support: ChecksumSupport,
    ) -> Result<Self> {
        let with = encrypted(builder.clone())?.with_checksum_algorithm(Checksum::SHA256).build()?;
        let without = encrypted(builder.clone())?.build()?;
        let single = builder.clone().with_config(AmazonS3ConfigKey::DisableBulkDelete, "true").build()?;
        let plain = builder.build()?;
        Ok(Self { with: with.into(), without: without.into(), plain: plain.into(), single: single.into(), support })
    }

    /// Runs `work` with checksums, and again without them if the store refuses them.
    async fn write<T, F>(&self, work: impl Fn(Arc<AmazonS3>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        if self.support.may_be_sent() {
            match work(Arc::clone(&self.with)).await {
                Err(error) if self.support.is_refused_by(&Failure::of(&error)) => {}
                outcome => return outcome,
            }
        }
        work(Arc::clone(&self.without)).await
    }
}

#[async_trait]
impl ObjectStore for Sums {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.write(|store| {
            let (payload, options) = (payload.clone(), options.clone());
            async move { store.put_opts(location, payload, options).await }
        })
        .await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.write(|store| {
            let options = options.clone();
            async move { store.put_multipart_opts(location, options).await }
        })
        .await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.plain.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (many, single) = (Arc::clone(&self.plain), Arc::clone(&self.single));
        let chunks = locations.try_chunks(DELETED_AT_ONCE).map_err(|error| error.1);
        let deleted = chunks.and_then(move |chunk| {
            let (many, single) = (Arc::clone(&many), Arc::clone(&single));
            async move {
                let each = |chunk: Vec<Path>| stream::iter(chunk).map(Ok).boxed();
                let gone: Vec<Result<Path>> = many.delete_stream(each(chunk.clone())).collect().await;
                let is_unknown =
                    gone.iter().any(|gone| gone.as_ref().is_err_and(|error| Failure::of(error).is_unknown_request()));
                Ok(if is_unknown { single.delete_stream(each(chunk)) } else { stream::iter(gone).boxed() })
            }
        });
        deleted.try_flatten().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.plain.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.plain.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.plain.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        // The store copies the checksum with the object.
        self.without.copy_opts(from, to, options).await
    }
}

#[async_trait]
impl MultipartStore for Sums {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        self.write(|store| async move { store.create_multipart(path).await }).await
    }

    async fn put_part(&self, path: &Path, id: &MultipartId, part: usize, data: PutPayload) -> Result<PartId> {
        self.write(|store| {
            let data = data.clone();
            async move { store.put_part(path, id, part, data).await }
        })
        .await
    }

    async fn complete_multipart(&self, path: &Path, id: &MultipartId, parts: Vec<PartId>) -> Result<PutResult> {
        // The parts say themselves whether they have a checksum.
        self.plain.complete_multipart(path, id, parts).await
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        self.plain.abort_multipart(path, id).await
    }
}

impl Debug for Sums {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        Debug::fmt(&self.with, f)
    }
}

impl Display for Sums {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        Display::fmt(&self.with, f)
    }
}
