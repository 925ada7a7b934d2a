//! Time and ids: what a program cannot make up from its input, passed in from `main`, so that tests can hold it still.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

/// Where time and ids come from.
#[derive(Clone)]
pub struct Givens {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids of syncs and tables.
    pub new_id: fn() -> Uuid,
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Microseconds since the epoch, UTC.
    fn now_us(&self) -> i64;

    /// Milliseconds since the epoch, UTC.
    fn now_ms(&self) -> i64 {
        self.now_us() / 1000
    }
}

/// The machine's own clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_us(&self) -> i64 {
        // A clock before 1970 is no reason to stop a sync: ids and names only need to differ.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(0))
    }
}
