//! The signing keys in memory, ready to use: building a signer for each token would cost three times the signature.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, Utc};
use countersign_jose::{Algorithm, DecryptionKey, KeyError, PrivateKey, PublicJwk, Signer, Verifier, decrypt};

use super::jwks::Jwks;
use crate::{
    domain::key::{KeyLifetimes, KeyState, KeyTimes},
    store::{Store, StoreError, encryption_key, signing_key},
};

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// They cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// One of them is not a key.
    #[error("the signing key {kid}: {source}")]
    Key {
        /// Which one.
        kid: String,
        /// What is wrong with it.
        source: KeyError,
    },
}

/// It was not encrypted for us, or changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not encrypted by a key of ours")]
pub struct Undecryptable;

/// A key, ready to use.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) times: KeyTimes,
    pub(super) public: PublicJwk,
    pub(super) algorithm: Algorithm,
    pub(super) signer: Signer,
    pub(super) verifier: Verifier,
}

#[derive(Debug, Default)]
struct Loaded {
    /// The first to sign first.
    keys: Vec<Key>,
    /// For what is encrypted for us; the newest first.
    decryption: Vec<DecryptionKey>,
    jwks: Jwks,
}

/// All keys of an issuer. Readers never wait for a reload.
#[derive(Debug)]
pub struct Keyring {
    lifetimes: KeyLifetimes,
    loaded: RwLock<Arc<Loaded>>,
    /// Where the counter of changes stood when they were last read.
    counter: AtomicI64,
}

impl Keyring {
    /// An empty keyring: load it before use.
    pub fn new(lifetimes: KeyLifetimes) -> Self {
        Self { lifetimes, loaded: RwLock::default(), counter: AtomicI64::new(0) }
    }

    /// How long keys live.
    pub fn lifetimes(&self) -> &KeyLifetimes {
        &self.lifetimes
    }

    /// Reads the keys anew.
    pub async fn load(&self, store: &Store, now: DateTime<Utc>) -> Result<(), KeyringError> {
        let mut tx = store.read().await?;
        let stored = signing_key::all(&mut tx).await?;
        let for_encryption = encryption_key::all(&mut tx).await?;
        drop(tx);
        let mut keys = Vec::with_capacity(stored.len());
        for stored in stored {
            let build = || {
                let private = PrivateKey::from_jwk_bytes(&stored.private_jwk)?;
                let public = private.public_jwk();
                let verifier = public.verifier(private.algorithm())?;
                let algorithm = private.algorithm();
                Ok(Key { times: stored.times.clone(), public, algorithm, signer: private.signer()?, verifier })
            };
            keys.push(build().map_err(|source| KeyringError::Key { kid: stored.kid.clone(), source })?);
        }
        let mut decryption = Vec::with_capacity(for_encryption.len());
        for stored in for_encryption {
            // One of an algorithm that another version knows is let be.
            let Ok(algorithm) = stored.algorithm.parse() else { continue };
            let key = DecryptionKey::from_jwk_bytes(algorithm, &stored.private_jwk);
            decryption.push(key.map_err(|source| KeyringError::Key { kid: stored.kid.clone(), source })?);
        }
        let jwks = Jwks::of(&keys, &decryption, &self.lifetimes, now);
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Loaded { keys, decryption, jwks });
        Ok(())
    }

    /// Reads the keys anew if the counter of changes moved since they were last read.
    pub async fn follow(&self, counter: i64, store: &Store, now: DateTime<Utc>) -> Result<(), KeyringError> {
        if self.counter.load(Ordering::Relaxed) != counter {
            self.load(store, now).await?;
            self.counter.store(counter, Ordering::Relaxed);
        }
        Ok(())
    }

    fn loaded(&self) -> Arc<Loaded> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Uses the key that signs by this algorithm at this time; `None` before the first one was made.
    pub fn sign_with<R>(&self, algorithm: Algorithm, now: DateTime<Utc>, sign: impl FnOnce(&Signer) -> R) -> Option<R> {
        let loaded = self.loaded();
        let is = |key: &Key, state| key.algorithm == algorithm && key.times.state(&self.lifetimes, now) == state;
        // The newest: after an emergency rotation two may think that it is their time.
        let signing = loaded.keys.iter().rev().find(|key| is(key, KeyState::Signing));
        // A clock that was ahead when the first key was made, and was put right since: better that key than none.
        let waiting = || loaded.keys.iter().find(|key| is(key, KeyState::Published));
        signing.or_else(waiting).map(|key| sign(&key.signer))
    }

    /// Whether there is a key that signs by this algorithm at this time, and that others have had time to learn of.
    pub fn signs_by(&self, algorithm: Algorithm, now: DateTime<Utc>) -> bool {
        let signs =
            |key: &Key| key.algorithm == algorithm && key.times.state(&self.lifetimes, now) == KeyState::Signing;
        self.loaded().keys.iter().any(signs)
    }

    /// Uses the key with this id, if it is one of ours at this time, whether or not others still see it.
    pub(super) fn verify_with<R>(
        &self,
        kid: &str,
        now: DateTime<Utc>,
        verify: impl FnOnce(&Verifier) -> R,
    ) -> Option<R> {
        let is_ours = |key: &&Key| key.public.kid() == Some(kid) && key.times.state(&self.lifetimes, now).is_ours();
        self.loaded().keys.iter().find(is_ours).map(|key| verify(&key.verifier))
    }

    /// The same, with keys alone that others see at this time: what others could not verify is not accepted from them either.
    pub(super) fn verify_with_public<R>(
        &self,
        kid: &str,
        now: DateTime<Utc>,
        verify: impl FnOnce(&Verifier) -> R,
    ) -> Option<R> {
        let is_public = |key: &&Key| key.public.kid() == Some(kid) && key.times.state(&self.lifetimes, now).is_public();
        self.loaded().keys.iter().find(is_public).map(|key| verify(&key.verifier))
    }

    /// What a JWE holds that was encrypted for us; `None` if this is not even of the form of one.
    pub fn decrypt(&self, token: &str) -> Option<Result<String, Undecryptable>> {
        if token.split('.').count() != 5 {
            return None;
        }
        let loaded = self.loaded();
        let opened = loaded.decryption.iter().find_map(|key| decrypt(token, key).ok());
        Some(opened.and_then(|opened| String::from_utf8(opened).ok()).ok_or(Undecryptable))
    }

    /// What others see of the keys at this time.
    pub fn jwks(&self, now: DateTime<Utc>) -> Jwks {
        let loaded = self.loaded();
        if loaded.jwks.is_current(now) {
            loaded.jwks.clone()
        } else {
            Jwks::of(&loaded.keys, &loaded.decryption, &self.lifetimes, now)
        }
    }

    /// The times of all keys, the first to sign first.
    pub fn times(&self) -> Vec<KeyTimes> {
        self.loaded().keys.iter().map(|key| key.times.clone()).collect()
    }
}
