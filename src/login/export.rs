//! All that is stored of a person, for themselves.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Device;
use crate::{
    app::App,
    domain::{
        event::{AuditEntry, Event},
        session::Session,
        user::User,
    },
    store::{
        StoreError, Tx, audit, consent, credential, device as devices, person_grant, recovery_code, session as sessions,
    },
};

/// Rows of the audit trail that are read at once.
const CHUNK: i64 = 1_000;

/// All that is stored of a person as JSON, without what they or we prove anything with. That they got it is recorded, and is the
/// last thing in it.
pub async fn export(
    app: &App,
    by: &Session,
    user: &User,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<Value, StoreError> {
    let mut tx = app.store.write().await?;
    let entry = AuditEntry::new(Event::DataExported).user(&user.id).session(&by.id).personal(device.personal());
    audit::record(&mut tx, &entry, now).await?;
    tx.commit().await?;

    let mut tx = app.store.read().await?;
    Ok(json!({
        "exported_at": now,
        "issuer": app.settings.issuer.as_str(),
        "account": account(user),
        "second_factor": second_factor(&mut tx, user).await?,
        "devices": devices_of(&mut tx, user).await?,
        "sessions": sessions_of(&mut tx, user).await?,
        "consents": consents(&mut tx, user).await?,
        "grants": grants(app, &mut tx, user, now).await?,
        "activity": activity(&mut tx, user).await?,
    }))
}

fn account(user: &User) -> Value {
    json!({
        "id": user.id,
        "email": user.email,
        "email_verified": user.email_verified,
        "username": user.username,
        "claims": user.claims,
        "roles": user.roles,
        "second_factor_required": user.second_factor_required,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
    })
}

async fn second_factor(tx: &mut Tx, user: &User) -> Result<Value, StoreError> {
    let Some(totp) = credential::find_totp(tx, &user.id).await? else { return Ok(Value::Null) };
    let left = recovery_code::count_unused(tx, &user.id).await?;
    Ok(json!({ "since": totp.created_at, "recovery_codes_left": left }))
}

async fn devices_of(tx: &mut Tx, user: &User) -> Result<Vec<Value>, StoreError> {
    let of_user = devices::of_user(tx, &user.id).await?;
    let to_json = |device: devices::Seen| {
        json!({
            "device": device.label,
            "first_seen": device.first_seen,
            "last_seen": device.last_seen,
            "second_factor_not_asked_until": device.second_factor_until,
        })
    };
    Ok(of_user.into_iter().map(to_json).collect())
}

async fn sessions_of(tx: &mut Tx, user: &User) -> Result<Vec<Value>, StoreError> {
    let to_json = |session: Session| {
        json!({
            "sid": session.id,
            "device": session.label,
            "address": session.address,
            "acr": session.acr,
            "amr": session.amr,
            "auth_time": session.auth_time,
            "created_at": session.created_at,
            "last_seen": session.last_seen,
        })
    };
    Ok(sessions::of_user(tx, &user.id).await?.into_iter().map(to_json).collect())
}

async fn consents(tx: &mut Tx, user: &User) -> Result<Vec<Value>, StoreError> {
    let of_user = consent::of_user(tx, &user.id).await?;
    let to_json = |(client, consent): (_, crate::domain::authorization::Consent)| json!({ "client_id": client, "scope": consent.scope, "granted_at": consent.granted_at });
    Ok(of_user.into_iter().map(to_json).collect())
}

async fn grants(app: &App, tx: &mut Tx, user: &User, now: DateTime<Utc>) -> Result<Vec<Value>, StoreError> {
    let held = person_grant::held_of_user(tx, &user.id, &app.session_lifetimes(), now).await?;
    let to_json = |person_grant::HeldGrant { grant, person, used_at }| {
        json!({
            "client_id": grant.client,
            "scope": grant.scope,
            "sid": person.session,
            "created_at": person.created_at,
            "last_used": used_at,
            "ends_at": person.ends_at,
        })
    };
    Ok(held.into_iter().map(to_json).collect())
}

async fn activity(tx: &mut Tx, user: &User) -> Result<Vec<Value>, StoreError> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let records = audit::of_user_after(tx, &user.id, after, CHUNK).await?;
        let Some(last) = records.last() else { return Ok(all) };
        after = last.id;
        all.extend(records.into_iter().map(|record| {
            let personal = record.personal.unwrap_or_default();
            json!({
                "at": record.at,
                "event": record.kind,
                "client_id": record.client,
                "sid": record.session,
                "detail": serde_json::from_str::<Value>(&record.detail).unwrap_or_default(),
                "address": personal.address,
                "user_agent": personal.user_agent,
            })
        }));
    }
}
