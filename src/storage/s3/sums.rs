//! Checksums with what is written: the object store's client with them and without, behind one face.
//!
//! Each put and each part carries `x-amz-checksum-sha256`, which buckets with object lock demand; the signature's SHA-256
//! does not count for that. A store that refuses the header is asked again without it, and not sent it any more.

use std::fmt::{Debug, Display, Formatter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::client::{HttpClient, HttpConnector};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    ClientOptions, CopyOptions, GetOptions, GetResult, ListResult, MultipartId, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::demands;
use super::errors::Answer;

/// Whether the store takes checksums, as far as is known: it does until it says that it does not.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken(Arc<AtomicBool>);

impl Taken {
    /// Whether a checksum is worth sending.
    pub(super) fn is_likely(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }

    /// Whether `answer` to a request with a checksum says that the same without one may be taken.
    pub(super) fn is_refused_by(&self, answer: &Answer) -> bool {
        let refused = demands::refuses_checksums(answer);
        if refused && !self.0.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "The store does not know the header x-amz-checksum-sha256: requests go on without it. What arrives changed is \
                 still refused, by the signature of each request."
            );
        }
        refused
    }
}

/// A bucket that is sent checksums for as long as it takes them.
pub(super) struct Sums {
    with: Arc<AmazonS3>,
    without: Arc<AmazonS3>,
    /// Asks for no encryption: for requests that make no object.
    plain: Arc<AmazonS3>,
    taken: Taken,
}

impl Sums {
    /// The bucket of `builder`, which has no encryption yet: that comes from `encrypted`.
    pub(super) fn build(
        builder: AmazonS3Builder,
        encrypted: impl Fn(AmazonS3Builder) -> Result<AmazonS3Builder>,
        taken: Taken,
    ) -> Result<Self> {
        let with = encrypted(builder.clone())?.with_checksum_algorithm(Checksum::SHA256).build()?;
        let without = encrypted(builder.clone())?.build()?;
        Ok(Self { with: with.into(), without: without.into(), plain: builder.build()?.into(), taken })
    }

    /// Does `work` with checksums, and once more without if the store does not know them.
    async fn write<T, F>(&self, work: impl Fn(Arc<AmazonS3>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        if self.taken.is_likely() {
            match work(Arc::clone(&self.with)).await {
                Err(error) if self.taken.is_refused_by(&Answer::of(&error)) => {}
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
        self.plain.delete_stream(locations)
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

/// One way to the store for all that are built with it.
#[derive(Debug)]
pub(super) struct OneWay(HttpClient);

impl OneWay {
    /// That of `connector`.
    pub(super) fn of(connector: &impl HttpConnector, options: &ClientOptions) -> Result<Self> {
        connector.connect(options).map(Self)
    }
}

impl HttpConnector for OneWay {
    fn connect(&self, _options: &ClientOptions) -> Result<HttpClient> {
        Ok(self.0.clone())
    }
}
