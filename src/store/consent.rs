//! What people allowed apps, remembered.

use chrono::{DateTime, Utc};
use countersign_types::{ClientId, ScopeSet, UserId};

use super::{StoreError, Tx};
use crate::domain::authorization::Consent;

/// What this person allowed this client.
pub async fn find(tx: &mut Tx, user: &UserId, client: &ClientId) -> Result<Option<Consent>, StoreError> {
    let row: Option<(String, DateTime<Utc>)> = fetch_optional!(
        tx,
        "SELECT scope, granted_at FROM consent WHERE user_id = $1 AND client_id = $2",
        user.as_str(),
        client.as_str(),
    )?;
    row.map(|(scope, granted_at)| {
        let scope = scope.parse().map_err(|error| StoreError::corrupt("consent", error))?;
        Ok(Consent { scope, granted_at })
    })
    .transpose()
}

/// All that a person allowed, by the id of the client.
pub async fn of_user(tx: &mut Tx, user: &UserId) -> Result<Vec<(ClientId, Consent)>, StoreError> {
    let rows: Vec<(String, String, DateTime<Utc>)> = fetch_all!(
        tx,
        "SELECT client_id, scope, granted_at FROM consent WHERE user_id = $1 ORDER BY client_id",
        user.as_str(),
    )?;
    rows.into_iter()
        .map(|(client, scope, granted_at)| {
            let scope = scope.parse().map_err(|error| StoreError::corrupt("consent", error))?;
            Ok((ClientId::new(client), Consent { scope, granted_at }))
        })
        .collect()
}

/// Forgets what a person allowed a client. `false` when there was nothing to forget.
pub async fn withdraw(tx: &mut Tx, user: &UserId, client: &ClientId) -> Result<bool, StoreError> {
    let withdrawn =
        execute!(tx, "DELETE FROM consent WHERE user_id = $1 AND client_id = $2", user.as_str(), client.as_str(),)?;
    Ok(withdrawn == 1)
}

/// Forgets what everybody allowed a client.
pub async fn forget_client(tx: &mut Tx, client: &ClientId) -> Result<(), StoreError> {
    execute!(tx, "DELETE FROM consent WHERE client_id = $1", client.as_str())?;
    Ok(())
}

/// Remembers a consent, beside what was allowed before.
pub async fn grant(
    tx: &mut Tx,
    user: &UserId,
    client: &ClientId,
    scope: &ScopeSet,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    // Keeps the row to this transaction before it is read: another may be adding to it.
    let (before,): (String,) = fetch_one!(
        tx,
        "INSERT INTO consent (user_id, client_id, scope, granted_at) VALUES ($1, $2, '', $3)
         ON CONFLICT (user_id, client_id) DO UPDATE SET granted_at = excluded.granted_at RETURNING scope",
        user.as_str(),
        client.as_str(),
        now,
    )?;
    let before: ScopeSet = before.parse().map_err(|error| StoreError::corrupt("consent", error))?;
    execute!(
        tx,
        "UPDATE consent SET scope = $3 WHERE user_id = $1 AND client_id = $2",
        user.as_str(),
        client.as_str(),
        before.union(scope).to_string(),
    )?;
    Ok(())
}
