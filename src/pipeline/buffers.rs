//! The buffers of all streams, and the sum of the memory that they hold.
//!
//! A buffer is changed only through here, so that the sum is always right.

use super::buffer::StreamBuffer;
use super::spill::Spill;
use super::stream_index::{PerStream, StreamIndex};
use crate::error::Result;

/// One buffer for each stream.
pub struct Buffers {
    buffers: PerStream<StreamBuffer>,
    held: usize,
}

impl Buffers {
    /// Empty buffers for `streams` streams.
    pub fn new(streams: usize) -> Self {
        Self { buffers: PerStream::defaults(streams), held: 0 }
    }

    /// Bytes of memory that all buffers hold.
    pub fn held_bytes(&self) -> usize {
        self.held
    }

    /// The buffer of `stream`.
    ///
    /// # Errors
    /// There is no such stream; so it is with all methods here that name one.
    pub fn get(&self, stream: StreamIndex) -> Result<&StreamBuffer> {
        self.buffers.get(stream)
    }

    /// All streams, each with the bytes of JSON text that wait of it.
    pub fn sizes(&self) -> impl Iterator<Item = (usize, StreamIndex)> {
        self.buffers.iter().map(|(stream, buffer)| (buffer.data_bytes(), stream))
    }

    /// Changes the buffer of `stream`.
    #[inline]
    pub fn change<T>(&mut self, stream: StreamIndex, change: impl FnOnce(&mut StreamBuffer) -> T) -> Result<T> {
        let buffer = self.buffers.get_mut(stream)?;
        let before = buffer.held_bytes();
        let answer = change(buffer);
        self.held = self.held - before + buffer.held_bytes();
        Ok(answer)
    }

    /// Moves the rows of all buffers to `spill`; the answer is how many bytes of memory that frees once they are written.
    ///
    /// # Errors
    /// There is no file to write to. The rows of one stream are lost then: nothing may be loaded any more.
    pub fn spill_all(&mut self, spill: &mut Spill) -> Result<usize> {
        let before = self.held;
        for (_, buffer) in self.buffers.iter_mut() {
            let held = buffer.held_bytes();
            let spilled = buffer.spill(spill);
            self.held = self.held - held + buffer.held_bytes();
            spilled?;
        }
        Ok(before - self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::budget::Budget;
    use std::sync::Arc;

    #[test]
    fn the_sum_follows_every_change_of_a_buffer() -> Result<()> {
        let mut buffers = Buffers::new(2);
        let streams = [StreamIndex::of(0), StreamIndex::of(1)];
        let sum = |buffers: &Buffers| -> Result<usize> {
            Ok(buffers.get(streams[0])?.held_bytes() + buffers.get(streams[1])?.held_bytes())
        };
        for row in 0..1000 {
            buffers.change(streams[row % 2], |buffer| buffer.push(b"{}", 7, 64))?;
            assert_eq!(buffers.held_bytes(), sum(&buffers)?);
        }
        assert!(!buffers.change(streams[0], StreamBuffer::seal_all)?.is_empty());
        assert_eq!(buffers.held_bytes(), sum(&buffers)?);
        assert!(buffers.held_bytes() > 0, "the other stream's rows wait");
        let mut spill = Spill::default();
        let before = buffers.held_bytes();
        assert_eq!(buffers.spill_all(&mut spill)?, before);
        assert_eq!((buffers.held_bytes(), sum(&buffers)?), (0, 0));
        spill.flush(Arc::new(Budget::default()).hold(before));
        Ok(())
    }
}
