//! The browsers that people sign in on. A row is one person's: several who share a browser have a row each, under one cookie.

use chrono::{DateTime, Utc};
use countersign_types::UserId;

use super::{StoreError, Tx};
use crate::domain::{device::DeviceId, token::Digest};

/// Whether anybody ever signed in on the browser with this cookie.
pub async fn is_known(tx: &mut Tx, cookie: &Digest) -> Result<bool, StoreError> {
    let row: Option<(String,)> =
        fetch_optional!(tx, "SELECT id FROM device WHERE cookie_digest = $1 LIMIT 1", cookie.as_bytes())?;
    Ok(row.is_some())
}

/// The device of a person that has this cookie.
pub async fn find(tx: &mut Tx, user: &UserId, cookie: &Digest) -> Result<Option<DeviceId>, StoreError> {
    let row: Option<(String,)> = fetch_optional!(
        tx,
        "SELECT id FROM device WHERE user_id = $1 AND cookie_digest = $2",
        user.as_str(),
        cookie.as_bytes(),
    )?;
    Ok(row.map(|(id,)| DeviceId::new(id)))
}

/// The same, if the person signed in on it by the password that they have.
pub async fn find_own(tx: &mut Tx, user: &UserId, cookie: &Digest) -> Result<Option<DeviceId>, StoreError> {
    let row: Option<(String,)> = fetch_optional!(
        tx,
        "SELECT id FROM device WHERE user_id = $1 AND cookie_digest = $2 AND is_own",
        user.as_str(),
        cookie.as_bytes(),
    )?;
    Ok(row.map(|(id,)| DeviceId::new(id)))
}

/// A browser that a person signs in on.
#[derive(Debug)]
pub struct See<'a> {
    /// Who signs in.
    pub user: &'a UserId,
    /// By what it is known again.
    pub cookie: &'a Digest,
    /// What it calls itself, in our words.
    pub label: &'a str,
    /// The tag of the language that it asks for.
    pub language: &'a str,
}

/// Notes that a person signs in on a browser: its id, which is `fresh` if it is new to them.
pub async fn see(tx: &mut Tx, fresh: &DeviceId, it: &See<'_>, now: DateTime<Utc>) -> Result<DeviceId, StoreError> {
    let (id,): (String,) = fetch_one!(
        tx,
        "INSERT INTO device (id, user_id, cookie_digest, label, language, first_seen, last_seen, is_own)
         VALUES ($1, $2, $3, $4, $5, $6, $6, TRUE)
         ON CONFLICT (user_id, cookie_digest)
         DO UPDATE SET label = excluded.label, language = excluded.language, last_seen = excluded.last_seen, is_own = TRUE
         RETURNING id",
        fresh.as_str(),
        it.user.as_str(),
        it.cookie.as_bytes(),
        it.label,
        it.language,
        now,
    )?;
    Ok(DeviceId::new(id))
}

/// The tag of the language that a person's browser asks for: that of the one that they have had the longest, so that nobody
/// who comes new chooses it for them.
pub async fn language(tx: &mut Tx, user: &UserId) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> = fetch_optional!(
        tx,
        "SELECT language FROM device WHERE user_id = $1 AND language IS NOT NULL ORDER BY first_seen, id LIMIT 1",
        user.as_str(),
    )?;
    Ok(row.map(|(language,)| language))
}

/// Whether a person has another device than this.
pub async fn has_other(tx: &mut Tx, user: &UserId, device: &DeviceId) -> Result<bool, StoreError> {
    let row: Option<(String,)> = fetch_optional!(
        tx,
        "SELECT id FROM device WHERE user_id = $1 AND id <> $2 LIMIT 1",
        user.as_str(),
        device.as_str(),
    )?;
    Ok(row.is_some())
}

/// Whether the second factor of its person is not asked for on this device now.
pub async fn is_trusted(tx: &mut Tx, device: &DeviceId, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let row: Option<(String,)> =
        fetch_optional!(tx, "SELECT id FROM device WHERE id = $1 AND second_factor_until > $2", device.as_str(), now,)?;
    Ok(row.is_some())
}

/// Lets a device stand in for the second factor of its person until then.
pub async fn trust(tx: &mut Tx, device: &DeviceId, until: DateTime<Utc>) -> Result<(), StoreError> {
    execute!(tx, "UPDATE device SET second_factor_until = $2 WHERE id = $1", device.as_str(), until)?;
    Ok(())
}

/// Gives a browser another cookie, for everybody who signs in on it.
pub async fn change_cookie(tx: &mut Tx, old: &Digest, new: &Digest) -> Result<(), StoreError> {
    execute!(tx, "UPDATE device SET cookie_digest = $2 WHERE cookie_digest = $1", old.as_bytes(), new.as_bytes())?;
    Ok(())
}

/// A browser that a person signed in on.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Seen {
    /// What it calls itself, in our words.
    pub label: String,
    /// When the person first signed in on it.
    pub first_seen: DateTime<Utc>,
    /// When they last did.
    pub last_seen: DateTime<Utc>,
    /// Until when their second factor is not asked for there.
    pub second_factor_until: Option<DateTime<Utc>>,
}

/// The browsers that a person signed in on, the one that was used the longest ago first.
pub async fn of_user(tx: &mut Tx, user: &UserId) -> Result<Vec<Seen>, StoreError> {
    fetch_all!(
        tx,
        "SELECT label, first_seen, last_seen, second_factor_until FROM device WHERE user_id = $1 ORDER BY last_seen, id",
        user.as_str(),
    )
}

/// On how many devices of a person their second factor is not asked for now.
pub async fn count_trusted(tx: &mut Tx, user: &UserId, now: DateTime<Utc>) -> Result<u32, StoreError> {
    let (count,): (i64,) = fetch_one!(
        tx,
        "SELECT COUNT(*) FROM device WHERE user_id = $1 AND second_factor_until > $2",
        user.as_str(),
        now,
    )?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// A device is not its person's own any more, until they sign in on it again: nor is it trusted.
pub async fn disown(tx: &mut Tx, device: &DeviceId) -> Result<(), StoreError> {
    execute!(tx, "UPDATE device SET second_factor_until = NULL, is_own = FALSE WHERE id = $1", device.as_str())?;
    Ok(())
}

/// The same of every device of a person but this one.
pub async fn disown_all(tx: &mut Tx, user: &UserId, but: Option<&DeviceId>) -> Result<(), StoreError> {
    execute!(
        tx,
        "UPDATE device SET second_factor_until = NULL, is_own = (id = $2) WHERE user_id = $1",
        user.as_str(),
        but.map_or("", DeviceId::as_str),
    )?;
    Ok(())
}

/// Asks for the second factor on every device of a person again.
pub async fn forget_second_factors(tx: &mut Tx, user: &UserId) -> Result<(), StoreError> {
    execute!(tx, "UPDATE device SET second_factor_until = NULL WHERE user_id = $1", user.as_str())?;
    Ok(())
}

/// Removes devices that nobody signed in on since this time. How many.
pub async fn sweep(tx: &mut Tx, unseen_since: DateTime<Utc>, most: i64) -> Result<u64, StoreError> {
    execute!(
        tx,
        "DELETE FROM device WHERE id IN (SELECT id FROM device WHERE last_seen <= $1 LIMIT $2) AND last_seen <= $1",
        unseen_since,
        most
    )
}
