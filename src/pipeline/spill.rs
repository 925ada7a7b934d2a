//! The spill: the rows of many small streams wait in a file when memory is short.
//!
//! One unnamed file in the temporary folder takes the rows of one stream after the other. It disappears with the process,
//! however that ends. A thread of its own writes it, straight from the rows' buffers, while the router reads on. The worker
//! that encodes the rows reads them back, once. When all have been read, the file is replaced by an empty one.
//! The caller asks whether the file [has room](Spill::has_room); if not, it encodes all rows instead. Rows that the disk
//! refuses nevertheless stay in memory, and [have to be encoded](Spill::must_be_read) before more are taken in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use super::budget::Held;
use super::spill_file::{SpillFile, SpillWrite, write};
use crate::encode::rows::Rows;
use crate::error::{Error, Result};
use crate::temporary::{folder, has_room};

/// Most bytes in a spill file.
const MAX_LENGTH: u64 = 4 << 30;

/// Takes rows and gives them back.
pub struct Spill {
    file: Option<Arc<SpillFile>>,
    waiting: Vec<Rows>,
    /// Offset in the file of the first rows in `waiting`.
    waiting_from: u64,
    length: u64,
    /// Most bytes in the file; fewer after the disk has refused to take more.
    longest: u64,
    /// Why the disk has refused.
    refusal: Option<String>,
    unread: Arc<AtomicUsize>,
    writer: Option<Sender<SpillWrite>>,
    /// The user was told that there is no room for the file.
    told: bool,
}

/// Rows in the file. When this is dropped, their space counts as unused.
pub struct SpilledRows {
    file: Arc<SpillFile>,
    offset: u64,
    rows: usize,
    data_bytes: usize,
    unread: Arc<AtomicUsize>,
}

impl Default for Spill {
    fn default() -> Self {
        Self {
            file: None,
            waiting: Vec::new(),
            waiting_from: 0,
            length: 0,
            longest: MAX_LENGTH,
            refusal: None,
            unread: Arc::default(),
            writer: None,
            told: false,
        }
    }
}

impl Spill {
    /// Takes `rows`, which are written when [`Spill::flush`] is called.
    ///
    /// # Errors
    /// A config error where no file can be made.
    pub fn push(&mut self, rows: Rows) -> Result<SpilledRows> {
        let file = Arc::clone(self.open().map_err(|error| {
            Error::config(format!("No file can be made in {}: {error}. Free space on its disk.", folder()))
                .with_source(error)
        })?);
        let (rows_count, data_bytes) = (rows.len(), rows.data_bytes());
        let spilled =
            SpilledRows { file, offset: self.length, rows: rows_count, data_bytes, unread: Arc::clone(&self.unread) };
        self.unread.fetch_add(1, Ordering::AcqRel);
        if self.waiting.is_empty() {
            self.waiting_from = self.length;
        }
        self.length += spilled.length();
        self.waiting.push(rows);
        Ok(spilled)
    }

    /// Starts to write all rows that were pushed; `held` counts their memory until that is done.
    pub fn flush(&mut self, held: Held) {
        let Some(file) = self.file.as_ref().filter(|_| !self.waiting.is_empty()) else { return };
        let rows = std::mem::take(&mut self.waiting);
        let work = SpillWrite { file: Arc::clone(file), offset: self.waiting_from, rows, held };
        let writer = match &self.writer {
            Some(writer) => writer,
            None => {
                let (writer, works) = channel();
                let thread = std::thread::Builder::new().name("spill".to_owned());
                if let Err(error) = thread.spawn(move || write(&works)) {
                    return file.keep(work, &error);
                }
                self.writer.insert(writer)
            }
        };
        if let Err(refused) = writer.send(work) {
            file.keep(refused.0, &std::io::Error::other("the thread that writes it has died"));
        }
    }

    /// Whether `bytes` more may be pushed now. Not if the file would be too long, if its disk would have little space left,
    /// or if there is no folder for it. Rows then become small row groups, which are slower to read. The user is told once,
    /// if it can be changed.
    pub fn has_room(&mut self, bytes: u64) -> bool {
        let opened = self.open().map(Arc::clone);
        let why = match (opened, &self.refusal) {
            (Err(error), _) => format!("No file can be made in {} ({error})", folder()),
            (Ok(_), refusal) if self.length.saturating_add(bytes) > self.longest => match refusal {
                Some(refusal) => {
                    format!("Rows could not be written to a file in {} ({refusal})", folder())
                }
                None => return false,
            },
            (Ok(file), _) => {
                // What is still to be written counts as written.
                let under_way = self.length.saturating_sub(file.written());
                if has_room(file.file(), bytes.saturating_add(under_way)) {
                    return true;
                }
                format!("There is little space left in {}", folder())
            }
        };
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(
                "{why}: rows of many streams that do not fit in memory go into many small files of their tables instead. \
                 Free space on that disk, or raise memory_limit_mb."
            );
        }
        false
    }

    /// Whether rows that the disk has refused are in memory. The caller has to encode all spilled rows then.
    pub fn must_be_read(&mut self) -> bool {
        let Some(file) = &self.file else { return false };
        let Some(why) = file.refusal() else { return false };
        self.longest = self.longest.min(file.written());
        self.refusal = Some(why);
        self.unread.load(Ordering::Acquire) > 0
    }

    /// The file; a new one if there is none, or if all rows in it have been read.
    fn open(&mut self) -> std::io::Result<&Arc<SpillFile>> {
        let unused = self.unread.load(Ordering::Acquire) == 0 && self.waiting.is_empty() && self.length > 0;
        if unused {
            // Not truncated: a worker or the writing thread may still use the old file.
            self.file = None;
            self.length = 0;
        }
        match &mut self.file {
            Some(file) => Ok(file),
            none => Ok(none.insert(Arc::new(SpillFile::new(tempfile::tempfile()?)))),
        }
    }
}

impl SpilledRows {
    /// How many rows these are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many bytes their JSON texts have, with the lengths that stand before them.
    pub fn data_bytes(&self) -> usize {
        self.data_bytes
    }

    /// Appends these rows to `rows`. Blocks until they have been written.
    pub fn read_into(self, rows: &mut Rows) -> Result<()> {
        self.file.read(self.offset, self.length(), self.data_bytes, self.rows, rows)
    }

    fn length(&self) -> u64 {
        (self.data_bytes + self.rows * size_of::<i64>()) as u64
    }
}

impl Drop for SpilledRows {
    fn drop(&mut self) {
        self.unread.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::budget::Budget;
    use std::fs::File;

    fn block_of(round: i64, rows: i64) -> Rows {
        let mut spilled = Rows::default();
        (0..rows).for_each(|row| spilled.push(format!("{{\"{round}\":{row}}}").as_bytes(), row - 9, 0));
        spilled
    }

    fn read(blocks: Vec<SpilledRows>) -> Result<Rows> {
        let mut joined = Rows::default();
        blocks.into_iter().try_for_each(|spilled| spilled.read_into(&mut joined)).map(|()| joined)
    }

    fn expected(round: i64, blocks: i64) -> Rows {
        let mut expected = Rows::default();
        (0..blocks).for_each(|spilled| expected.extend(&block_of(round, spilled % 5)));
        expected
    }

    #[test]
    fn blocks_come_back_as_they_went_and_the_file_begins_again() -> Result<()> {
        let (mut spill, budget) = (Spill::default(), Arc::new(Budget::default()));
        for round in 0..3 {
            let blocks =
                (0..2000).map(|spilled| spill.push(block_of(round, spilled % 5))).collect::<Result<Vec<_>>>()?;
            assert_eq!(spill.length, 400 * 10 * (8 + 4 + 7), "each round begins at the beginning");
            spill.flush(budget.hold(1));
            assert_eq!(read(blocks)?, expected(round, 2000));
        }
        Ok(())
    }

    #[test]
    fn what_a_disk_refuses_is_kept_with_its_memory_until_it_is_read_and_no_more_is_taken() -> Result<()> {
        let (mut spill, budget) = (Spill::default(), Arc::new(Budget::default()));
        let file = File::options()
            .read(true)
            .write(true)
            .open("/dev/full")
            .map_err(|error| Error::system(error.to_string()))?;
        spill.file = Some(Arc::new(SpillFile::new(file)));
        let mut all = Vec::new();
        for _ in 0..3 {
            let blocks = (0..20).map(|spilled| spill.push(block_of(1, spilled % 5))).collect::<Result<Vec<_>>>()?;
            spill.flush(budget.hold(7));
            all.push(blocks);
        }
        for blocks in all {
            assert!(budget.under_way() > 0);
            assert_eq!(read(blocks)?, expected(1, 20));
        }
        assert_eq!(budget.under_way(), 0, "the memory is given back");
        assert!(!spill.must_be_read() && !spill.has_room(1), "it refused the first byte, and is not asked again");
        Ok(())
    }
}
