//! Room for a login, taken before there is one: what is asked for by a refresh token that is good for once must not be lost because its
//! answer cannot be written.
//!
//! It is another file beside the one that it replaces, so that there is a whole login at any time. A file that is mounted by itself, as
//! containers have them, cannot be replaced: it is written where it lies, and so is any other that turns out to be like that.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Result as Done, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{LONGEST, Login, folder_of, without_links};
use crate::error::{Error, Result};

/// Room for the rest of a login whose tokens may be longer than those before.
const MORE: usize = 8 << 10;
const OF_OWNER: u32 = 0o600;

/// The room. Nothing is left of it where it is not filled.
pub struct Room {
    /// Without links, of which others may lead there.
    path: PathBuf,
    kind: Kind,
}

enum Kind {
    Beside(tempfile::NamedTempFile),
    Inside(File),
}

impl Room {
    /// Takes it for the file at `path`, where links lead to.
    ///
    /// # Errors
    /// A config error where nothing can be written there.
    pub fn for_login(path: &Path) -> Result<Self> {
        let take = || {
            let path = without_links(path)?;
            let length = std::fs::metadata(&path).map_or(0, |file| file.len().min(LONGEST));
            // A full disk is noticed now.
            let length = usize::try_from(length).unwrap_or(0) + MORE;
            let kind = match is_mounted_by_itself(&path) {
                true => Kind::Inside(inside(&path, length)?),
                false => Kind::Beside(beside(&path, length)?),
            };
            Done::Ok(Self { path, kind })
        };
        take().map_err(|error| unwritable(path, error))
    }

    /// Puts `login` there, in place of what was there.
    ///
    /// # Errors
    /// A config error where that is not possible.
    pub(super) fn fill(self, login: &Login) -> Result<()> {
        let Self { path, kind } = self;
        let text = login.text();
        if text.len() as u64 > LONGEST {
            return Err(Error::config(format!(
                "The login file {} would have more than {} KiB, which no login has: the refresh token is longer than any of Databricks.",
                path.display(),
                LONGEST >> 10
            )));
        }
        let filled = match kind {
            Kind::Inside(file) => overwrite(&file, &text),
            Kind::Beside(file) => replace(file, &path, &text),
        };
        filled.map_err(|error| lost(&path, error))
    }
}

fn beside(path: &Path, length: usize) -> Done<tempfile::NamedTempFile> {
    let permissions = Permissions::from_mode(OF_OWNER);
    let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(folder_of(path))?;
    file.write_all(&vec![b'\n'; length])?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn replace(mut file: tempfile::NamedTempFile, path: &Path, text: &str) -> Done<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_len(text.len() as u64)?;
    file.as_file().sync_all()?;
    match file.persist(path) {
        Ok(_) => File::open(folder_of(path))?.sync_all(),
        // Not every system tells which files are mounted by themselves.
        Err(failed) => match OpenOptions::new().write(true).open(path) {
            Ok(file) => overwrite(&file, text),
            Err(_) => Err(failed.error),
        },
    }
}

/// The file at `path` itself, for `length` bytes.
fn inside(path: &Path, length: usize) -> Done<File> {
    let file = OpenOptions::new().write(true).open(path)?;
    reserve(&file, length as u64)?;
    Ok(file)
}

fn overwrite(file: &File, text: &str) -> Done<()> {
    file.set_permissions(Permissions::from_mode(OF_OWNER))?;
    let before = usize::try_from(file.metadata()?.len().min(LONGEST)).unwrap_or(0);
    // With blanks over a longer one: whoever is ended in between leaves a whole login.
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(text.len().max(before), b'\n');
    file.write_all_at(&bytes, 0)?;
    file.sync_all()?;
    file.set_len(text.len() as u64)?;
    file.sync_all()
}

/// Whether something is mounted at `path`. A file with a mount cannot be replaced by another one.
#[cfg(target_os = "linux")]
fn is_mounted_by_itself(path: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE);
    found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

#[cfg(not(target_os = "linux"))]
fn is_mounted_by_itself(_path: &Path) -> bool {
    false
}

/// Takes space for `length` bytes, where the file system knows how.
#[cfg(target_os = "linux")]
fn reserve(file: &File, length: u64) -> Done<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, length) {
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
        reserved => Ok(reserved?),
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve(_file: &File, _length: u64) -> Done<()> {
    Ok(())
}

fn unwritable(path: &Path, error: std::io::Error) -> Error {
    Error::config(format!(
        "The login file {} cannot be written, and the next refresh token has to be: no token was asked for. Let its folder be one that this \
         user may write, and that stays when the sync ends.",
        path.display()
    ))
    .with_source(error)
}

fn lost(path: &Path, error: std::io::Error) -> Error {
    Error::config(format!(
        "The login file {} could not be written although there was room for it: look at its file system, and run `destination-databricks \
         login` again.",
        path.display()
    ))
    .with_source(error)
}
