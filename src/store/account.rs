//! People.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use countersign_types::UserId;
use serde_json::{Map, Value};
use sqlx::types::Json;

use super::{StoreError, Tx};
use crate::domain::user::{ADMIN_ROLE, User, fold};

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    email: String,
    email_verified: bool,
    username: Option<String>,
    claims: Json<Map<String, Value>>,
    roles: Json<BTreeSet<String>>,
    enabled: bool,
    second_factor_required: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for User {
    fn from(row: Row) -> Self {
        Self {
            id: UserId::new(row.id),
            email: row.email,
            email_verified: row.email_verified,
            username: row.username,
            claims: row.claims.0,
            roles: row.roles.0,
            enabled: row.enabled,
            second_factor_required: row.second_factor_required,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Adds an account. `Conflict` when the address or user name is taken.
pub async fn insert(tx: &mut Tx, user: &User) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO account (id, email, email_folded, email_verified, username, username_folded, claims, roles, enabled,
             second_factor_required, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        user.id.as_str(),
        &user.email,
        fold(&user.email),
        user.email_verified,
        &user.username,
        user.username.as_deref().map(fold),
        Json(&user.claims),
        Json(&user.roles),
        user.enabled,
        user.second_factor_required,
        user.created_at,
        user.updated_at,
    )?;
    Ok(())
}

/// Stores an account's new values. `Conflict` when the address or user name is taken. What [`require_second_factor`] sets stays
/// as it is.
pub async fn update(tx: &mut Tx, user: &User) -> Result<(), StoreError> {
    execute!(
        tx,
        "UPDATE account SET email = $2, email_folded = $3, email_verified = $4, username = $5, username_folded = $6,
             claims = $7, roles = $8, enabled = $9, updated_at = $10
         WHERE id = $1",
        user.id.as_str(),
        &user.email,
        fold(&user.email),
        user.email_verified,
        &user.username,
        user.username.as_deref().map(fold),
        Json(&user.claims),
        Json(&user.roles),
        user.enabled,
        user.updated_at,
    )?;
    Ok(())
}

/// Demands a second factor of a person, or no longer. A statement of its own, so that no change of other values undoes it.
pub async fn require_second_factor(
    tx: &mut Tx,
    id: &UserId,
    required: bool,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    execute!(
        tx,
        "UPDATE account SET second_factor_required = $2, updated_at = $3 WHERE id = $1",
        id.as_str(),
        required,
        now,
    )?;
    Ok(())
}

/// Keeps an account from being changed or removed until this transaction ends. `false` when it is gone already.
pub async fn hold(tx: &mut Tx, id: &UserId) -> Result<bool, StoreError> {
    let held = execute!(tx, "UPDATE account SET enabled = enabled WHERE id = $1", id.as_str())?;
    Ok(held == 1)
}

/// Keeps an account from being disabled or removed until this transaction ends. `false` when it was already.
pub async fn hold_enabled(tx: &mut Tx, id: &UserId) -> Result<bool, StoreError> {
    let held = execute!(tx, "UPDATE account SET enabled = enabled WHERE id = $1 AND enabled", id.as_str())?;
    Ok(held == 1)
}

/// The account with this id.
pub async fn find(tx: &mut Tx, id: &UserId) -> Result<Option<User>, StoreError> {
    let row: Option<Row> = fetch_optional!(tx, "SELECT * FROM account WHERE id = $1", id.as_str())?;
    Ok(row.map(User::from))
}

/// The account with this id, as nobody else changes it until this transaction ends.
pub async fn find_to_change(tx: &mut Tx, id: &UserId) -> Result<Option<User>, StoreError> {
    execute!(tx, "UPDATE account SET enabled = enabled WHERE id = $1", id.as_str())?;
    find(tx, id).await
}

/// The account that signs in under this user name or mail address, however it is written.
pub async fn find_by_name(tx: &mut Tx, name: &str) -> Result<Option<User>, StoreError> {
    let folded = fold(name);
    let row: Option<Row> = if folded.contains('@') {
        fetch_optional!(tx, "SELECT * FROM account WHERE email_folded = $1", &folded)?
    } else {
        fetch_optional!(tx, "SELECT * FROM account WHERE username_folded = $1", &folded)?
    };
    Ok(row.map(User::from))
}

/// All accounts in the order of their addresses.
pub async fn all(tx: &mut Tx) -> Result<Vec<User>, StoreError> {
    let rows: Vec<Row> = fetch_all!(tx, "SELECT * FROM account ORDER BY email_folded")?;
    Ok(rows.into_iter().map(User::from).collect())
}

/// Holds off others that would make an administrator at the same time, until this transaction ends.
pub async fn lock_administrators(tx: &mut Tx) -> Result<(), StoreError> {
    // Any row that is always there will do; SQLite holds its one write lock anyway.
    execute!(tx, "UPDATE change SET counter = counter WHERE name = 'client'")?;
    Ok(())
}

/// Whether this is the only account that may administer Countersign.
pub async fn is_last_administrator(tx: &mut Tx, id: &UserId) -> Result<bool, StoreError> {
    let rows: Vec<Row> = fetch_all!(tx, "SELECT * FROM account WHERE enabled")?;
    let mut administrators = rows.into_iter().map(User::from).filter(|user| user.roles.contains(ADMIN_ROLE));
    Ok(administrators.next().is_some_and(|first| first.id == *id) && administrators.next().is_none())
}

/// Removes an account with all that hangs on it.
pub async fn delete(tx: &mut Tx, id: &UserId) -> Result<(), StoreError> {
    execute!(tx, "DELETE FROM account WHERE id = $1", id.as_str())?;
    Ok(())
}

/// An account that may administer Countersign, if there is one.
pub async fn find_administrator(tx: &mut Tx) -> Result<Option<User>, StoreError> {
    // The text of the roles finds the few that may be one, whichever engine; a role with a longer name may be among them.
    let rows: Vec<Row> = fetch_all!(
        tx,
        "SELECT * FROM account WHERE enabled AND CAST(roles AS TEXT) LIKE $1",
        format!("%\"{ADMIN_ROLE}\"%"),
    )?;
    Ok(rows.into_iter().map(User::from).find(|user| user.roles.contains(ADMIN_ROLE)))
}
