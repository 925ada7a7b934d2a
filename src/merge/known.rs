//! The hashes of the keys of files that have been read, so that each file of a table is read once in a sync and not for every load.
//!
//! They lie in the scratch file, 8 bytes a row. Where it refuses them, files are read again: that is slower.

use std::collections::HashMap;
use std::sync::Arc;

use super::scratch::{Scratch, Stored};
use crate::error::Result;

/// The hashes of the keys of files.
#[derive(Default)]
pub struct Known(HashMap<String, Vec<Arc<Hashes>>>);

/// The hashes of a row group, or of rows that were encoded together.
pub struct Hashes(Stored);

impl Known {
    /// The file `name` has the row groups `groups`; nothing is known of it if one of them is missing.
    pub fn insert(&mut self, name: String, groups: Vec<Option<Arc<Hashes>>>) {
        if let Some(groups) = groups.into_iter().collect::<Option<Vec<_>>>() {
            self.0.insert(name, groups);
        }
    }

    /// The row groups of the file `name`, if they are known.
    pub fn groups(&self, name: &str) -> Option<Vec<Arc<Hashes>>> {
        self.0.get(name).cloned()
    }

    /// Forgets the file `name`.
    pub fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }
}

impl Hashes {
    /// Keeps hashes; `None` where that is not possible.
    pub fn keep(scratch: &Scratch, hashes: &[u64]) -> Option<Arc<Self>> {
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect();
        scratch.write(&[&bytes]).map(|stored| Arc::new(Self(stored)))
    }

    /// All of them.
    pub fn read(&self) -> Result<Vec<u64>> {
        let bytes = self.0.read()?;
        Ok(bytes.as_chunks().0.iter().map(|hash| u64::from_le_bytes(*hash)).collect())
    }

    /// How many they are.
    pub fn count(&self) -> u64 {
        self.0.len() / size_of::<u64>() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_come_back_and_a_file_of_which_a_part_is_missing_is_not_known() {
        let (scratch, mut known) = (Scratch::default(), Known::default());
        let keep = |hashes: &[u64]| Hashes::keep(&scratch, hashes);
        let groups = [keep(&[1, 2, 3]), keep(&[]), keep(&[u64::MAX])];
        known.insert("b".into(), vec![groups[0].clone(), None]);
        known.insert("a".into(), groups.into());
        let read: Vec<_> = known.groups("a").unwrap().iter().map(|group| group.read().unwrap()).collect();
        assert_eq!(read, [vec![1, 2, 3], vec![], vec![u64::MAX]]);
        assert!(known.groups("b").is_none());
        known.forget("a");
        assert!(known.groups("a").is_none());
    }
}
