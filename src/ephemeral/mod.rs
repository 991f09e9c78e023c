//! What expires by itself: counters of failures, and identifiers that may be seen once.
//!
//! Counters may be lost; then someone gets a few more tries. Guards may not: on one node they are rows of the database.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use chrono::{DateTime, Utc};

use crate::store::StoreError;

mod local;

pub use local::Local;

/// An answer that comes later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Failures of late under one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// How many.
    pub count: u32,
    /// When the last one was.
    pub last: DateTime<Utc>,
}

/// Counters and replay guards, shared by all nodes or by none.
pub trait Ephemeral: Send + Sync + fmt::Debug {
    /// The failures under a key within the window.
    fn failures<'a>(&'a self, key: &'a str, now: DateTime<Utc>) -> Later<'a, Failures>;

    /// Counts one more failure, to be forgotten when the window has passed without another. How many there were before.
    fn add_failure<'a>(&'a self, key: &'a str, window: Duration, now: DateTime<Utc>) -> Later<'a, Failures>;

    /// Takes one failure back that turned out to be none.
    fn take_back_failure<'a>(&'a self, key: &'a str) -> Later<'a, ()>;

    /// Forgets the failures under a key.
    fn forget_failures<'a>(&'a self, key: &'a str) -> Later<'a, ()>;

    /// Notes an identifier of its kind. Of any number of tries before `until`, one alone gets `true`.
    fn first_use<'a>(
        &'a self,
        kind: &'static str,
        id: &'a str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Later<'a, bool>;
}
