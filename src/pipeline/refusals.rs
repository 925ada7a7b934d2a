//! The errors for input that is refused. They say at which line and byte, and never contain a value.

use std::fmt;

use crate::counted::names;
use crate::error::{Error, StreamDescriptor};
use crate::protocol::reader::ReadError;

/// A place in the input; displayed as the beginning of a sentence.
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

/// The line at `at` is not a valid message: the source is wrong.
pub fn malformed(at: At, what: &str) -> Error {
    Error::system(format!(
        "{at} is no valid message: {what}. The source has to be corrected; what was acknowledged before stays loaded."
    ))
}

/// The source has said at `at` that it failed, and the streams `incomplete` are not COMPLETE. Its own words are not repeated,
/// because they may contain values.
pub fn source_failed(at: At, incomplete: &[StreamDescriptor]) -> Error {
    let error = Error::transient(format!(
        "{at} is a TRACE of type ERROR: the source says that it has failed, and these streams are not complete: {}. Look in \
         the log of the source for the reason. What a state speaks for is loaded; tables that were still to be replaced are \
         unchanged.",
        names(incomplete)
    ));
    match incomplete {
        [one] => error.with_stream(one.clone()),
        _ => error,
    }
}

/// The end of the last line is missing.
pub fn cut_off(at: At) -> Error {
    Error::transient(format!(
        "{at} is cut off in the middle of a message: the source died or was stopped. What was acknowledged before \
         stays loaded."
    ))
}

/// The first record is one of PyAirbyte's cache, and that was not seen before the tables were opened.
pub fn renamed(at: At) -> Error {
    Error::config(format!(
        "{at} is a record of PyAirbyte's cache, which has other names for properties than the catalog. That is seen in time only \
         where nothing but a COMPLETE for each empty stream comes before it, right behind its STATE, and where it is not longer than \
         16 MB. Write with cache=False."
    ))
}

/// A record of `stream` that comes with a file.
pub fn with_file(at: At, stream: &StreamDescriptor) -> Error {
    Error::config(format!(
        "{at} is a record with a file. This destination writes tables and copies no files. Choose to \
         replicate records, not files, in the source or the connection."
    ))
    .with_stream(stream.clone())
}

/// The input cannot be read on from `at`.
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
