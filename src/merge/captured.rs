//! What rows are compared by, taken while they are encoded: so staged files need not be read again when they are loaded.
//!
//! It lies in the scratch file, block by block; what most loads look at, the hashes that filters keep, lies apart. Where the file refuses a
//! block, the staged files are read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::{Array, ArrayRef, StructArray};
use uuid::Uuid;

use super::contest::filtered;
use super::known::Hashes;
use super::rows::{Filler, RowValues, Slice, append_uuid, no_form};
use super::scratch::{Scratch, Stored};
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
/// Bytes of a half of a hash.
const HALF: usize = size_of::<u64>();
/// Bytes of the end of an order.
const END: usize = size_of::<u32>();

/// Takes what the rows of a stream are compared by.
pub struct Captured {
    filler: Filler,
    /// Where each value is, in the order of the filler's numbers.
    ways: Vec<Way>,
    /// Those that are in the texts of records.
    of_texts: JsonValues,
    scratch: Scratch,
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
    /// Nothing is written any more.
    is_refused: bool,
    /// By their first ids.
    blocks: BTreeMap<u128, Block>,
}

/// Rows that were encoded together.
#[derive(Clone)]
pub struct Block {
    /// The id of the first row.
    first: u128,
    /// What filters keep of the hashes.
    hashes: Arc<Hashes>,
    /// The upper halves of the hashes, where the order of each row ends (4 bytes), with `deletes` a byte that says whether it deletes its
    /// key, and the orders but for the ids.
    rest: Arc<Stored>,
    deletes: bool,
}

/// The parts of a block.
struct BlockParts {
    lower: Vec<u64>,
    upper: Vec<u8>,
    ends: Vec<u8>,
    deletes: Vec<u8>,
    orders: Vec<u8>,
}

struct Rows<'a> {
    values: Vec<Values>,
    emitted_at: &'a [i64],
}

impl Captured {
    /// For rows with the columns `files`, compared by the values at `places`. Hashes are made with `secret`, and kept in `scratch`.
    pub fn new(places: &Places, files: &TableSchema, secret: [u8; 16], scratch: Scratch) -> Result<Self> {
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
        Ok(Self { filler, ways, of_texts: JsonValues::new(texts), scratch, log: Mutex::default() })
    }

    /// The blocks with the ids `ids`, in their order, if all of them are there: `rows` rows.
    pub fn blocks(&self, ids: &Span<String>, rows: u64) -> Option<Vec<Block>> {
        let number = |id: &str| Uuid::parse_str(id).ok().map(|id| id.as_u128());
        let range = number(&ids.first)?..=number(&ids.last)?;
        let log = self.log();
        let blocks: Vec<Block> = log.blocks.range(range).map(|(_, block)| block.clone()).collect();
        (blocks.iter().map(Block::rows).sum::<u64>() == rows).then_some(blocks)
    }

    /// The rows with the ids `ids` are loaded.
    pub fn forget(&self, ids: &Span<String>) {
        let number = |id: &str| Uuid::parse_str(id).ok().map(|id| id.as_u128());
        let (Some(first), Some(last)) = (number(&ids.first), number(&ids.last)) else { return };
        let mut log = self.log();
        let gone: Vec<u128> = log.blocks.range(first..=last).map(|(first, _)| *first).collect();
        for first in gone {
            log.blocks.remove(&first);
        }
    }

    fn write(&self, mut parts: BlockParts, ids: IdRange) {
        let deletes = parts.deletes.contains(&1);
        if !deletes {
            parts.deletes.clear();
        }
        let rest = [&parts.upper[..], &parts.ends, &parts.deletes, &parts.orders];
        let written = Hashes::keep(&self.scratch, &parts.lower).zip(self.scratch.write(&rest).map(Arc::new));
        let mut log = self.log();
        match written {
            Some((hashes, rest)) if !log.is_refused => {
                let first = ids.first_number();
                log.blocks.insert(first, Block { first, hashes, rest, deletes });
            }
            // Those that wait for the same load are of no use either.
            _ => *log = Log { is_refused: true, blocks: BTreeMap::new() },
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
        let rows = Rows { values, emitted_at };
        let mut parts = BlockParts::with_room(emitted_at.len());
        let mut slice = Slice::default();
        for first in (0..emitted_at.len()).step_by(ROWS) {
            let end = (first + ROWS).min(emitted_at.len());
            let unlike = |_: Unlike| Error::system("A value is of another type than its column.");
            self.filler.fill(&mut slice, &rows, first..end, |_, _, _| true).map_err(unlike)?;
            parts.append(&slice);
        }
        self.write(parts, ids);
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

    /// It is not written down: the ids of a block follow one another.
    fn append_id(&self, _row: usize, _out: &mut Vec<u8>) {}
}

impl BlockParts {
    fn with_room(rows: usize) -> Self {
        let (lower, upper) = (Vec::with_capacity(rows), Vec::with_capacity(rows * HALF));
        Self { lower, upper, ends: Vec::with_capacity(rows * END), deletes: Vec::new(), orders: Vec::new() }
    }

    fn append(&mut self, slice: &Slice) {
        for hash in &slice.hashes {
            self.lower.push(filtered(*hash));
            self.upper.extend_from_slice(&filtered(*hash >> u64::BITS).to_le_bytes());
        }
        let (orders, ends) = slice.orders();
        let before = self.orders.len();
        for end in ends {
            self.ends.extend_from_slice(&u32::try_from(before + end).unwrap_or(u32::MAX).to_le_bytes());
        }
        self.orders.extend_from_slice(orders);
        self.deletes.extend(slice.deletes.iter().map(|deletes| u8::from(*deletes)));
    }
}

impl Block {
    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.hashes.count()
    }

    /// Whether some of its rows may delete their keys.
    pub fn has_deletes(&self) -> bool {
        self.deletes
    }

    /// What filters keep of the hashes of its rows.
    pub fn hashes(&self) -> &Arc<Hashes> {
        &self.hashes
    }

    /// Its rows.
    pub fn read(&self) -> Result<Slice> {
        let (hashes, rest) = (self.hashes.read()?, self.rest.read()?);
        self.slice(&hashes, &rest).ok_or_else(|| Error::system("A temporary file has fewer rows than were put there."))
    }

    fn slice(&self, hashes: &[u64], rest: &[u8]) -> Option<Slice> {
        let rows = hashes.len();
        let (upper, rest) = rest.split_at_checked(rows * HALF)?;
        let (ends, rest) = rest.split_at_checked(rows * END)?;
        let (deletes, orders) = rest.split_at_checked(if self.deletes { rows } else { 0 })?;
        let halves = hashes.iter().zip(upper.as_chunks::<HALF>().0);
        let (mut slice, mut begin, mut order) = (Slice::default(), 0, Vec::new());
        for (row, ((lower, upper), end)) in halves.zip(ends.as_chunks::<END>().0).enumerate() {
            let hash = u128::from(*lower) | u128::from(u64::from_le_bytes(*upper)) << u64::BITS;
            let end = usize::try_from(u32::from_le_bytes(*end)).ok()?;
            order.clear();
            order.extend_from_slice(orders.get(begin..end)?);
            append_uuid(Uuid::from_u128(self.first + row as u128), &mut order);
            slice.push(hash, deletes.get(row).is_some_and(|byte| *byte != 0), &order);
            begin = end;
        }
        Some(slice)
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

#[cfg(test)]
#[path = "captured_tests.rs"]
mod tests;
