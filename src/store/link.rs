//! Single-use links.

use chrono::{DateTime, Utc};
use countersign_types::UserId;

use super::{StoreError, Tx};
use crate::domain::token::Digest;

/// What a link lets its holder do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkPurpose {
    /// Make the first administrator.
    FirstAdministrator,
    /// Choose the password of this account.
    ChoosePassword(UserId),
}

impl LinkPurpose {
    /// As it stands in the database and the audit trail.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::FirstAdministrator => "first_administrator",
            Self::ChoosePassword(_) => "choose_password",
        }
    }

    fn user(&self) -> Option<&str> {
        match self {
            Self::FirstAdministrator => None,
            Self::ChoosePassword(user) => Some(user.as_str()),
        }
    }
}

/// Stores a link. Older unused ones for the same purpose stop working.
pub async fn insert(
    tx: &mut Tx,
    digest: &Digest,
    purpose: &LinkPurpose,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    execute!(
        tx,
        "DELETE FROM link WHERE purpose = $1 AND used_at IS NULL AND (user_id = $2 OR (user_id IS NULL AND $2 IS NULL))",
        purpose.as_str(),
        purpose.user(),
    )?;
    execute!(
        tx,
        "INSERT INTO link (digest, purpose, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
        digest.as_bytes(),
        purpose.as_str(),
        purpose.user(),
        now,
        expires_at,
    )?;
    Ok(())
}

/// What an unused link that has not expired is for.
pub async fn find(tx: &mut Tx, digest: &Digest, now: DateTime<Utc>) -> Result<Option<LinkPurpose>, StoreError> {
    let row: Option<(String, Option<String>)> = fetch_optional!(
        tx,
        "SELECT purpose, user_id FROM link WHERE digest = $1 AND used_at IS NULL AND expires_at > $2",
        digest.as_bytes(),
        now,
    )?;
    row.map(|row| purpose(&row)).transpose()
}

/// Spends a link: of any number of tries at once, one alone gets an answer.
pub async fn spend(tx: &mut Tx, digest: &Digest, now: DateTime<Utc>) -> Result<Option<LinkPurpose>, StoreError> {
    let row: Option<(String, Option<String>)> = fetch_optional!(
        tx,
        "UPDATE link SET used_at = $2 WHERE digest = $1 AND used_at IS NULL AND expires_at > $2 RETURNING purpose, user_id",
        digest.as_bytes(),
        now,
    )?;
    row.map(|row| purpose(&row)).transpose()
}

/// Removes the unused links of an account: whoever has one of them has no use for it any more.
pub async fn forget(tx: &mut Tx, user: &UserId) -> Result<(), StoreError> {
    execute!(tx, "DELETE FROM link WHERE user_id = $1 AND used_at IS NULL", user.as_str())?;
    Ok(())
}

/// Removes links that expired before this time, used or not. How many.
pub async fn sweep(tx: &mut Tx, expired_before: DateTime<Utc>, most: i64) -> Result<u64, StoreError> {
    execute!(
        tx,
        "DELETE FROM link WHERE digest IN (SELECT digest FROM link WHERE expires_at <= $1 LIMIT $2)",
        expired_before,
        most
    )
}

fn purpose((purpose, user): &(String, Option<String>)) -> Result<LinkPurpose, StoreError> {
    match (purpose.as_str(), user) {
        ("first_administrator", None) => Ok(LinkPurpose::FirstAdministrator),
        ("choose_password", Some(user)) => Ok(LinkPurpose::ChoosePassword(UserId::new(user))),
        _ => Err(StoreError::corrupt("link", purpose)),
    }
}
