//! Refresh tokens. A spent one stays as long as its grant, so that another use of it is known for what it is.

use chrono::{DateTime, Utc};
use countersign_types::GrantId;

use super::{
    StoreError, Tx,
    person_grant::{self, Standing, StandingRow},
};
use crate::domain::{
    grant::Grant,
    token::{Digest, RefreshTokenTimes},
};

/// A refresh token as stored, with the grant behind it.
#[derive(Clone, Debug)]
pub struct StoredRefreshToken {
    /// When it is good.
    pub times: RefreshTokenTimes,
    /// The grant that it stands for.
    pub grant: Grant,
    /// Whether that still opens anything.
    pub standing: Standing,
}

#[derive(sqlx::FromRow)]
struct Row {
    used_at: Option<DateTime<Utc>>,
    idle_until: DateTime<Utc>,
    successor_used: bool,
    #[sqlx(flatten)]
    standing: StandingRow,
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
        concat!(
            "SELECT t.used_at, t.idle_until,
                 EXISTS (SELECT 1 FROM refresh_token n WHERE n.parent = t.digest AND n.used_at IS NOT NULL) AS successor_used, ",
            person_grant::columns!(),
            " FROM refresh_token t JOIN person_grant g ON g.gid = t.gid ",
            person_grant::joins!(),
            " WHERE t.digest = $1",
        ),
        digest.as_bytes(),
    )?;
    let Some(row) = row else { return Ok(None) };
    let (grant, standing) = row.standing.split()?;
    let ends_at = grant.person().map_or(row.idle_until, |person| person.ends_at);
    let times = RefreshTokenTimes {
        used_at: row.used_at,
        successor_used: row.successor_used,
        idle_until: row.idle_until,
        ends_at,
    };
    Ok(Some(StoredRefreshToken { times, grant, standing }))
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

/// Spends the successor of a token whose answer may have been lost, so that the family keeps one head. Whether it was still
/// unused. It stays known: if it was not lost after all, whoever brings it is a second holder.
pub async fn spend_unused_successor(tx: &mut Tx, parent: &Digest, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let spent = execute!(
        tx,
        "UPDATE refresh_token SET used_at = $2 WHERE parent = $1 AND used_at IS NULL",
        parent.as_bytes(),
        now
    )?;
    Ok(spent > 0)
}

/// Moves the idle end of a token that is not rotated.
pub async fn prolong(tx: &mut Tx, digest: &Digest, idle_until: DateTime<Utc>) -> Result<(), StoreError> {
    execute!(tx, "UPDATE refresh_token SET idle_until = $2 WHERE digest = $1", digest.as_bytes(), idle_until)?;
    Ok(())
}
