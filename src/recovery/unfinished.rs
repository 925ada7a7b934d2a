//! What killed syncs and failed requests leave behind in a storage beside whole objects: temporary files and empty folders on
//! a disk, unfinished uploads in a bucket.

use crate::error::Result;
use crate::storage::{Home, Storage};

/// Finds and removes what was left behind in one storage.
#[derive(Clone, Copy)]
pub struct Unfinished<'a>(&'a Storage);

impl<'a> Unfinished<'a> {
    /// What was left behind in `storage`.
    pub fn of(storage: &'a Storage) -> Self {
        Self(storage)
    }

    /// The temporary files in the folder `relative`, which are being written or were when their writer was killed. A bucket has
    /// none.
    pub fn temporaries(self, relative: &str) -> Vec<String> {
        match self.0.home() {
            Home::Folder(folder) => folder.temporaries(relative),
            Home::Bucket(_) => Vec::new(),
        }
    }

    /// Whether a copy of an object of `size` bytes is an upload, which can be left unfinished.
    pub fn may_be_unfinished(self, size: u64) -> bool {
        matches!(self.0.home(), Home::Bucket(bucket) if bucket.copies_in_parts(size))
    }

    /// Aborts every unfinished upload below the folder `relative` to a name that contains `part`. A disk has none.
    pub async fn remove_unfinished(self, relative: &str, part: &str) -> Result<()> {
        match self.0.home() {
            Home::Folder(_) => Ok(()),
            Home::Bucket(bucket) => bucket.remove_unfinished(&self.0.path(relative), part).await,
        }
    }

    /// Removes the folder `relative` and the folders in it where they are empty. A bucket has no folders.
    pub fn remove_empty_folder(self, relative: &str) {
        if let Home::Folder(folder) = self.0.home() {
            folder.remove_empty_folder(relative);
        }
    }
}
