//! How many threads this machine lets the program start, found by starting them.
//!
//! A runtime that cannot start a thread in the middle of its work panics or hangs. So the number is found before there is a
//! runtime: with few threads it gets one worker, with too few the program ends with an error.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, available_parallelism};

use crate::error::{Error, Result};

/// The threads that every sync needs: reading, signals, the spill file, the router, encoding, a worker, and one that replaces
/// the worker while that waits.
const LEAST: usize = 7;
/// Those of them that are not the runtime's: reading, signals, the spill file.
const OWN: usize = 3;
/// Threads beside the workers when there is no shortage.
const BESIDE: usize = 16;
/// Blocking calls that run at the same time when there is no shortage.
const MOST_BLOCKING: usize = 64;
/// Delta logs that are read or written at the same time when there is no shortage.
const LOG_CALLS: usize = 8;

const REMEDY: &str = "raise the limit of processes (`ulimit -u`, or that of the container), and of address space where \
                      there is one (`ulimit -v`)";

/// Threads for a runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads {
    /// Workers.
    pub workers: usize,
    /// Threads for calls that block.
    pub blocking: usize,
    /// How many workers may wait for a Delta log at the same time; another thread replaces each of them meanwhile.
    pub log_calls: usize,
}

impl Threads {
    /// As many threads as the machine gives.
    ///
    /// # Errors
    /// A config error where they are too few for a sync.
    pub fn available() -> Result<Self> {
        let cores = available_parallelism().map_or(1, std::num::NonZero::get);
        let (startable, refusal) = start(cores + BESIDE);
        Self::of(startable, cores).ok_or_else(|| {
            let error = Error::config(format!(
                "This machine lets the program start {startable} threads, but it needs at least {LEAST}: {REMEDY}."
            ));
            match refusal {
                Some(refusal) => error.with_source(refusal),
                None => error,
            }
        })
    }

    /// As many threads as are useful on one core.
    pub fn plenty() -> Self {
        Self { workers: 1, blocking: MOST_BLOCKING, log_calls: LOG_CALLS }
    }

    fn of(startable: usize, cores: usize) -> Option<Self> {
        let workers = startable.saturating_sub(BESIDE).clamp(1, cores.max(1));
        match startable {
            _ if startable >= cores + BESIDE => Some(Self { workers, ..Self::plenty() }),
            LEAST.. => Some(Self { workers, blocking: startable - workers - OWN, log_calls: 1 }),
            _ => None,
        }
    }
}

/// The error of a thread that could not be started; `which` says what it is for, as in "that reads the input".
pub fn refused(which: &str, error: std::io::Error) -> Error {
    Error::config(format!("The thread {which} could not be started: {REMEDY}.")).with_source(error)
}

/// Starts up to `wanted` threads that exist at the same time, and ends them again. The answer is how many could be started,
/// and the error of the one that could not.
fn start(wanted: usize) -> (usize, Option<std::io::Error>) {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let (mut started, mut refusal) = (Vec::with_capacity(wanted), None);
    for _ in 0..wanted {
        let gate = Arc::clone(&gate);
        let wait = move || {
            let (open, opened) = &*gate;
            let open = open.lock().unwrap_or_else(PoisonError::into_inner);
            drop(opened.wait_while(open, |open| !*open));
        };
        match Builder::new().spawn(wait) {
            Ok(thread) => started.push(thread),
            Err(error) => {
                refusal = Some(error);
                break;
            }
        }
    }
    *gate.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    gate.1.notify_all();
    let count = started.len();
    for thread in started {
        // These threads cannot panic.
        let _ = thread.join();
    }
    (count, refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_threads_make_one_worker_and_too_few_make_none() {
        assert_eq!(Threads::of(18, 2), Some(Threads { workers: 2, ..Threads::plenty() }));
        assert_eq!(Threads::of(17, 2), Some(Threads { workers: 1, blocking: 13, log_calls: 1 }));
        assert_eq!(Threads::of(40, 64), Some(Threads { workers: 24, blocking: 13, log_calls: 1 }));
        assert_eq!(Threads::of(LEAST, 2), Some(Threads { workers: 1, blocking: 3, log_calls: 1 }));
        assert_eq!(Threads::of(LEAST - 1, 2), None);
        assert_eq!(start(3).0, 3);
    }
}
