//! The flow of rows out of memory: which buffers are sealed, spilled, closed, and when.
//!
//! One table of rules:
//! - a stream has `block_size` bytes: its rows become a row group of its file;
//! - memory is half used and the workers are idle: the largest buffer becomes a row group;
//! - memory is short: the largest buffers become row groups, what is left goes to the spill file; if that is not
//!   enough, reading waits for what is under way;
//! - a STATE comes and its stream has `flush_size` bytes that no batch has, or a STATE has waited `flush_interval`, or
//!   waiting STATEs hold much memory: batches are closed at the last STATE and loaded (past it, where the rows around
//!   it can no longer be told apart and it has waited too long);
//! - a stream ends: all of it is closed and loaded.

mod memory;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::budget::Budget;
use super::buffer::{Cut, Pending, StreamBuffer};
use super::lanes::Lanes;
use super::ledger::{Ledger, Position};
use super::progress::Progress;
use super::spill::Spill;
use super::stream_flow::StreamFlow;
use crate::clock::Clock;
use crate::encode::ids::{IdGenerator, random};
use crate::error::Result;
use crate::load::Standing;
use crate::protocol::message::State;

/// What bounds the flow.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes that buffers and what is under way may hold together.
    pub memory: usize,
    /// Raw bytes of one stream after which its batch is closed at the next STATE.
    pub flush_size: u64,
    /// How long a STATE may wait.
    pub flush_interval: Duration,
    /// Files that are open at the same time; the one not written to for longest is ended first.
    pub open_files: usize,
}

/// Where rows wait, and where they go from there.
pub struct Flow {
    streams: Vec<StreamFlow>,
    limits: Limits,
    lanes: Lanes,
    ledger: Arc<Ledger>,
    budget: Arc<Budget>,
    progress: Arc<Progress>,
    clock: Arc<dyn Clock>,
    ids: IdGenerator,
    spill: Spill,
    /// Streams whose file is open, the one written to last at the end.
    open_files: VecDeque<usize>,
    /// Bytes of memory that the buffers hold.
    buffered: usize,
    /// Counts the STATEs that speak for all streams: a stream that has seen fewer has a mark to catch up with.
    epoch: u64,
    since_epoch: u64,
    /// The ledger knows of every stream that replaces its table: a STATE has come that speaks for all of them.
    holds_for_replacements: bool,
    last_close: Instant,
    /// Bytes of waiting STATEs when batches were closed for their sake last.
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
            streams: std::iter::repeat_with(StreamFlow::default).take(streams).collect(),
            limits,
            lanes,
            ledger,
            budget,
            progress,
            clock,
            ids: IdGenerator::new(random),
            spill: Spill::default(),
            open_files: VecDeque::new(),
            buffered: 0,
            epoch: 0,
            since_epoch: 0,
            holds_for_replacements: false,
            last_close: Instant::now(),
            states_at_close: 0,
        }
    }

    /// A record of `stream` at `position`: its JSON text, and its time in microseconds since the epoch.
    pub fn record(&mut self, stream: usize, position: Position, json: &[u8], emitted_at: i64) -> Result<()> {
        let (epoch, block_size) = (self.epoch, self.block_size());
        let Some(flow) = self.streams.get_mut(stream) else { return Ok(()) };
        flow.catch_up(epoch);
        if !flow.opened {
            flow.opened = true;
            self.ledger.opened(stream, position);
        }
        flow.after_state.get_or_insert(position);
        flow.records += 1;
        flow.since_state += 1;
        flow.bytes += json.len() as u64;
        flow.unclosed_bytes += json.len() as u64;
        self.since_epoch += 1;
        self.buffered += flow.buffer.push(json, emitted_at, block_size);
        if flow.buffer.data_bytes() >= block_size {
            let pending = self.take(stream, StreamBuffer::seal);
            self.submit(stream, pending);
            self.refill(stream);
        }
        Ok(())
    }

    /// A STATE at `position`, of `stream` or of all.
    pub fn state(&mut self, position: Position, stream: Option<usize>, state: State) -> Result<()> {
        match stream.and_then(|stream| self.streams.get_mut(stream)) {
            Some(flow) => {
                flow.catch_up(self.epoch);
                flow.mark();
                if !flow.opened
                    && !flow.finished
                    && let Some(stream) = stream.filter(|stream| self.lanes.replaces(*stream))
                {
                    // Also without a record before it: it speaks for a table that has the old rows.
                    flow.opened = true;
                    self.ledger.opened(stream, position);
                }
                let count = std::mem::take(&mut flow.since_state);
                let due = flow.unclosed_bytes >= self.limits.flush_size;
                self.ledger.state(position, stream, state, count)?;
                match stream.filter(|_| due) {
                    Some(stream) => self.close_at_cut(stream),
                    None => Ok(()),
                }
            }
            None => {
                self.epoch += 1;
                self.hold_for_replacements(position);
                let count = std::mem::take(&mut self.since_epoch);
                self.ledger.state(position, None, state, count)?;
                let due = self.streams.iter().any(|flow| flow.unclosed_bytes >= self.limits.flush_size);
                if due { self.close_all_at_cuts() } else { Ok(()) }
            }
        }
    }

    /// A STATE at `position` speaks for all tables, also for those that have their old rows until their streams end.
    fn hold_for_replacements(&mut self, position: Position) {
        if std::mem::replace(&mut self.holds_for_replacements, true) {
            return;
        }
        for (stream, flow) in self.streams.iter_mut().enumerate() {
            if !flow.opened && !flow.finished && self.lanes.replaces(stream) {
                flow.opened = true;
                self.ledger.opened(stream, position);
            }
        }
    }

    /// Nothing has come of `stream`, and its table stays as it is: no STATE waits for it any more.
    pub fn leave(&mut self, stream: usize) {
        if let Some(flow) = self.streams.get_mut(stream)
            && std::mem::take(&mut flow.opened)
        {
            self.ledger.left(stream);
        }
    }

    /// `stream` has ended well: everything of it is loaded, and its table is as it should be.
    pub fn finish(&mut self, stream: usize) -> Result<()> {
        let pending = self.take(stream, StreamBuffer::seal_all);
        self.submit(stream, pending);
        self.close(stream, None);
        if let Some(flow) = self.streams.get_mut(stream) {
            flow.finished = true;
            if std::mem::take(&mut flow.opened) {
                self.ledger.closed(stream, None);
            }
        }
        self.lanes.finish(stream);
        self.tell_progress(stream);
        self.wait_for_room();
        Ok(())
    }

    /// Closes the batch of `stream` at its last STATE, where there is one to close.
    pub fn close_at_cut(&mut self, stream: usize) -> Result<()> {
        let epoch = self.epoch;
        let Some(flow) = self.streams.get_mut(stream) else { return Ok(()) };
        flow.catch_up(epoch);
        match flow.buffer.cut() {
            Cut::After(rows) if rows + flow.sealed_rows > 0 => {}
            _ => return Ok(()),
        }
        let pending = self.take(stream, StreamBuffer::seal_to_cut);
        self.submit(stream, pending);
        let next = self.streams.get(stream).filter(|flow| !flow.buffer.is_empty()).and_then(|flow| flow.after_state);
        self.close(stream, next);
        self.tell_progress(stream);
        Ok(())
    }

    /// Closes every batch that can be closed at a STATE.
    pub fn close_all_at_cuts(&mut self) -> Result<()> {
        for stream in 0..self.streams.len() {
            self.close_at_cut(stream)?;
            self.wait_for_room();
        }
        Ok(())
    }

    /// Closes every batch whose last STATE lies before rows that were sealed together with later ones. Those later rows
    /// are loaded before a STATE speaks for them, and loaded again should the sync be tried again: the price of not
    /// letting a STATE wait for the next one, which may not come for hours.
    fn close_all_passed(&mut self) -> Result<()> {
        for stream in 0..self.streams.len() {
            if self.streams.get(stream).is_some_and(|flow| flow.buffer.cut() == Cut::Passed) {
                let pending = self.take(stream, StreamBuffer::seal_all);
                self.submit(stream, pending);
                self.close(stream, None);
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

    /// How the tables stand to the sync, in the streams' order.
    pub fn standings(&self) -> Vec<Standing> {
        self.lanes.standings().collect()
    }

    /// How many records of `stream` have come.
    pub fn records(&self, stream: usize) -> u64 {
        self.streams.get(stream).map_or(0, |flow| flow.records)
    }

    /// Whether somebody reads the STATEs that are given back.
    pub fn is_heard(&self) -> bool {
        self.ledger.is_heard()
    }

    /// Whether a lane has failed.
    pub fn has_failed(&self) -> bool {
        self.lanes.has_failed()
    }

    fn take(&mut self, stream: usize, seal: impl FnOnce(&mut StreamBuffer) -> Pending) -> Pending {
        let epoch = self.epoch;
        let Some(flow) = self.streams.get_mut(stream) else { return Pending::default() };
        flow.catch_up(epoch);
        self.buffered -= flow.buffer.held_bytes();
        let pending = seal(&mut flow.buffer);
        self.buffered += flow.buffer.held_bytes();
        flow.sealed_rows += pending.len();
        pending
    }

    /// A stream that has filled a block will fill another one.
    fn refill(&mut self, stream: usize) {
        if let (Some(flow), Some(memory)) = (self.streams.get_mut(stream), self.budget.spare()) {
            self.buffered -= flow.buffer.held_bytes();
            flow.buffer.refill(memory);
            self.buffered += flow.buffer.held_bytes();
        }
    }

    fn submit(&mut self, stream: usize, pending: Pending) {
        if pending.is_empty() {
            return;
        }
        let ids = self.ids.range(self.clock.now_ms(), pending.len() as u64);
        self.open_files.retain(|open| *open != stream);
        self.open_files.push_back(stream);
        if self.open_files.len() > self.limits.open_files
            && let Some(idle) = self.open_files.pop_front()
        {
            self.lanes.end_file(idle);
        }
        self.lanes.append(stream, pending, ids);
    }

    fn close(&mut self, stream: usize, next: Option<Position>) {
        let Some(flow) = self.streams.get_mut(stream) else { return };
        if flow.sealed_rows == 0 {
            return;
        }
        flow.sealed_rows = 0;
        flow.unclosed_bytes = flow.buffer.data_bytes() as u64;
        flow.buffer.closed();
        self.open_files.retain(|open| *open != stream);
        // A batch that is held back until the stream ends is not on its way: other streams' STATEs must not wait for it.
        if !self.lanes.replaces(stream) {
            flow.opened = next.is_some();
            // Before the lane: the batch must be known when it is told to be durable.
            self.ledger.closed(stream, next);
        }
        self.lanes.close_batch(stream);
    }

    fn tell_progress(&self, stream: usize) {
        if let Some(flow) = self.streams.get(stream) {
            self.progress.stream_read(stream, flow.records, flow.bytes);
        }
    }

    /// Rows of one stream become a row group at this size: large enough to compress well, small against the limit.
    fn block_size(&self) -> usize {
        (self.limits.memory / 8).clamp(1 << 20, 8 << 20)
    }
}
