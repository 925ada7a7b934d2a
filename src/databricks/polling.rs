//! How long to wait between two questions about what runs: the longer it has run, the longer.

use std::time::{Duration, Instant};

/// The shortest pause, which is that of Databricks' own JDBC driver (`asyncexecpollinterval`).
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Waits before the next question about something that runs since `begun`: a twentieth of its time so far. What has run for
/// long is asked about rarely, and yet its end is seen soon.
pub async fn pause(begun: Instant) {
    tokio::time::sleep(pause_after(begun.elapsed())).await;
}

fn pause_after(elapsed: Duration) -> Duration {
    (elapsed / 20).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
