//! The lock in a folder's root that keeps syncs apart where the file system cannot.
//!
//! Other users may write to that folder: what they put in the lock's place (a link, a pipe, a file) is reported, and neither
//! followed, truncated nor waited for.

use std::fs::{File, TryLockError};
use std::io::{Error, ErrorKind, Result};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

const NAME: &str = ".destination-databricks.lock";
/// How long another sync may hold it, which it does for two calls of the system.
const LONGEST_HELD: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(5);

/// Locks the folder `root` until the answer is dropped. `owner`: whom files belong to that this program makes there, which on some
/// file systems is not the user that it runs as.
///
/// # Errors
/// `PermissionDenied` if the lock belongs to another user; `TimedOut` if it stays held.
pub(super) fn hold(root: &Path, owner: u32) -> Result<File> {
    let lock = open(root, owner)?;
    let begun = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if begun.elapsed() < LONGEST_HELD => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                let held = format!("{} is held by another process", root.join(NAME).display());
                return Err(Error::new(ErrorKind::TimedOut, held));
            }
        }
    }
}

fn open(root: &Path, owner: u32) -> Result<File> {
    let path = root.join(NAME);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let in_the_way = || {
        let said = format!(
            "{} is no file of this program's user, and has to keep its syncs apart: remove it, and run all syncs of this folder \
             as one user",
            path.display()
        );
        Error::new(ErrorKind::PermissionDenied, said)
    };
    let file = match rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600)) {
        Ok(file) => File::from(file),
        Err(Errno::LOOP | Errno::MLINK | Errno::ISDIR | Errno::NXIO | Errno::ACCESS | Errno::PERM)
            if rustix::fs::lstat(&path).is_ok() =>
        {
            return Err(in_the_way());
        }
        Err(error) => return Err(error.into()),
    };
    let stat = rustix::fs::fstat(&file)?;
    let is_own = stat.st_uid == rustix::process::geteuid().as_raw() || stat.st_uid == owner;
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if is_own && is_file { Ok(file) } else { Err(in_the_way()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn what_others_have_put_in_the_locks_place_is_refused_and_stays_as_it_is() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let root = folder.path().join("lake");
        std::fs::create_dir(&root)?;
        let victim = folder.path().join("precious");
        std::fs::write(&victim, "precious")?;
        let owner = std::fs::metadata(&victim)?.uid();
        symlink(&victim, root.join(NAME))?;
        let refused = hold(&root, owner).map(drop).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{refused}");
        assert_eq!(std::fs::read(&victim)?, b"precious");
        std::fs::remove_file(root.join(NAME))?;
        rustix::fs::mknodat(rustix::fs::CWD, root.join(NAME), FileType::Fifo, Mode::from_raw_mode(0o666), 0)?;
        let refused = hold(&root, owner).map(drop).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{refused}");
        std::fs::remove_file(root.join(NAME))?;
        let held = hold(&root, owner)?;
        assert_eq!(held.metadata()?.mode() & 0o777, 0o600);
        drop(held);
        hold(&root, owner).map(drop)
    }
}
