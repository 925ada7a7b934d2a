//! Gives written files their final names, and never a name that is in use: by hard links or, without them, by renaming.
//!
//! A link fails if the name is in use, so two commits never replace each other. Not every file system has links (exFAT, many
//! network shares, host folders in a container). There a file is renamed by a call that replaces nothing. If there is no such
//! call either, a lock in the root keeps this program's syncs apart, and nothing keeps other programs out.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, linkat};

use super::{Put, root_lock};

/// `ENOTSUPP`, which is not meant for programs and comes from some network file systems all the same.
const NOT_SUPPORTED_IN_THE_KERNEL: i32 = 524;

/// How files below one folder get their names.
pub(super) struct Names {
    root: PathBuf,
    /// The device of the folder, which is flushed as a whole.
    device: u64,
    no_links: AtomicBool,
    no_links_told: Once,
    unguarded_told: Once,
}

impl Names {
    pub(super) fn of(root: &Path) -> Result<Self> {
        let device = std::fs::metadata(root)?.dev();
        let (no_links_told, unguarded_told) = (Once::new(), Once::new());
        Ok(Self { root: root.to_owned(), device, no_links: AtomicBool::default(), no_links_told, unguarded_told })
    }

    /// Whether a link is worth trying.
    pub(super) fn are_links_likely(&self) -> bool {
        !self.no_links.load(Ordering::Relaxed)
    }

    /// Whether `error` means that this file system has no hard links for `name`; warns once.
    pub(super) fn has_no_link(&self, error: &Error, name: &str) -> bool {
        let Some(refusal) = Refusal::of(error) else { return false };
        if refusal == Refusal::FileSystem {
            self.no_links.store(true, Ordering::Relaxed);
        }
        self.no_links_told.call_once(|| {
            tracing::warn!(
                "No hard link could be made in {} (for {name}): {} ({error}). Files are copied from the staging folder into the tables' \
                 instead, which takes more time, and twice the space until a sync ends.",
                self.root.display(),
                refusal.reason(error)
            );
        });
        true
    }

    /// Gives the whole file `temporary` in `folder`, open as `file`, the name `name` there, unless that is taken. The temporary
    /// name may stay.
    pub(super) fn give(&self, folder: BorrowedFd<'_>, temporary: &str, file: &File, name: &str) -> Result<Put> {
        // What is not flushed with the folder's own file system has to be here.
        if file.metadata()?.dev() != self.device {
            file.sync_all()?;
        }
        if self.are_links_likely() {
            match linkat(folder, temporary, folder, name, AtFlags::empty()).map_err(Error::from) {
                Err(error) if self.has_no_link(&error, name) => {}
                outcome => return put(outcome).and_then(|put| self.flushed(put, file, folder)),
            }
        }
        // File systems without links are often such that their flush as a whole does nothing.
        file.sync_all()?;
        let renamed = match rename_new(folder, temporary, name) {
            Err(error) if is_unknown_call(&error) => self.rename_under_lock(folder, temporary, file, name),
            outcome => outcome,
        };
        put(renamed).and_then(|put| {
            flush_folder(folder)?;
            Ok(put)
        })
    }

    fn flushed(&self, put: Put, file: &File, folder: BorrowedFd<'_>) -> Result<Put> {
        if put == Put::Created && file.metadata()?.dev() != self.device {
            flush_folder(folder)?;
        }
        Ok(put)
    }

    fn rename_under_lock(&self, folder: BorrowedFd<'_>, temporary: &str, file: &File, name: &str) -> Result<()> {
        self.unguarded_told.call_once(|| {
            tracing::warn!(
                "The file system of {} has neither hard links nor a renaming that replaces nothing. Syncs of this program \
                 do not commit over each other there; no other program may write to these tables.",
                self.root.display()
            );
        });
        // The owner of the new file owns the lock, too. The lock is held from the check of the name to the rename.
        let _lock = root_lock::hold(&self.root, file.metadata()?.uid())?;
        if rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        Ok(rustix::fs::renameat(folder, temporary, folder, name)?)
    }
}

/// Why there can be no link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// The file system has none, or none for this program.
    FileSystem,
    /// The two names would lie on two file systems.
    TwoFileSystems,
    /// The file has as many names as it may have.
    TooMany,
}

impl Refusal {
    fn of(error: &Error) -> Option<Self> {
        let missing = [libc::EPERM, libc::ENOSYS, libc::ENOTSUP, libc::EOPNOTSUPP, NOT_SUPPORTED_IN_THE_KERNEL];
        match error.raw_os_error()? {
            libc::EXDEV => Some(Self::TwoFileSystems),
            libc::EMLINK => Some(Self::TooMany),
            code => missing.contains(&code).then_some(Self::FileSystem),
        }
    }

    fn reason(self, error: &Error) -> &'static str {
        match self {
            Self::TwoFileSystems => "it lies on another file system than the staging folder",
            Self::TooMany => "the file has as many names as its file system allows",
            Self::FileSystem if error.raw_os_error() == Some(libc::EPERM) => {
                "its file system has none, or the system's setting fs.protected_hardlinks forbids links to files that appear \
                 to belong to somebody else"
            }
            Self::FileSystem => "its file system has none",
        }
    }
}

fn put(named: Result<()>) -> Result<Put> {
    match named {
        Ok(()) => Ok(Put::Created),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Put::Exists),
        Err(error) => Err(error),
    }
}

/// Renames unless the new name is taken, in one step.
#[cfg(target_os = "linux")]
fn rename_new(folder: BorrowedFd<'_>, from: &str, to: &str) -> Result<()> {
    use rustix::fs::{RenameFlags, renameat_with};
    Ok(renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE)?)
}

#[cfg(not(target_os = "linux"))]
fn rename_new(_folder: BorrowedFd<'_>, _from: &str, _to: &str) -> Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// Whether the file system does not know that renaming; it says so in several ways.
fn is_unknown_call(error: &Error) -> bool {
    let unknown = [libc::EINVAL, libc::ENOSYS, libc::ENOTSUP, libc::EOPNOTSUPP, NOT_SUPPORTED_IN_THE_KERNEL];
    error.kind() == ErrorKind::Unsupported || error.raw_os_error().is_some_and(|code| unknown.contains(&code))
}

/// Puts the names in `folder` on the disk, where its file system knows how to.
fn flush_folder(folder: BorrowedFd<'_>) -> Result<()> {
    match rustix::fs::fsync(folder).map_err(Error::from) {
        Err(error) if is_unknown_call(&error) => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    const TEMPORARY: &str = "temporary#1";

    type Give = dyn Fn(&Names, &File, &File, &str) -> Result<Put>;

    fn refusal(code: i32) -> Option<Refusal> {
        Refusal::of(&Error::from_raw_os_error(code))
    }

    #[test]
    fn what_says_that_there_are_no_links_is_told_from_what_may_be_mended() {
        for code in [libc::EPERM, libc::ENOSYS, libc::EOPNOTSUPP, 524] {
            assert_eq!(refusal(code), Some(Refusal::FileSystem), "{code}");
        }
        assert_eq!(refusal(libc::EXDEV), Some(Refusal::TwoFileSystems));
        assert_eq!(refusal(libc::EMLINK), Some(Refusal::TooMany));
        for code in [libc::EACCES, libc::ENOSPC, libc::EROFS, libc::ENOENT, libc::EEXIST, libc::EIO] {
            assert_eq!(refusal(code), None, "{code}");
        }
        let of_owner = Refusal::FileSystem.reason(&Error::from_raw_os_error(libc::EPERM));
        assert!(of_owner.contains("fs.protected_hardlinks"));
    }

    #[test]
    fn a_name_that_is_taken_is_never_given_again_with_links_and_without() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let names = Names::of(folder.path())?;
        let open = File::open(folder.path())?;
        let give =
            |names: &Names, open: &File, file: &File, name: &str| names.give(open.as_fd(), TEMPORARY, file, name);
        let under_lock = |names: &Names, open: &File, file: &File, name: &str| {
            put(names.rename_under_lock(open.as_fd(), TEMPORARY, file, name))
        };
        let ways: [(bool, &Give); 3] = [(false, &give), (true, &give), (true, &under_lock)];
        for (number, (no_links, give)) in ways.into_iter().enumerate() {
            names.no_links.store(no_links, Ordering::Relaxed);
            let name = format!("name-{number}");
            for (text, expected) in [("first", Put::Created), ("second", Put::Exists)] {
                let temporary = folder.path().join(TEMPORARY);
                std::fs::write(&temporary, text)?;
                assert_eq!(give(&names, &open, &File::open(&temporary)?, &name)?, expected);
                let _ = std::fs::remove_file(&temporary);
                assert_eq!(std::fs::read_to_string(folder.path().join(&name))?, "first");
            }
        }
        Ok(())
    }
}
