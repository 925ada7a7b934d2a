//! The rows of one stream that wait, in memory and in the spill file, and the position of the last STATE among them.
//!
//! Rows leave in their order, as blocks: each [`Pending`] becomes one row group. The *cut* is the position of the last STATE
//! among the rows that no closed batch has. Batches are closed there wherever possible, so that a table never has rows that
//! no STATE speaks for, and that a repeated sync would load again.

use super::spill::{Spill, SpilledRows};
use crate::encode::rows::Rows;
use crate::error::Result;

/// A block of rows of one stream: first the spilled ones, then those in memory.
#[derive(Default)]
pub struct Pending {
    spilled: Vec<SpilledRows>,
    /// Sums over `spilled`, kept because every new row asks for them.
    spilled_rows: usize,
    spilled_bytes: usize,
    rows: Rows,
}

/// Where a batch of the stream can end: the position of the last STATE among the rows that no closed batch has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cut {
    /// Nowhere: no STATE has come since the last batch was closed.
    #[default]
    None,
    /// After this many of the rows that wait here.
    After(usize),
    /// Nowhere any more: rows before and after the STATE have left in one block.
    Passed,
}

/// One stream's buffer.
#[derive(Default)]
pub struct StreamBuffer {
    waiting: Pending,
    cut: Cut,
    /// What was spilled last: about as much will come before the next time.
    spilled_last: Size,
}

#[derive(Default)]
struct Size {
    bytes: usize,
    rows: usize,
}

impl Pending {
    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.spilled_rows + self.rows.len()
    }

    /// How many bytes of JSON text it has.
    pub fn data_bytes(&self) -> usize {
        self.spilled_bytes + self.rows.data_bytes()
    }

    /// Bytes of memory that it holds when all of it is in memory.
    pub fn held_bytes(&self) -> usize {
        self.spilled_bytes + self.spilled_rows * 8 + self.rows.held_bytes()
    }

    /// All rows, in memory; reads the spilled ones back.
    pub fn read(self) -> Result<Rows> {
        if self.spilled.is_empty() {
            return Ok(self.rows);
        }
        let mut all = Rows::with_room(self.data_bytes(), self.len());
        for rows in self.spilled {
            rows.read_into(&mut all)?;
        }
        all.extend(&self.rows);
        Ok(all)
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.spilled.is_empty() && self.rows.is_empty()
    }

    fn push_spilled(&mut self, rows: SpilledRows) {
        self.spilled_rows += rows.rows();
        self.spilled_bytes += rows.data_bytes();
        self.spilled.push(rows);
    }

    /// Splits after row `at`: `self` keeps what comes before, the answer is the rest. `at` must not lie inside spilled rows.
    fn split_off(&mut self, at: usize) -> Self {
        let mut rest = Self::default();
        if at >= self.spilled_rows {
            rest.rows = self.rows.split_off(at - self.spilled_rows);
            return rest;
        }
        rest.rows = std::mem::take(&mut self.rows);
        for rows in std::mem::take(self).spilled {
            let before = self.spilled_rows + rows.rows() <= at && rest.spilled.is_empty();
            if before { self.push_spilled(rows) } else { rest.push_spilled(rows) }
        }
        rest
    }
}

impl StreamBuffer {
    /// Appends a row: its JSON text, and its time in microseconds since the epoch. The caller seals at `block_size` bytes,
    /// so that memory grows toward that.
    pub fn push(&mut self, json: &[u8], emitted_at: i64, block_size: usize) {
        if self.spilled_last.rows > 0 && self.waiting.rows.held_bytes() == 0 {
            // Half of what came before the last spill: one allocation instead of many, and most likely all of it is used.
            let last = std::mem::take(&mut self.spilled_last);
            self.waiting.rows = Rows::with_room(last.bytes / 2, last.rows / 2);
        }
        self.waiting.rows.push(json, emitted_at, block_size.saturating_sub(self.waiting.spilled_bytes));
    }

    /// Uses `memory` for the rows to come, if no row waits in memory.
    pub fn refill(&mut self, memory: Vec<u8>) {
        if self.waiting.rows.is_empty() {
            self.waiting.rows = Rows::in_memory(memory);
        }
    }

    /// Whether no row waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether some of the waiting rows were spilled.
    pub fn is_spilled(&self) -> bool {
        !self.waiting.spilled.is_empty()
    }

    /// Bytes of JSON text that wait, in memory and spilled.
    pub fn data_bytes(&self) -> usize {
        self.waiting.data_bytes()
    }

    /// Bytes of memory held.
    pub fn held_bytes(&self) -> usize {
        self.waiting.rows.held_bytes()
    }

    /// Where the batch can end.
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// Notes that a STATE has come, which speaks for every row so far.
    pub fn mark(&mut self) {
        self.cut = Cut::After(self.waiting.len());
    }

    /// Takes a block of rows because enough of them wait: those before the last STATE if they are at least half, so that
    /// the batch can still end there, otherwise all.
    pub fn seal(&mut self) -> Pending {
        match self.cut {
            _ if self.waiting.is_empty() => Pending::default(),
            Cut::After(rows) if rows > 0 && rows >= self.waiting.len() / 2 => self.seal_to_cut(),
            Cut::None => std::mem::take(&mut self.waiting),
            Cut::After(_) | Cut::Passed => {
                self.cut = Cut::Passed;
                std::mem::take(&mut self.waiting)
            }
        }
    }

    /// Takes the rows before the last STATE and leaves the rest; nothing if [`StreamBuffer::cut`] is not [`Cut::After`].
    /// The batch can be closed then.
    pub fn seal_to_cut(&mut self) -> Pending {
        let Cut::After(rows) = self.cut else { return Pending::default() };
        let rest = self.waiting.split_off(rows);
        self.cut = Cut::After(0);
        std::mem::replace(&mut self.waiting, rest)
    }

    /// Takes all rows.
    pub fn seal_all(&mut self) -> Pending {
        self.cut = Cut::None;
        std::mem::take(&mut self.waiting)
    }

    /// Notes that the batch was closed.
    pub fn closed(&mut self) {
        self.cut = Cut::None;
    }

    /// Moves the rows in memory to the spill file, in two parts if the last STATE came between them.
    ///
    /// # Errors
    /// There is no file to write to. The rows are lost then: nothing of the stream may be loaded any more.
    pub fn spill(&mut self, spill: &mut Spill) -> Result<()> {
        if self.waiting.rows.is_empty() {
            self.waiting.rows = Rows::default();
            return Ok(());
        }
        let mut before = std::mem::take(&mut self.waiting.rows);
        self.spilled_last = Size { bytes: before.data_bytes(), rows: before.len() };
        let spilled = self.waiting.spilled_rows;
        let at = match self.cut {
            Cut::After(rows) if rows > spilled => rows - spilled,
            _ => before.len(),
        };
        let after = before.split_off(at);
        for rows in [before, after] {
            if !rows.is_empty() {
                let spilled = spill.push(rows)?;
                self.waiting.push_spilled(spilled);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "buffer_tests.rs"]
mod tests;
