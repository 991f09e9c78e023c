//! Authorization requests that are too long for an address.

use chrono::{DateTime, Utc};

use super::{StoreError, Tx};

/// Stores a request for a while. `false` when this network address has too many stored already.
pub async fn insert(
    tx: &mut Tx,
    id: &str,
    address: &str,
    request: &str,
    times: (DateTime<Utc>, DateTime<Utc>),
    most: i64,
) -> Result<bool, StoreError> {
    let (now, expires_at) = times;
    let (stored,): (i64,) =
        fetch_one!(tx, "SELECT COUNT(*) FROM pushed_request WHERE address = $1 AND expires_at > $2", address, now,)?;
    if stored >= most {
        return Ok(false);
    }
    execute!(
        tx,
        "INSERT INTO pushed_request (id, address, request, expires_at) VALUES ($1, $2, $3, $4)",
        id,
        address,
        request,
        expires_at,
    )?;
    Ok(true)
}

/// A request that has not expired.
pub async fn find(tx: &mut Tx, id: &str, now: DateTime<Utc>) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> =
        fetch_optional!(tx, "SELECT request FROM pushed_request WHERE id = $1 AND expires_at > $2", id, now)?;
    Ok(row.map(|(request,)| request))
}

/// Removes expired requests. How many.
pub async fn sweep(tx: &mut Tx, now: DateTime<Utc>, most: i64) -> Result<u64, StoreError> {
    execute!(
        tx,
        "DELETE FROM pushed_request WHERE id IN (SELECT id FROM pushed_request WHERE expires_at <= $1 LIMIT $2)",
        now,
        most
    )
}
