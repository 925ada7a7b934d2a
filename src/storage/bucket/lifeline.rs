//! How long ago this sync's lease was renewed, and so whether it may still commit.
//!
//! Others take a sync for dead when its lease is older than the lease's age. A sync that could not renew its lease for
//! half of that commits nothing more: what it has copied may be swept away soon, and a commit that names it would break
//! the table. The other half is for a commit that is under way.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use object_store::path::Path;

use crate::error::{Error, Result};

/// What is known of this process's own lease.
pub(in crate::storage) struct Lifeline {
    lapses: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    renewed: Option<Instant>,
    lost: bool,
    object: Option<Path>,
}

impl Lifeline {
    pub(super) fn new(lease_age: Duration) -> Self {
        Self { lapses: lease_age / 2, state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lease in `object` was written by a request that began at `begun`.
    pub(in crate::storage) fn renewed(&self, object: &Path, begun: Instant) {
        let mut state = self.state();
        state.renewed = Some(begun);
        state.object = Some(object.clone());
    }

    /// Somebody else has the lease.
    pub(in crate::storage) fn lost(&self) {
        self.state().lost = true;
    }

    /// The sync has ended: it needs no lease any more.
    pub(in crate::storage) fn ended(&self) {
        *self.state() = State::default();
    }

    /// The object that is the lease, while there is one.
    pub(in crate::storage) fn object(&self) -> Option<Path> {
        self.state().object.clone()
    }

    /// Whether what is committed now is safe. Without a lease there is nothing that somebody could sweep away.
    pub(in crate::storage) fn ensure_held(&self) -> Result<()> {
        let state = self.state();
        if !state.lost && state.renewed.is_none_or(|renewed| renewed.elapsed() < self.lapses) {
            return Ok(());
        }
        let why = if state.lost { "another sync took this one for dead" } else { "the bucket could not be written to" };
        Err(Error::transient(format!(
            "The sync's lease was not renewed for {} seconds because {why}, so nothing more may be committed: what was \
             staged may be swept away.",
            state.renewed.map_or(0, |renewed| renewed.elapsed().as_secs())
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_commits_only_while_its_lease_is_young() {
        let lifeline = Lifeline::new(Duration::from_millis(200));
        let object = Path::from("sync.lease");
        assert!(lifeline.ensure_held().is_ok());
        lifeline.renewed(&object, Instant::now());
        assert!(lifeline.ensure_held().is_ok());
        std::thread::sleep(Duration::from_millis(110));
        assert!(lifeline.ensure_held().is_err());
        lifeline.renewed(&object, Instant::now());
        lifeline.lost();
        assert!(lifeline.ensure_held().is_err());
        lifeline.ended();
        assert!(lifeline.ensure_held().is_ok());
    }
}
