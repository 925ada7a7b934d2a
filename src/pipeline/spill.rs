//! The spill file: where the rows of many small streams wait when memory is short.
//!
//! One unnamed file in the temporary folder takes blocks of rows one behind the other; it is gone when the process is,
//! however that ends. A block is read back once, by the worker that encodes it. When all blocks have been read, the
//! file begins again from nothing; its length is bounded by the caller, who encodes everything when
//! [`Spill::is_full`], which also looks after the disk's space.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::encode::rows::Rows;
use crate::error::{Error, Kind, Result};

/// The longest that a spill file may grow, in bytes.
const MAX_LENGTH: u64 = 4 << 30;
/// Bytes gathered before they are written.
const WRITE_SIZE: usize = 1 << 20;
/// Space that is left to others on the spill file's disk, in bytes.
const SPARED: u64 = 256 << 20;

/// Writes blocks of rows.
#[derive(Default)]
pub struct Spill {
    file: Option<Arc<File>>,
    waiting: Vec<u8>,
    written: u64,
    unread: Arc<AtomicUsize>,
    /// The user knows that there can be no file.
    told: bool,
}

/// A block of rows in the file. Dropping it gives its place up.
pub struct Block {
    file: Arc<File>,
    offset: u64,
    rows: usize,
    data_bytes: usize,
    unread: Arc<AtomicUsize>,
}

impl Spill {
    /// Appends `rows`; they are in the file when [`Spill::flush`] has answered.
    pub fn push(&mut self, rows: &Rows) -> Result<Block> {
        let file = Arc::clone(self.open()?);
        let offset = self.written + self.waiting.len() as u64;
        let (data, ends, emitted_at) = rows.parts();
        ends.iter().for_each(|end| self.waiting.extend_from_slice(&end.to_ne_bytes()));
        emitted_at.iter().for_each(|time| self.waiting.extend_from_slice(&time.to_ne_bytes()));
        self.waiting.extend_from_slice(data);
        self.unread.fetch_add(1, Ordering::AcqRel);
        let block = Block { file, offset, rows: rows.len(), data_bytes: data.len(), unread: Arc::clone(&self.unread) };
        if self.waiting.len() >= WRITE_SIZE {
            self.flush()?;
        }
        Ok(block)
    }

    /// Writes what waits.
    pub fn flush(&mut self) -> Result<()> {
        if let (Some(file), false) = (&self.file, self.waiting.is_empty()) {
            let mut writer: &File = file;
            writer.write_all(&self.waiting).map_err(|error| failed("written", error))?;
            self.written += self.waiting.len() as u64;
            self.waiting.clear();
        }
        Ok(())
    }

    /// Whether no more should be pushed before what is there has been read: the file is long, or its disk has little
    /// space left, or there is no folder for it. Rows then become small row groups: slower to read, but not lost.
    pub fn is_full(&mut self) -> bool {
        let space = match self.open() {
            Ok(file) => rustix::fs::fstatvfs(file).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
            Err(error) => {
                if !std::mem::replace(&mut self.told, true) {
                    tracing::warn!("{}", error.internal_message());
                }
                0
            }
        };
        self.written >= MAX_LENGTH || space < SPARED
    }

    /// Begins the file again from nothing if nothing in it is needed any more.
    fn open(&mut self) -> Result<&Arc<File>> {
        let unused = self.unread.load(Ordering::Acquire) == 0 && self.waiting.is_empty() && self.written > 0;
        if unused {
            // A new file rather than a cut one: its offsets begin at nothing, and the old one goes with its last user.
            self.file = None;
            self.written = 0;
        }
        match &mut self.file {
            Some(file) => Ok(file),
            none => Ok(none.insert(Arc::new(tempfile::tempfile().map_err(|error| failed("made", error))?))),
        }
    }
}

impl Block {
    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many bytes of JSON text it has.
    pub fn data_bytes(&self) -> usize {
        self.data_bytes
    }

    /// Reads the block back and appends its rows to `rows`.
    pub fn read_into(self, rows: &mut Rows) -> Result<()> {
        let mut bytes = vec![0; self.rows * 12 + self.data_bytes];
        self.file.read_exact_at(&mut bytes, self.offset).map_err(|error| failed("read", error))?;
        let (ends, rest) = bytes.split_at(self.rows * 4);
        let (times, data) = rest.split_at(self.rows * 8);
        let ends = ends.as_chunks().0.iter().map(|end| i32::from_ne_bytes(*end));
        let times = times.as_chunks().0.iter().map(|time| i64::from_ne_bytes(*time));
        rows.extend(data, ends, times);
        Ok(())
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.unread.fetch_sub(1, Ordering::AcqRel);
    }
}

fn failed(verb: &str, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull
        | std::io::ErrorKind::QuotaExceeded
        | std::io::ErrorKind::NotFound
        | std::io::ErrorKind::PermissionDenied => Kind::Config,
        _ => Kind::System,
    };
    Error::new(
        kind,
        format!(
            "The spill file could not be {verb}: {error}. Rows of many streams wait in a file in {} when memory is \
             short: give that folder space, or raise memory_limit_mb.",
            std::env::temp_dir().display()
        ),
    )
    .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_back_as_they_went_and_the_file_begins_again() -> Result<()> {
        let mut spill = Spill::default();
        for round in 0..3 {
            let mut blocks = Vec::new();
            for block in 0..5i64 {
                let mut rows = Rows::default();
                (0..block).for_each(|row| rows.push(format!("{{\"{round}\":{row}}}").as_bytes(), row - 9, 0));
                blocks.push(spill.push(&rows)?);
            }
            spill.flush()?;
            let mut joined = Rows::default();
            for block in blocks {
                block.read_into(&mut joined)?;
            }
            let mut expected = Rows::default();
            for block in 0..5i64 {
                (0..block).for_each(|row| expected.push(format!("{{\"{round}\":{row}}}").as_bytes(), row - 9, 0));
            }
            assert_eq!(joined.parts(), expected.parts());
            assert_eq!(spill.written, 10 * 12 + 70, "each round begins at the beginning");
        }
        Ok(())
    }
}
