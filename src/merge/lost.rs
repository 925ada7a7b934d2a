//! Rows that are not the newest of their keys, by file: one bit a row.

/// Rows of one file, counted from 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowSet {
    words: Vec<u64>,
    count: u64,
}

/// Rows of several files, each with its number.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lost {
    files: Vec<RowSet>,
    versions: u64,
}

impl RowSet {
    /// Adds a row.
    pub fn insert(&mut self, row: u64) {
        let word = usize::try_from(row / 64).unwrap_or(usize::MAX);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(bits) = self.words.get_mut(word) {
            self.count += u64::from(*bits & (1 << (row % 64)) == 0);
            *bits |= 1 << (row % 64);
        }
    }

    /// Whether it has the row.
    #[inline]
    pub fn contains(&self, row: u64) -> bool {
        let word = usize::try_from(row / 64).ok().and_then(|word| self.words.get(word));
        word.is_some_and(|bits| bits & (1 << (row % 64)) != 0)
    }

    /// How many rows it has.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many of the `rows` rows from `first` on it has.
    pub fn count_in(&self, first: u64, rows: u64) -> u64 {
        let (mut row, end, mut count) = (first, first + rows, 0);
        while row < end {
            let word = usize::try_from(row / 64).ok().and_then(|word| self.words.get(word)).copied().unwrap_or(0);
            let (from, to) = (row % 64, (end - (row - row % 64)).min(64));
            let mask = (u64::MAX << from) & if to == 64 { u64::MAX } else { (1 << to) - 1 };
            count += u64::from((word & mask).count_ones());
            row += to - from;
        }
        count
    }
}

impl Lost {
    /// Adds a row of the file `file`.
    pub fn insert(&mut self, file: u32, row: u64) {
        let file = file as usize;
        if self.files.len() <= file {
            self.files.resize_with(file + 1, RowSet::default);
        }
        if let Some(rows) = self.files.get_mut(file) {
            rows.insert(row);
        }
    }

    /// The table has so many rows of one key.
    pub fn count_versions(&mut self, rows: u64) {
        self.versions += rows.saturating_sub(1);
    }

    /// How many rows the table has beside one of each key.
    pub fn versions(&self) -> u64 {
        self.versions
    }

    /// Takes the rows of the file `file` out.
    pub fn take(&mut self, file: u32) -> RowSet {
        self.files.get_mut(file as usize).map(std::mem::take).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn rows_are_counted_in_any_range(rows in prop::collection::btree_set(0_u64..300, 0..60), first in 0_u64..300, length in 0_u64..300) {
            let mut set = RowSet::default();
            rows.iter().chain(&rows).for_each(|row| set.insert(*row));
            prop_assert_eq!(set.len(), rows.len() as u64);
            prop_assert_eq!(set.count_in(first, length), rows.range(first..first + length).count() as u64);
            let found: BTreeSet<u64> = (0..400).filter(|row| set.contains(*row)).collect();
            prop_assert_eq!(found, rows);
        }
    }
}
