//! Something that is good for a while, such as a token: kept until shortly before its end, renewed by one caller at a time, and
//! forgotten when it is refused.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::error::{Error, Result};

/// It is renewed when it is good for less than this, or for less than a third of its whole time.
const EARLY: Duration = Duration::from_secs(120);
/// A renewal is urgent when the value is good for less than this; any other one may take no longer, because whoever renews waits for it.
const URGENT: Duration = Duration::from_secs(10);

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
    /// The value. `renew` asks for another one; it is told whether that is urgent. While it works, other callers get the old value
    /// as long as that one is good, and wait for the new one otherwise. If it fails, or takes long and is not urgent, the old value is
    /// given as long as it is good.
    ///
    /// # Errors
    /// That of `renew`.
    pub async fn get<R>(&self, renew: impl Fn(bool) -> R) -> Result<T>
    where
        R: Future<Output = Result<Lasting<T>>>,
    {
        if let Some(value) = self.value(|held| held.renewed) {
            return Ok(value);
        }
        let _turn = match self.renewal.try_lock() {
            Ok(turn) => turn,
            Err(_) => match self.value(|held| held.ends) {
                Some(value) => return Ok(value),
                None => self.renewal.lock().await,
            },
        };
        if let Some(value) = self.value(|held| held.renewed) {
            return Ok(value);
        }
        let begun = Instant::now();
        let renewed = match self.value(|held| held.ends?.checked_sub(URGENT)) {
            None => renew(true).await,
            Some(_) => match timeout(URGENT, renew(false)).await.unwrap_or_else(|_| Err(too_slow())) {
                // It was refused, or has ended, meanwhile.
                Err(_) if self.value(|held| held.ends).is_none() => renew(true).await,
                renewed => renewed,
            },
        };
        match renewed {
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

fn too_slow() -> Error {
    Error::transient(format!("What signs in was not renewed within {} s.", URGENT.as_secs()))
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
            let ask = |_| async {
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
    async fn a_renewal_that_never_ends_holds_up_nobody_as_long_as_the_old_one_is_good() {
        let source = Source::lasting(Some(SECOND * 300));
        source.get().await;
        tokio::time::advance(SECOND * 220).await;
        let begun = Instant::now();
        let hanging = source.kept.get(async |_| std::future::pending().await);
        let others = async {
            tokio::time::sleep(SECOND).await;
            let waited = Instant::now();
            let all = futures::future::join_all((0..100).map(|_| source.get())).await;
            assert!(all.iter().all(|value| *value == 0) && waited.elapsed() == Duration::ZERO, "{all:?}");
        };
        let (first, ()) = tokio::join!(hanging, others);
        assert_eq!(first.expect("the old one"), 0);
        assert!(begun.elapsed() <= URGENT + SECOND, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_refused_while_it_is_renewed_is_asked_for_as_long_as_it_takes() {
        let source = Source::lasting(Some(SECOND * 300));
        source.get().await;
        tokio::time::advance(SECOND * 220).await;
        let slow = source.kept.get(async |_| {
            tokio::time::sleep(SECOND * 60).await;
            Ok(Lasting { value: 7, lasts: None })
        });
        let refused = async {
            tokio::time::sleep(SECOND).await;
            source.kept.forget(|value| *value == 0);
        };
        assert_eq!(tokio::join!(slow, refused).0.expect("the new one"), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_a_value_gets_the_new_one_however_long_that_takes() {
        let source = Source::lasting(Some(SECOND * 300));
        for waits in [0, 235, 241] {
            tokio::time::advance(SECOND * waits).await;
            let slow = source.kept.get(async |urgent| {
                assert!(urgent);
                tokio::time::sleep(SECOND * 60).await;
                Ok(Lasting { value: 7, lasts: Some(SECOND * 300) })
            });
            let other = async {
                tokio::time::sleep(SECOND * 6).await;
                source.get().await
            };
            let (slow, other) = tokio::join!(slow, other);
            assert_eq!((slow.expect("the new one"), other), (7, 7), "{waits}");
        }
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
