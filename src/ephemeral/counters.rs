//! Counters in the memory of this process.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};

use super::{
    Counted, Failures, Verdict,
    room::{self, Key, digest},
};
use crate::domain::CLOCK_SKEW;

/// Failures under each key.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<HashMap<Key, Counter>>);

#[derive(Clone, Copy, Debug)]
struct Counter {
    failures: Failures,
    /// When the failure before the last one was.
    previous: DateTime<Utc>,
    forget_at: DateTime<Utc>,
    /// Whether a try that came too early was told of since the last failure.
    told: bool,
}

impl Counters {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Counter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, key: &str, now: DateTime<Utc>) -> Failures {
        get(&mut self.lock(), &digest(key), now)
    }

    pub(super) fn add(&self, key: &str, window: Duration, now: DateTime<Utc>) -> Failures {
        add(&mut self.lock(), digest(key), window, now)
    }

    pub(super) fn attempt(&self, under: &[Counted], now: DateTime<Utc>) -> Verdict {
        let mut counters = self.lock();
        let waits = under.iter().filter_map(|counted| {
            let key = digest(&counted.key);
            let Failures { count, last } = get(&mut counters, &key, now);
            Some((counted.free.wait(count, last, now)?, key))
        });
        let longest = waits.max();
        if let Some((wait, key)) = longest {
            let told = counters.get_mut(&key).is_some_and(|counter| std::mem::replace(&mut counter.told, true));
            return Verdict::TooEarly { wait, is_news: !told };
        }
        for counted in under {
            add(&mut counters, digest(&counted.key), counted.window, now);
        }
        Verdict::Counted
    }

    pub(super) fn take_back(&self, keys: &[String], at: DateTime<Utc>) {
        let mut counters = self.lock();
        for key in keys {
            let Some(counter) = counters.get_mut(&digest(key)) else { continue };
            counter.failures.count = counter.failures.count.saturating_sub(1);
            if counter.failures.last == at {
                counter.failures.last = counter.previous;
            }
        }
    }

    pub(super) fn forget(&self, key: &str) {
        self.lock().remove(&digest(key));
    }
}

fn get(counters: &mut HashMap<Key, Counter>, key: &Key, now: DateTime<Utc>) -> Failures {
    let Some(counter) = counters.get_mut(key) else { return Failures::default() };
    let failures = &mut counter.failures;
    if failures.last > now + CLOCK_SKEW {
        // Noted before a clock was set back: it counts, and as if it had been just now.
        counter.forget_at = now + (counter.forget_at - failures.last);
        (failures.last, counter.previous) = (now, counter.previous.min(now));
    }
    if now < counter.forget_at { *failures } else { Failures::default() }
}

fn add(counters: &mut HashMap<Key, Counter>, key: Key, window: Duration, now: DateTime<Utc>) -> Failures {
    room::make(counters, &key, |counter| counter.forget_at <= now, |counter| counter.failures.count);
    let before = get(counters, &key, now);
    let failures = Failures { count: before.count.saturating_add(1), last: now };
    counters.insert(key, Counter { failures, previous: before.last, forget_at: now + window, told: false });
    before
}

#[cfg(test)]
mod tests {
    use super::{super::room::MAX_KEYS, *};

    const WINDOW: Duration = Duration::from_hours(1);

    #[test]
    fn memory_is_bounded_and_a_flood_washes_away_itself_alone() {
        let (counters, now) = (Counters::default(), DateTime::UNIX_EPOCH);
        for _ in 0..3 {
            counters.add("watched", WINDOW, now);
        }
        for n in 0..3 * MAX_KEYS {
            counters.add(&n.to_string(), WINDOW, now);
        }
        let kept = counters.lock().len();
        assert!((MAX_KEYS / 2..=MAX_KEYS).contains(&kept), "{kept}");
        assert_eq!(counters.get("watched", now).count, 3);
        assert!(size_of::<Key>() + size_of::<Counter>() <= 100, "whatever the length of a key");
    }

    #[test]
    fn what_is_over_makes_room_first() {
        let (counters, start) = (Counters::default(), DateTime::UNIX_EPOCH);
        for n in 0..MAX_KEYS - 1 {
            counters.add(&n.to_string(), WINDOW, start);
        }
        let later = start + WINDOW / 2;
        counters.add("fresh", WINDOW, later);
        counters.add("one more", WINDOW, start + WINDOW);
        assert_eq!(counters.get("fresh", start + WINDOW).count, 1);
        assert_eq!(counters.lock().len(), 2);
    }
}
