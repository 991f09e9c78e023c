//! Our own signing keys. The private parts are sealed under the master key.

use chrono::{DateTime, Utc};

use super::{
    StoreError, Tx,
    change::{Changed, announce},
};
use crate::domain::key::KeyTimes;

/// A key as stored.
#[derive(Clone)]
pub struct StoredKey {
    /// Its `kid`: the thumbprint of the public key.
    pub kid: String,
    /// The algorithm it is for.
    pub algorithm: String,
    /// The private key as a JWK.
    pub private_jwk: Vec<u8>,
    /// When it does what.
    pub times: KeyTimes,
}

impl std::fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredKey").field("kid", &self.kid).field("times", &self.times).finish_non_exhaustive()
    }
}

type Columns = (String, String, Vec<u8>, DateTime<Utc>, DateTime<Utc>, Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// Stores a key and lets it take over: every other one of its algorithm that would still sign at that time retires then.
pub async fn insert(tx: &mut Tx, key: &StoredKey) -> Result<(), StoreError> {
    let inner = tx.inner();
    let sealed = inner.secrets.seal(&key.private_jwk, key.kid.as_bytes(), &inner.random);
    execute!(
        tx,
        "UPDATE signing_key SET retired_at = $1 WHERE algorithm = $2 AND (retired_at IS NULL OR retired_at > $1)",
        key.times.signs_from,
        &key.algorithm,
    )?;
    execute!(
        tx,
        "INSERT INTO signing_key (kid, algorithm, sealed, published_at, signs_from) VALUES ($1, $2, $3, $4, $5)",
        &key.kid,
        &key.algorithm,
        sealed,
        key.times.published_at,
        key.times.signs_from,
    )?;
    announce(tx, Changed::Key).await
}

/// All keys, the first to sign first.
pub async fn all(tx: &mut Tx) -> Result<Vec<StoredKey>, StoreError> {
    let rows: Vec<Columns> = fetch_all!(
        tx,
        "SELECT kid, algorithm, sealed, published_at, signs_from, retired_at, compromised_at FROM signing_key
         ORDER BY signs_from, kid",
    )?;
    let inner = tx.inner();
    rows.into_iter()
        .map(|(kid, algorithm, sealed, published_at, signs_from, retired_at, compromised_at)| {
            let private_jwk = inner.secrets.open(&sealed, kid.as_bytes())?;
            let times = KeyTimes { published_at, signs_from, retired_at, compromised_at };
            Ok(StoredKey { kid, algorithm, private_jwk, times })
        })
        .collect()
}

/// Tries to open the newest key, if there is one.
///
/// # Errors
/// [`StoreError::Unsealable`] when it was sealed under another master key than ours.
pub async fn check_seal(tx: &mut Tx) -> Result<(), StoreError> {
    let newest: Option<(String, Vec<u8>)> =
        fetch_optional!(tx, "SELECT kid, sealed FROM signing_key ORDER BY published_at DESC, kid LIMIT 1")?;
    if let Some((kid, sealed)) = newest {
        tx.inner().secrets.open(&sealed, kid.as_bytes())?;
    }
    Ok(())
}

/// Notes that a key is in other hands; it signs no more. `false` when there is none of this name, or that is known already.
pub async fn compromise(tx: &mut Tx, kid: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let noted = execute!(
        tx,
        "UPDATE signing_key SET compromised_at = $2,
             retired_at = CASE WHEN retired_at < $2 THEN retired_at ELSE $2 END
         WHERE kid = $1 AND compromised_at IS NULL",
        kid,
        now,
    )?;
    announce(tx, Changed::Key).await?;
    Ok(noted == 1)
}

/// Takes a key out of the order of succession: it never signs, and the one before it goes on until the next one takes over.
pub async fn skip(tx: &mut Tx, kid: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
    execute!(tx, "UPDATE signing_key SET retired_at = $2 WHERE kid = $1", kid, now)?;
    execute!(
        tx,
        "UPDATE signing_key SET retired_at = (SELECT MIN(next.signs_from) FROM signing_key next
             WHERE next.algorithm = signing_key.algorithm
               AND next.signs_from > $1 AND (next.retired_at IS NULL OR next.retired_at > $1))
         WHERE algorithm = (SELECT algorithm FROM signing_key skipped WHERE skipped.kid = $2)
           AND signs_from <= $1 AND retired_at > $1",
        now,
        kid,
    )?;
    announce(tx, Changed::Key).await
}

/// Lets all keys of an algorithm sign no more.
pub async fn retire_all(tx: &mut Tx, algorithm: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
    execute!(
        tx,
        "UPDATE signing_key SET retired_at = $2 WHERE algorithm = $1 AND (retired_at IS NULL OR retired_at > $2)",
        algorithm,
        now,
    )?;
    announce(tx, Changed::Key).await
}

/// Removes a key that nobody needs any more.
pub async fn delete(tx: &mut Tx, kid: &str) -> Result<(), StoreError> {
    execute!(tx, "DELETE FROM signing_key WHERE kid = $1", kid)?;
    announce(tx, Changed::Key).await
}

/// Holds off other nodes that would add a key at the same time, until this transaction ends.
pub async fn lock(tx: &mut Tx) -> Result<(), StoreError> {
    // The counter's row is locked by writing it; SQLite holds its one write lock anyway.
    execute!(tx, "UPDATE change SET counter = counter WHERE name = 'key'")?;
    Ok(())
}
