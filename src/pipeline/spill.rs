//! The spill file: where the rows of many small streams wait when memory is short.
//!
//! One unnamed file in the temporary folder takes blocks of rows one behind the other; it is gone when the process is,
//! however that ends. A thread of its own writes it, straight from the rows' buffers, while the router reads on. A block
//! is read back once, by the worker that encodes it. When all blocks have been read, the file begins again from nothing; its length is
//! bounded by the caller, who encodes everything when [`Spill::is_full`], which also looks after the disk's space.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use arrow_buffer::ToByteSlice;

use super::budget::Held;
use crate::encode::rows::Rows;
use crate::error::{Error, Kind, Result};

/// The longest that a spill file may grow, in bytes.
const MAX_LENGTH: u64 = 4 << 30;
/// Space that is left to others on the spill file's disk, in bytes; of a small disk, no more than this part of it.
const SPARED: u64 = 256 << 20;
const SPARED_SHARE: u64 = 8;
/// Bytes gathered before they are written: the system takes one long piece far faster than many short ones.
const WRITE_SIZE: usize = 1 << 20;

/// Takes blocks of rows.
#[derive(Default)]
pub struct Spill {
    file: Option<Arc<SpillFile>>,
    waiting: Vec<Rows>,
    length: u64,
    unread: Arc<AtomicUsize>,
    writer: Option<Sender<Spilled>>,
    /// The user knows that there is no room for the file.
    told: bool,
}

/// A block of rows in the file. Dropping it gives its place up.
pub struct Block {
    file: Arc<SpillFile>,
    offset: u64,
    rows: usize,
    data_bytes: usize,
    unread: Arc<AtomicUsize>,
}

/// The file, and how much of it has been written.
struct SpillFile {
    file: File,
    written: Mutex<std::io::Result<u64>>,
    grown: Condvar,
}

/// Rows to be written to the end of a file, and the memory that they hold until then.
struct Spilled {
    file: Arc<SpillFile>,
    rows: Vec<Rows>,
    _held: Held,
}

impl Spill {
    /// Appends `rows`, which are written when [`Spill::flush`] is called.
    pub fn push(&mut self, rows: Rows) -> Result<Block> {
        let file = Arc::clone(self.open()?);
        let (rows_count, data_bytes) = (rows.len(), rows.data_bytes());
        let block = Block { file, offset: self.length, rows: rows_count, data_bytes, unread: Arc::clone(&self.unread) };
        self.unread.fetch_add(1, Ordering::AcqRel);
        self.length += block.length();
        self.waiting.push(rows);
        Ok(block)
    }

    /// Has everything written that was pushed; `held` is the memory that it holds until that is done.
    pub fn flush(&mut self, held: Held) -> Result<()> {
        let Some(file) = self.file.as_ref().filter(|_| !self.waiting.is_empty()) else { return Ok(()) };
        file.check()?;
        let work = Spilled { file: Arc::clone(file), rows: std::mem::take(&mut self.waiting), _held: held };
        let writer = match &self.writer {
            Some(writer) => writer,
            None => {
                let (writer, works) = channel();
                let thread = std::thread::Builder::new().name("spill".to_owned());
                thread.spawn(move || write(&works)).map_err(|error| failed("written", &error))?;
                self.writer.insert(writer)
            }
        };
        writer.send(work).map_err(|_| Error::system("The thread that writes the spill file has died."))
    }

    /// Whether no more should be pushed before what is there has been read: the file is long, or its disk has little
    /// space left, or there is no folder for it. Rows then become small row groups: slower to read, but not lost. The
    /// user is told once, if it is something that can be mended.
    pub fn is_full(&mut self) -> bool {
        if self.length >= MAX_LENGTH {
            return true;
        }
        let disk = self.open().map(|file| rustix::fs::fstatvfs(&file.file));
        let why = match disk {
            Ok(Ok(disk)) => {
                let (free, all) = (disk.f_bavail, disk.f_blocks);
                let spared = SPARED.min(all.saturating_mul(disk.f_frsize) / SPARED_SHARE);
                if free.saturating_mul(disk.f_frsize) >= spared {
                    return false;
                }
                format!("There is little space left in {}", std::env::temp_dir().display())
            }
            Ok(Err(_)) => return false,
            Err(_) => format!("No file can be made in {}", std::env::temp_dir().display()),
        };
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(
                "{why}: rows of many streams that do not fit in memory go into many small files instead of waiting there. \
                 Give that folder space, or raise memory_limit_mb."
            );
        }
        true
    }

    /// Begins the file again from nothing if nothing in it is needed any more.
    fn open(&mut self) -> Result<&Arc<SpillFile>> {
        let unused = self.unread.load(Ordering::Acquire) == 0 && self.waiting.is_empty() && self.length > 0;
        if unused {
            // A new file rather than a cut one: its offsets begin at nothing, and the old one goes with its last user.
            self.file = None;
            self.length = 0;
        }
        match &mut self.file {
            Some(file) => Ok(file),
            none => {
                let file = tempfile::tempfile().map_err(|error| failed("made", &error))?;
                Ok(none.insert(Arc::new(SpillFile { file, written: Mutex::new(Ok(0)), grown: Condvar::new() })))
            }
        }
    }
}

impl Block {
    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many bytes of JSON text it has, with their lengths.
    pub fn data_bytes(&self) -> usize {
        self.data_bytes
    }

    /// Reads the block back, once it is written, and appends its rows to `rows`.
    pub fn read_into(self, rows: &mut Rows) -> Result<()> {
        self.file.wait_for(self.offset + self.length())?;
        rows.extend_with(self.data_bytes, self.rows, |space| {
            self.file.file.read_exact_at(space, self.offset).map_err(|error| failed("read", &error))
        })
    }

    fn length(&self) -> u64 {
        (self.data_bytes + self.rows * size_of::<i64>()) as u64
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.unread.fetch_sub(1, Ordering::AcqRel);
    }
}

impl SpillFile {
    /// The error that writing ended with, if it did.
    fn check(&self) -> Result<()> {
        match &*self.written.lock().unwrap_or_else(PoisonError::into_inner) {
            Ok(_) => Ok(()),
            Err(error) => Err(failed("written", error)),
        }
    }

    /// Waits until the file has been written up to `end`.
    fn wait_for(&self, end: u64) -> Result<()> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = self.grown.wait_while(written, |written| written.as_ref().is_ok_and(|length| *length < end));
        drop(enough.unwrap_or_else(PoisonError::into_inner));
        self.check()
    }
}

fn write(works: &Receiver<Spilled>) {
    let mut gathered = Vec::new();
    for Spilled { file, rows, _held } in works {
        let outcome = write_rows(&file.file, &rows, &mut gathered);
        drop(rows);
        let mut written = file.written.lock().unwrap_or_else(PoisonError::into_inner);
        match (&mut *written, outcome) {
            (Ok(length), Ok(more)) => *length += more,
            (Ok(_), Err(error)) => *written = Err(error),
            (Err(_), _) => {}
        }
        drop(written);
        file.grown.notify_all();
    }
}

fn write_rows(mut file: &File, rows: &[Rows], gathered: &mut Vec<u8>) -> std::io::Result<u64> {
    let mut length = 0;
    for (number, one) in rows.iter().enumerate() {
        let (texts, times) = one.parts();
        gathered.extend_from_slice(texts);
        gathered.extend_from_slice(times.to_byte_slice());
        if gathered.len() >= WRITE_SIZE || number + 1 == rows.len() {
            file.write_all(gathered)?;
            length += gathered.len() as u64;
            gathered.clear();
        }
    }
    Ok(length)
}

fn failed(verb: &str, error: &std::io::Error) -> Error {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::budget::Budget;

    fn block_of(round: i64, rows: i64) -> Rows {
        let mut block = Rows::default();
        (0..rows).for_each(|row| block.push(format!("{{\"{round}\":{row}}}").as_bytes(), row - 9, 0));
        block
    }

    #[test]
    fn blocks_come_back_as_they_went_and_the_file_begins_again() -> Result<()> {
        let (mut spill, budget) = (Spill::default(), Arc::new(Budget::default()));
        for round in 0..3 {
            let blocks = (0..2000).map(|block| spill.push(block_of(round, block % 5))).collect::<Result<Vec<_>>>()?;
            assert_eq!(spill.length, 400 * 10 * (8 + 4 + 7), "each round begins at the beginning");
            spill.flush(budget.hold(1))?;
            let (mut joined, mut expected) = (Rows::default(), Rows::default());
            for (number, block) in blocks.into_iter().enumerate() {
                block.read_into(&mut joined)?;
                expected.extend(&block_of(round, number as i64 % 5));
            }
            assert_eq!(joined, expected);
        }
        Ok(())
    }

    #[test]
    fn a_disk_that_takes_no_more_is_told_to_whoever_reads_and_to_whoever_writes_next() -> Result<()> {
        let (mut spill, budget) = (Spill::default(), Arc::new(Budget::default()));
        let file =
            File::options().read(true).write(true).open("/dev/full").map_err(|error| failed("opened", &error))?;
        spill.file = Some(Arc::new(SpillFile { file, written: Mutex::new(Ok(0)), grown: Condvar::new() }));
        let (block, _other) = (spill.push(block_of(1, 3))?, spill.push(block_of(1, 3))?);
        spill.flush(budget.hold(1))?;
        let read = block.read_into(&mut Rows::default());
        assert!(read.is_err_and(|error| error.message().contains("The spill file could not be written")));
        let _next = spill.push(block_of(1, 3))?;
        assert!(spill.flush(budget.hold(1)).is_err());
        Ok(())
    }
}
