//! The router: splits the input into messages and passes each one on.
//!
//! The JSON text of a record is copied once, into the buffer of its stream; `flow` decides when it leaves. A STATE goes to the
//! ledger, and its position is marked in the buffers. Batches end at such a mark or at the end of a stream, so that nothing
//! is loaded that a repeated sync would send again; `flow` names the one exception.

mod changes;
mod ends;
mod times;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::budget::LargeChunk;
use super::endings::{Action, Endings};
use super::flow::Flow;
use super::progress::Progress;
use super::refusals::{self, At};
use super::strangers::{self, Strangers};
use super::stream_index::{PerStream, StreamIndex};
use crate::error::{Error, Result, StreamDescriptor};
use crate::load::TableState;
use crate::protocol::cache::Records;
use crate::protocol::message::{self, Message, Record, Scope, State, StreamStatus};
use crate::protocol::meta;
use crate::protocol::named::{self, Named};
use crate::protocol::reader::{LARGE, ReadError};
use crate::tasks::stop::{Stop, StopReason};

/// Some Windows programs write it at the beginning of a file; joined files then have it at the beginning of a line.
const BYTE_ORDER_MARK: char = '\u{feff}';
/// How long the router waits for input before it looks around again.
const TICK: Duration = Duration::from_millis(50);

/// Why reading ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The input has ended; these streams are not complete.
    Input(Vec<StreamDescriptor>),
    /// A stop was requested.
    Stopped(StopReason),
    /// A lane has failed; the lanes have the error.
    Failed,
}

/// Whole lines of input.
pub struct InputChunk {
    /// The lines.
    pub bytes: Vec<u8>,
    /// The right to be large: there is only one large chunk at a time.
    pub _large: Option<LargeChunk>,
}

/// Reads the input to its end.
pub struct Router {
    flow: Flow,
    streams: Arc<PerStream<StreamDescriptor>>,
    index: HashMap<Box<str>, StreamIndex, foldhash::fast::RandomState>,
    /// Reused for look-ups.
    key: String,
    /// The stream of the last record: most records come in runs.
    last: Option<StreamIndex>,
    /// The key of `last`.
    last_key: String,
    table_states: PerStream<TableState>,
    endings: Endings,
    strangers: Strangers,
    /// Where the source has said that it failed.
    source_failed: Option<At>,
    /// How many values were changed before they came here, of each stream whose records say so.
    changes: HashMap<StreamIndex, u64>,
    come_from: Records,
    /// Reused for rows that are made of a record and its `meta`.
    joined: Vec<u8>,
    unknown_types: Vec<String>,
    stop: Stop,
    progress: Arc<Progress>,
    position: u64,
    line: u64,
    offset: u64,
    records: u64,
    states: u64,
}

impl Router {
    /// A router for `streams`, which are those of `flow`, whose records `come_from` there.
    pub fn new(
        streams: Arc<PerStream<StreamDescriptor>>,
        come_from: Records,
        flow: Flow,
        progress: Arc<Progress>,
        stop: Stop,
    ) -> Self {
        let index = streams.iter().map(|(index, stream)| (key_of(stream), index)).collect();
        let table_states = flow.table_states();
        Self {
            flow,
            streams,
            index,
            key: String::new(),
            last: None,
            last_key: String::new(),
            endings: Endings::new(table_states.values().iter().copied()),
            table_states,
            strangers: Strangers::default(),
            source_failed: None,
            changes: HashMap::new(),
            come_from,
            joined: Vec::new(),
            unknown_types: Vec::new(),
            stop,
            progress,
            position: 0,
            line: 0,
            offset: 0,
            records: 0,
            states: 0,
        }
    }

    /// Reads `chunks` until they end, and returns their memory through `used`.
    ///
    /// # Errors
    /// The input cannot be understood. Batches that can be closed at an earlier STATE are on their way then.
    pub fn run(mut self, chunks: &Receiver<Result<InputChunk, ReadError>>, used: &Sender<Vec<u8>>) -> Result<Ended> {
        let outcome = self.read(chunks, used);
        self.progress.read(self.records, self.offset, self.states);
        self.changes.iter().try_for_each(|(stream, count)| self.progress.changed(*stream, *count))?;
        if !self.flow.is_heard() {
            // Rows that are loaded now could not be acknowledged, and a repeated sync would load them again.
            return Ok(Ended::Stopped(StopReason::OutputClosed));
        }
        match &outcome {
            Ok(Ended::Input(_)) => {
                let incomplete = self.end_streams()?;
                let explained = self.explain(&incomplete).filter(|_| self.stop.reason().is_none());
                return explained.map_or(Ok(Ended::Input(incomplete)), Err);
            }
            // Rows up to a STATE can still be loaded and acknowledged, so that the next sync has less to repeat.
            Ok(Ended::Stopped(_)) | Err(_) => self.flow.close_all_at_cuts()?,
            Ok(Ended::Failed) => {}
        }
        outcome
    }

    fn read(&mut self, chunks: &Receiver<Result<InputChunk, ReadError>>, used: &Sender<Vec<u8>>) -> Result<Ended> {
        loop {
            match chunks.recv_timeout(TICK) {
                Ok(Ok(chunk)) => {
                    self.chunk(&chunk.bytes)?;
                    if chunk.bytes.capacity() <= LARGE {
                        // If the reader has ended, nobody needs the memory.
                        let _ = used.send(chunk.bytes);
                    }
                }
                Ok(Err(error)) => {
                    return Err(refusals::unreadable(At { line: self.line + 1, byte: self.offset }, error));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(Ended::Input(Vec::new())),
            }
            self.progress.read(self.records, self.offset, self.states);
            loop {
                if let Some(reason) = self.stop.reason() {
                    return Ok(Ended::Stopped(reason));
                }
                if self.flow.has_failed() {
                    return Ok(Ended::Failed);
                }
                if !self.flow.must_wait() {
                    break;
                }
            }
            self.flow.close_if_due(Instant::now())?;
        }
    }

    fn chunk(&mut self, chunk: &[u8]) -> Result<()> {
        let text = match simdutf8::basic::from_utf8(chunk) {
            Ok(text) => text,
            Err(_) => return self.chunk_with_bad_bytes(chunk),
        };
        self.lines(text)
    }

    fn lines(&mut self, text: &str) -> Result<()> {
        let mut rest = text;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest.as_bytes());
            let (line, after) = match end.and_then(|end| Some((rest.get(..end)?, rest.get(end + 1..)?))) {
                Some(split) => split,
                None => (rest, ""),
            };
            self.line += 1;
            self.one_line(line.strip_suffix('\r').unwrap_or(line), end.is_some())?;
            self.offset += (rest.len() - after.len()) as u64;
            rest = after;
        }
        Ok(())
    }

    /// Takes the lines before the first one that is not UTF-8, and refuses that one.
    fn chunk_with_bad_bytes(&mut self, chunk: &[u8]) -> Result<()> {
        for line in chunk.split_inclusive(|byte| *byte == b'\n') {
            match std::str::from_utf8(line) {
                Ok(line) => self.lines(line)?,
                Err(error) => {
                    self.line += 1;
                    let is_cut_off = error.error_len().is_none() && !line.ends_with(b"\n");
                    return Err(if is_cut_off {
                        refusals::cut_off(self.at(0))
                    } else {
                        refusals::malformed(self.at(error.valid_up_to()), "not UTF-8")
                    });
                }
            }
        }
        Ok(())
    }

    /// `has_end`: the line has a line end, as every line but the last one.
    fn one_line(&mut self, line: &str, has_end: bool) -> Result<()> {
        if line.bytes().all(|byte| byte.is_ascii_whitespace()) {
            return Ok(());
        }
        self.position += 1;
        match message::read(line) {
            Ok(Message::Record(record)) => self.record(&record),
            Ok(Message::State(state)) => self.state(state),
            Ok(Message::Status(descriptor, status)) => self.status(descriptor, status),
            Ok(Message::SourceFailed) => {
                self.endings.hear_failure();
                self.source_failed.get_or_insert(At { line: self.line, byte: self.offset });
                Ok(())
            }
            Ok(Message::Ignored) => Ok(()),
            Ok(Message::Unknown(kind)) => {
                self.warn_once(&kind);
                Ok(())
            }
            Err(malformed) => match line.strip_prefix(BYTE_ORDER_MARK) {
                Some(rest) => {
                    self.position -= 1;
                    self.one_line(rest, has_end)
                }
                None if !has_end && message::is_cut_off(line) => Err(refusals::cut_off(self.at(0))),
                None => {
                    let error = refusals::malformed(self.at(malformed.at), &malformed.reason);
                    let stream = named::by_refused(line).and_then(|descriptor| self.index_of(&descriptor));
                    Err(self.about(stream, error))
                }
            },
        }
    }

    fn record(&mut self, record: &Record<'_>) -> Result<()> {
        let namespace = record.namespace.as_deref().filter(|namespace| !namespace.is_empty());
        self.key.clear();
        write_key(&mut self.key, &record.stream, namespace);
        let stream = match self.last.filter(|_| self.key == self.last_key) {
            Some(stream) => stream,
            None => {
                let Some(stream) = self.index.get(self.key.as_str()).copied() else {
                    let name = record.stream.as_ref().to_owned();
                    let stream = StreamDescriptor { name, namespace: namespace.map(ToOwned::to_owned) };
                    return Err(strangers::refused(self.at(0), "a record", stream, self.streams.values()));
                };
                self.last = Some(stream);
                std::mem::swap(&mut self.last_key, &mut self.key);
                stream
            }
        };
        if self.endings.is_complete(stream)? {
            let error = refusals::malformed(self.at(0), "a record of a stream that the source has declared COMPLETE");
            return Err(self.about(Some(stream), error));
        }
        let Some(emitted_at) = self.emitted_at(record)? else {
            let error =
                refusals::malformed(self.at(0), "a record whose `record.emitted_at` is no time in milliseconds");
            return Err(self.about(Some(stream), error));
        };
        if record.has_file {
            return Err(refusals::with_file(self.at(0), self.streams.get(stream)?));
        }
        self.records += 1;
        match record.meta.map(|meta| (meta, meta::changes(meta))) {
            None | Some((_, 0)) => self.flow.record(stream, self.position, record.data, emitted_at),
            Some((meta, count)) => self.changed_record(stream, record.data, meta, count, emitted_at),
        }
    }

    fn state(&mut self, state: State) -> Result<()> {
        self.states += 1;
        let stream = match &state.scope {
            Scope::All => {
                self.hear_state_of_all(&state)?;
                None
            }
            Scope::Stream(descriptor) => {
                let stream = self.index_of(descriptor).ok_or_else(|| {
                    strangers::refused(self.at(0), "a STATE", descriptor.clone(), self.streams.values())
                })?;
                self.endings.hear_state(stream)?;
                Some(stream)
            }
        };
        self.flow.state(self.position, stream, state)
    }

    fn hear_state_of_all(&mut self, state: &State) -> Result<()> {
        if self.endings.wants_names() {
            let Named { streams, clears } = named::by_state_of_all(state.line());
            if streams.is_empty() {
                self.endings.hear_nameless_state(clears);
            }
            for stream in streams.iter().filter_map(|descriptor| self.index_of(descriptor)).collect::<Vec<_>>() {
                self.endings.hear_state(stream)?;
            }
        }
        Ok(())
    }

    fn status(&mut self, descriptor: StreamDescriptor, status: StreamStatus) -> Result<()> {
        self.endings.hear_any_status();
        let Some(stream) = self.index_of(&descriptor) else {
            self.strangers.heard(self.at(0), descriptor, status, self.streams.values());
            return Ok(());
        };
        let table_state = self.table_states.get(stream)?;
        let empties = table_state.replaces && table_state.existed && self.flow.records(stream)? == 0;
        match self.endings.hear_status(stream, status, empties)? {
            Action::Nothing => Ok(()),
            Action::Finish => self.flow.finish(stream),
        }
    }

    fn about(&self, stream: Option<StreamIndex>, error: Error) -> Error {
        match stream.map(|stream| self.streams.get(stream)) {
            Some(Ok(stream)) => error.with_stream(stream.clone()),
            Some(Err(_)) | None => error,
        }
    }

    fn index_of(&self, descriptor: &StreamDescriptor) -> Option<StreamIndex> {
        self.index.get(key_of(descriptor).as_ref()).copied()
    }

    fn warn_once(&mut self, kind: &str) {
        const KNOWN: usize = 100;
        if self.unknown_types.len() < KNOWN && !self.unknown_types.iter().any(|known| known == kind) {
            let shown: String = kind.chars().take(40).collect();
            tracing::warn!("Line {} has the unknown message type {shown:?}; such messages are ignored.", self.line);
            self.unknown_types.push(kind.to_owned());
        }
    }

    /// The place in the input of the byte at `byte` in the current line.
    fn at(&self, byte: usize) -> At {
        At { line: self.line, byte: self.offset + byte as u64 }
    }
}

fn key_of(descriptor: &StreamDescriptor) -> Box<str> {
    let mut key = String::new();
    write_key(&mut key, &descriptor.name, descriptor.namespace.as_deref());
    key.into()
}

/// Name and namespace in one text. The control character between them keeps `a` + `bc` and `ab` + `c` apart.
fn write_key(key: &mut String, name: &str, namespace: Option<&str>) {
    key.push_str(name);
    if let Some(namespace) = namespace {
        key.push('\u{1f}');
        key.push_str(namespace);
    }
}
