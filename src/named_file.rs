//! Reads files that the user names, up to a size: a file without an end, such as `/dev/zero`, is an error and does not fill the
//! memory.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// The bytes of the file at `path`, at most `most`. It may be a pipe, such as shells make for `<(command)`.
///
/// # Errors
/// Those of the system; `FileTooLarge` for a longer file.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= most => Ok(bytes),
        _ => Err(Error::new(ErrorKind::FileTooLarge, format!("it has more than {} MiB", most >> 20))),
    }
}
