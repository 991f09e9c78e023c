//! Our own keys for what is encrypted for us: request objects (RFC 9101 §6.1, OpenID Connect Core §10.2).
//!
//! The newest of each algorithm is published. Those before it open what was encrypted by whoever had the older JWKS in a cache, and
//! are then forgotten.

use std::time::Duration;

use chrono::{DateTime, Utc};
use countersign_jose::{DecryptionKey, KeyManagement};

use super::rotation::RotationError;
use crate::{
    clock::Clock,
    domain::key::KeyLifetimes,
    store::{
        Store,
        encryption_key::{self, StoredEncryptionKey},
        signing_key,
    },
};

/// How long after the caches of the JWKS a request may still be on its way.
const ON_THE_WAY: Duration = Duration::from_hours(1);

/// Makes the first key of each algorithm, or a successor when the newest has been published for long enough, and removes those that
/// nobody encrypts with any more. Safe on several nodes at once.
///
/// # Errors
/// [`RotationError`].
pub async fn maintain(store: &Store, lifetimes: &KeyLifetimes, clock: &Clock) -> Result<(), RotationError> {
    let stored = encryption_key::all(&mut store.read().await?).await?;
    let now = clock.now();
    for algorithm in KeyManagement::ASYMMETRIC {
        if needs_one(&stored, algorithm, lifetimes, now) {
            // Generated before the lock is taken: it takes a while. Another node may have been faster meanwhile.
            let private_jwk = tokio::task::spawn_blocking(move || DecryptionKey::generate(algorithm)).await??;
            let kid = DecryptionKey::from_jwk_bytes(algorithm, &private_jwk)?;
            let kid = kid.public_jwk().and_then(|key| key.kid()).unwrap_or_default().to_owned();
            let mut tx = store.write().await?;
            signing_key::lock(&mut tx).await?;
            if needs_one(&encryption_key::all(&mut tx).await?, algorithm, lifetimes, now) {
                let key =
                    StoredEncryptionKey { kid, algorithm: algorithm.name().to_owned(), private_jwk, made_at: now };
                encryption_key::insert(&mut tx, &key).await?;
            }
            tx.commit().await?;
        }
    }
    let over: Vec<_> = stored.iter().filter(|key| is_over(key, &stored, lifetimes, now)).collect();
    if !over.is_empty() {
        let mut tx = store.write().await?;
        for key in over {
            encryption_key::delete(&mut tx, &key.kid).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

fn needs_one(
    stored: &[StoredEncryptionKey],
    algorithm: KeyManagement,
    lifetimes: &KeyLifetimes,
    now: DateTime<Utc>,
) -> bool {
    let newest = stored.iter().find(|key| key.algorithm == algorithm.name());
    newest.is_none_or(|key| now >= key.made_at + lifetimes.signing)
}

/// Whether nobody can have a JWKS any more in which this key was the newest. `stored` has the newest first.
fn is_over(
    key: &StoredEncryptionKey,
    stored: &[StoredEncryptionKey],
    lifetimes: &KeyLifetimes,
    now: DateTime<Utc>,
) -> bool {
    let later = |other: &&StoredEncryptionKey| other.algorithm == key.algorithm && other.made_at > key.made_at;
    let successor = stored.iter().filter(later).map(|other| other.made_at).min();
    successor.is_some_and(|at| now >= at + lifetimes.jwks_cache + ON_THE_WAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIMES: KeyLifetimes = KeyLifetimes {
        jwks_cache: Duration::from_secs(100),
        signing: Duration::from_secs(10_000),
        token: Duration::from_secs(5),
        hint: Duration::from_secs(50),
    };

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn key(algorithm: KeyManagement, made: i64) -> StoredEncryptionKey {
        let (kid, algorithm) = (made.to_string(), algorithm.name().to_owned());
        StoredEncryptionKey { kid, algorithm, private_jwk: Vec::new(), made_at: at(made) }
    }

    #[test]
    fn each_algorithm_has_a_successor_in_time_and_its_predecessor_stays_for_the_caches() {
        const RSA: KeyManagement = KeyManagement::RsaOaep256;
        assert!(needs_one(&[key(KeyManagement::EcdhEs, 0)], RSA, &LIFETIMES, at(0)));
        assert!(!needs_one(&[key(RSA, 0)], RSA, &LIFETIMES, at(9_999)));
        assert!(needs_one(&[key(RSA, 0)], RSA, &LIFETIMES, at(10_000)));
        let stored = [key(RSA, 10_000), key(KeyManagement::EcdhEs, 9_000), key(RSA, 0)];
        let over = |seconds| stored.iter().filter(|key| is_over(key, &stored, &LIFETIMES, at(seconds))).count();
        assert_eq!((over(13_699), over(13_700)), (0, 1));
    }
}
