//! Sessions: how they begin, which of a browser's is the present one, and what ends with them.

use chrono::{DateTime, Utc};
use countersign_types::SessionId;

use super::{
    Device, Proof,
    device::{self, Recognised},
    logout,
    mail::{self, Recipient},
    second_factor,
};
use crate::{
    app::App,
    domain::{
        accounts::{Accounts, Arrival, Manner},
        event::{AuditEntry, Event},
        mail::Mail,
        second_factor::{Factor, Next, Shown, Strength, next},
        session::{Session, SessionEnd},
        token::Secret,
        user::User,
    },
    store::{StoreError, Tx, account, audit, backup, credential, device as devices, link, revocation, session},
};

/// A session that has just begun, and what the browser must keep of it.
#[derive(Debug)]
pub struct SignedIn {
    /// The session.
    pub session: Session,
    /// Its cookie. Nobody had it before.
    pub cookie: Secret,
    /// The cookies of those that stay beside it, new as well; `None` where they are as they were.
    pub beside: Option<Vec<Secret>>,
    /// The cookie by which the browser is known when the session is over.
    pub device: Secret,
}

/// What a proof came to.
#[derive(Debug)]
pub enum Begun {
    /// A session.
    SignedIn(Box<SignedIn>),
    /// Nothing yet: the person must give a code of their second factor.
    AskCode,
    /// Nothing yet: the person must set up a second factor.
    Enrol,
    /// Nothing: the password was changed or the account disabled since the proof.
    Void,
}

/// Signs a person in on this device, if no second factor is missing. A new cookie every time, so that a planted one is worth
/// nothing. Every way to a session leads through here.
///
/// `accounts` are those of this browser: the person's own goes on, and what becomes of the others depends on the manner.
pub async fn begin(
    app: &App,
    tx: &mut Tx,
    proof: &Proof,
    (accounts, manner): (Accounts, Manner),
    device: &Device,
) -> Result<Begun, StoreError> {
    // Whoever changes either must wait for this transaction, and then finds its session.
    if !account::hold_enabled(tx, &proof.user.id).await?
        || !credential::hold_password(tx, &proof.user.id, proof.password).await?
    {
        return Ok(Begun::Void);
    }
    let Arrival { own, beside, expired, ended } = accounts.arrive(&proof.user.id, manner);
    // One that ended a moment ago does not come back to life.
    let own = match own {
        Some(own) if session::touch(tx, &own.id, proof.at).await? => Some(own),
        _ => None,
    };
    let shown = match proof.shown {
        // Whoever is signed in and proves it anew is asked for all of it, whatever the device.
        Shown::Nothing if own.is_some() => Shown::NothingYet,
        shown => shown,
    };
    let strength = match next(shown, second_factor::standing(app, tx, &proof.user, device, proof.at).await?) {
        Next::Begin(strength) => strength,
        Next::AskCode => return Ok(Begun::AskCode),
        Next::Enrol => return Ok(Begun::Enrol),
    };
    let Recognised { id, cookie: device_cookie, is_news } =
        device::recognise(app, tx, &proof.user.id, device, proof.at).await?;
    if is_news {
        let (label, address) = (device.label(), device.address.to_string());
        let news = Mail::NewDevice { label, address, at: proof.at };
        let owner = Recipient::of(tx, &proof.user).await?;
        mail::queue(app, tx, &owner, &news, proof.at).await?;
    }
    let cookie = app.random.secret();
    let proven = Session {
        id: SessionId::new(app.random.id()),
        user: proof.user.id.clone(),
        auth_time: proof.password_at,
        acr: strength.acr().to_owned(),
        amr: words(strength.amr()),
        label: device.label(),
        device: Some(id),
        address: device.address.to_string(),
        created_at: proof.at,
        last_seen: proof.at,
    };
    for (other, reason) in &ended {
        end(app, tx, other, *reason, device, proof.at).await?;
    }
    let session = if let Some(Session { id, label, created_at, .. }) = own {
        let session = Session { id, label, created_at, ..proven };
        session::reauthenticate(tx, &session, &cookie.digest()).await?;
        session
    } else {
        session::insert(tx, &proven, &cookie.digest()).await?;
        end_surplus(app, tx, &proven, device).await?;
        proven
    };
    let beside = Some(renew_cookies(app, tx, beside.iter().chain(&expired)).await?);
    record_success(tx, &session, device, proof.at).await?;
    Ok(Begun::SignedIn(Box::new(SignedIn { session, cookie, beside, device: device_cookie })))
}

/// The cookies of a browser whose present account is another one now. Nobody had them before.
#[derive(Debug)]
pub struct Switched {
    /// That of the present one.
    pub cookie: Secret,
    /// Those of the others.
    pub beside: Vec<Secret>,
}

/// Makes an account that is signed in on a browser the present one there; nothing if it is not signed in there, or ended a moment
/// ago. Nothing is proven by it: when and how its person signed in stays as it is.
pub async fn switch(
    app: &App,
    tx: &mut Tx,
    (accounts, chosen): (Accounts, &SessionId),
    device: &Device,
    now: DateTime<Utc>,
) -> Result<Option<Switched>, StoreError> {
    let Some(Session { user, .. }) = accounts.find(chosen).cloned() else { return Ok(None) };
    let is_another = accounts.present.as_ref().is_none_or(|present| present.id != *chosen);
    let Arrival { beside, expired, .. } = accounts.arrive(&user, Manner::Beside);
    if !account::hold_enabled(tx, &user).await? || !session::touch(tx, chosen, now).await? {
        return Ok(None);
    }
    let cookie = app.random.secret();
    session::change_cookie(tx, chosen, &cookie.digest()).await?;
    let beside = renew_cookies(app, tx, beside.iter().chain(&expired)).await?;
    if is_another {
        let entry = AuditEntry::new(Event::SessionChosen).user(&user).session(chosen).personal(device.personal());
        audit::record(tx, &entry, now).await?;
    }
    Ok(Some(Switched { cookie, beside }))
}

/// New cookies for sessions of a browser, so that a copy of the old ones opens nothing any more.
async fn renew_cookies(
    app: &App,
    tx: &mut Tx,
    sessions: impl Iterator<Item = &Session>,
) -> Result<Vec<Secret>, StoreError> {
    let mut cookies = Vec::new();
    for session in sessions {
        let cookie = app.random.secret();
        session::change_cookie(tx, &session.id, &cookie.digest()).await?;
        cookies.push(cookie);
    }
    Ok(cookies)
}

/// Signs every account of a browser out.
pub async fn end_together(
    app: &App,
    tx: &mut Tx,
    accounts: &Accounts,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for session in accounts.live() {
        end(app, tx, session, SessionEnd::Logout, device, now).await?;
    }
    Ok(())
}

/// Makes a session as strong as a sign-in with this factor, under a new cookie; nothing if it ended meanwhile. When the password
/// was given stays as it is: a code alone makes no sign-in fresh.
pub(super) async fn strengthen(
    app: &App,
    tx: &mut Tx,
    session: &Session,
    factor: Factor,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<Option<SignedIn>, StoreError> {
    if !session::touch(tx, &session.id, now).await? {
        return Ok(None);
    }
    let Recognised { id, cookie: device_cookie, .. } = device::recognise(app, tx, &session.user, device, now).await?;
    let (cookie, strength) = (app.random.secret(), Strength::SecondFactor(factor));
    let session = Session {
        acr: strength.acr().to_owned(),
        amr: words(strength.amr()),
        device: Some(id),
        address: device.address.to_string(),
        last_seen: now,
        ..session.clone()
    };
    session::reauthenticate(tx, &session, &cookie.digest()).await?;
    record_success(tx, &session, device, now).await?;
    Ok(Some(SignedIn { session, cookie, beside: None, device: device_cookie }))
}

fn words(amr: &[&str]) -> Vec<String> {
    amr.iter().map(|word| (*word).to_owned()).collect()
}

async fn record_success(tx: &mut Tx, session: &Session, device: &Device, now: DateTime<Utc>) -> Result<(), StoreError> {
    let event = Event::LoginSucceeded { amr: session.amr.clone() };
    let entry = AuditEntry::new(event).user(&session.user).session(&session.id).personal(device.personal());
    audit::record(tx, &entry, now).await
}

/// Ends what a person was signed in to on other devices the longest ago, if this sign-in is one too many.
async fn end_surplus(app: &App, tx: &mut Tx, new: &Session, device: &Device) -> Result<(), StoreError> {
    let (lifetimes, now) = (app.session_lifetimes(), new.created_at);
    let mut others = session::of_user(tx, &new.user).await?;
    others.retain(|other| other.id != new.id && other.is_live(&lifetimes, now));
    others.sort_by_key(|other| other.last_seen);
    let surplus = (others.len() + 1).saturating_sub(app.settings.sessions.limit);
    for other in others.iter().take(surplus) {
        end(app, tx, other, SessionEnd::TooMany, device, now).await?;
    }
    Ok(())
}

/// What a person ends of what they are signed in to.
#[derive(Debug)]
pub enum Ended<'a> {
    /// This session, if it is theirs.
    One(&'a SessionId),
    /// Every one but that at which they sit.
    Others,
}

/// Ends what a person is signed in to, and what outlived earlier sign-ins on the same devices; the devices are not trusted any more.
/// `by` is the session at which they sit: if it is over meanwhile, nothing happens. Whether it counted.
pub async fn end_devices(
    app: &App,
    tx: &mut Tx,
    ended: Ended<'_>,
    by: &Session,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    // Of two who end each other, one is first; and nobody signs in meanwhile.
    if !account::hold_enabled(tx, &by.user).await? || !session::touch(tx, &by.id, now).await? {
        return Ok(false);
    }
    let mut live = session::of_user(tx, &by.user).await?;
    live.retain(|live| match ended {
        Ended::One(id) => live.id == *id,
        Ended::Others => live.id != by.id,
    });
    let until = now + app.settings.lifetimes.refresh_absolute;
    for live in live {
        end(app, tx, &live, SessionEnd::DeviceEnded, device, now).await?;
        // An older sign-in on the very device that the person sits at says nothing against the device.
        if let Some(id) = live.device.as_ref().filter(|id| by.id == live.id || by.device.as_ref() != Some(*id)) {
            revocation::revoke_ended_sessions_of_device(tx, id, now, until).await?;
            devices::disown(tx, id).await?;
        }
    }
    Ok(true)
}

/// Ends a session and what hangs on it. Nothing happens, and nothing is recorded, if it had ended already.
pub async fn end(
    app: &App,
    tx: &mut Tx,
    ended: &Session,
    reason: SessionEnd,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    end_quietly(
        app,
        tx,
        ended,
        reason,
        AuditEntry::new(Event::SessionEnded { reason }).personal(device.personal()),
        now,
    )
    .await
}

/// Ends a session where nobody is there: by a job or an operator.
pub async fn end_unattended(
    app: &App,
    tx: &mut Tx,
    ended: &Session,
    reason: SessionEnd,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    end_quietly(app, tx, ended, reason, AuditEntry::new(Event::SessionEnded { reason }), now).await
}

async fn end_quietly(
    app: &App,
    tx: &mut Tx,
    ended: &Session,
    reason: SessionEnd,
    entry: AuditEntry,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if !session::end(tx, &ended.id, now).await? {
        return Ok(());
    }
    if reason.ends_offline_grants() {
        let until = now + app.settings.lifetimes.refresh_absolute;
        revocation::revoke(tx, revocation::Revoked::Session(&ended.id), now, until).await?;
    } else {
        revocation::revoke_session_bound_grants(tx, &ended.id, now).await?;
    }
    logout::notify(tx, &ended.user, &ended.id, now).await?;
    audit::record(tx, &entry.user(&ended.user).session(&ended.id), now).await
}

/// Ends all that anybody is signed in to, and everything that was granted.
pub async fn end_everything(tx: &mut Tx, now: DateTime<Utc>) -> Result<(), StoreError> {
    let live = session::of_everybody(tx).await?;
    backup::end_what_may_be_over(tx, now).await?;
    for (ended, _) in live {
        logout::notify(tx, &ended.user, &ended.id, now).await?;
    }
    Ok(())
}

/// Ends what a person is signed in to elsewhere, and everything that was granted, here too. Their devices are trusted no more
/// than their links.
pub async fn end_others(
    app: &App,
    tx: &mut Tx,
    kept: &Session,
    reason: SessionEnd,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for live in session::of_user(tx, &kept.user).await?.iter().filter(|live| live.id != kept.id) {
        end_unattended(app, tx, live, reason, now).await?;
    }
    link::forget(tx, &kept.user).await?;
    devices::disown_all(tx, &kept.user, kept.device.as_ref()).await?;
    revocation::revoke_grants_of_user(tx, &kept.user, now).await
}

/// Ends everything that a person is signed in to, offline grants included, and trusts none of their devices any more. Links on
/// their way to them are dead too: one may have been the reason.
pub async fn end_all(
    app: &App,
    tx: &mut Tx,
    user: &User,
    reason: SessionEnd,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for live in session::of_user(tx, &user.id).await? {
        end_unattended(app, tx, &live, reason, now).await?;
    }
    link::forget(tx, &user.id).await?;
    devices::disown_all(tx, &user.id, None).await?;
    // Grants whose session ended earlier live on by offline_access.
    revocation::revoke_grants_of_user(tx, &user.id, now).await
}
