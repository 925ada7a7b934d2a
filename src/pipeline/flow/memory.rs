//! What leaves the buffers because memory is short, and when reading waits.

use std::time::Duration;

use super::Flow;
use crate::error::Result;
use crate::pipeline::buffer::StreamBuffer;

/// Under pressure, a buffer of so many bytes becomes a row group; a smaller one is spilled.
const WORTH_A_ROW_GROUP: usize = 1 << 20;

/// How often the flow looks up while it waits for memory.
const TICK: Duration = Duration::from_millis(50);

impl Flow {
    /// Makes room if memory is short. `true`: there is none to be made here, some was waited for; ask again.
    pub fn must_wait(&mut self) -> bool {
        if self.spill.must_be_read() {
            self.seal_spilled();
        }
        let under_way = self.budget.under_way();
        if self.buffered + under_way <= self.limits.memory {
            if self.buffered > self.limits.memory / 2 && under_way < self.limits.memory / 8 {
                self.seal_largest();
            }
            return false;
        }
        if self.buffered > self.limits.memory / 2 && under_way <= self.limits.memory / 2 {
            if let Err(error) = self.make_room() {
                // Rows are lost with a spill that fails. Failing the lanes sees to it that no batch is closed without
                // them: what is loaded from here on would be what a STATE does not speak for.
                self.lanes.fail(error);
            }
            return false;
        }
        self.budget.wait(TICK);
        true
    }

    /// Thousands of streams may be closed at once: what they have spilled comes back into memory, and each row group
    /// holds more than its rows.
    pub(super) fn wait_for_room(&self) {
        // What the buffers hold is not given back by waiting: once nothing is under way, `must_wait` makes the room.
        while let under_way @ 1.. = self.budget.under_way()
            && self.buffered + under_way > self.limits.memory
            && !self.has_failed()
        {
            self.budget.wait(TICK);
        }
    }

    /// Gives the workers, who have little to do, what they would get a little later and all at once.
    fn seal_largest(&mut self) {
        let sizes = self.streams.iter().map(|flow| flow.buffer.data_bytes()).zip(0..);
        if let Some((_, stream)) = sizes.max().filter(|(bytes, _)| *bytes >= WORTH_A_ROW_GROUP) {
            let pending = self.take(stream, StreamBuffer::seal);
            self.submit(stream, pending);
        }
    }

    fn make_room(&mut self) -> Result<()> {
        let mut largest: Vec<(usize, usize)> =
            self.streams.iter().enumerate().map(|(i, flow)| (flow.buffer.data_bytes(), i)).collect();
        largest.sort_unstable_by(|a, b| b.cmp(a));
        let full = !self.spill.has_room(self.buffered as u64);
        for (bytes, stream) in largest {
            if !full && (bytes < WORTH_A_ROW_GROUP || self.buffered <= self.limits.memory / 4) {
                break;
            }
            let pending = self.take(stream, StreamBuffer::seal);
            self.submit(stream, pending);
        }
        if !full && self.buffered > self.limits.memory / 4 {
            let before = self.buffered;
            for flow in &mut self.streams {
                self.buffered -= flow.buffer.held_bytes();
                flow.buffer.spill(&mut self.spill)?;
                self.buffered += flow.buffer.held_bytes();
            }
            self.spill.flush(self.budget.hold(before - self.buffered));
        }
        Ok(())
    }

    /// Has all encoded that waits behind rows which the spill's disk has refused: they hold memory until then.
    fn seal_spilled(&mut self) {
        for stream in 0..self.streams.len() {
            // What a cut leaves is taken the next time.
            while self.streams.get(stream).is_some_and(|flow| flow.buffer.is_spilled()) {
                let pending = self.take(stream, StreamBuffer::seal);
                self.submit(stream, pending);
            }
        }
    }
}
