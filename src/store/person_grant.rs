//! What people granted. Codes and refresh tokens hang on these rows.

use chrono::{DateTime, Utc};
use countersign_types::{ClientId, GrantId, SessionId, UserId};
use sqlx::types::Json;

use super::{StoreError, Tx};
use crate::domain::grant::{Grant, PersonGrant, Subject};

/// The columns of a grant, for queries that join it.
#[derive(sqlx::FromRow)]
pub(super) struct Row {
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
}

impl TryFrom<Row> for Grant {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            client: ClientId::new(row.client_id),
            scope: row.scope.parse().map_err(|error| StoreError::corrupt("person_grant", error))?,
            subject: Subject::Person(PersonGrant {
                id: GrantId::new(row.gid),
                user: UserId::new(row.user_id),
                session: SessionId::new(row.sid),
                auth_time: row.auth_time,
                acr: row.acr,
                amr: row.amr.0,
                created_at: row.created_at,
                ends_at: row.ends_at,
            }),
            confirmation: None,
        })
    }
}

/// Stores a person's grant.
pub async fn insert(tx: &mut Tx, grant: &Grant, person: &PersonGrant) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO person_grant (gid, user_id, client_id, sid, scope, offline, auth_time, acr, amr, created_at, ends_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
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
    )?;
    Ok(())
}

/// Grants that have ended, with their codes and refresh tokens. How many.
pub async fn sweep(tx: &mut Tx, now: DateTime<Utc>, most: i64) -> Result<u64, StoreError> {
    execute!(
        tx,
        "DELETE FROM person_grant WHERE gid IN (SELECT gid FROM person_grant WHERE ends_at <= $1 LIMIT $2)",
        now,
        most
    )
}
