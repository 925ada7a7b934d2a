//! A wish to stop, from a signal or from a reader of stdout that has gone away: set once, seen by whoever looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// How long a sync that was asked to stop goes on loading what is complete.
pub const GRACE: Duration = Duration::from_secs(6);

/// Who wants to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// SIGTERM: the orchestrator.
    Terminated,
    /// SIGINT: the user.
    Interrupted,
    /// Nobody reads stdout any more.
    OutputClosed,
}

impl StopReason {
    /// Ends the process as whoever started it expects: of the signal that stopped it, if one did. A parent sees that signal,
    /// a shell 128 and its number. The first process of a container cannot die of its own signal: it exits with that number.
    pub fn end_process(self) -> ! {
        let (signal, code) = match self {
            StopReason::Terminated => (Some(libc::SIGTERM), 143),
            StopReason::Interrupted => (Some(libc::SIGINT), 130),
            StopReason::OutputClosed => (None, 1),
        };
        if let Some(signal) = signal {
            die_of(signal);
        }
        std::process::exit(code)
    }
}

/// Restores what `signal` does when nobody waits for it, and sends it to this thread. Comes back where the signal is blocked
/// or has no effect.
#[allow(unsafe_code, reason = "the standard library cannot send signals; no pointer is passed but SIG_DFL")]
fn die_of(signal: libc::c_int) {
    // SAFETY: `signal` is told to use the default action, a constant and no function of this program, and `raise` takes an
    // integer. Both may be called from any thread at any time; a handler that another thread restores meanwhile would only
    // make this call come back.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// The wish, shared.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicU8>);

impl Stop {
    /// Wishes to stop; the first reason stays.
    pub fn request(&self, reason: StopReason) {
        let code = match reason {
            StopReason::Terminated => 1,
            StopReason::Interrupted => 2,
            StopReason::OutputClosed => 3,
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
    pub fn reason(&self) -> Option<StopReason> {
        match self.0.load(Ordering::Acquire) {
            1 => Some(StopReason::Terminated),
            2 => Some(StopReason::Interrupted),
            3 => Some(StopReason::OutputClosed),
            _ => None,
        }
    }
}
