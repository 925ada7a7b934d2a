//! The age of this sync's lease, which decides whether the sync may still commit.
//!
//! Other syncs treat a sync as dead when its lease is older than `lease_age`. A sync that could not renew its lease for half
//! of that time commits nothing more: its files may be swept soon, and a commit that names them would break the table. The
//! other half is for a commit that is in progress.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use object_store::path::Path;
use tokio::time::Instant;

use crate::error::{Error, Result};

/// What is known of this process's own lease.
pub struct LeaseClock {
    lapses: Duration,
    renewal: Mutex<Renewal>,
}

#[derive(Default)]
struct Renewal {
    last: Option<Instant>,
    is_lost: bool,
    object: Option<Path>,
}

impl LeaseClock {
    pub(super) fn new(lease_age: Duration) -> Self {
        Self { lapses: lease_age / 2, renewal: Mutex::default() }
    }

    fn renewal(&self) -> MutexGuard<'_, Renewal> {
        self.renewal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lease `object` was written by a request that was sent at `begun`.
    pub fn renewed(&self, object: &Path, begun: Instant) {
        let mut renewal = self.renewal();
        renewal.last = Some(begun);
        renewal.object = Some(object.clone());
    }

    /// How long ago the lease was renewed; `None` without one.
    pub fn since_renewal(&self) -> Option<Duration> {
        self.renewal().last.map(|last| last.elapsed())
    }

    /// Another sync has taken the lease.
    pub fn lost(&self) {
        self.renewal().is_lost = true;
    }

    /// The sync has ended and needs no lease.
    pub fn ended(&self) {
        *self.renewal() = Renewal::default();
    }

    /// The object that is the lease, while there is one.
    pub fn object(&self) -> Option<Path> {
        self.renewal().object.clone()
    }

    /// Fails when a commit made now may not be safe. Without a lease nothing can be swept, and every commit is safe.
    pub fn ensure_held(&self) -> Result<()> {
        let renewal = self.renewal();
        if !renewal.is_lost && renewal.last.is_none_or(|last| last.elapsed() < self.lapses) {
            return Ok(());
        }
        let why =
            if renewal.is_lost { "another sync took this one for dead" } else { "the storage could not be written to" };
        Err(Error::transient(format!(
            "The sync's lease was not renewed for {} seconds because {why}. Nothing more is committed: the next sync may remove \
             what was staged.",
            renewal.last.map_or(0, |last| last.elapsed().as_secs())
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_sync_commits_only_while_its_lease_is_young() {
        let clock = LeaseClock::new(Duration::from_secs(600));
        let object = Path::from("sync.lease");
        assert!(clock.ensure_held().is_ok());
        clock.renewed(&object, Instant::now());
        tokio::time::advance(Duration::from_secs(299)).await;
        assert!(clock.ensure_held().is_ok());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(clock.ensure_held().is_err());
        clock.renewed(&object, Instant::now());
        clock.lost();
        assert!(clock.ensure_held().is_err());
        clock.ended();
        assert!(clock.ensure_held().is_ok());
    }
}
