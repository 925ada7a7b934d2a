//! How many requests a second one sync sends to a workspace.
//!
//! All users of a workspace share its limits; whoever exceeds them gets 429, or is locked out for minutes. Databricks' own SDKs
//! therefore send at most 15 requests a second (databricks-sdk-go, `httpclient`); this program is rarely alone and stays below.
//! Statements go before status queries: a late query only means that the end of a statement is seen later.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// 10 requests a second.
const INTERVAL: Duration = Duration::from_millis(100);
/// Requests that may go at once after a pause. Any second has at most this many more than 10; a check, which has one limit for its
/// own statements and one for its sync, stays below 15 too.
const BURST: u32 = 2;

/// In which order requests go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Does not wait: for a few requests that would be useless later.
    Immediate,
    /// Waits its turn, first come, first served.
    Normal,
    /// Waits until no other request is due.
    Low,
}

/// The rate limit of one sync.
#[derive(Debug)]
pub struct RateLimit {
    /// When the next request would be due if all kept to the interval.
    due: Mutex<Instant>,
}

impl Default for RateLimit {
    /// A limit of which nothing is used yet.
    fn default() -> Self {
        Self { due: Mutex::new(Instant::now()) }
    }
}

impl RateLimit {
    /// Waits until a request may go.
    pub async fn wait(&self, priority: Priority) {
        match priority {
            Priority::Immediate => {}
            Priority::Normal => {
                let wait = self.reserve(Instant::now());
                sleep(wait).await;
            }
            Priority::Low => {
                while let Some(wait) = self.reserve_spare(Instant::now()) {
                    sleep(wait).await;
                }
            }
        }
    }

    /// Takes the next turn and returns how long to wait for it.
    fn reserve(&self, now: Instant) -> Duration {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = due.saturating_duration_since(now).saturating_sub(INTERVAL * (BURST - 1));
        *due = (*due).max(now) + INTERVAL;
        wait
    }

    /// Takes a turn (`None`) if another one stays free; otherwise returns how long to wait before asking again.
    fn reserve_spare(&self, now: Instant) -> Option<Duration> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = due.saturating_duration_since(now).saturating_sub(INTERVAL * (BURST - 2));
        if wait.is_zero() {
            *due = (*due).max(now) + INTERVAL;
            return None;
        }
        Some(wait)
    }
}

async fn sleep(wait: Duration) {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When `turns`, who all come at `begun`, may go, in milliseconds.
    fn times(limit: &RateLimit, begun: Instant, turns: usize) -> Vec<u128> {
        (0..turns).map(|_| limit.reserve(begun).as_millis()).collect()
    }

    #[test]
    fn a_few_go_at_once_and_the_others_one_by_one() {
        let (limit, begun) = (RateLimit::default(), Instant::now() + INTERVAL);
        assert_eq!(times(&limit, begun, 5), [0, 0, 100, 200, 300]);
        // After a silence it is the same again, however long it was.
        assert_eq!(times(&limit, begun + 100 * INTERVAL, 3), [0, 0, 100]);
    }

    #[test]
    fn never_are_there_more_than_twelve_within_a_second() {
        let (limit, begun) = (RateLimit::default(), Instant::now());
        let mut sent: Vec<u128> = Vec::new();
        for tick in 0_u32..400 {
            let now = begun + tick * Duration::from_millis(7);
            sent.push((now + limit.reserve(now) - begun).as_millis());
        }
        for first in &sent {
            let within = sent.iter().filter(|at| *at >= first && *at - first < 1000).count();
            assert!(within <= 12, "{within} from {first} ms on");
        }
    }

    #[test]
    fn a_question_leaves_a_turn_for_a_statement() {
        let (limit, begun) = (RateLimit::default(), Instant::now() + INTERVAL);
        let asked = std::iter::from_fn(|| limit.reserve_spare(begun).is_none().then_some(())).count();
        assert_eq!(asked, 1);
        assert_eq!(limit.reserve(begun), Duration::ZERO);
        // Statements that come meanwhile go first.
        let wait = limit.reserve_spare(begun).expect("no turn");
        limit.reserve(begun);
        assert_eq!(limit.reserve_spare(begun + wait), Some(INTERVAL));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_to_wait_does() {
        let (limit, begun) = (RateLimit::default(), Instant::now());
        for priority in [
            Priority::Normal,
            Priority::Low,
            Priority::Normal,
            Priority::Immediate,
            Priority::Normal,
            Priority::Normal,
            Priority::Low,
        ] {
            limit.wait(priority).await;
        }
        // Six wait their turn: two may go at once, and the last one leaves a turn to others.
        assert_eq!(begun.elapsed(), 5 * INTERVAL);
    }
}
