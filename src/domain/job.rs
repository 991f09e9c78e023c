//! Work that waits in the queue: when a try that failed is made again.

use chrono::TimeDelta;

/// The delay after the first failure.
const FIRST: TimeDelta = TimeDelta::seconds(5);
/// The longest delay.
const LONGEST: TimeDelta = TimeDelta::hours(1);

/// How long to wait after so many tries in a row have failed: 5 s, then twice as long each time, one hour at most.
pub fn delay_after(tries: u32) -> TimeDelta {
    let factor = 2_i32.checked_pow(tries.saturating_sub(1));
    factor.and_then(|factor| FIRST.checked_mul(factor)).map_or(LONGEST, |delay| delay.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_an_hour() {
        let seconds = |tries| delay_after(tries).num_seconds();
        assert_eq!([0, 1, 2, 3, 4, 10, 11, 40, u32::MAX].map(seconds), [5, 5, 10, 20, 40, 2_560, 3_600, 3_600, 3_600]);
    }
}
