//! Where bytes rest: one small interface over an object store, the same for a folder and a bucket.
//!
//! Paths here are relative to the root that the user configured (`schema/stream/file`); the store knows what the root
//! is. A storage is one builder file (`local`) and one arm in [`Storage::open`]. What every storage guarantees:
//! - [`Storage::put_new`] writes a whole object or nothing and never replaces one;
//! - [`Storage::copy_new`] copies inside the store, no bytes pass through here, and can be repeated;
//! - after [`Storage::flush`], what was answered before is on stable storage, in every storage.

mod durability;
pub mod layout;
mod lease;
mod local;

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{CopyMode, CopyOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use url::Url;

use self::durability::Durability;
pub use self::lease::Lease;
use crate::config::StorageSettings;
use crate::error::{Error, Kind, Result};

/// Bytes of a file that wait before they are handed to the store: also the size of an upload's parts.
const UPLOAD_CHUNK: usize = 1024 * 1024;

/// A folder or bucket that holds staged files and tables.
#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    /// The root, as the store names it.
    root: Path,
    /// What a user calls the root, for messages.
    shown: Arc<str>,
    /// The root's folder on this machine's disk.
    folder: Arc<std::path::Path>,
    durability: Arc<Durability>,
}

/// Whether [`Storage::put_new`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The object is there now.
    Created,
    /// An object of that name was there already and is untouched.
    Exists,
}

impl Storage {
    /// Opens the storage of `settings`, creating the root folder where that is possible.
    pub fn open(settings: &StorageSettings) -> Result<Self> {
        match settings {
            StorageSettings::Local { path } => local::open(path),
            StorageSettings::S3(_) | StorageSettings::Azure(_) | StorageSettings::Managed => {
                Err(Error::config("This version works with data_source_type LOCAL_STORAGE only."))
            }
        }
    }

    /// The store itself, for what reads Delta logs.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The URL by which a Delta reader that was given [`Storage::store`] names the folder `relative`.
    pub fn url(&self, relative: &str) -> Result<Url> {
        Url::from_directory_path(self.folder.join(relative))
            .map_err(|()| Error::system(format!("{} makes no valid URL.", self.shown(relative))))
    }

    fn path(&self, relative: &str) -> Path {
        relative.split('/').fold(self.root.clone(), |path, part| path.join(part))
    }

    /// What a user calls the folder `relative`.
    pub fn shown(&self, relative: &str) -> String {
        format!("{}/{relative}", self.shown)
    }

    /// Writes a whole object unless one of that name is there.
    pub async fn put_new(&self, relative: &str, bytes: Vec<u8>) -> Result<Put> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store.put_opts(&self.path(relative), PutPayload::from(bytes), options).await {
            Ok(_) => Ok(Put::Created),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(Put::Exists),
            Err(error) => Err(self.failed("write", relative, error)),
        }
    }

    /// Begins a file whose bytes come piece by piece; it is there when [`Upload::finish`] has answered, not before.
    pub fn upload(&self, relative: &str) -> Upload {
        let writer = BufWriter::with_capacity(Arc::clone(&self.store), self.path(relative), UPLOAD_CHUNK);
        Upload { writer, relative: relative.to_owned(), storage: self.clone(), size: 0 }
    }

    /// Copies an object inside the store; a copy that is there already is the same one.
    pub async fn copy_new(&self, from: &str, to: &str) -> Result<()> {
        let options = CopyOptions { mode: CopyMode::Create, ..CopyOptions::default() };
        match self.store.copy_opts(&self.path(from), &self.path(to), options).await {
            Ok(()) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => local::copy_bytes(self, from, to, error).await,
        }
    }

    /// Answers when everything that was written before the call is on stable storage. Cheap when many call at once.
    pub async fn flush(&self) -> Result<()> {
        let failed =
            |error| object_store::Error::Generic { store: "storage", source: Box::<std::io::Error>::new(error) };
        self.durability.flush().await.map_err(|error| self.failed("flush", "", failed(error)))
    }

    /// The whole of a small object.
    pub async fn get(&self, relative: &str) -> Result<Bytes> {
        let failed = |error| self.failed("read", relative, error);
        self.store.get(&self.path(relative)).await.map_err(failed)?.bytes().await.map_err(failed)
    }

    /// Paths, relative to the root, of all objects below the folder `relative`; none where there is no such folder.
    pub async fn list(&self, relative: &str) -> Result<Vec<String>> {
        self.store
            .list(Some(&self.path(relative)))
            .map_ok(|object| {
                let parts = object.location.prefix_match(&self.root);
                parts.map(|parts| parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"))
            })
            .try_filter_map(|path| std::future::ready(Ok(path)))
            .try_collect()
            .await
            .map_err(|error| self.failed("list", relative, error))
    }

    /// Whether anything lies below the folder `relative`.
    pub async fn has_any(&self, relative: &str) -> Result<bool> {
        match self.store.list(Some(&self.path(relative))).next().await {
            None => Ok(false),
            Some(Ok(_)) => Ok(true),
            Some(Err(error)) => Err(self.failed("list", relative, error)),
        }
    }

    /// Removes an object; one that is not there is removed already.
    pub async fn delete(&self, relative: &str) -> Result<()> {
        match self.store.delete(&self.path(relative)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("delete", relative, error)),
        }
    }

    /// Removes the folder `relative` and the folders in it where they are empty; a bucket has no folders.
    pub fn remove_empty_folder(&self, relative: &str) {
        local::remove_empty_folders(&self.folder.join(relative));
    }

    /// Turns a store's error into ours: what a user can mend is told apart from what may pass.
    fn failed(&self, verb: &str, relative: &str, error: object_store::Error) -> Error {
        let shown = self.shown(relative);
        let io = io_kind(&error);
        let (kind, why) = match (&error, io) {
            (object_store::Error::PermissionDenied { .. }, _) | (_, Some(std::io::ErrorKind::PermissionDenied)) => {
                (Kind::Config, "this program may not: check the folder's owner and rights")
            }
            (_, Some(std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)) => {
                (Kind::Config, "the disk is full: free some space")
            }
            (_, Some(std::io::ErrorKind::ReadOnlyFilesystem)) => (Kind::Config, "the disk is mounted read-only"),
            (_, Some(std::io::ErrorKind::NotADirectory)) => (Kind::Config, "a file is in the way of a folder"),
            _ => (Kind::Transient, "see the internal message for the cause"),
        };
        Error::new(kind, format!("Could not {verb} {shown}: {why}.")).with_source(error)
    }
}

/// The kind of the first I/O error among an error's causes.
fn io_kind(error: &object_store::Error) -> Option<std::io::ErrorKind> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        cause = error.source();
    }
    None
}

/// A file on its way into the store.
pub struct Upload {
    writer: BufWriter,
    relative: String,
    storage: Storage,
    size: u64,
}

impl Upload {
    /// Sends the next bytes.
    pub async fn write(&mut self, bytes: Vec<u8>) -> Result<()> {
        self.size += bytes.len() as u64;
        let sent = self.writer.put(Bytes::from(bytes)).await;
        sent.map_err(|error| self.storage.failed("write", &self.relative, error))
    }

    /// Ends the file; it is there, whole, when this answers with its size in bytes.
    pub async fn finish(mut self) -> Result<u64> {
        let done = tokio::io::AsyncWriteExt::shutdown(&mut self.writer).await;
        let done = done.map_err(|error| object_store::Error::Generic { store: "storage", source: Box::new(error) });
        done.map_err(|error| self.storage.failed("write", &self.relative, error))?;
        Ok(self.size)
    }

    /// Gives the file up: nothing of it stays.
    pub async fn abort(mut self) {
        if let Err(error) = self.writer.abort().await {
            tracing::debug!("{} could not be given up: {error}", self.relative);
        }
    }
}
