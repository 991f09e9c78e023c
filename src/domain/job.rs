//! Work that waits in the queue: what becomes of a job after a try.

use chrono::{DateTime, TimeDelta, Utc};

/// The delay after the first failure.
const FIRST: TimeDelta = TimeDelta::seconds(5);
/// The longest delay.
const LONGEST: TimeDelta = TimeDelta::hours(1);

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The job is done.
    Done,
    /// It is not, but may be at another time.
    Failed,
    /// It is not, and would not be at any other time.
    Hopeless,
}

/// What becomes of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is over.
    Finish,
    /// It is due again at this time.
    TryAgain(DateTime<Utc>),
    /// It is left undone.
    GiveUp,
}

/// What becomes of a job after so many tries.
pub fn next(outcome: Outcome, tries: u32, now: DateTime<Utc>, expires_at: DateTime<Utc>) -> Next {
    match outcome {
        Outcome::Done => Next::Finish,
        Outcome::Failed if now + delay_after(tries) < expires_at => Next::TryAgain(now + delay_after(tries)),
        Outcome::Failed | Outcome::Hopeless => Next::GiveUp,
    }
}

/// How long to wait after so many failures in a row: 5 s, then twice as long each time, one hour at most.
fn delay_after(tries: u32) -> TimeDelta {
    let factor = 2_i32.checked_pow(tries.saturating_sub(1));
    factor.and_then(|factor| FIRST.checked_mul(factor)).map_or(LONGEST, |delay| delay.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    #[test]
    fn delays_double_up_to_an_hour() {
        let seconds = |tries| delay_after(tries).num_seconds();
        assert_eq!([0, 1, 2, 3, 4, 10, 11, 40, u32::MAX].map(seconds), [5, 5, 10, 20, 40, 2_560, 3_600, 3_600, 3_600]);
    }

    #[test]
    fn a_try_that_would_come_too_late_is_not_made() {
        let after = |outcome, seconds| next(outcome, 2, NOW, NOW + TimeDelta::seconds(seconds));
        assert_eq!(after(Outcome::Failed, 11), Next::TryAgain(NOW + TimeDelta::seconds(10)));
        assert_eq!(after(Outcome::Failed, 10), Next::GiveUp);
        assert_eq!(after(Outcome::Hopeless, 1_000), Next::GiveUp);
        assert_eq!(after(Outcome::Done, -5), Next::Finish);
    }

    /// A link is good for half an hour: that many chances it has to arrive.
    #[test]
    fn there_are_nine_tries_in_half_an_hour() {
        let (mut now, expires_at, mut tries) = (NOW, NOW + TimeDelta::minutes(30), 1);
        while let Next::TryAgain(at) = next(Outcome::Failed, tries, now, expires_at) {
            (now, tries) = (at, tries + 1);
        }
        assert_eq!(tries, 9);
    }
}
