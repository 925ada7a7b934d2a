//! Finds the rows that are not the newest of their keys, among any number of rows, in bounded memory.
//!
//! Rows are kept in buckets by the hash of their keys, so that all rows of one key are in one bucket. When the buckets hold too much, only
//! the newest row of each key stays, and if that is still too much, the buckets go into the scratch file and are read back one by one at
//! the end, a large one part by part. What the file refuses stays in memory.

use std::ops::Range;

use super::filter::Filter;
use super::lost::Lost;
use super::scratch::{Scratch, Stored};
use crate::error::Result;

/// So many buckets; a power of two.
pub const BUCKETS: usize = 256;
/// Bytes of rows that are read back at a time, however little memory there is.
const SMALLEST: usize = 64 << 10;
/// The part of the memory that these may take in the file: they take more in memory.
const READ_SHARE: usize = 8;
/// Bytes of a row in the file, beside its order: hash, file, row, whether it deletes and is of the table, and the length of its order.
const HEADER: usize = 16 + 4 + 4 + 1 + 4;

/// The rows that contend for their keys.
pub struct Contest {
    buckets: Vec<Bucket>,
    /// Bytes of memory that the buckets hold, used or not.
    held: usize,
    /// How many they may hold.
    limit: usize,
    scratch: Scratch,
    lost: Lost,
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub struct Contender<'a> {
    /// The hash of its key.
    pub hash: u128,
    /// What compares as its place in the order of the rows of its key.
    pub order: &'a [u8],
    /// The number of its file.
    pub file: u32,
    /// Its number in there.
    pub row: u32,
    /// If it is the newest, its key is to have no row.
    pub deletes: bool,
    /// It is a row of the table, not of the load.
    pub is_of_table: bool,
}

#[derive(Default)]
struct Bucket {
    entries: Vec<Entry>,
    /// The orders of the entries.
    orders: Vec<u8>,
    /// Entries in the file, and how many they are.
    written: Vec<(Stored, u64)>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u128,
    /// Where its order is.
    at: usize,
    length: u32,
    file: u32,
    row: u32,
    deletes: bool,
    /// It is of the table, or has outlasted a row that is.
    is_of_table: bool,
}

impl Contest {
    /// Nobody yet. In memory, rows may take about `limit` bytes; the others go to `scratch`.
    pub fn new(limit: usize, scratch: Scratch) -> Self {
        let buckets = std::iter::repeat_with(Bucket::default).take(BUCKETS).collect();
        Self { buckets, held: 0, limit, scratch, lost: Lost::default() }
    }

    /// Adds a row.
    pub fn add(&mut self, row: Contender<'_>) {
        let Some(bucket) = self.buckets.get_mut(bucket_of(row.hash)) else { return };
        let before = bucket.held();
        bucket.push(row);
        self.held += bucket.held() - before;
        if self.held > self.limit {
            self.relieve();
        }
    }

    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.buckets.iter().map(Bucket::count).sum()
    }

    /// A filter of the keys of all rows in the buckets `part`.
    pub fn filter(&self, part: Range<usize>) -> Result<Filter> {
        let buckets = || self.buckets.get(part.clone()).unwrap_or_default().iter();
        let mut filter = Filter::with_room(buckets().map(Bucket::count).sum());
        for bucket in buckets() {
            bucket.entries.iter().for_each(|entry| _ = filter.insert(filtered(entry.hash)));
            for (stored, _) in &bucket.written {
                let bytes = stored.read()?;
                let mut rest = bytes.as_slice();
                while let Some(row) = take(&mut rest) {
                    filter.insert(filtered(row.hash));
                }
            }
        }
        Ok(filter)
    }

    /// The rows that are not the newest of their keys, or are and delete them.
    pub fn finish(mut self) -> Result<Lost> {
        for at in 0..self.buckets.len() {
            let Some(bucket) = self.buckets.get_mut(at).map(std::mem::take) else { continue };
            if bucket.written.is_empty() {
                bucket.end(&mut self.lost);
                continue;
            }
            // As many parts of the bucket as the memory needs, one after the other.
            let written: u64 = bucket.written.iter().map(|(stored, _)| stored.len()).sum();
            let parts = written.div_ceil((self.limit / READ_SHARE).max(SMALLEST) as u64);
            for part in 0..parts {
                self.finish_part(&bucket, (part, parts))?;
            }
        }
        Ok(self.lost)
    }

    /// The same for the part number `part` of the `parts` that a bucket has.
    fn finish_part(&mut self, bucket: &Bucket, (part, parts): (u64, u64)) -> Result<()> {
        let is_in = |hash: u128| parts == 1 || (hash >> u64::BITS) as u64 % parts == part;
        let mut here = Bucket::default();
        for entry in bucket.entries.iter().filter(|entry| is_in(entry.hash)) {
            here.push(entry.contender(&bucket.orders));
        }
        for (stored, _) in &bucket.written {
            let bytes = stored.read()?;
            let mut rest = bytes.as_slice();
            while let Some(row) = take(&mut rest) {
                if is_in(row.hash) {
                    here.push(row);
                }
            }
        }
        here.end(&mut self.lost);
        Ok(())
    }

    fn relieve(&mut self) {
        for bucket in &mut self.buckets {
            bucket.keep_newest(&mut self.lost);
        }
        self.held = self.buckets.iter().map(Bucket::held).sum();
        // So that keeping the newest does not come again soon.
        if self.held <= self.limit / 2 {
            return;
        }
        self.buckets.iter_mut().for_each(|bucket| bucket.write(&self.scratch));
        self.held = self.buckets.iter().map(Bucket::held).sum();
        // Nothing more can be done about what stays.
        self.limit = self.limit.max(self.held * 2);
    }
}

impl Bucket {
    fn push(&mut self, Contender { hash, order, file, row, deletes, is_of_table }: Contender<'_>) {
        let (at, length) = (self.orders.len(), u32::try_from(order.len()).unwrap_or(u32::MAX));
        self.orders.extend_from_slice(order);
        self.entries.push(Entry { hash, at, length, file, row, deletes, is_of_table });
    }

    /// Bytes of memory that it holds.
    fn held(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.orders.capacity()
    }

    /// How many rows it has, in memory and in the file.
    fn count(&self) -> u64 {
        self.entries.len() as u64 + self.written.iter().map(|(_, count)| count).sum::<u64>()
    }

    /// Writes the rows that it has in memory to `scratch`.
    fn write(&mut self, scratch: &Scratch) {
        if self.entries.is_empty() {
            return;
        }
        let mut bytes = Vec::with_capacity(self.entries.len() * HEADER + self.orders.len());
        for entry in &self.entries {
            bytes.extend_from_slice(&entry.hash.to_le_bytes());
            bytes.extend_from_slice(&entry.file.to_le_bytes());
            bytes.extend_from_slice(&entry.row.to_le_bytes());
            bytes.push(u8::from(entry.deletes) | u8::from(entry.is_of_table) << 1);
            bytes.extend_from_slice(&entry.length.to_le_bytes());
            bytes.extend_from_slice(order_of(entry, &self.orders));
        }
        if let Some(stored) = scratch.write(&[&bytes]) {
            self.written.push((stored, self.entries.len() as u64));
            (self.entries, self.orders) = (Vec::new(), Vec::new());
        }
    }

    /// The rows that are not the newest of their keys, or are and delete them, are `lost`.
    fn end(mut self, lost: &mut Lost) {
        self.keep_newest(lost);
        for entry in self.entries.iter().filter(|entry| entry.deletes) {
            lost.insert(entry.file, entry.row.into());
        }
    }

    /// Only the newest row of each key stays; the others are `lost`.
    fn keep_newest(&mut self, lost: &mut Lost) {
        let orders = &self.orders;
        // The newest row of a key first. Of rows that are equal in all, any one stays, the same in every attempt.
        self.entries.sort_unstable_by(|a, b| {
            let newest_first =
                || order_of(b, orders).cmp(order_of(a, orders)).then((b.file, b.row).cmp(&(a.file, a.row)));
            a.hash.cmp(&b.hash).then_with(newest_first)
        });
        for versions in self.entries.chunk_by_mut(|a, b| a.hash == b.hash) {
            let of_table = versions.iter().filter(|version| version.is_of_table).count() as u64;
            lost.count_versions(of_table);
            versions.iter_mut().take(1).for_each(|newest| newest.is_of_table = of_table > 0);
        }
        let mut kept = Vec::new();
        let mut last = None;
        self.entries.retain_mut(|entry| {
            if last.replace(entry.hash) == Some(entry.hash) {
                lost.insert(entry.file, entry.row.into());
                return false;
            }
            let at = kept.len();
            kept.extend_from_slice(order_of(entry, orders));
            entry.at = at;
            true
        });
        kept.shrink_to_fit();
        self.orders = kept;
        self.entries.shrink_to_fit();
    }
}

impl Entry {
    /// The row, whose order is in `orders`.
    fn contender<'a>(&self, orders: &'a [u8]) -> Contender<'a> {
        let Self { hash, file, row, deletes, is_of_table, .. } = *self;
        Contender { hash, order: order_of(self, orders), file, row, deletes, is_of_table }
    }
}

fn order_of<'a>(entry: &Entry, orders: &'a [u8]) -> &'a [u8] {
    orders.get(entry.at..entry.at + entry.length as usize).unwrap_or_default()
}

/// Ranges of buckets in which rows with `rows` different keys have at most about `most` of them.
pub fn parts(rows: u64, most: u64) -> Vec<Range<usize>> {
    let count = usize::try_from(rows.div_ceil(most.max(1))).unwrap_or(BUCKETS).clamp(1, BUCKETS);
    (0..count).map(|part| part * BUCKETS / count..(part + 1) * BUCKETS / count).collect()
}

/// How many of `rows` different keys are in the buckets `part`, about.
pub fn keys_of(rows: u64, part: &Range<usize>) -> u64 {
    (rows / BUCKETS as u64 + 1) * part.len() as u64
}

/// What filters keep of a hash.
#[inline]
pub fn filtered(hash: u128) -> u64 {
    (hash & u128::from(u64::MAX)) as u64
}

/// Whether the row of a [filtered](filtered) hash is in the buckets `part`.
#[inline]
pub fn is_in(part: &Range<usize>, filtered: u64) -> bool {
    part.contains(&bucket_of(filtered.into()))
}

#[inline]
fn bucket_of(hash: u128) -> usize {
    (filtered(hash) >> (u64::BITS - BUCKETS.ilog2())) as usize
}

/// Takes a row off `bytes`.
fn take<'a>(bytes: &mut &'a [u8]) -> Option<Contender<'a>> {
    let (hash, rest) = bytes.split_first_chunk()?;
    let (file, rest) = rest.split_first_chunk()?;
    let (row, rest) = rest.split_first_chunk()?;
    let (flags, rest) = rest.split_first()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (order, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *bytes = rest;
    let (file, row) = (u32::from_le_bytes(*file), u32::from_le_bytes(*row));
    let (deletes, is_of_table) = (flags & 1 != 0, flags & 2 != 0);
    Some(Contender { hash: u128::from_le_bytes(*hash), order, file, row, deletes, is_of_table })
}

#[cfg(test)]
#[path = "contest_tests.rs"]
mod tests;
