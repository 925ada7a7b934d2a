//! Files that the Delta kernel asks for by name. Anything else in their place (a link, a pipe, a device, a folder) is reported,
//! and neither followed nor waited for.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;

use super::trusted::{DEEPEST, Root, entries, open_file, open_folder, parts};

/// Something that is no file, or none of ours, where a file of this program or of a table's log should be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct InTheWay(String);

/// The message about what is in the way, if `error` or one of its causes has it.
pub fn in_the_way<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a str> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.find_map(|error| {
        let inner = error.downcast_ref::<Error>()?.get_ref()?;
        inner.downcast_ref::<InTheWay>().map(|found| found.0.as_str())
    })
}

/// What is called `name` is no file.
pub(super) fn no_file(name: &str) -> Error {
    let said =
        format!("{name} is a link, a pipe, a device or a folder where a file should be, and is not read: remove it.");
    Error::new(ErrorKind::InvalidInput, InTheWay(said))
}

/// The file `name` has more than the `most` bytes that are read of one.
pub(super) fn too_long(name: &str, most: u64) -> Error {
    let said = format!("{name} has more than {} MiB, which no file of a log has: find out who wrote it.", most >> 20);
    Error::new(ErrorKind::InvalidData, InTheWay(said))
}

impl Root {
    /// Opens the regular file `relative` for reading, in one call if no link is on the path, and returns its metadata.
    pub(super) fn open_regular(&self, relative: &str) -> Result<(File, Stat)> {
        let (parent, name) = parts(relative);
        let file = match file_at_once(self, relative) {
            Some(opened) => opened?,
            None => open_file(self.folder(parent)?.as_fd(), name)?,
        };
        let stat = rustix::fs::fstat(&file)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok((file, stat)),
            _ => Err(no_file(name)),
        }
    }

    /// What lies below the folder `relative` and is called as `wanted` says: paths relative to that folder, what each is, and nothing
    /// beyond a link. Entries that are no files are included: reading one fails, while a gap could look like the end of the log.
    pub(super) fn all_below(&self, relative: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<(String, Stat)>> {
        let mut found = Vec::new();
        match self.folder(relative) {
            Ok(folder) => collect(folder.as_fd(), "", DEEPEST, wanted, &mut found)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(found)
    }
}

fn collect(
    folder: BorrowedFd<'_>,
    relative: &str,
    deeper: usize,
    wanted: &dyn Fn(&str) -> bool,
    found: &mut Vec<(String, Stat)>,
) -> Result<()> {
    for (name, kind) in entries(folder)? {
        let path = if relative.is_empty() { name.clone() } else { format!("{relative}/{name}") };
        if kind == FileType::Directory && deeper > 0 {
            collect(open_folder(folder, &name)?.as_fd(), &path, deeper - 1, wanted, found)?;
        }
        if wanted(&path) {
            match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => found.push((path, stat)),
                // It is gone again.
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// All in one call, where the system can do so; `None` where it has to be looked at step by step.
#[cfg(target_os = "linux")]
fn file_at_once(root: &Root, relative: &str) -> Option<Result<File>> {
    use rustix::fs::{Mode, ResolveFlags, openat2};
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    match openat2(&root.folder, relative, super::trusted::FILE, Mode::empty(), resolve) {
        Ok(file) => Some(Ok(file.into())),
        // A link on the path would have been reported first.
        Err(Errno::NOENT) => Some(Err(Errno::NOENT.into())),
        Err(_) => None,
    }
}

#[cfg(not(target_os = "linux"))]
fn file_at_once(_: &Root, _: &str) -> Option<Result<File>> {
    None
}
