//! A strand: work items that are done one after the other, in their order, by whoever is there.
//!
//! A stream that has no work has no task. The first item pushed tells the caller to start a runner; the runner takes
//! all that has come together, so that what piles up behind a slow step is seen as one.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// A queue with at most one runner.
pub struct Strand<T> {
    inner: Mutex<(VecDeque<T>, bool)>,
}

impl<T> Default for Strand<T> {
    fn default() -> Self {
        Self { inner: Mutex::new((VecDeque::new(), false)) }
    }
}

impl<T> Strand<T> {
    /// Adds an item; `true`: no runner is there, and the caller must start one.
    #[must_use]
    pub fn push(&self, item: T) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.0.push_back(item);
        !std::mem::replace(&mut inner.1, true)
    }

    /// Everything that has come, for the runner; `None`: nothing has, and the runner must end.
    pub fn take(&self) -> Option<VecDeque<T>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.0.is_empty() {
            inner.1 = false;
            None
        } else {
            Some(std::mem::take(&mut inner.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_runner_takes_all_that_has_come_in_its_order() {
        let strand = Strand::default();
        assert!(strand.push(1));
        assert!(!strand.push(2), "a runner is there");
        assert_eq!(strand.take(), Some(VecDeque::from([1, 2])));
        assert!(!strand.push(3), "the runner is still there");
        assert_eq!(strand.take(), Some(VecDeque::from([3])));
        assert_eq!(strand.take(), None);
        assert!(strand.push(4), "the runner has ended");
    }
}
