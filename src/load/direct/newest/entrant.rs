//! A file of a table, and which of its rows contend: those whose keys are looked for.

use std::ops::Range;
use std::sync::Mutex;

use percent_encoding::percent_decode_str;

use super::lock;
use crate::delta::table::TableFile;
use crate::error::{Error, Result};
use crate::merge::contest::is_in;
use crate::merge::filter::Filter;
use crate::merge::lost::RowSet;

/// A file whose rows may contend.
pub struct Entrant {
    /// Its number.
    pub number: u32,
    /// Its path in the storage.
    pub path: String,
    /// How many bytes it has.
    pub size: u64,
    /// Rows that count as none.
    deleted: Vec<u64>,
    rows: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    /// Those that have to be read, because they contend.
    marked: RowSet,
    /// Those that lack a part of their keys, where all others have contended.
    lacking: Option<RowSet>,
}

/// Keys that rows of the table may have.
pub struct Sought {
    keys: Filter,
    /// The buckets that they are in.
    part: Range<usize>,
    /// Those with which rows of the load contend: several of them have the key, or one of the table; `None` if all contend.
    met: Option<Mutex<Filter>>,
}

impl Entrant {
    /// The file `file` of the table in the folder `folder`.
    pub fn of_table(folder: &str, file: &TableFile, number: u32) -> Result<Self> {
        let (path, deleted) = (format!("{folder}/{}", name_of(&file.path)?), file.deleted.clone());
        Ok(Self { number, path, size: file.size, deleted, rows: Mutex::default() })
    }

    /// The staged file at `path`.
    pub fn staged(path: String, size: u64, number: u32) -> Self {
        Self { number, path, size, deleted: Vec::new(), rows: Mutex::default() }
    }

    /// Whether the row `row` counts as none.
    pub fn is_deleted(&self, row: u64) -> bool {
        self.deleted.binary_search(&row).is_ok()
    }

    /// Marks the rows that may have a key that is `sought`. The first of `hashes` is that of the row `first`.
    pub fn mark(&self, sought: &Sought, first: u64, hashes: impl Iterator<Item = u64>) {
        let hits = (first..).zip(hashes).filter(|(row, hash)| sought.has(*hash) && !self.is_deleted(*row));
        let mut hits: Vec<(u64, u64)> = hits.collect();
        {
            let mut rows = lock(&self.rows);
            if let Some(lacking) = &rows.lacking {
                hits.retain(|(row, _)| lacking.contains(*row));
            }
            hits.iter().for_each(|(row, _)| rows.marked.insert(*row));
        }
        sought.meet(hits.iter().map(|(_, hash)| *hash));
    }

    /// The marked rows, which are marked no more.
    pub fn take_marked(&self) -> RowSet {
        std::mem::take(&mut lock(&self.rows).marked)
    }

    /// All rows have contended but `lacking`, which lack a part of their keys, and others that are told so.
    pub fn lack(&self, lacking: impl Iterator<Item = u64>) {
        let mut rows = lock(&self.rows);
        let all = rows.lacking.get_or_insert_default();
        lacking.for_each(|row| all.insert(row));
    }

    /// Whether some rows have contended already, and others have not because they lack a part of their keys.
    pub fn has_lacking(&self) -> bool {
        lock(&self.rows).lacking.as_ref().is_some_and(|lacking| !lacking.is_empty())
    }
}

impl Sought {
    /// The keys `keys`, in the buckets `part`; rows of the load contend with those that are `met`.
    pub fn new(keys: Filter, part: Range<usize>, met: Option<Filter>) -> Self {
        Self { keys, part, met: met.map(Mutex::new) }
    }

    /// Whether the key of a hash may be one of them.
    #[inline]
    pub fn has(&self, hash: u64) -> bool {
        is_in(&self.part, hash) && self.keys.may_have(hash)
    }

    /// Rows of the table have the keys with `hashes`.
    pub fn meet(&self, hashes: impl Iterator<Item = u64>) {
        if let Some(met) = &self.met {
            let mut met = lock(met);
            hashes.for_each(|hash| _ = met.insert(hash));
        }
    }

    /// The buckets, and the keys with which rows of the load contend; `None` if all of them do.
    pub fn met(&self) -> (Range<usize>, Option<Filter>) {
        (self.part.clone(), self.met.as_ref().map(|met| std::mem::take(&mut *lock(met))))
    }
}

/// The name of a file in its table's folder, by its path in the log.
fn name_of(path: &str) -> Result<String> {
    let is_elsewhere = path.contains("://") || path.starts_with('/') || path.split('/').any(|part| part == "..");
    let decoded = percent_decode_str(path).decode_utf8().ok().filter(|_| !is_elsewhere);
    decoded.map(std::borrow::Cow::into_owned).ok_or_else(|| {
        Error::config(
            "The table has files outside of its folder (it is a shallow clone), whose rows this version cannot replace by their \
             primary key. Load it through Databricks, or make a deep clone of it.",
        )
    })
}
