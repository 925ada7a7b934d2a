//! A folder directly below the root of a local storage that belongs to this program's own user, as staging folders do.
//!
//! It is held open: whatever its name refers to later, this is the same folder. Nothing in it is reached through another user's
//! link (`trusted`).

use std::fs::File;
use std::io::Result;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::local::Folder;
use super::trusted;

/// The open folder.
pub struct OwnFolder {
    home: Arc<Folder>,
    name: String,
    folder: OwnedFd,
}

impl OwnFolder {
    /// Makes the folder `name`. `None` if there is one already, or if somebody removed or replaced the new one at once.
    pub fn make(home: &Arc<Folder>, name: &str) -> Result<Option<Self>> {
        if !trusted::make_new_folder(&home.trusted, name)? {
            return Ok(None);
        }
        Ok(trusted::open_in_root(&home.trusted, name).ok().map(|folder| Self::new(home, name, folder)))
    }

    /// The folder `name`, if it is a real one of this program's user.
    pub fn open(home: &Arc<Folder>, name: &str) -> Option<Self> {
        trusted::open_own_folder(&home.trusted, name).map(|folder| Self::new(home, name, folder))
    }

    fn new(home: &Arc<Folder>, name: &str, folder: OwnedFd) -> Self {
        Self { home: Arc::clone(home), name: name.to_owned(), folder }
    }

    /// Its path, for messages.
    pub fn path(&self) -> PathBuf {
        self.home.path(&self.name)
    }

    /// Makes the file `name`, which must not be there, with the rights `mode` as far as the process gives any.
    pub fn create(&self, name: &str, mode: u32) -> Result<File> {
        trusted::create(self.folder.as_fd(), name, mode)
    }

    /// Learns from `made`, which was just created, whom this file system takes for the owner of this program's files.
    pub fn learn_owner(&self, made: &File) -> Result<()> {
        self.home.trusted.learn_owner(made)
    }

    /// Whether it belongs to this program's user: a folder of that name may have been put in the place of a new one.
    pub fn is_own(&self) -> bool {
        self.home.trusted.owns(&self.folder)
    }

    /// Whether there is anything called `name` in it.
    pub fn has(&self, name: &str) -> bool {
        trusted::is_there(self.folder.as_fd(), name)
    }

    /// The file `name`, if it is a regular one of this program's user.
    pub fn own_file(&self, name: &str) -> Option<File> {
        trusted::open_own_file(&self.home.trusted, self.folder.as_fd(), name)
    }

    /// When something was last made or removed in it.
    pub fn modified(&self) -> Result<SystemTime> {
        File::from(self.folder.try_clone()?).metadata()?.modified()
    }

    /// Removes the file `name` if it is one of this program's user; anything else stays.
    pub fn remove_file(&self, name: &str) -> Result<()> {
        self.home.trusted.remove(&format!("{}/{name}", self.name))
    }

    /// Removes everything in it except the entry `but`. Of a link, only the link is removed.
    pub fn clear(&self, but: &str) -> Result<()> {
        trusted::clear(self.folder.as_fd(), but)
    }

    /// Removes the folder, which must be empty.
    pub fn remove(&self) -> Result<()> {
        trusted::remove_empty(&self.home.trusted, &self.name)
    }
}
