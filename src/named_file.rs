//! Files that the user names: read whole, up to a size. What has no end, as `/dev/zero`, is an error and not all of the memory.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// The bytes of the file at `path`, of which there may be `most`. It may be a pipe, as shells make them for `<(command)`.
///
/// # Errors
/// Those of the system, and `FileTooLarge` for a longer file.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= most => Ok(bytes),
        _ => Err(Error::new(ErrorKind::FileTooLarge, format!("it has more than {} MiB", most >> 20))),
    }
}
