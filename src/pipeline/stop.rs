//! A wish to stop, from a signal or from a reader of stdout that has gone away: set once, seen by whoever looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Who wants to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// SIGTERM: the orchestrator.
    Terminated,
    /// SIGINT: the user.
    Interrupted,
    /// Nobody reads stdout any more.
    OutputClosed,
}

/// The wish, shared.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicU8>);

impl Stop {
    /// Wishes to stop; the first reason stays.
    pub fn request(&self, reason: Reason) {
        let code = match reason {
            Reason::Terminated => 1,
            Reason::Interrupted => 2,
            Reason::OutputClosed => 3,
        };
        // It was set before: the first one stays.
        let _ = self.0.compare_exchange(0, code, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Why to stop, if somebody wishes it.
    pub fn reason(&self) -> Option<Reason> {
        match self.0.load(Ordering::Acquire) {
            1 => Some(Reason::Terminated),
            2 => Some(Reason::Interrupted),
            3 => Some(Reason::OutputClosed),
            _ => None,
        }
    }
}
