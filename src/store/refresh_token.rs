//! Refresh tokens. A spent one stays as long as its grant, so that another use of it is known for what it is.

use chrono::{DateTime, Utc};
use countersign_types::GrantId;

use super::{StoreError, Tx, person_grant, session::Times};
use crate::domain::{
    grant::Grant,
    session::SessionLifetimes,
    token::{Digest, RefreshTokenTimes},
};

/// A refresh token as stored, with the grant and the session behind it.
#[derive(Clone, Debug)]
pub struct StoredRefreshToken {
    /// When it is good.
    pub times: RefreshTokenTimes,
    /// The grant that it stands for.
    pub grant: Grant,
    /// Whether the grant, or its session on the person's word, was revoked.
    pub revoked: bool,
    session: Option<Times>,
}

impl StoredRefreshToken {
    /// Whether the sign-in that the grant came from is still good.
    pub fn session_is_live(&self, lifetimes: &SessionLifetimes, now: DateTime<Utc>) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_live(lifetimes, now))
    }

    /// When that sign-in ends if nobody comes back.
    pub fn session_expires_at(&self, lifetimes: &SessionLifetimes) -> Option<DateTime<Utc>> {
        self.session.as_ref().map(|session| session.expires_at(lifetimes))
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    used_at: Option<DateTime<Utc>>,
    idle_until: DateTime<Utc>,
    successor_used: bool,
    revoked: bool,
    session_created_at: Option<DateTime<Utc>>,
    session_last_seen: Option<DateTime<Utc>>,
    session_ended_at: Option<DateTime<Utc>>,
    #[sqlx(flatten)]
    grant: person_grant::Row,
}

/// Stores a fresh refresh token. `parent` is the one that it was exchanged for.
pub async fn insert(
    tx: &mut Tx,
    digest: &Digest,
    grant: &GrantId,
    parent: Option<&Digest>,
    now: DateTime<Utc>,
    idle_until: DateTime<Utc>,
) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO refresh_token (digest, gid, parent, created_at, idle_until) VALUES ($1, $2, $3, $4, $5)",
        digest.as_bytes(),
        grant.as_str(),
        parent.map(Digest::as_bytes),
        now,
        idle_until,
    )?;
    Ok(())
}

/// The refresh token with its grant, spent or not.
pub async fn find(tx: &mut Tx, digest: &Digest) -> Result<Option<StoredRefreshToken>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        tx,
        "SELECT t.used_at, t.idle_until, g.*,
             EXISTS (SELECT 1 FROM refresh_token s WHERE s.parent = t.digest AND s.used_at IS NOT NULL) AS successor_used,
             EXISTS (SELECT 1 FROM revocation r WHERE r.before >= g.created_at AND
                 ((r.kind = 'gid' AND r.id = g.gid) OR (r.kind = 'sid' AND r.id = g.sid))) AS revoked,
             s.created_at AS session_created_at, s.last_seen AS session_last_seen, s.ended_at AS session_ended_at
         FROM refresh_token t
         JOIN person_grant g ON g.gid = t.gid
         LEFT JOIN session s ON s.sid = g.sid
         WHERE t.digest = $1",
        digest.as_bytes(),
    )?;
    let Some(row) = row else { return Ok(None) };
    let session = match (row.session_created_at, row.session_last_seen) {
        (Some(created_at), Some(last_seen)) => Some(Times { created_at, last_seen, ended_at: row.session_ended_at }),
        _ => None,
    };
    let grant = Grant::try_from(row.grant)?;
    let ends_at = grant.person().map_or(row.idle_until, |person| person.ends_at);
    Ok(Some(StoredRefreshToken {
        times: RefreshTokenTimes {
            used_at: row.used_at,
            successor_used: row.successor_used,
            idle_until: row.idle_until,
            ends_at,
        },
        grant,
        revoked: row.revoked,
        session,
    }))
}

/// Spends a refresh token. Of any number of tries at once, one alone gets `true`.
pub async fn spend(tx: &mut Tx, digest: &Digest, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let spent = execute!(
        tx,
        "UPDATE refresh_token SET used_at = $2 WHERE digest = $1 AND used_at IS NULL",
        digest.as_bytes(),
        now
    )?;
    Ok(spent == 1)
}

/// Takes back the successor of a token whose answer may have been lost, so that the family keeps one head.
/// Whether it was still unused.
pub async fn discard_unused_successors(tx: &mut Tx, parent: &Digest) -> Result<bool, StoreError> {
    let discarded = execute!(tx, "DELETE FROM refresh_token WHERE parent = $1 AND used_at IS NULL", parent.as_bytes())?;
    Ok(discarded > 0)
}

/// Moves the idle end of a token that is not rotated.
pub async fn prolong(tx: &mut Tx, digest: &Digest, idle_until: DateTime<Utc>) -> Result<(), StoreError> {
    execute!(tx, "UPDATE refresh_token SET idle_until = $2 WHERE digest = $1", digest.as_bytes(), idle_until)?;
    Ok(())
}
