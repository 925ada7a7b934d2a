//! What runs on the server for us: so that it can be cancelled by somebody who does not wait for it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tcli_service::TOperationHandle;

/// The handles of the statements under way.
#[derive(Default)]
pub(super) struct OpenStatements {
    next: AtomicU64,
    handles: Mutex<HashMap<u64, TOperationHandle>>,
}

/// A statement's place among those that run. It stays there after the statement was given up, until it is cancelled.
pub(super) struct Slot<'a> {
    statements: &'a OpenStatements,
    number: u64,
}

impl OpenStatements {
    /// A place for one more statement.
    pub(super) fn open_slot(&self) -> Slot<'_> {
        Slot { statements: self, number: self.next.fetch_add(1, Ordering::Relaxed) }
    }

    /// All that run. They are not noted any more.
    pub(super) fn take_all(&self) -> Vec<TOperationHandle> {
        self.lock().drain().map(|(_, handle)| handle).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, TOperationHandle>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot<'_> {
    /// The statement runs under `handle`.
    pub(super) fn note(&self, handle: TOperationHandle) {
        self.statements.lock().insert(self.number, handle);
    }

    /// The statement does not run any more.
    pub(super) fn clear(&self) {
        self.statements.lock().remove(&self.number);
    }

    /// The handle that the statement runs under, if it does. It is not noted any more.
    pub(super) fn take(&self) -> Option<TOperationHandle> {
        self.statements.lock().remove(&self.number)
    }
}
