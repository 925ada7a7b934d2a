//! Background work of the process itself, beside the pipeline: repeated tasks, signals, the request to stop, threads.

pub mod input;
pub mod signals;
pub mod stop;
pub mod threads;

use std::time::Duration;

use crate::error::{Error, Result};

/// A background task; it is cancelled when this is dropped.
pub struct Background(tokio::task::JoinHandle<()>);

/// Calls `tick` every `interval` until the answer is dropped; for the first time after one `interval`.
pub fn repeat(interval: Duration, mut tick: impl FnMut() + Send + 'static) -> Background {
    run(async move {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
        loop {
            ticks.tick().await;
            tick();
        }
    })
}

/// Runs `work` until it is done or the answer is dropped.
pub fn run(work: impl Future<Output = ()> + Send + 'static) -> Background {
    Background(tokio::spawn(work))
}

/// Does `work`, which computes for a while, on a thread for that.
///
/// # Errors
/// A system error if it panics.
pub async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let failed = |error| Error::system("A worker has failed in the middle of its work.").with_source(error);
    tokio::task::spawn_blocking(work).await.map_err(failed)
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.abort();
    }
}
