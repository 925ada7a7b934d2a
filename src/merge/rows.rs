//! Reads out of row groups what rows are compared by: the hashes of their keys and their places in the order.
//!
//! The order of the rows of a key is that of `schema::dedup`: the cursor, then the time at which a row was emitted, then its id.

use std::ops::Range;

use parquet::file::metadata::RowGroupMetaData;
use parquet::schema::types::SchemaDescriptor;
use siphasher::sip128::SipHasher13;
use uuid::Uuid;

use super::chunk::Chunk;
use super::leaf::{LeafReader, LeafValues};
use super::spots::{Spots, Taken};
use super::unreadable;
use super::value::{Form, Unlike, Value};
use crate::error::{Error, Result};
use crate::schema::dedup::Places;

/// Bytes of columns that are decoded at a time, about.
const SLICE: usize = 4 << 20;
/// Rows that are decoded at a time at least and at most.
const ROWS: (usize, usize) = (16, 8192);

/// What is read of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// The hashes of their keys.
    Hashes,
    /// Those, their places in the order, and whether they delete their keys.
    All,
}

/// Reads the rows of a file.
pub struct RowReader {
    parts: Parts,
    secret: [u8; 16],
    spots: Spots,
    key: Vec<(usize, Form)>,
    order: Vec<(usize, Form)>,
    id: Option<usize>,
    deletes: Vec<usize>,
}

/// The columns that say what a row is, beside those of its key.
#[derive(Debug, Clone, Copy)]
pub struct RowColumns<'a> {
    /// The rows' ids.
    pub id: &'a str,
    /// The times at which they were emitted.
    pub emitted_at: &'a str,
}

/// Some consecutive rows.
#[derive(Default)]
pub struct Slice {
    /// The hashes of their keys.
    pub hashes: Vec<u128>,
    /// Which of them delete their keys; empty where none does, or that was not asked for.
    pub deletes: Vec<bool>,
    orders: Vec<u8>,
    ends: Vec<usize>,
}

impl Slice {
    /// What orders a row; empty where that was not asked for.
    pub fn order(&self, row: usize) -> &[u8] {
        let end = |row: usize| self.ends.get(row).copied();
        let begin = row.checked_sub(1).map_or(Some(0), end);
        begin.zip(end(row)).and_then(|(begin, end)| self.orders.get(begin..end)).unwrap_or_default()
    }
}

impl RowReader {
    /// Reads `parts` of the rows of a file with the columns `file`; the values are at `places`. Hashes are made with `secret`.
    ///
    /// # Errors
    /// A config error: the file has a structure or a list where a value is expected.
    pub fn new(
        parts: Parts,
        places: &Places,
        columns: RowColumns<'_>,
        file: &SchemaDescriptor,
        secret: [u8; 16],
    ) -> Result<Self> {
        let mut spots = Spots::new(file);
        let read = |kind| {
            Form::of(kind).ok_or_else(|| Error::system("A key or a cursor is of a type that is made of others."))
        };
        let mut key = Vec::new();
        for place in &places.key {
            key.push((spots.value(place)?, read(&place.kind)?));
        }
        let (mut order, mut id, mut deletes) = (Vec::new(), None, Vec::new());
        if parts == Parts::All {
            for place in &places.cursor {
                order.push((spots.value(place)?, read(&place.kind)?));
            }
            order.push((spots.column(columns.emitted_at)?, Form::Micros));
            id = Some(spots.column(columns.id)?);
            for place in &places.deleted {
                deletes.push(spots.presence(place)?);
            }
        }
        spots.end();
        Ok(Self { parts, secret, spots, key, order, id, deletes })
    }

    /// The columns of the file that have to be there, by their numbers.
    pub fn leaves(&self) -> Vec<usize> {
        self.spots.leaves()
    }

    /// Reads the rows of a row group out of the `chunks` of its columns, and gives them to `each`, with the number of the first of them
    /// in the row group.
    pub fn read(
        &self,
        group: &RowGroupMetaData,
        chunks: Vec<(usize, Chunk)>,
        mut each: impl FnMut(usize, &Slice) -> Result<()>,
    ) -> Result<()> {
        let rows =
            usize::try_from(group.num_rows()).map_err(|_| Error::system("A row group has a negative length."))?;
        let mut bytes = 0;
        let mut readers = Vec::with_capacity(chunks.len());
        for (leaf, chunk) in chunks {
            let metadata = group.columns().get(leaf).ok_or_else(|| Error::system("A row group lacks a column."))?;
            bytes += usize::try_from(metadata.uncompressed_size()).unwrap_or(0);
            let present_from = self.spots.present_from(leaf).unwrap_or(metadata.column_descr().max_def_level());
            readers.push((leaf, LeafReader::new(chunk, metadata, rows, present_from).map_err(unreadable)?));
        }
        let step = (rows.saturating_mul(SLICE) / bytes.max(1)).clamp(ROWS.0, ROWS.1);
        let (mut first, mut slice) = (0, Slice::default());
        while first < rows {
            let count = step.min(rows - first);
            let mut values: Vec<(usize, LeafValues)> = Vec::with_capacity(readers.len());
            for (leaf, reader) in &mut readers {
                values.push((*leaf, reader.read(count).map_err(unreadable)?));
            }
            let taken = self.spots.take(&values, count)?;
            self.fill(&mut slice, &taken, 0..count)?;
            each(first, &slice)?;
            first += count;
        }
        Ok(())
    }

    fn fill(&self, slice: &mut Slice, taken: &Taken<'_>, rows: Range<usize>) -> Result<()> {
        let unlike = |_: Unlike| {
            Error::config(
                "A file of the table has values of another type than the table's column of the primary key or the cursor. Move \
                 the table away, or replace its rows (a refresh).",
            )
        };
        let hasher = SipHasher13::new_with_key(&self.secret);
        slice.hashes.clear();
        slice.deletes.clear();
        slice.orders.clear();
        slice.ends.clear();
        let mut key = Vec::new();
        for row in rows {
            key.clear();
            for (spot, form) in &self.key {
                form.append_key(taken.get(*spot, row), &mut key).map_err(unlike)?;
            }
            slice.hashes.push(hasher.hash(&key).as_u128());
            if self.parts == Parts::Hashes {
                continue;
            }
            for (spot, form) in &self.order {
                form.append_order(taken.get(*spot, row), &mut slice.orders).map_err(unlike)?;
            }
            append_id(self.id.map_or(Value::Null, |spot| taken.get(spot, row)), &mut slice.orders);
            slice.ends.push(slice.orders.len());
            if !self.deletes.is_empty() {
                slice.deletes.push(self.deletes.iter().any(|spot| taken.is_present(*spot, row)));
            }
        }
        Ok(())
    }
}

/// Appends what orders a row by its id. In 16 bytes a UUID sorts as its text does. What is none is no id of ours, and older.
fn append_id(id: Value<'_>, out: &mut Vec<u8>) {
    let Value::Bytes(text) = id else { return out.push(0) };
    let lower = |byte: &u8| !byte.is_ascii_uppercase();
    match Uuid::try_parse_ascii(text) {
        Ok(id) if text.len() == 36 && text.iter().all(lower) => {
            out.push(2);
            out.extend_from_slice(id.as_bytes());
        }
        _ => {
            out.push(1);
            out.extend_from_slice(text);
        }
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
