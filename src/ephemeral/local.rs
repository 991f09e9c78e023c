//! For one node: counters in memory, guards in the database.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};

use super::{Ephemeral, Failures, Later};
use crate::store::{Store, replay_guard};

/// The most keys counted at once: about 10 MiB.
const MAX_KEYS: usize = 100_000;

/// Counters of this process alone.
#[derive(Debug)]
pub struct Local {
    store: Store,
    counters: Mutex<HashMap<String, Counter>>,
}

#[derive(Clone, Copy, Debug)]
struct Counter {
    failures: Failures,
    forget_at: DateTime<Utc>,
}

impl Local {
    /// With the database that keeps the guards.
    pub fn new(store: Store) -> Self {
        Self { store, counters: Mutex::default() }
    }

    fn counters(&self) -> MutexGuard<'_, HashMap<String, Counter>> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ephemeral for Local {
    fn failures<'a>(&'a self, key: &'a str, now: DateTime<Utc>) -> Later<'a, Failures> {
        let counter = self.counters().get(key).copied();
        let failures = counter.filter(|counter| now < counter.forget_at).map(|counter| counter.failures);
        Box::pin(async move { Ok(failures.unwrap_or_default()) })
    }

    fn add_failure<'a>(&'a self, key: &'a str, window: Duration, now: DateTime<Utc>) -> Later<'a, Failures> {
        let mut counters = self.counters();
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
        Box::pin(async move { Ok(before) })
    }

    fn take_back_failure<'a>(&'a self, key: &'a str) -> Later<'a, ()> {
        if let Some(counter) = self.counters().get_mut(key) {
            counter.failures.count = counter.failures.count.saturating_sub(1);
        }
        Box::pin(async { Ok(()) })
    }

    fn forget_failures<'a>(&'a self, key: &'a str) -> Later<'a, ()> {
        self.counters().remove(key);
        Box::pin(async { Ok(()) })
    }

    fn first_use<'a>(
        &'a self,
        kind: &'static str,
        id: &'a str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Later<'a, bool> {
        Box::pin(async move {
            let mut tx = self.store.write().await?;
            let first = replay_guard::first_use(&mut tx, kind, id, now, until).await?;
            tx.commit().await?;
            Ok(first)
        })
    }
}
