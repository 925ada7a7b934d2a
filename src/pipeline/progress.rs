//! Counters of a sync: every part of the pipeline adds to them, reports read them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::closing::Closings;
use super::misfits::Misfits;
use super::stream_index::{PerStream, StreamIndex};
use crate::encode::changes::Changes;
use crate::encode::encoder::Encoder;
use crate::error::{Result, StreamDescriptor};
use crate::load::{COUNTED_TABLES, TableState};
use crate::stage::Batch;

/// Streams that get a line of their own in the summary.
pub const STREAMS_SHOWN: usize = COUNTED_TABLES;

/// Counters of one sync.
pub struct Progress {
    started: Instant,
    records: AtomicU64,
    bytes: AtomicU64,
    staged_rows: AtomicU64,
    states_in: AtomicU64,
    streams: Mutex<PerStream<StreamProgress>>,
    closings: Mutex<Closings>,
    misfits: Mutex<Misfits>,
}

/// Counters of one stream.
#[derive(Debug, Clone, Default)]
pub struct StreamProgress {
    /// Its name, with the namespace.
    pub name: String,
    /// Records read.
    pub records: u64,
    /// Bytes of records' JSON read.
    pub bytes: u64,
    /// Rows that are in the table.
    pub loaded_rows: u64,
    /// Bytes of the files that are in the table.
    pub loaded_bytes: u64,
    /// Files that are in the table.
    pub files: u64,
    /// Values that the source or the platform say they have changed or left out (`meta.changes`).
    pub changed: u64,
    /// Values that did not fit the types of their columns.
    pub misfits: u64,
}

/// The counters of the whole sync at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Totals {
    /// Seconds since the sync began.
    pub seconds: f64,
    /// Records read.
    pub records: u64,
    /// Bytes of input read.
    pub bytes: u64,
    /// Rows in staged batches.
    pub staged_rows: u64,
    /// STATEs read.
    pub states_in: u64,
}

impl Progress {
    /// Counters that are zero, for `streams`.
    pub fn new<'a>(streams: impl Iterator<Item = &'a StreamDescriptor>) -> Self {
        let stream =
            |descriptor: &StreamDescriptor| StreamProgress { name: descriptor.to_string(), ..Default::default() };
        Self {
            started: Instant::now(),
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            staged_rows: AtomicU64::new(0),
            states_in: AtomicU64::new(0),
            streams: Mutex::new(streams.map(stream).collect()),
            closings: Mutex::default(),
            misfits: Mutex::default(),
        }
    }

    /// Sets how many records, bytes of input and STATEs were read so far. Called now and then, not per record.
    pub fn read(&self, records: u64, bytes: u64, states: u64) {
        self.records.store(records, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
        self.states_in.store(states, Ordering::Relaxed);
    }

    /// Sets how many records of `stream`, and bytes of their JSON, were read so far.
    pub fn stream_read(&self, stream: StreamIndex, records: u64, bytes: u64) -> Result<()> {
        self.change(stream, |progress| {
            progress.records = records;
            progress.bytes = bytes;
        })
    }

    /// Sets how many values of `stream` were changed before they came here.
    pub fn changed(&self, stream: StreamIndex, changed: u64) -> Result<()> {
        self.change(stream, |progress| progress.changed = changed)
    }

    /// Counts values of `stream` that did not fit the columns of `encoder`.
    pub fn misfits(&self, stream: StreamIndex, encoder: &Arc<Encoder>, changes: Changes) -> Result<()> {
        let all = self.misfits.lock().unwrap_or_else(PoisonError::into_inner).add(stream, encoder, changes);
        self.change(stream, |progress| progress.misfits = all)
    }

    /// A batch is staged.
    pub fn staged(&self, batch: &Batch) {
        self.staged_rows.fetch_add(batch.rows(), Ordering::Relaxed);
    }

    /// A batch is in its table.
    pub fn loaded(&self, stream: StreamIndex, batch: &Batch) -> Result<()> {
        self.change(stream, |progress| {
            progress.loaded_rows += batch.rows();
            progress.loaded_bytes += batch.bytes();
            progress.files += batch.files.len() as u64;
        })
    }

    /// `stream` is complete; its table was as `table_state` says before. Logs a line about it, unless many streams have one.
    pub fn finished(&self, stream: StreamIndex, table_state: TableState) -> Result<()> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = streams.get(stream)?;
        let mut closings = self.closings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = closings.line(progress.loaded_rows, table_state) {
            tracing::info!("Stream {} is complete: {line}.", progress.name);
        }
        Ok(())
    }

    /// No more stream will be completed, and no more rows are encoded: logs one line about all complete streams that have no line
    /// of their own, and one for each column with values that did not fit.
    pub fn all_finished(&self) {
        if let Some(others) = self.closings.lock().unwrap_or_else(PoisonError::into_inner).others() {
            tracing::info!("{others}");
        }
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let name = |stream| streams.get(stream).map(|progress| progress.name.clone()).unwrap_or_default();
        for line in self.misfits.lock().unwrap_or_else(PoisonError::into_inner).lines(name) {
            tracing::warn!("{line}");
        }
    }

    /// The counters of the whole sync, now.
    pub fn totals(&self) -> Totals {
        Totals {
            seconds: self.started.elapsed().as_secs_f64(),
            records: self.records.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            staged_rows: self.staged_rows.load(Ordering::Relaxed),
            states_in: self.states_in.load(Ordering::Relaxed),
        }
    }

    /// The streams' counters now.
    pub fn streams(&self) -> Vec<StreamProgress> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).values().to_vec()
    }

    fn change(&self, stream: StreamIndex, change: impl FnOnce(&mut StreamProgress)) -> Result<()> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).get_mut(stream).map(change)
    }
}
