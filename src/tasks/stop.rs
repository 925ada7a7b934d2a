//! A request to stop the sync, because of a signal or because nobody reads stdout any more. It is set once and shared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// How long a sync that was asked to stop goes on loading what is complete.
pub const GRACE: Duration = Duration::from_secs(6);

/// Why the sync has to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// SIGTERM, as the orchestrator sends it.
    Terminated,
    /// SIGINT, as a user's Ctrl-C sends it.
    Interrupted,
    /// Nobody reads stdout any more.
    OutputClosed,
}

impl StopReason {
    /// Ends the process. If a signal stopped it, the process dies of that signal, as its parent expects; a shell shows 128
    /// and the signal's number. The first process of a container cannot die of its own signal: it exits with that code.
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

/// Restores the default action of `signal` and sends it to this thread. Returns only if the signal is blocked or has no
/// effect.
#[allow(unsafe_code, reason = "the standard library cannot send signals; no pointer is passed but SIG_DFL")]
fn die_of(signal: libc::c_int) {
    // SAFETY: `signal` gets the constant SIG_DFL and no function of this program, and `raise` takes an integer. Both may be
    // called from any thread at any time; if another thread sets a handler in between, this function only returns.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// The request; clones share it.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicU8>);

impl Stop {
    /// Requests to stop. If that was requested before, the first reason stays.
    pub fn request(&self, reason: StopReason) {
        let code = match reason {
            StopReason::Terminated => 1,
            StopReason::Interrupted => 2,
            StopReason::OutputClosed => 3,
        };
        // An error means that a reason is set already.
        let _ = self.0.compare_exchange(0, code, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Returns when a stop is requested.
    pub async fn requested(&self) {
        while self.reason().is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Why to stop, if that was requested.
    pub fn reason(&self) -> Option<StopReason> {
        match self.0.load(Ordering::Acquire) {
            1 => Some(StopReason::Terminated),
            2 => Some(StopReason::Interrupted),
            3 => Some(StopReason::OutputClosed),
            _ => None,
        }
    }
}
