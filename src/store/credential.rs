//! What people prove who they are with.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use countersign_types::UserId;

use super::{StoreError, Tx};
use crate::domain::credential::{CredentialKind, CredentialVersion, PasswordCredential};

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
