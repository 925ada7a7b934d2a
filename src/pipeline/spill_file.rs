//! The file of the spill: a thread writes it; rows that the disk refuses stay in memory until they are read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use arrow_buffer::ToByteSlice;

use super::budget::Held;
use crate::encode::rows::Rows;
use crate::error::{Error, Result};
use crate::temporary::folder;

/// Bytes that are gathered before they are written: one long write is far faster than many short ones.
const WRITE_SIZE: usize = 1 << 20;

/// The file, and how much of it has been written.
pub(super) struct SpillFile {
    file: File,
    state: Mutex<FileState>,
    grown: Condvar,
}

#[derive(Default)]
struct FileState {
    /// Bytes from the beginning that are written and can be read.
    written: u64,
    /// Why the file takes no more, if it does not.
    refusal: Option<String>,
    /// Rows that the disk has refused, by the offset that they should have in the file, and the memory that they hold.
    kept: BTreeMap<u64, (Rows, Arc<Held>)>,
}

/// Rows to be written to the end of a file, from `offset` on, and the memory that they hold until then.
pub(super) struct SpillWrite {
    pub file: Arc<SpillFile>,
    pub offset: u64,
    pub rows: Vec<Rows>,
    pub held: Held,
}

impl SpillFile {
    pub(super) fn new(file: File) -> Self {
        Self { file, state: Mutex::default(), grown: Condvar::new() }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Why it takes no more, if it does not.
    pub(super) fn refusal(&self) -> Option<String> {
        self.state().refusal.clone()
    }

    /// Bytes that have been written.
    pub(super) fn written(&self) -> u64 {
        self.state().written
    }

    /// Appends the `count` rows at `offset`, of `length` bytes and therein `data_bytes` of texts, to `rows`. Blocks until they
    /// have been written, or refused.
    pub(super) fn read(
        &self,
        offset: u64,
        length: u64,
        data_bytes: usize,
        count: usize,
        rows: &mut Rows,
    ) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        let is_away = |state: &mut FileState| state.written < offset + length && !state.kept.contains_key(&offset);
        let mut state = self.grown.wait_while(self.state(), is_away).unwrap_or_else(PoisonError::into_inner);
        let kept = state.kept.remove(&offset);
        drop(state);
        if let Some((kept, _held)) = kept {
            rows.extend(&kept);
            return Ok(());
        }
        rows.extend_with(data_bytes, count, |space| {
            self.file.read_exact_at(space, offset).map_err(|error| {
                Error::system(format!("Rows could not be read back from a file in {}: {error}.", folder()))
                    .with_source(error)
            })
        })
    }

    /// Keeps rows in memory that cannot be written because of `why`. From then on nothing is written any more.
    pub(super) fn keep(&self, SpillWrite { mut offset, rows, held, .. }: SpillWrite, why: &std::io::Error) {
        let held = Arc::new(held);
        let mut state = self.state();
        state.refusal.get_or_insert_with(|| why.to_string());
        for rows in rows {
            let length = length(&rows);
            // No rows have the offset of the next ones, and nobody reads them.
            if length == 0 {
                continue;
            }
            state.kept.insert(offset, (rows, Arc::clone(&held)));
            offset += length;
        }
        // The memory is given back when the last of them has been read.
        drop(held);
        drop(state);
        self.grown.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, FileState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many bytes `rows` take in the file.
fn length(rows: &Rows) -> u64 {
    (rows.data_bytes() + rows.len() * size_of::<i64>()) as u64
}

/// The writing thread: writes `works` in their order until their sender is dropped.
pub(super) fn write(works: &Receiver<SpillWrite>) {
    let mut gathered = Vec::new();
    for work in works {
        let file = Arc::clone(&work.file);
        if file.refusal().is_some() {
            file.keep(work, &std::io::Error::other("the file takes no more"));
            continue;
        }
        match write_rows(&file.file, &work.rows, &mut gathered) {
            Ok(more) => {
                drop(work);
                file.state().written += more;
                file.grown.notify_all();
            }
            Err(error) => file.keep(work, &error),
        }
        gathered.clear();
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
