//! The right to renew a login, of one process at a time: a lock of the file itself, which may be one that cannot be written.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use tokio::time::{Instant, sleep};

use super::room::Room;
use super::{Login, ensure_file, unreadable};
use crate::error::{Error, Result};

const LOOK: Duration = Duration::from_millis(50);

/// The right to renew. It ends with this.
pub struct Turn {
    path: PathBuf,
    /// Holds the lock.
    file: File,
}

impl Turn {
    /// Waits, at most for `limit`, for the right to renew the login at `path`.
    ///
    /// # Errors
    /// Where there is no file, or another process does not give the lock back in time.
    pub async fn take(path: &Path, limit: Duration) -> Result<Self> {
        let begun = Instant::now();
        loop {
            ensure_file(path)?;
            let file = File::open(path).map_err(|error| unreadable(path, error))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    let turn = Self { path: path.to_owned(), file };
                    // Whoever had it before may have put another file in its place.
                    if turn.is_of_the_file_there() {
                        return Ok(turn);
                    }
                }
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) if begun.elapsed() < limit => {
                    sleep(LOOK).await
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(Error::transient(format!(
                        "Another process has locked the login file {} for longer than {} s: end it, or try again.",
                        path.display(),
                        limit.as_secs()
                    )));
                }
                Err(error) => return Err(unreadable(path, error.into())),
            }
        }
    }

    /// Puts `next` into `room`, in place of `login`, which was read in this turn. What somebody else has put there meanwhile, or that
    /// it was removed, stays so.
    ///
    /// # Errors
    /// A config error where it cannot be written.
    pub fn replace(&self, login: &Login, next: &Login, room: Room) -> Result<()> {
        match self.is_of_the_file_there() && Login::read(&self.path).is_ok_and(|there| there == *login) {
            true => room.fill(next),
            false => Ok(()),
        }
    }

    fn is_of_the_file_there(&self) -> bool {
        let same = |one: &Metadata, other: &Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
        let both = (self.file.metadata(), std::fs::metadata(&self.path));
        matches!(both, (Ok(one), Ok(other)) if same(&one, &other))
    }
}
