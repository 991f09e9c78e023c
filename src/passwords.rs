//! Hashing of passwords with Argon2id (RFC 9106): as many at once as there are cores, and a bounded queue.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::phc::PasswordHash};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use tokio::sync::Semaphore;

use crate::{config::PasswordSettings, domain::credential::Password, random::Random};

/// Tries that may wait for a core at once. Beyond it people are asked to come back in a moment.
const MAX_WAITING: usize = 256;

/// Hashes passwords, as many at once as there are cores: each takes 19 MiB and all of a core.
#[derive(Clone, Debug)]
pub struct Passwords(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    argon2: Argon2<'static>,
    random: Random,
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    /// What a password is compared with where there is no account, so that both take the same time.
    decoy: String,
}

/// Why a password could not be hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many are waiting already.
    #[error("too many sign-ins at once")]
    Busy,
    /// The settings, or a stored hash, are not of Argon2.
    #[error("Argon2: {0}")]
    Argon2(String),
}

impl Passwords {
    /// With the operator's cost settings.
    pub fn new(settings: &PasswordSettings, random: Random) -> Result<Self, HashError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let params = Params::new(settings.memory_kib, settings.iterations, settings.parallelism, None)
            .map_err(|error| HashError::Argon2(error.to_string()))?;
        let decoy = format!(
            "$argon2id$v=19$m={},t={},p={}${}${}",
            settings.memory_kib,
            settings.iterations,
            settings.parallelism,
            STANDARD_NO_PAD.encode(random.bytes::<16>()),
            STANDARD_NO_PAD.encode(random.bytes::<32>()),
        );
        Ok(Self(Arc::new(Inner {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            random,
            permits: Arc::new(Semaphore::new(cores)),
            waiting: Arc::default(),
            decoy,
        })))
    }

    /// The Argon2id PHC string of a password, under a fresh salt.
    pub async fn hash(&self, password: &Password) -> Result<String, HashError> {
        let (argon2, salt, password) = (self.0.argon2.clone(), self.0.random.bytes::<16>(), password.clone());
        self.run(move || {
            let phc = argon2.hash_password_with_salt(password.as_bytes(), &salt);
            phc.map(|phc: PasswordHash| phc.to_string()).map_err(|error| HashError::Argon2(error.to_string()))
        })
        .await
    }

    /// Whether the password is the one behind the PHC string. Without one the answer is no, after the same work.
    pub async fn verify(&self, phc: Option<String>, password: &Password) -> Result<bool, HashError> {
        let is_known = phc.is_some();
        let phc = phc.unwrap_or_else(|| self.0.decoy.clone());
        let (argon2, password) = (self.0.argon2.clone(), password.clone());
        let matches = self
            .run(move || {
                let phc = PasswordHash::new(&phc).map_err(|error| HashError::Argon2(error.to_string()))?;
                Ok(argon2.verify_password(password.as_bytes(), &phc).is_ok())
            })
            .await?;
        Ok(matches && is_known)
    }

    /// Runs work that takes a core for as long as a hash does, in the same queue.
    pub async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<R, HashError> + Send + 'static,
    ) -> Result<R, HashError> {
        let place = Waiting::enter(&self.0.waiting)?;
        let permit = self.0.permits.clone().acquire_owned().await.map_err(|_| HashError::Busy)?;
        // Both stay with the work: it goes on when the request is broken off, and so must not make room for another.
        let bounded = move || {
            let _held = (place, permit);
            work()
        };
        tokio::task::spawn_blocking(bounded).await.map_err(|error| HashError::Argon2(error.to_string()))?
    }
}

/// A place in the queue; given back when dropped, even by a request that was broken off.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn enter(waiting: &Arc<AtomicUsize>) -> Result<Self, HashError> {
        let place = Self(waiting.clone());
        if waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING { Err(HashError::Busy) } else { Ok(place) }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
