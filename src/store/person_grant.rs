//! What people granted. Codes and refresh tokens hang on these rows.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use countersign_types::{ClientId, Confirmation, GrantId, SessionId, TokenId, UserId};
use sqlx::types::Json;

use super::{StoreError, Tx};
use crate::domain::{
    claims::ClaimsRequest,
    grant::{Grant, PersonGrant, Subject},
    session::SessionLifetimes,
};

/// The columns of a grant and of its standing, for queries that join it as `g`.
macro_rules! columns {
    () => {
        "g.gid, g.user_id, g.client_id, g.sid, g.scope, g.auth_time, g.acr, g.amr, g.created_at, g.ends_at, g.jkt, g.claims,
         a.enabled AS user_enabled, a.roles AS user_roles,
         EXISTS (SELECT 1 FROM revocation r
             WHERE (r.kind = 'gid' AND r.id = g.gid) OR (r.kind = 'sid' AND r.id = g.sid)) AS revoked,
         s.created_at AS session_created_at, s.last_seen AS session_last_seen, s.ended_at AS session_ended_at"
    };
}
/// What [`columns`] needs to be joined.
macro_rules! joins {
    () => {
        "JOIN account a ON a.id = g.user_id LEFT JOIN session s ON s.sid = g.sid"
    };
}
pub(super) use {columns, joins};

/// Whether a grant still opens anything, and what for.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The person's roles today.
    pub roles: Vec<String>,
    offline: bool,
    revoked: bool,
    user_enabled: bool,
    ends_at: DateTime<Utc>,
    session: Option<SessionTimes>,
}

#[derive(Clone, Debug)]
struct SessionTimes {
    created_at: DateTime<Utc>,
    last_seen: DateTime<Utc>,
}

impl Standing {
    /// When access must end at the latest; or, if there is none any more, why, in words for the client's developer.
    pub fn access_ends_at(
        &self,
        lifetimes: &SessionLifetimes,
        now: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, &'static str> {
        if self.revoked || !self.user_enabled || now >= self.ends_at {
            return Err("the grant was revoked or has expired");
        }
        if self.offline {
            return Ok(self.ends_at);
        }
        // Without offline_access a grant ends with the session it came from.
        let session = self.session.as_ref().ok_or("the person has signed out")?;
        let ends_at = (session.last_seen + lifetimes.idle).min(session.created_at + lifetimes.absolute);
        if now < ends_at { Ok(ends_at.min(self.ends_at)) } else { Err("the person's session has expired") }
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct StandingRow {
    user_enabled: bool,
    user_roles: Json<BTreeSet<String>>,
    revoked: bool,
    session_created_at: Option<DateTime<Utc>>,
    session_last_seen: Option<DateTime<Utc>>,
    session_ended_at: Option<DateTime<Utc>>,
    #[sqlx(flatten)]
    grant: Row,
}

impl StandingRow {
    pub(super) fn split(self) -> Result<(Grant, Standing), StoreError> {
        let ends_at = self.grant.ends_at;
        let grant = Grant::try_from(self.grant)?;
        let session = match (self.session_created_at, self.session_last_seen, self.session_ended_at) {
            (Some(created_at), Some(last_seen), None) => Some(SessionTimes { created_at, last_seen }),
            _ => None,
        };
        let standing = Standing {
            roles: self.user_roles.0.into_iter().collect(),
            offline: grant.is_offline(),
            revoked: self.revoked,
            user_enabled: self.user_enabled,
            ends_at,
            session,
        };
        Ok((grant, standing))
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    gid: String,
    user_id: String,
    client_id: String,
    sid: String,
    scope: String,
    auth_time: DateTime<Utc>,
    acr: String,
    amr: Json<Vec<String>>,
    created_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    jkt: Option<String>,
    claims: Option<Json<ClaimsRequest>>,
}

impl TryFrom<Row> for Grant {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            client: ClientId::new(row.client_id),
            scope: row.scope.parse().map_err(|error| StoreError::corrupt("person_grant", error))?,
            subject: Subject::Person(Box::new(PersonGrant {
                id: GrantId::new(row.gid),
                user: UserId::new(row.user_id),
                session: SessionId::new(row.sid),
                auth_time: row.auth_time,
                acr: row.acr,
                amr: row.amr.0,
                claims: row.claims.map(|Json(claims)| claims).unwrap_or_default(),
                created_at: row.created_at,
                ends_at: row.ends_at,
            })),
            confirmation: row.jkt.map(|jkt| Confirmation { jkt: Some(jkt), ..Confirmation::default() }),
        })
    }
}

/// Binds the refresh tokens of a grant to a key.
pub async fn bind(tx: &mut Tx, grant: &GrantId, jkt: &str) -> Result<(), StoreError> {
    execute!(tx, "UPDATE person_grant SET jkt = $2 WHERE gid = $1", grant.as_str(), jkt)?;
    Ok(())
}

/// Stores a person's grant.
pub async fn insert(tx: &mut Tx, grant: &Grant, person: &PersonGrant) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO person_grant (gid, user_id, client_id, sid, scope, offline, auth_time, acr, amr, created_at, ends_at,
             claims)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        person.id.as_str(),
        person.user.as_str(),
        grant.client.as_str(),
        person.session.as_str(),
        grant.scope.to_string(),
        grant.is_offline(),
        person.auth_time,
        &person.acr,
        Json(&person.amr),
        person.created_at,
        person.ends_at,
        (!person.claims.is_empty()).then_some(Json(&person.claims)),
    )?;
    Ok(())
}

/// What an access token of a person's hangs on.
#[derive(Clone, Debug)]
pub struct BehindToken {
    /// The person. The token itself may know them by another name (OpenID Connect Core §8.1).
    pub user: UserId,
    /// The session, which it may know by another name, too.
    pub session: SessionId,
    /// What the client asked for by name.
    pub claims: ClaimsRequest,
    /// Whether the token, its grant or its session was revoked.
    pub revoked: bool,
}

#[derive(sqlx::FromRow)]
struct BehindTokenRow {
    user_id: String,
    sid: String,
    claims: Option<Json<ClaimsRequest>>,
    revoked: bool,
}

/// What an access token hangs on. Nothing when its grant is gone: then it opens nothing any more.
pub async fn behind_token(tx: &mut Tx, grant: &GrantId, token: &TokenId) -> Result<Option<BehindToken>, StoreError> {
    // No id is ever used again, so times are not compared: the clock of who revokes may be behind that of who issued.
    let row: Option<BehindTokenRow> = fetch_optional!(
        tx,
        "SELECT g.user_id, g.sid, g.claims, EXISTS (SELECT 1 FROM revocation r
             WHERE (r.kind = 'jti' AND r.id = $2) OR (r.kind = 'gid' AND r.id = g.gid) OR (r.kind = 'sid' AND r.id = g.sid)) AS revoked
         FROM person_grant g WHERE g.gid = $1",
        grant.as_str(),
        token.as_str(),
    )?;
    Ok(row.map(|row| BehindToken {
        user: UserId::new(row.user_id),
        session: SessionId::new(row.sid),
        claims: row.claims.map(|Json(claims)| claims).unwrap_or_default(),
        revoked: row.revoked,
    }))
}

/// A grant by which a client holds tokens.
#[derive(Clone, Debug)]
pub struct HeldGrant {
    /// The grant.
    pub grant: Grant,
    /// The person's part of it.
    pub person: PersonGrant,
    /// When tokens were last got by it.
    pub used_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct HeldRow {
    refreshed_at: Option<DateTime<Utc>>,
    #[sqlx(flatten)]
    standing: StandingRow,
}

/// The grants of a person by which clients hold tokens that are good, oldest first.
pub async fn held_of_user(
    tx: &mut Tx,
    user: &UserId,
    lifetimes: &SessionLifetimes,
    now: DateTime<Utc>,
) -> Result<Vec<HeldGrant>, StoreError> {
    // One whose code was not exchanged yet, or whose refresh token lay idle for too long, gave tokens to nobody or no more.
    let rows: Vec<HeldRow> = fetch_all!(
        tx,
        concat!(
            "SELECT (SELECT MAX(t.created_at) FROM refresh_token t WHERE t.gid = g.gid) AS refreshed_at, ",
            columns!(),
            " FROM person_grant g ",
            joins!(),
            " WHERE g.user_id = $1 AND g.ends_at > $2
                AND NOT EXISTS (SELECT 1 FROM authorization_code c WHERE c.gid = g.gid AND c.used_at IS NULL)
                AND (NOT EXISTS (SELECT 1 FROM refresh_token t WHERE t.gid = g.gid)
                    OR EXISTS (SELECT 1 FROM refresh_token t
                        WHERE t.gid = g.gid AND t.used_at IS NULL AND t.idle_until > $2))
              ORDER BY g.created_at, g.gid",
        ),
        user.as_str(),
        now,
    )?;
    let mut held = Vec::with_capacity(rows.len());
    for HeldRow { refreshed_at, standing } in rows {
        let (grant, standing) = standing.split()?;
        if let (Some(person), Ok(_)) = (grant.person().cloned(), standing.access_ends_at(lifetimes, now)) {
            held.push(HeldGrant { used_at: refreshed_at.unwrap_or(person.created_at), grant, person });
        }
    }
    Ok(held)
}

/// Grants that have ended, with their codes and refresh tokens. How many. As long as a session goes on, the latest grant of each
/// client stays: it alone tells whom to tell when the session is over.
pub async fn sweep(tx: &mut Tx, now: DateTime<Utc>, most: i64) -> Result<u64, StoreError> {
    // One whose code was not exchanged is swept on its own, and stands for no other.
    execute!(
        tx,
        "DELETE FROM person_grant WHERE gid IN (
             SELECT g.gid FROM person_grant g WHERE g.ends_at <= $1
                 AND (NOT EXISTS (SELECT 1 FROM session s WHERE s.sid = g.sid AND s.ended_at IS NULL)
                     OR EXISTS (SELECT 1 FROM person_grant later
                         WHERE later.sid = g.sid AND later.client_id = g.client_id
                             AND (later.ends_at > g.ends_at OR (later.ends_at = g.ends_at AND later.gid > g.gid))
                             AND NOT EXISTS (SELECT 1 FROM authorization_code c
                                 WHERE c.gid = later.gid AND c.used_at IS NULL)))
             LIMIT $2)",
        now,
        most
    )
}
