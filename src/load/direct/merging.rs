//! What the loads of all tables share that replace rows by their keys: memory, processors, the scratch file, and a secret.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock;
use crate::error::Result;
use crate::merge::scratch::Scratch;
use crate::tasks;

/// Bytes of a permit.
const UNIT: usize = 64 << 10;
/// Memory that a row of a load takes, about, until the load is decided.
const ROW: u64 = 100;
/// And what any load takes.
const LOAD: u64 = 1 << 20;
/// Files that are being written take at most so small a part of the memory for their ends.
const ENDS_SHARE: usize = 2;
/// Bytes of a file that wait until they can be sent.
const END: u64 = 6 << 20;

/// Memory and processors for loads that replace rows by their keys.
#[derive(Clone)]
pub struct Merging {
    loads: Pool,
    groups: Pool,
    ends: Pool,
    processors: Arc<Semaphore>,
    workers: usize,
    scratch: Scratch,
    secret: [u8; 16],
}

/// Memory, until this is dropped.
pub type Permit = Option<OwnedSemaphorePermit>;

/// An amount of memory.
#[derive(Clone)]
struct Pool {
    memory: Arc<Semaphore>,
    units: u32,
}

impl Merging {
    /// At most `memory` bytes for what is compared, as many for row groups that are read and written, and `workers` processors, for all
    /// loads together.
    pub fn new(memory: usize, workers: usize) -> Self {
        let workers = workers.max(1);
        let mut secret = [0; 16];
        let random = [clock::random(), clock::random()].map(u64::to_le_bytes);
        secret.iter_mut().zip(random.as_flattened()).for_each(|(to, from)| *to = *from);
        Self {
            loads: Pool::new(memory),
            groups: Pool::new(memory),
            ends: Pool::new(memory / ENDS_SHARE),
            processors: Arc::new(Semaphore::new(workers)),
            workers,
            scratch: Scratch::default(),
            secret,
        }
    }

    /// Waits for the memory of a load of `rows` rows; returns how many bytes it is.
    pub async fn load(&self, rows: u64) -> (usize, Permit) {
        self.loads.take(usize::try_from(LOAD + rows.saturating_mul(ROW)).unwrap_or(usize::MAX)).await
    }

    /// Waits for `bytes` of memory, which a row group takes. One that is larger than all of the memory goes alone.
    pub async fn group(&self, bytes: usize) -> Permit {
        self.groups.take(bytes).await.1
    }

    /// The same if that much is free.
    pub fn try_group(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.groups.memory).try_acquire_many_owned(self.groups.units(bytes)).ok()
    }

    /// Waits for the memory that writing a file of `size` bytes takes, beside its row groups.
    pub async fn file(&self, size: u64) -> Permit {
        self.ends.take(usize::try_from(size.min(END)).unwrap_or(usize::MAX)).await.1
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

    /// Where goes what does not fit in memory.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// With what the keys of this sync are hashed.
    pub fn secret(&self) -> [u8; 16] {
        self.secret
    }
}

impl Pool {
    fn new(bytes: usize) -> Self {
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        Self { memory: Arc::new(Semaphore::new(units as usize)), units }
    }

    /// Waits for `bytes`, or all that there is; returns how much that is.
    async fn take(&self, bytes: usize) -> (usize, Permit) {
        let units = self.units(bytes);
        // The semaphore is never closed; without a permit the caller would only take more memory.
        (units as usize * UNIT, Arc::clone(&self.memory).acquire_many_owned(units).await.ok())
    }

    fn units(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units)
    }
}
