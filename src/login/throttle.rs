//! Delays after failed sign-ins, per account and per network address.
//!
//! A try is counted before the password is looked at, so that a thousand tries at once are a thousand tries. After a few
//! free ones each further try must wait, twice as long as the one before, up to a quarter of an hour; nobody is locked out for
//! good. Unknown names are counted like known ones.

use std::time::Duration;

use chrono::{DateTime, Utc};
use countersign_types::UserId;

use super::Device;
use crate::{app::App, ephemeral::Failures};

/// Failures are forgotten when there was none for this long.
const WINDOW: Duration = Duration::from_mins(15);
/// The longest wait.
const MAX_DELAY: Duration = Duration::from_mins(15);

/// What a try at a sign-in is counted under.
#[derive(Debug)]
pub struct Attempt {
    account: String,
    address: String,
}

/// Too many tries: wait this long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// How long.
    pub retry_after: Duration,
}

/// Counts a try, unless it comes too early.
///
/// `account` is the account's id, or the name as folded where there is no account.
pub async fn begin(app: &App, account: &str, device: &Device, now: DateTime<Utc>) -> Result<Attempt, Throttled> {
    let attempt =
        Attempt { account: format!("login/account/{account}"), address: format!("login/address/{}", device.network()) };
    let limits = &app.settings.throttle;
    let account = delay(app.ephemeral.failures(&attempt.account, now).await, limits.account, now);
    let address = delay(app.ephemeral.failures(&attempt.address, now).await, limits.address, now);
    if let Some(retry_after) = account.max(address) {
        return Err(Throttled { retry_after });
    }
    // Others may have come between: what stood there when this try was counted decides.
    let account = delay(app.ephemeral.add_failure(&attempt.account, WINDOW, now).await, limits.account, now);
    let address = delay(app.ephemeral.add_failure(&attempt.address, WINDOW, now).await, limits.address, now);
    if let Some(retry_after) = account.max(address) {
        app.ephemeral.take_back_failure(&attempt.account).await;
        app.ephemeral.take_back_failure(&attempt.address).await;
        return Err(Throttled { retry_after });
    }
    Ok(attempt)
}

/// The try was right: the account's failures are forgotten. Of the address this one alone is taken back, or one good account
/// would open the door to all others.
pub async fn succeed(app: &App, attempt: &Attempt) {
    app.ephemeral.forget_failures(&attempt.account).await;
    app.ephemeral.take_back_failure(&attempt.address).await;
}

/// The owner has proven who they are by other means: failures of others do not hold them up.
pub async fn forget(app: &App, user: &UserId) {
    app.ephemeral.forget_failures(&format!("login/account/{user}")).await;
}

/// How long the next try must wait from now on, if it must.
fn delay(failures: Failures, free: u32, now: DateTime<Utc>) -> Option<Duration> {
    let beyond = failures.count.checked_sub(free)?;
    let delay = Duration::from_secs(1 << beyond.min(10)).min(MAX_DELAY);
    (failures.last + delay - now).to_std().ok().filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn wait(count: u32, now: i64) -> Option<u64> {
        delay(Failures { count, last: at(100) }, 5, at(now)).map(|wait| wait.as_secs())
    }

    #[test]
    fn delays_double_after_the_free_tries_up_to_a_quarter_of_an_hour() {
        assert_eq!(wait(4, 100), None);
        assert_eq!(wait(5, 100), Some(1));
        assert_eq!(wait(5, 101), None);
        assert_eq!(wait(8, 100), Some(8));
        assert_eq!(wait(400, 100), Some(900));
    }
}
