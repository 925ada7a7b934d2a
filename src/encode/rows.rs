//! The rows of one stream that wait: three growing buffers that already have the shape of Arrow's arrays.
//!
//! A row is appended by copying its JSON text once. Nothing is opened or allocated for a stream without rows. When the
//! rows are encoded, the buffers become the arrays' memory as they are.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, TimestampMicrosecondArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};

use crate::error::{Error, Result};

/// Rows of one stream: JSON texts and the times they were emitted.
#[derive(Debug, Default)]
pub struct Rows {
    data: Vec<u8>,
    /// Arrow's offsets without the leading 0: where each row's text ends in `data`.
    ends: Vec<i32>,
    /// Microseconds since the epoch, UTC.
    emitted_at: Vec<i64>,
}

impl Rows {
    /// Appends a row: a JSON text and its time in microseconds since the epoch.
    ///
    /// `expected` bytes of text are what the caller will let these rows grow to: a buffer on its way there gets its
    /// memory in few steps and no more than it needs. The caller keeps the whole below 2 GiB.
    pub fn push(&mut self, json: &[u8], emitted_at: i64, expected: usize) {
        let needed = self.data.len() + json.len();
        if needed > self.data.capacity() {
            // Doubling is right for a buffer that may stay small, and wastes up to half of one that will not.
            let target = if needed >= expected / 8 { needed.max(expected + expected / 16) } else { needed * 2 };
            self.data.reserve_exact(target - self.data.len());
        }
        self.data.extend_from_slice(json);
        self.ends.push(i32::try_from(self.data.len()).unwrap_or(i32::MAX));
        self.emitted_at.push(emitted_at);
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of JSON text.
    pub fn data_bytes(&self) -> usize {
        self.data.len()
    }

    /// Bytes of memory that are held, used or not.
    pub fn held_bytes(&self) -> usize {
        self.data.capacity() + self.ends.capacity() * 4 + self.emitted_at.capacity() * 8
    }

    /// The JSON texts, as stored one after the other, their ends, and the times: the shape of a spilled block.
    pub fn parts(&self) -> (&[u8], &[i32], &[i64]) {
        (&self.data, &self.ends, &self.emitted_at)
    }

    /// Cuts after row `at`: `self` keeps what comes before, the rest is returned.
    pub fn split_off(&mut self, at: usize) -> Self {
        if at >= self.len() {
            return Self::default();
        }
        let cut = at.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or(0);
        let mut rest = Self {
            data: self.data.split_off(usize::try_from(cut).unwrap_or(0)),
            ends: self.ends.split_off(at),
            emitted_at: self.emitted_at.split_off(at),
        };
        rest.ends.iter_mut().for_each(|end| *end -= cut);
        rest
    }

    /// Appends rows whose texts, ends and times are given as [`Rows::parts`] gave them.
    pub fn extend(&mut self, data: &[u8], ends: impl Iterator<Item = i32>, emitted_at: impl Iterator<Item = i64>) {
        let base = i32::try_from(self.data.len()).unwrap_or(i32::MAX);
        self.data.extend_from_slice(data);
        self.ends.extend(ends.map(|end| base.saturating_add(end)));
        self.emitted_at.extend(emitted_at);
    }

    /// The smallest and the largest time, in microseconds since the epoch.
    pub fn emitted_at_range(&self) -> Option<(i64, i64)> {
        Some((*self.emitted_at.iter().min()?, *self.emitted_at.iter().max()?))
    }

    /// No rows, with room for `bytes` of text in `rows` rows.
    pub fn with_room(bytes: usize, rows: usize) -> Self {
        Self { data: Vec::with_capacity(bytes), ends: Vec::with_capacity(rows), emitted_at: Vec::with_capacity(rows) }
    }

    /// No rows, in memory that held others before.
    pub fn in_memory(mut memory: Vec<u8>) -> Self {
        memory.clear();
        Self { data: memory, ..Self::default() }
    }

    /// The buffers as arrays, without a copy: times, and texts as bytes (they were checked to be UTF-8 on their way in).
    pub fn into_arrays(self) -> Result<(ArrayRef, BinaryArray)> {
        let mut offsets = self.ends;
        offsets.insert(0, 0);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let data = BinaryArray::try_new(offsets, Buffer::from_vec(self.data), None)
            .map_err(|error| Error::system("A block of rows could not be put into an array.").with_source(error))?;
        let times = TimestampMicrosecondArray::new(ScalarBuffer::from(self.emitted_at), None).with_timezone("UTC");
        Ok((Arc::new(times), data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(rows: &Rows) -> Vec<(Vec<u8>, i64)> {
        let mut start = 0;
        rows.ends
            .iter()
            .zip(&rows.emitted_at)
            .map(|(end, at)| (rows.data[std::mem::replace(&mut start, *end as usize)..*end as usize].to_vec(), *at))
            .collect()
    }

    proptest! {
        #[test]
        fn cutting_and_joining_keeps_every_row(all in prop::collection::vec(("[a-z]{0,9}", 0i64..9), 0..20), at in 0usize..25) {
            let mut rows = Rows::default();
            all.iter().for_each(|(text, time)| rows.push(text.as_bytes(), *time, 64));
            let whole = texts(&rows);
            let rest = rows.split_off(at);
            prop_assert_eq!(rows.len(), at.min(all.len()));
            let (data, ends, times) = rest.parts();
            rows.extend(data, ends.iter().copied(), times.iter().copied());
            prop_assert_eq!(texts(&rows), whole);
        }
    }
}
