//! What the loads of all tables share that replace rows by their keys: memory, processors, and a secret.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock;
use crate::error::Result;
use crate::tasks;

/// Bytes of a permit.
const UNIT: usize = 64 << 10;
/// Memory that a row of a load takes, about, until the load is decided.
const ROW: u64 = 100;
/// And what any load takes.
const LOAD: u64 = 1 << 20;

/// Memory and processors for loads that replace rows by their keys.
#[derive(Clone)]
pub struct Merging {
    memory: Arc<Semaphore>,
    units: usize,
    processors: Arc<Semaphore>,
    workers: usize,
    secret: [u8; 16],
}

impl Merging {
    /// At most `memory` bytes and `workers` processors for all loads together.
    pub fn new(memory: usize, workers: usize) -> Self {
        let (units, workers) = ((memory / UNIT).max(1), workers.max(1));
        let mut secret = [0; 16];
        let random = [clock::random(), clock::random()].map(u64::to_le_bytes);
        secret.iter_mut().zip(random.as_flattened()).for_each(|(to, from)| *to = *from);
        Self {
            memory: Arc::new(Semaphore::new(units)),
            units,
            processors: Arc::new(Semaphore::new(workers)),
            workers,
            secret,
        }
    }

    /// Waits for the memory of a load of `rows` rows; returns how many bytes it is, until the permit is dropped.
    pub async fn memory(&self, rows: u64) -> (usize, Option<OwnedSemaphorePermit>) {
        let wanted =
            usize::try_from(LOAD + rows.saturating_mul(ROW)).unwrap_or(usize::MAX).div_ceil(UNIT).min(self.units);
        // The semaphore is never closed; without a permit the load would only take more memory.
        let permit = Arc::clone(&self.memory).acquire_many_owned(u32::try_from(wanted).unwrap_or(u32::MAX)).await;
        (wanted * UNIT, permit.ok())
    }

    /// Does `work` on a processor of its own.
    pub async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let _turn = self.processors.acquire().await;
        tasks::compute(work).await?
    }

    /// How many files, or row groups of one, are worked on at the same time.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// With what the keys of this sync are hashed.
    pub fn secret(&self) -> [u8; 16] {
        self.secret
    }
}
