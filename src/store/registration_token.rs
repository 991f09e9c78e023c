//! Initial access tokens (RFC 7591 §1.2): who has one may register so many clients.

use chrono::{DateTime, Utc};

use super::{StoreError, Tx};
use crate::domain::token::Digest;

/// An initial access token, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct RegistrationToken {
    /// Names it; of no use to who learns it.
    pub id: String,
    /// How many clients can still be registered with it.
    pub uses_left: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stops working.
    pub expires_at: DateTime<Utc>,
}

/// Stores a token.
pub async fn insert(tx: &mut Tx, token: &RegistrationToken, digest: &Digest) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO registration_token (id, digest, uses_left, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
        &token.id,
        digest.as_bytes(),
        token.uses_left,
        token.created_at,
        token.expires_at,
    )?;
    Ok(())
}

/// Whether the token would be good for a registration now. Only [`spend`] decides.
pub async fn is_good(tx: &mut Tx, digest: &Digest, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let found: Option<(String,)> = fetch_optional!(
        tx,
        "SELECT id FROM registration_token WHERE digest = $1 AND uses_left > 0 AND expires_at > $2",
        digest.as_bytes(),
        now,
    )?;
    Ok(found.is_some())
}

/// Counts a use: of any number of tries at once, as many get an answer as it has uses left. The name of the token.
pub async fn spend(tx: &mut Tx, digest: &Digest, now: DateTime<Utc>) -> Result<Option<String>, StoreError> {
    let spent: Option<(String,)> = fetch_optional!(
        tx,
        "UPDATE registration_token SET uses_left = uses_left - 1 WHERE digest = $1 AND uses_left > 0 AND expires_at > $2
         RETURNING id",
        digest.as_bytes(),
        now,
    )?;
    Ok(spent.map(|(id,)| id))
}

/// Those that can still be used, the oldest first.
pub async fn all(tx: &mut Tx, now: DateTime<Utc>) -> Result<Vec<RegistrationToken>, StoreError> {
    fetch_all!(
        tx,
        "SELECT id, uses_left, created_at, expires_at FROM registration_token WHERE uses_left > 0 AND expires_at > $1
         ORDER BY created_at, id",
        now,
    )
}

/// Removes a token. Whether there was one.
pub async fn delete(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, "DELETE FROM registration_token WHERE id = $1", id)? > 0)
}

/// Removes tokens that are spent, or expired before this time.
pub async fn sweep(tx: &mut Tx, expired_before: DateTime<Utc>, most: i64) -> Result<(), StoreError> {
    execute!(
        tx,
        "DELETE FROM registration_token WHERE id IN
             (SELECT id FROM registration_token WHERE uses_left <= 0 OR expires_at <= $1 LIMIT $2)",
        expired_before,
        most,
    )?;
    Ok(())
}
