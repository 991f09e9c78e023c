//! Signing keys: the first one, successors in time or at once in an emergency, keys that came from elsewhere, and the end of those
//! that are in other hands.

use chrono::{DateTime, Utc};
use countersign_jose::{Algorithm, KeyError, PrivateKey};

use crate::{
    clock::Clock,
    domain::{
        event::{AuditEntry, Event},
        key::{KeyLifetimes, KeyState, KeyTimes, is_astray, needs_successor},
    },
    store::{Store, StoreError, Tx, audit, signing_key},
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
    /// It signs by an algorithm that nothing is signed by here.
    #[error("nothing is signed by {0} here; add it to `keys.algorithms` first, on all nodes")]
    Algorithm(Algorithm),
    /// It is there already.
    #[error("the key {0} is there already")]
    Known(String),
    /// No key has this name.
    #[error("there is no key {0}; `countersign key list` shows all")]
    Unknown(String),
    /// It is known to be in other hands.
    #[error("the key {0} is known to be compromised already")]
    Compromised(String),
    /// Only a key that does not sign yet can be taken out of the succession.
    #[error("the key {kid} is {state}; only one that is published and does not sign yet can be retired early. {advice}", state = .state.as_str(), advice = advice(*.state))]
    NotWaiting {
        /// Which one.
        kid: String,
        /// Where in its life it is.
        state: KeyState,
    },
}

fn advice(state: KeyState) -> &'static str {
    match state {
        KeyState::Signing => "`countersign key rotate` publishes another, which takes over",
        KeyState::Published | KeyState::Retired | KeyState::Withdrawn | KeyState::Compromised | KeyState::Expired => {
            "It signs no more anyway"
        }
    }
}

/// Makes the first key of each algorithm, or a successor when it is time, and removes keys that nobody needs. Safe on several nodes
/// at once.
pub async fn maintain(
    store: &Store,
    lifetimes: &KeyLifetimes,
    algorithms: &[Algorithm],
    clock: &Clock,
) -> Result<(), RotationError> {
    let now = clock.now();
    let stored = signing_key::all(&mut store.read().await?).await?;
    if stored.is_empty() {
        return make_first(store, algorithms, clock).await;
    }
    let is_over = |key: &&signing_key::StoredKey| key.times.state(lifetimes, now) == KeyState::Expired;
    if stored.iter().any(|key| is_over(&key)) {
        let mut tx = store.write().await?;
        for key in stored.iter().filter(is_over) {
            signing_key::delete(&mut tx, &key.kid).await?;
            audit::record(&mut tx, &AuditEntry::new(Event::KeyDeleted { kid: key.kid.clone() }), now).await?;
        }
        tx.commit().await?;
    }
    // One of an algorithm that is no longer among the settings has no successor. Until its time is over it goes on: another node may
    // have other settings, while they change from one to the next.
    let is_unused = |key: &&signing_key::StoredKey| {
        key.times.retired_at.is_none()
            && now >= key.times.signs_from + lifetimes.signing
            && algorithms.iter().all(|algorithm| algorithm.name() != key.algorithm)
    };
    if stored.iter().any(|key| is_unused(&key)) {
        let mut tx = store.write().await?;
        for key in stored.iter().filter(is_unused) {
            signing_key::retire_all(&mut tx, &key.algorithm, now).await?;
            audit::record(&mut tx, &AuditEntry::new(Event::KeyRetired { kid: key.kid.clone() }), now).await?;
        }
        tx.commit().await?;
    }
    let stored = skip_astray(store, lifetimes, stored, now).await?;
    for algorithm in algorithms {
        if needs_successor(newest(&stored, *algorithm), lifetimes, now) {
            make_successor(store, lifetimes, *algorithm, clock).await?;
        }
    }
    Ok(())
}

/// Makes the first keys of a provider. All of them sign at once: without any key nobody can have cached anything.
async fn make_first(store: &Store, algorithms: &[Algorithm], clock: &Clock) -> Result<(), RotationError> {
    let mut keys = Vec::with_capacity(algorithms.len());
    for algorithm in algorithms {
        keys.push(generate(*algorithm).await?);
    }
    let mut tx = store.write().await?;
    signing_key::lock(&mut tx).await?;
    // Another node may have been faster meanwhile.
    if signing_key::all(&mut tx).await?.is_empty() {
        let now = clock.now();
        for private in &keys {
            insert(&mut tx, private, now, now).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// Takes keys out of the succession that a clock which was ahead put into it: the rest of them.
async fn skip_astray(
    store: &Store,
    lifetimes: &KeyLifetimes,
    mut stored: Vec<signing_key::StoredKey>,
    now: DateTime<Utc>,
) -> Result<Vec<signing_key::StoredKey>, StoreError> {
    let is_signing = |key: &&signing_key::StoredKey| key.times.state(lifetimes, now) == KeyState::Signing;
    let astray = |key: &signing_key::StoredKey| {
        let mut presents = stored.iter().filter(is_signing).filter(|present| present.algorithm == key.algorithm);
        key.times.state(lifetimes, now) == KeyState::Published
            && presents.any(|present| is_astray(&key.times, &present.times, lifetimes, now))
    };
    let kids: Vec<String> = stored.iter().filter(|key| astray(key)).map(|key| key.kid.clone()).collect();
    if !kids.is_empty() {
        let mut tx = store.write().await?;
        signing_key::lock(&mut tx).await?;
        for kid in kids {
            signing_key::skip(&mut tx, &kid, now).await?;
            audit::record(&mut tx, &AuditEntry::new(Event::KeySkipped { kid }), now).await?;
        }
        stored = signing_key::all(&mut tx).await?;
        tx.commit().await?;
    }
    Ok(stored)
}

async fn make_successor(
    store: &Store,
    lifetimes: &KeyLifetimes,
    algorithm: Algorithm,
    clock: &Clock,
) -> Result<(), RotationError> {
    // Generated before the lock is taken: it takes a while. Another node may have been faster meanwhile.
    let private = generate(algorithm).await?;
    let mut tx = store.write().await?;
    signing_key::lock(&mut tx).await?;
    let now = clock.now();
    let stored = signing_key::all(&mut tx).await?;
    let present = newest(&stored, algorithm);
    if needs_successor(present, lifetimes, now) {
        let after_present = present.map_or(now, |key| key.signs_from + lifetimes.signing);
        let signs_from = after_present.max(earliest(&stored, lifetimes, now));
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
    (algorithm, at_once): (Algorithm, bool),
) -> Result<NewKey, RotationError> {
    let private = generate(algorithm).await?;
    succeed(store, lifetimes, clock, &Successor { private, at_once, compromised: None }).await
}

/// Notes that a key is in other hands: nothing that it signed counts from now on. If it is the one that signs, another one takes its
/// place at once; if it is not, the one that signs goes on, which every cache of the JWKS has.
pub async fn replace_compromised(
    store: &Store,
    lifetimes: &KeyLifetimes,
    clock: &Clock,
    compromised: &str,
) -> Result<Option<NewKey>, RotationError> {
    let stored = signing_key::all(&mut store.read().await?).await?;
    let found = stored.iter().find(|key| key.kid == compromised);
    let found = found.ok_or_else(|| RotationError::Unknown(compromised.to_owned()))?;
    if found.times.state(lifetimes, clock.now()) != KeyState::Signing {
        return give_up(store, lifetimes, clock, compromised).await.map(|()| None);
    }
    let private = generate(PrivateKey::from_jwk_bytes(&found.private_jwk)?.algorithm()).await?;
    succeed(store, lifetimes, clock, &Successor { private, at_once: true, compromised: Some(compromised) })
        .await
        .map(Some)
}

/// Notes that a key which does not sign is in other hands.
async fn give_up(store: &Store, lifetimes: &KeyLifetimes, clock: &Clock, kid: &str) -> Result<(), RotationError> {
    let mut tx = store.write().await?;
    signing_key::lock(&mut tx).await?;
    let now = clock.now();
    let stored = signing_key::all(&mut tx).await?;
    let found = stored.iter().find(|key| key.kid == kid).ok_or_else(|| RotationError::Unknown(kid.to_owned()))?;
    if found.times.state(lifetimes, now) == KeyState::Published {
        // The one before it was to end with it.
        signing_key::skip(&mut tx, kid, now).await?;
    }
    note_compromised(&mut tx, kid, now).await?;
    tx.commit().await?;
    Ok(())
}

async fn note_compromised(tx: &mut Tx, kid: &str, now: DateTime<Utc>) -> Result<(), RotationError> {
    if !signing_key::compromise(tx, kid, now).await? {
        return Err(RotationError::Compromised(kid.to_owned()));
    }
    audit::record(tx, &AuditEntry::new(Event::KeyCompromised { kid: kid.to_owned() }), now).await?;
    Ok(())
}

/// Takes a private JWK that was made elsewhere. It signs as soon as every cache of the JWKS has it, or `at_once`.
pub async fn import(
    store: &Store,
    lifetimes: &KeyLifetimes,
    clock: &Clock,
    (jwk, algorithms, at_once): (&[u8], &[Algorithm], bool),
) -> Result<NewKey, RotationError> {
    let private = PrivateKey::from_jwk_bytes(jwk)?;
    if !algorithms.contains(&private.algorithm()) {
        return Err(RotationError::Algorithm(private.algorithm()));
    }
    succeed(store, lifetimes, clock, &Successor { private, at_once, compromised: None }).await
}

/// Takes a key that does not sign yet out of the succession. The present one goes on, until the next one takes over.
pub async fn retire(store: &Store, lifetimes: &KeyLifetimes, clock: &Clock, kid: &str) -> Result<(), RotationError> {
    let mut tx = store.write().await?;
    signing_key::lock(&mut tx).await?;
    let now = clock.now();
    let stored = signing_key::all(&mut tx).await?;
    let found = stored.iter().find(|key| key.kid == kid).ok_or_else(|| RotationError::Unknown(kid.to_owned()))?;
    match found.times.state(lifetimes, now) {
        KeyState::Published => {}
        state => return Err(RotationError::NotWaiting { kid: kid.to_owned(), state }),
    }
    signing_key::skip(&mut tx, kid, now).await?;
    audit::record(&mut tx, &AuditEntry::new(Event::KeySkipped { kid: kid.to_owned() }), now).await?;
    tx.commit().await?;
    Ok(())
}

/// A key that takes over.
struct Successor<'a> {
    private: PrivateKey,
    at_once: bool,
    /// The one that is in other hands.
    compromised: Option<&'a str>,
}

async fn succeed(
    store: &Store,
    lifetimes: &KeyLifetimes,
    clock: &Clock,
    successor: &Successor<'_>,
) -> Result<NewKey, RotationError> {
    let mut tx = store.write().await?;
    signing_key::lock(&mut tx).await?;
    let now = clock.now();
    let stored = signing_key::all(&mut tx).await?;
    let has = |kid: &str| stored.iter().any(|key| key.kid == kid);
    let kid = successor.private.kid();
    if has(kid) {
        return Err(RotationError::Known(kid.to_owned()));
    }
    if let Some(compromised) = successor.compromised {
        if !has(compromised) {
            return Err(RotationError::Unknown(compromised.to_owned()));
        }
        note_compromised(&mut tx, compromised, now).await?;
    }
    let signs_from = if successor.at_once { now } else { earliest(&stored, lifetimes, now) };
    insert(&mut tx, &successor.private, now, signs_from).await?;
    tx.commit().await?;
    Ok(NewKey { kid: kid.to_owned(), signs_from })
}

/// The key of an algorithm that signs last.
fn newest(stored: &[signing_key::StoredKey], algorithm: Algorithm) -> Option<&KeyTimes> {
    let keys = stored.iter().filter(|key| key.algorithm == algorithm.name() && key.times.retired_at.is_none());
    keys.map(|key| &key.times).max_by_key(|times| times.signs_from)
}

/// From when on a key can sign that is published now. Without any key nobody can have cached anything.
fn earliest(stored: &[signing_key::StoredKey], lifetimes: &KeyLifetimes, now: DateTime<Utc>) -> DateTime<Utc> {
    if stored.is_empty() { now } else { now + lifetimes.lead() }
}

async fn generate(algorithm: Algorithm) -> Result<PrivateKey, RotationError> {
    Ok(tokio::task::spawn_blocking(move || PrivateKey::generate(algorithm)).await??)
}

async fn insert(
    tx: &mut Tx,
    private: &PrivateKey,
    now: DateTime<Utc>,
    signs_from: DateTime<Utc>,
) -> Result<(), StoreError> {
    let stored = signing_key::StoredKey {
        kid: private.kid().to_owned(),
        algorithm: private.algorithm().to_string(),
        private_jwk: private.to_jwk_bytes(),
        times: KeyTimes { published_at: now, signs_from, retired_at: None, compromised_at: None },
    };
    signing_key::insert(tx, &stored).await?;
    let event = Event::KeyPublished { kid: stored.kid, at_once: signs_from == now };
    audit::record(tx, &AuditEntry::new(event), now).await
}
