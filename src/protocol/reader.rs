//! Reads the input in large chunks of whole lines.
//!
//! A chunk is what one read gave, up to its last line end; the rest begins the next chunk. So a line is passed on as soon as
//! it is complete, and a fast source is read in chunks of 256 KiB. The caller splits chunks into lines.

use std::io::Read;

/// Bytes that are asked for at once.
const READ_SIZE: usize = 256 * 1024;

/// Why no more lines can be read.
#[derive(Debug)]
pub enum ReadError {
    /// The input failed.
    Io(std::io::Error),
    /// A line is longer than the limit.
    TooLong {
        /// Bytes of the line that had been read by then.
        size: usize,
    },
    /// There is no memory for the rest of a line.
    NoMemory {
        /// Bytes of the line that had been read by then.
        size: usize,
    },
}

/// A chunk of more bytes than this is a large one.
pub const LARGE: usize = 4 * READ_SIZE;

/// Reads chunks of whole lines.
pub struct ChunkReader<R, W> {
    input: R,
    rest: Vec<u8>,
    max_line: usize,
    ended: bool,
    before_large: W,
}

impl<R: Read, W: FnMut()> ChunkReader<R, W> {
    /// Reads from `input`; a line of more than `max_line` bytes is an error. `before_large` is called each time a chunk is
    /// about to grow beyond [`LARGE`] bytes, and may block: nothing is read until it returns.
    pub fn new(input: R, max_line: usize, before_large: W) -> Self {
        Self { input, rest: Vec::new(), max_line, ended: false, before_large }
    }

    /// The next chunk, in the memory of `buffer`, or `None` at the end of the input.
    ///
    /// Every chunk ends with `\n`, but for the last one, which may lack it.
    pub fn next_chunk(&mut self, mut buffer: Vec<u8>) -> Result<Option<Vec<u8>>, ReadError> {
        buffer.clear();
        buffer.append(&mut self.rest);
        let (mut searched, mut asked) = (0, false);
        while !self.ended {
            let filled = buffer.len();
            if !asked && filled + READ_SIZE > LARGE {
                asked = true;
                (self.before_large)();
            }
            if filled + READ_SIZE > buffer.capacity() {
                // By a quarter: doubling the buffer of a line of 100 MB would waste up to 100 MB.
                let more = READ_SIZE.max(filled / 4);
                buffer.try_reserve_exact(more).map_err(|_| ReadError::NoMemory { size: filled })?;
            }
            buffer.resize(filled + READ_SIZE, 0);
            let target = buffer.get_mut(filled..).unwrap_or_default();
            let read = loop {
                match self.input.read(target) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    outcome => break outcome.map_err(ReadError::Io)?,
                }
            };
            buffer.truncate(filled + read);
            if read == 0 {
                self.ended = true;
                break;
            }
            if let Some(end) = memchr::memrchr(b'\n', buffer.get(searched..).unwrap_or_default()) {
                self.rest.extend_from_slice(buffer.get(searched + end + 1..).unwrap_or_default());
                buffer.truncate(searched + end + 1);
                return self.within_limit(buffer).map(Some);
            }
            searched = buffer.len();
            if searched > self.max_line {
                return Err(ReadError::TooLong { size: searched });
            }
        }
        if buffer.is_empty() { Ok(None) } else { self.within_limit(buffer).map(Some) }
    }

    /// Checks the length of each line, only if the chunk is long enough to have one over the limit.
    fn within_limit(&self, buffer: Vec<u8>) -> Result<Vec<u8>, ReadError> {
        if buffer.len() > self.max_line {
            let longest = buffer.split(|byte| *byte == b'\n').map(<[u8]>::len).max().unwrap_or(0);
            if longest > self.max_line {
                return Err(ReadError::TooLong { size: longest });
            }
        }
        Ok(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives its pieces one a read.
    struct Pieces(Vec<Vec<u8>>);

    impl Read for Pieces {
        fn read(&mut self, target: &mut [u8]) -> std::io::Result<usize> {
            let Some(first) = self.0.first_mut() else { return Ok(0) };
            let count = first.len().min(target.len());
            target[..count].copy_from_slice(&first[..count]);
            first.drain(..count);
            if first.is_empty() {
                self.0.remove(0);
            }
            Ok(count)
        }
    }

    fn chunks(pieces: &[&str], max_line: usize) -> Result<Vec<String>, ReadError> {
        let pieces = pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect();
        let mut reader = ChunkReader::new(Pieces(pieces), max_line, || ());
        let mut all = Vec::new();
        while let Some(chunk) = reader.next_chunk(Vec::new())? {
            all.push(String::from_utf8_lossy(&chunk).into_owned());
        }
        Ok(all)
    }

    #[test]
    fn a_line_is_heard_as_soon_as_it_is_whole() {
        assert_eq!(chunks(&["a\nb", "c\n", "d"], 99).ok(), Some(vec!["a\n".into(), "bc\n".into(), "d".into()]));
        assert_eq!(chunks(&[], 99).ok(), Some(vec![]));
    }

    #[test]
    fn a_line_over_the_limit_is_an_error_that_tells_its_size() {
        assert!(matches!(chunks(&["aaaa", "aaaa"], 5), Err(ReadError::TooLong { size: 8 })));
        assert!(matches!(chunks(&["aaaaaaaa\nb\n"], 5), Err(ReadError::TooLong { size: 8 })));
        assert!(matches!(chunks(&["b\n", "aaaaaaaa"], 5), Err(ReadError::TooLong { size: 8 })));
        assert_eq!(chunks(&["a\nb\nc\nd\ne\nf\n"], 5).ok().map(|all| all.concat()), Some("a\nb\nc\nd\ne\nf\n".into()));
    }

    #[test]
    fn a_block_asks_once_before_it_grows_large() -> Result<(), ReadError> {
        let asked = std::cell::Cell::new(0);
        let line = vec![b'a'; 3 * LARGE];
        // A pipe gives less than is asked for.
        let mut pieces: Vec<Vec<u8>> = line.chunks(READ_SIZE / 4).map(<[u8]>::to_vec).collect();
        pieces.extend([b"\nb\n".to_vec(), line, b"\n".to_vec()]);
        let input = Pieces(pieces);
        let mut reader = ChunkReader::new(input, usize::MAX, || asked.set(asked.get() + 1));
        let mut sizes = Vec::new();
        while let Some(chunk) = reader.next_chunk(Vec::new())? {
            sizes.push((chunk.len(), asked.get()));
        }
        assert_eq!(sizes, [(3 * LARGE + 3, 1), (3 * LARGE + 1, 2)]);
        Ok(())
    }

    proptest! {
        #[test]
        fn whatever_the_reads_no_byte_is_lost(pieces in prop::collection::vec("[ab\n]{1,9}", 0..20)) {
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let read = chunks(&pieces, 1000).unwrap_or_default();
            prop_assert_eq!(read.concat(), pieces.concat());
            for chunk in read.iter().rev().skip(1) {
                prop_assert!(chunk.ends_with('\n'));
            }
        }
    }
}
