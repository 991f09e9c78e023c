//! From where people sign in: network address, browser, and the cookie that tells one browser from another for longer than
//! any session lasts.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use countersign_types::UserId;

use super::session::SignedIn;
use crate::{
    app::App,
    domain::{
        device::{self, DeviceId},
        event::{AuditEntry, Event, Personal},
        token::Secret,
    },
    store::{StoreError, Tx, audit, device as devices},
};

/// From where a request comes.
#[derive(Clone)]
pub struct Device {
    /// The network address of the person's side.
    pub address: IpAddr,
    /// What the browser calls itself, shortened.
    pub user_agent: String,
    /// The tag of the language that it asks for.
    pub language: &'static str,
    /// The cookie that it was given at an earlier sign-in of anybody, or that somebody made up.
    pub cookie: Option<Secret>,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl Device {
    /// What the audit trail keeps of it.
    pub fn personal(&self) -> Personal {
        Personal {
            address: Some(self.address.to_string()),
            user_agent: (!self.user_agent.is_empty()).then(|| self.user_agent.clone()),
        }
    }

    /// What to call it.
    pub fn label(&self) -> String {
        device::label(&self.user_agent)
    }

    /// Under what many are throttled together.
    pub fn site(&self) -> Option<String> {
        site(self.address)
    }

    /// Under what it is throttled.
    pub fn network(&self) -> String {
        network(self.address)
    }
}

/// The /48 that a whole site usually has, of IPv6 alone.
pub fn site(address: IpAddr) -> Option<String> {
    match address.to_canonical() {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            Some(format!("{a:x}:{b:x}:{c:x}::/48"))
        }
    }
}

/// One IPv4 address, or the /64 of which a single line usually has all.
pub fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// One of a person's devices, and the cookie by which it is known from now on.
#[derive(Debug)]
pub(super) struct Recognised {
    pub(super) id: DeviceId,
    pub(super) cookie: Secret,
    /// Whether its owner should hear of it: it is new, and not the first that they have.
    pub(super) is_news: bool,
}

/// Whether a person chose to trust this device, and that still counts.
pub(super) async fn is_trusted(
    app: &App,
    tx: &mut Tx,
    user: &UserId,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let Some(cookie) = device.cookie.as_ref().filter(|_| may_be_trusted(app)) else { return Ok(false) };
    match devices::find(tx, user, &cookie.digest()).await? {
        Some(found) => devices::is_trusted(tx, &found, now).await,
        None => Ok(false),
    }
}

/// Whether people may trust devices at all.
pub fn may_be_trusted(app: &App) -> bool {
    !app.settings.second_factor.remember.is_zero()
}

/// Lets the device of a sign-in stand in for its person's second factor, if that is allowed.
pub(super) async fn trust(
    app: &App,
    tx: &mut Tx,
    signed_in: &mut SignedIn,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let Some(id) = signed_in.session.device.as_ref().filter(|_| may_be_trusted(app)) else { return Ok(()) };
    // Its cookie is worth more now, and so it is one that nobody had before.
    let fresh = app.random.secret();
    devices::change_cookie(tx, &signed_in.device.digest(), &fresh.digest()).await?;
    devices::trust(tx, id, now + app.settings.second_factor.remember).await?;
    signed_in.device = fresh;
    let entry = AuditEntry::new(Event::DeviceTrusted).user(&signed_in.session.user).session(&signed_in.session.id);
    audit::record(tx, &entry.personal(device.personal()), now).await
}

/// Which of a person's own devices this is, if they signed in on it by the password that they have. Nobody has none, after the same work.
pub(super) async fn own(tx: &mut Tx, user: Option<&UserId>, device: &Device) -> Result<Option<DeviceId>, StoreError> {
    let Some(cookie) = &device.cookie else { return Ok(None) };
    let nobody = UserId::new("");
    devices::find_own(tx, user.unwrap_or(&nobody), &cookie.digest()).await
}

/// Notes that a person signs in, or chooses a password, on this device.
pub(super) async fn recognise(
    app: &App,
    tx: &mut Tx,
    user: &UserId,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<Recognised, StoreError> {
    let cookie = match &device.cookie {
        Some(cookie) if devices::find(tx, user, &cookie.digest()).await?.is_some() => cookie.clone(),
        // Of a browser that others sign in on, too, who may have a copy: it must not name this person's device.
        Some(cookie) if devices::is_known(tx, &cookie.digest()).await? => {
            let fresh = app.random.secret();
            devices::change_cookie(tx, &cookie.digest(), &fresh.digest()).await?;
            fresh
        }
        // One that nobody has signed in with was not made here, or long ago: it may have been planted.
        Some(_) | None => app.random.secret(),
    };
    let fresh = DeviceId::new(app.random.id());
    let seen = devices::See { user, cookie: &cookie.digest(), label: &device.label(), language: device.language };
    let id = devices::see(tx, &fresh, &seen, now).await?;
    let is_news = id == fresh && devices::has_other(tx, user, &id).await?;
    Ok(Recognised { id, cookie, is_news })
}
