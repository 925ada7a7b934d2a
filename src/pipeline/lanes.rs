//! The lanes: what happens to rows after they leave their buffer, in the background: encode, stage, load.
//!
//! Each stream has a *lane* of two queues. Its stage queue appends encoded row groups to the stream's file, in their order,
//! and closes batches. Its load queue makes closed batches part of the table, all that have piled up in one load. Encoding
//! runs ahead of the stage queue, on as many threads as there are cores. The first error stops all lanes; the ledger is
//! still told of what is durable by then.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

use super::budget::{Budget, Held};
use super::buffer::Pending;
use super::encoding::{Encoding, HeldBlock, TASK, died};
use super::ledger::Ledger;
use super::progress::Progress;
use super::serial_queue::SerialQueue;
use super::stream_index::{PerStream, StreamIndex};
use crate::encode::encoder::Encoder;
use crate::encode::ids::IdRange;
use crate::error::{Error, Result, StreamDescriptor};
use crate::load::{TableLoader, TableState};
use crate::stage::{Batch, Stage, StagedStream};

/// Stage queues that run at the same time.
const STAGING: usize = 256;

/// An opened stream: who it is, its table, and its staging.
pub struct OpenStream {
    /// The stream.
    pub descriptor: StreamDescriptor,
    /// Its table.
    pub table: Box<dyn TableLoader>,
    /// Its staging.
    pub staged: StagedStream,
}

/// The lanes of all streams.
#[derive(Clone)]
pub struct Lanes {
    shared: Arc<LaneSet>,
}

struct LaneSet {
    lanes: PerStream<Lane>,
    stage: Stage,
    ledger: Arc<Ledger>,
    progress: Arc<Progress>,
    budget: Arc<Budget>,
    runtime: Handle,
    encoding: Encoding,
    staging: Semaphore,
    loading: Semaphore,
    /// Runners that have not ended.
    runners: AtomicUsize,
    idle: Notify,
    failed: AtomicBool,
    failure: Mutex<Option<Error>>,
}

struct Lane {
    descriptor: StreamDescriptor,
    table_state: TableState,
    staging: SerialQueue<StageWork>,
    loading: SerialQueue<LoadWork>,
    encoder: Arc<Encoder>,
    staged: tokio::sync::Mutex<StagedStream>,
    table: tokio::sync::Mutex<Box<dyn TableLoader>>,
    /// Batches of a stream that replaces its table: they are loaded together, at the end.
    held_back: Mutex<Vec<Batch>>,
    /// The table is as it should be.
    finished: AtomicBool,
}

enum StageWork {
    Append(JoinHandle<Result<HeldBlock>>),
    EndFile,
    CloseBatch,
    /// With the memory of the tasks that finish a stream: tens of thousands of streams may end at once.
    Finish(Held),
}

enum LoadWork {
    Prepare,
    Load(Batch, Held),
    Finish(Held),
}

impl Lanes {
    /// Lanes for `streams`, in their order; `loads` of them load at the same time.
    pub fn new(
        streams: Vec<OpenStream>,
        loads: usize,
        stage: Stage,
        ledger: Arc<Ledger>,
        progress: Arc<Progress>,
        budget: Arc<Budget>,
    ) -> Self {
        let lane = |stream: OpenStream| Lane {
            descriptor: stream.descriptor,
            table_state: stream.table.table_state(),
            staging: SerialQueue::default(),
            loading: SerialQueue::default(),
            encoder: Arc::clone(stream.staged.encoder()),
            staged: tokio::sync::Mutex::new(stream.staged),
            table: tokio::sync::Mutex::new(stream.table),
            held_back: Mutex::default(),
            finished: AtomicBool::new(false),
        };
        let shared = LaneSet {
            lanes: streams.into_iter().map(lane).collect(),
            stage,
            ledger,
            progress,
            encoding: Encoding::new(Arc::clone(&budget)),
            budget,
            runtime: Handle::current(),
            staging: Semaphore::new(STAGING),
            loading: Semaphore::new(loads),
            runners: AtomicUsize::new(0),
            idle: Notify::new(),
            failed: AtomicBool::new(false),
            failure: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// How many bytes of each stream's JSON become a row group, in the streams' order, where all rows that wait may hold
    /// `memory` bytes.
    pub fn block_sizes(&self, memory: usize) -> impl Iterator<Item = usize> {
        self.shared.lanes.values().iter().map(move |lane| lane.encoder.block_size(memory))
    }

    /// Encodes rows of `stream` and appends them to its file.
    pub fn append(&self, stream: StreamIndex, rows: Pending, ids: IdRange) -> Result<()> {
        let shared = &self.shared;
        let encoder = Arc::clone(&shared.lanes.get(stream)?.encoder);
        let encoded = shared.encoding.start(encoder, rows, ids);
        self.stage(stream, StageWork::Append(encoded))
    }

    /// Ends the file that is open for `stream`; its batch stays open.
    pub fn end_file(&self, stream: StreamIndex) -> Result<()> {
        self.stage(stream, StageWork::EndFile)
    }

    /// Closes the batch of `stream` and loads it, or keeps it for the end if the stream replaces its table.
    pub fn close_batch(&self, stream: StreamIndex) -> Result<()> {
        self.stage(stream, StageWork::CloseBatch)
    }

    /// The stream has ended well: after all that was appended before, its table is made if it is not there, or replaced.
    pub fn finish(&self, stream: StreamIndex) -> Result<()> {
        let held = self.shared.budget.hold(TASK);
        self.stage(stream, StageWork::Finish(held))
    }

    /// The state of each stream's table before the sync.
    pub fn table_states(&self) -> PerStream<TableState> {
        self.shared.lanes.values().iter().map(|lane| lane.table_state).collect()
    }

    /// Whether the table of `stream` has a column for what `meta` of its records says.
    pub fn keeps_meta(&self, stream: StreamIndex) -> Result<bool> {
        self.shared.lanes.get(stream).map(|lane| lane.encoder.schema().meta().is_some())
    }

    /// Whether the batches of `stream` are kept until it ends, and then replace its table's rows.
    pub fn replaces(&self, stream: StreamIndex) -> Result<bool> {
        self.shared.lanes.get(stream).map(|lane| lane.table_state.replaces)
    }

    /// Whether a table that was to be replaced has not been.
    pub fn has_not_replaced(&self) -> bool {
        self.shared
            .lanes
            .values()
            .iter()
            .any(|lane| lane.table_state.replaces && !lane.finished.load(Ordering::Acquire))
    }

    /// Whether something has failed. The lanes do no more work then.
    pub fn has_failed(&self) -> bool {
        self.shared.failed.load(Ordering::Acquire)
    }

    /// Waits until no lane has work.
    pub async fn idle(&self) {
        loop {
            let notified = self.shared.idle.notified();
            if self.shared.runners.load(Ordering::Acquire) == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Whether no lane has work.
    pub fn is_idle(&self) -> bool {
        self.shared.runners.load(Ordering::Acquire) == 0
    }

    /// Stops every lane after its current step. The first error is kept.
    pub fn fail(&self, error: Error) {
        self.shared.fail(error);
    }

    /// Gives up the files that are still open, and returns the first error, if there is one.
    pub async fn end(&self) -> Option<Error> {
        // All of tens of thousands at once would take much memory.
        let abandoned = stream::iter(self.shared.lanes.values())
            .for_each_concurrent(STAGING, |lane| async { lane.staged.lock().await.abandon().await });
        abandoned.await;
        self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn stage(&self, stream: StreamIndex, work: StageWork) -> Result<()> {
        if self.shared.lanes.get(stream)?.staging.push(work) {
            let runner = Runner::new(&self.shared);
            self.shared.runtime.spawn(async move { runner.0.run_staging(stream).await });
        }
        Ok(())
    }
}

impl LaneSet {
    async fn run_staging(self: &Arc<Self>, stream: StreamIndex) {
        let _permit = self.staging.acquire().await;
        let lane = match self.lanes.get(stream) {
            Ok(lane) => lane,
            Err(error) => return self.fail(error),
        };
        while let Some(works) = lane.staging.take() {
            for work in works {
                if self.failed.load(Ordering::Acquire) {
                    continue;
                }
                if let Err(error) = self.stage_one(lane, stream, work).await {
                    self.fail(error.with_stream(lane.descriptor.clone()));
                }
            }
        }
    }

    async fn stage_one(self: &Arc<Self>, lane: &Lane, stream: StreamIndex, work: StageWork) -> Result<()> {
        let mut staged = lane.staged.lock().await;
        match work {
            StageWork::Append(encoded) => {
                if staged.expect_rows(&self.stage).await? {
                    self.load(lane, stream, LoadWork::Prepare);
                }
                let encoded = encoded.await.unwrap_or_else(|error| Err(died(error)))?;
                if !encoded.changes.is_empty() {
                    self.progress.misfits(stream, &lane.encoder, encoded.changes)?;
                }
                staged.append(&self.stage, encoded.group).await
            }
            StageWork::EndFile => staged.end_file(&self.stage).await,
            StageWork::CloseBatch => {
                if let Some(batch) = staged.close_batch(&self.stage).await? {
                    self.progress.staged(&batch);
                    if lane.table_state.replaces {
                        lane.held_back.lock().unwrap_or_else(PoisonError::into_inner).push(batch);
                    } else {
                        let held = self.budget.hold(TASK);
                        self.load(lane, stream, LoadWork::Load(batch, held));
                    }
                }
                Ok(())
            }
            StageWork::Finish(held) => {
                staged.end(&self.stage).await?;
                self.load(lane, stream, LoadWork::Finish(held));
                Ok(())
            }
        }
    }

    fn load(self: &Arc<Self>, lane: &Lane, stream: StreamIndex, work: LoadWork) {
        if lane.loading.push(work) {
            let runner = Runner::new(self);
            self.runtime.spawn(async move { runner.0.run_loading(stream).await });
        }
    }

    async fn run_loading(&self, stream: StreamIndex) {
        let _permit = self.loading.acquire().await;
        let lane = match self.lanes.get(stream) {
            Ok(lane) => lane,
            Err(error) => return self.fail(error),
        };
        while let Some(works) = lane.loading.take() {
            if self.failed.load(Ordering::Acquire) {
                continue;
            }
            let (mut batches, mut held) = (Vec::new(), Vec::new());
            let mut finish = false;
            for work in works {
                match work {
                    LoadWork::Prepare => {}
                    LoadWork::Load(batch, memory) => {
                        batches.push(batch);
                        held.push(memory);
                    }
                    LoadWork::Finish(memory) => {
                        finish = true;
                        held.push(memory);
                    }
                }
            }
            let loaded = if batches.is_empty() && !finish {
                lane.table.lock().await.prepare().await
            } else {
                self.load_all(lane, stream, batches, finish).await
            };
            if let Err(error) = loaded {
                self.fail(error.with_stream(lane.descriptor.clone()));
            }
        }
    }

    async fn load_all(&self, lane: &Lane, stream: StreamIndex, mut batches: Vec<Batch>, finish: bool) -> Result<()> {
        let mut table = lane.table.lock().await;
        let (mut before, mut closed) = (lane.table_state.rows, batches.len());
        if lane.table_state.replaces {
            batches = std::mem::take(&mut *lane.held_back.lock().unwrap_or_else(PoisonError::into_inner));
            before = table.replace(&batches).await?;
            // For the ledger all of the stream is one batch, also where it had STATEs and no record.
            closed = 1;
        } else {
            table.append(&batches).await?;
        }
        for batch in &batches {
            self.progress.loaded(stream, batch)?;
        }
        if finish {
            lane.finished.store(true, Ordering::Release);
            self.progress.finished(stream, TableState { rows: before, ..lane.table_state })?;
        }
        self.ledger.durable(stream, closed)
    }

    fn fail(&self, error: Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
        self.failed.store(true, Ordering::Release);
    }
}

/// A runner of a queue; counted until it is dropped.
struct Runner(Arc<LaneSet>);

impl Runner {
    fn new(shared: &Arc<LaneSet>) -> Self {
        shared.runners.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(shared))
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(Error::system("A worker has failed in the middle of its work."));
        }
        if self.0.runners.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
