//! A lease on disk: a lock on the file `sync.lock` in the sync's staging folder.
//!
//! The process holds the lock while it lives, and the operating system releases it when the process ends, in whatever way. A
//! sync that gets the lock of another sync's folder therefore knows that the other one is dead, and it alone may remove the
//! folder.
//!
//! Several users may share the root folder. A staging folder is only a real folder of this program's own user, with a regular
//! file of that user as its lock. The lock has mode 0600: a user who could open it could hold it, and keep the files of a dead
//! sync from ever being removed.

use std::fs::{File, TryLockError};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::KEPT;
use crate::error::{Error, Result};
use crate::storage::{Folder, OwnFolder};

const LOCK: &str = "sync.lock";
/// Rights of the lock.
const LOCK_MODE: u32 = 0o600;
/// An empty folder younger than this may be one that is being created.
const NEWBORN: Duration = Duration::from_secs(600);
/// How often creating a folder is tried while other syncs take it.
const TRIES: u32 = 100;

/// The right to a staging folder on disk.
pub(super) struct FolderLease {
    pub(super) sync: Uuid,
    folder: OwnFolder,
    _lock: File,
}

impl FolderLease {
    /// Makes a staging folder with an id from `new_id` and takes its lease.
    pub(super) fn begin(home: &Arc<Folder>, mut new_id: impl FnMut() -> Uuid) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::config(format!(
                "Could not create a staging folder in {}: {error}. Check that this program may write there.",
                home.path("").display()
            ))
            .with_source(error)
        };
        for _ in 0..TRIES {
            let sync = new_id();
            // Another sync's sweep may have removed it.
            let Some(folder) = OwnFolder::make(home, &sync.to_string()).map_err(failed)? else { continue };
            let lock = match folder.create(LOCK, LOCK_MODE) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                lock => lock.map_err(failed)?,
            };
            folder.learn_owner(&lock).map_err(failed)?;
            // Another user may have replaced the folder.
            let is_ours = folder.is_own() && folder.has(LOCK);
            if lock.try_lock().is_ok() && is_ours {
                return Ok(Self { sync, folder, _lock: lock });
            }
        }
        Err(Error::transient(format!(
            "Each of {TRIES} new staging folders in {} was removed or locked by another process. Run the sync again.",
            home.path("").display()
        )))
    }

    /// The folders of all syncs that died, each with its lease taken, and how many syncs live.
    pub(super) fn take_dead(home: &Arc<Folder>) -> Result<(Vec<Self>, usize)> {
        let (mut dead, mut alive) = (Vec::new(), 0);
        for name in home.folders("") {
            let Some(sync) = super::sync_of(&name) else { continue };
            let Some(folder) = OwnFolder::open(home, &name) else { continue };
            match holder_of(&folder) {
                LeaseHolder::Dead(lock) => dead.push(Self { sync, folder, _lock: lock }),
                LeaseHolder::Alive => alive += 1,
                LeaseHolder::NotOurs => {}
            }
        }
        Ok((dead, alive))
    }

    /// Removes the folder and all that is in it; the lock goes last, so that a kill half-way is found again.
    pub(super) fn remove(self) -> Result<()> {
        let removed = self.folder.clear(LOCK).and_then(|()| self.folder.clear("")).and_then(|()| self.folder.remove());
        removed.map_err(|error| {
            Error::transient(format!("The staging folder {} could not be removed.", self.folder.path().display()))
                .with_source(error)
        })
    }

    /// Leaves the folder where it is, marked so that no later sync sweeps it.
    pub(super) fn keep(self) -> Result<()> {
        let marked = match self.folder.create(KEPT, LOCK_MODE) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
            _ => self.folder.remove_file(LOCK),
        };
        marked.map_err(|error| {
            Error::transient(format!("The staging folder {} could not be marked.", self.folder.path().display()))
                .with_source(error)
        })
    }
}

/// Who holds the lease of a folder.
enum LeaseHolder {
    /// A living sync, or one that may be creating it.
    Alive,
    /// Nobody: kept on purpose, or not a staging folder.
    NotOurs,
    /// This sync: the owner is dead, and its lock is taken now.
    Dead(File),
}

fn holder_of(folder: &OwnFolder) -> LeaseHolder {
    if folder.has(KEPT) {
        return LeaseHolder::NotOurs;
    }
    if let Some(lock) = folder.own_file(LOCK) {
        return match lock.try_lock() {
            Ok(()) => LeaseHolder::Dead(lock),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => LeaseHolder::Alive,
        };
    }
    // A staging folder gets its lock first and loses it last: a folder with other files and no lock is not ours, and the call
    // below does not remove it.
    if folder.modified().ok().and_then(|made| made.elapsed().ok()).is_none_or(|age| age <= NEWBORN) {
        return LeaseHolder::Alive;
    }
    let _ = folder.remove();
    LeaseHolder::NotOurs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(root: &std::path::Path) -> std::io::Result<Arc<Folder>> {
        Folder::open(root).map(Arc::new)
    }

    #[test]
    fn only_the_dead_are_found_and_what_was_kept_stays() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let root = root.path();
        let home = home(root)?;
        let alive = FolderLease::begin(&home, Uuid::now_v7)?;
        let kept = FolderLease::begin(&home, Uuid::now_v7)?;
        let kept_folder = root.join(kept.sync.to_string());
        kept.keep()?;
        let died = FolderLease::begin(&home, Uuid::now_v7)?;
        let dead_sync = died.sync;
        std::fs::create_dir_all(root.join(dead_sync.to_string()).join("users"))?;
        drop(died);
        std::fs::create_dir(root.join(Uuid::now_v7().to_string()))?;
        std::fs::create_dir(root.join("public"))?;

        let (dead, living) = FolderLease::take_dead(&home)?;
        assert_eq!(living, 2, "one holds its lease, one folder is too young to tell");
        assert_eq!(dead.iter().map(|lease| lease.sync).collect::<Vec<_>>(), [dead_sync]);
        assert!(FolderLease::take_dead(&home)?.0.is_empty(), "one sweeper at a time");
        for lease in dead {
            lease.remove()?;
        }
        assert!(!root.join(dead_sync.to_string()).exists());
        assert!(kept_folder.exists() && root.join(alive.sync.to_string()).exists());
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
        let (dead, living) = FolderLease::take_dead(&home(root.path())?)?;
        assert_eq!((dead.len(), living), (0, 0));
        assert!(foreign.join("users").exists() && !empty.exists());
        Ok(())
    }
}
