//! What waits of one stream: rows in memory, blocks of rows in the spill file, and where the last STATE stands.
//!
//! Rows leave as sealed [`Pending`] blocks, in their order. A *cut* is the place of the last STATE among the rows that
//! no closed batch has: a batch is closed there wherever it can be, so that what a table has is what a STATE speaks for.

use super::spill::{Spill, SpilledRows};
use crate::encode::rows::Rows;
use crate::error::Result;

/// Rows of one stream on their way to a worker: first the spilled ones, then those in memory.
#[derive(Default)]
pub struct Pending {
    spilled: Vec<SpilledRows>,
    /// Rows and bytes of text of all spilled blocks: asked for with every row.
    spilled_rows: usize,
    spilled_bytes: usize,
    rows: Rows,
}

/// Where the last STATE stands among the rows that no closed batch has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cut {
    /// No STATE since the last batch was closed.
    #[default]
    None,
    /// After this many rows of what waits here.
    After(usize),
    /// Before rows that have been sealed together with later ones: too late to cut there.
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

    /// Bytes of memory that it will hold once it is read.
    pub fn held_bytes(&self) -> usize {
        self.spilled_bytes + self.spilled_rows * 8 + self.rows.held_bytes()
    }

    /// All rows, in memory.
    pub fn read(self) -> Result<Rows> {
        if self.spilled.is_empty() {
            return Ok(self.rows);
        }
        let mut all = Rows::with_room(self.data_bytes(), self.len());
        for block in self.spilled {
            block.read_into(&mut all)?;
        }
        all.extend(&self.rows);
        Ok(all)
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.spilled.is_empty() && self.rows.is_empty()
    }

    fn push_spilled(&mut self, block: SpilledRows) {
        self.spilled_rows += block.rows();
        self.spilled_bytes += block.data_bytes();
        self.spilled.push(block);
    }

    /// Cuts after row `at`, which must not lie inside a spilled block: `self` keeps what comes before.
    fn split_off(&mut self, at: usize) -> Self {
        let mut rest = Self::default();
        if at >= self.spilled_rows {
            rest.rows = self.rows.split_off(at - self.spilled_rows);
            return rest;
        }
        rest.rows = std::mem::take(&mut self.rows);
        for block in std::mem::take(self).spilled {
            let before = self.spilled_rows + block.rows() <= at && rest.spilled.is_empty();
            if before { self.push_spilled(block) } else { rest.push_spilled(block) }
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

    /// Takes memory for the rows to come, if no row waits.
    pub fn refill(&mut self, memory: Vec<u8>) {
        if self.waiting.rows.is_empty() {
            self.waiting.rows = Rows::in_memory(memory);
        }
    }

    /// Whether no row waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether some of the rows are in the spill file.
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

    /// Where the last STATE stands.
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// A STATE has come that speaks for every row so far.
    pub fn mark(&mut self) {
        self.cut = Cut::After(self.waiting.len());
    }

    /// Takes what should be encoded now, because enough waits: all of it, or what is before the last STATE if that is
    /// most of it. The cut stays known as long as it can.
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

    /// Takes what is before the last STATE and leaves the rest, where that can be done; the batch can be closed then.
    pub fn seal_to_cut(&mut self) -> Pending {
        let Cut::After(rows) = self.cut else { return Pending::default() };
        let rest = self.waiting.split_off(rows);
        self.cut = Cut::After(0);
        std::mem::replace(&mut self.waiting, rest)
    }

    /// Takes everything.
    pub fn seal_all(&mut self) -> Pending {
        self.cut = Cut::None;
        std::mem::take(&mut self.waiting)
    }

    /// The batch has been closed at the last STATE.
    pub fn closed(&mut self) {
        self.cut = Cut::None;
    }

    /// Moves what is in memory to the spill file, as two blocks if the last STATE stands inside.
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
                let block = spill.push(rows)?;
                self.waiting.push_spilled(block);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "buffer_tests.rs"]
mod tests;
