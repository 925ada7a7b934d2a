//! The statements that are running on the server, so that another task than the one that waits for them can cancel them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tcli_service::TOperationHandle;

/// The handles of the running statements.
#[derive(Default)]
pub(super) struct OpenStatements {
    next: AtomicU64,
    handles: Mutex<HashMap<u64, TOperationHandle>>,
}

/// The slot of one statement. It keeps the handle after the waiting task was dropped, until the statement is cancelled.
pub(super) struct Slot<'a> {
    statements: &'a OpenStatements,
    number: u64,
}

impl OpenStatements {
    /// A slot for one more statement.
    pub(super) fn open_slot(&self) -> Slot<'_> {
        Slot { statements: self, number: self.next.fetch_add(1, Ordering::Relaxed) }
    }

    /// Takes the handles of all running statements.
    pub(super) fn take_all(&self) -> Vec<TOperationHandle> {
        self.lock().drain().map(|(_, handle)| handle).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, TOperationHandle>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot<'_> {
    /// Notes that the statement runs under `handle`.
    pub(super) fn note(&self, handle: TOperationHandle) {
        self.statements.lock().insert(self.number, handle);
    }

    /// Notes that the statement has ended.
    pub(super) fn clear(&self) {
        self.statements.lock().remove(&self.number);
    }

    /// Takes the handle, if the statement is running.
    pub(super) fn take(&self) -> Option<TOperationHandle> {
        self.statements.lock().remove(&self.number)
    }
}
