//! The types of a union, and the order in which values are offered to them.

use std::ops::Deref;
use std::sync::Arc;

use super::kind::Kind;

/// The types of a union, in the order of the table's fields `member0`, `member1`, ….
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Members {
    kinds: Arc<[Kind]>,
    /// `None` for the order of the fields.
    turns: Option<Arc<[usize]>>,
}

impl Members {
    /// Members of a table. `turns`: the places of those that take values, the first one to be tried first; the others are the
    /// table's and not the stream's, and take nothing.
    pub fn of_table(kinds: Vec<Kind>, turns: Vec<usize>) -> Self {
        let is_in_order = turns.iter().copied().eq(0..kinds.len());
        Self { kinds: kinds.into(), turns: (!is_in_order).then(|| turns.into()) }
    }

    /// The places of those that take values, the first one to be tried first.
    pub fn turns(&self) -> Vec<usize> {
        self.turns.as_ref().map_or_else(|| (0..self.kinds.len()).collect(), |turns| turns.to_vec())
    }
}

impl Deref for Members {
    type Target = [Kind];

    fn deref(&self) -> &[Kind] {
        &self.kinds
    }
}

impl<T: Into<Arc<[Kind]>>> From<T> for Members {
    fn from(kinds: T) -> Self {
        Self { kinds: kinds.into(), turns: None }
    }
}
