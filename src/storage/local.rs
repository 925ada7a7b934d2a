//! A folder on this machine's disk as storage.
//!
//! Files appear whole: written beside, then linked or renamed. What must survive a loss of power is flushed where that
//! matters, see `durability`. A "copy" is a hard link, so staged files enter a table's folder without a byte being copied; where the file system
//! has no hard links, the bytes are.

use std::path::Path;
use std::sync::Arc;

use object_store::local::LocalFileSystem;

use super::durability::Durability;
use super::{Put, Storage};
use crate::error::{Error, Result};

/// Opens the folder `path`, creating it if it is not there.
pub(super) fn open(path: &Path) -> Result<Storage> {
    let unusable = |error: std::io::Error| {
        Error::config(format!(
            "data_source.local_path {} cannot be used as a folder: {error}. Give a folder that this program may create \
             and write to (in Docker: mount it).",
            path.display()
        ))
        .with_source(error)
    };
    std::fs::create_dir_all(path).map_err(unusable)?;
    let folder = path.canonicalize().map_err(unusable)?;
    let store = LocalFileSystem::new();
    let root = object_store::path::Path::from_absolute_path(&folder)
        .map_err(|error| unusable(std::io::Error::other(error)))?;
    let shown = folder.display().to_string().into();
    let durability = Arc::new(Durability::of(&folder).map_err(unusable)?);
    Ok(Storage { store: Arc::new(store), root, shown, folder: folder.into(), durability })
}

/// Copies by reading and writing: for file systems that refuse a hard link.
pub(super) async fn copy_bytes(storage: &Storage, from: &str, to: &str, refused: object_store::Error) -> Result<()> {
    use std::io::ErrorKind::{CrossesDevices, PermissionDenied, TooManyLinks, Unsupported};
    if !matches!(super::io_kind(&refused), Some(Unsupported | PermissionDenied | CrossesDevices | TooManyLinks)) {
        return Err(storage.failed("copy", from, refused));
    }
    let bytes = storage.get(from).await?;
    match storage.put_new(to, bytes.to_vec()).await? {
        Put::Created | Put::Exists => Ok(()),
    }
}

/// Removes `folder` and all folders in it, as far as they are empty.
pub(super) fn remove_empty_folders(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty_folders(&entry.path());
        }
    }
    // A folder that is not empty stays, which is all that is wanted.
    let _ = std::fs::remove_dir(folder);
}
