//! The hashes of the keys of files that have been read, so that each file of a table is read once in a sync and not for every load.
//!
//! They lie in an unnamed file, 8 bytes a row. Where there is none, or its disk is full, files are read again: that is slower.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};

/// Bytes of a file that may have any number of hashes that nobody needs.
const SMALL: u64 = 64 << 20;
/// Bytes of a hash.
const WIDTH: usize = size_of::<u64>();

/// The hashes of the keys of files.
#[derive(Default)]
pub struct Known {
    log: Mutex<Log>,
    files: HashMap<String, Vec<Hashes>>,
}

#[derive(Default)]
struct Log {
    file: Option<Arc<File>>,
    end: u64,
    /// Nothing is written any more.
    is_refused: bool,
}

/// Where the hashes of a row group are.
#[derive(Debug, Clone, Copy)]
pub struct Hashes {
    offset: u64,
    rows: u64,
}

/// Reads the hashes of row groups, without a lock.
pub struct KnownReader(Option<Arc<File>>);

impl Known {
    /// Keeps the hashes of a row group; `None` where that is not possible.
    pub fn keep(&self, hashes: &[u64]) -> Option<Hashes> {
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect();
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.is_refused {
            return None;
        }
        let offset = log.end;
        match log.write(&bytes, offset) {
            Ok(()) => {
                log.end += bytes.len() as u64;
                Some(Hashes { offset, rows: hashes.len() as u64 })
            }
            Err(error) => {
                log.is_refused = true;
                tracing::info!(
                    "No temporary file takes hashes of keys ({error}): files of tables are read for every load."
                );
                None
            }
        }
    }

    /// Reads what is kept now, whatever is forgotten later.
    pub fn reader(&self) -> KnownReader {
        KnownReader(self.log.lock().unwrap_or_else(PoisonError::into_inner).file.clone())
    }

    /// The file `name` has the row groups `groups`; nothing is known of it if one of them is missing.
    pub fn insert(&mut self, name: String, groups: Vec<Option<Hashes>>) {
        if let Some(groups) = groups.into_iter().collect::<Option<Vec<_>>>() {
            self.files.insert(name, groups);
        }
    }

    /// The row groups of the file `name`, if they are known.
    pub fn groups(&self, name: &str) -> Option<&[Hashes]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// Forgets the file `name`; and all files when most of what was kept is of files that are forgotten.
    pub fn forget(&mut self, name: &str) {
        if self.files.remove(name).is_none() {
            return;
        }
        let live: u64 = self.files.values().flatten().map(|hashes| hashes.rows * WIDTH as u64).sum();
        let log = self.log.get_mut().unwrap_or_else(PoisonError::into_inner);
        if log.end > SMALL && log.end / 4 > live {
            self.files.clear();
            *log = Log { is_refused: log.is_refused, ..Log::default() };
        }
    }
}

impl KnownReader {
    /// The hashes of a row group.
    pub fn read(&self, hashes: Hashes) -> Result<Vec<u64>> {
        let lost = || Error::system("Hashes of keys that were put into a temporary file are not there.");
        let file = self.0.as_ref().ok_or_else(lost)?;
        let mut bytes = vec![0; usize::try_from(hashes.rows).map_err(|_| lost())? * WIDTH];
        file.read_exact_at(&mut bytes, hashes.offset).map_err(|error| lost().with_source(error))?;
        Ok(bytes.as_chunks().0.iter().map(|hash| u64::from_le_bytes(*hash)).collect())
    }
}

impl Log {
    fn write(&mut self, bytes: &[u8], offset: u64) -> std::io::Result<()> {
        if self.file.is_none() {
            self.file = Some(Arc::new(tempfile::tempfile()?));
        }
        self.file.as_ref().map_or(Ok(()), |file| file.write_all_at(bytes, offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_come_back_and_a_file_of_which_a_part_is_missing_is_not_known() {
        let mut known = Known::default();
        let groups = [known.keep(&[1, 2, 3]), known.keep(&[]), known.keep(&[u64::MAX])];
        known.insert("a".into(), groups.into());
        known.insert("b".into(), vec![groups[0], None]);
        let read: Vec<_> =
            known.groups("a").unwrap().iter().map(|group| known.reader().read(*group).unwrap()).collect();
        assert_eq!(read, [vec![1, 2, 3], vec![], vec![u64::MAX]]);
        assert!(known.groups("b").is_none());
        known.forget("a");
        assert!(known.groups("a").is_none());
    }
}
