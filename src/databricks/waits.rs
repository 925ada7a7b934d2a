//! How long is waited between two tries: longer each time, never all at once, and at an end some day. And between two
//! questions about what runs: the longer it has run, the longer.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

/// Pauses between two questions about what runs: the shortest is that of Databricks' own JDBC driver (`asyncexecpollinterval`).
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Waits that grow, up to a deadline.
#[derive(Debug)]
pub struct Waits {
    next: Duration,
    longest: Duration,
    deadline: Option<Instant>,
}

impl Waits {
    /// Waits that begin with `first`, double, stay below `longest` and end, where it is given, `limit` from now.
    pub fn new(first: Duration, longest: Duration, limit: Option<Duration>) -> Self {
        Self { next: first, longest, deadline: limit.and_then(|limit| Instant::now().checked_add(limit)) }
    }

    /// Waits between tries of something that is repeated for `limit`: from half a second to half a minute, shorter
    /// where the limit is short.
    pub fn of_retries(limit: Duration) -> Self {
        let first = Duration::from_millis(500).min(limit / 100);
        Self::new(first, Duration::from_secs(30).min(limit / 10), Some(limit))
    }

    /// Waits between runs of one statement, whose number has a bound of its own: as those of retries, without an end.
    pub fn of_runs(limit: Duration) -> Self {
        Self { deadline: None, ..Self::of_retries(limit) }
    }

    /// Waits, `asked` if the server said how long, and says whether another try is due. `false`, at once, when the
    /// deadline would pass meanwhile.
    pub async fn another(&mut self, asked: Option<Duration>) -> bool {
        let wait = match asked {
            // Not all who were sent away come back in the same moment.
            Some(asked) => asked.saturating_add(self.next.min(asked).mul_f64(share())),
            None => self.next.mul_f64(0.5 + share() / 2.0),
        };
        self.next = self.next.saturating_mul(2).min(self.longest);
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left < wait) {
            return false;
        }
        tokio::time::sleep(wait).await;
        true
    }

    /// Whether the deadline has passed.
    pub fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }
}

/// Waits until the next question about something that runs since `begun` is due: a twentieth of the time it has taken so far.
/// What has run for long is asked about rarely, and yet its end is seen soon.
pub async fn pause(begun: Instant) {
    tokio::time::sleep(pause_after(begun.elapsed())).await;
}

fn pause_after(elapsed: Duration) -> Duration {
    (elapsed / 20).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}

/// A number from 0 to 1, by chance.
fn share() -> f64 {
    f64::from(RandomState::new().build_hasher().finish() as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn waits_grow_and_end_at_the_deadline() {
        let begun = Instant::now();
        let mut waits = Waits::new(TICK, 20 * TICK, Some(100 * TICK));
        let mut tries = 0;
        while waits.another(None).await {
            tries += 1;
        }
        assert!((6..=40).contains(&tries), "{tries}");
        assert!(begun.elapsed() < 200 * TICK);
    }

    #[test]
    fn the_end_of_what_runs_is_seen_within_a_twentieth_of_its_time_with_few_questions() {
        let (mut now, mut asked) = (Duration::ZERO, 0);
        while now < Duration::from_secs(600) {
            let pause = pause_after(now);
            assert!(pause <= (now / 20).max(Duration::from_millis(200)) && pause <= Duration::from_secs(5), "{now:?}");
            (now, asked) = (now + pause, asked + 1);
        }
        assert!(asked < 210, "{asked}");
    }

    #[tokio::test]
    async fn a_wait_that_the_server_asks_for_is_kept_or_not_begun() {
        let mut waits = Waits::new(TICK, TICK, Some(500 * TICK));
        let begun = Instant::now();
        assert!(waits.another(Some(50 * TICK)).await);
        assert!(begun.elapsed() >= 50 * TICK);
        assert!(!waits.another(Some(Duration::from_secs(3600))).await);
        assert!(!waits.another(Some(Duration::MAX)).await);
        assert!(begun.elapsed() < 400 * TICK);
    }
}
