//! Pauses between the tries of what is repeated: the one back-off of this program.
//!
//! Each pause is twice as long as the one before. Its length is random within limits, so that clients that failed together do
//! not come back together.

use std::time::Duration;

use tokio::time::Instant;

/// Growing pauses, up to a deadline where there is one.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    next: Duration,
    longest: Duration,
    limit: Option<Duration>,
    deadline: Option<Instant>,
}

impl Backoff {
    /// Pauses that begin with `first`, double up to `longest` and end `limit` from now; without a limit, never.
    pub fn new(first: Duration, longest: Duration, limit: Option<Duration>) -> Self {
        Self { first, next: first, longest, limit, deadline: deadline(limit) }
    }

    /// Pauses for requests to a server that are repeated for `limit`: from half a second to half a minute, shorter where the
    /// limit is short.
    pub fn within(limit: Duration) -> Self {
        let first = Duration::from_millis(500).min(limit / 100);
        Self::new(first, Duration::from_secs(30).min(limit / 10), Some(limit))
    }

    /// The same pauses without a deadline, for callers that count their tries.
    pub fn counted(limit: Duration) -> Self {
        Self { limit: None, deadline: None, ..Self::within(limit) }
    }

    /// Waits before the next try; at least `asked`, if the server asked for a pause. Returns `false`, without waiting, when the
    /// deadline has passed or would pass meanwhile.
    pub async fn wait(&mut self, asked: Option<Duration>) -> bool {
        let pause = match asked {
            Some(asked) => asked.saturating_add(self.next.min(asked).mul_f64(jitter())),
            None => self.next.mul_f64(0.5 + jitter() / 2.0),
        };
        self.next = self.next.saturating_mul(2).min(self.longest);
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero() || left < pause) {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }

    /// Begins again with the first pause and the whole time, after something has gone well.
    pub fn restart(&mut self) {
        (self.next, self.deadline) = (self.first, deadline(self.limit));
    }

    /// Whether the deadline has passed.
    pub fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }
}

/// None also where the limit is too long to end.
fn deadline(limit: Option<Duration>) -> Option<Instant> {
    limit.and_then(|limit| Instant::now().checked_add(limit))
}

/// A random number from 0 to 1.
fn jitter() -> f64 {
    fastrand::f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_up_to_the_longest_and_end_at_the_deadline() {
        let begun = Instant::now();
        let mut backoff = Backoff::new(SECOND, 20 * SECOND, Some(100 * SECOND));
        let mut pauses = Vec::new();
        let mut last = begun;
        while backoff.wait(None).await {
            pauses.push(last.elapsed());
            last = Instant::now();
        }
        for (pause, longest) in pauses.iter().zip([1, 2, 4, 8, 16, 20, 20, 20]) {
            let slack = Duration::from_millis(2);
            assert!(*pause + slack >= longest * SECOND / 2 && *pause <= longest * SECOND + slack, "{pauses:?}");
        }
        assert!((7..=13).contains(&pauses.len()), "{pauses:?}");
        assert!(begun.elapsed() <= 100 * SECOND && begun.elapsed() > 80 * SECOND - SECOND, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_the_server_asks_for_is_kept_or_not_begun() {
        let mut backoff = Backoff::new(SECOND, SECOND, Some(500 * SECOND));
        let begun = Instant::now();
        assert!(backoff.wait(Some(50 * SECOND)).await);
        assert!(begun.elapsed() >= 50 * SECOND);
        let before = Instant::now();
        assert!(!backoff.wait(Some(Duration::from_secs(3600))).await);
        assert!(!backoff.wait(Some(Duration::MAX)).await);
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn without_any_time_there_is_one_try() {
        for limit in [Duration::ZERO, Duration::from_nanos(1)] {
            let mut backoff = Backoff::within(limit);
            tokio::time::advance(limit).await;
            assert!(!backoff.wait(None).await && !backoff.wait(Some(Duration::ZERO)).await, "{limit:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_restart_there_is_the_whole_time_again() {
        let mut backoff = Backoff::new(SECOND, SECOND, Some(3 * SECOND));
        while backoff.wait(None).await {}
        tokio::time::advance(3 * SECOND).await;
        assert!(backoff.is_over());
        backoff.restart();
        assert!(!backoff.is_over() && backoff.wait(None).await);
    }
}
