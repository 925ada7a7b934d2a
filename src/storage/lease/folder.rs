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
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::KEPT;
use crate::error::{Error, Result};
use crate::storage::local::Folder;
use crate::storage::trusted;

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
    home: Arc<Folder>,
    /// The open folder, whatever its name refers to now.
    folder: OwnedFd,
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
            let name = sync.to_string();
            if !trusted::make_new_folder(&home.trusted, &name).map_err(failed)? {
                continue;
            }
            // Another sync's sweep may have removed it.
            let Ok(folder) = trusted::open_in_root(&home.trusted, &name) else { continue };
            let lock = match trusted::create(folder.as_fd(), LOCK, LOCK_MODE) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                lock => lock.map_err(failed)?,
            };
            home.trusted.learn_owner(&lock).map_err(failed)?;
            // Another user may have replaced the folder.
            let is_ours = home.trusted.owns(&folder) && trusted::is_there(folder.as_fd(), LOCK);
            if lock.try_lock().is_ok() && is_ours {
                return Ok(Self { sync, home: Arc::clone(home), folder, _lock: lock });
            }
        }
        Err(Error::transient(format!(
            "Other syncs took each of {TRIES} new staging folders in {}.",
            home.path("").display()
        )))
    }

    /// The folders of all syncs that died, each with its lease taken, and how many syncs live.
    pub(super) fn take_dead(home: &Arc<Folder>) -> Result<(Vec<Self>, usize)> {
        let (mut dead, mut alive) = (Vec::new(), 0);
        for name in trusted::folders(&home.trusted, "") {
            let Some(sync) = super::sync_of(&name) else { continue };
            let Some(folder) = trusted::open_own_folder(&home.trusted, &name) else { continue };
            match holder_of(home, &name, &folder) {
                LeaseHolder::Dead(lock) => dead.push(Self { sync, home: Arc::clone(home), folder, _lock: lock }),
                LeaseHolder::Alive => alive += 1,
                LeaseHolder::NotOurs => {}
            }
        }
        Ok((dead, alive))
    }

    /// Removes the folder and all that is in it; the lock goes last, so that a kill half-way is found again.
    pub(super) fn remove(self) -> Result<()> {
        let name = self.sync.to_string();
        let removed = trusted::clear(self.folder.as_fd(), LOCK)
            .and_then(|()| trusted::clear(self.folder.as_fd(), ""))
            .and_then(|()| trusted::remove_empty(&self.home.trusted, &name));
        removed.map_err(|error| {
            Error::transient(format!("The staging folder {} could not be removed.", self.home.path(&name).display()))
                .with_source(error)
        })
    }

    /// Leaves the folder where it is, marked so that no later sync sweeps it.
    pub(super) fn keep(self) -> Result<()> {
        let name = self.sync.to_string();
        let marked = match trusted::create(self.folder.as_fd(), KEPT, LOCK_MODE) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
            _ => self.home.trusted.remove(&format!("{name}/{LOCK}")),
        };
        marked.map_err(|error| {
            Error::transient(format!("The staging folder {} could not be marked.", self.home.path(&name).display()))
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

fn holder_of(home: &Folder, name: &str, folder: &OwnedFd) -> LeaseHolder {
    if trusted::is_there(folder.as_fd(), KEPT) {
        return LeaseHolder::NotOurs;
    }
    if let Some(lock) = trusted::open_own_file(&home.trusted, folder.as_fd(), LOCK) {
        return match lock.try_lock() {
            Ok(()) => LeaseHolder::Dead(lock),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => LeaseHolder::Alive,
        };
    }
    // A staging folder gets its lock first and loses it last: a folder with other files and no lock is not ours, and the call
    // below does not remove it.
    let age = folder.try_clone().and_then(|folder| File::from(folder).metadata()?.modified());
    if age.ok().and_then(|made| made.elapsed().ok()).is_none_or(|age| age <= NEWBORN) {
        return LeaseHolder::Alive;
    }
    let _ = trusted::remove_empty(&home.trusted, name);
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
