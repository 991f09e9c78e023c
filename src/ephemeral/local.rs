//! For one node: counters in memory, guards in the database.

use std::{
    future::{pending, ready},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use super::{
    Counted, Ephemeral, Failures, FirstUse, GuardError, Later, Metered, SingleUse, Tally, Verdict, counters::Counters,
    rates::Rates,
};
use crate::store::{Store, replay_guard};

/// Counters of this process alone, and guards that survive it.
#[derive(Debug)]
pub struct Local {
    store: Store,
    counters: Counters,
    rates: Rates,
}

impl Local {
    /// With the database that keeps the guards.
    pub fn new(store: Store) -> Self {
        Self { store, counters: Counters::default(), rates: Rates::default() }
    }
}

impl Ephemeral for Local {
    fn failures<'a>(&'a self, key: &'a str, now: DateTime<Utc>) -> Later<'a, Failures> {
        Box::pin(ready(self.counters.get(key, now)))
    }

    fn add_failure<'a>(&'a self, key: &'a str, window: Duration, now: DateTime<Utc>) -> Later<'a, Failures> {
        Box::pin(ready(self.counters.add(key, window, now)))
    }

    fn attempt<'a>(&'a self, under: &'a [Counted], now: DateTime<Utc>) -> Later<'a, Verdict> {
        Box::pin(ready(self.counters.attempt(under, now)))
    }

    fn take_back_failure<'a>(&'a self, keys: &'a [String], at: DateTime<Utc>) -> Later<'a, ()> {
        self.counters.take_back(keys, at);
        Box::pin(ready(()))
    }

    fn forget_failures<'a>(&'a self, key: &'a str) -> Later<'a, ()> {
        self.counters.forget(key);
        Box::pin(ready(()))
    }

    fn count_request<'a>(&'a self, under: &'a [Metered], now: DateTime<Utc>) -> Later<'a, Tally> {
        Box::pin(ready(self.rates.count(under, now)))
    }

    fn first_use<'a>(&'a self, used: SingleUse<'a>, now: DateTime<Utc>) -> Later<'a, Result<FirstUse, GuardError>> {
        Box::pin(async move {
            let mut tx = self.store.write().await?;
            let first = replay_guard::first_use(&mut tx, used.kind, used.id, now, used.until).await?;
            tx.commit().await?;
            Ok(if first { FirstUse::First } else { FirstUse::Replayed })
        })
    }

    fn tell_change(&self) -> Later<'_, ()> {
        Box::pin(ready(()))
    }

    fn hear_changes<'a>(&'a self, _heard: &'a Notify) -> Later<'a, ()> {
        Box::pin(pending())
    }

    fn redis_answers(&self, _now: DateTime<Utc>) -> Later<'_, Option<bool>> {
        Box::pin(ready(None))
    }
}
