//! The waiting rows of one stream: two growing buffers that already have the shape of Parquet's PLAIN encoding.
//!
//! A row is appended by copying its JSON text once, behind its length: pages of texts are then slices of the buffer. Rows wait
//! and spill in this shape whatever the layout of the table is. Nothing is allocated for a stream without rows.

use crate::error::Result;
use crate::schema::stats::Span;

/// Rows of one stream: JSON texts and the times they were emitted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Each row's length (4 bytes, little-endian) and text.
    texts: Vec<u8>,
    /// Microseconds since the epoch, UTC.
    emitted_at: Vec<i64>,
}

/// Bytes of a text's length.
const PREFIX: usize = size_of::<u32>();
/// Bytes of a time.
const TIME: usize = size_of::<i64>();

impl Rows {
    /// Appends a row: a JSON text and its time in microseconds since the epoch.
    ///
    /// `expected` is the size in bytes of text to which the caller lets these rows grow: a buffer that comes near it gets its
    /// memory in few steps and not more than it needs. The caller keeps the whole below 2 GiB.
    pub fn push(&mut self, json: &[u8], emitted_at: i64, expected: usize) {
        let needed = self.texts.len() + PREFIX + json.len();
        if needed > self.texts.capacity() {
            // Doubling suits a buffer that may stay small, and wastes up to half of a large one.
            let target = if needed >= expected / 8 { needed.max(expected + expected / 16) } else { needed * 2 };
            self.texts.reserve_exact(target - self.texts.len());
        }
        self.texts.extend_from_slice(&u32::try_from(json.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.texts.extend_from_slice(json);
        self.emitted_at.push(emitted_at);
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.emitted_at.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.emitted_at.is_empty()
    }

    /// Bytes of JSON text, with their lengths.
    pub fn data_bytes(&self) -> usize {
        self.texts.len()
    }

    /// Bytes of memory that are allocated, used or not.
    pub fn held_bytes(&self) -> usize {
        self.texts.capacity() + self.emitted_at.capacity() * TIME
    }

    /// The texts, each behind its length, and the times: the shape of spilled rows.
    pub fn parts(&self) -> (&[u8], &[i64]) {
        (&self.texts, &self.emitted_at)
    }

    /// The texts, each behind its length, and the times.
    pub fn into_parts(self) -> (Vec<u8>, Vec<i64>) {
        (self.texts, self.emitted_at)
    }

    /// Cuts after row `at`: `self` keeps what comes before, the rest is returned.
    pub fn split_off(&mut self, at: usize) -> Self {
        if at >= self.len() {
            return Self::default();
        }
        let cut = TextEnds::of(&self.texts).take(at).last().unwrap_or(0);
        Self { texts: self.texts.split_off(cut), emitted_at: self.emitted_at.split_off(at) }
    }

    /// Appends all rows of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.texts.extend_from_slice(&other.texts);
        self.emitted_at.extend_from_slice(&other.emitted_at);
    }

    /// Appends `rows` rows with `bytes` bytes of texts. `fill` writes them into the space it is given: the texts, then the times
    /// in this machine's byte order, both as [`Rows::parts`] gave them.
    pub fn extend_with(&mut self, bytes: usize, rows: usize, fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<()> {
        let before = self.texts.len();
        self.texts.resize(before + bytes + rows * TIME, 0);
        fill(self.texts.get_mut(before..).unwrap_or_default())?;
        let times = self.texts.get(before + bytes..).unwrap_or_default().as_chunks().0.iter();
        self.emitted_at.extend(times.map(|time| i64::from_ne_bytes(*time)));
        self.texts.truncate(before + bytes);
        Ok(())
    }

    /// The earliest and the latest time, in microseconds since the epoch; `None` without rows.
    pub fn emitted_at_span(&self) -> Option<Span<i64>> {
        Some(Span { first: *self.emitted_at.iter().min()?, last: *self.emitted_at.iter().max()? })
    }

    /// No rows, with memory for `rows` rows of `bytes` bytes of text, however they are appended.
    pub fn with_room(bytes: usize, rows: usize) -> Self {
        Self { texts: Vec::with_capacity(bytes + rows * TIME), emitted_at: Vec::with_capacity(rows) }
    }

    /// No rows, in memory that was used before.
    pub fn in_memory(mut memory: Vec<u8>) -> Self {
        memory.clear();
        Self { texts: memory, ..Self::default() }
    }
}

/// The texts of [`Rows::parts`], in their order.
pub fn texts(texts: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut begin = 0;
    TextEnds::of(texts).map(move |end| {
        let text = texts.get(begin + PREFIX..end).unwrap_or_default();
        begin = end;
        text
    })
}

/// Where each text of [`Rows::parts`] ends, in their order.
pub struct TextEnds<'a> {
    texts: &'a [u8],
    end: usize,
}

impl<'a> TextEnds<'a> {
    /// The ends in `texts`, each text behind its length.
    pub fn of(texts: &'a [u8]) -> Self {
        Self { texts, end: 0 }
    }
}

impl Iterator for TextEnds<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let length = self.texts.get(self.end..)?.first_chunk()?;
        self.end += PREFIX + usize::try_from(u32::from_le_bytes(*length)).ok()?;
        Some(self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_buffer::ToByteSlice;
    use proptest::prelude::*;

    fn rows(all: &[(String, i64)]) -> Rows {
        let mut rows = Rows::default();
        all.iter().for_each(|(text, time)| rows.push(text.as_bytes(), *time, 64));
        rows
    }

    proptest! {
        #[test]
        fn cutting_and_joining_keeps_every_row(all in prop::collection::vec(("[a-z]{0,9}", 0i64..9), 0..20), at in 0usize..25) {
            let mut first = rows(&all);
            let rest = first.split_off(at);
            prop_assert_eq!(&first, &rows(all.get(..at).unwrap_or(&all)));
            prop_assert_eq!(&rest, &rows(all.get(at..).unwrap_or_default()));
            let (texts, times) = rest.parts();
            let mut again = rows(all.get(..at).unwrap_or(&all));
            again.extend_with(texts.len(), times.len(), |space| {
                let (first, last) = space.split_at_mut(texts.len());
                first.copy_from_slice(texts);
                last.copy_from_slice(times.to_byte_slice());
                Ok(())
            })?;
            first.extend(&rest);
            prop_assert_eq!(&first, &rows(&all));
            prop_assert_eq!(again, first);
        }
    }
}
