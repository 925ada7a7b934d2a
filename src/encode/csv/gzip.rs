//! One member of a gzip file (RFC 1952), made in memory.

use flate2::{Compress, Compression, FlushCompress, Status};

use crate::error::{Error, Result};

/// What zlib calls its largest window: 32 KiB.
const WINDOW_BITS: u8 = 15;
/// Bytes of room that are made for output at once.
const ROOM: usize = 64 << 10;

/// A member in the making.
pub struct Gzip {
    compress: Compress,
    out: Vec<u8>,
}

impl Gzip {
    /// Begins a member.
    pub fn new() -> Self {
        Self { compress: Compress::new_gzip(Compression::fast(), WINDOW_BITS), out: Vec::new() }
    }

    /// Compresses `bytes`.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.step(&mut rest, FlushCompress::None)?;
        }
        Ok(())
    }

    /// Ends the member: all of its bytes.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        while self.step(&mut &[][..], FlushCompress::Finish)? != Status::StreamEnd {}
        Ok(self.out)
    }

    /// Takes what fits of `input` and moves it on.
    fn step(&mut self, input: &mut &[u8], flush: FlushCompress) -> Result<Status> {
        self.out.reserve(ROOM);
        let before = self.compress.total_in();
        let status = self.compress.compress_vec(input, &mut self.out, flush);
        let status = status.map_err(|error| Error::system("Rows could not be compressed.").with_source(error))?;
        let taken = usize::try_from(self.compress.total_in() - before).unwrap_or(usize::MAX);
        *input = input.get(taken..).unwrap_or_default();
        Ok(status)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::MultiGzDecoder;

    use super::*;

    #[test]
    fn members_of_any_length_are_read_back_by_another_decoder() {
        let mut noise = 1_u32;
        let mut bytes = Vec::new();
        for length in [0, 1, 70_000, 3 << 20] {
            while bytes.len() < length {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                bytes.extend(noise.to_le_bytes());
            }
            let mut member = Gzip::new();
            for piece in bytes.chunks(100_000) {
                member.append(piece).expect("compressed");
            }
            let member = member.finish().expect("an end");
            let mut read = Vec::new();
            MultiGzDecoder::new(member.as_slice()).read_to_end(&mut read).expect("gzip");
            assert!(read == bytes, "{length} bytes");
        }
    }
}
