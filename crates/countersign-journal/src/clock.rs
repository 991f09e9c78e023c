//! The time, as an argument. The only place that reads it.

use chrono::{DateTime, Utc};

/// Tells the time.
pub trait Clock: std::fmt::Debug + Send + Sync + 'static {
    /// Now.
    fn now(&self) -> DateTime<Utc>;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}
