//! Storage of bytes: one small interface, the same for a folder and a bucket.
//!
//! Paths are relative to the root that the user configured (`schema/stream/file`). There are two homes, a folder (`local`) and
//! a bucket (`bucket`); a new kind of bucket is a folder such as `s3` and one arm in [`Storage::open`]. Volumes of Databricks (`volume`)
//! are a kind of bucket, which is reached through a client of Databricks ([`Storage::in_volumes`]). Guarantees:
//! - [`Storage::put_new`] writes a whole object or nothing, and never replaces one;
//! - [`Storage::copy_new`] copies inside the store, so that no bytes pass through here, and can be repeated;
//! - after [`Storage::flush`], everything written before it is on stable storage.
//!
//! What only some callers need is beside it: the two homes as they are ([`Storage::home`]) for `recovery`, whose leases differ
//! between them, and [`probe`] for `check`.

mod azure;
mod bucket;
mod durability;
pub mod file_names;
mod local;
mod local_store;
mod names;
mod own_folder;
mod planted;
mod probe;
mod root_lock;
mod s3;
#[cfg(test)]
pub mod testing;
mod trusted;
mod volume;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;

pub use self::bucket::{Action, Bucket, Failure};
pub use self::local::Folder;
pub use self::own_folder::OwnFolder;
pub use self::planted::in_the_way;
pub use self::probe::probe;
pub use self::volume::Volumes;
use crate::config::{StorageSettings, Tuning};
use crate::databricks::http::HttpClient;
use crate::error::{Error, Result};

/// A folder or bucket that holds staged files and tables.
#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    /// The root, as the store names it.
    root: Path,
    /// The root as people know it, for messages.
    shown: Arc<str>,
    home: Home,
}

/// Where the bytes are.
#[derive(Clone)]
pub enum Home {
    /// A folder on this machine.
    Folder(Arc<Folder>),
    /// A bucket.
    Bucket(Arc<Bucket>),
}

/// Whether [`Storage::put_new`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The object was written.
    Created,
    /// An object of that name existed and is unchanged.
    Exists,
}

impl Storage {
    /// Opens the storage of `settings`, creating the root folder where that is possible.
    pub async fn open(settings: &StorageSettings, tuning: &Tuning) -> Result<Self> {
        match settings {
            StorageSettings::Local { path } => local::open(path),
            // Boxed: what AWS needs to find keys would make every future around this one large.
            StorageSettings::S3(settings) => Box::pin(s3::open(settings, tuning)).await,
            StorageSettings::Azure(settings) => Box::pin(azure::open(settings, tuning)).await,
            StorageSettings::Managed(_) => Err(Error::system("Volumes are opened by a client of their workspace.")),
        }
    }

    /// The volumes `volumes`, whose files are read and written by `client`. They have to be there.
    ///
    /// # Errors
    /// A configuration error where the connections to the cloud's storage cannot be prepared.
    pub fn in_volumes(client: Arc<HttpClient>, volumes: Volumes, tuning: &Tuning) -> Result<Self> {
        volume::open(client, volumes, tuning)
    }

    /// The object store itself, for the Delta kernel.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The URL of the folder `relative` for a Delta reader of [`Storage::store`].
    pub fn url(&self, relative: &str) -> Result<Url> {
        let url = match &self.home {
            Home::Folder(folder) => Url::from_directory_path(folder.path(relative)).ok(),
            Home::Bucket(_) => Url::parse(&format!("{}/", self.uri(relative))).ok(),
        };
        url.ok_or_else(|| Error::system(format!("{} makes no valid URL.", self.uri(relative))))
    }

    /// How many files may be open at the same time: each file in a bucket keeps up to one part in memory.
    pub fn open_files(&self) -> usize {
        match &self.home {
            Home::Folder(_) => local::OPEN_FILES,
            Home::Bucket(bucket) => bucket.open_files(),
        }
    }

    /// At how many bytes a file is to be ended, if the storage has a limit of its own at this moment.
    pub fn largest_file(&self) -> Option<u64> {
        match &self.home {
            Home::Folder(_) => None,
            Home::Bucket(bucket) => bucket.largest_file(),
        }
    }

    /// Where the bytes are, for what only one of the homes can do.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// What the store calls the object `relative`.
    pub fn path(&self, relative: &str) -> Path {
        let parts = relative.split('/').filter(|part| !part.is_empty());
        parts.fold(self.root.clone(), |path, part| path.join(part))
    }

    /// `location` relative to the root.
    pub fn relative(&self, location: &Path) -> Option<String> {
        let parts = location.prefix_match(&self.root)?;
        Some(parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"))
    }

    /// The folder `relative` as people know it: for messages only.
    pub fn shown(&self, relative: &str) -> String {
        format!("{}/{relative}", self.shown)
    }

    /// The folder `relative` as engines and Delta readers know it: for statements, and to compare with their answers.
    pub fn uri(&self, relative: &str) -> String {
        match &self.home {
            Home::Folder(folder) => folder.path(relative).display().to_string(),
            Home::Bucket(bucket) => bucket.uri_below(&self.root, relative),
        }
    }

    /// Writes a whole object unless one of that name exists.
    pub async fn put_new(&self, relative: &str, bytes: Vec<u8>) -> Result<Put> {
        match &self.home {
            Home::Folder(folder) => folder.put_new(relative, &bytes),
            Home::Bucket(bucket) => bucket.put_new(self.path(relative), bytes).await,
        }
    }

    /// Begins a file that is written piece by piece; its name must never have been used.
    pub async fn upload(&self, relative: String) -> Result<Upload> {
        match &self.home {
            Home::Folder(folder) => folder.upload(relative).map(Upload::File),
            Home::Bucket(bucket) => Ok(Upload::Object(bucket.upload(self.path(&relative)))),
        }
    }

    /// Copies an object of `size` bytes inside the store. An existing copy is taken to be the same.
    pub async fn copy_new(&self, from: &str, to: &str, size: u64) -> Result<()> {
        match &self.home {
            Home::Folder(folder) => folder.link(from, to),
            Home::Bucket(bucket) => bucket.copy(self.path(from), self.path(to), size).await,
        }
    }

    /// Returns when everything written before the call is on stable storage. Cheap when many call at once.
    pub async fn flush(&self) -> Result<()> {
        match &self.home {
            Home::Folder(folder) => folder.flush().await,
            // A bucket answers when the object is durable.
            Home::Bucket(_) => Ok(()),
        }
    }

    /// The same on a thread that may block, as the kernel's are.
    pub fn flush_blocking(&self) -> Result<()> {
        match &self.home {
            Home::Folder(folder) => folder.flush_blocking(),
            Home::Bucket(_) => Ok(()),
        }
    }

    /// The whole of a small object.
    pub async fn get(&self, relative: &str) -> Result<Bytes> {
        match &self.home {
            Home::Folder(folder) => folder.get(relative).map(Bytes::from),
            Home::Bucket(bucket) => bucket.get(&self.path(relative)).await,
        }
    }

    /// Some ranges of the bytes of an object, which are there.
    pub async fn get_ranges(&self, relative: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let path = self.path(relative);
        match &self.home {
            Home::Folder(folder) => {
                let read = self.store.get_ranges(&path, ranges).await;
                read.map_err(|error| folder.failed("read", relative, error))
            }
            Home::Bucket(bucket) => bucket.get_ranges(&path, ranges).await,
        }
    }

    /// Paths, relative to the root, of all objects below the folder `relative`; none if there is no such folder.
    pub async fn list(&self, relative: &str) -> Result<Vec<String>> {
        let bucket = match &self.home {
            Home::Folder(folder) => return folder.list(relative),
            Home::Bucket(bucket) => bucket,
        };
        let found = self.store.list(Some(&self.path(relative))).map_ok(|object| self.relative(&object.location));
        let found = found.try_filter_map(|path| std::future::ready(Ok(path))).try_collect().await;
        found.map_err(|error| bucket.failed(bucket::Action::List, &self.path(relative), error))
    }

    /// Whether anything lies in the folder `relative`.
    pub async fn has_any(&self, relative: &str) -> Result<bool> {
        match &self.home {
            Home::Folder(folder) => folder.has_any(relative),
            Home::Bucket(bucket) => bucket.has_any(&self.path(relative)).await,
        }
    }

    /// Removes objects; a missing object is no error. On a disk, only files of this program's own user.
    pub async fn delete(&self, relative: &[String]) -> Result<()> {
        match &self.home {
            Home::Folder(folder) => relative.iter().try_for_each(|path| folder.delete(path)),
            Home::Bucket(bucket) => bucket.delete(relative.iter().map(|path| self.path(path)).collect()).await,
        }
    }

    /// The names of the folders in the folder `relative`.
    pub async fn folders(&self, relative: &str) -> Result<Vec<String>> {
        match &self.home {
            Home::Folder(folder) => Ok(folder.folders(relative)),
            Home::Bucket(bucket) => bucket.folders(&self.path(relative)).await,
        }
    }
}

/// A file that is being written.
pub enum Upload {
    /// Into a folder.
    File(local::FileUpload),
    /// Into a bucket.
    Object(bucket::ObjectUpload),
}

impl Upload {
    /// Sends the next bytes; waits while the store is slower than the caller.
    pub async fn write(&mut self, bytes: Vec<u8>) -> Result<()> {
        match self {
            Self::File(file) => file.write(&bytes),
            Self::Object(object) => object.write(bytes).await,
        }
    }

    /// Ends the file; it is complete when this returns.
    pub async fn finish(self) -> Result<()> {
        match self {
            // Its bytes were written in place.
            Self::File(_) => Ok(()),
            Self::Object(object) => object.finish().await,
        }
    }

    /// Aborts the file: nothing of it stays.
    pub async fn abort(self) {
        match self {
            Self::File(file) => file.abort(),
            Self::Object(object) => object.abort().await,
        }
    }
}
