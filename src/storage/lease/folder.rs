//! A lease on disk: a lock on the file `sync.lock` in the sync's staging folder.
//!
//! The process holds it for as long as it lives; the operating system gives the lock back when the process ends, however
//! it ends. Whoever gets the lock of another sync's folder therefore knows that it is dead, and holds the only right to
//! clear it away.
//!
//! A lake may be a folder of several users. Only a real folder of this program's own user, with a regular file of its own as
//! lock, is a staging folder: everything else is somebody else's, whatever it is called. The lock is that user's alone
//! (0600): whoever else could open it could hold it, and keep what a dead sync left from ever being cleared away.

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
/// An empty folder is one that is being made just now, or one whose maker died at that moment.
const NEWBORN: Duration = Duration::from_secs(600);
/// How often a folder is made that others take or have already.
const TRIES: u32 = 100;

/// The right to a staging folder on disk.
pub(super) struct FolderLease {
    pub(super) sync: Uuid,
    home: Arc<Folder>,
    /// The folder itself, whatever its name leads to by now.
    folder: OwnedFd,
    _lock: File,
}

impl FolderLease {
    /// Makes a staging folder with an id from `new_id` and takes its lease.
    pub(super) fn begin(home: &Arc<Folder>, mut new_id: impl FnMut() -> Uuid) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::config(format!(
                "No staging folder could be made in {}: {error}. Check that this program may write there.",
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
            // What another sync's sweep took away meanwhile, or another user put in its place, is not ours.
            let Some(folder) = trusted::open_own_folder(&home.trusted, &name) else { continue };
            let lock = match trusted::create(folder.as_fd(), LOCK, LOCK_MODE) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                lock => lock.map_err(failed)?,
            };
            if lock.try_lock().is_ok() && trusted::is_there(folder.as_fd(), LOCK) {
                return Ok(Self { sync, home: Arc::clone(home), folder, _lock: lock });
            }
        }
        Err(Error::transient(format!("Others took each of {TRIES} staging folders in {}.", home.path("").display())))
    }

    /// The folders of all syncs that died, each with its lease taken, and how many syncs live.
    pub(super) fn take_dead(home: &Arc<Folder>) -> Result<(Vec<Self>, usize)> {
        let (mut dead, mut alive) = (Vec::new(), 0);
        for name in trusted::folders(&home.trusted, "") {
            let Some(sync) = super::sync_of(&name) else { continue };
            let Some(folder) = trusted::open_own_folder(&home.trusted, &name) else { continue };
            match state_of(home, &name, &folder) {
                State::Dead(lock) => dead.push(Self { sync, home: Arc::clone(home), folder, _lock: lock }),
                State::Alive => alive += 1,
                State::NotOurs => {}
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

enum State {
    /// Its maker lives, or may just be making it.
    Alive,
    /// Kept on purpose, or no staging folder.
    NotOurs,
    /// Its maker is dead; its lock is taken now.
    Dead(File),
}

fn state_of(home: &Folder, name: &str, folder: &OwnedFd) -> State {
    if trusted::is_there(folder.as_fd(), KEPT) {
        return State::NotOurs;
    }
    if let Some(lock) = trusted::open_own_file(folder.as_fd(), LOCK) {
        return match lock.try_lock() {
            Ok(()) => State::Dead(lock),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => State::Alive,
        };
    }
    // The lock is the first thing in a staging folder and the last: what has other things in it is somebody else's, and is
    // not removed by this.
    let age = folder.try_clone().and_then(|folder| File::from(folder).metadata()?.modified());
    if age.ok().and_then(|made| made.elapsed().ok()).is_none_or(|age| age <= NEWBORN) {
        return State::Alive;
    }
    let _ = trusted::remove_empty(&home.trusted, name);
    State::NotOurs
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
