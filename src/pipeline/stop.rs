//! A wish to stop, from a signal or from a reader of stdout that has gone away: set once, seen by whoever looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

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

impl Reason {
    /// The process's exit code when it has stopped for this reason.
    pub fn exit_code(self) -> u8 {
        match self {
            Reason::Terminated => 143,
            Reason::Interrupted => 130,
            Reason::OutputClosed => 1,
        }
    }
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

    /// Answers when somebody wishes to stop.
    pub async fn requested(&self) {
        while self.reason().is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
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
