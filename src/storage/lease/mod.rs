//! The lease of a sync: who is alive and who is dead is known, not guessed.
//!
//! A sync has a staging folder and holds its lease for as long as it lives: on disk a locked file (`folder`), in a bucket
//! an object that is rewritten again and again (`object`). Whoever takes over the lease of another sync's folder knows
//! that it is dead, and clears it away.

mod folder;
mod object;

use std::time::Duration;

use futures::future::BoxFuture;
use uuid::Uuid;

use self::folder::FolderLease;
use self::object::ObjectLease;
use super::{Home, Storage};
use crate::error::Result;

/// Written when a folder is left on purpose: its sync has ended, and its user asked to keep what it staged.
const KEPT: &str = "sync.kept";

/// The right to a staging folder.
pub struct Lease(Inner);

enum Inner {
    Folder(FolderLease),
    Object(ObjectLease),
}

impl Lease {
    /// Makes a staging folder with an id from `new_id` and takes its lease.
    pub async fn begin(storage: &Storage, mut new_id: impl FnMut() -> Uuid) -> Result<Self> {
        Ok(Self(match &storage.home {
            Home::Folder(folder) => Inner::Folder(FolderLease::begin(folder, new_id)?),
            Home::Bucket(bucket) => Inner::Object(ObjectLease::begin(storage, bucket, new_id()).await?),
        }))
    }

    /// The folders of all syncs that died, each with its lease taken, and how many syncs live.
    pub async fn take_dead(storage: &Storage) -> Result<(Vec<Self>, usize)> {
        match &storage.home {
            Home::Folder(folder) => FolderLease::take_dead(folder)
                .map(|(dead, alive)| (dead.into_iter().map(|lease| Self(Inner::Folder(lease))).collect(), alive)),
            Home::Bucket(bucket) => ObjectLease::take_dead(storage, bucket)
                .await
                .map(|(dead, alive)| (dead.into_iter().map(|lease| Self(Inner::Object(lease))).collect(), alive)),
        }
    }

    /// The syncs that have not ended, living or dead, but for this process' own. None on a disk: what a process does there
    /// ends with it.
    pub async fn others(storage: &Storage) -> Result<Vec<Uuid>> {
        match &storage.home {
            Home::Folder(_) => Ok(Vec::new()),
            Home::Bucket(bucket) => ObjectLease::others(storage, bucket).await,
        }
    }

    /// How long a sync that is killed is taken to live.
    pub fn age(storage: &Storage) -> Duration {
        match &storage.home {
            Home::Folder(_) => Duration::ZERO,
            Home::Bucket(bucket) => bucket.patience.lease_age,
        }
    }

    /// Fails when what this process commits now may not be safe, because another sync may have taken it for dead.
    pub fn ensure_held(storage: &Storage) -> Result<()> {
        match &storage.home {
            // A locked file cannot be lost.
            Home::Folder(_) => Ok(()),
            Home::Bucket(bucket) => bucket.lease_clock.ensure_held(),
        }
    }

    /// Work that has to go on beside the sync, or the lease lapses; it ends when the lease is given back or lost.
    pub fn renewal(&self) -> Option<BoxFuture<'static, ()>> {
        match &self.0 {
            Inner::Folder(_) => None,
            Inner::Object(lease) => Some(lease.renewal()),
        }
    }

    /// The sync's id, which is its staging folder's name.
    pub fn sync(&self) -> Uuid {
        match &self.0 {
            Inner::Folder(lease) => lease.sync,
            Inner::Object(lease) => lease.sync,
        }
    }

    /// Removes the staging folder and all that is in it; the lease goes last, so that a kill half-way is found again.
    pub async fn remove(self) -> Result<()> {
        match self.0 {
            Inner::Folder(lease) => lease.remove(),
            Inner::Object(lease) => lease.remove().await,
        }
    }

    /// Leaves the staging folder where it is, marked so that no later sync sweeps it.
    pub async fn keep(self) -> Result<()> {
        match self.0 {
            Inner::Folder(lease) => lease.keep(),
            Inner::Object(lease) => lease.keep().await,
        }
    }
}

/// The sync whose staging folder is called `name`.
fn sync_of(name: &str) -> Option<Uuid> {
    Some(name).filter(|name| name.len() == 36).and_then(|name| Uuid::parse_str(name).ok())
}
