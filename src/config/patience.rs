//! How long this program waits for a store, for Databricks and for other syncs. No user sets it; a test that cannot wait for ten minutes does.
//!
//! Its hidden settings are `LEASE_AGE_MS`, `LEASE_RENEWAL_MS`, `RETRY_MS`, `DATABRICKS_RETRY_MS`, `DATABRICKS_START_MS`, `CHECK_MS`.

use std::time::Duration;

use super::hidden;

/// What bounds the waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// A lease that has not been rewritten for so long belongs to a dead sync.
    pub lease_age: Duration,
    /// The time between two rewrites.
    pub lease_renewal: Duration,
    /// How long a request is repeated. Less than a third of the lease's age: no commit may outlive a lease.
    pub retry: Duration,
    /// How long Databricks is waited for where it is overloaded, under maintenance or out of reach.
    pub databricks_retry: Duration,
    /// How long a warehouse or cluster may take to start.
    pub databricks_start: Duration,
}

impl Patience {
    /// How long each step of cleaning up may take after a failure, whose reason is told when they are done: 20 seconds, a
    /// ninth of the time before, and never so little that a busy machine could not do it. What is left then is the next sync's.
    pub fn clean_up(&self) -> Duration {
        (self.retry / 9).max(Duration::from_secs(1))
    }

    /// How long a whole `check` may take. A warehouse or cluster that starts, and a first answer, have their own time in it.
    pub fn check(&self, has_databricks: bool) -> Duration {
        let store = self.retry * 6 + Duration::from_secs(30);
        let all = if has_databricks { store + self.databricks_start + self.databricks_retry * 10 } else { store };
        hidden::number("CHECK_MS").map_or(all, Duration::from_millis)
    }

    pub(super) fn read() -> Self {
        Self::from_settings(hidden::number)
    }

    fn from_settings(get: impl Fn(&str) -> Option<u64>) -> Self {
        let time = |name, default| Duration::from_millis(get(name).unwrap_or(default));
        let lease_age = time("LEASE_AGE_MS", 600_000);
        Self {
            lease_age,
            lease_renewal: time("LEASE_RENEWAL_MS", 60_000).min(lease_age / 4),
            retry: time("RETRY_MS", 180_000).min(lease_age / 3),
            databricks_retry: time("DATABRICKS_RETRY_MS", 900_000),
            databricks_start: time("DATABRICKS_START_MS", 1_200_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_can_be_shortened_and_stays_in_proportion() {
        let usual = Patience::from_settings(|_| None);
        assert_eq!([usual.lease_age, usual.lease_renewal, usual.retry].map(|time| time.as_secs()), [600, 60, 180]);
        assert_eq!(usual.clean_up().as_secs(), 20);
        let short = Patience::from_settings(|name| (name == "LEASE_AGE_MS").then_some(6000));
        assert_eq!(
            [short.lease_age, short.lease_renewal, short.retry].map(|time| time.as_millis()),
            [6000, 1500, 2000]
        );
    }
}
