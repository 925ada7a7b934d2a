//! The texts of waiting STATEs: in memory, and beyond a limit in an unnamed file.
//!
//! A stream that replaces its table gives no STATE back before its end, and a source may send one with every record. Texts
//! beyond the limit go to a file that disappears with the process. Where the file has no room, they stay in memory,
//! compressed, up to many times the limit.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::error::{Error, Kind, Result};
use crate::protocol::message::State;
use crate::temporary::{folder, has_room};

/// Compressed texts may take so many times the limit, where there is no room for a file.
const PACKED_SHARE: usize = 12;
/// Most bytes in the file.
const MAX_LENGTH: u64 = 16 << 30;
/// Bytes that are written between two questions for the disk's space.
const LOOK: u64 = 1 << 20;

/// Keeps the texts of STATEs.
pub struct StateStore {
    limit: usize,
    held: usize,
    packed: usize,
    file: Option<File>,
    written: u64,
    /// Bytes that may be written before the disk's space is asked for again.
    assured: u64,
    /// Why no more is written to the file.
    refusal: Option<String>,
}

/// A STATE that is kept.
pub enum StoredState {
    /// As it came.
    Memory(State),
    /// Its text, compressed.
    Packed(Vec<u8>),
    /// Its text is in the file.
    Disk {
        /// Where it begins.
        offset: u64,
        /// How many bytes it has.
        size: usize,
    },
}

impl StateStore {
    /// A store that holds at most about `limit` bytes of text in memory.
    pub fn new(limit: usize) -> Self {
        Self { limit, held: 0, packed: 0, file: None, written: 0, assured: 0, refusal: None }
    }

    /// Bytes of text in memory.
    pub fn held_bytes(&self) -> usize {
        self.held
    }

    /// Keeps a STATE.
    ///
    /// # Errors
    /// A config error where neither memory nor disk has room for it.
    pub fn put(&mut self, state: State) -> Result<StoredState> {
        let size = state.line().len();
        if self.held + size <= self.limit {
            self.held += size;
            return Ok(StoredState::Memory(state));
        }
        let text = state.line().as_bytes();
        if self.refusal.is_none() {
            match self.write(text) {
                Ok(offset) => return Ok(StoredState::Disk { offset, size }),
                Err(why) => {
                    tracing::warn!(
                        "{why}: the text of STATEs that wait for their records stays in memory. Free space on that disk, \
                         or raise memory_limit_mb."
                    );
                    self.refusal = Some(why);
                }
            }
        }
        let mut packed = zstd::bulk::compress(text, 1).map_err(|error| failed("compressed", error))?;
        packed.shrink_to_fit();
        if self.packed + packed.len() > self.limit * PACKED_SHARE {
            let why = self.refusal.as_deref().unwrap_or_default();
            return Err(Error::config(format!(
                "There is no memory for more STATEs that wait for their records. {why}: free space on that disk, or raise \
                 memory_limit_mb."
            )));
        }
        self.packed += packed.len();
        Ok(StoredState::Packed(packed))
    }

    /// Gives back a STATE that [`StateStore::put`] has kept.
    pub fn take(&mut self, stored: StoredState) -> Result<State> {
        let text = match stored {
            StoredState::Memory(state) => {
                self.held -= state.line().len();
                return Ok(state);
            }
            StoredState::Packed(packed) => {
                self.packed -= packed.len();
                zstd::stream::decode_all(packed.as_slice()).map_err(|error| failed("read", error))?
            }
            StoredState::Disk { offset, size } => {
                let mut text = vec![0; size];
                let file = self.file.as_ref().ok_or_else(|| Error::system("A stored STATE has no file."))?;
                file.read_exact_at(&mut text, offset).map_err(|error| failed("read", error))?;
                text
            }
        };
        let text = String::from_utf8(text).map_err(|error| failed("read", std::io::Error::other(error)))?;
        State::read(&text)
    }

    /// Writes `text` to the end of the file, and returns its offset there, or a sentence that says why it was not written.
    fn write(&mut self, text: &[u8]) -> Result<u64, String> {
        let size = text.len() as u64;
        let unusable = |error: std::io::Error| format!("No file can be kept in {} ({error})", folder());
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile().map_err(unusable)?),
        };
        if self.assured < size {
            if self.written.saturating_add(size) > MAX_LENGTH || !has_room(file, size.saturating_add(LOOK)) {
                return Err(format!("There is little space left in {}", folder()));
            }
            self.assured = size + LOOK;
        }
        // At this offset also after a write that failed half-way.
        file.write_all_at(text, self.written).map_err(unusable)?;
        self.assured -= size;
        let offset = self.written;
        self.written += size;
        Ok(offset)
    }
}

fn failed(verb: &str, error: std::io::Error) -> Error {
    Error::new(Kind::System, format!("A stored STATE could not be {verb}: {error}.")).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(number: usize) -> Result<State> {
        let data: String =
            (0..400).map(|n| char::from(b'a' + u8::try_from((n * n + number) % 26).unwrap_or(0))).collect();
        State::read(&format!(
            r#"{{"type":"STATE","state":{{"type":"STREAM","stream":{{"stream_descriptor":{{"name":"s"}},"stream_state":{{"{number}":"{data}"}}}}}}}}"#
        ))
    }

    /// Puts `count` STATEs into `store` and takes them again.
    fn there_and_back(store: &mut StateStore, count: usize) -> Result<()> {
        let stored = (0..count).map(|number| store.put(state(number)?)).collect::<Result<Vec<_>>>()?;
        for (number, stored) in stored.into_iter().enumerate() {
            assert_eq!(store.take(stored)?.line(), state(number)?.line());
        }
        assert_eq!((store.held, store.packed), (0, 0));
        Ok(())
    }

    #[test]
    fn every_state_comes_back_from_memory_and_from_the_file() -> Result<()> {
        let mut store = StateStore::new(2000);
        there_and_back(&mut store, 100)?;
        assert!(store.written > 0 && store.refusal.is_none());
        Ok(())
    }

    #[test]
    fn on_a_disk_without_space_states_stay_in_memory_until_there_is_none() -> Result<()> {
        let mut store = StateStore::new(2000);
        let full = File::options().read(true).write(true).open("/dev/full");
        store.file = Some(full.map_err(|error| failed("kept", error))?);
        there_and_back(&mut store, 20)?;
        assert!(store.refusal.is_some());
        let error = (0..1000).find_map(|number| state(number).and_then(|state| store.put(state)).err());
        let error = error.ok_or_else(|| Error::system("there is no end of memory"))?;
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.message().contains(&folder()), "{error}");
        Ok(())
    }
}
