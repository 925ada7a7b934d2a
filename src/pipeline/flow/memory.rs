//! What leaves the buffers because memory is short, and when reading waits.

use std::time::Duration;

use super::Flow;
use crate::error::Result;
use crate::pipeline::buffer::StreamBuffer;

/// When memory is short, a buffer of this many bytes becomes a row group; a smaller one is spilled.
const WORTH_A_ROW_GROUP: usize = 1 << 20;

/// How long the flow waits for memory before it looks around again.
const TICK: Duration = Duration::from_millis(50);

impl Flow {
    /// Makes room if memory is short. If the answer is `true`, only what is under way can give memory back: the caller asks
    /// again, and reads nothing meanwhile.
    pub fn must_wait(&mut self) -> bool {
        self.make_room_if_short().unwrap_or_else(|error| {
            // Rows may be lost. Failing the lanes makes sure that no batch is closed without them, since a STATE would
            // then speak for rows that no table has.
            self.lanes.fail(error);
            false
        })
    }

    fn make_room_if_short(&mut self) -> Result<bool> {
        if self.spill.must_be_read() {
            self.seal_spilled()?;
        }
        let (buffered, under_way, memory) = (self.buffers.held_bytes(), self.budget.under_way(), self.limits.memory);
        if buffered + under_way <= memory {
            if buffered > memory / 2 && under_way < memory / 8 {
                self.seal_largest()?;
            }
            return Ok(false);
        }
        if buffered > memory / 2 && under_way <= memory / 2 {
            self.make_room()?;
            return Ok(false);
        }
        self.budget.wait(TICK);
        Ok(true)
    }

    /// Waits until there is memory. Thousands of streams may be closed at once: what they have spilled comes back into
    /// memory, and each row group holds more than its rows.
    pub(super) fn wait_for_room(&self) {
        // Waiting does not free what the buffers hold: once nothing is under way, `must_wait` makes the room.
        while let under_way @ 1.. = self.budget.under_way()
            && self.buffers.held_bytes() + under_way > self.limits.memory
            && !self.has_failed()
        {
            self.budget.wait(TICK);
        }
    }

    /// Gives idle workers a block now, which they would otherwise get a little later together with others.
    fn seal_largest(&mut self) -> Result<()> {
        match self.buffers.sizes().max().filter(|(bytes, _)| *bytes >= WORTH_A_ROW_GROUP) {
            Some((_, stream)) => {
                let pending = self.take(stream, StreamBuffer::seal)?;
                self.submit(stream, pending)
            }
            None => Ok(()),
        }
    }

    fn make_room(&mut self) -> Result<()> {
        let enough = self.limits.memory / 4;
        let mut largest: Vec<_> = self.buffers.sizes().collect();
        largest.sort_unstable_by(|a, b| b.cmp(a));
        let full = !self.spill.has_room(self.buffers.held_bytes() as u64);
        for (bytes, stream) in largest {
            if !full && (bytes < WORTH_A_ROW_GROUP || self.buffers.held_bytes() <= enough) {
                break;
            }
            let pending = self.take(stream, StreamBuffer::seal)?;
            self.submit(stream, pending)?;
        }
        if !full && self.buffers.held_bytes() > enough {
            let spilled = self.buffers.spill_all(&mut self.spill)?;
            self.spill.flush(self.budget.hold(spilled));
        }
        Ok(())
    }

    /// Seals every buffer with rows that the disk of the spill file has refused: they hold memory until they are encoded.
    fn seal_spilled(&mut self) -> Result<()> {
        for stream in self.streams.indices() {
            // The first time, `seal` may take only what is before the last STATE.
            while self.buffers.get(stream)?.is_spilled() {
                let pending = self.take(stream, StreamBuffer::seal)?;
                self.submit(stream, pending)?;
            }
        }
        Ok(())
    }
}
