//! Reads the beginning of the input before the tables are opened, where it has to be known whose records come.

use std::future::pending;
use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::error::{Error, Result};
use crate::protocol::cache::{is_in_seconds, is_of_cache};
use crate::protocol::message::{self, Message, StreamStatus};
use crate::tasks::stop::Stop;
use crate::tasks::threads;

/// Bytes that are asked for at once.
const READ_SIZE: usize = 64 * 1024;
/// Bytes that are read at most: the messages before the first record are short, and a record that is longer tells nothing.
const LONGEST: usize = 16 << 20;

/// How long a STATE is kept back at most while nothing follows: the cache sends COMPLETE right behind it.
const PATIENCE: Duration = Duration::from_secs(5);

/// An input of which the beginning has been read; it is read again as if that had not been so.
pub struct Begun<R> {
    bytes: Vec<u8>,
    given: usize,
    /// What comes behind `bytes`.
    rest: Rest<R>,
    is_of_cache: bool,
}

/// What comes behind bytes that were read.
enum Rest<R> {
    Input(R),
    /// A thread waits for more.
    UnderWay(oneshot::Receiver<Chunk<R>>),
    Failure(io::Error),
    /// Nothing. A terminal could be read on behind its end.
    End,
}

/// Bytes that were read at once.
struct Chunk<R> {
    bytes: Vec<u8>,
    rest: Rest<R>,
}

/// The lines of a beginning.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    /// Where the first line begins that is not known.
    next: usize,
    /// The last line was a STATE, without a COMPLETE behind it.
    keeps_state: bool,
}

/// Reads `input` up to the first line that PyAirbyte does not send before the records of its cache: it sends a COMPLETE for each stream
/// that has none, and before that one STATE or none. Waits for that line, and not for anything behind it; where a STATE would be kept
/// back, not for long.
///
/// # Errors
/// A stop was requested meanwhile, or the system refuses a thread.
pub async fn read<R: Read + Send + 'static>(input: R, stop: &Stop) -> Result<Begun<R>> {
    let (mut lines, mut rest, mut told) = (Lines::default(), Rest::Input(input), None);
    while told.is_none() && lines.bytes.len() < LONGEST {
        let Rest::Input(input) = rest else { break };
        let mut chunk = start_to_read(input)?;
        let patience = async { if lines.keeps_state { sleep(PATIENCE).await } else { pending().await } };
        tokio::select! {
            chunk = &mut chunk => {
                let chunk = chunk.map_err(|error| {
                    Error::system("The thread that reads the beginning of the input has failed.").with_source(error)
                })?;
                lines.bytes.extend(chunk.bytes);
                rest = chunk.rest;
                told = lines.look();
            }
            () = patience => {
                rest = Rest::UnderWay(chunk);
                break;
            }
            () = stop.requested() => return Err(Error::transient("The sync was stopped before it began.")),
        }
    }
    Ok(Begun { bytes: lines.bytes, given: 0, rest, is_of_cache: told == Some(Whose::OfCache) })
}

/// Has a thread read a chunk of `input`. It is not joined: a thread that waits for input cannot be woken; it ends with the process.
fn start_to_read<R: Read + Send + 'static>(input: R) -> Result<oneshot::Receiver<Chunk<R>>> {
    let (done, chunk) = oneshot::channel();
    let reading = move || {
        // If the sync was stopped, nobody waits.
        let _ = done.send(Chunk::read(input));
    };
    let thread = std::thread::Builder::new().name("beginning".to_owned()).spawn(reading);
    thread.map_err(|error| threads::refused("that reads the input", error))?;
    Ok(chunk)
}

impl<R: Read> Chunk<R> {
    fn read(mut input: R) -> Self {
        let mut bytes = vec![0; READ_SIZE];
        let read = loop {
            match input.read(&mut bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => break outcome,
            }
        };
        bytes.truncate(*read.as_ref().unwrap_or(&0));
        let rest = match read {
            Ok(0) => Rest::End,
            Ok(_) => Rest::Input(input),
            Err(error) => Rest::Failure(error),
        };
        Self { bytes, rest }
    }
}

impl Lines {
    /// Who sends the input, if a line that has come tells.
    fn look(&mut self) -> Option<Whose> {
        while let Some(rest) = self.bytes.get(self.next..)
            && let Some(length) = memchr::memchr(b'\n', rest)
        {
            let line = rest.get(..length).unwrap_or_default();
            let message = std::str::from_utf8(line).ok().and_then(|line| message::read(line).ok());
            self.next += length + 1;
            match message {
                Some(Message::State(_)) if !self.keeps_state => self.keeps_state = true,
                Some(Message::Status(_, StreamStatus::Complete)) => self.keeps_state = false,
                // Its columns alone may also be those of a source that reads tables which Airbyte has loaded.
                Some(Message::Record(record)) if is_in_seconds(&record) && is_of_cache(record.data) => {
                    return Some(Whose::OfCache);
                }
                _ => return Some(Whose::OfSource),
            }
        }
        None
    }
}

impl<R> Begun<R> {
    /// Whether the first record is one of PyAirbyte's cache.
    pub fn is_of_cache(&self) -> bool {
        self.is_of_cache
    }
}

impl<R: Read> Read for Begun<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.bytes.get(self.given..).unwrap_or_default();
            if !left.is_empty() {
                let count = left.len().min(target.len());
                if let (Some(target), Some(left)) = (target.get_mut(..count), left.get(..count)) {
                    target.copy_from_slice(left);
                }
                self.given += count;
                return Ok(count);
            }
            (self.bytes, self.given) = (Vec::new(), 0);
            match std::mem::replace(&mut self.rest, Rest::End) {
                Rest::Input(mut input) => {
                    let read = input.read(target);
                    self.rest = Rest::Input(input);
                    return read;
                }
                Rest::UnderWay(chunk) => {
                    let chunk = chunk.blocking_recv().map_err(io::Error::other)?;
                    (self.bytes, self.rest) = (chunk.bytes, chunk.rest);
                }
                Rest::Failure(error) => return Err(error),
                Rest::End => return Ok(0),
            }
        }
    }
}

/// Who sends an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    OfCache,
    OfSource,
}

#[cfg(test)]
#[path = "beginning_tests.rs"]
mod tests;
