//! Time and ids: what a program cannot make up from its input, passed in from `main`, so that tests can hold it still.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::{NoContext, Timestamp, Uuid};

use crate::error::{Error, Result};

/// Where time and ids come from.
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

/// Makes an id that tells when it was made, also on a clock that is turned back before 1970 meanwhile.
pub fn new_id() -> Uuid {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, since.as_secs(), since.subsec_nanos()))
}

/// Whether the machine's clock is right enough to sign requests and to name files.
///
/// # Errors
/// One of the configuration where it says a time before 1970.
pub fn ensure_plausible() -> Result<()> {
    if SystemTime::now() >= UNIX_EPOCH {
        return Ok(());
    }
    Err(Error::config("The clock of this machine says a time before the year 1970: set it right."))
}

/// The machine's own clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_us(&self) -> i64 {
        // A clock before 1970 is no reason to stop a sync: ids and names only need to differ.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(0))
    }
}
