//! New signing keys: the first one, successors in time, and one at once in an emergency.

use chrono::{DateTime, Utc};
use countersign_jose::{Algorithm, KeyError, PrivateKey};

use crate::{
    clock::Clock,
    domain::{
        event::{AuditEntry, Event},
        key::{KeyLifetimes, KeyState, KeyTimes, needs_successor},
    },
    store::{Store, StoreError, audit, signing_key},
};

/// Why no key was made.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// It cannot be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be generated.
    #[error("a signing key cannot be generated: {0}")]
    Key(#[from] KeyError),
    /// The work was cut off.
    #[error("the generation of a signing key was cut off")]
    Cancelled(#[from] tokio::task::JoinError),
}

/// Makes the first key, or a successor when it is time, and removes keys that nobody needs. Safe on several nodes at once.
pub async fn maintain(store: &Store, lifetimes: &KeyLifetimes, clock: &Clock) -> Result<(), RotationError> {
    let now = clock.now();
    let stored = signing_key::all(&mut store.read().await?).await?;
    let is_over = |key: &&signing_key::StoredKey| key.times.state(lifetimes, now) == KeyState::Expired;
    if stored.iter().any(|key| is_over(&key)) {
        let mut tx = store.write().await?;
        for key in stored.iter().filter(is_over) {
            signing_key::delete(&mut tx, &key.kid).await?;
        }
        tx.commit().await?;
    }
    if !needs_successor(newest(&stored), lifetimes, now) {
        return Ok(());
    }

    // Generated before the lock is taken: it takes a while. Another node may have been faster meanwhile.
    let private = generate().await?;
    let mut tx = store.write().await?;
    signing_key::lock(&mut tx).await?;
    let now = clock.now();
    let stored = signing_key::all(&mut tx).await?;
    if needs_successor(newest(&stored), lifetimes, now) {
        let signs_from =
            newest(&stored).map_or(now, |key| (key.signs_from + lifetimes.signing).max(now + lifetimes.lead()));
        insert(&mut tx, &private, now, signs_from).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// A key that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// Its name.
    pub kid: String,
    /// From when on it signs.
    pub signs_from: DateTime<Utc>,
}

/// Makes a key that signs as soon as every cache of the JWKS has it, or `at_once`.
pub async fn rotate(
    store: &Store,
    lifetimes: &KeyLifetimes,
    clock: &Clock,
    at_once: bool,
) -> Result<NewKey, RotationError> {
    let private = generate().await?;
    let mut tx = store.write().await?;
    signing_key::lock(&mut tx).await?;
    let now = clock.now();
    // Without any key nobody can have cached anything.
    let at_once = at_once || signing_key::all(&mut tx).await?.is_empty();
    let signs_from = if at_once { now } else { now + lifetimes.lead() };
    insert(&mut tx, &private, now, signs_from).await?;
    tx.commit().await?;
    Ok(NewKey { kid: private.kid().to_owned(), signs_from })
}

fn newest(stored: &[signing_key::StoredKey]) -> Option<&KeyTimes> {
    stored.iter().map(|key| &key.times).filter(|times| times.retired_at.is_none()).max_by_key(|times| times.signs_from)
}

async fn generate() -> Result<PrivateKey, RotationError> {
    Ok(tokio::task::spawn_blocking(|| PrivateKey::generate(Algorithm::RS256)).await??)
}

async fn insert(
    tx: &mut crate::store::Tx,
    private: &PrivateKey,
    now: DateTime<Utc>,
    signs_from: DateTime<Utc>,
) -> Result<(), StoreError> {
    let stored = signing_key::StoredKey {
        kid: private.kid().to_owned(),
        algorithm: private.algorithm().to_string(),
        private_jwk: private.to_jwk_bytes(),
        times: KeyTimes { published_at: now, signs_from, retired_at: None },
    };
    signing_key::insert(tx, &stored).await?;
    let event = Event::KeyPublished { kid: stored.kid, at_once: signs_from == now };
    audit::record(tx, &AuditEntry::new(event), now).await
}
