//! Reads the beginning of the input before the tables are opened, where it has to be known whose records come.

use std::io::{self, ErrorKind, Read};

use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::protocol::cache::is_of_cache;
use crate::protocol::message::{self, Message, StreamStatus};
use crate::tasks::stop::Stop;
use crate::tasks::threads;

/// Bytes that are asked for at once.
const READ_SIZE: usize = 64 * 1024;
/// Bytes that are read at most: the messages before the first record are short, and a record that is longer tells nothing.
const LONGEST: usize = 16 << 20;

/// An input of which the beginning has been read; it is read again as if that had not been so.
pub struct Begun<R> {
    bytes: Vec<u8>,
    given: usize,
    /// What came behind `bytes` instead of more: the end, or a failure.
    end: Option<io::Result<()>>,
    input: R,
    is_of_cache: bool,
}

/// Reads `input` up to the first line that PyAirbyte does not send before the records of its cache: it sends a STATE and a COMPLETE
/// for each stream that has none. Waits for that line, and not for anything behind it.
///
/// # Errors
/// A stop was requested meanwhile, or the system refuses a thread.
pub async fn read<R: Read + Send + 'static>(input: R, stop: &Stop) -> Result<Begun<R>> {
    let (done, begun) = oneshot::channel();
    let reading = move || {
        // If the sync was stopped, nobody waits.
        let _ = done.send(Begun::read(input));
    };
    // Not joined: a thread that waits for input cannot be woken; it ends with the process.
    let thread = std::thread::Builder::new().name("beginning".to_owned()).spawn(reading);
    thread.map_err(|error| threads::refused("that reads the input", error))?;
    tokio::select! {
        begun = begun => begun.map_err(|error| {
            Error::system("The thread that reads the beginning of the input has failed.").with_source(error)
        }),
        () = stop.requested() => Err(Error::transient("The sync was stopped before it began.")),
    }
}

impl<R: Read> Begun<R> {
    fn read(input: R) -> Self {
        let mut begun = Self { bytes: Vec::new(), given: 0, end: None, input, is_of_cache: false };
        let mut line_start = 0;
        while begun.end.is_none() && begun.bytes.len() < LONGEST {
            let searched = begun.bytes.len();
            begun.read_more();
            let ends = memchr::memchr_iter(b'\n', begun.bytes.get(searched..).unwrap_or_default());
            for end in ends.map(|end| searched + end) {
                let line = begun.bytes.get(line_start..end).unwrap_or_default();
                line_start = end + 1;
                match whose(line) {
                    Whose::Anyones => {}
                    Whose::OfCache => {
                        begun.is_of_cache = true;
                        return begun;
                    }
                    Whose::OfSource => return begun,
                }
            }
        }
        begun
    }

    fn read_more(&mut self) {
        let filled = self.bytes.len();
        self.bytes.resize(filled + READ_SIZE, 0);
        let read = loop {
            match self.input.read(self.bytes.get_mut(filled..).unwrap_or_default()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => break outcome,
            }
        };
        self.bytes.truncate(filled + *read.as_ref().unwrap_or(&0));
        self.end = match read {
            Ok(0) => Some(Ok(())),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        };
    }

    /// Whether the first record is one of PyAirbyte's cache.
    pub fn is_of_cache(&self) -> bool {
        self.is_of_cache
    }
}

impl<R: Read> Read for Begun<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
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
        match self.end.take() {
            None => self.input.read(target),
            Some(Ok(())) => {
                // A terminal could be read on behind its end.
                self.end = Some(Ok(()));
                Ok(0)
            }
            Some(Err(error)) => Err(error),
        }
    }
}

/// Who may have sent a line.
enum Whose {
    /// PyAirbyte sends such lines before the records of its cache, and so may a source.
    Anyones,
    OfCache,
    OfSource,
}

fn whose(line: &[u8]) -> Whose {
    let message = std::str::from_utf8(line).ok().and_then(|line| message::read(line).ok());
    match message {
        Some(Message::State(_) | Message::Status(_, StreamStatus::Complete)) => Whose::Anyones,
        Some(Message::Record(record)) if is_of_cache(record.data) => Whose::OfCache,
        _ => Whose::OfSource,
    }
}

#[cfg(test)]
#[path = "beginning_tests.rs"]
mod tests;
