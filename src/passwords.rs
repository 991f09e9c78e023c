//! Hashing of passwords with Argon2id (RFC 9106): as many at once as there are cores, and a bounded queue.
//!
//! Hashes that were imported, of bcrypt or of Argon2 with other settings, are compared as they are, and told apart from our own, so
//! that whoever signs in by one gets a new one.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use tokio::sync::Semaphore;
use zxcvbn::{Score, zxcvbn};

use crate::{
    config::PasswordSettings,
    domain::{credential::Password, password_rules::NearWords},
    random::Random,
};

/// Tries that may wait for a core at once. Beyond it people are asked to come back in a moment.
const MAX_WAITING: usize = 256;
/// Secrets of clients that may wait for their turn at once.
const MAX_CLIENTS_WAITING: usize = 64;
/// A password that fewer guesses than 10^6 find is refused.
const LEAST_SCORE: Score = Score::Two;

/// Hashes passwords, as many at once as there are cores: each takes 19 MiB and all of a core.
#[derive(Clone, Debug)]
pub struct Passwords(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    argon2: Argon2<'static>,
    random: Random,
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    /// Turns of clients: they have half of the cores at most, so that no flood of them keeps people from signing in.
    turns: Arc<Semaphore>,
    clients_waiting: Arc<AtomicUsize>,
    memory: Memory,
    /// What a password is compared with where there is no account, so that both take the same time.
    decoy: String,
}

/// Why a password could not be hashed or compared.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many are waiting already.
    #[error("too many sign-ins at once")]
    Busy,
    /// The settings, or a stored hash, cannot be used.
    #[error("hashing: {0}")]
    Failed(String),
}

/// Why a hash of another system cannot be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeignHashError {
    /// Neither bcrypt nor Argon2.
    #[error("a password hash must be bcrypt ($2a$, $2b$, $2y$) or an Argon2 PHC string")]
    Kind,
    /// It is cut off, or holds what no such hash holds.
    #[error("a password hash is broken")]
    Broken,
    /// Comparing with it would take too long, or too much memory.
    #[error("a password hash is too costly: at most cost 15 of bcrypt, or 256 MiB and 2 GiB in all passes of Argon2")]
    Costly,
}

impl Passwords {
    /// The most expensive bcrypt hash that is taken over: about two seconds.
    const MAX_BCRYPT_COST: u32 = 15;
    /// The most memory of an Argon2 hash that is taken over, in KiB.
    const MAX_ARGON2_KIB: u32 = 256 * 1024;
    /// The most memory times passes of an Argon2 hash that is taken over, in KiB.
    const MAX_ARGON2_WORK: u64 = 2 * 1024 * 1024;

    /// With the operator's cost settings.
    pub fn new(settings: &PasswordSettings, random: Random) -> Result<Self, HashError> {
        Self::on(std::thread::available_parallelism().map_or(1, usize::from), settings, random)
    }

    fn on(cores: usize, settings: &PasswordSettings, random: Random) -> Result<Self, HashError> {
        let params =
            Params::new(settings.memory_kib, settings.iterations, settings.parallelism, None).map_err(failed)?;
        let decoy = format!(
            "$argon2id$v=19$m={},t={},p={}${}${}",
            settings.memory_kib,
            settings.iterations,
            settings.parallelism,
            STANDARD_NO_PAD.encode(random.bytes::<16>()),
            STANDARD_NO_PAD.encode(random.bytes::<32>()),
        );
        Ok(Self(Arc::new(Inner {
            memory: Memory::new(&params),
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            random,
            permits: Arc::new(Semaphore::new(cores)),
            waiting: Arc::default(),
            turns: Arc::new(Semaphore::new((cores / 2).max(1))),
            clients_waiting: Arc::default(),
            decoy,
        })))
    }

    /// The Argon2id PHC string of a password, under a fresh salt.
    pub async fn hash(&self, password: &Password) -> Result<String, HashError> {
        let (inner, salt, password) = (self.0.clone(), self.0.random.bytes::<16>(), password.clone());
        self.run(move || {
            let params = ParamsString::try_from(inner.argon2.params()).map_err(failed)?;
            let hash = inner.memory.fill(&inner.argon2, &password, &salt)?;
            let phc = PasswordHash {
                algorithm: Algorithm::Argon2id.ident(),
                version: Some(Version::V0x13.into()),
                params,
                salt: Some(Salt::new(&salt).map_err(failed)?),
                hash: Some(hash),
            };
            Ok(phc.to_string())
        })
        .await
    }

    /// Whether the password is the one behind the hash. Without one the answer is no, after the same work.
    pub async fn verify(&self, hash: Option<String>, password: &Password) -> Result<bool, HashError> {
        let is_known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.0.decoy.clone());
        Ok(self.run(self.comparison(hash, password)).await? && is_known)
    }

    /// Whether the secret of a client is the one behind the hash. Clients wait for each other before they wait with people.
    pub async fn verify_for_client(&self, hash: &str, secret: &Password) -> Result<bool, HashError> {
        self.run_for_client(self.comparison(hash.to_owned(), secret)).await
    }

    fn comparison(&self, hash: String, password: &Password) -> impl FnOnce() -> Result<bool, HashError> + Send + use<> {
        let (inner, password) = (self.0.clone(), password.clone());
        move || {
            if is_bcrypt(&hash) {
                return bcrypt::verify(password.as_bytes(), &hash).map_err(failed);
            }
            let phc = PasswordHash::new(&hash).map_err(failed)?;
            let (Some(salt), Some(expected)) = (&phc.salt, &phc.hash) else { return Ok(false) };
            let algorithm = Algorithm::try_from(phc.algorithm.as_str()).map_err(failed)?;
            let version = phc.version.map_or(Ok(Version::default()), Version::try_from).map_err(failed)?;
            let argon2 = Argon2::new(algorithm, version, Params::try_from(&phc).map_err(failed)?);
            // Compared in constant time, as the type does.
            Ok(inner.memory.fill(&argon2, &password, salt)? == *expected)
        }
    }

    /// Whether a hash was made otherwise than one made today would be.
    pub fn is_outdated(&self, hash: &str) -> bool {
        let Ok(phc) = PasswordHash::new(hash) else { return true };
        let is_ours = |params: Params| {
            let ours = self.0.argon2.params();
            (params.m_cost(), params.t_cost(), params.p_cost()) == (ours.m_cost(), ours.t_cost(), ours.p_cost())
                && params.output_len() == Some(Params::DEFAULT_OUTPUT_LEN)
        };
        phc.algorithm != Algorithm::Argon2id.ident()
            || phc.version != Some(Version::V0x13.into())
            || !Params::try_from(&phc).is_ok_and(is_ours)
    }

    /// Whether a hash of another system can be taken over.
    pub fn check_foreign(hash: &str) -> Result<(), ForeignHashError> {
        if is_bcrypt(hash) {
            let parts: bcrypt::HashParts = hash.parse().map_err(|_| ForeignHashError::Broken)?;
            return match parts.get_cost() {
                0..4 => Err(ForeignHashError::Broken),
                4..=Self::MAX_BCRYPT_COST => Ok(()),
                _ => Err(ForeignHashError::Costly),
            };
        }
        if !hash.starts_with("$argon2") {
            return Err(ForeignHashError::Kind);
        }
        let phc = PasswordHash::new(hash).map_err(|_| ForeignHashError::Broken)?;
        let params = Params::try_from(&phc).map_err(|_| ForeignHashError::Broken)?;
        let is_known = Algorithm::try_from(phc.algorithm.as_str()).is_ok()
            && phc.version.is_some_and(|version| Version::try_from(version).is_ok())
            && phc.salt.is_some_and(|salt| salt.len() >= argon2::MIN_SALT_LEN)
            && phc.hash.is_some();
        let is_bounded = params.m_cost() <= Self::MAX_ARGON2_KIB
            && u64::from(params.m_cost()) * u64::from(params.t_cost()) <= Self::MAX_ARGON2_WORK;
        match (is_known, is_bounded) {
            (false, _) => Err(ForeignHashError::Broken),
            (true, false) => Err(ForeignHashError::Costly),
            (true, true) => Ok(()),
        }
    }

    /// Whether a few guesses would find a new password, words of the person and of the house among the first.
    pub async fn is_weak(&self, password: &Password, near: &NearWords) -> Result<bool, HashError> {
        let (password, near) = (password.clone(), near.clone());
        self.run(move || {
            let words: Vec<_> = near.iter().collect();
            Ok(zxcvbn(password.as_str(), &words).score() < LEAST_SCORE)
        })
        .await
    }

    /// Runs work that takes a core for as long as a hash does, in the same queue.
    pub async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<R, HashError> + Send + 'static,
    ) -> Result<R, HashError> {
        let place = Waiting::enter(&self.0.waiting, MAX_WAITING)?;
        let permit = self.0.permits.clone().acquire_owned().await.map_err(|_| HashError::Busy)?;
        // Both stay with the work: it goes on when the request is broken off, and so must not make room for another.
        let bounded = move || {
            let _held = (place, permit);
            work()
        };
        tokio::task::spawn_blocking(bounded).await.map_err(failed)?
    }

    async fn run_for_client<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<R, HashError> + Send + 'static,
    ) -> Result<R, HashError> {
        let place = Waiting::enter(&self.0.clients_waiting, MAX_CLIENTS_WAITING)?;
        let turn = self.0.turns.clone().acquire_owned().await.map_err(|_| HashError::Busy)?;
        let bounded = move || {
            let _held = (place, turn);
            work()
        };
        self.run(bounded).await
    }
}

/// Memory that hashes have worked in, kept for the next: to get 19 MiB from the system each time costs a tenth of a hash, and the
/// allocator would keep as much again for every thread that had any. There are never more of them than hashes at once.
struct Memory {
    kept: Mutex<Vec<Vec<Block>>>,
    /// Blocks of a hash with our own settings. What an imported hash needed beyond that is given back.
    most: usize,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

impl Memory {
    fn new(params: &Params) -> Self {
        Self { kept: Mutex::default(), most: params.block_count() }
    }

    /// The hash of a password.
    fn fill(&self, argon2: &Argon2<'_>, password: &Password, salt: &[u8]) -> Result<Output, HashError> {
        let params = argon2.params();
        let mut blocks = self.kept().pop().unwrap_or_default();
        // Exactly: to grow by doubling would keep twice as much.
        blocks.reserve_exact(params.block_count().saturating_sub(blocks.len()));
        blocks.resize(params.block_count(), Block::new());
        let mut output = [0; Output::MAX_LENGTH];
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let output = output.get_mut(..length).ok_or_else(|| failed("the hash is too long"))?;
        argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, &mut blocks).map_err(failed)?;
        if blocks.capacity() <= self.most {
            self.kept().push(blocks);
        }
        Output::new(output).map_err(failed)
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Vec<Block>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(error: impl std::fmt::Display) -> HashError {
    HashError::Failed(error.to_string())
}

/// Of all its kinds but `$2x$`, which marks hashes of an implementation that was wrong.
fn is_bcrypt(hash: &str) -> bool {
    ["$2a$", "$2b$", "$2y$"].iter().any(|kind| hash.starts_with(kind))
}

/// A place in the queue; given back when dropped, even by a request that was broken off.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn enter(waiting: &Arc<AtomicUsize>, most: usize) -> Result<Self, HashError> {
        let place = Self(waiting.clone());
        if waiting.fetch_add(1, Ordering::Relaxed) >= most { Err(HashError::Busy) } else { Ok(place) }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "correct horse battery staple";

    fn passwords() -> Passwords {
        let settings = crate::config::Settings::parse("password.memory_kib = 64\npassword.iterations = 1", []).unwrap();
        Passwords::new(&settings.password, Random::from_fn(|bytes| bytes.fill(7))).unwrap()
    }

    fn typed(text: &str) -> Password {
        Password::typed(text.to_owned()).unwrap()
    }

    /// A flood of clients fills its own queue, and a person's hash goes past all of them.
    #[tokio::test]
    async fn clients_leave_cores_to_people() {
        let settings = crate::config::Settings::parse("", []).unwrap();
        let passwords = Passwords::on(2, &settings.password, Random::from_fn(|bytes| bytes.fill(7))).unwrap();
        let (gate, closed) = std::sync::mpsc::channel::<()>();
        let closed = Arc::new(Mutex::new(closed));
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..=MAX_CLIENTS_WAITING {
            let (passwords, closed) = (passwords.clone(), closed.clone());
            let work = move || {
                let _ = closed.lock().unwrap().recv();
                Ok(())
            };
            clients.spawn(async move { passwords.run_for_client(work).await });
        }
        let refused = clients.join_next().await.unwrap().unwrap();
        assert!(matches!(refused, Err(HashError::Busy)), "one too many");
        passwords.run(|| Ok(())).await.unwrap();
        drop(gate);
        assert!(clients.join_all().await.into_iter().all(|done| done.is_ok()));
    }

    async fn matches(hash: &str, password: &str) -> bool {
        passwords().verify(Some(hash.to_owned()), &typed(password)).await.unwrap()
    }

    #[tokio::test]
    async fn hashes_of_other_systems_are_compared_as_they_are() {
        // bcrypt by libxcrypt, Argon2 from the tests of the reference implementation.
        for (hash, password) in [
            ("$2a$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG", PASSWORD),
            ("$2b$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG", PASSWORD),
            ("$2y$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG", PASSWORD),
            ("$2b$04$abcdefghijklmnopqrstuuZMx2ySoJU54vRBlurNZZfqeSHMVGUD2", "Pässwörter 🔑"),
            ("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "password"),
            ("$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8", "password"),
        ] {
            assert_eq!(Passwords::check_foreign(hash), Ok(()), "{hash}");
            assert!(matches(hash, password).await, "{hash}");
            for wrong in ["", " ", "Password", "correct horse battery staple ", "Pässwörter 🔒"] {
                assert!(!matches(hash, wrong).await, "{hash} {wrong}");
            }
            assert!(passwords().is_outdated(hash), "{hash}");
        }
    }

    #[tokio::test]
    async fn memory_is_used_again_but_not_what_only_an_imported_hash_needed() {
        let passwords = passwords();
        let kept = || passwords.0.memory.kept().iter().map(Vec::capacity).collect::<Vec<_>>();
        for _ in 0..3 {
            let hash = passwords.hash(&typed(PASSWORD)).await.unwrap();
            assert!(passwords.verify(Some(hash), &typed(PASSWORD)).await.unwrap());
            assert_eq!(kept(), [64]);
        }
        let larger = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert!(passwords.verify(Some(larger.to_owned()), &typed("password")).await.unwrap());
        assert_eq!(kept(), [] as [usize; 0]);
    }

    #[tokio::test]
    async fn bcrypt_never_saw_more_than_72_bytes() {
        let hash = "$2b$04$abcdefghijklmnopqrstuum2G75IXDN/xsgbNa/hCiPSKyIHQd70S";
        assert!(matches(hash, &"0123456789".repeat(8)).await);
    }

    #[tokio::test]
    async fn our_own_hashes_are_outdated_when_the_settings_changed() {
        let hash = passwords().hash(&typed(PASSWORD)).await.unwrap();
        assert!(!passwords().is_outdated(&hash));
        for (ours, other) in [("m=64", "m=65"), ("t=1", "t=2"), ("v=19", "v=16"), ("$argon2id$", "$argon2i$")] {
            assert!(passwords().is_outdated(&hash.replace(ours, other)), "{other}");
        }
    }

    #[test]
    fn hashes_that_cannot_be_compared_are_not_taken_over() {
        use ForeignHashError::{Broken, Costly, Kind};
        let bcrypt = |from, to| "$2b$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG".replace(from, to);
        let argon2 = |from, to| {
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4".replace(from, to)
        };
        for (hash, expected) in [
            (String::new(), Kind),
            (PASSWORD.to_owned(), Kind),
            ("$1$salt$qJH7.N4xYta3aEG/dfqo/0".to_owned(), Kind),
            ("5f4dcc3b5aa765d61d8327deb882cf99".to_owned(), Kind),
            // Made by an implementation that was wrong.
            (bcrypt("$2b$", "$2x$"), Kind),
            (bcrypt("CG", ""), Broken),
            (bcrypt("$04$", "$03$"), Broken),
            (bcrypt("$04$", "$xx$"), Broken),
            (bcrypt("abc", "a\u{e4}"), Broken),
            (bcrypt("$04$", "$16$"), Costly),
            (argon2("$c29tZXNhbHQ", ""), Broken),
            (argon2("$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", ""), Broken),
            (argon2("$v=19", ""), Broken),
            (argon2("argon2id", "argon2x"), Broken),
            (argon2("m=256", "m=1"), Broken),
            (argon2("m=256", "m=262145"), Costly),
            (argon2("m=256,t=2", "m=262144,t=9"), Costly),
        ] {
            assert_eq!(Passwords::check_foreign(&hash), Err(expected), "{hash}");
        }
    }

    #[tokio::test]
    async fn weak_is_what_few_guesses_find() {
        let is_weak = async |text: &str, near: &[&str]| {
            passwords().is_weak(&typed(text), &NearWords::of(near.iter().copied())).await.unwrap()
        };
        for weak in ["aaaaaaaaaaaa", "abcdefghijkl", "qwertzuiop", "19871987", "Password!", "🔑🔑🔑🔑🔑🔑🔑🔑"]
        {
            assert!(is_weak(weak, &[]).await, "{weak}");
        }
        for strong in [PASSWORD, "a new battery staple", "x7Kp2vQz", "Донаудампфшифф", "ひらがなで書かれた合言葉"]
        {
            assert!(!is_weak(strong, &[]).await, "{strong}");
        }
        assert!(!is_weak("zyxomma!", &[]).await && is_weak("zyxomma!", &["zyxomma"]).await);
    }

    #[tokio::test]
    async fn no_text_takes_long_to_judge_or_breaks_the_judge() {
        let longest = |text: &str| text.chars().cycle().take(128).collect::<String>();
        for text in [
            "a",
            "1",
            "qwerty",
            "p@55w0rd",
            "@4{([<63!1|0$57+%2",
            "2024-11-25",
            "aB3$",
            "\u{301}",
            "🔑e\u{301}\u{202e}",
            "ﷺ",
            "\u{130}",
        ] {
            passwords().is_weak(&typed(&longest(text)), &NearWords::of([text])).await.unwrap();
        }
    }
}
