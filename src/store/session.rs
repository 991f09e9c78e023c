//! Device sessions.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use countersign_types::{SessionId, UserId};
use sqlx::types::Json;

use super::{StoreError, Tx};
use crate::domain::{
    device::DeviceId,
    session::{Session, SessionLifetimes},
    token::Digest,
};

#[derive(sqlx::FromRow)]
struct Row {
    sid: String,
    user_id: String,
    auth_time: DateTime<Utc>,
    acr: String,
    amr: Json<Vec<String>>,
    label: String,
    device_id: Option<String>,
    address: String,
    created_at: DateTime<Utc>,
    last_seen: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct PastRow {
    ended_at: Option<DateTime<Utc>>,
    #[sqlx(flatten)]
    session: Row,
}

#[derive(sqlx::FromRow)]
struct NamedRow {
    email: String,
    #[sqlx(flatten)]
    session: Row,
}

impl From<Row> for Session {
    fn from(row: Row) -> Self {
        Self {
            id: SessionId::new(row.sid),
            user: UserId::new(row.user_id),
            auth_time: row.auth_time,
            acr: row.acr,
            amr: row.amr.0,
            label: row.label,
            device: row.device_id.map(DeviceId::new),
            address: row.address,
            created_at: row.created_at,
            last_seen: row.last_seen,
        }
    }
}

/// Stores a new session under the digest of its cookie.
pub async fn insert(tx: &mut Tx, session: &Session, cookie: &Digest) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO session (sid, cookie_digest, user_id, auth_time, acr, amr, label, device_id, address,
             created_at, last_seen)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        session.id.as_str(),
        cookie.as_bytes(),
        session.user.as_str(),
        session.auth_time,
        &session.acr,
        Json(&session.amr),
        &session.label,
        session.device.as_ref().map(DeviceId::as_str),
        &session.address,
        session.created_at,
        session.last_seen,
    )?;
    Ok(())
}

/// The session of a cookie, unless it was ended or its person disabled. Whether it has expired is for the caller to see.
pub async fn find_by_cookie(tx: &mut Tx, cookie: &Digest) -> Result<Option<Session>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        tx,
        "SELECT s.sid, s.user_id, s.auth_time, s.acr, s.amr, s.label, s.device_id, s.address,
             s.created_at, s.last_seen
         FROM session s JOIN account a ON a.id = s.user_id
         WHERE s.cookie_digest = $1 AND s.ended_at IS NULL AND a.enabled",
        cookie.as_bytes(),
    )?;
    Ok(row.map(Session::from))
}

/// The session of a cookie, even if it was ended, and when; unless its person was disabled.
pub async fn find_even_ended(
    tx: &mut Tx,
    cookie: &Digest,
) -> Result<Option<(Session, Option<DateTime<Utc>>)>, StoreError> {
    let row: Option<PastRow> = fetch_optional!(
        tx,
        "SELECT s.sid, s.user_id, s.auth_time, s.acr, s.amr, s.label, s.device_id, s.address,
             s.created_at, s.last_seen, s.ended_at
         FROM session s JOIN account a ON a.id = s.user_id
         WHERE s.cookie_digest = $1 AND a.enabled",
        cookie.as_bytes(),
    )?;
    Ok(row.map(|row| (row.session.into(), row.ended_at)))
}

/// Gives a session another cookie. One that has ended stays so.
pub async fn change_cookie(tx: &mut Tx, session: &SessionId, cookie: &Digest) -> Result<(), StoreError> {
    execute!(tx, "UPDATE session SET cookie_digest = $2 WHERE sid = $1", session.as_str(), cookie.as_bytes())?;
    Ok(())
}

/// Whose session a cookie is, and what roles they have, unless it was ended or its person disabled.
pub async fn person_of_cookie(tx: &mut Tx, cookie: &Digest) -> Result<Option<(UserId, BTreeSet<String>)>, StoreError> {
    let row: Option<(String, Json<BTreeSet<String>>)> = fetch_optional!(
        tx,
        "SELECT a.id, a.roles FROM session s JOIN account a ON a.id = s.user_id
         WHERE s.cookie_digest = $1 AND s.ended_at IS NULL AND a.enabled",
        cookie.as_bytes(),
    )?;
    Ok(row.map(|(id, Json(roles))| (UserId::new(id), roles)))
}

/// A new proof of who the person is, and with it a new cookie.
pub async fn reauthenticate(tx: &mut Tx, session: &Session, cookie: &Digest) -> Result<(), StoreError> {
    execute!(
        tx,
        "UPDATE session SET cookie_digest = $2, auth_time = $3, acr = $4, amr = $5, device_id = $6, address = $7, last_seen = $8
         WHERE sid = $1",
        session.id.as_str(),
        cookie.as_bytes(),
        session.auth_time,
        &session.acr,
        Json(&session.amr),
        session.device.as_ref().map(DeviceId::as_str),
        &session.address,
        session.last_seen,
    )?;
    Ok(())
}

/// Notes that the person was here. `false` when the session was ended meanwhile; `true` keeps it from ending until this
/// transaction does.
pub async fn touch(tx: &mut Tx, session: &SessionId, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let touched =
        execute!(tx, "UPDATE session SET last_seen = $2 WHERE sid = $1 AND ended_at IS NULL", session.as_str(), now)?;
    Ok(touched == 1)
}

/// Ends a session. Of any number of tries at once, one alone gets `true`.
pub async fn end(tx: &mut Tx, session: &SessionId, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let ended =
        execute!(tx, "UPDATE session SET ended_at = $2 WHERE sid = $1 AND ended_at IS NULL", session.as_str(), now)?;
    Ok(ended == 1)
}

/// The sessions of a person that were not ended.
pub async fn of_user(tx: &mut Tx, user: &UserId) -> Result<Vec<Session>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        tx,
        "SELECT sid, user_id, auth_time, acr, amr, label, device_id, address, created_at, last_seen
         FROM session WHERE user_id = $1 AND ended_at IS NULL ORDER BY created_at",
        user.as_str(),
    )?;
    Ok(rows.into_iter().map(Session::from).collect())
}

/// The session with this id, unless it was ended.
pub async fn find(tx: &mut Tx, session: &SessionId) -> Result<Option<Session>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        tx,
        "SELECT sid, user_id, auth_time, acr, amr, label, device_id, address, created_at, last_seen
         FROM session WHERE sid = $1 AND ended_at IS NULL",
        session.as_str(),
    )?;
    Ok(row.map(Session::from))
}

/// The sessions of everybody that were not ended, with the mail address of whose they are.
pub async fn of_everybody(tx: &mut Tx) -> Result<Vec<(Session, String)>, StoreError> {
    let rows: Vec<NamedRow> = fetch_all!(
        tx,
        "SELECT s.sid, s.user_id, s.auth_time, s.acr, s.amr, s.label, s.device_id, s.address, s.created_at, s.last_seen,
             a.email
         FROM session s JOIN account a ON a.id = s.user_id WHERE s.ended_at IS NULL ORDER BY a.email_folded, s.created_at",
    )?;
    Ok(rows.into_iter().map(|row| (row.session.into(), row.email)).collect())
}

/// Sessions that were not ended, but are past their idle or absolute end.
pub async fn expired(
    tx: &mut Tx,
    lifetimes: &SessionLifetimes,
    now: DateTime<Utc>,
    most: i64,
) -> Result<Vec<Session>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        tx,
        "SELECT sid, user_id, auth_time, acr, amr, label, device_id, address, created_at, last_seen
         FROM session WHERE ended_at IS NULL AND (last_seen <= $1 OR created_at <= $2) LIMIT $3",
        now - lifetimes.idle,
        now - lifetimes.absolute,
        most,
    )?;
    Ok(rows.into_iter().map(Session::from).collect())
}

/// Removes sessions that ended before this time. How many.
pub async fn sweep(tx: &mut Tx, ended_before: DateTime<Utc>, most: i64) -> Result<u64, StoreError> {
    execute!(
        tx,
        "DELETE FROM session WHERE sid IN (SELECT sid FROM session WHERE ended_at <= $1 LIMIT $2)",
        ended_before,
        most
    )
}
