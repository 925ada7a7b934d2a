//! Files and folders below one root, opened without following other users' links.
//!
//! Several users may write to the root folder. A user who can create names there could put a link where this program is about
//! to write or remove something. So each folder of a path is opened relative to the one before it, and a symbolic link is
//! followed only if root or this program's own user made it: an administrator may put a table's folder elsewhere. The last
//! part of a path is never followed, and opening it never waits, as opening a pipe would.

use std::ffi::CStr;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::planted::{no_file, too_long};

/// How a folder is opened.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// How a file is opened.
pub(super) const FILE: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
/// The deepest that folders are gone into: ours have five levels.
pub(super) const DEEPEST: usize = 32;
/// The most bytes of a file that is read whole.
pub(super) const LONGEST: u64 = 1 << 30;

/// A symbolic link of another user, on the way to where something is.
#[derive(Debug, thiserror::Error)]
#[error("{0} is a symbolic link of another user")]
pub(super) struct ForeignLink(String);

/// The folder below which everything lies.
pub(super) struct Root {
    pub(super) folder: OwnedFd,
    /// The owner of new files: some file systems (NFS, CIFS) map all of them to one user.
    owner: AtomicU32,
}

impl Root {
    /// Opens it. The way to it is the user's own choice.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let folder = rustix::fs::open(folder, FOLDER, Mode::empty())?;
        Ok(Self { folder, owner: AtomicU32::new(rustix::process::geteuid().as_raw()) })
    }

    /// Learns the owner of new files from `made`, which was just created.
    pub(super) fn learn_owner(&self, made: &File) -> Result<()> {
        self.owner.store(rustix::fs::fstat(made)?.st_uid, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the file of `stat` belongs to the user of this process.
    fn is_own(&self, stat: &Stat) -> bool {
        stat.st_uid == rustix::process::geteuid().as_raw() || stat.st_uid == self.owner.load(Ordering::Relaxed)
    }

    /// Whether `folder` does.
    pub(super) fn owns(&self, folder: &OwnedFd) -> bool {
        rustix::fs::fstat(folder).is_ok_and(|stat| self.is_own(&stat))
    }

    /// The folder `relative`.
    pub(super) fn folder(&self, relative: &str) -> Result<OwnedFd> {
        self.way(relative, false)
    }

    /// The folder `relative`, which is made, with all above it, where it is not there.
    pub(super) fn make_folder(&self, relative: &str) -> Result<OwnedFd> {
        self.way(relative, true)
    }

    fn way(&self, relative: &str, make: bool) -> Result<OwnedFd> {
        if let Some(folder) = at_once(self.folder.as_fd(), relative) {
            return Ok(folder);
        }
        let mut at = rustix::fs::openat(&self.folder, ".", FOLDER, Mode::empty())?;
        for part in relative.split('/').filter(|part| !part.is_empty()) {
            if part == "." || part == ".." {
                return Err(Error::new(ErrorKind::InvalidInput, "a path leads upwards"));
            }
            at = match step(self, at.as_fd(), part) {
                Err(error) if make && error.kind() == ErrorKind::NotFound => {
                    match rustix::fs::mkdirat(&at, part, Mode::from_raw_mode(0o777)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                    step(self, at.as_fd(), part)?
                }
                opened => opened?,
            };
        }
        Ok(at)
    }

    /// Paths, relative to the root, of all files below the folder `relative`; none where there is no such folder.
    pub(super) fn files(&self, relative: &str) -> Result<Vec<String>> {
        let mut files = Vec::new();
        match self.folder(relative) {
            Ok(folder) => collect(folder.as_fd(), relative.trim_matches('/'), DEEPEST, &mut files)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(files)
    }

    /// The whole of the file `relative`.
    pub(super) fn read(&self, relative: &str) -> Result<Vec<u8>> {
        let (parent, name) = parts(relative);
        let file = open_file(self.folder(parent)?.as_fd(), name)?;
        let length = file.metadata()?.len();
        if length > LONGEST {
            return Err(too_long(name, LONGEST));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        file.take(LONGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Removes the file `relative` if it is a file of this process's user; anything else stays.
    pub(super) fn remove(&self, relative: &str) -> Result<()> {
        let (parent, name) = parts(relative);
        let removed = self.folder(parent).and_then(|folder| match is_own_file(self, folder.as_fd(), name)? {
            true => Ok(rustix::fs::unlinkat(&folder, name, AtFlags::empty())?),
            false => Ok(()),
        });
        match removed {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

/// The folder that `relative` lies in, and its name there.
pub(super) fn parts(relative: &str) -> (&str, &str) {
    relative.rsplit_once('/').unwrap_or(("", relative))
}

/// All in one call, where no link is on the way and the system can do so.
#[cfg(target_os = "linux")]
fn at_once(root: BorrowedFd<'_>, relative: &str) -> Option<OwnedFd> {
    use rustix::fs::ResolveFlags;
    let relative = if relative.is_empty() { "." } else { relative };
    rustix::fs::openat2(root, relative, FOLDER, Mode::empty(), ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH).ok()
}

#[cfg(not(target_os = "linux"))]
fn at_once(_: BorrowedFd<'_>, _: &str) -> Option<OwnedFd> {
    None
}

/// The folder `name` in `folder`; a link only where our own user or root made it.
fn step(root: &Root, folder: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    match open_folder(folder, name) {
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::LOOP | Errno::NOTDIR | Errno::MLINK)) => {
            let link = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(link.st_mode) != FileType::Symlink {
                return Err(error);
            }
            if !root.is_own(&link) && link.st_uid != 0 {
                return Err(Error::new(ErrorKind::PermissionDenied, ForeignLink(name.to_owned())));
            }
            Ok(rustix::fs::openat(folder, name, FOLDER, Mode::empty())?)
        }
        opened => opened,
    }
}

/// The folder `name` in `folder`, if it is a real one.
pub(super) fn open_folder(folder: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    Ok(rustix::fs::openat(folder, name, FOLDER | OFlags::NOFOLLOW | OFlags::NONBLOCK, Mode::empty())?)
}

/// The same, if it belongs to this program's own user; `None` where it is anything else.
pub(super) fn open_own_folder(root: &Root, name: &str) -> Option<OwnedFd> {
    let folder = open_folder(root.folder.as_fd(), name).ok()?;
    Some(folder).filter(|folder| root.owns(folder))
}

/// The folder `name` in the root, if it is a real one.
pub(super) fn open_in_root(root: &Root, name: &str) -> Result<OwnedFd> {
    open_folder(root.folder.as_fd(), name)
}

/// Makes the folder `name` in the root; whether it was not there.
pub(super) fn make_new_folder(root: &Root, name: &str) -> Result<bool> {
    match rustix::fs::mkdirat(&root.folder, name, Mode::from_raw_mode(0o777)) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Removes the folder `name` in the root, if it is empty and one.
pub(super) fn remove_empty(root: &Root, name: &str) -> Result<()> {
    Ok(rustix::fs::unlinkat(&root.folder, name, AtFlags::REMOVEDIR)?)
}

/// Opens the file `name` for reading, if it is one.
pub(super) fn open_file(folder: BorrowedFd<'_>, name: &str) -> Result<File> {
    let file = match rustix::fs::openat(folder, name, FILE, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::LOOP | Errno::MLINK | Errno::NXIO) => return Err(no_file(name)),
        Err(error) => return Err(error.into()),
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(no_file(name)) }
}

/// Opens the file `name` for reading, if it is a regular one of this program's own user; `None` where it is anything else.
pub(super) fn open_own_file(root: &Root, folder: BorrowedFd<'_>, name: &str) -> Option<File> {
    let file = open_file(folder, name).ok()?;
    Some(file).filter(|file| rustix::fs::fstat(file).is_ok_and(|stat| root.is_own(&stat)))
}

/// Makes the file `name`, which must not be there, with the rights `mode` as far as the process gives any.
pub(super) fn create(folder: BorrowedFd<'_>, name: &str, mode: u32) -> Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(mode))?))
}

/// Whether there is anything called `name`.
pub(super) fn is_there(folder: BorrowedFd<'_>, name: &str) -> bool {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

/// Whether `name` is a regular file of this program's own user.
pub(super) fn is_own_file(root: &Root, folder: BorrowedFd<'_>, name: &str) -> Result<bool> {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && root.is_own(&stat))
}

/// What lies in `folder`: names and kinds. Names that are no UTF-8 are none of ours.
pub(super) fn entries(folder: BorrowedFd<'_>) -> Result<Vec<(String, FileType)>> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if name == "." || name == ".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
                .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
            kind => kind,
        };
        entries.push((name.to_owned(), kind));
    }
    Ok(entries)
}

/// The names of the folders in the folder `relative`, and of the links to such that are followed.
pub(super) fn folders(root: &Root, relative: &str) -> Vec<String> {
    let Ok(folder) = root.folder(relative) else { return Vec::new() };
    let is_folder = |(name, kind): &(String, FileType)| match kind {
        FileType::Directory => true,
        FileType::Symlink => step(root, folder.as_fd(), name).is_ok(),
        _ => false,
    };
    let entries = entries(folder.as_fd()).unwrap_or_default();
    entries.into_iter().filter(is_folder).map(|(name, _)| name).collect()
}

fn collect(folder: BorrowedFd<'_>, relative: &str, deeper: usize, files: &mut Vec<String>) -> Result<()> {
    for (name, kind) in entries(folder)? {
        let path = if relative.is_empty() { name.clone() } else { format!("{relative}/{name}") };
        match kind {
            FileType::RegularFile => files.push(path),
            FileType::Directory if deeper > 0 => {
                collect(open_folder(folder, &name)?.as_fd(), &path, deeper - 1, files)?
            }
            _ => {}
        }
    }
    Ok(())
}

/// Removes everything in `folder` except the entry `but`. Of a link, only the link is removed.
pub(super) fn clear(folder: BorrowedFd<'_>, but: &str) -> Result<()> {
    let mut clearing = Clearing { top: folder, raised: 0 };
    loop {
        let before = clearing.raised;
        clearing.clear(folder, Some(but), DEEPEST)?;
        if clearing.raised == before {
            return Ok(());
        }
    }
}

/// One removal of all that is in a folder.
struct Clearing<'a> {
    top: BorrowedFd<'a>,
    /// How many names were tried for folders that lay too deep, and now lie in `top`.
    raised: u64,
}

impl Clearing<'_> {
    fn clear(&mut self, folder: BorrowedFd<'_>, but: Option<&str>, deeper: usize) -> Result<()> {
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") || but.is_some_and(|but| name.to_bytes() == but.as_bytes()) {
                continue;
            }
            let kind = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
            let is_folder = kind.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
            if !is_folder {
                gone(rustix::fs::unlinkat(folder, name, AtFlags::empty()))?;
            } else if deeper == 0 {
                self.raise(folder, name)?;
            } else {
                // Swapped for a link meanwhile, it is not opened.
                let inner = rustix::fs::openat(folder, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
                self.clear(inner.as_fd(), None, deeper - 1)?;
                gone(rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR))?;
            }
        }
        Ok(())
    }

    /// Moves the folder `name` to the top, where the next round finds it: each one that is gone into is held open.
    fn raise(&mut self, folder: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        loop {
            self.raised += 1;
            match rustix::fs::renameat(folder, name, self.top, format!("deep-{}", self.raised)) {
                // Something else is called so.
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                moved => return gone(moved),
            }
        }
    }
}

fn gone(removed: rustix::io::Result<()>) -> Result<()> {
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Removes the folder `relative` and all folders in it, as far as they are empty.
pub(super) fn remove_empty_folders(root: &Root, relative: &str) {
    let (parent, name) = parts(relative);
    if let Ok(parent) = root.folder(parent) {
        empty(parent.as_fd(), name, DEEPEST);
    }
}

fn empty(parent: BorrowedFd<'_>, name: &str, deeper: usize) {
    let Ok(folder) = open_folder(parent, name) else { return };
    for (inner, kind) in entries(folder.as_fd()).unwrap_or_default() {
        if kind == FileType::Directory && deeper > 0 {
            empty(folder.as_fd(), &inner, deeper - 1);
        }
    }
    // A folder that is not empty stays, which is all that is wanted.
    let _ = rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
}

#[cfg(test)]
#[path = "trusted_tests.rs"]
mod tests;
