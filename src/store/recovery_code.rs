//! Recovery codes: only the digest of each.

use chrono::{DateTime, Utc};
use countersign_types::UserId;

use super::{StoreError, Tx};
use crate::domain::{recovery_code::RecoveryCode, token::Digest};

/// Gives an account new codes. Those that it had are dead.
pub async fn replace(tx: &mut Tx, user: &UserId, codes: &[RecoveryCode], now: DateTime<Utc>) -> Result<(), StoreError> {
    remove(tx, user).await?;
    for code in codes {
        execute!(
            tx,
            "INSERT INTO recovery_code (user_id, digest, created_at) VALUES ($1, $2, $3)",
            user.as_str(),
            code.digest().as_bytes(),
            now,
        )?;
    }
    Ok(())
}

/// Spends a code: of any number of tries at once, one alone gets `true`.
pub async fn spend(tx: &mut Tx, user: &UserId, code: &Digest, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let spent = execute!(
        tx,
        "UPDATE recovery_code SET used_at = $3 WHERE user_id = $1 AND digest = $2 AND used_at IS NULL",
        user.as_str(),
        code.as_bytes(),
        now,
    )?;
    Ok(spent == 1)
}

/// How many an account has left.
pub async fn count_unused(tx: &mut Tx, user: &UserId) -> Result<u32, StoreError> {
    let (count,): (i64,) =
        fetch_one!(tx, "SELECT COUNT(*) FROM recovery_code WHERE user_id = $1 AND used_at IS NULL", user.as_str())?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Takes all codes from an account.
pub async fn remove(tx: &mut Tx, user: &UserId) -> Result<(), StoreError> {
    execute!(tx, "DELETE FROM recovery_code WHERE user_id = $1", user.as_str())?;
    Ok(())
}
