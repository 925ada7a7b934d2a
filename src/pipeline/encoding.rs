//! Encodes blocks of rows in the background, as many at a time as there are cores.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::budget::{Budget, Held};
use super::buffer::Pending;
use crate::encode::changes::Changes;
use crate::encode::encoder::{Block, Encoder};
use crate::encode::ids::IdRange;
use crate::error::{Error, Result};

/// Bytes that a task holds beside its rows: with thousands of small streams, that is more than the rows.
pub const TASK: usize = 32 << 10;

/// Emptied buffers of this many bytes are reused: those of usual blocks, not those of a huge record.
const WORTH_KEEPING: std::ops::Range<usize> = 1 << 20..16 << 20;

/// Where blocks are encoded.
pub struct Encoding {
    runtime: Handle,
    slots: Arc<Semaphore>,
    budget: Arc<Budget>,
}

/// A block that is encoded, and the right to its memory.
pub struct HeldBlock {
    /// What a file is made of.
    pub group: Block,
    /// How many values did not fit their columns.
    pub changes: Changes,
    _held: Held,
}

impl Encoding {
    /// A place for as many blocks at a time as there are cores, whose memory `budget` counts.
    pub fn new(budget: Arc<Budget>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { runtime: Handle::current(), slots: Arc::new(Semaphore::new(cores)), budget }
    }

    /// Begins to encode `rows` by `encoder`, with the ids of `ids`.
    pub fn start(&self, encoder: Arc<Encoder>, rows: Pending, ids: IdRange) -> JoinHandle<Result<HeldBlock>> {
        let held = self.budget.hold(rows.held_bytes() + TASK);
        let (budget, slots) = (Arc::clone(&self.budget), Arc::clone(&self.slots));
        self.runtime.spawn(async move {
            let slot = slots.acquire_owned().await;
            let encode = move || {
                let encoded = encoder.encode(rows.read()?, ids)?;
                if WORTH_KEEPING.contains(&encoded.spare.capacity()) {
                    budget.keep(encoded.spare);
                }
                drop((held, slot));
                let held = budget.hold(encoded.group.size());
                Ok(HeldBlock { group: encoded.group, changes: encoded.changes, _held: held })
            };
            tokio::task::spawn_blocking(encode).await.unwrap_or_else(|error| Err(died(error)))
        })
    }
}

/// The error of a task that has not come to its end.
pub fn died(error: tokio::task::JoinError) -> Error {
    Error::system("A worker has failed in the middle of its work.").with_source(error)
}
