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
use super::value::{Form, Unlike, Value, of_key};
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
    spots: Spots,
    filler: Filler,
    emitted_at: Option<usize>,
    id: Option<usize>,
}

/// Makes of the values of rows what they are compared by. Values have numbers.
pub struct Filler {
    /// With what hashes are made.
    pub secret: [u8; 16],
    /// The parts of the key.
    pub key: Vec<(usize, Form)>,
    /// Those of the cursor.
    pub cursor: Vec<(usize, Form)>,
    /// Values with which rows delete their keys.
    pub deletes: Vec<usize>,
}

/// The values of some rows, by their numbers.
pub trait RowValues {
    /// A value.
    fn get(&self, spot: usize, row: usize) -> Value<'_>;
    /// Whether it is there.
    fn is_present(&self, spot: usize, row: usize) -> bool;
    /// When the row was emitted.
    fn emitted_at(&self, row: usize) -> Value<'_>;
    /// Appends what orders the row by its id.
    fn append_id(&self, row: usize, out: &mut Vec<u8>);
}

/// Rows of a file.
struct FileRows<'a> {
    taken: Taken<'a>,
    emitted_at: Option<usize>,
    id: Option<usize>,
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
    /// Adds a row, which deletes its key or not.
    pub fn push(&mut self, hash: u128, deletes: bool, order: &[u8]) {
        self.hashes.push(hash);
        self.deletes.push(deletes);
        self.orders.extend_from_slice(order);
        self.ends.push(self.orders.len());
    }

    /// What orders all rows, one behind the other, and where each one ends.
    pub fn orders(&self) -> (&[u8], &[usize]) {
        (&self.orders, &self.ends)
    }

    fn clear(&mut self) {
        self.hashes.clear();
        self.deletes.clear();
        self.orders.clear();
        self.ends.clear();
    }

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
        let mut filler = Filler { secret, key: Vec::new(), cursor: Vec::new(), deletes: Vec::new() };
        for place in &places.key {
            let (kind, form) = of_key(place).ok_or_else(no_form)?;
            filler.key.push((spots.key(place, &kind)?, form));
        }
        let (mut emitted_at, mut id) = (None, None);
        if parts == Parts::All {
            for place in &places.cursor {
                filler.cursor.push((spots.value(place)?, Form::of(&place.kind).ok_or_else(no_form)?));
            }
            emitted_at = Some(spots.column(columns.emitted_at)?);
            id = Some(spots.column(columns.id)?);
            for place in &places.deleted {
                filler.deletes.push(spots.presence(place)?);
            }
        }
        spots.end();
        Ok(Self { parts, spots, filler, emitted_at, id })
    }

    /// The columns of the file that have to be there, by their numbers.
    pub fn leaves(&self) -> Vec<usize> {
        self.spots.leaves()
    }

    /// Bytes of memory that reading a row group takes, about.
    pub fn memory(&self, group: &RowGroupMetaData) -> usize {
        let columns = self.spots.leaves().into_iter().filter_map(|leaf| group.columns().get(leaf));
        let (compressed, decoded) = columns.fold((0_i64, 0_i64), |(compressed, decoded), column| {
            (compressed.saturating_add(column.compressed_size()), decoded.saturating_add(column.uncompressed_size()))
        });
        usize::try_from(compressed).unwrap_or(0).saturating_add(usize::try_from(decoded).unwrap_or(0).min(SLICE))
    }

    /// Reads the rows of a row group out of the `chunks` of its columns, and gives them to `each`, with the number of the first of them
    /// in the row group. Rows have their places in the order if they are `wanted`, by their numbers in the row group, the hashes of their
    /// keys and whether they lack a part of it.
    pub fn read(
        &self,
        group: &RowGroupMetaData,
        chunks: Vec<(usize, Chunk)>,
        wanted: impl Fn(usize, u128, bool) -> bool,
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
            let rows = FileRows { taken, emitted_at: self.emitted_at, id: self.id };
            let is_wanted = |row: usize, hash, lacks| self.parts == Parts::All && wanted(first + row, hash, lacks);
            let filled = self.filler.fill(&mut slice, &rows, 0..count, is_wanted);
            filled.map_err(unlike)?;
            each(first, &slice)?;
            first += count;
        }
        Ok(())
    }
}

impl Filler {
    /// Fills `slice` with the rows `rows` of `values`, and with the places in the order of those that are `wanted`, by their
    /// numbers, the hashes of their keys and whether they lack a part of it.
    pub fn fill(
        &self,
        slice: &mut Slice,
        values: &impl RowValues,
        rows: Range<usize>,
        wanted: impl Fn(usize, u128, bool) -> bool,
    ) -> std::result::Result<(), Unlike> {
        let hasher = SipHasher13::new_with_key(&self.secret);
        slice.clear();
        let mut key = Vec::new();
        for row in rows {
            key.clear();
            let mut lacks = false;
            for (spot, form) in &self.key {
                let part = values.get(*spot, row);
                lacks |= part == Value::Null;
                form.append_key(part, &mut key)?;
            }
            let hash = hasher.hash(&key).as_u128();
            slice.hashes.push(hash);
            if !wanted(row, hash, lacks) {
                slice.ends.push(slice.orders.len());
                if !self.deletes.is_empty() {
                    slice.deletes.push(false);
                }
                continue;
            }
            for (spot, form) in &self.cursor {
                form.append_order(values.get(*spot, row), &mut slice.orders)?;
            }
            Form::Micros.append_order(values.emitted_at(row), &mut slice.orders)?;
            values.append_id(row, &mut slice.orders);
            slice.ends.push(slice.orders.len());
            if !self.deletes.is_empty() {
                slice.deletes.push(self.deletes.iter().any(|spot| values.is_present(*spot, row)));
            }
        }
        Ok(())
    }
}

/// The catalog allows no such key and no such cursor.
pub fn no_form() -> Error {
    Error::system("A key or a cursor is of a type that is made of others.")
}

impl RowValues for FileRows<'_> {
    #[inline]
    fn get(&self, spot: usize, row: usize) -> Value<'_> {
        self.taken.get(spot, row)
    }

    fn is_present(&self, spot: usize, row: usize) -> bool {
        self.taken.is_present(spot, row)
    }

    fn emitted_at(&self, row: usize) -> Value<'_> {
        match self.emitted_at.map_or(Value::Null, |spot| self.taken.get(spot, row)) {
            // Tables of connector 1.1.x have the milliseconds as a text in its Azure mode.
            Value::Bytes(text) => {
                let millis = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
                millis.and_then(|millis| millis.checked_mul(1000)).map_or(Value::Null, Value::Micros)
            }
            value => value,
        }
    }

    fn append_id(&self, row: usize, out: &mut Vec<u8>) {
        append_id(self.id.map_or(Value::Null, |spot| self.taken.get(spot, row)), out);
    }
}

fn unlike(_: Unlike) -> Error {
    Error::config(
        "A file of the table has values of another type than the table's column of the primary key or the cursor. Move the table \
         away, or replace its rows (a refresh).",
    )
}

/// Appends what orders a row by its id.
#[inline]
pub fn append_uuid(id: Uuid, out: &mut Vec<u8>) {
    let mut bytes = [2; 17];
    if let Some(tail) = bytes.last_chunk_mut() {
        *tail = id.into_bytes();
    }
    out.extend_from_slice(&bytes);
}

/// Appends what orders a row by its id. In 16 bytes a UUID sorts as its text does. What is none is no id of ours, and older.
fn append_id(id: Value<'_>, out: &mut Vec<u8>) {
    let Value::Bytes(text) = id else { return out.push(0) };
    let lower = |byte: &u8| !byte.is_ascii_uppercase();
    match Uuid::try_parse_ascii(text) {
        Ok(id) if text.len() == 36 && text.iter().all(lower) => append_uuid(id, out),
        _ => {
            out.push(1);
            out.extend_from_slice(text);
        }
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
