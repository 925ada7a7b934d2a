//! The ledger: knows which records are durable, and releases a STATE when all records before it are.
//!
//! Every record and every STATE has a position in the input. For each stream the ledger knows the position of its oldest
//! record that is not durable yet. A STATE of that stream may be released if it came before that position, a STATE of all
//! streams if it came before all of these positions. STATEs of one stream are released in their order, each once.
//!
//! Between streams, a STATE waits for an earlier one whose records are all in closed batches, and passes an earlier one whose
//! batch is still open. So the STATEs of what is loaded together leave in their order, and no stream delays another for long.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::state_store::{StateStore, StoredState};
use super::stream_index::{PerStream, StreamIndex};
use crate::error::{Error, Result};
use crate::protocol::message::State;
use crate::protocol::writer::ProtocolWriter;

/// The position of a message in the input: they are counted from 1.
pub type Position = u64;

/// Keeps STATEs until the records before them are durable. The router and the loads share it.
pub struct Ledger {
    inner: Mutex<Inner>,
    writer: Arc<ProtocolWriter>,
}

/// STATEs of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateCounts {
    /// Those written to stdout.
    pub released: u64,
    /// Those that wait for their records to be durable.
    pub waiting: usize,
}

struct Inner {
    streams: PerStream<StreamAccount>,
    /// Of each stream, its oldest record that is not durable.
    oldest: BTreeSet<(Position, StreamIndex)>,
    /// Of each stream, its oldest record that no closed batch has.
    open: BTreeSet<(Position, StreamIndex)>,
    /// Batches that are closed and not durable yet.
    on_their_way: usize,
    /// STATEs that wait, in their order in the input.
    waiting: BTreeMap<Position, Waiting>,
    store: StateStore,
    released: u64,
}

#[derive(Default)]
struct StreamAccount {
    /// The first record of each batch that is closed and not durable yet.
    closed: VecDeque<Position>,
    /// The first record that no closed batch has.
    open: Option<Position>,
}

struct Waiting {
    state: StoredState,
    stream: Option<StreamIndex>,
    record_count: u64,
    since: Instant,
}

/// How many STATEs are written to stdout at once.
const TOGETHER: usize = 1000;

impl Ledger {
    /// A ledger for `streams` streams. It writes STATEs to `writer`, and keeps up to `memory` bytes of waiting ones in memory.
    pub fn new(streams: usize, memory: usize, writer: Arc<ProtocolWriter>) -> Self {
        let inner = Inner {
            streams: PerStream::defaults(streams),
            oldest: BTreeSet::new(),
            open: BTreeSet::new(),
            on_their_way: 0,
            waiting: BTreeMap::new(),
            store: StateStore::new(memory),
            released: 0,
        };
        Self { inner: Mutex::new(inner), writer }
    }

    /// The next batch of `stream` begins with the record at `first`.
    pub fn opened(&self, stream: StreamIndex, first: Position) -> Result<()> {
        self.lock().change(stream, |account| account.open = Some(first))
    }

    /// The open batch of `stream` is closed. The next one begins with the record at `next`, if that has come already.
    pub fn closed(&self, stream: StreamIndex, next: Option<Position>) -> Result<()> {
        self.lock().change(stream, |account| {
            let first = std::mem::replace(&mut account.open, next);
            account.closed.extend(first);
        })
    }

    /// `stream` has ended without a record, and its table stays as it is: no STATE has to wait for it.
    pub fn left(&self, stream: StreamIndex) -> Result<()> {
        self.lock().change(stream, |account| account.open = None)
    }

    /// The `batches` oldest closed batches of `stream` are durable.
    pub fn durable(&self, stream: StreamIndex, batches: usize) -> Result<()> {
        let mut inner = self.lock();
        inner.change(stream, |account| {
            account.closed.drain(..batches.min(account.closed.len()));
        })?;
        let free = inner.free(false)?;
        self.release(&mut inner, &free)
    }

    /// A STATE has come at `position`, of `stream` or of all streams, with `record_count` records since the one before it.
    pub fn state(
        &self,
        position: Position,
        stream: Option<StreamIndex>,
        state: State,
        record_count: u64,
    ) -> Result<()> {
        let mut inner = self.lock();
        let state = inner.store.put(state)?;
        inner.waiting.insert(position, Waiting { state, stream, record_count, since: Instant::now() });
        // While batches are on their way, earlier STATEs may have to leave first: `durable` looks at all of them.
        if inner.on_their_way == 0 && inner.is_covered(position, stream)? {
            return self.release(&mut inner, &[position]);
        }
        Ok(())
    }

    /// Nothing more will become durable: releases every STATE whose records are, also past earlier ones that have to stay.
    pub fn settle(&self) -> Result<()> {
        let mut inner = self.lock();
        let free = inner.free(true)?;
        self.release(&mut inner, &free)
    }

    /// Whether stdout is still read.
    pub fn is_heard(&self) -> bool {
        !self.writer.is_closed()
    }

    /// Since when the oldest waiting STATE waits, and how many bytes of memory all waiting ones hold.
    pub fn waiting(&self) -> (Option<Instant>, usize) {
        let inner = self.lock();
        (inner.waiting.first_key_value().map(|(_, waiting)| waiting.since), inner.store.held_bytes())
    }

    /// How many STATEs were released, and how many wait.
    pub fn counts(&self) -> StateCounts {
        let inner = self.lock();
        StateCounts { released: inner.released, waiting: inner.waiting.len() }
    }

    /// Writes the STATEs at `positions`, while the ledger is locked, so that none overtakes another.
    fn release(&self, inner: &mut Inner, positions: &[Position]) -> Result<()> {
        for positions in positions.chunks(TOGETHER) {
            let mut lines = Vec::with_capacity(positions.len());
            for position in positions {
                let Some(waiting) = inner.waiting.remove(position) else { continue };
                let line = inner.store.take(waiting.state)?.acknowledge(waiting.record_count);
                lines.push(line.map_err(|error| {
                    Error::system("A record count could not be added to the text of a STATE.").with_source(error)
                })?);
            }
            self.writer.deliver(lines.iter().map(String::as_str))?;
            inner.released += lines.len() as u64;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Applies `change` to a stream's account, and updates what is kept about all streams.
    fn change(&mut self, stream: StreamIndex, change: impl FnOnce(&mut StreamAccount)) -> Result<()> {
        let account = self.streams.get_mut(stream)?;
        let (oldest, open, closed) = (account.oldest(), account.open, account.closed.len());
        change(account);
        self.on_their_way = self.on_their_way + account.closed.len() - closed;
        for (set, before, after) in [(&mut self.oldest, oldest, account.oldest()), (&mut self.open, open, account.open)]
        {
            if before != after {
                before.map(|position| set.remove(&(position, stream)));
                after.map(|position| set.insert((position, stream)));
            }
        }
        Ok(())
    }

    /// The STATEs that may be released, in their order. `settled`: no batch is on its way any more.
    fn free(&self, settled: bool) -> Result<Vec<Position>> {
        let mut free = Vec::new();
        for (position, waiting) in &self.waiting {
            if self.is_covered(*position, waiting.stream)? {
                free.push(*position);
            } else if !settled && self.is_on_its_way(*position, waiting.stream)? {
                break;
            }
        }
        Ok(free)
    }

    /// Whether everything that came before `position` is durable.
    fn is_covered(&self, position: Position, stream: Option<StreamIndex>) -> Result<bool> {
        let oldest = match stream {
            Some(stream) => self.streams.get(stream)?.oldest(),
            None => self.oldest.first().map(|(position, _)| *position),
        };
        Ok(oldest.is_none_or(|oldest| position < oldest))
    }

    /// Whether everything that came before `position` is in closed batches.
    fn is_on_its_way(&self, position: Position, stream: Option<StreamIndex>) -> Result<bool> {
        let open = match stream {
            Some(stream) => self.streams.get(stream)?.open,
            None => self.open.first().map(|(position, _)| *position),
        };
        Ok(open.is_none_or(|open| position < open))
    }
}

impl StreamAccount {
    fn oldest(&self) -> Option<Position> {
        self.closed.front().copied().or(self.open)
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
