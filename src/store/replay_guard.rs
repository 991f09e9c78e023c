//! Identifiers that may be seen once.

use chrono::{DateTime, Utc};

use super::{StoreError, Tx};

/// Notes an identifier. Of any number of tries before it expires, one alone gets `true`.
pub async fn first_use(
    tx: &mut Tx,
    kind: &str,
    id: &str,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let noted = execute!(
        tx,
        "INSERT INTO replay_guard (kind, id, expires_at) VALUES ($1, $2, $3)
         ON CONFLICT (kind, id) DO UPDATE SET expires_at = excluded.expires_at WHERE replay_guard.expires_at <= $4",
        kind,
        id,
        expires_at,
        now,
    )?;
    Ok(noted == 1)
}

/// Removes expired identifiers. How many.
pub async fn sweep(tx: &mut Tx, now: DateTime<Utc>, most: i64) -> Result<u64, StoreError> {
    execute!(
        tx,
        "DELETE FROM replay_guard WHERE (kind, id) IN (SELECT kind, id FROM replay_guard WHERE expires_at <= $1 LIMIT $2)",
        now,
        most
    )
}
