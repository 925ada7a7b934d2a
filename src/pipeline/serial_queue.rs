//! A queue whose items are worked on one after the other, in their order, by at most one runner.
//!
//! A queue without items has no task, so that tens of thousands of idle streams cost nothing. Whoever pushes the first
//! item starts the runner. The runner takes all items that have piled up together, and can treat them as one.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// A queue with at most one runner.
pub struct SerialQueue<T> {
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    items: VecDeque<T>,
    has_runner: bool,
}

impl<T> Default for SerialQueue<T> {
    fn default() -> Self {
        Self { inner: Mutex::new(Inner { items: VecDeque::new(), has_runner: false }) }
    }
}

impl<T> SerialQueue<T> {
    /// Adds an item. If the answer is `true` there is no runner, and the caller must start one.
    #[must_use]
    pub fn push(&self, item: T) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.items.push_back(item);
        !std::mem::replace(&mut inner.has_runner, true)
    }

    /// For the runner: all items that have come since it asked last. If the answer is `None` there are none, and the runner
    /// must end: the next item starts another one.
    pub fn take(&self) -> Option<VecDeque<T>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.items.is_empty() {
            inner.has_runner = false;
            None
        } else {
            Some(std::mem::take(&mut inner.items))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_runner_takes_all_that_has_come_in_its_order() {
        let queue = SerialQueue::default();
        assert!(queue.push(1));
        assert!(!queue.push(2), "a runner is there");
        assert_eq!(queue.take(), Some(VecDeque::from([1, 2])));
        assert!(!queue.push(3), "the runner is still there");
        assert_eq!(queue.take(), Some(VecDeque::from([3])));
        assert_eq!(queue.take(), None);
        assert!(queue.push(4), "the runner has ended");
    }
}
