//! What people prove who they are with.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use chrono::{DateTime, Utc};
use countersign_types::UserId;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use super::{StoreError, Tx};
use crate::domain::{
    credential::{CredentialKind, CredentialVersion, PasswordCredential},
    totp::{Step, TotpSecret},
};

/// The password of an account, hashed, if it has one, and which one it is.
pub async fn find_password(
    tx: &mut Tx,
    user: &UserId,
) -> Result<Option<(PasswordCredential, CredentialVersion)>, StoreError> {
    let row: Option<(String, i64)> = fetch_optional!(
        tx,
        "SELECT secret, version FROM credential WHERE user_id = $1 AND kind = $2",
        user.as_str(),
        CredentialKind::Password.as_str(),
    )?;
    Ok(row.map(|(phc, version)| (PasswordCredential { user: user.clone(), phc }, CredentialVersion(version))))
}

/// The password hash of the account at this place in the order of their ids, or of the next one after it; the last is followed by
/// the first. `None` where no account has a password.
pub async fn stand_in(tx: &mut Tx, place: &str) -> Result<Option<String>, StoreError> {
    let kind = CredentialKind::Password.as_str();
    let next: Option<(String,)> = fetch_optional!(
        tx,
        "SELECT secret FROM credential WHERE kind = $1 AND user_id >= $2 ORDER BY user_id LIMIT 1",
        kind,
        place,
    )?;
    let first = match next {
        Some(next) => Some(next),
        None => fetch_optional!(tx, "SELECT secret FROM credential WHERE kind = $1 ORDER BY user_id LIMIT 1", kind)?,
    };
    Ok(first.map(|(hash,)| hash))
}

/// Keeps a password from being changed until this transaction ends. `false` when it is not this one any more.
pub async fn hold_password(tx: &mut Tx, user: &UserId, version: CredentialVersion) -> Result<bool, StoreError> {
    let held = execute!(
        tx,
        "UPDATE credential SET version = version WHERE user_id = $1 AND kind = $2 AND version = $3",
        user.as_str(),
        CredentialKind::Password.as_str(),
        version.0,
    )?;
    Ok(held == 1)
}

/// Sets the password of an account: which one it is now.
pub async fn set_password(
    tx: &mut Tx,
    password: &PasswordCredential,
    now: DateTime<Utc>,
) -> Result<CredentialVersion, StoreError> {
    let (version,): (i64,) = fetch_one!(
        tx,
        "INSERT INTO credential (user_id, kind, params, secret, version, created_at, updated_at)
         VALUES ($1, $2, '{}', $3, 1, $4, $4)
         ON CONFLICT (user_id, kind)
         DO UPDATE SET secret = excluded.secret, version = credential.version + 1, updated_at = excluded.updated_at
         RETURNING version",
        password.user.as_str(),
        CredentialKind::Password.as_str(),
        &password.phc,
        now,
    )?;
    Ok(CredentialVersion(version))
}

/// Stores another hash of the same password, unless it was changed meanwhile.
pub async fn replace_hash(
    tx: &mut Tx,
    password: &PasswordCredential,
    version: CredentialVersion,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    execute!(
        tx,
        "UPDATE credential SET secret = $4, updated_at = $5 WHERE user_id = $1 AND kind = $2 AND version = $3",
        password.user.as_str(),
        CredentialKind::Password.as_str(),
        version.0,
        &password.phc,
        now,
    )?;
    Ok(())
}

/// The password hash of everybody who has one.
pub async fn all_passwords(tx: &mut Tx) -> Result<BTreeMap<UserId, String>, StoreError> {
    let rows: Vec<(String, String)> =
        fetch_all!(tx, "SELECT user_id, secret FROM credential WHERE kind = $1", CredentialKind::Password.as_str())?;
    Ok(rows.into_iter().map(|(user, hash)| (UserId::new(user), hash)).collect())
}

/// What an authenticator app and we share, and how far it has been used.
#[derive(Clone, Debug)]
pub struct StoredTotp {
    /// The secret.
    pub secret: TotpSecret,
    /// The step of the last code that was accepted.
    pub last: Step,
    /// Which state of it this is: it grows with every code that is accepted.
    pub version: CredentialVersion,
    /// When it was set up.
    pub created_at: DateTime<Utc>,
}

#[derive(Serialize, Deserialize)]
struct TotpParams {
    last_step: Step,
}

/// The authenticator app of an account, if it has one.
pub async fn find_totp(tx: &mut Tx, user: &UserId) -> Result<Option<StoredTotp>, StoreError> {
    let row: Option<(Json<TotpParams>, String, i64, DateTime<Utc>)> = fetch_optional!(
        tx,
        "SELECT params, secret, version, created_at FROM credential WHERE user_id = $1 AND kind = $2",
        user.as_str(),
        CredentialKind::Totp.as_str(),
    )?;
    let Some((Json(params), sealed, version, created_at)) = row else { return Ok(None) };
    let corrupt = |problem| StoreError::corrupt("credential", problem);
    let sealed = STANDARD_NO_PAD.decode(sealed).map_err(|_| corrupt("a secret is not base64"))?;
    let secret = tx.inner().second_factors.open(&sealed, user.as_str().as_bytes())?;
    let secret = TotpSecret::new(secret.try_into().map_err(|_| corrupt("a secret of wrong length"))?);
    Ok(Some(StoredTotp { secret, last: params.last_step, version: CredentialVersion(version), created_at }))
}

fn seal_totp(tx: &Tx, user: &UserId, secret: &TotpSecret) -> String {
    let inner = tx.inner();
    STANDARD_NO_PAD.encode(inner.second_factors.seal(secret.as_bytes(), user.as_str().as_bytes(), &inner.random))
}

/// Gives an account its authenticator app. `accepted` is the step of the code that proved it. `false` when it has one.
pub async fn add_totp(
    tx: &mut Tx,
    user: &UserId,
    secret: &TotpSecret,
    accepted: Step,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let sealed = seal_totp(tx, user, secret);
    let added = execute!(
        tx,
        "INSERT INTO credential (user_id, kind, params, secret, version, created_at, updated_at)
         VALUES ($1, $2, $3, $4, 1, $5, $5)
         ON CONFLICT (user_id, kind) DO NOTHING",
        user.as_str(),
        CredentialKind::Totp.as_str(),
        Json(TotpParams { last_step: accepted }),
        sealed,
        now,
    )?;
    Ok(added == 1)
}

/// Gives an account an authenticator app, in place of the one that it had. `accepted` is the step of the code that proved it.
pub async fn set_totp(
    tx: &mut Tx,
    user: &UserId,
    secret: &TotpSecret,
    accepted: Step,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let sealed = seal_totp(tx, user, secret);
    execute!(
        tx,
        "INSERT INTO credential (user_id, kind, params, secret, version, created_at, updated_at)
         VALUES ($1, $2, $3, $4, 1, $5, $5)
         ON CONFLICT (user_id, kind)
         DO UPDATE SET params = excluded.params, secret = excluded.secret, version = credential.version + 1,
             created_at = excluded.created_at, updated_at = excluded.updated_at",
        user.as_str(),
        CredentialKind::Totp.as_str(),
        Json(TotpParams { last_step: accepted }),
        sealed,
        now,
    )?;
    Ok(())
}

/// Spends a step: of any number of tries at once with codes of the same state, one alone gets `true`.
pub async fn spend_totp(
    tx: &mut Tx,
    user: &UserId,
    version: CredentialVersion,
    accepted: Step,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let spent = execute!(
        tx,
        "UPDATE credential SET params = $4, version = version + 1, updated_at = $5
         WHERE user_id = $1 AND kind = $2 AND version = $3",
        user.as_str(),
        CredentialKind::Totp.as_str(),
        version.0,
        Json(TotpParams { last_step: accepted }),
        now,
    )?;
    Ok(spent == 1)
}

/// Takes the authenticator app from an account. `false` when it had none.
pub async fn remove_totp(tx: &mut Tx, user: &UserId) -> Result<bool, StoreError> {
    let removed = execute!(
        tx,
        "DELETE FROM credential WHERE user_id = $1 AND kind = $2",
        user.as_str(),
        CredentialKind::Totp.as_str(),
    )?;
    Ok(removed == 1)
}
