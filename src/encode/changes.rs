//! How many values did not fit their columns, and how many of those decide which rows stay.

use std::collections::BTreeMap;

/// The number of values that are NULL or rounded because they did not fit, by the names of their columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    columns: BTreeMap<String, u64>,
    guarded: BTreeMap<String, u64>,
}

impl Changes {
    /// Whether all values fit.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty() && self.guarded.is_empty()
    }

    /// The columns with values that did not fit, in the order of their names, and how many.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.columns.iter().map(|(name, count)| (name.as_str(), *count))
    }

    /// The guarded properties, or what they are in, with values that did not fit, by their paths with dots, and how many.
    pub fn guarded(&self) -> impl Iterator<Item = (&str, u64)> {
        self.guarded.iter().map(|(path, count)| (path.as_str(), *count))
    }

    /// These changes, where so many are of guarded properties.
    #[must_use]
    pub fn with_guarded(self, guarded: BTreeMap<String, u64>) -> Self {
        Self { guarded, ..self }
    }

    /// Adds those of `other`.
    pub fn add(&mut self, other: Self) {
        for (mine, others) in [(&mut self.columns, other.columns), (&mut self.guarded, other.guarded)] {
            others.into_iter().for_each(|(name, count)| *mine.entry(name).or_default() += count);
        }
    }
}

impl<'a> FromIterator<(&'a str, u64)> for Changes {
    /// Columns of which all values fit are left out.
    fn from_iter<I: IntoIterator<Item = (&'a str, u64)>>(counts: I) -> Self {
        let mut made = Self::default();
        for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            *made.columns.entry(name.to_owned()).or_default() += count;
        }
        made
    }
}
