//! The lease of a sync, by which other syncs know whether it is alive.
//!
//! A sync has a staging folder and holds its lease while it lives: on disk a locked file (`folder`), in a bucket an object that
//! is rewritten regularly (`object`). A sync that takes over another sync's lease knows that the other one is dead, and
//! removes what it left.

mod folder;
mod object;
mod standing;

use std::time::Duration;

use futures::future::BoxFuture;
use uuid::Uuid;

use self::folder::FolderLease;
use self::object::ObjectLease;
use crate::error::Result;
use crate::storage::{Home, Storage};

/// Marks a folder that is kept on purpose: its sync has ended, and `purge_staging_data` is off.
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
        Ok(Self(match storage.home() {
            Home::Folder(folder) => Inner::Folder(FolderLease::begin(folder, new_id)?),
            Home::Bucket(bucket) => Inner::Object(ObjectLease::begin(storage, bucket, new_id()).await?),
        }))
    }

    /// Takes the leases of all dead syncs; also returns how many syncs are alive.
    pub async fn take_dead(storage: &Storage) -> Result<(Vec<Self>, usize)> {
        match storage.home() {
            Home::Folder(folder) => FolderLease::take_dead(folder)
                .map(|(dead, alive)| (dead.into_iter().map(|lease| Self(Inner::Folder(lease))).collect(), alive)),
            Home::Bucket(bucket) => ObjectLease::take_dead(storage, bucket)
                .await
                .map(|(dead, alive)| (dead.into_iter().map(|lease| Self(Inner::Object(lease))).collect(), alive)),
        }
    }

    /// The other syncs that have not ended, alive or dead. None on a disk: there a process's work ends with the process.
    pub async fn others(storage: &Storage) -> Result<Vec<Uuid>> {
        match storage.home() {
            Home::Folder(_) => Ok(Vec::new()),
            Home::Bucket(bucket) => ObjectLease::others(storage, bucket).await,
        }
    }

    /// How long a killed sync is still treated as alive.
    pub fn age(storage: &Storage) -> Duration {
        match storage.home() {
            Home::Folder(_) => Duration::ZERO,
            Home::Bucket(bucket) => bucket.timeouts.lease_age,
        }
    }

    /// Fails when what this process commits now may not be safe, because another sync may have taken it for dead.
    pub fn ensure_held(storage: &Storage) -> Result<()> {
        match storage.home() {
            // A locked file cannot be lost.
            Home::Folder(_) => Ok(()),
            Home::Bucket(bucket) => bucket.lease_clock.ensure_held(),
        }
    }

    /// Renews the lease; must run during the whole sync. Ends when the lease is removed or lost. None if nothing needs renewing.
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

    /// Removes the staging folder with everything in it; the lease last, so that a later sync finds the rest after a kill.
    pub async fn remove(self) -> Result<()> {
        match self.0 {
            Inner::Folder(lease) => lease.remove(),
            Inner::Object(lease) => lease.remove().await,
        }
    }

    /// Keeps the staging folder and marks it, so that no later sync removes it.
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
