//! What rows are compared by, taken while they are encoded: so staged files need not be read again when they are loaded.
//!
//! It lies in an unnamed file, block by block. Where there is none, or its disk is full, the staged files are read.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::{Array, ArrayRef, StructArray};
use uuid::Uuid;

use super::rows::{Filler, RowValues, Slice, no_form};
use super::spots::{Values, pack};
use super::value::{Form, Unlike, Value, of_key};
use crate::encode::encoder::{Seen, Watcher};
use crate::encode::ids::IdRange;
use crate::encode::json_values::JsonValues;
use crate::error::{Error, Result};
use crate::schema::columns::TableSchema;
use crate::schema::dedup::{Place, Places};
use crate::schema::kind::Kind;
use crate::schema::stats::Span;

/// Rows that are taken at a time.
const ROWS: usize = 8192;
/// Bytes of a row, beside its order: the hash of its key, whether it deletes its key, the length of its order.
const HEADER: usize = 16 + 1 + 4;

/// Takes what the rows of a stream are compared by.
pub struct Captured {
    filler: Filler,
    /// Where each value is, in the order of the filler's numbers.
    ways: Vec<Way>,
    /// Those that are in the texts of records.
    of_texts: JsonValues,
    log: Mutex<Log>,
}

enum Way {
    /// The value of this number in the texts of records, at this path.
    Text(usize, Vec<String>),
    /// A column of the record's, or a field in it.
    Column(Vec<usize>),
    /// A value in the JSON texts of such a column, and its path there.
    TextOf(Vec<usize>, Box<JsonValues>, Vec<String>),
}

#[derive(Default)]
struct Log {
    file: Option<File>,
    end: u64,
    is_refused: bool,
    /// By their first ids.
    blocks: BTreeMap<u128, Block>,
}

/// Where a block is.
#[derive(Debug, Clone)]
pub struct Block {
    range: Range<u64>,
    rows: u64,
}

struct Rows<'a> {
    values: Vec<Values>,
    emitted_at: &'a [i64],
    first: u128,
}

impl Captured {
    /// For rows with the columns `files`, compared by the values at `places`. Hashes are made with `secret`.
    pub fn new(places: &Places, files: &TableSchema, secret: [u8; 16]) -> Result<Self> {
        let forms = |place: &Place| Some((place.kind.clone(), Form::of(&place.kind)?));
        let keys = places.key.iter().map(|place| of_key(place).ok_or_else(no_form)).collect::<Result<Vec<_>>>()?;
        let cursors = places.cursor.iter().map(|place| forms(place).ok_or_else(no_form)).collect::<Result<Vec<_>>>()?;
        let kinds = keys.iter().chain(&cursors).map(|(kind, _)| kind).chain(std::iter::repeat(&Kind::Json));
        let mut texts: Vec<(&[String], &Kind)> = Vec::new();
        let mut ways = Vec::new();
        for (place, kind) in places.key.iter().chain(&places.cursor).chain(&places.deleted).zip(kinds) {
            ways.push(way((place, kind), files, &mut texts)?);
        }
        let (key, cursor) = (places.key.len(), places.cursor.len());
        let filler = Filler {
            secret,
            key: (0..).zip(keys.iter().map(|(_, form)| *form)).collect(),
            cursor: (key..).zip(cursors.iter().map(|(_, form)| *form)).collect(),
            deletes: (key + cursor..key + cursor + places.deleted.len()).collect(),
        };
        Ok(Self { filler, ways, of_texts: JsonValues::new(texts), log: Mutex::default() })
    }

    /// The blocks with the ids `ids`, in their order, if all of them are there: `rows` rows.
    pub fn blocks(&self, ids: &Span<String>, rows: u64) -> Option<Vec<Block>> {
        let number = |id: &str| Uuid::parse_str(id).ok().map(|id| id.as_u128());
        let range = number(&ids.first)?..=number(&ids.last)?;
        let log = self.log();
        let blocks: Vec<Block> = log.blocks.range(range).map(|(_, block)| block.clone()).collect();
        (blocks.iter().map(|block| block.rows).sum::<u64>() == rows).then_some(blocks)
    }

    /// The rows of a block.
    pub fn read(&self, block: &Block) -> Result<Slice> {
        let lost = || Error::system("What rows are compared by was put into a temporary file and is not there.");
        let mut bytes = vec![0; usize::try_from(block.range.end - block.range.start).map_err(|_| lost())?];
        let file = self.log().file.as_ref().and_then(|file| file.try_clone().ok()).ok_or_else(lost)?;
        file.read_exact_at(&mut bytes, block.range.start).map_err(|error| lost().with_source(error))?;
        let mut slice = Slice::default();
        let mut rest = bytes.as_slice();
        while let Some((row, order, behind)) = take(rest) {
            slice.push(row.0, row.1, order);
            rest = behind;
        }
        Ok(slice)
    }

    /// The rows with the ids `ids` are loaded.
    pub fn forget(&self, ids: &Span<String>) {
        let number = |id: &str| Uuid::parse_str(id).ok().map(|id| id.as_u128());
        let (Some(first), Some(last)) = (number(&ids.first), number(&ids.last)) else { return };
        let mut log = self.log();
        let gone: Vec<u128> = log.blocks.range(first..=last).map(|(first, _)| *first).collect();
        for first in gone {
            let block = log.blocks.remove(&first);
            if let (Some(block), Some(file)) = (block, &log.file) {
                give_back(file, block.range);
            }
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher for Captured {
    fn look(&self, ids: IdRange, emitted_at: &[i64], rows: Seen<'_>) -> Result<()> {
        if self.log().is_refused {
            return Ok(());
        }
        let arrays = match rows {
            Seen::Texts(texts) => self.of_texts.read(texts)?,
            Seen::Columns(_) => Vec::new(),
        };
        let columns = match rows {
            Seen::Columns(columns) => columns,
            Seen::Texts(_) => &[],
        };
        let lost = || Error::system("A value that rows are compared by has no column.");
        let mut values = Vec::with_capacity(self.ways.len());
        for (at, way) in self.ways.iter().enumerate() {
            let is_key = at < self.filler.key.len();
            values.push(match way {
                Way::Text(number, path) => {
                    let array = arrays.get(*number).map(Arc::clone).ok_or_else(lost)?;
                    match rows {
                        Seen::Texts(texts) if is_key => Values::of_key(array, path, texts)?,
                        _ => Values::of(array),
                    }
                }
                Way::Column(path) => Values::of(inside(columns, path).ok_or_else(lost)?),
                Way::TextOf(path, json, inner) => {
                    let texts = Values::of(inside(columns, path).ok_or_else(lost)?);
                    let packed = pack((0..emitted_at.len()).map(|row| texts.get(row)));
                    let array = json.read(&packed)?.pop().ok_or_else(lost)?;
                    if is_key { Values::of_key(array, inner, &packed)? } else { Values::of(array) }
                }
            });
        }
        let rows = Rows { values, emitted_at, first: ids.first_number() };
        let mut bytes = Vec::new();
        let mut slice = Slice::default();
        for first in (0..emitted_at.len()).step_by(ROWS) {
            let end = (first + ROWS).min(emitted_at.len());
            let unlike = |_: Unlike| Error::system("A value is of another type than its column.");
            self.filler.fill(&mut slice, &rows, first..end, |_, _| true).map_err(unlike)?;
            for (row, hash) in slice.hashes.iter().enumerate() {
                let order = slice.order(row);
                bytes.extend_from_slice(&hash.to_le_bytes());
                bytes.push(u8::from(slice.deletes.get(row) == Some(&true)));
                bytes.extend_from_slice(&u32::try_from(order.len()).unwrap_or(u32::MAX).to_le_bytes());
                bytes.extend_from_slice(order);
            }
        }
        self.log().write(&bytes, ids);
        Ok(())
    }
}

impl RowValues for Rows<'_> {
    #[inline]
    fn get(&self, spot: usize, row: usize) -> Value<'_> {
        self.values.get(spot).map_or(Value::Null, |values| values.get(row))
    }

    fn is_present(&self, spot: usize, row: usize) -> bool {
        self.values.get(spot).is_some_and(|values| values.is_present(row))
    }

    fn emitted_at(&self, row: usize) -> Value<'_> {
        self.emitted_at.get(row).map_or(Value::Null, |time| Value::Micros(*time))
    }

    #[inline]
    fn append_id(&self, row: usize, out: &mut Vec<u8>) {
        super::rows::append_uuid(Uuid::from_u128(self.first + row as u128), out);
    }
}

impl Log {
    fn write(&mut self, bytes: &[u8], ids: IdRange) {
        if self.file.is_none() {
            self.file = tempfile::tempfile().ok();
        }
        let range = self.end..self.end + bytes.len() as u64;
        match self.file.as_ref().map(|file| file.write_all_at(bytes, range.start)) {
            Some(Ok(())) => {
                self.end = range.end;
                self.blocks.insert(ids.first_number(), Block { range, rows: ids.count() });
            }
            _ => {
                self.is_refused = true;
                tracing::info!(
                    "No temporary file takes keys of rows: staged files are read again when they are loaded."
                );
            }
        }
    }
}

/// Where the value at `place` is found when rows are encoded; `texts` are the values in the texts of records.
fn way<'p>(
    (place, read_as): (&'p Place, &'p Kind),
    files: &TableSchema,
    texts: &mut Vec<(&'p [String], &'p Kind)>,
) -> Result<Way> {
    let lost = || Error::system("A value that rows are compared by has no column.");
    let record = files.record();
    let first = record.iter().position(|column| column.name == place.column).ok_or_else(lost)?;
    let mut kind = &record.get(first).ok_or_else(lost)?.kind;
    if files.layout() == crate::schema::columns::Layout::Raw {
        texts.push((&place.json, read_as));
        return Ok(Way::Text(texts.len() - 1, place.json.clone()));
    }
    let mut path = vec![first];
    for name in &place.fields {
        let (at, inner) = match kind {
            Kind::Struct(record) => {
                let at = record.fields.iter().position(|field| field.name == *name).ok_or_else(lost)?;
                (at, &record.fields.get(at).ok_or_else(lost)?.kind)
            }
            Kind::Union(members) => {
                let mut all = members.iter().enumerate();
                all.find(|(at, _)| crate::schema::kind::member(*at) == *name).ok_or_else(lost)?
            }
            _ => return Err(lost()),
        };
        path.push(at);
        kind = inner;
    }
    if place.json.is_empty() {
        return Ok(Way::Column(path));
    }
    let values = JsonValues::new([(place.json.as_slice(), read_as)]);
    Ok(Way::TextOf(path, Box::new(values), place.json.clone()))
}

fn inside(columns: &[ArrayRef], path: &[usize]) -> Option<ArrayRef> {
    let (first, inner) = path.split_first()?;
    let mut array = columns.get(*first)?;
    for at in inner {
        array = array.as_any().downcast_ref::<StructArray>()?.columns().get(*at)?;
    }
    Some(Arc::clone(array))
}

type Row<'a> = ((u128, bool), &'a [u8], &'a [u8]);

/// The first row of `bytes`, its order, and what is behind it.
fn take(bytes: &[u8]) -> Option<Row<'_>> {
    let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
    let (hash, header) = header.split_first_chunk()?;
    let (deletes, length) = header.split_first()?;
    let length = u32::from_le_bytes(*length.first_chunk()?) as usize;
    let (order, rest) = rest.split_at_checked(length)?;
    Some(((u128::from_le_bytes(*hash), *deletes != 0), order, rest))
}

/// Gives the disk back what nobody reads any more, where the file system can do that.
fn give_back(file: &File, range: Range<u64>) {
    use rustix::fs::{FallocateFlags, fallocate};
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    // What cannot do it keeps the space until the file goes.
    let _ = fallocate(file, flags, range.start, range.end - range.start);
}

#[cfg(test)]
#[path = "captured_tests.rs"]
mod tests;
