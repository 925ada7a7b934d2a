//! The scratch file of all tables that are loaded by keys: one unnamed file in the temporary folder, however many tables there are.
//!
//! Whoever writes gets a handle to the bytes; when the handle is dropped, the disk gets them back. The file leaves its disk the same free
//! space as the spill file does. What it refuses, the caller does without: that is slower, or takes memory.

use std::fs::File;
use std::io::{Error as IoError, ErrorKind, Result as IoResult};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::temporary::{folder, has_room};

/// The file; clones write to the same one.
#[derive(Clone, Default)]
pub struct Scratch(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    file: Option<Arc<File>>,
    end: u64,
    /// Whoever runs the sync knows that the file has refused something.
    is_told: bool,
}

/// Bytes in the file; given back when this is dropped.
pub struct Stored {
    file: Arc<File>,
    start: u64,
    length: u64,
}

impl Scratch {
    /// Writes `parts`, one behind the other; `None` where the disk refuses them.
    pub fn write(&self, parts: &[&[u8]]) -> Option<Stored> {
        let length = parts.iter().map(|part| part.len() as u64).sum();
        let written = self.place(length).and_then(|stored| stored.fill(parts).map(|()| stored));
        written.inspect_err(|error| self.tell(error)).ok()
    }

    /// Place for `length` bytes.
    fn place(&self, length: u64) -> IoResult<Stored> {
        let mut state = self.state();
        let file = match &state.file {
            Some(file) => Arc::clone(file),
            None => Arc::clone(state.file.insert(Arc::new(tempfile::tempfile()?))),
        };
        // Nobody has bytes in it any more. Some file systems give nothing back before.
        if Arc::strong_count(&file) == 2 && state.end > 0 {
            file.set_len(0)?;
            state.end = 0;
        }
        if !has_room(&file, length) {
            return Err(IoError::from(ErrorKind::StorageFull));
        }
        let start = state.end;
        state.end += length;
        Ok(Stored { file, start, length })
    }

    fn tell(&self, error: &IoError) {
        if !std::mem::replace(&mut self.state().is_told, true) {
            tracing::warn!(
                "Hashes of primary keys do not fit in a file in {} ({error}): files are read again instead, or the hashes stay in memory. \
                 Free space on that disk.",
                folder()
            );
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stored {
    /// How many bytes these are.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// All of them.
    pub fn read(&self) -> Result<Vec<u8>> {
        let lost = || Error::system("What was put into a temporary file is not there.");
        let mut bytes = vec![0; usize::try_from(self.length).map_err(|_| lost())?];
        self.file.read_exact_at(&mut bytes, self.start).map_err(|error| lost().with_source(error))?;
        Ok(bytes)
    }

    fn fill(&self, parts: &[&[u8]]) -> IoResult<()> {
        let mut at = self.start;
        for part in parts {
            self.file.write_all_at(part, at)?;
            at += part.len() as u64;
        }
        Ok(())
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        use rustix::fs::{FallocateFlags, fallocate};
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        // What cannot do it keeps the space until nobody has bytes in the file.
        let _ = fallocate(&self.file, flags, self.start, self.length);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    const MANY: usize = 1 << 20;

    fn taken(scratch: &Scratch) -> (u64, u64) {
        let metadata = scratch.state().file.as_ref().unwrap().metadata().unwrap();
        (metadata.len(), metadata.blocks() * 512)
    }

    #[test]
    fn bytes_come_back_and_the_disk_gets_those_that_nobody_needs() {
        let scratch = Scratch::default();
        let stored = [1, 2, 3].map(|byte| scratch.write(&[&[byte; MANY], &[byte]]).unwrap());
        stored.iter().zip(1..).for_each(|(stored, byte)| assert_eq!(stored.read().unwrap(), [byte; MANY + 1]));
        let (_, all) = taken(&scratch);
        let [first, second, third] = stored;
        drop(second);
        assert!(taken(&scratch).1 < all, "a hole is in the middle");
        assert_eq!((first.read().unwrap(), third.read().unwrap()), (vec![1; MANY + 1], vec![3; MANY + 1]));
        drop((first, third));
        let last = scratch.write(&[b"last"]).unwrap();
        assert_eq!((last.read().unwrap(), taken(&scratch).0), (b"last".to_vec(), 4), "it begins again");
    }

    #[test]
    fn what_a_disk_refuses_is_told_once_and_harms_nothing() {
        let scratch = Scratch::default();
        scratch.state().file = Some(Arc::new(File::options().write(true).open("/dev/full").unwrap()));
        assert!(scratch.write(&[b"one"]).is_none() && scratch.write(&[b"two"]).is_none());
        scratch.state().file = None;
        assert_eq!(scratch.write(&[b"three"]).unwrap().read().unwrap(), b"three");
    }
}
