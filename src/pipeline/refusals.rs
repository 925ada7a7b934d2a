//! Why input is refused: sentences with the line and the byte where it was noticed, and never a value.

use std::fmt;

use crate::error::{Error, StreamDescriptor};
use crate::protocol::reader::ReadError;

/// Streams that one message names.
const STREAMS_NAMED: usize = 100;

/// A place in the input; shown as the beginning of a sentence.
#[derive(Debug, Clone, Copy)]
pub struct At {
    /// The number of the line, from 1.
    pub line: u64,
    /// The offset of the byte in all of the input.
    pub byte: u64,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line {} of the input (byte {})", self.line, self.byte)
    }
}

/// Streams by their names, so many that a message stays readable.
pub fn names<T: std::fmt::Display>(streams: &[T]) -> String {
    let mut names: Vec<String> = streams.iter().take(STREAMS_NAMED).map(ToString::to_string).collect();
    if streams.len() > STREAMS_NAMED {
        names.push(format!("and {} more", streams.len() - STREAMS_NAMED));
    }
    names.join(", ")
}

/// A line that is no message: a mistake of the source.
pub fn malformed(at: At, what: &str) -> Error {
    Error::system(format!(
        "{at} is no valid message: {what}. The source that wrote it has to be corrected; what was acknowledged before stays."
    ))
}

/// The source has said at `at` that it has failed, and has not said COMPLETE of the streams `incomplete`. What else it has
/// said may hold values.
pub fn source_failed(at: At, incomplete: &[StreamDescriptor]) -> Error {
    let error = Error::transient(format!(
        "{at} is a TRACE of type ERROR: the source says that it has failed, and these streams are not complete: {}. Look in \
         the log of the source for the reason. What a state speaks for is loaded; tables that were still to be replaced are as \
         they were.",
        names(incomplete)
    ));
    match incomplete {
        [one] => error.with_stream(one.clone()),
        _ => error,
    }
}

/// The last line, whose end is missing: nobody's mistake.
pub fn cut_off(at: At) -> Error {
    Error::transient(format!(
        "{at} is cut off in the middle of a message: the source that wrote it died or was stopped. What was acknowledged \
         before stays."
    ))
}

/// A record of `stream` that comes with a file.
pub fn with_file(at: At, stream: &StreamDescriptor) -> Error {
    Error::config(format!(
        "{at} is a record that comes with a file, which this destination does not copy: it writes tables. Choose to \
         replicate records, not files, in the source or the connection."
    ))
    .with_stream(stream.clone())
}

/// Input that cannot be read on from `at`.
pub fn unreadable(at: At, error: ReadError) -> Error {
    match error {
        ReadError::Io(error) => Error::transient("Standard input could not be read.").with_source(error),
        ReadError::TooLong { size } => Error::config(format!(
            "{at} is too long: {size} bytes have been read of it. Raise max_line_mb, or have the source send smaller records."
        )),
        ReadError::NoMemory { size } => Error::config(format!(
            "{at} is too long for the memory that is left: {size} bytes have been read of it. Give the container or the process more \
             (`ulimit -v`), or have the source send smaller records."
        )),
    }
}
