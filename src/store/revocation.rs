//! What is dead before its time: single tokens, grants, sessions.

use chrono::{DateTime, Utc};
use countersign_types::{ClientId, GrantId, SessionId, TokenId, UserId};

use super::{StoreError, Tx};
use crate::domain::device::DeviceId;

/// What is revoked.
#[derive(Clone, Copy, Debug)]
pub enum Revoked<'a> {
    /// One access token.
    Token(&'a TokenId),
    /// Everything that came from a grant.
    Grant(&'a GrantId),
    /// Everything that came from a sign-in.
    Session(&'a SessionId),
}

impl Revoked<'_> {
    fn columns(&self) -> (&'static str, &str) {
        match self {
            Self::Token(id) => ("jti", id.as_str()),
            Self::Grant(id) => ("gid", id.as_str()),
            Self::Session(id) => ("sid", id.as_str()),
        }
    }
}

/// Revokes what was issued at or before `now`. The row may be swept after `until`, when nothing of it can live any more.
pub async fn revoke(
    tx: &mut Tx,
    what: Revoked<'_>,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (kind, id) = what.columns();
    execute!(
        tx,
        "INSERT INTO revocation (kind, id, before, until) VALUES ($1, $2, $3, $4)
         ON CONFLICT (kind, id) DO UPDATE SET before = excluded.before,
             until = CASE WHEN revocation.until > excluded.until THEN revocation.until ELSE excluded.until END",
        kind,
        id,
        now,
        until,
    )?;
    Ok(())
}

/// Revokes each grant of a session that does not outlive it.
pub async fn revoke_session_bound_grants(
    tx: &mut Tx,
    session: &SessionId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO revocation (kind, id, before, until)
         SELECT 'gid', gid, $2, ends_at FROM person_grant WHERE sid = $1 AND NOT offline AND ends_at > $2
         ON CONFLICT (kind, id) DO UPDATE SET before = excluded.before",
        session.as_str(),
        now,
    )?;
    Ok(())
}

/// Revokes every grant of a person.
pub async fn revoke_grants_of_user(tx: &mut Tx, user: &UserId, now: DateTime<Utc>) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO revocation (kind, id, before, until)
         SELECT 'gid', gid, $2, ends_at FROM person_grant WHERE user_id = $1 AND ends_at > $2
         ON CONFLICT (kind, id) DO UPDATE SET before = excluded.before",
        user.as_str(),
        now,
    )?;
    Ok(())
}

/// Revokes all that came from sign-ins on a device that have ended already: what outlived them.
pub async fn revoke_ended_sessions_of_device(
    tx: &mut Tx,
    device: &DeviceId,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO revocation (kind, id, before, until)
         SELECT 'sid', sid, $2, $3 FROM session WHERE device_id = $1 AND ended_at IS NOT NULL
         ON CONFLICT (kind, id) DO UPDATE SET before = excluded.before, until = excluded.until",
        device.as_str(),
        now,
        until,
    )?;
    Ok(())
}

/// Revokes every grant of a person to a client. `false` when there was none that was not revoked yet.
pub async fn revoke_grants_of_user_to_client(
    tx: &mut Tx,
    user: &UserId,
    client: &ClientId,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let revoked = execute!(
        tx,
        "INSERT INTO revocation (kind, id, before, until)
         SELECT 'gid', gid, $3, ends_at FROM person_grant g WHERE user_id = $1 AND client_id = $2 AND ends_at > $3
             AND NOT EXISTS (SELECT 1 FROM revocation r WHERE r.kind = 'gid' AND r.id = g.gid)
         ON CONFLICT (kind, id) DO UPDATE SET before = excluded.before",
        user.as_str(),
        client.as_str(),
        now,
    )?;
    Ok(revoked > 0)
}

/// Revokes every grant to a client.
pub async fn revoke_grants_of_client(tx: &mut Tx, client: &ClientId, now: DateTime<Utc>) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO revocation (kind, id, before, until)
         SELECT 'gid', gid, $2, ends_at FROM person_grant WHERE client_id = $1 AND ends_at > $2
         ON CONFLICT (kind, id) DO UPDATE SET before = excluded.before",
        client.as_str(),
        now,
    )?;
    Ok(())
}

/// Whether an access token that hangs on nothing was revoked.
pub async fn is_revoked(tx: &mut Tx, token: &TokenId) -> Result<bool, StoreError> {
    let row: Option<(String,)> =
        fetch_optional!(tx, "SELECT kind FROM revocation WHERE kind = 'jti' AND id = $1", token.as_str())?;
    Ok(row.is_some())
}

/// Removes rows that nothing can depend on any more. How many.
pub async fn sweep(tx: &mut Tx, now: DateTime<Utc>, most: i64) -> Result<u64, StoreError> {
    execute!(
        tx,
        "DELETE FROM revocation WHERE (kind, id) IN (SELECT kind, id FROM revocation WHERE until <= $1 LIMIT $2)",
        now,
        most
    )
}
