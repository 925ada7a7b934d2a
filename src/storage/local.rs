//! A folder on this machine's disk as storage.
//!
//! What others may look for (a commit) appears whole: written beside, then named, see `names`. A "copy" is a hard link where
//! there are any, so staged files enter a table's folder without a byte being copied. What must survive a loss of power is
//! flushed where that matters, see `durability`.
//!
//! The calls that every stream needs are made right here and at once, not on another thread: for ten thousand small
//! streams the way to that thread and back costs more than the call. All else goes through the object store's own.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::durability::Durability;
use super::local_store::LocalStore;
use super::names::Names;
use super::{Home, Put, Storage};
use crate::error::{Error, Kind, Result};

/// Files that may be open at the same time.
pub(super) const OPEN_FILES: usize = 64;
/// Names tried for a file that is written beside, before something is taken to be wrong.
const TEMPORARY_NAMES: u32 = 1000;

/// A folder and the disk it lies on.
pub(super) struct Folder {
    root: PathBuf,
    durability: Durability,
    names: Names,
}

/// How often a folder is made that somebody else takes away at once, before something is taken to be wrong.
const FOLDERS_MADE: u32 = 10;

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
    if folder.as_os_str().as_encoded_bytes().contains(&b'%') {
        // The Delta kernel names files by URLs and takes a % in a folder's name for the start of an escape.
        return Err(Error::config(format!(
            "data_source.local_path {} has a % in it, which Delta readers misread. Choose a folder without one.",
            folder.display()
        )));
    }
    let root = object_store::path::Path::from_absolute_path(&folder)
        .map_err(|error| unusable(std::io::Error::other(error)))?;
    let shown = folder.display().to_string().into();
    let durability = Durability::of(&folder).map_err(unusable)?;
    let names = Names::of(&folder).map_err(unusable)?;
    let folder = Arc::new(Folder { root: folder, durability, names });
    Ok(Storage { store: Arc::new(LocalStore::new(Arc::clone(&folder))), root, shown, home: Home::Folder(folder) })
}

impl Folder {
    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    pub(super) fn put_new(&self, relative: &str, bytes: &[u8]) -> Result<Put> {
        self.write_new(&self.path(relative), [bytes]).map_err(|error| self.failed("write", relative, error))
    }

    /// Writes a whole file of these bytes unless one of that name is there. A kill leaves the file, or a temporary, or
    /// nothing.
    pub(super) fn write_new<'a>(&self, path: &Path, bytes: impl IntoIterator<Item = &'a [u8]>) -> std::io::Result<Put> {
        let (temporary, mut file) = temporary_for(path)?;
        let written = bytes.into_iter().try_for_each(|bytes| file.write_all(bytes));
        self.name(written, &temporary, &file, path)
    }

    pub(super) fn upload(self: &Arc<Self>, relative: String) -> Result<FileUpload> {
        let file = create(&self.path(&relative)).map_err(|error| self.failed("write", &relative, error))?;
        Ok(FileUpload { file, relative, folder: Arc::clone(self) })
    }

    pub(super) fn link(&self, from: &str, to: &str) -> Result<()> {
        self.second(&self.path(from), &self.path(to)).map_err(|error| self.failed("copy to", to, error))
    }

    /// Makes the file `to` another name of `from`, or a copy of it, unless it is there.
    fn second(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        if self.names.are_links_likely() {
            match with_folder(to, || std::fs::hard_link(from, to)) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
                Err(error) if self.names.has_no_link(&error, to) => {}
                outcome => return outcome,
            }
        }
        // It has appeared whole.
        if to.exists() {
            return Ok(());
        }
        let mut staged = File::open(from)?;
        let (temporary, mut copy) = temporary_for(to)?;
        let copied = std::io::copy(&mut staged, &mut copy).and_then(|_| copy.sync_all());
        self.name(copied, &temporary, &copy, to).map(drop)
    }

    /// Gives the `temporary` its name, if it was `written`; takes it away in any case.
    fn name(&self, written: std::io::Result<()>, temporary: &Path, file: &File, path: &Path) -> std::io::Result<Put> {
        let named = written.and_then(|()| self.names.give(temporary, file, path));
        match (std::fs::remove_file(temporary), named) {
            // A rename has taken it away.
            (Err(error), Ok(_)) if error.kind() != ErrorKind::NotFound => Err(error),
            (_, named) => named,
        }
    }

    pub(super) async fn flush(&self) -> Result<()> {
        self.durability.flush().await.map_err(|error| self.failed("flush", "", error))
    }

    pub(super) fn has_any(&self, relative: &str) -> Result<bool> {
        has_any(&self.path(relative)).map_err(|error| self.failed("list", relative, error))
    }

    pub(super) fn folders(&self, relative: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(relative)).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.filter_map(|folder| folder.file_name().into_string().ok()).collect()
    }

    pub(super) fn remove_empty_folder(&self, relative: &str) {
        remove_empty_folders(&self.path(relative));
    }

    /// Turns a disk's error into ours: what a user can mend is told apart from what may pass.
    pub(super) fn failed(
        &self,
        verb: &str,
        relative: &str,
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> Error {
        use ErrorKind::{NotADirectory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull, Unsupported};
        let (kind, why) = match io_error(&error).map(|error| (error.kind(), error.raw_os_error())) {
            Some((PermissionDenied, Some(libc::EPERM))) => (
                Kind::Config,
                "the system does not permit it, whatever the rights say: look for an attribute immutable or append-only \
                 (lsattr), or use another file system",
            ),
            Some((PermissionDenied, _)) => (Kind::Config, "this program may not: check the folder's owner and rights"),
            Some((StorageFull | QuotaExceeded, _)) => (Kind::Config, "the disk is full: free some space"),
            Some((ReadOnlyFilesystem, _)) => (Kind::Config, "the disk is mounted read-only"),
            Some((NotADirectory, _)) => (Kind::Config, "a file is in the way of a folder"),
            Some((Unsupported, _)) => (Kind::Config, "this file system does not know how to: use another one"),
            _ => (Kind::Transient, "see the internal message for the cause"),
        };
        let message = format!("Could not {verb} {}/{relative}: {why}.", self.root.display());
        Error::new(kind, message).with_source(error)
    }
}

/// The first I/O error among an error and its causes.
fn io_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a std::io::Error> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.find_map(|error| error.downcast_ref::<std::io::Error>())
}

/// A file that is being written, under its own name.
pub struct FileUpload {
    file: File,
    relative: String,
    folder: Arc<Folder>,
}

impl FileUpload {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| self.folder.failed("write", &self.relative, error))
    }

    pub(super) fn abort(self) {
        if let Err(error) = std::fs::remove_file(self.folder.path(&self.relative)) {
            tracing::warn!("{}", self.folder.failed("delete", &self.relative, error).internal_message());
        }
    }
}

/// Makes a file of a name that was never used.
fn create(path: &Path) -> std::io::Result<File> {
    with_folder(path, || File::create_new(path))
}

/// Whether `folder` is there and has a file or folder in it that is no temporary.
fn has_any(folder: &Path) -> std::io::Result<bool> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.any(|entry| entry.is_ok_and(|entry| !is_temporary(&entry.path())))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether `path` is a file that was being written when its process was killed: `name#number`, as the object store's
/// own files are called, which never lists one.
pub(super) fn is_temporary(path: &Path) -> bool {
    let number = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.rsplit_once('#'));
    number.is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Removes `folder` and all folders in it, as far as they are empty.
fn remove_empty_folders(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty_folders(&entry.path());
        }
    }
    // A folder that is not empty stays, which is all that is wanted.
    let _ = std::fs::remove_dir(folder);
}

fn temporary_for(path: &Path) -> std::io::Result<(PathBuf, File)> {
    let mut number = 1;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("#{number}"));
        let temporary = PathBuf::from(name);
        match create(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && number < TEMPORARY_NAMES => number += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Does `work`, which makes the file `path`; makes its folder first if that is what is missing. Another sync that
/// removes empty folders may take it away again before there is something in it.
fn with_folder<T>(path: &Path, work: impl Fn() -> std::io::Result<T>) -> std::io::Result<T> {
    for _ in 0..FOLDERS_MADE {
        match work() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            }
            outcome => return outcome,
        }
    }
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(root: &Path) -> std::io::Result<Folder> {
        Ok(Folder { root: root.to_owned(), durability: Durability::of(root)?, names: Names::of(root)? })
    }

    fn put_new(path: &Path, bytes: &[u8]) -> std::io::Result<Put> {
        folder(path.ancestors().find(|folder| folder.is_dir()).unwrap_or(path))?.write_new(path, [bytes])
    }

    #[test]
    fn a_file_is_written_once_and_leaves_no_temporary() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a/b/file.json");
        assert_eq!(put_new(&path, b"first")?, Put::Created);
        assert_eq!(put_new(&path, b"second")?, Put::Exists);
        assert_eq!(std::fs::read(&path)?, b"first");
        assert_eq!(std::fs::read_dir(folder.path().join("a/b"))?.count(), 1);
        Ok(())
    }

    #[test]
    fn a_left_temporary_is_in_nobodys_way_and_counts_for_nothing() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("file.json#1"), "half")?;
        assert!(!has_any(folder.path())?);
        assert_eq!(put_new(&folder.path().join("file.json"), b"whole")?, Put::Created);
        assert!(has_any(folder.path())?);
        assert!(!is_temporary(Path::new("a#b")) && !is_temporary(Path::new("a#")) && is_temporary(Path::new("a#12")));
        Ok(())
    }

    #[test]
    fn a_folder_that_another_sync_takes_away_is_made_again() -> std::io::Result<()> {
        let root = tempfile::tempdir()?;
        let (path, taken) = (root.path().join("schema/table/file"), std::cell::Cell::new(0));
        let write = || {
            if path.parent().is_some_and(Path::exists) && taken.replace(taken.get() + 1) < 2 {
                std::fs::remove_dir(root.path().join("schema/table"))?;
            }
            File::create_new(&path)
        };
        with_folder(&path, write)?;
        assert!(path.exists() && taken.get() == 3);
        Ok(())
    }

    #[test]
    fn a_link_can_be_made_again() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let (from, to) = (folder.path().join("from"), folder.path().join("x/to"));
        std::fs::write(&from, "rows")?;
        let links = super::tests::folder(folder.path())?;
        links.second(&from, &to)?;
        links.second(&from, &to)?;
        assert_eq!(std::fs::read(&to)?, b"rows");
        Ok(())
    }
}
