//! A bucket in memory, which several processes use. Its objects age by tokio's clock, which a test can pause.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartId, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::time::Instant;

use super::super::bucket::{self, Provider, Remote};
use super::super::{Storage, s3};
use crate::config::{Config, Tuning};

/// A process that uses `store`, with leases of `age`.
pub fn process(store: &Arc<Memory>, age: Duration) -> Storage {
    process_with(store, age, None)
}

/// The same of a store that replaces whatever is there, as volumes do: it knows no versions.
pub fn process_without_versions(store: &Arc<Memory>, age: Duration) -> Storage {
    process_with(store, age, Some(Box::new(WithoutVersions)))
}

struct WithoutVersions;

impl Remote for WithoutVersions {
    fn copy_large<'a>(&'a self, _: &'a Path, _: &'a Path, _: u64) -> BoxFuture<'a, crate::error::Result<()>> {
        unreachable!("nothing large is copied")
    }

    fn remove_unfinished<'a>(&'a self, _: &'a Path, _: &'a str) -> BoxFuture<'a, crate::error::Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn replaces_versions(&self) -> bool {
        false
    }
}

fn process_with(store: &Arc<Memory>, age: Duration, remote: Option<Box<dyn Remote>>) -> Storage {
    let config =
        r#"{"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": "/tmp/x"}, "memory_limit_mb": 64}"#;
    let mut tuning: Tuning = Config::from_json(config).unwrap().tuning;
    tuning.timeouts.lease_age = age;
    tuning.timeouts.lease_renewal = age / 5;
    tuning.timeouts.request_retry = age * 3 / 10;
    bucket::open(Arc::clone(store), remote, provider(), Path::from("root"), &tuning)
}

/// What the bucket and its failures are called: as those of the bucket `lake` in S3.
pub(in crate::storage) fn provider() -> Box<dyn Provider> {
    Box::new(s3::provider("lake"))
}

/// The objects.
#[derive(Debug)]
pub struct Memory {
    objects: InMemory,
    began: Instant,
    /// When each object was put.
    put: Mutex<HashMap<Path, Instant>>,
}

impl Memory {
    /// A bucket with nothing in it.
    pub fn new() -> Self {
        Self { objects: InMemory::new(), began: Instant::now(), put: Mutex::default() }
    }

    fn with_time(&self, mut object: ObjectMeta) -> ObjectMeta {
        let put = self.put.lock().unwrap().get(&object.location).copied().unwrap_or(self.began);
        object.last_modified = DateTime::<Utc>::UNIX_EPOCH + (put - self.began);
        object
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.objects.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Memory {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let put = self.objects.put_opts(path, payload, options).await?;
        self.put.lock().unwrap().insert(path.clone(), Instant::now());
        Ok(put)
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let found = self.objects.get_opts(path, options).await?;
        Ok(GetResult { meta: self.with_time(found.meta.clone()), ..found })
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.objects.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let found = self.objects.list_with_delimiter(prefix).await?;
        let objects = found.objects.into_iter().map(|object| self.with_time(object)).collect();
        Ok(ListResult { objects, ..found })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

#[async_trait]
impl MultipartStore for Memory {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        self.objects.create_multipart(path).await
    }

    async fn put_part(&self, path: &Path, id: &MultipartId, part: usize, data: PutPayload) -> Result<PartId> {
        self.objects.put_part(path, id, part, data).await
    }

    async fn complete_multipart(&self, path: &Path, id: &MultipartId, parts: Vec<PartId>) -> Result<PutResult> {
        self.objects.complete_multipart(path, id, parts).await
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        self.objects.abort_multipart(path, id).await
    }
}
