//! Settings of the limits on how often endpoints answer.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;
use serde_json::Value as Json;
use toml::Value as Toml;

use super::{
    reader::Reader,
    value::{Setting, describe, mismatch},
};
use crate::domain::{
    rate::{Allowance, Endpoint, Quota, RoleAllowances, Times},
    user::is_role,
};

/// How often endpoints answer. Each limit is written as `600/1m` (so many requests within such a time) or `off`.
#[derive(Clone, Debug)]
pub struct RateSettings {
    /// `rate.token.client` (off) and `rate.token.address` (6000/1m): for a client with a secret or key, and for all others of an address.
    pub token: Limits,
    /// `rate.introspect.client` (off) and `rate.introspect.address` (600/1m)
    pub introspect: Limits,
    /// `rate.revoke.client` (off) and `rate.revoke.address` (6000/1m)
    pub revoke: Limits,
    /// `rate.userinfo.client` (off) and `rate.userinfo.address` (6000/1m)
    pub userinfo: Limits,
    /// `rate.register.address` (60/1m): clients that register themselves have no limit of their own.
    pub register: Limits,
    /// `rate.authorize.account` (600/1m) and `rate.authorize.address` (6000/1m): requests of apps, consent and signing out, for a person
    /// who is signed in, and for everybody at an address.
    pub authorize: Limits,
    /// `rate.login.account` (600/1m) and `rate.login.address` (6000/1m)
    pub login: Limits,
    /// `rate.signup.account` (600/1m) and `rate.signup.address` (600/1m)
    pub signup: Limits,
    /// `rate.recover.account` (600/1m) and `rate.recover.address` (600/1m)
    pub recover: Limits,
    /// `rate.account.account` (600/1m) and `rate.account.address` (6000/1m)
    pub account: Limits,
    /// `rate.roles`: by what the limits of an account are multiplied if it has a role (`{ service = 10, trial = 0.5 }`), or `off`. Of
    /// several the most generous counts (none).
    pub roles: RoleAllowances,
    /// `rate.exempt`: networks whose addresses have no limits, nor the accounts that are used from there (this machine:
    /// 127.0.0.0/8, ::1).
    pub exempt: Vec<IpNet>,
}

/// The limits of one endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For each client, or each account, that is known.
    pub known: Option<Quota>,
    /// For each network address.
    pub address: Option<Quota>,
}

impl RateSettings {
    /// The limits of an endpoint.
    pub fn of(&self, endpoint: Endpoint) -> Limits {
        match endpoint {
            Endpoint::Token => self.token,
            Endpoint::Introspection => self.introspect,
            Endpoint::Revocation => self.revoke,
            Endpoint::Userinfo => self.userinfo,
            Endpoint::Registration => self.register,
            Endpoint::Authorization => self.authorize,
            Endpoint::Login => self.login,
            Endpoint::SignUp => self.signup,
            Endpoint::Recovery => self.recover,
            Endpoint::Account => self.account,
        }
    }

    /// Whether an address has no limits.
    pub fn is_exempt(&self, address: IpAddr) -> bool {
        self.exempt.iter().any(|network| network.contains(&address))
    }
}

/// What nobody reaches who does not mean to: a hundred people of one office may sign in within the same second.
const MANY: Rate = Rate(Some(Quota::per_minute(6_000)));
/// For what people do, and for what only causes mails or is always refused.
const SOME: Rate = Rate(Some(Quota::per_minute(600)));
/// For what is done once for an app, and makes us ask others.
const FEW: Rate = Rate(Some(Quota::per_minute(60)));
/// Clients that proved who they are were registered by the operator: how much they need is not for us to guess.
const OFF: Rate = Rate(None);

fn limits(r: &mut Reader, (known, usual): (&'static str, Rate), (address, most): (&'static str, Rate)) -> Limits {
    Limits { known: r.read(known, usual).0, address: r.read(address, most).0 }
}

pub(super) fn read(r: &mut Reader) -> RateSettings {
    let token = limits(r, ("rate.token.client", OFF), ("rate.token.address", MANY));
    let introspect = limits(r, ("rate.introspect.client", OFF), ("rate.introspect.address", SOME));
    let revoke = limits(r, ("rate.revoke.client", OFF), ("rate.revoke.address", MANY));
    let userinfo = limits(r, ("rate.userinfo.client", OFF), ("rate.userinfo.address", MANY));
    let register = Limits { known: None, address: r.read("rate.register.address", FEW).0 };
    let authorize = limits(r, ("rate.authorize.account", SOME), ("rate.authorize.address", MANY));
    let login = limits(r, ("rate.login.account", SOME), ("rate.login.address", MANY));
    let signup = limits(r, ("rate.signup.account", SOME), ("rate.signup.address", SOME));
    let recover = limits(r, ("rate.recover.account", SOME), ("rate.recover.address", SOME));
    let account = limits(r, ("rate.account.account", SOME), ("rate.account.address", MANY));
    let roles = r.read("rate.roles", RoleAllowances::default());
    // Whoever is on this machine does not come through the network; and without `trusted_proxies` a proxy beside us would make one
    // address, with one limit, of everybody.
    let here =
        [IpNet::new_assert(Ipv4Addr::LOCALHOST.into(), 8).trunc(), IpNet::from(IpAddr::from(Ipv6Addr::LOCALHOST))];
    let exempt = r.read("rate.exempt", here.to_vec());
    RateSettings {
        token,
        introspect,
        revoke,
        userinfo,
        register,
        authorize,
        login,
        signup,
        recover,
        account,
        roles,
        exempt,
    }
}

/// A limit, or none.
#[derive(Clone, Copy)]
struct Rate(Option<Quota>);

impl Setting for Rate {
    const EXPECTED: &'static str =
        "so many requests within such a time, up to 10000000 within 1d, such as 600/1m, or `off`";

    fn from_text(text: &str) -> Result<Self, String> {
        let refused = || format!("expected {}", Self::EXPECTED);
        if matches!(text, "" | "off" | "0") {
            return Ok(Self(None));
        }
        let (requests, window) = text.split_once('/').filter(|(_, window)| !window.is_empty()).ok_or_else(refused)?;
        let has_number = window.starts_with(|c: char| c.is_ascii_digit());
        let window = if has_number { window.to_owned() } else { format!("1{window}") };
        let window = Setting::from_text(&window).map_err(|_| refused())?;
        let requests = requests.parse().map_err(|_| refused())?;
        Quota::new(requests, window).map(|quota| Self(Some(quota))).ok_or_else(refused)
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        match value {
            Toml::String(text) => Self::from_text(text),
            Toml::Integer(0) | Toml::Boolean(false) => Ok(Self(None)),
            other => Err(mismatch(Self::EXPECTED, other)),
        }
    }

    fn show(&self) -> Json {
        match self.0 {
            Some(quota) => format!("{}/{}", quota.requests(), describe(quota.window())).into(),
            None => "off".into(),
        }
    }
}

/// In a variable `service=10,trial=0.5,robot=off`.
impl Setting for RoleAllowances {
    const EXPECTED: &'static str = "a table of roles, each with a factor from 0.001 to 1000 or `off`";

    fn from_text(text: &str) -> Result<Self, String> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let entries = entries.map(|entry| {
            let (role, written) = entry.rsplit_once('=')?;
            Some((role.to_owned(), allowance(written)?))
        });
        collect(entries)
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        let Toml::Table(table) = value else { return Err(mismatch(Self::EXPECTED, value)) };
        collect(table.iter().map(|(role, value)| {
            let allowance = match value {
                Toml::Integer(factor) => allowance(&factor.to_string()),
                Toml::Float(factor) => allowance(&factor.to_string()),
                Toml::String(text) => allowance(text),
                Toml::Boolean(_) | Toml::Datetime(_) | Toml::Array(_) | Toml::Table(_) => None,
            };
            Some((role.clone(), allowance?))
        }))
    }

    fn show(&self) -> Json {
        let shown = self.0.iter().map(|(role, allowance)| match allowance {
            Allowance::Unlimited => format!("{role}=off"),
            Allowance::Times(times) => match (times.thousandths() / 1_000, times.thousandths() % 1_000) {
                (whole, 0) => format!("{role}={whole}"),
                (whole, rest) => format!("{role}={whole}.{}", format!("{rest:03}").trim_end_matches('0')),
            },
        });
        shown.collect()
    }
}

fn collect(entries: impl Iterator<Item = Option<(String, Allowance)>>) -> Result<RoleAllowances, String> {
    let valid = entries.map(|entry| entry.filter(|(role, _)| is_role(role)));
    let all: Option<BTreeMap<_, _>> = valid.collect();
    all.map(RoleAllowances).ok_or_else(|| format!("expected {}", RoleAllowances::EXPECTED))
}

/// A factor with up to three decimals, or `off`.
fn allowance(written: &str) -> Option<Allowance> {
    if written == "off" {
        return Some(Allowance::Unlimited);
    }
    let (whole, decimals) = written.split_once('.').unwrap_or((written, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 3 {
        return None;
    }
    let thousandths = format!("{whole}{decimals:0<3}").parse().ok()?;
    Times::from_thousandths(thousandths).map(Allowance::Times)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Settings;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<RateSettings, String> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::parse(text, environment).map(|settings| settings.rate).map_err(|errors| errors.to_string())
    }

    fn quota(requests: u32, seconds: u64) -> Option<Quota> {
        Quota::new(requests, Duration::from_secs(seconds))
    }

    #[test]
    fn a_limit_is_so_many_requests_within_a_time() {
        for (written, expected) in [
            ("'600/1m'", quota(600, 60)),
            ("'600/m'", quota(600, 60)),
            ("'600/60'", quota(600, 60)),
            ("'5/30s'", quota(5, 30)),
            ("'10000000/1d'", quota(10_000_000, 86_400)),
            ("'off'", None),
            ("''", None),
            ("'0'", None),
            ("0", None),
            ("false", None),
        ] {
            let limits = load(&format!("rate.login.address = {written}"), &[]).unwrap().of(Endpoint::Login);
            assert_eq!(limits.address, expected, "{written}");
            assert_eq!(limits.known, quota(600, 60));
        }
        for written in
            ["'600'", "600", "'600/'", "'/m'", "'0/m'", "'-1/m'", "'1/0s'", "'1/2d'", "'10000001/m'", "'1/x'", "true"]
        {
            let message = load(&format!("rate.login.address = {written}"), &[]).unwrap_err();
            assert!(message.starts_with("rate.login.address: expected so many requests"), "{written}: {message}");
        }
        let message = load("rate.login = '5/m'", &[]).unwrap_err();
        assert_eq!(message, "rate.login: expected a table with account, address");
    }

    #[test]
    fn a_role_has_a_factor() {
        let allowance = |text: &str| {
            let roles = load(text, &[]).unwrap().roles;
            roles.of(&["service".to_owned()].into()).of(quota(1_000, 60).unwrap())
        };
        assert_eq!(allowance(""), quota(1_000, 60));
        assert_eq!(allowance("rate.roles.service = 10"), quota(10_000, 60));
        assert_eq!(allowance("[rate.roles]\nservice = 0.5"), quota(500, 60));
        assert_eq!(allowance("rate.roles = { other = 7, service = '1.25' }"), quota(1_250, 60));
        assert_eq!(allowance("rate.roles.service = 'off'"), None);
        for written in ["0", "-1", "1001", "0.0001", "'x'", "''", "true", "[1]", "nan", "1e9"] {
            let message = load(&format!("rate.roles.service = {written}"), &[]).unwrap_err();
            assert!(message.starts_with("rate.roles: expected a table of roles"), "{written}: {message}");
        }
        assert!(load("rate.roles.'two words' = 2", &[]).is_err());
        assert!(load("rate.roles = 2", &[]).unwrap_err().contains("found a number"));

        let variable = ("COUNTERSIGN_RATE__ROLES", "service=10, trial=0.5,robot=off");
        let settings = Settings::parse("", [(variable.0.to_owned(), variable.1.to_owned())]).unwrap();
        let shown = settings.effective().iter().find(|effective| effective.key == "rate.roles").unwrap().shown();
        assert_eq!(shown, "robot=off, service=10, trial=0.5");
    }

    #[test]
    fn this_machine_alone_is_exempt_by_default() {
        let rate = load("", &[]).unwrap();
        let is_exempt = |rate: &RateSettings, address: &str| rate.is_exempt(address.parse().unwrap());
        assert!(is_exempt(&rate, "127.0.0.1") && is_exempt(&rate, "127.9.9.9") && is_exempt(&rate, "::1"));
        assert!(!is_exempt(&rate, "10.0.0.1") && !is_exempt(&rate, "::2"));
        let rate = load("rate.exempt = ['10.0.0.0/8']", &[]).unwrap();
        assert!(is_exempt(&rate, "10.0.0.1") && !is_exempt(&rate, "127.0.0.1"));
    }
}
