//! The memory budget: how many bytes are under way between the buffers and the storage.
//!
//! A piece of work that holds bytes has a [`Held`] for them. Dropping it gives the bytes back and wakes the router, which
//! reads no further while too much is under way. Large buffers are reused after they are emptied: memory that is new from
//! the system costs as much time as copying the rows into it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Counts bytes under way.
#[derive(Default)]
pub struct Budget {
    used: Mutex<Used>,
    released: Condvar,
    spare: Mutex<Vec<Vec<u8>>>,
}

#[derive(Default)]
struct Used {
    under_way: usize,
    /// A large chunk of input is being read or waits for the router.
    large_chunk: bool,
}

/// How many emptied buffers are kept.
const SPARE: usize = 2;

/// The right to have the one large chunk of input; dropping it gives the right back.
pub struct LargeChunk {
    budget: Arc<Budget>,
}

/// Bytes that are counted until this is dropped.
pub struct Held {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    /// Counts `bytes` until the answer is dropped.
    pub fn hold(self: &Arc<Self>, bytes: usize) -> Held {
        self.used().under_way += bytes;
        Held { budget: Arc::clone(self), bytes }
    }

    /// Bytes under way now.
    pub fn under_way(&self) -> usize {
        self.used().under_way
    }

    /// Blocks until there is no other large chunk and at most `under_way` bytes are under way, so that a line of 100 MB is
    /// read only when the one before it has left memory.
    pub fn large_chunk(self: &Arc<Self>, under_way: usize) -> LargeChunk {
        let busy = |used: &mut Used| used.large_chunk || used.under_way > under_way;
        let mut used = self.released.wait_while(self.used(), busy).unwrap_or_else(PoisonError::into_inner);
        used.large_chunk = true;
        LargeChunk { budget: Arc::clone(self) }
    }

    /// Keeps the memory of an emptied buffer for reuse.
    pub fn keep(&self, memory: Vec<u8>) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE {
            spare.push(memory);
        }
    }

    /// Memory of an emptied buffer, if some was kept.
    pub fn spare(&self) -> Option<Vec<u8>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Blocks until bytes are given back, at most for `timeout`; not at all if nothing is under way.
    pub fn wait(&self, timeout: Duration) {
        let used = self.used();
        if used.under_way > 0 {
            drop(self.released.wait_timeout(used, timeout));
        }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LargeChunk {
    fn drop(&mut self) {
        self.budget.used().large_chunk = false;
        self.budget.released.notify_all();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.used().under_way -= self.bytes;
        self.budget.released.notify_all();
    }
}
