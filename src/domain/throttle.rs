//! Delays after failed tries: when they begin, and how they grow.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// Failures are forgotten when there was none for this long. Longer than any delay: whoever waits for the end of each does not begin
/// anew.
pub const WINDOW: Duration = Duration::from_hours(1);
/// How long each further try must wait once nothing is free any more; the last of them from then on.
pub const DELAYS: [Duration; 11] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(32),
    Duration::from_secs(64),
    Duration::from_secs(128),
    Duration::from_secs(256),
    Duration::from_secs(512),
    Duration::from_mins(15),
];
/// How long one counter of all failures in the house counts, before the next one takes its place.
const STRETCH: Duration = Duration::from_mins(15);
/// How much less is free while the whole house is under attack.
const TIGHTER: u32 = 5;

/// How many failures are left without a delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free(u32);

/// Whether so many tries fail in the whole house that somebody must be guessing everywhere at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// As many as there are slips of the finger.
    Usual,
    /// More than that: delays begin sooner, for everybody but people on their own devices. They do not grow any further than
    /// usual, or guessing everywhere would shut everybody out.
    High,
}

impl Pressure {
    /// From the failures of the current and the last stretch of time.
    pub fn from_failures(current: u32, last: u32, limit: u32) -> Self {
        if current.max(last) >= limit { Self::High } else { Self::Usual }
    }
}

impl Free {
    /// All of them: what is only counted.
    pub const ALL: Self = Self(u32::MAX);

    /// So many, or fewer under pressure; one at least.
    pub fn of(limit: u32, pressure: Pressure) -> Self {
        match pressure {
            Pressure::Usual => Self(limit),
            Pressure::High => Self((limit / TIGHTER).max(1)),
        }
    }

    /// How many that is.
    pub fn count(self) -> u32 {
        self.0
    }

    /// How long the next try must wait from now on, if it must.
    pub fn wait(self, failures: u32, last: DateTime<Utc>, now: DateTime<Utc>) -> Option<Duration> {
        let beyond = usize::try_from(failures.checked_sub(self.0)?).unwrap_or(usize::MAX);
        let delay = DELAYS.get(beyond).or(DELAYS.last()).copied()?;
        (last + delay - now).to_std().ok().filter(|wait| !wait.is_zero())
    }
}

/// Which stretch of time a moment lies in: what is counted for a while is counted under its number. A counter that lived on with
/// every failure would never end where somebody always fails.
pub fn stretch(now: DateTime<Utc>) -> i64 {
    now.timestamp().div_euclid(i64::try_from(STRETCH.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn wait(pressure: Pressure, failures: u32, now: i64) -> Option<u64> {
        Free::of(5, pressure).wait(failures, at(100), at(now)).map(|wait| wait.as_secs())
    }

    #[test]
    fn delays_double_after_the_free_tries_up_to_a_quarter_of_an_hour() {
        for (failures, now, expected) in [
            (4, 100, None),
            (5, 100, Some(1)),
            (5, 101, None),
            (8, 100, Some(8)),
            (14, 100, Some(512)),
            (15, 100, Some(900)),
            (u32::MAX, 100, Some(900)),
            (u32::MAX, 1_000, None),
        ] {
            assert_eq!(wait(Pressure::Usual, failures, now), expected, "{failures} failures");
        }
        assert!(DELAYS.iter().all(|delay| *delay < WINDOW), "the longest delay would forget what it is for");
    }

    #[test]
    fn under_pressure_they_begin_sooner_and_grow_no_further() {
        assert_eq!(wait(Pressure::High, 0, 100), None);
        assert_eq!(wait(Pressure::High, 1, 100), Some(1));
        assert_eq!(wait(Pressure::High, 400, 100), Some(900));
        assert_eq!(Free::of(1, Pressure::High), Free(1), "the first try is always free");
    }

    #[test]
    fn what_is_only_counted_never_waits() {
        assert_eq!(Free::ALL.wait(u32::MAX - 1, at(100), at(100)), None);
    }

    #[test]
    fn pressure_lasts_from_one_stretch_into_the_next() {
        assert_eq!(Pressure::from_failures(9, 9, 10), Pressure::Usual);
        assert_eq!(Pressure::from_failures(10, 0, 10), Pressure::High);
        assert_eq!(Pressure::from_failures(0, 10, 10), Pressure::High);
        assert_eq!((stretch(at(899)), stretch(at(900))), (0, 1));
    }

    /// Whoever tries whenever the wait is over, for a day: what is claimed in docs/security.md.
    #[test]
    fn a_day_of_guessing_is_about_a_hundred_guesses() {
        let (mut failures, mut now) = (0, at(0));
        while now < at(86_400) {
            failures += 1;
            now += Free::of(5, Pressure::Usual).wait(failures, now, now).unwrap_or_default();
        }
        assert_eq!(failures, 109);
    }
}
