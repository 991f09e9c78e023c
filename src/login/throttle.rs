//! Delays after failed tries: per account, per network address, and sooner for all when the whole house is under attack.
//!
//! A try is counted before it is looked at, so that a thousand tries at once are a thousand tries. After a few free ones each
//! further try must wait, longer each time; nobody is locked out for good. Unknown names are counted like known ones.
//!
//! A person's own device is counted apart: what others fail at elsewhere does not hold it up. So whoever fails on purpose to
//! keep a person out keeps them from new devices at most, and for as long as they go on. There the way in is a new password,
//! chosen by a link: it forgets what was counted, and makes the device one of the person's own.

use std::time::Duration;

use chrono::{DateTime, Utc};
use countersign_types::{ClientId, UserId};

use super::Device;
use crate::{
    app::App,
    domain::{
        device::DeviceId,
        throttle::{Free, Pressure, WINDOW, stretch},
    },
    ephemeral::{Counted, Verdict},
};

/// Failures with codes of the second factor are forgotten when there was none for this long: six digits can be guessed, and who
/// tries them knows the password.
const CODE_WINDOW: Duration = Duration::from_hours(24);

/// How many more are free for a whole site (an IPv6 /48, of which one person may have all) than for one line.
pub(super) const SITE: u32 = 10;

/// What is tried.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A password.
    Password {
        /// The account's id; where there is no account, what somebody called it, folded.
        account: &'a str,
        /// Which of the person's own devices this is, if it is one.
        own: Option<&'a DeviceId>,
    },
    /// A code of the second factor.
    SecondFactor {
        /// Whose.
        user: &'a UserId,
        /// Which of the person's own devices this is, if it is one.
        own: Option<&'a DeviceId>,
    },
    /// The secret of a client that a person may have chosen.
    ClientSecret(&'a ClientId),
}

/// What a try was counted under.
#[derive(Debug)]
pub struct Attempt {
    /// That of the account, device or client before those that others share.
    keys: Vec<String>,
    at: DateTime<Utc>,
}

/// Too many tries: wait this long.
#[derive(Clone, Copy, Debug)]
pub struct Throttled {
    /// How long, from now on.
    pub retry_after: Duration,
    /// Whether this is the first to be refused since one was looked at. All others are the same story.
    pub is_news: bool,
}

/// Counts a try, unless it comes too early.
pub async fn begin(app: &App, target: Target<'_>, device: &Device, now: DateTime<Utc>) -> Result<Attempt, Throttled> {
    let under = counters(app, target, device, now).await;
    match app.ephemeral.attempt(&under, now).await {
        Verdict::Counted => Ok(Attempt { keys: under.into_iter().map(|counted| counted.key).collect(), at: now }),
        Verdict::TooEarly { wait, is_news } => Err(Throttled { retry_after: wait, is_news }),
    }
}

/// The try was right: the failures of the account, device or client are forgotten. Where others are counted too this one alone is
/// taken back, or one good account would open the door to all others.
pub async fn succeed(app: &App, attempt: &Attempt) {
    let Some((own, shared)) = attempt.keys.split_first() else { return };
    app.ephemeral.forget_failures(own).await;
    if !shared.is_empty() {
        app.ephemeral.take_back_failure(shared, attempt.at).await;
    }
}

/// The try was not looked at after all, by no fault of whoever made it.
pub async fn take_back(app: &App, attempt: &Attempt) {
    app.ephemeral.take_back_failure(&attempt.keys, attempt.at).await;
}

/// Forgets what was tried at an account, by whomever: its owner proved by other means who they are.
pub async fn forget(app: &App, user: &UserId) {
    app.ephemeral.forget_failures(&of_account(user.as_str())).await;
}

/// Whether this is the first failure of its kind that a client has from this address for a while. What repeats itself is not worth
/// a row each in the audit trail, where anybody could have as many written as they like.
pub async fn is_news(app: &App, client: &ClientId, reason: &str, device: &Device, now: DateTime<Utc>) -> bool {
    let key = format!("client/told/{}/{}/{reason}/{client}", stretch(now), device.network());
    app.ephemeral.add_failure(&key, WINDOW, now).await.count == 0
}

/// What a try is counted under, first what is its own.
async fn counters(app: &App, target: Target<'_>, device: &Device, now: DateTime<Utc>) -> Vec<Counted> {
    let limits = &app.settings.throttle;
    let network = device.network();
    let counted = |key, free| Counted { key, free, window: WINDOW };
    let of_code = |user: &UserId, pressure| Counted {
        window: CODE_WINDOW,
        ..counted(format!("login/second-factor/{user}"), Free::of(limits.account, pressure))
    };
    let shared = |pressure| {
        let site = device.site().map(|site| {
            counted(format!("login/address/{site}"), Free::of(limits.address.saturating_mul(SITE), pressure))
        });
        let address = counted(format!("login/address/{network}"), Free::of(limits.address, pressure));
        [address].into_iter().chain(site).chain([counted(of_house(stretch(now)), Free::ALL)])
    };
    match target {
        Target::Password { own: Some(device), .. } => {
            vec![counted(format!("login/device/{device}"), Free::of(limits.account, Pressure::Usual))]
        }
        Target::Password { account, own: None } => {
            let pressure = pressure(app, now).await;
            let own = counted(of_account(account), Free::of(limits.account, pressure));
            [own].into_iter().chain(shared(pressure)).collect()
        }
        // There is no counter for a device alone: six digits are too few to be guessed at on each.
        Target::SecondFactor { user, own: Some(_) } => vec![of_code(user, Pressure::Usual)],
        Target::SecondFactor { user, own: None } => {
            let pressure = pressure(app, now).await;
            [of_code(user, pressure)].into_iter().chain(shared(pressure)).collect()
        }
        // As many at once are usual where a client runs: so many are free as for all people of an address.
        Target::ClientSecret(client) => {
            vec![counted(format!("client/secret/{network}/{client}"), Free::of(limits.address, Pressure::Usual))]
        }
    }
}

fn of_account(account: &str) -> String {
    format!("login/account/{account}")
}

fn of_house(stretch: i64) -> String {
    format!("login/house/{stretch}")
}

async fn pressure(app: &App, now: DateTime<Utc>) -> Pressure {
    let (current, last) = (of_house(stretch(now)), of_house(stretch(now) - 1));
    let (current, last) = tokio::join!(app.ephemeral.failures(&current, now), app.ephemeral.failures(&last, now));
    Pressure::from_failures(current.count, last.count, app.settings.throttle.house)
}
