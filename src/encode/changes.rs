//! How many values did not fit their columns.

use std::collections::BTreeMap;

/// The number of values that are NULL or rounded because they did not fit, by the names of their columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes(BTreeMap<String, u64>);

impl Changes {
    /// Whether all values fit.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The columns with values that did not fit, in the order of their names, and how many.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (name.as_str(), *count))
    }

    /// Adds those of `other`.
    pub fn add(&mut self, other: Self) {
        for (name, count) in other.0 {
            *self.0.entry(name).or_default() += count;
        }
    }
}

impl<'a> FromIterator<(&'a str, u64)> for Changes {
    /// Columns of which all values fit are left out.
    fn from_iter<I: IntoIterator<Item = (&'a str, u64)>>(counts: I) -> Self {
        let mut made = Self::default();
        for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            *made.0.entry(name.to_owned()).or_default() += count;
        }
        made
    }
}
