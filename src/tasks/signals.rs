//! What stops a sync from outside: SIGTERM, SIGINT, and a reader of stdout that has gone away.

use std::time::Duration;

use super::stop::{GRACE, Stop, StopReason};
use super::threads;
use crate::error::{Error, Result};

/// How long a sync that was stopped has, beyond [`GRACE`], to clean up and report why it ended.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How long the last words of a process that has to be ended may take.
const WRITING: Duration = Duration::from_millis(300);
/// Time between two checks whether stdout is still read.
const CHECK: Duration = Duration::from_millis(100);

/// Requests `stop` when the process gets SIGTERM or SIGINT, or when `output_closed` becomes true.
///
/// A thread of its own waits for signals, because every other thread may be blocked on a stdout that is open and not read.
/// A process that does not stop within [`GRACE`] and a few seconds is ended, as by a kill, after `last_words`; the next sync
/// clears away what it left.
///
/// # Errors
/// The system refuses the signal handlers or the thread.
pub fn watch(
    stop: &Stop,
    output_closed: impl Fn() -> bool + Send + 'static,
    last_words: impl FnOnce() + Send + 'static,
) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error: std::io::Error| {
        Error::system("The system refuses to deliver signals to the program.").with_source(error)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let listening = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate()).map_err(failed)?, signal(SignalKind::interrupt()).map_err(failed)?)
    };
    let request = stop.clone();
    let wait = move || {
        runtime.block_on(async move {
            let (mut terminate, mut interrupt) = listening;
            let reason = tokio::select! {
                _ = terminate.recv() => StopReason::Terminated,
                _ = interrupt.recv() => StopReason::Interrupted,
            };
            request.request(reason);
            tokio::time::sleep(GRACE + LAST_WORDS).await;
            // On a thread of its own: a stdout that nobody reads must not keep the process alive.
            if std::thread::Builder::new().spawn(last_words).is_ok() {
                tokio::time::sleep(WRITING).await;
            }
            reason.end_process();
        });
    };
    let waiting = std::thread::Builder::new().name("signals".to_owned()).spawn(wait);
    waiting.map_err(|error| threads::refused("that waits for signals", error))?;
    let stop = stop.clone();
    tokio::spawn(async move {
        while !output_closed() {
            tokio::time::sleep(CHECK).await;
        }
        stop.request(StopReason::OutputClosed);
    });
    Ok(())
}
