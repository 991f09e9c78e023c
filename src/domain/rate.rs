//! Limits on how often something may be asked for: when one is reached, and what an answer tells of it.
//!
//! A limit slides: whatever was asked for within the last window counts, wherever the clock stands. Two numbers are kept of each who
//! asks, and not every request: those of the present fixed window count whole, and those of the one before as if they had come evenly,
//! by the part of it that the sliding window still covers. So nobody gets twice the limit by asking around the turn of a window.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    time::Duration,
};

use chrono::{DateTime, Utc};

use super::CLOCK_SKEW;

/// The most requests of a quota. Up to here, and up to a day, no number below leaves what a double holds exactly: scripts in Redis
/// reckon in doubles.
const MAX_REQUESTS: u32 = 10_000_000;
/// The longest window of a quota, in seconds.
const MAX_WINDOW: u64 = 86_400;

/// What is limited. Endpoints that are of one purpose share a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/token`
    Token,
    /// `/introspect`
    Introspection,
    /// `/revoke`
    Revocation,
    /// `/userinfo`
    Userinfo,
    /// `/register`, and what is below it.
    Registration,
    /// `/authorize`, the consent on its way, and `/logout`.
    Authorization,
    /// `/login`, its second factor, and links that were mailed.
    Login,
    /// `/signup`
    SignUp,
    /// `/recover`
    Recovery,
    /// `/account` and all below it, and the start page.
    Account,
}

impl Endpoint {
    /// As settings and metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Introspection => "introspect",
            Self::Revocation => "revoke",
            Self::Userinfo => "userinfo",
            Self::Registration => "register",
            Self::Authorization => "authorize",
            Self::Login => "login",
            Self::SignUp => "signup",
            Self::Recovery => "recover",
            Self::Account => "account",
        }
    }
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// One client's, which proved who it is.
    Client,
    /// Those of one person who is signed in.
    Account,
    /// Those from one network address: of IPv6 the /64 of which a single line usually has all.
    Address,
    /// Those from one site: the /48 of which one person may have all. Of IPv6 alone.
    Site,
}

impl By {
    /// As headers and metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Account => "account",
            Self::Address => "address",
            Self::Site => "site",
        }
    }
}

/// So many requests within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    requests: u32,
    /// In milliseconds.
    window: u64,
}

impl Quota {
    /// From 1 to 10 million requests within whole seconds, at most a day; nothing else is a quota.
    pub fn new(requests: u32, window: Duration) -> Option<Self> {
        let is_valid = (1..=MAX_REQUESTS).contains(&requests) && (1..=MAX_WINDOW).contains(&window.as_secs());
        is_valid.then_some(Self { requests, window: window.as_secs() * 1_000 })
    }

    /// So many within a minute: one at least, and no more than a quota can have.
    pub const fn per_minute(requests: u32) -> Self {
        let requests = if requests == 0 { 1 } else { requests };
        Self { requests: if requests > MAX_REQUESTS { MAX_REQUESTS } else { requests }, window: 60_000 }
    }

    /// How many requests.
    pub fn requests(self) -> u32 {
        self.requests
    }

    /// Within how long.
    pub fn window(self) -> Duration {
        Duration::from_millis(self.window)
    }

    /// So many times the requests: one at least, and no more than a quota can have.
    #[must_use]
    pub fn times(self, factor: Times) -> Self {
        let requests = u64::from(self.requests) * u64::from(factor.thousandths) / 1_000;
        let requests = u32::try_from(requests).unwrap_or(MAX_REQUESTS).clamp(1, MAX_REQUESTS);
        Self { requests, ..self }
    }

    /// For a whole site: ten times as much as for one line of it.
    #[must_use]
    pub fn of_site(self) -> Self {
        Self { requests: self.requests.saturating_mul(10).min(MAX_REQUESTS), ..self }
    }

    /// Where a time lies among the fixed windows.
    pub fn moment(self, now: DateTime<Utc>) -> Moment {
        let (now, window) = (now.timestamp_millis(), i64::try_from(self.window).unwrap_or(i64::MAX));
        let elapsed = now.rem_euclid(window).unsigned_abs();
        Moment { window: now.div_euclid(window), elapsed, ahead: 1 + CLOCK_SKEW.num_milliseconds() / window }
    }

    /// Whether one more request may come.
    pub fn admits(self, usage: Usage, moment: Moment) -> bool {
        // In requests times milliseconds, so that nothing is rounded.
        self.used(usage, moment) <= (u64::from(self.requests) - 1) * self.window
    }

    /// How many more may come at once.
    pub fn remaining(self, usage: Usage, moment: Moment) -> u32 {
        let used = u32::try_from(self.used(usage, moment).div_ceil(self.window)).unwrap_or(u32::MAX);
        self.requests.saturating_sub(used)
    }

    /// How long until one more may come, if none does meanwhile.
    pub fn wait(self, usage: Usage, moment: Moment) -> Duration {
        // From when on in a window this many of the window before, and no more, leave room for what is there already.
        let from = |before: u32, room: u64| match u64::from(before) {
            0 => 0,
            before => self.window.saturating_sub(room * self.window / before),
        };
        let most = u64::from(self.requests) - 1;
        let millis = match most.checked_sub(usage.current.into()) {
            Some(room) => from(usage.previous, room).saturating_sub(moment.elapsed),
            None => self.window.saturating_sub(moment.elapsed) + from(usage.current, most),
        };
        Duration::from_millis(millis)
    }

    /// What counts now, in requests times milliseconds.
    fn used(self, usage: Usage, moment: Moment) -> u64 {
        let covered = self.window.saturating_sub(moment.elapsed);
        u64::from(usage.current) * self.window + u64::from(usage.previous) * covered
    }
}

/// A time among fixed windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The number of the window.
    pub window: i64,
    /// How long it has lasted, in milliseconds.
    pub elapsed: u64,
    /// How many windows ahead another node may be.
    pub ahead: i64,
}

/// How many requests there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// In the present fixed window.
    pub current: u32,
    /// In the one before.
    pub previous: u32,
}

impl Usage {
    /// What is left of it, once counted in `window`, at another moment; and that moment, which is never before its window: clocks of
    /// several nodes differ a little, and time that seems to run backwards frees nothing.
    pub fn at(self, window: i64, moment: Moment) -> (Self, Moment) {
        match moment.window.checked_sub(window) {
            Some(0) => (self, moment),
            Some(1) => (Self { current: 0, previous: self.current }, moment),
            Some(ahead) if ahead > 1 => (Self::default(), moment),
            Some(behind) if behind.saturating_neg() <= moment.ahead => (self, Moment { window, elapsed: 0, ..moment }),
            // A clock was set back.
            Some(_) | None => (Self::default(), moment),
        }
    }

    /// With one request more.
    #[must_use]
    pub fn and_one(self) -> Self {
        Self { current: self.current.saturating_add(1), ..self }
    }
}

/// A factor, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Times {
    thousandths: u32,
}

impl Times {
    /// What changes nothing.
    pub const ONE: Self = Self { thousandths: 1_000 };

    /// From 0.001 to 1000.
    pub fn from_thousandths(thousandths: u32) -> Option<Self> {
        (1..=1_000_000).contains(&thousandths).then_some(Self { thousandths })
    }

    /// In thousandths.
    pub fn thousandths(self) -> u32 {
        self.thousandths
    }
}

/// How a role changes the limits of the accounts that have it. The last is the most generous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Allowance {
    /// They are so many times what they are for others.
    Times(Times),
    /// There are none.
    Unlimited,
}

impl Allowance {
    /// Of who has no role that changes anything.
    pub const USUAL: Self = Self::Times(Times::ONE);

    /// What becomes of a quota.
    pub fn of(self, quota: Quota) -> Option<Quota> {
        match self {
            Self::Times(factor) => Some(quota.times(factor)),
            Self::Unlimited => None,
        }
    }
}

/// What roles change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleAllowances(pub BTreeMap<String, Allowance>);

impl RoleAllowances {
    /// What these roles change: the most generous of those that change anything counts.
    pub fn of(&self, roles: &BTreeSet<String>) -> Allowance {
        roles.iter().filter_map(|role| self.0.get(role)).max().copied().unwrap_or(Allowance::USUAL)
    }
}

/// How much of a quota is left to whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whose requests were counted.
    pub by: By,
    quota: Quota,
    remaining: u32,
    reset: u64,
}

impl Standing {
    /// After a request was counted, or was not because there are too many.
    pub fn new(by: By, quota: Quota, usage: Usage, now: DateTime<Utc>) -> Self {
        let moment = quota.moment(now);
        let remaining = quota.remaining(usage, moment);
        let millis = match remaining {
            0 => u64::try_from(quota.wait(usage, moment).as_millis()).unwrap_or(u64::MAX),
            _ => quota.window.saturating_sub(moment.elapsed),
        };
        Self { by, quota, remaining, reset: millis.div_ceil(1_000).max(1) }
    }

    /// How many more may come at once.
    pub fn remaining(&self) -> u32 {
        self.remaining
    }

    /// After how many seconds there is more room than now: for one request where there is none, and else for those of the last fixed
    /// window, which is over then.
    pub fn reset(&self) -> u64 {
        self.reset
    }
}

/// `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11 §3): what the limits are.
pub fn policy_field(standings: &[Standing]) -> String {
    list(standings, |field, standing| {
        let Quota { requests, window } = standing.quota;
        write!(field, ";q={requests};w={}", window / 1_000)
    })
}

/// `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11 §4): what is left of them.
pub fn limit_field(standings: &[Standing]) -> String {
    list(standings, |field, standing| write!(field, ";r={};t={}", standing.remaining, standing.reset))
}

/// A list of strings with parameters (RFC 9651 §3.1). The names are words of ours, which need no escaping.
fn list(standings: &[Standing], parameters: impl Fn(&mut String, &Standing) -> std::fmt::Result) -> String {
    let mut field = String::with_capacity(32 * standings.len());
    for standing in standings {
        let separator = if field.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(field, "{separator}\"{}\"", standing.by.as_str());
        let _ = parameters(&mut field, standing);
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_800_000_000_000;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(START + millis).unwrap()
    }

    fn quota(requests: u32, seconds: u64) -> Quota {
        Quota::new(requests, Duration::from_secs(seconds)).unwrap()
    }

    /// One who asks, as counters count.
    struct Asker {
        quota: Quota,
        window: i64,
        usage: Usage,
    }

    impl Asker {
        fn new(requests: u32, seconds: u64) -> Self {
            let quota = quota(requests, seconds);
            Self { quota, window: quota.moment(at(0)).window, usage: Usage::default() }
        }

        fn ask(&mut self, millis: i64) -> bool {
            let (usage, moment) = self.usage.at(self.window, self.quota.moment(at(millis)));
            let admitted = self.quota.admits(usage, moment);
            self.window = moment.window;
            self.usage = if admitted { usage.and_one() } else { usage };
            admitted
        }

        fn wait(&self, millis: i64) -> i64 {
            let (usage, moment) = self.usage.at(self.window, self.quota.moment(at(millis)));
            i64::try_from(self.quota.wait(usage, moment).as_millis()).unwrap()
        }
    }

    #[test]
    fn so_many_are_admitted_and_not_one_more() {
        let mut asker = Asker::new(5, 60);
        assert_eq!((0..9).filter(|_| asker.ask(0)).count(), 5);
        assert!(!asker.ask(59_999));
    }

    #[test]
    fn around_the_turn_of_a_window_nobody_gets_twice_as_much() {
        let mut asker = Asker::new(10, 60);
        assert_eq!((0..20).filter(|_| asker.ask(59_999)).count(), 10);
        assert_eq!((0..20).filter(|_| asker.ask(60_000)).count(), 0);
        // A tenth of the window later a tenth of them has left it.
        assert!(!asker.ask(65_999));
        assert!(asker.ask(66_000));
        assert!(!asker.ask(66_000));
        assert_eq!((0..20).filter(|_| asker.ask(90_000)).count(), 4, "half of ten, but for the one");
        assert_eq!((0..20).filter(|_| asker.ask(10_000_000)).count(), 10);
    }

    /// In whatever window one looks there are at most as many as the quota has, beyond what the approximation concedes.
    #[test]
    fn who_asks_all_the_time_gets_as_much_as_the_quota_says() {
        let mut asker = Asker::new(60, 60);
        let admitted: Vec<_> = (0..600_000).step_by(100).filter(|millis| asker.ask(*millis)).collect();
        assert!((590..=660).contains(&admitted.len()), "{}", admitted.len());
        for start in (0..540_000).step_by(1_000) {
            let within = admitted.iter().filter(|at| (start..start + 60_000).contains(*at)).count();
            assert!(within <= 90, "{within} from {start}");
        }
    }

    #[test]
    fn who_waits_as_long_as_they_are_told_is_admitted_and_no_earlier() {
        for requests in [1, 2, 3, 7, 1_000] {
            let mut asker = Asker::new(requests, 60);
            let mut now = 12_345;
            for _ in 0..50 {
                while asker.ask(now) {}
                let wait = asker.wait(now);
                assert!(wait > 0);
                assert!(!asker.ask(now + wait - 1), "{requests}: {wait} at {now}");
                now += wait;
                assert_eq!(asker.wait(now), 0);
                assert!(asker.ask(now), "{requests}: {wait}");
            }
        }
    }

    #[test]
    fn a_clock_that_is_behind_frees_nothing() {
        let usage = Usage { current: 5, previous: 5 };
        let before = Moment { window: 6, elapsed: 59_999, ahead: 1 };
        let (same, moment) = usage.at(7, before);
        assert_eq!((same, moment), (usage, Moment { window: 7, elapsed: 0, ahead: 1 }));
        assert!(!quota(10, 60).admits(same, moment));
    }

    #[test]
    fn a_clock_that_was_set_back_leaves_nobody_waiting_for_the_time_before() {
        let usage = Usage { current: 5, previous: 5 };
        assert_eq!(quota(10, 60).moment(at(0)).ahead, 1);
        assert_eq!(quota(10, 1).moment(at(0)).ahead, 11, "ten seconds, and the window that has begun");
        let moment = Moment { window: 6, elapsed: 1, ahead: 3 };
        assert_eq!(usage.at(9, moment).0, usage);
        for window in [10, 600, i64::MAX, i64::MIN] {
            assert_eq!(usage.at(window, moment), (Usage::default(), moment));
        }
    }

    #[test]
    fn nothing_is_rounded_that_scripts_reckon_in_doubles() {
        let most = u64::from(MAX_REQUESTS) * MAX_WINDOW * 1_000;
        assert!(2 * most < 1 << 53);
        assert!(Quota::new(0, Duration::from_secs(1)).is_none());
        assert!(Quota::new(1, Duration::ZERO).is_none());
        assert!(Quota::new(MAX_REQUESTS + 1, Duration::from_secs(1)).is_none());
        assert!(Quota::new(1, Duration::from_secs(MAX_WINDOW + 1)).is_none());
        assert_eq!(Quota::per_minute(0).requests(), 1);
    }

    #[test]
    fn the_most_generous_of_several_roles_counts() {
        let times = |thousandths| Allowance::Times(Times::from_thousandths(thousandths).unwrap());
        let allowances = RoleAllowances(BTreeMap::from([
            ("trial".to_owned(), times(500)),
            ("service".to_owned(), times(10_000)),
            ("robot".to_owned(), Allowance::Unlimited),
        ]));
        let of =
            |roles: &[&str]| allowances.of(&roles.iter().map(|role| (*role).to_owned()).collect()).of(quota(10, 60));
        assert_eq!(of(&[]), Some(quota(10, 60)));
        assert_eq!(of(&["other"]), Some(quota(10, 60)));
        assert_eq!(of(&["trial", "other"]), Some(quota(5, 60)));
        assert_eq!(of(&["trial", "service"]), Some(quota(100, 60)));
        assert_eq!(of(&["trial", "service", "robot"]), None);
        assert_eq!(times(1).of(quota(10, 60)), Some(quota(1, 60)), "one at least");
        assert_eq!(Times::from_thousandths(0), None);
        assert_eq!(quota(MAX_REQUESTS, 1).times(Times::from_thousandths(1_000_000).unwrap()).requests(), MAX_REQUESTS);
    }

    #[test]
    fn headers_are_lists_of_names_with_numbers() {
        let usage = Usage { current: 4, previous: 0 };
        let address = Standing::new(By::Address, quota(10, 60), usage, at(15_000));
        let account = Standing::new(By::Account, quota(4, 3_600), usage, at(15_000));
        let both = [address, account];
        assert_eq!(policy_field(&both), r#""address";q=10;w=60, "account";q=4;w=3600"#);
        let wait = account.reset();
        assert_eq!(limit_field(&both), format!(r#""address";r=6;t=45, "account";r=0;t={wait}"#));
        // A quarter of the four must have left the window, a quarter of an hour after the next one begins.
        let begins = 3_600 - (START / 1_000 + 15) % 3_600;
        assert_eq!(i64::try_from(wait).unwrap(), begins + 900);
    }
}
