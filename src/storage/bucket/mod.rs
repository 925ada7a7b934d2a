//! A bucket as storage: the verbs of [`Storage`](super::Storage) as requests, as few as possible, since each costs money and
//! time.
//!
//! Each kind of bucket brings an object store for the bytes, a [`Provider`] that names and explains things, and a [`Remote`]
//! for what an object store has no verb for. All uploads together have a bounded number of bytes in flight.

pub(super) mod conditions;
mod failure;
pub(super) mod http;
mod lease_clock;
mod probe;
mod provider;
mod retrying_store;
mod upload;

use std::ops::Range;
use std::sync::{Arc, Once};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode};
use tokio::sync::Semaphore;

pub use self::failure::{Action, Failure};
pub(super) use self::failure::{NoAnswer, Recognized, causes};
pub use self::lease_clock::LeaseClock;
pub(super) use self::provider::{Explanation, Provider, explained};
use self::retrying_store::{RetryingStore, retry_while_cut};
pub use self::upload::ObjectUpload;
use super::{Home, Put, Storage};
use crate::config::{Timeouts, Tuning};
use crate::error::{Error, Result};

/// All uploads together have this part of the memory limit in flight, but at least three parts of a file.
const UPLOAD_SHARE: usize = 16;
/// Files in a bucket that may be open at the same time; each keeps up to one part in memory.
const OPEN_FILES: usize = 6;
/// Requests without a file that are made at the same time.
const REQUESTS: usize = 256;

/// What a bucket does that an object store has no verb for.
pub(super) trait Remote: Send + Sync {
    /// Copies an object that is too large for a single request.
    fn copy_large<'a>(&'a self, from: &'a Path, to: &'a Path, size: u64) -> BoxFuture<'a, Result<()>>;

    /// Aborts every unfinished upload below `folder` to a name that contains `part`.
    fn remove_unfinished<'a>(&'a self, folder: &'a Path, part: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Whether a put can be made to replace one version of an object and no other (`If-Match`).
    fn replaces_versions(&self) -> bool {
        true
    }

    /// Whether objects can be copied inside the store.
    fn copies(&self) -> bool {
        true
    }

    /// Removes the folder `folder` and all in it, where there are no objects in them. Most buckets have no folders.
    fn remove_folders<'a>(&'a self, _folder: &'a Path) -> BoxFuture<'a, Result<()>> {
        std::future::ready(Ok(())).boxed()
    }

    /// The most bytes of a file, as far as the store's memory is concerned, that are to be written to one object; `None`: any number.
    fn largest_file(&self) -> Option<u64> {
        None
    }
}

/// A bucket.
pub struct Bucket {
    /// Its requests, repeated where that is safe.
    pub store: Arc<dyn ObjectStore>,
    parts: Arc<dyn MultipartStore>,
    remote: Option<Box<dyn Remote>>,
    provider: Box<dyn Provider>,
    /// How long its requests are repeated and its leases last.
    pub timeouts: Timeouts,
    /// Whether this process may still commit.
    pub lease_clock: Arc<LeaseClock>,
    /// A permit is a byte in flight.
    sending: Arc<Semaphore>,
    sent_at_once: usize,
    requests: Semaphore,
    copied_at_once: u64,
    retention_told: Once,
}

/// Makes a storage of a bucket; everything is below the folder `root`.
pub(super) fn open<S: ObjectStore + MultipartStore>(
    store: Arc<S>,
    remote: Option<Box<dyn Remote>>,
    provider: Box<dyn Provider>,
    root: Path,
    tuning: &Tuning,
) -> Storage {
    let lease_clock = Arc::new(LeaseClock::new(tuning.timeouts.lease_age));
    let retrying_store = RetryingStore::new(
        Arc::clone(&store) as Arc<dyn ObjectStore>,
        tuning.timeouts.request_retry,
        Arc::clone(&lease_clock),
    );
    let parts: Arc<dyn MultipartStore> = store;
    let store: Arc<dyn ObjectStore> = Arc::new(retrying_store);
    let sent_at_once = (tuning.memory_limit / UPLOAD_SHARE).clamp(3 * upload::SMALLEST_PART, 1 << 30);
    let shown = provider.uri(&root);
    let bucket = Bucket {
        store: Arc::clone(&store),
        parts,
        remote,
        provider,
        timeouts: tuning.timeouts,
        lease_clock,
        sending: Arc::new(Semaphore::new(sent_at_once)),
        sent_at_once,
        requests: Semaphore::new(REQUESTS),
        copied_at_once: tuning.copied_at_once,
        retention_told: Once::new(),
    };
    Storage { store, root, shown: shown.into(), home: Home::Bucket(Arc::new(bucket)) }
}

impl Bucket {
    pub(super) fn open_files(&self) -> usize {
        OPEN_FILES
    }

    pub(super) async fn put_new(&self, path: Path, bytes: Vec<u8>) -> Result<Put> {
        self.lease_clock.ensure_held()?;
        let _turn = self.requests.acquire().await;
        match self.store.put_opts(&path, bytes.into(), PutMode::Create.into()).await {
            Ok(_) => Ok(Put::Created),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(Put::Exists),
            Err(error) => Err(self.failed(Action::Put, &path, error)),
        }
    }

    /// Writes an object, and replaces an existing one.
    pub async fn put(&self, path: &Path, bytes: Bytes) -> Result<()> {
        let put = self.store.put_opts(path, bytes.into(), PutMode::Overwrite.into()).await;
        put.map(|_| ()).map_err(|error| self.failed(Action::Put, path, error))
    }

    pub(super) fn upload(self: &Arc<Self>, path: Path) -> ObjectUpload {
        ObjectUpload::new(Arc::clone(self), path)
    }

    /// Whether copying an object of `size` bytes takes several requests.
    pub fn copies_in_parts(&self, size: u64) -> bool {
        size > self.copied_at_once
    }

    pub(super) async fn copy(&self, from: Path, to: Path, size: u64) -> Result<()> {
        let _turn = self.requests.acquire().await;
        match &self.remote {
            Some(remote) if self.copies_in_parts(size) => remote.copy_large(&from, &to, size).await,
            _ => self.store.copy(&from, &to).await.map_err(|error| self.failed(Action::Copy, &to, error)),
        }
    }

    pub(super) async fn get(&self, path: &Path) -> Result<Bytes> {
        let _turn = self.requests.acquire().await;
        let got =
            retry_while_cut(self.timeouts.request_retry, || async move { self.store.get(path).await?.bytes().await });
        got.await.map_err(|error| self.failed(Action::Get, path, error))
    }

    pub(super) async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let _turn = self.requests.acquire().await;
        let got = retry_while_cut(self.timeouts.request_retry, || self.store.get_ranges(path, ranges));
        got.await.map_err(|error| self.failed(Action::Get, path, error))
    }

    /// Whether there is an object below `folder`, by the first page of a listing.
    pub(super) async fn has_any(&self, folder: &Path) -> Result<bool> {
        let _turn = self.requests.acquire().await;
        // Some tools create an empty object for each folder, named like the folder, with a slash or without. A store may also
        // name what was not asked for.
        let is_file = |found: &ObjectMeta| {
            let has_extension = found.location.extension().is_some();
            found.location != *folder && found.location.prefix_matches(folder) && (found.size > 0 || has_extension)
        };
        let mut named = self.store.list(Some(folder)).try_filter(|found| std::future::ready(is_file(found)));
        let first = named.try_next().await;
        first.map(|first| first.is_some()).map_err(|error| self.failed(Action::List, folder, error))
    }

    /// Deletes objects. Objects under retention stay: that is a warning, given once, and no error.
    pub(super) async fn delete(&self, paths: Vec<Path>) -> Result<()> {
        self.delete_most(paths).await.map(drop)
    }

    /// The same; returns how many objects stay.
    pub async fn delete_most(&self, paths: Vec<Path>) -> Result<usize> {
        let Some(first) = paths.first().cloned() else { return Ok(0) };
        let mut deleted = self.store.delete_stream(stream::iter(paths).map(Ok).boxed());
        let (mut kept, mut failed) = (0, None);
        while let Some(gone) = deleted.next().await {
            match gone {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) if self.provider.is_retained(&Failure::of(&error)) => kept += 1,
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        if let Some(error) = failed {
            return Err(self.failed(Action::Delete, &first, error));
        }
        if kept > 0 {
            self.retention_told.call_once(|| {
                tracing::warn!(
                    "The store keeps objects that no table uses any more, {kept} of them near {}, because they are under \
                     retention (object lock or immutability). This program does not try to delete them again: use a lifecycle rule of the \
                     {}, or delete them when the retention has ended.",
                    self.provider.uri(&first),
                    self.provider.noun()
                );
            });
        }
        Ok(kept)
    }

    /// What engines and Delta readers call the object or folder `path`.
    pub(super) fn uri(&self, path: &Path) -> String {
        self.provider.uri(path)
    }

    /// The same for `relative` below the folder `root`.
    pub(super) fn uri_below(&self, root: &Path, relative: &str) -> String {
        self.provider.uri_below(root, relative)
    }

    pub(super) async fn folders(&self, folder: &Path) -> Result<Vec<String>> {
        let listed = self.store.list_with_delimiter(Some(folder)).await;
        let listed = listed.map_err(|error| self.failed(Action::List, folder, error))?;
        Ok(listed.common_prefixes.iter().filter_map(|path| path.filename().map(ToOwned::to_owned)).collect())
    }

    /// Aborts every unfinished upload below `folder` to a name that contains `part`.
    pub async fn remove_unfinished(&self, folder: &Path, part: &str) -> Result<()> {
        match &self.remote {
            Some(remote) => remote.remove_unfinished(folder, part).await,
            None => Ok(()),
        }
    }

    /// Whether an object's version can be replaced on the condition that it is still there. Where it cannot, leases are taken over by
    /// marks beside them.
    pub fn replaces_versions(&self) -> bool {
        self.remote.as_ref().is_none_or(|remote| remote.replaces_versions())
    }

    /// Whether objects can be copied inside the store.
    pub(super) fn copies(&self) -> bool {
        self.remote.as_ref().is_none_or(|remote| remote.copies())
    }

    /// Removes the folder `folder` and all in it, where there are no objects in them.
    pub async fn remove_folders(&self, folder: &Path) -> Result<()> {
        match &self.remote {
            Some(remote) => remote.remove_folders(folder).await,
            None => Ok(()),
        }
    }

    /// At how many bytes a file is to be ended, if the store has a limit of its own.
    pub(super) fn largest_file(&self) -> Option<u64> {
        self.remote.as_ref().and_then(|remote| remote.largest_file())
    }

    /// The error for the user when `action` on `path` failed with `error`.
    pub fn failed(&self, action: Action, path: &Path, error: object_store::Error) -> Error {
        explained(&*self.provider, action, path, &Failure::of(&error)).with_source(error)
    }
}
