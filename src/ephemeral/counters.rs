//! Counters in the memory of this process.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};

use super::Failures;

/// The most keys counted at once: about 10 MiB.
const MAX_KEYS: usize = 100_000;

/// Failures under each key.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<HashMap<String, Counter>>);

#[derive(Clone, Copy, Debug)]
struct Counter {
    failures: Failures,
    forget_at: DateTime<Utc>,
}

impl Counters {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Counter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, key: &str, now: DateTime<Utc>) -> Failures {
        let counter = self.lock().get(key).copied();
        counter.filter(|counter| now < counter.forget_at).map(|counter| counter.failures).unwrap_or_default()
    }

    pub(super) fn add(&self, key: &str, window: Duration, now: DateTime<Utc>) -> Failures {
        let mut counters = self.lock();
        if counters.len() >= MAX_KEYS && !counters.contains_key(key) {
            counters.retain(|_, counter| now < counter.forget_at);
            // A flood of addresses: losing one that is still counted is better than growing without bound.
            if let Some(victim) = (counters.len() >= MAX_KEYS).then(|| counters.keys().next().cloned()).flatten() {
                counters.remove(&victim);
            }
        }
        let counter =
            counters.entry(key.to_owned()).or_insert(Counter { failures: Failures::default(), forget_at: now });
        let before = if now < counter.forget_at { counter.failures } else { Failures::default() };
        let failures = Failures { count: before.count.saturating_add(1), last: now };
        *counter = Counter { failures, forget_at: now + window };
        before
    }

    pub(super) fn take_back(&self, key: &str) {
        if let Some(counter) = self.lock().get_mut(key) {
            counter.failures.count = counter.failures.count.saturating_sub(1);
        }
    }

    pub(super) fn forget(&self, key: &str) {
        self.lock().remove(key);
    }
}
