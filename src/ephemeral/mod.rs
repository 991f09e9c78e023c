//! What expires by itself: counters of failures and of requests, and identifiers that may be used once.
//!
//! Counters may be lost; then someone gets a few more tries. Guards may not: on one node they are rows of the database, and
//! on several they are in a Redis that is watched for having lost its memory.

use std::{fmt, pin::Pin, time::Duration};

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use crate::{
    domain::{
        rate::{Quota, Usage},
        throttle::Free,
    },
    store::StoreError,
};

mod counters;
mod local;
mod rates;
mod redis;
mod room;
mod scripts;

pub use self::{local::Local, redis::Redis};

/// An answer that comes later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Failures of late under one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// How many.
    pub count: u32,
    /// When the last one was.
    pub last: DateTime<Utc>,
}

/// What a try is counted under.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Of whom or what. As long as it likes: digests are kept.
    pub key: String,
    /// How many failures are left without a delay.
    pub free: Free,
    /// How long failures are remembered, from the last one on.
    pub window: Duration,
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It is counted as a failure, until it turns out to be none.
    Counted,
    /// It comes too early, and is not counted.
    TooEarly {
        /// How long to wait from now on.
        wait: Duration,
        /// Whether it is the first since the last one that was counted.
        is_news: bool,
    },
}

/// What a request is counted under.
#[derive(Clone, Debug)]
pub struct Metered {
    /// Of whom. As long as it likes: digests are kept. One quota alone goes with it.
    pub key: String,
    /// How many there may be.
    pub quota: Quota,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Tally {
    /// Whether it may go on, and so was counted.
    pub admitted: bool,
    /// How many there were then under each key, this one included if it was counted.
    pub usages: Vec<Usage>,
}

/// An identifier that may be used once, and when that can be.
#[derive(Clone, Copy, Debug)]
pub struct SingleUse<'a> {
    /// What it identifies.
    pub kind: &'static str,
    /// The identifier itself.
    pub id: &'a str,
    /// Before this moment nobody can have accepted it. The later, the less is refused after a loss of memory.
    pub from: DateTime<Utc>,
    /// From this moment on nobody accepts it any more.
    pub until: DateTime<Utc>,
}

/// Whether an identifier was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum FirstUse {
    /// It was not.
    First,
    /// It was.
    Replayed,
    /// It may have been: what was known of its time is lost.
    Unsure {
        /// When one made then could not have been used before.
        retry_after: Duration,
    },
}

/// A guard could not be asked. Nobody knows then whether this was the first use.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// It is in the database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is in Redis.
    #[error("Redis: {0}")]
    Redis(#[from] ::redis::RedisError),
}

/// Counters and replay guards, shared by all nodes or by none.
pub trait Ephemeral: Send + Sync + fmt::Debug {
    /// The failures under a key within the window.
    fn failures<'a>(&'a self, key: &'a str, now: DateTime<Utc>) -> Later<'a, Failures>;

    /// Counts one more failure, to be forgotten when the window has passed without another. How many there were before.
    fn add_failure<'a>(&'a self, key: &'a str, window: Duration, now: DateTime<Utc>) -> Later<'a, Failures>;

    /// Counts a try under all of these, or under none if it comes too early for one of them. Of many at once no more are counted
    /// than there would be one after the other.
    fn attempt<'a>(&'a self, under: &'a [Counted], now: DateTime<Utc>) -> Later<'a, Verdict>;

    /// Takes a failure back that turned out to be none, under each of these keys. `at` is when it was counted: if none came since,
    /// the one before is the last again.
    fn take_back_failure<'a>(&'a self, keys: &'a [String], at: DateTime<Utc>) -> Later<'a, ()>;

    /// Forgets the failures under a key.
    fn forget_failures<'a>(&'a self, key: &'a str) -> Later<'a, ()>;

    /// Counts a request under all of these, or under none if there were too many under one. Always answers, and soon: whoever cannot
    /// ask the others counts alone.
    fn count_request<'a>(&'a self, under: &'a [Metered], now: DateTime<Utc>) -> Later<'a, Tally>;

    /// Notes the use of an identifier. Of any number of tries before `until`, one alone is the first.
    fn first_use<'a>(&'a self, used: SingleUse<'a>, now: DateTime<Utc>) -> Later<'a, Result<FirstUse, GuardError>>;

    /// Tells other nodes that something changed which they keep in memory: they need not wait until they look by themselves. It may
    /// get lost.
    fn tell_change(&self) -> Later<'_, ()>;

    /// Notifies of what other nodes tell. Ends when the connection does, and may be asked again then; without other nodes, never.
    fn hear_changes<'a>(&'a self, heard: &'a Notify) -> Later<'a, ()>;

    /// Whether the Redis behind this answers; `None` where there is none. The earlier a loss of memory is seen, the sooner it is
    /// over: this looks for it.
    fn redis_answers(&self, now: DateTime<Utc>) -> Later<'_, Option<bool>>;
}
