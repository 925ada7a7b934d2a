//! The ledger: knows which records are durable, and lets a STATE go when all that came before it are.
//!
//! Every record and every STATE has a place in the input's order. For each stream the ledger knows the place of its
//! oldest record that is not durable yet; a STATE of that stream may go when it came before that place, a STATE of all
//! streams when it came before every such place. STATEs of one stream leave in their order, each once. Streams do not
//! wait for each other while the input lasts; when it has ended and everything is on its way, all STATEs leave in the
//! order in which they came.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::error::{Error, Result};
use crate::protocol::message::State;
use crate::protocol::writer::ProtocolWriter;

/// A place in the order of the input.
pub type Place = u64;

/// Keeps STATEs until what came before them is durable. Shared by the router and the loads.
pub struct Ledger {
    inner: Mutex<Inner>,
    writer: Arc<ProtocolWriter>,
}

struct Inner {
    streams: Vec<StreamAccount>,
    /// The oldest record that is not durable, of each stream that has one.
    oldest: BTreeSet<(Place, usize)>,
    /// STATEs that wait, in the order in which they came.
    waiting: BTreeMap<Place, Waiting>,
    /// Where the STATEs that speak for all streams are in `waiting`.
    for_all: VecDeque<Place>,
    waiting_bytes: usize,
    input_ended: bool,
    released: u64,
}

#[derive(Default)]
struct StreamAccount {
    /// The first record of every batch that is closed and not durable.
    closed: VecDeque<Place>,
    /// The first record that no closed batch has.
    open: Option<Place>,
    /// Where this stream's STATEs are in `waiting`.
    states: VecDeque<Place>,
}

struct Waiting {
    state: State,
    stream: Option<usize>,
    record_count: u64,
    since: Instant,
}

impl Ledger {
    /// A ledger for `streams` streams that lets STATEs go through `writer`.
    pub fn new(streams: usize, writer: Arc<ProtocolWriter>) -> Self {
        let inner = Inner {
            streams: std::iter::repeat_with(StreamAccount::default).take(streams).collect(),
            oldest: BTreeSet::new(),
            waiting: BTreeMap::new(),
            for_all: VecDeque::new(),
            waiting_bytes: 0,
            input_ended: false,
            released: 0,
        };
        Self { inner: Mutex::new(inner), writer }
    }

    /// The record at `first` begins what no closed batch of `stream` has.
    pub fn opened(&self, stream: usize, first: Place) {
        self.lock().change(stream, |account| account.open = Some(first));
    }

    /// What was open of `stream` is a closed batch now, up to the record at `next`, which stays open.
    pub fn closed(&self, stream: usize, next: Option<Place>) {
        self.lock().change(stream, |account| {
            let first = std::mem::replace(&mut account.open, next);
            account.closed.extend(first);
        });
    }

    /// The `batches` oldest closed batches of `stream` are durable.
    pub fn durable(&self, stream: usize, batches: usize) -> Result<()> {
        let mut inner = self.lock();
        inner.change(stream, |account| {
            account.closed.drain(..batches.min(account.closed.len()));
        });
        let free = inner.free(Some(stream));
        self.release(&mut inner, &free)
    }

    /// A STATE has come at `place`, for `stream` or for all; `record_count` records came since the one before it.
    pub fn state(&self, place: Place, stream: Option<usize>, state: State, record_count: u64) -> Result<()> {
        let mut inner = self.lock();
        inner.waiting_bytes += state.size();
        inner.waiting.insert(place, Waiting { state, stream, record_count, since: Instant::now() });
        match stream.and_then(|stream| inner.streams.get_mut(stream)) {
            Some(account) => account.states.push_back(place),
            None => inner.for_all.push_back(place),
        }
        let free = inner.free(stream);
        self.release(&mut inner, &free)
    }

    /// The input has ended and everything is on its way: from now on all STATEs leave in the order they came in.
    pub fn input_ended(&self) {
        self.lock().input_ended = true;
    }

    /// Nothing more will become durable: lets go what is covered, without waiting for what is not.
    pub fn settle(&self) -> Result<()> {
        let mut inner = self.lock();
        inner.input_ended = false;
        let mut free = inner.free(None);
        for stream in 0..inner.streams.len() {
            free.extend(inner.free_of_stream(stream));
        }
        free.sort_unstable();
        self.release(&mut inner, &free)
    }

    /// Since when the oldest waiting STATE waits, and how many bytes all of them hold.
    pub fn waiting(&self) -> (Option<Instant>, usize) {
        let inner = self.lock();
        (inner.waiting.first_key_value().map(|(_, waiting)| waiting.since), inner.waiting_bytes)
    }

    /// How many STATEs have left, and how many wait.
    pub fn counts(&self) -> (u64, usize) {
        let inner = self.lock();
        (inner.released, inner.waiting.len())
    }

    /// Lets the STATEs at `places` go. They are written while the ledger is held, so that none overtakes another.
    fn release(&self, inner: &mut Inner, places: &[Place]) -> Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::with_capacity(places.len());
        for place in places {
            let Some(waiting) = inner.waiting.remove(place) else { continue };
            inner.waiting_bytes -= waiting.state.size();
            let line = waiting.state.acknowledge(waiting.record_count);
            lines.push(line.map_err(|error| Error::system("A STATE could not be written again.").with_source(error))?);
        }
        inner.released += lines.len() as u64;
        self.writer.deliver(lines.iter().map(String::as_str))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Applies `change` to a stream's account and keeps `oldest` true.
    fn change(&mut self, stream: usize, change: impl FnOnce(&mut StreamAccount)) {
        let Some(account) = self.streams.get_mut(stream) else { return };
        let before = account.oldest();
        change(account);
        let after = account.oldest();
        if before != after {
            before.map(|place| self.oldest.remove(&(place, stream)));
            after.map(|place| self.oldest.insert((place, stream)));
        }
    }

    /// The places of the STATEs that may go now that something about `stream` has changed; takes them off the queues.
    fn free(&mut self, stream: Option<usize>) -> Vec<Place> {
        if self.input_ended {
            return self.free_in_order();
        }
        let mut free = stream.map(|stream| self.free_of_stream(stream)).unwrap_or_default();
        while let Some(place) = self.for_all.front().copied().filter(|place| self.covers_all(*place)) {
            self.for_all.pop_front();
            free.push(place);
        }
        free.sort_unstable();
        free
    }

    fn free_of_stream(&mut self, stream: usize) -> Vec<Place> {
        let mut free = Vec::new();
        if let Some(account) = self.streams.get_mut(stream) {
            let oldest = account.oldest().unwrap_or(Place::MAX);
            while let Some(place) = account.states.pop_front_if(|place| *place < oldest) {
                free.push(place);
            }
        }
        free
    }

    fn free_in_order(&mut self) -> Vec<Place> {
        let mut free = Vec::new();
        for (place, waiting) in &self.waiting {
            let queue = match waiting.stream.and_then(|stream| self.streams.get_mut(stream)) {
                Some(account) if account.oldest().is_none_or(|oldest| *place < oldest) => &mut account.states,
                None if self.oldest.first().is_none_or(|(oldest, _)| place < oldest) => &mut self.for_all,
                _ => break,
            };
            queue.pop_front();
            free.push(*place);
        }
        free
    }

    fn covers_all(&self, place: Place) -> bool {
        self.oldest.first().is_none_or(|(oldest, _)| place < *oldest)
    }
}

impl StreamAccount {
    fn oldest(&self) -> Option<Place> {
        self.closed.front().copied().or(self.open)
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
