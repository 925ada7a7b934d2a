//! How long this program waits for a store, for Databricks and for other syncs. Users do not set it; tests do, to be fast.
//!
//! The hidden settings are `LEASE_AGE_MS`, `LEASE_RENEWAL_MS`, `RETRY_MS`, `DATABRICKS_RETRY_MS`, `DATABRICKS_START_MS`, `CHECK_MS`.

use std::time::Duration;

use super::hidden;

/// The limits of all waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// A lease that was not rewritten for this time belongs to a dead sync.
    pub lease_age: Duration,
    /// The time between two rewrites.
    pub lease_renewal: Duration,
    /// How long a request to a store is repeated. At most a third of the lease's age: no commit may outlive a lease.
    pub request_retry: Duration,
    /// How long to wait for Databricks while it is overloaded, under maintenance or out of reach.
    pub databricks_retry: Duration,
    /// How long a warehouse or cluster may take to start.
    pub databricks_start: Duration,
}

impl Timeouts {
    /// How long each step of cleaning up may take after a failure, which is reported afterwards: a ninth of `request_retry`, 20 seconds
    /// by default, at least one second. The next sync removes the rest.
    pub fn clean_up(&self) -> Duration {
        (self.request_retry / 9).max(Duration::from_secs(1))
    }

    /// How long a whole `check` may take, with the time for a warehouse or cluster that starts.
    pub fn check(&self, has_databricks: bool) -> Duration {
        let store = self.request_retry * 6 + Duration::from_secs(30);
        let all = if has_databricks { store + self.databricks_start + self.databricks_retry * 10 } else { store };
        hidden::number("CHECK_MS").map_or(all, Duration::from_millis)
    }

    /// Those of a command that has no configuration.
    pub fn usual() -> Self {
        let all = Self::read();
        // Somebody waits for the answer.
        Self { databricks_retry: all.databricks_retry.min(Duration::from_secs(60)), ..all }
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
            request_retry: time("RETRY_MS", 180_000).min(lease_age / 3),
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
        let usual = Timeouts::from_settings(|_| None);
        assert_eq!(
            [usual.lease_age, usual.lease_renewal, usual.request_retry].map(|time| time.as_secs()),
            [600, 60, 180]
        );
        assert_eq!(usual.clean_up().as_secs(), 20);
        let short = Timeouts::from_settings(|name| (name == "LEASE_AGE_MS").then_some(6000));
        assert_eq!(
            [short.lease_age, short.lease_renewal, short.request_retry].map(|time| time.as_millis()),
            [6000, 1500, 2000]
        );
    }
}
