//! The time, as an argument. This is the only place in the crate that reads it.

use std::{
    fmt::Debug,
    time::{SystemTime, UNIX_EPOCH},
};

/// Tells the time. Tests bring their own with [`Builder::clock`](crate::Builder::clock).
pub trait Clock: Debug + Send + Sync + 'static {
    /// Now, in whole seconds since 1970.
    fn now(&self) -> i64;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place
    fn now(&self) -> i64 {
        // A clock before 1970 reads as 0: then every token lies in the future and is refused.
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
    }
}

/// Whether at least `seconds` have passed. A clock that was set back counts as "long ago", so that nothing waits for years.
pub(crate) fn passed(since: i64, now: i64, seconds: i64) -> bool {
    now < since || now.saturating_sub(since) >= seconds
}

#[cfg(test)]
mod tests {
    use super::passed;

    #[test]
    fn a_clock_that_was_set_back_does_not_stop_refreshing() {
        assert!(!passed(100, 109, 10));
        assert!(passed(100, 110, 10));
        assert!(passed(100, 99, 10));
        assert!(passed(i64::MIN, i64::MAX, 10));
    }
}
