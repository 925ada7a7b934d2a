//! Where the text of waiting STATEs is: in memory, and in an unnamed file when there are many.
//!
//! A stream that replaces its table gives no STATE back before its end, and a source may send one with every record.
//! Text beyond the limit goes to the end of a file that is gone with the process; its place comes back as a small token.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

use crate::error::{Error, Result};
use crate::protocol::message::State;

/// Keeps the text of STATEs.
pub struct StateStore {
    limit: usize,
    held: usize,
    file: Option<File>,
    written: u64,
}

/// A STATE that is kept.
pub enum StoredState {
    /// Here.
    Memory(State),
    /// In the file, from this byte on, so many bytes.
    Disk(u64, usize),
}

impl StateStore {
    /// A store that holds at most about `limit` bytes of text in memory.
    pub fn new(limit: usize) -> Self {
        Self { limit, held: 0, file: None, written: 0 }
    }

    /// Bytes of text in memory.
    pub fn held_bytes(&self) -> usize {
        self.held
    }

    /// Keeps a STATE.
    pub fn put(&mut self, state: State) -> Result<StoredState> {
        let size = state.line().len();
        if self.held + size <= self.limit {
            self.held += size;
            return Ok(StoredState::Memory(state));
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile().map_err(failed)?),
        };
        file.write_all(state.line().as_bytes()).map_err(failed)?;
        let offset = self.written;
        self.written += size as u64;
        Ok(StoredState::Disk(offset, size))
    }

    /// Gives a STATE back.
    pub fn take(&mut self, stored: StoredState) -> Result<State> {
        let (offset, size) = match stored {
            StoredState::Memory(state) => {
                self.held -= state.line().len();
                return Ok(state);
            }
            StoredState::Disk(offset, size) => (offset, size),
        };
        let mut text = vec![0; size];
        let file = self.file.as_ref().ok_or_else(|| Error::system("A STATE was never kept."))?;
        file.read_exact_at(&mut text, offset).map_err(failed)?;
        let text = String::from_utf8(text).map_err(|error| failed(std::io::Error::other(error)))?;
        State::read(&text)
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::system(format!(
        "Waiting STATEs could not be kept in a file in {}: {error}. Give that folder space.",
        std::env::temp_dir().display()
    ))
    .with_source(error)
}
