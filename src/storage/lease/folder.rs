//! A lease on disk: a lock on the file `sync.lock` in the sync's staging folder.
//!
//! The process holds it for as long as it lives; the operating system gives the lock back when the process ends, however
//! it ends. Whoever gets the lock of another sync's folder therefore knows that it is dead, and holds the only right to
//! clear it away.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use uuid::Uuid;

use super::KEPT;
use crate::error::{Error, Result};

const LOCK: &str = "sync.lock";
/// An empty folder is one that is being made just now, or one whose maker died at that moment.
const NEWBORN: Duration = Duration::from_secs(600);

/// The right to a staging folder on disk.
pub(super) struct FolderLease {
    pub(super) sync: Uuid,
    folder: PathBuf,
    _lock: File,
}

impl FolderLease {
    /// Makes a staging folder in `root` with an id from `new_id` and takes its lease.
    pub(super) fn begin(root: &Path, mut new_id: impl FnMut() -> Uuid) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::config(format!(
                "No staging folder could be made in {}: {error}. Check that this program may write there.",
                root.display()
            ))
            .with_source(error)
        };
        loop {
            let sync = new_id();
            let folder = root.join(sync.to_string());
            std::fs::create_dir_all(&folder).map_err(failed)?;
            let lock = File::create(folder.join(LOCK)).map_err(failed)?;
            let ours = lock.try_lock().is_ok() && folder.join(LOCK).exists();
            if ours {
                return Ok(Self { sync, folder, _lock: lock });
            }
        }
    }

    /// The folders of all syncs that died, each with its lease taken, and how many syncs live.
    pub(super) fn take_dead(root: &Path) -> Result<(Vec<Self>, usize)> {
        let failed = |error: std::io::Error| {
            Error::config(format!("{} could not be listed: {error}.", root.display())).with_source(error)
        };
        let (mut dead, mut alive) = (Vec::new(), 0);
        for entry in std::fs::read_dir(root).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Some(sync) = entry.file_name().to_str().and_then(super::sync_of) else { continue };
            match state_of(&entry.path()) {
                State::Dead(lock) => dead.push(Self { sync, folder: entry.path(), _lock: lock }),
                State::Alive => alive += 1,
                State::NotOurs => {}
            }
        }
        Ok((dead, alive))
    }

    /// Removes the folder and all that is in it; the lock goes last, so that a kill half-way is found again.
    pub(super) fn remove(self) -> Result<()> {
        let removed = remove_contents(&self.folder).and_then(|()| {
            remove_file_if_there(&self.folder.join(LOCK))?;
            std::fs::remove_dir(&self.folder)
        });
        removed.map_err(|error| {
            Error::transient(format!("The staging folder {} could not be removed.", self.folder.display()))
                .with_source(error)
        })
    }

    /// Leaves the folder where it is, marked so that no later sync sweeps it.
    pub(super) fn keep(self) -> Result<()> {
        let kept = File::create(self.folder.join(KEPT)).and_then(|_| remove_file_if_there(&self.folder.join(LOCK)));
        kept.map_err(|error| {
            Error::transient(format!("The staging folder {} could not be marked.", self.folder.display()))
                .with_source(error)
        })
    }
}

enum State {
    /// Its maker lives, or may just be making it.
    Alive,
    /// Kept on purpose, or no staging folder.
    NotOurs,
    /// Its maker is dead; its lock is taken now.
    Dead(File),
}

fn state_of(folder: &Path) -> State {
    if folder.join(KEPT).exists() {
        return State::NotOurs;
    }
    match File::open(folder.join(LOCK)) {
        Ok(lock) => match lock.try_lock() {
            Ok(()) => State::Dead(lock),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => State::Alive,
        },
        // The lock is the first thing in a staging folder and the last: what has other things in it is somebody else's,
        // and is not removed by this.
        Err(_) => {
            let made = std::fs::metadata(folder).and_then(|metadata| metadata.modified()).ok();
            if made.and_then(|made| made.elapsed().ok()).is_none_or(|age| age <= NEWBORN) {
                return State::Alive;
            }
            let _ = std::fs::remove_dir(folder);
            State::NotOurs
        }
    }
}

fn remove_contents(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            remove_file_if_there(&entry.path())?;
        }
    }
    Ok(())
}

pub(super) fn remove_file_if_there(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_dead_are_found_and_what_was_kept_stays() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let root = root.path();
        let alive = FolderLease::begin(root, Uuid::now_v7)?;
        let kept = FolderLease::begin(root, Uuid::now_v7)?;
        let kept_folder = kept.folder.clone();
        kept.keep()?;
        let died = FolderLease::begin(root, Uuid::now_v7)?;
        let dead_sync = died.sync;
        std::fs::create_dir_all(died.folder.join("users"))?;
        drop(died);
        std::fs::create_dir(root.join(Uuid::now_v7().to_string()))?;
        std::fs::create_dir(root.join("public"))?;

        let (dead, living) = FolderLease::take_dead(root)?;
        assert_eq!(living, 2, "one holds its lease, one folder is too young to tell");
        assert_eq!(dead.iter().map(|lease| lease.sync).collect::<Vec<_>>(), [dead_sync]);
        assert!(FolderLease::take_dead(root)?.0.is_empty(), "one sweeper at a time");
        for lease in dead {
            lease.remove()?;
        }
        assert!(!root.join(dead_sync.to_string()).exists());
        assert!(kept_folder.exists() && alive.folder.exists());
        Ok(())
    }

    #[test]
    fn an_old_folder_without_a_lock_is_somebody_elses_unless_it_is_empty() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let (foreign, empty) =
            (root.path().join(Uuid::now_v7().to_string()), root.path().join(Uuid::now_v7().to_string()));
        std::fs::create_dir_all(foreign.join("users"))?;
        std::fs::create_dir(&empty)?;
        let long_ago = std::time::SystemTime::UNIX_EPOCH + NEWBORN;
        for folder in [&foreign, &empty] {
            File::open(folder)?.set_modified(long_ago)?;
        }
        let (dead, living) = FolderLease::take_dead(root.path())?;
        assert_eq!((dead.len(), living), (0, 0));
        assert!(foreign.join("users").exists() && !empty.exists());
        Ok(())
    }
}
