//! The flow of rows out of memory: which buffers are sealed, spilled and closed, and when.
//!
//! To *seal* rows is to take them out of their buffer, as the *block* that becomes one row group. The rules:
//! - A stream has as many bytes as its encoder wants in a block: its rows are sealed.
//! - Half of the memory is used and the workers are idle: the largest buffer is sealed.
//! - Memory is short: the largest buffers are sealed, the others go to the spill file. Where that is not enough, reading
//!   waits until some of what is under way is done.
//! - A STATE comes whose stream has `flush_size` bytes that no batch has, or a STATE has waited for `flush_interval`, or
//!   waiting STATEs hold much memory: batches are closed at the last STATE, and loaded. Where rows before and after that
//!   STATE are in one block already, the batch ends after it, but only if the STATE has waited too long.
//! - A stream ends: all of it is closed and loaded.

mod memory;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::budget::Budget;
use super::buffer::{Cut, Pending, StreamBuffer};
use super::buffers::Buffers;
use super::lanes::Lanes;
use super::ledger::{Ledger, Position};
use super::open_files::OpenFiles;
use super::progress::Progress;
use super::spill::Spill;
use super::stream_flow::StreamFlow;
use super::stream_index::{PerStream, StreamIndex};
use crate::clock::{Clock, random};
use crate::encode::ids::IdGenerator;
use crate::error::Result;
use crate::load::TableState;
use crate::protocol::message::State;

/// What bounds the flow.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes that buffers and what is under way may hold together.
    pub memory: usize,
    /// Bytes of a stream's JSON after which its batch is closed at the next STATE.
    pub flush_size: u64,
    /// How long a STATE may wait.
    pub flush_interval: Duration,
    /// Files that are open at the same time.
    pub open_files: usize,
}

/// Where rows wait, and where they go from there.
pub struct Flow {
    streams: PerStream<StreamFlow>,
    buffers: Buffers,
    limits: Limits,
    lanes: Lanes,
    ledger: Arc<Ledger>,
    budget: Arc<Budget>,
    progress: Arc<Progress>,
    clock: Arc<dyn Clock>,
    ids: IdGenerator,
    spill: Spill,
    open_files: OpenFiles,
    /// STATEs of all streams that have come; see [`StreamFlow::catch_up`].
    global_states: u64,
    /// Records since the last of them.
    since_global_state: u64,
    /// The ledger knows of every stream that replaces its table: a STATE of all streams has come.
    holds_for_replacements: bool,
    last_close: Instant,
    /// Bytes of waiting STATEs when batches were last closed because of them.
    states_at_close: usize,
}

impl Flow {
    /// A flow of `streams` streams.
    pub fn new(
        streams: usize,
        limits: Limits,
        lanes: Lanes,
        ledger: Arc<Ledger>,
        budget: Arc<Budget>,
        progress: Arc<Progress>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            streams: lanes.block_sizes(limits.memory).map(StreamFlow::new).collect(),
            buffers: Buffers::new(streams),
            limits,
            lanes,
            ledger,
            budget,
            progress,
            clock,
            ids: IdGenerator::new(random),
            spill: Spill::default(),
            open_files: OpenFiles::new(limits.open_files),
            global_states: 0,
            since_global_state: 0,
            holds_for_replacements: false,
            last_close: Instant::now(),
            states_at_close: 0,
        }
    }

    /// Takes a record of `stream` at `position`: its JSON text, and its time in microseconds since the epoch.
    pub fn record(&mut self, stream: StreamIndex, position: Position, json: &[u8], emitted_at: i64) -> Result<()> {
        let flow = self.caught_up(stream)?;
        let block_size = flow.block_size;
        let begins_batch = !std::mem::replace(&mut flow.opened, true);
        flow.after_state.get_or_insert(position);
        flow.records += 1;
        flow.since_state += 1;
        flow.bytes += json.len() as u64;
        flow.unclosed_bytes += json.len() as u64;
        self.since_global_state += 1;
        if begins_batch {
            self.ledger.opened(stream, position)?;
        }
        let push = |buffer: &mut StreamBuffer| {
            buffer.push(json, emitted_at, block_size);
            buffer.data_bytes()
        };
        if self.buffers.change(stream, push)? >= block_size {
            let pending = self.take(stream, StreamBuffer::seal)?;
            self.submit(stream, pending)?;
            self.refill(stream)?;
        }
        Ok(())
    }

    /// Takes a STATE at `position`, of `stream` or of all streams.
    pub fn state(&mut self, position: Position, stream: Option<StreamIndex>, state: State) -> Result<()> {
        match stream {
            Some(stream) => self.state_of_one(position, stream, state),
            None => self.state_of_all(position, state),
        }
    }

    fn state_of_one(&mut self, position: Position, stream: StreamIndex, state: State) -> Result<()> {
        let replaces = self.lanes.replaces(stream)?;
        self.buffers.change(stream, StreamBuffer::mark)?;
        let flow = self.caught_up(stream)?;
        flow.after_state = None;
        let count = std::mem::take(&mut flow.since_state);
        let unclosed_bytes = flow.unclosed_bytes;
        // Also without a record before it, the STATE speaks for a table that still has the old rows.
        let waits_for_replacement = replaces && !flow.opened && !flow.finished;
        flow.opened |= waits_for_replacement;
        if waits_for_replacement {
            self.ledger.opened(stream, position)?;
        }
        let is_due = unclosed_bytes >= self.limits.flush_size;
        self.ledger.state(position, Some(stream), state, count)?;
        if is_due { self.close_at_cut(stream) } else { Ok(()) }
    }

    fn state_of_all(&mut self, position: Position, state: State) -> Result<()> {
        self.global_states += 1;
        self.hold_for_replacements(position)?;
        let count = std::mem::take(&mut self.since_global_state);
        self.ledger.state(position, None, state, count)?;
        let is_due = self.streams.values().iter().any(|flow| flow.unclosed_bytes >= self.limits.flush_size);
        if is_due { self.close_all_at_cuts() } else { Ok(()) }
    }

    /// A STATE of all streams at `position` speaks for all tables, also for those that have their old rows until their
    /// streams end.
    fn hold_for_replacements(&mut self, position: Position) -> Result<()> {
        if std::mem::replace(&mut self.holds_for_replacements, true) {
            return Ok(());
        }
        for (stream, flow) in self.streams.iter_mut() {
            if !flow.opened && !flow.finished && self.lanes.replaces(stream)? {
                flow.opened = true;
                self.ledger.opened(stream, position)?;
            }
        }
        Ok(())
    }

    /// Nothing has come of `stream`, and its table stays as it is: no STATE waits for it any more.
    pub fn leave(&mut self, stream: StreamIndex) -> Result<()> {
        if std::mem::take(&mut self.streams.get_mut(stream)?.opened) { self.ledger.left(stream) } else { Ok(()) }
    }

    /// `stream` has ended well: everything of it is loaded, and its table becomes what it should be.
    pub fn finish(&mut self, stream: StreamIndex) -> Result<()> {
        let pending = self.take(stream, StreamBuffer::seal_all)?;
        self.submit(stream, pending)?;
        self.close(stream, None)?;
        let flow = self.streams.get_mut(stream)?;
        flow.finished = true;
        if std::mem::take(&mut flow.opened) {
            self.ledger.closed(stream, None)?;
        }
        self.lanes.finish(stream)?;
        self.tell_progress(stream)?;
        self.wait_for_room();
        Ok(())
    }

    /// Closes the batch of `stream` at its last STATE, where there is one to close.
    pub fn close_at_cut(&mut self, stream: StreamIndex) -> Result<()> {
        let sealed = self.caught_up(stream)?.sealed_rows;
        match self.buffers.get(stream)?.cut() {
            Cut::After(rows) if rows + sealed > 0 => {}
            _ => return Ok(()),
        }
        let pending = self.take(stream, StreamBuffer::seal_to_cut)?;
        self.submit(stream, pending)?;
        let stays = !self.buffers.get(stream)?.is_empty();
        let next = self.streams.get(stream)?.after_state.filter(|_| stays);
        self.close(stream, next)?;
        self.tell_progress(stream)
    }

    /// Closes every batch that can be closed at a STATE.
    pub fn close_all_at_cuts(&mut self) -> Result<()> {
        for stream in self.streams.indices() {
            self.close_at_cut(stream)?;
            self.wait_for_room();
        }
        Ok(())
    }

    /// Closes every batch whose last STATE lies before rows that are in one block with later ones. Those later rows are loaded
    /// before a STATE speaks for them, and loaded again if the sync is repeated. Otherwise the STATE would wait for the next
    /// one, which may not come for hours.
    fn close_all_passed(&mut self) -> Result<()> {
        for stream in self.streams.indices() {
            if self.buffers.get(stream)?.cut() == Cut::Passed {
                let pending = self.take(stream, StreamBuffer::seal_all)?;
                self.submit(stream, pending)?;
                self.close(stream, None)?;
                self.wait_for_room();
            }
        }
        Ok(())
    }

    /// Closes batches because a STATE has waited long, or STATEs hold much memory.
    pub fn close_if_due(&mut self, now: Instant) -> Result<()> {
        let (oldest, bytes) = self.ledger.waiting();
        let waited = |since: Instant| now.saturating_duration_since(since) >= self.limits.flush_interval;
        let by_time = oldest.is_some_and(waited) && waited(self.last_close);
        let by_bytes = bytes.saturating_sub(self.states_at_close) > self.limits.memory / 8;
        if by_time || by_bytes {
            self.last_close = now;
            self.states_at_close = bytes;
            self.close_all_at_cuts()?;
            self.close_all_passed()?;
        }
        self.states_at_close = self.states_at_close.min(bytes);
        Ok(())
    }

    /// The state of each stream's table before the sync.
    pub fn table_states(&self) -> PerStream<TableState> {
        self.lanes.table_states()
    }

    /// Whether the rows of `stream` keep what `meta` of their records says.
    pub fn keeps_meta(&self, stream: StreamIndex) -> Result<bool> {
        self.lanes.keeps_meta(stream)
    }

    /// How many records of `stream` have come.
    pub fn records(&self, stream: StreamIndex) -> Result<u64> {
        self.streams.get(stream).map(|flow| flow.records)
    }

    /// Whether stdout is still read.
    pub fn is_heard(&self) -> bool {
        self.ledger.is_heard()
    }

    /// Whether a lane has failed.
    pub fn has_failed(&self) -> bool {
        self.lanes.has_failed()
    }

    /// What is kept of `stream`, with its buffer marked for each STATE of all streams that has come.
    #[inline]
    fn caught_up(&mut self, stream: StreamIndex) -> Result<&mut StreamFlow> {
        let flow = self.streams.get_mut(stream)?;
        if flow.catch_up(self.global_states) {
            self.buffers.change(stream, StreamBuffer::mark)?;
        }
        Ok(flow)
    }

    fn take(&mut self, stream: StreamIndex, seal: impl FnOnce(&mut StreamBuffer) -> Pending) -> Result<Pending> {
        self.caught_up(stream)?;
        let pending = self.buffers.change(stream, seal)?;
        self.streams.get_mut(stream)?.sealed_rows += pending.len();
        Ok(pending)
    }

    /// Gives a stream that has filled a block memory for the next one.
    fn refill(&mut self, stream: StreamIndex) -> Result<()> {
        match self.budget.spare() {
            Some(memory) => self.buffers.change(stream, |buffer| buffer.refill(memory)),
            None => Ok(()),
        }
    }

    fn submit(&mut self, stream: StreamIndex, pending: Pending) -> Result<()> {
        if pending.is_empty() {
            return Ok(());
        }
        let ids = self.ids.range(self.clock.now_ms(), pending.len() as u64);
        if let Some(idle) = self.open_files.written(stream) {
            self.lanes.end_file(idle)?;
        }
        self.lanes.append(stream, pending, ids)
    }

    /// Closes the batch of `stream`; its next one begins with the record at `next`.
    fn close(&mut self, stream: StreamIndex, next: Option<Position>) -> Result<()> {
        let flow = self.streams.get_mut(stream)?;
        if flow.sealed_rows == 0 {
            return Ok(());
        }
        flow.sealed_rows = 0;
        flow.unclosed_bytes = self.buffers.get(stream)?.data_bytes() as u64;
        self.buffers.change(stream, StreamBuffer::closed)?;
        self.open_files.ended(stream);
        // A batch that is held back until the stream ends is not on its way: other streams' STATEs must not wait for it.
        if !self.lanes.replaces(stream)? {
            flow.opened = next.is_some();
            // Before the lane learns of it: the ledger must know the batch when it becomes durable.
            self.ledger.closed(stream, next)?;
        }
        self.lanes.close_batch(stream)
    }

    fn tell_progress(&self, stream: StreamIndex) -> Result<()> {
        let flow = self.streams.get(stream)?;
        self.progress.stream_read(stream, flow.records, flow.bytes)
    }
}
