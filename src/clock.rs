//! The time of day, new ids and random bits. `main` passes them in, so that tests can fix them.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

/// 62 random bits from the operating system's generator, for ids of rows.
pub fn random() -> u64 {
    // The low 64 bits of a version 7 UUID are the variant and random bits.
    Uuid::now_v7().as_u64_pair().1 << 2
}

/// The first second of the year 2200: names of files and ids hold times up to here.
const TOO_LATE: Duration = Duration::from_secs(7_258_118_400);

/// Checks that the machine's clock can be used to sign requests and to name files.
///
/// # Errors
/// A config error if it says a time before 1970 or after 2199.
pub fn ensure_plausible() -> Result<()> {
    plausible(SystemTime::now().duration_since(UNIX_EPOCH).ok())
}

fn plausible(since: Option<Duration>) -> Result<()> {
    match since {
        None => Err(Error::config("The clock of this machine shows a time before 1970. Set it to the right time.")),
        Some(since) if since >= TOO_LATE => {
            Err(Error::config("The clock of this machine shows a time after 2199. Set it to the right time."))
        }
        Some(_) => Ok(()),
    }
}

/// The machine's own clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_us(&self) -> i64 {
        // Only a clock that is set back during a sync comes here: ids and names only need to differ.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_plausible_from_1970_to_2199() {
        assert!(plausible(Some(Duration::ZERO)).is_ok() && plausible(Some(TOO_LATE - Duration::from_nanos(1))).is_ok());
        assert!(
            plausible(None).is_err() && plausible(Some(TOO_LATE)).is_err() && plausible(Some(Duration::MAX)).is_err()
        );
    }
}
