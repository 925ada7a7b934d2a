//! Something that is good for a while, such as a token: kept until shortly before its end, renewed by one caller at a time, and
//! forgotten when it is refused.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Result;

/// It is renewed when it is good for less than this, or for less than a third of its whole time.
const EARLY: Duration = Duration::from_secs(120);

/// What was asked for, and how long it is good from now on; `None`: until it is refused.
#[derive(Debug)]
pub struct Lasting<T> {
    /// What was asked for.
    pub value: T,
    /// How long it is good.
    pub lasts: Option<Duration>,
}

/// Keeps one value.
#[derive(Debug)]
pub struct Kept<T> {
    held: Mutex<Option<Held<T>>>,
    renewal: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Held<T> {
    value: T,
    /// When it is asked for again; `None`: never.
    renewed: Option<Instant>,
    ends: Option<Instant>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { held: Mutex::new(None), renewal: tokio::sync::Mutex::new(()) }
    }
}

impl<T: Clone> Kept<T> {
    /// The value. `renew` asks for another one; it is told whether there is no value that is still good. While it works, other callers
    /// wait and get what it got. If it fails and the old value is still good, that one is given.
    ///
    /// # Errors
    /// That of `renew`.
    pub async fn get(&self, renew: impl AsyncFnOnce(bool) -> Result<Lasting<T>>) -> Result<T> {
        if let Some(value) = self.value(|held| held.renewed) {
            return Ok(value);
        }
        let _turn = self.renewal.lock().await;
        if let Some(value) = self.value(|held| held.renewed) {
            return Ok(value);
        }
        let begun = Instant::now();
        match renew(self.value(|held| held.ends).is_none()).await {
            Ok(Lasting { value, lasts }) => {
                let after = |time: Duration| begun.checked_add(time);
                let ends = lasts.and_then(after);
                let renewed = lasts.and_then(|lasts| after(lasts - EARLY.min(lasts / 3)));
                *self.held() = Some(Held { value: value.clone(), renewed, ends });
                Ok(value)
            }
            Err(error) => {
                let Some(value) = self.value(|held| held.ends) else { return Err(error) };
                tracing::warn!("{}", error.internal_message());
                if let Some(held) = self.held().as_mut() {
                    // Not tried again with every request.
                    let left = held.ends.map(|ends| ends.saturating_duration_since(Instant::now()));
                    held.renewed = left.and_then(|left| Instant::now().checked_add(left / 2));
                }
                Ok(value)
            }
        }
    }

    /// Drops the value if `is_refused` says that it is the one: of many callers with the same value, one gets a new one.
    pub fn forget(&self, is_refused: impl FnOnce(&T) -> bool) {
        let mut held = self.held();
        if held.as_ref().is_some_and(|held| is_refused(&held.value)) {
            *held = None;
        }
    }

    /// The value, if the time that `until` names has not come.
    fn value(&self, until: impl FnOnce(&Held<T>) -> Option<Instant>) -> Option<T> {
        let held = self.held();
        let held = held.as_ref()?;
        until(held).is_none_or(|until| Instant::now() < until).then(|| held.value.clone())
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<Held<T>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::sync::atomic::{AtomicU32, Ordering};

    const SECOND: Duration = Duration::from_secs(1);

    /// Gives numbers that are good for `lasts`.
    struct Source {
        given: AtomicU32,
        lasts: Option<Duration>,
        kept: Kept<u32>,
    }

    impl Source {
        fn lasting(lasts: Option<Duration>) -> Self {
            Self { given: AtomicU32::new(0), lasts, kept: Kept::default() }
        }

        async fn get(&self) -> u32 {
            let ask = async |_| {
                tokio::time::sleep(SECOND / 10).await;
                Ok(Lasting { value: self.given.fetch_add(1, Ordering::SeqCst), lasts: self.lasts })
            };
            self.kept.get(ask).await.expect("a number")
        }

        async fn fail(&self) -> Result<u32> {
            self.kept.get(async |_| Err(Error::transient("no"))).await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_renewed_two_minutes_before_its_end_and_a_short_one_after_two_thirds() {
        for (lasts, good) in [(3600, 3600 - 120), (300, 200), (6, 4)] {
            let source = Source::lasting(Some(SECOND * lasts));
            assert_eq!(source.get().await, 0);
            tokio::time::advance(SECOND * (good - 1)).await;
            assert_eq!(source.get().await, 0, "{lasts}");
            tokio::time::advance(SECOND).await;
            assert_eq!(source.get().await, 1, "{lasts}");
        }
        let source = Source::lasting(None);
        source.get().await;
        tokio::time::advance(SECOND * 1_000_000).await;
        assert_eq!(source.get().await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn many_callers_ask_once() {
        let source = Source::lasting(Some(SECOND * 3600));
        let all = futures::future::join_all((0..100).map(|_| source.get())).await;
        assert!(all.iter().all(|value| *value == 0), "{all:?}");
        // All were refused with the same one.
        for _ in 0..100 {
            source.kept.forget(|value| *value == 0);
        }
        let all = futures::future::join_all((0..100).map(|_| source.get())).await;
        assert!(all.iter().all(|value| *value == 1), "{all:?}");
        source.kept.forget(|value| *value == 0);
        assert_eq!(source.get().await, 1, "a refusal of an older one changes nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_good_still_is_used_when_no_new_one_comes() {
        let source = Source::lasting(Some(SECOND * 300));
        assert!(source.fail().await.is_err());
        source.get().await;
        tokio::time::advance(SECOND * 220).await;
        assert_eq!(source.fail().await.expect("the old one"), 0);
        // It is not asked for again at once, but before the end.
        assert_eq!(source.get().await, 0);
        tokio::time::advance(SECOND * 41).await;
        assert_eq!(source.get().await, 1);
        tokio::time::advance(SECOND * 301).await;
        assert!(source.fail().await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_renews_knows_whether_it_is_urgent() {
        let kept = Kept::default();
        let ask = async |urgent| Ok(Lasting { value: urgent, lasts: Some(SECOND * 300) });
        assert!(kept.get(ask).await.expect("one"));
        tokio::time::advance(SECOND * 250).await;
        assert!(!kept.get(ask).await.expect("one"));
        tokio::time::advance(SECOND * 301).await;
        assert!(kept.get(ask).await.expect("one"));
    }
}
