//! Where bytes rest: one small interface over an object store, the same for a folder and a bucket.
//!
//! Paths here are relative to the root that the user configured (`schema/stream/file`); the store knows what the root
//! is. A storage is one builder file (`local`) and one arm in [`Storage::open`]. What every storage guarantees:
//! - [`Storage::put_new`] writes a whole object or nothing and never replaces one;
//! - [`Storage::copy_new`] copies inside the store, no bytes pass through here, and can be repeated;
//! - after [`Storage::flush`], what was answered before is on stable storage, in every storage.

mod durability;
pub mod file_names;
pub mod layout;
mod lease;
mod local;

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use url::Url;

use self::durability::Durability;
pub use self::lease::Lease;
use crate::config::StorageSettings;
use crate::error::{Error, Kind, Result};

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
        local::put_new(&self.folder.join(relative), &bytes).map_err(|error| self.failed("write", relative, error))
    }

    /// Begins a file whose bytes come piece by piece; its name must never have been used.
    pub async fn upload(&self, relative: String) -> Result<Upload> {
        let file = local::create(&self.folder.join(&relative));
        let file = file.map_err(|error| self.failed("write", &relative, error))?;
        Ok(Upload { file, relative, storage: self.clone(), size: 0 })
    }

    /// Copies an object inside the store; a copy that is there already is the same one.
    pub async fn copy_new(&self, from: &str, to: &str) -> Result<()> {
        let linked = local::link(&self.folder.join(from), &self.folder.join(to));
        linked.map_err(|error| self.failed("link", to, error))
    }

    /// Answers when everything that was written before the call is on stable storage. Cheap when many call at once.
    pub async fn flush(&self) -> Result<()> {
        self.durability.flush().await.map_err(|error| self.failed("flush", "", error))
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

    /// Whether anything lies in the folder `relative`.
    pub async fn has_any(&self, relative: &str) -> Result<bool> {
        local::has_any(&self.folder.join(relative)).map_err(|error| self.failed("list", relative, error))
    }

    /// Removes an object; one that is not there is removed already.
    pub async fn delete(&self, relative: &str) -> Result<()> {
        match self.store.delete(&self.path(relative)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("delete", relative, error)),
        }
    }

    /// The names of the folders in the folder `relative`.
    pub fn folders(&self, relative: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.join(relative)).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.filter_map(|folder| folder.file_name().into_string().ok()).collect()
    }

    /// Removes the folder `relative` and the folders in it where they are empty; a bucket has no folders.
    pub fn remove_empty_folder(&self, relative: &str) {
        local::remove_empty_folders(&self.folder.join(relative));
    }

    /// Turns a storage's error into ours: what a user can mend is told apart from what may pass.
    fn failed(&self, verb: &str, relative: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
        use std::io::ErrorKind::{
            CrossesDevices, NotADirectory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
            Unsupported,
        };
        let (kind, why) = match io_kind(&error) {
            Some(PermissionDenied) => (Kind::Config, "this program may not: check the folder's owner and rights"),
            Some(StorageFull | QuotaExceeded) => (Kind::Config, "the disk is full: free some space"),
            Some(ReadOnlyFilesystem) => (Kind::Config, "the disk is mounted read-only"),
            Some(NotADirectory) => (Kind::Config, "a file is in the way of a folder"),
            Some(CrossesDevices | Unsupported) => {
                (Kind::Config, "all of local_path has to lie on one file system, which has to know hard links")
            }
            _ => (Kind::Transient, "see the internal message for the cause"),
        };
        Error::new(kind, format!("Could not {verb} {}: {why}.", self.shown(relative))).with_source(error)
    }
}

/// The kind of the first I/O error among an error and its causes.
fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<std::io::ErrorKind> {
    let mut cause = Some(error);
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
    file: File,
    relative: String,
    storage: Storage,
    size: u64,
}

impl Upload {
    /// Sends the next bytes.
    pub async fn write(&mut self, bytes: Vec<u8>) -> Result<()> {
        self.size += bytes.len() as u64;
        self.file.write_all(&bytes).map_err(|error| self.storage.failed("write", &self.relative, error))
    }

    /// Ends the file; it is there, whole, when this answers with its size in bytes.
    pub async fn finish(self) -> Result<u64> {
        Ok(self.size)
    }

    /// Gives the file up: nothing of it stays.
    pub async fn abort(self) {
        if let Err(error) = self.storage.delete(&self.relative).await {
            tracing::warn!("{}", error.internal_message());
        }
    }
}
