//! Sessions: how they begin, and what ends with them.

use chrono::{DateTime, Utc};
use countersign_types::SessionId;

use super::{
    Device, Proof,
    device::{self, Recognised},
};
use crate::{
    app::App,
    domain::{
        event::{AuditEntry, Event},
        session::{Session, SessionEnd},
        token::Secret,
        user::User,
    },
    store::{StoreError, Tx, account, audit, credential, device as devices, link, revocation, session},
};

/// A session that has just begun, and what the browser must keep of it.
#[derive(Debug)]
pub struct SignedIn {
    /// The session.
    pub session: Session,
    /// Its cookie. Nobody had it before.
    pub cookie: Secret,
    /// The cookie by which the browser is known when the session is over.
    pub device: Secret,
}

/// Signs a person in on this device. A new cookie every time, so that a planted one is worth nothing.
///
/// `present` is the session that this browser has: it goes on for the same person, and ends for another. `None`, and nothing
/// happens, if the password was changed or the account disabled since the proof.
pub async fn begin(
    app: &App,
    tx: &mut Tx,
    proof: &Proof,
    present: Option<Session>,
    device: &Device,
) -> Result<Option<SignedIn>, StoreError> {
    // Whoever changes either must wait for this transaction, and then finds its session.
    if !account::hold_enabled(tx, &proof.user.id).await?
        || !credential::hold_password(tx, &proof.user.id, proof.password).await?
    {
        return Ok(None);
    }
    let cookie = app.random.secret();
    let Recognised { id, cookie: device_cookie } = device::recognise(app, tx, &proof.user.id, device, proof.at).await?;
    // One that ended a moment ago does not come back to life.
    let present = match present {
        Some(present) if session::touch(tx, &present.id, proof.at).await? => Some(present),
        _ => None,
    };
    let session = match present {
        Some(present) if present.user == proof.user.id => {
            let session = Session {
                auth_time: proof.at,
                acr: proof.acr.to_owned(),
                amr: proof.amr.clone(),
                device: Some(id),
                address: device.address.to_string(),
                last_seen: proof.at,
                ..present
            };
            session::reauthenticate(tx, &session, &cookie.digest()).await?;
            session
        }
        other => {
            if let Some(other) = other {
                end(app, tx, &other, SessionEnd::Replaced, device, proof.at).await?;
            }
            let session = Session {
                id: SessionId::new(app.random.id()),
                user: proof.user.id.clone(),
                auth_time: proof.at,
                acr: proof.acr.to_owned(),
                amr: proof.amr.clone(),
                label: device.label(),
                device: Some(id),
                address: device.address.to_string(),
                created_at: proof.at,
                last_seen: proof.at,
            };
            session::insert(tx, &session, &cookie.digest()).await?;
            session
        }
    };
    let event = Event::LoginSucceeded { amr: session.amr.clone() };
    let entry = AuditEntry::new(event).user(&session.user).session(&session.id).personal(device.personal());
    audit::record(tx, &entry, proof.at).await?;
    Ok(Some(SignedIn { session, cookie, device: device_cookie }))
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
    audit::record(tx, &entry.user(&ended.user).session(&ended.id), now).await
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
    devices::forget_second_factors(tx, &kept.user).await?;
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
    devices::forget_second_factors(tx, &user.id).await?;
    // Grants whose session ended earlier live on by offline_access.
    revocation::revoke_grants_of_user(tx, &user.id, now).await
}
