//! A folder on this machine's disk as storage.
//!
//! A file that others may look for (a commit) appears whole: it is written under a temporary name, then linked. A "copy" is a
//! hard link, so that staged files enter a table's folder without copying a byte. See `durability` for the flushes.
//!
//! The calls that every stream needs are made directly and not on another thread: for ten thousand small streams the hop to
//! that thread costs more than the call. All other calls go through the object store.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType};

use super::durability::Durability;
use super::local_store::LocalStore;
use super::names::Names;
use super::planted::in_the_way;
use super::trusted::{self, ForeignLink, Root, parts};
use super::{Home, Put, Storage};
use crate::error::{Error, Kind, Result};

/// Files that may be open at the same time.
pub(super) const OPEN_FILES: usize = 64;
/// Temporary names that are tried before giving up.
const TEMPORARY_NAMES: u32 = 1000;

/// A folder and its disk.
pub struct Folder {
    root: PathBuf,
    /// Opens everything below it.
    pub(super) trusted: Root,
    durability: Durability,
    names: Names,
}

/// Mode of a new file, before the umask.
const FILE_MODE: u32 = 0o666;
/// How often a folder is created that another sync removes at once, before giving up.
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
    let misread = folder.as_os_str().as_encoded_bytes().iter().find(|byte| matches!(byte, b'%' | b'\\'));
    if let Some(misread) = misread {
        // The Delta kernel names files by URLs, where a % begins an escape and a backslash counts as a slash.
        return Err(Error::config(format!(
            "data_source.local_path {} has a {} in it, which Delta readers misread. Choose a folder without one.",
            folder.display(),
            char::from(*misread)
        )));
    }
    let root = object_store::path::Path::from_absolute_path(&folder)
        .map_err(|error| unusable(std::io::Error::other(error)))?;
    let shown = folder.display().to_string().into();
    let folder = Arc::new(Folder::open(&folder).map_err(unusable)?);
    Ok(Storage { store: Arc::new(LocalStore::new(Arc::clone(&folder))), root, shown, home: Home::Folder(folder) })
}

impl Folder {
    /// The folder `root`, which is there.
    pub fn open(root: &Path) -> std::io::Result<Self> {
        let (durability, names) = (Durability::of(root)?, Names::of(root)?);
        Ok(Self { trusted: Root::open(root)?, durability, names, root: root.to_owned() })
    }

    /// The path of the object or folder `relative`.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    pub(super) fn put_new(&self, relative: &str, bytes: &[u8]) -> Result<Put> {
        self.write_new(relative, &[bytes]).map_err(|error| self.failed("write", relative, error))
    }

    /// Writes a whole file of these bytes unless one of that name is there. A kill leaves the file, or a temporary, or
    /// nothing.
    pub(super) fn write_new(&self, relative: &str, bytes: &[&[u8]]) -> std::io::Result<Put> {
        self.write_in(&self.trusted, relative, bytes)
    }

    /// Does the same at `path`, whose folder is there and need not lie below this one.
    pub(super) fn write_new_elsewhere(&self, path: &Path, bytes: &[&[u8]]) -> std::io::Result<Put> {
        let name = path.file_name().and_then(|name| name.to_str());
        let (Some(parent), Some(name)) = (path.parent(), name) else { return Err(ErrorKind::InvalidInput.into()) };
        self.write_in(&Root::open(parent)?, name, bytes)
    }

    fn write_in(&self, root: &Root, relative: &str, bytes: &[&[u8]]) -> std::io::Result<Put> {
        in_folder(root, relative, |folder, name| {
            let (temporary, mut file) = temporary_for(folder, name)?;
            let written = bytes.iter().try_for_each(|bytes| file.write_all(bytes));
            self.name(written, folder, &temporary, &file, name)
        })
    }

    /// Calls `work` with a root that follows no links of other users, and with `path` relative to that root.
    pub(super) fn at<T>(&self, path: &Path, work: impl Fn(&Root, &str) -> std::io::Result<T>) -> std::io::Result<T> {
        if let Some(relative) = self.relative(path) {
            return work(&self.trusted, &relative);
        }
        // The kernel resolves a link of ours to a table elsewhere, and names the target.
        let name = path.file_name().and_then(|name| name.to_str());
        let (Some(parent), Some(name)) = (path.parent(), name) else { return Err(ErrorKind::InvalidInput.into()) };
        work(&Root::open(parent)?, name)
    }

    /// What `path` is called below this folder.
    pub(super) fn relative(&self, path: &Path) -> Option<String> {
        path.strip_prefix(&self.root).ok()?.to_str().map(ToOwned::to_owned)
    }

    /// Makes the file `to` another name of `from`, or a copy of it, unless it is there.
    fn second(&self, from: &str, to: &str) -> std::io::Result<()> {
        let (parent, source) = parts(from);
        let staged: OwnedFd = self.trusted.folder(parent)?;
        in_folder(&self.trusted, to, |folder, name| {
            if self.names.are_links_likely() {
                let linked = rustix::fs::linkat(&staged, source, folder, name, AtFlags::empty());
                match linked.map_err(std::io::Error::from) {
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
                    Err(error) if self.names.has_no_link(&error, name) => {}
                    outcome => return outcome,
                }
            }
            // It has appeared whole.
            if rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
                return Ok(());
            }
            let mut staged = trusted::open_file(staged.as_fd(), source)?;
            let (temporary, mut copy) = temporary_for(folder, name)?;
            let copied = std::io::copy(&mut staged, &mut copy).and_then(|_| copy.sync_all());
            self.name(copied, folder, &temporary, &copy, name).map(drop)
        })
    }

    /// Renames `temporary` if it was `written`; removes it in any case.
    fn name(
        &self,
        written: std::io::Result<()>,
        folder: BorrowedFd<'_>,
        temporary: &str,
        file: &File,
        name: &str,
    ) -> std::io::Result<Put> {
        let named = written.and_then(|()| self.names.give(folder, temporary, file, name));
        match (rustix::fs::unlinkat(folder, temporary, AtFlags::empty()).map_err(std::io::Error::from), named) {
            // A rename has taken it away.
            (Err(error), Ok(_)) if error.kind() != ErrorKind::NotFound => Err(error),
            (_, named) => named,
        }
    }

    pub(super) fn upload(self: &Arc<Self>, relative: String) -> Result<FileUpload> {
        let file = in_folder(&self.trusted, &relative, |folder, name| trusted::create(folder, name, FILE_MODE));
        let file = file.map_err(|error| self.failed("write", &relative, error))?;
        Ok(FileUpload { file, relative, folder: Arc::clone(self) })
    }

    pub(super) fn link(&self, from: &str, to: &str) -> Result<()> {
        self.second(from, to).map_err(|error| self.failed("copy to", to, error))
    }

    pub(super) async fn flush(&self) -> Result<()> {
        self.durability.flush().await.map_err(|error| self.failed("flush", "", error))
    }

    pub(super) fn flush_blocking(&self) -> Result<()> {
        self.durability.flush_blocking().map_err(|error| self.failed("flush", "", error))
    }

    pub(super) fn has_any(&self, relative: &str) -> Result<bool> {
        has_any(&self.trusted, relative).map_err(|error| self.failed("list", relative, error))
    }

    /// The names of the folders in the folder `relative`.
    pub fn folders(&self, relative: &str) -> Vec<String> {
        trusted::folders(&self.trusted, relative)
    }

    pub(super) fn get(&self, relative: &str) -> Result<Vec<u8>> {
        self.trusted.read(relative).map_err(|error| self.failed("read", relative, error))
    }

    pub(super) fn list(&self, relative: &str) -> Result<Vec<String>> {
        self.trusted.files(relative).map_err(|error| self.failed("list", relative, error))
    }

    pub(super) fn delete(&self, relative: &str) -> Result<()> {
        self.trusted.remove(relative).map_err(|error| self.failed("delete", relative, error))
    }

    /// The temporary files of this program's user in the folder `relative`.
    pub fn temporaries(&self, relative: &str) -> Vec<String> {
        let Ok(folder) = self.trusted.folder(relative) else { return Vec::new() };
        let entries = trusted::entries(folder.as_fd()).unwrap_or_default().into_iter();
        let temporaries = entries.filter(|(name, kind)| *kind == FileType::RegularFile && is_temporary(name));
        let own =
            temporaries.filter(|(name, _)| trusted::is_own_file(&self.trusted, folder.as_fd(), name).unwrap_or(false));
        own.map(|(name, _)| format!("{relative}/{name}")).collect()
    }

    /// Removes the folder `relative` and the folders in it where they are empty.
    pub fn remove_empty_folder(&self, relative: &str) {
        trusted::remove_empty_folders(&self.trusted, relative);
    }

    /// The error for the user: config where the user can correct it, else transient.
    pub(super) fn failed(
        &self,
        verb: &str,
        relative: &str,
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> Error {
        use ErrorKind::{NotADirectory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull, Unsupported};
        let what = format!("Could not {verb} {}/{relative}", self.root.display());
        if let Some(said) = in_the_way(&error) {
            return Error::config(format!("{what}: {said}")).with_source(error);
        }
        let io = io_error(&error);
        let why = match io.map(std::io::Error::kind) {
            _ if has_foreign_link(&error) => {
                "a symbolic link of another user is on the way to it, which is not followed: remove the link, or make it as the \
                 user that syncs run as"
            }
            Some(PermissionDenied) if io.and_then(std::io::Error::raw_os_error) == Some(libc::EPERM) => {
                "the system does not permit it, whatever the rights say: look for an attribute immutable or append-only \
                 (lsattr), or use another file system"
            }
            Some(PermissionDenied) => "this program may not: check the folder's owner and rights",
            Some(StorageFull | QuotaExceeded) => "the disk is full: free some space",
            Some(ReadOnlyFilesystem) => "the disk is mounted read-only",
            Some(NotADirectory) => "a file is in the way of a folder",
            Some(Unsupported) => "this file system does not know how to: use another one",
            _ => return Error::unexplained(Kind::Transient, &what).with_source(error),
        };
        Error::config(format!("{what}: {why}.")).with_source(error)
    }
}

/// Whether a link of another user is in the way.
fn has_foreign_link(error: &(dyn std::error::Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.and_then(std::io::Error::get_ref).is_some_and(|inner| inner.is::<ForeignLink>())
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
        if let Err(error) = self.folder.delete(&self.relative) {
            tracing::warn!("{}", error.internal_message());
        }
    }
}

/// Whether the folder `relative` is there and has a file or folder in it that is no temporary.
fn has_any(root: &Root, relative: &str) -> std::io::Result<bool> {
    match root.folder(relative).and_then(|folder| trusted::entries(folder.as_fd())) {
        Ok(entries) => Ok(entries.iter().any(|(name, _)| !is_temporary(name))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether `name` is that of a file that was being written when its process was killed: `name#number`, as the object store's
/// own files are called, which never lists one.
pub(super) fn is_temporary(name: &str) -> bool {
    let number = name.rsplit_once('#').map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn temporary_for(folder: BorrowedFd<'_>, name: &str) -> std::io::Result<(String, File)> {
    let mut number = 1;
    loop {
        let temporary = format!("{name}#{number}");
        match trusted::create(folder, &temporary, FILE_MODE) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && number < TEMPORARY_NAMES => number += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Does `work`, which makes the file `relative`, with its folder and its name there; makes the folder first if it is missing.
/// Another sync that removes empty folders may remove it again before it has a file.
fn in_folder<T>(
    root: &Root,
    relative: &str,
    work: impl Fn(BorrowedFd<'_>, &str) -> std::io::Result<T>,
) -> std::io::Result<T> {
    let (parent, name) = parts(relative);
    let done = || work(root.make_folder(parent)?.as_fd(), name);
    for _ in 0..FOLDERS_MADE {
        match done() {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            outcome => return outcome,
        }
    }
    done()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lake() -> std::io::Result<(tempfile::TempDir, Folder)> {
        let folder = tempfile::tempdir()?;
        let root = Folder::open(folder.path())?;
        Ok((folder, root))
    }

    #[test]
    fn a_file_is_written_once_and_leaves_no_temporary() -> std::io::Result<()> {
        let (folder, root) = lake()?;
        assert_eq!(root.write_new("a/b/file.json", &[b"first"])?, Put::Created);
        assert_eq!(root.write_new("a/b/file.json", &[b"second"])?, Put::Exists);
        assert_eq!(std::fs::read(folder.path().join("a/b/file.json"))?, b"first");
        assert_eq!(std::fs::read_dir(folder.path().join("a/b"))?.count(), 1);
        Ok(())
    }

    #[test]
    fn a_left_temporary_is_in_nobodys_way_and_counts_for_nothing() -> std::io::Result<()> {
        let (folder, root) = lake()?;
        std::fs::write(folder.path().join("file.json#1"), "half")?;
        assert!(!has_any(&root.trusted, "")?);
        assert_eq!(root.write_new("file.json", &[b"whole"])?, Put::Created);
        assert!(has_any(&root.trusted, "")?);
        assert!(!is_temporary("a#b") && !is_temporary("a#") && is_temporary("a#12"));
        Ok(())
    }

    #[test]
    fn a_folder_that_another_sync_takes_away_is_made_again() -> std::io::Result<()> {
        let (folder, root) = lake()?;
        let (path, taken) = (folder.path().join("schema/table"), std::cell::Cell::new(0));
        in_folder(&root.trusted, "schema/table/file", |table, name| {
            if taken.replace(taken.get() + 1) < 2 {
                std::fs::remove_dir(&path)?;
            }
            trusted::create(table, name, FILE_MODE)
        })?;
        assert!(path.join("file").exists() && taken.get() == 3);
        Ok(())
    }

    #[test]
    fn a_link_can_be_made_again() -> std::io::Result<()> {
        let (folder, root) = lake()?;
        std::fs::write(folder.path().join("from"), "rows")?;
        root.second("from", "x/to")?;
        root.second("from", "x/to")?;
        assert_eq!(std::fs::read(folder.path().join("x/to"))?, b"rows");
        Ok(())
    }
}
