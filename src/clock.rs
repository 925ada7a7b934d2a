//! The time of day and new ids. `main` passes them in, so that tests can fix them.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::{NoContext, Timestamp, Uuid};

use crate::error::{Error, Result};

/// The time of day, and new ids.
#[derive(Clone)]
pub struct ClockAndIds {
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

/// A new id, a UUID of version 7. A clock that says a time before 1970 counts as one that says 1970.
pub fn new_id() -> Uuid {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, since.as_secs(), since.subsec_nanos()))
}

/// Checks that the machine's clock can be used to sign requests and to name files.
///
/// # Errors
/// A config error if it says a time before 1970.
pub fn ensure_plausible() -> Result<()> {
    if SystemTime::now() >= UNIX_EPOCH {
        return Ok(());
    }
    Err(Error::config("The clock of this machine shows a time before 1970. Set it to the right time."))
}

/// The machine's own clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_us(&self) -> i64 {
        // Only a clock that is set back during a sync comes here: ids and names only need to differ.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(0))
    }
}
