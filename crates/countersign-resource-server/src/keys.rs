//! The provider's keys, kept ready for use: fetched once, refreshed when they are old or when a token names an unknown one.
//!
//! Three promises. A request whose key is known does not wait for the network: keys are asked for again when their time is over, by a task
//! of their own. However many tokens name unknown keys, the provider is asked at most once per interval, by one request at a time.
//! Once fetched, keys stay in use while the provider is unreachable, for a stated time.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use countersign_jose::{Algorithm, JwkSet, Verifier};
use tokio::sync::{Mutex, OwnedMutexGuard};
use url::Url;

use crate::{
    TokenError,
    clock::{Clock, passed},
    provider::{Discovered, FetchError, Provider, keys_of_file},
};

/// While there are no keys at all, the provider may be asked this often, in seconds: both may have been started together.
const FIRST_INTERVAL: i64 = 1;
/// Keys are never kept longer than this without asking, whatever the provider says, in seconds.
const MAX_AGE_LIMIT: i64 = 24 * 60 * 60;

/// Keys, ready to verify with. Never changed: other keys are another set, and the same keys stay the same set, which is what tokens are
/// remembered by.
#[derive(Debug)]
pub(crate) struct KeySet {
    verifiers: HashMap<String, Vec<(Algorithm, Verifier)>>,
    source: JwkSet,
}

impl KeySet {
    /// The key that a token names. One that names none means the only key of its algorithm (RFC 7515 §4.1.4: `kid` is optional).
    pub fn verifier(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&Verifier> {
        let of_algorithm =
            |keys: &'_ Vec<(Algorithm, Verifier)>| keys.iter().position(|(known, _)| *known == algorithm);
        let keys = if let Some(kid) = kid {
            self.verifiers.get(kid)?
        } else {
            let mut fitting = self.verifiers.values().filter(|keys| of_algorithm(keys).is_some());
            fitting.next().filter(|_| fitting.next().is_none())?
        };
        keys.get(of_algorithm(keys)?).map(|(_, verifier)| verifier)
    }

    #[cfg(test)]
    pub fn empty() -> Self {
        Self { verifiers: HashMap::new(), source: JwkSet::default() }
    }

    /// Builds a verifier for every key and accepted algorithm that go together. Keys for other purposes are passed over.
    fn new(source: JwkSet, algorithms: &[Algorithm]) -> Result<Self, FetchError> {
        let mut verifiers: HashMap<String, Vec<(Algorithm, Verifier)>> = HashMap::new();
        for (position, key) in source.keys().iter().enumerate() {
            // A name that no key has of its own. A token that guesses it means a key of the provider all the same.
            let kid = key.kid().map_or_else(|| format!("\n{position}"), str::to_owned);
            for algorithm in algorithms.iter().filter(|algorithm| key.supports(**algorithm)) {
                match key.verifier(*algorithm) {
                    Ok(verifier) => verifiers.entry(kid.clone()).or_default().push((*algorithm, verifier)),
                    Err(error) => tracing::warn!(kid, %error, "a key of the provider cannot be used"),
                }
            }
        }
        if verifiers.is_empty() {
            return Err(FetchError::NoUsableKey);
        }
        Ok(Self { verifiers, source })
    }
}

/// What the provider published, and when.
#[derive(Clone, Debug)]
struct Fetched {
    keys: Arc<KeySet>,
    at: i64,
    /// For how long it counts as fresh, in seconds.
    max_age: i64,
}

/// Where the keys are.
#[derive(Debug)]
pub(crate) enum Source {
    /// Where the provider's discovery document says.
    Discovery,
    Url(Url),
    File(PathBuf),
}

#[derive(Debug)]
pub(crate) struct Keys {
    pub provider: Provider,
    pub source: Source,
    pub algorithms: Vec<Algorithm>,
    /// For how long keys are fresh when the provider does not say, in seconds.
    pub default_max_age: i64,
    /// How much time lies between two requests to the provider, in seconds.
    pub interval: i64,
    /// For how long keys that are no longer fresh stay in use while the provider is away, in seconds.
    pub stale_for: i64,
    pub clock: Arc<dyn Clock>,
    pub state: State,
}

#[derive(Debug)]
pub(crate) struct State {
    current: RwLock<Option<Fetched>>,
    last_attempt: AtomicI64,
    last_failed: AtomicBool,
    /// Whether a task sees to it that the keys are asked for in time.
    kept_fresh: AtomicBool,
    /// Whoever holds it may ask the provider; in it, where the keys are and when that was learnt.
    flight: Arc<Mutex<Option<(Discovered, i64)>>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            current: RwLock::default(),
            last_attempt: AtomicI64::new(i64::MIN),
            last_failed: AtomicBool::new(false),
            kept_fresh: AtomicBool::new(false),
            flight: Arc::default(),
        }
    }
}

impl Keys {
    /// A key set that knows this key, after asking the provider if need be.
    pub async fn knowing(self: &Arc<Self>, kid: Option<&str>, algorithm: Algorithm) -> Result<Arc<KeySet>, TokenError> {
        let knows = |keys: &Arc<KeySet>| keys.verifier(kid, algorithm).is_some();
        if let Some(keys) = self.at_hand(knows) {
            return Ok(keys);
        }
        self.refresh().await;
        let now = self.clock.now();
        match self.current() {
            Some(fetched) if knows(&fetched.keys) && self.is_usable(&fetched, now) => Ok(fetched.keys),
            Some(_) if !self.state.last_failed.load(Ordering::Relaxed) => Err(TokenError::UnknownKey),
            // The key may be one that we would know if only the provider had answered.
            _ => Err(TokenError::KeysUnavailable { retry_after: self.retry_after() }),
        }
    }

    /// The key set that there is, if it is the one that is looked for and need not be asked for again first.
    pub fn at_hand(self: &Arc<Self>, is_it: impl Fn(&Arc<KeySet>) -> bool) -> Option<Arc<KeySet>> {
        let now = self.clock.now();
        let fetched = self.current().filter(|fetched| is_it(&fetched.keys) && self.is_usable(fetched, now))?;
        if !passed(fetched.at, now, fetched.max_age) {
            return Some(fetched.keys);
        }
        // Keys are asked for again when their time is over, requests or none, so they are this old only where this process did not run: a
        // machine that slept. Then one request waits, so that a key that was withdrawn meanwhile is not used once more. Nobody waits
        // again for a provider that did not answer.
        let slept = passed(fetched.at, now, fetched.max_age.saturating_mul(2));
        if slept && !self.state.last_failed.load(Ordering::Relaxed) {
            return None;
        }
        self.refresh_in_background();
        Some(fetched.keys)
    }

    /// What the provider has said for too long nobody can rely on: it may have withdrawn the key long ago. A clock that was set back says
    /// nothing of that.
    fn is_usable(&self, fetched: &Fetched, now: i64) -> bool {
        now.saturating_sub(fetched.at) < fetched.max_age.saturating_add(self.stale_for)
    }

    /// Makes sure that there are keys.
    pub async fn ready(self: &Arc<Self>) -> Result<(), TokenError> {
        if self.current().is_none() {
            self.refresh().await;
        }
        match self.current() {
            Some(_) => Ok(()),
            None => Err(TokenError::KeysUnavailable { retry_after: self.retry_after() }),
        }
    }

    fn current(&self) -> Option<Fetched> {
        self.state.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the provider, unless it was asked just now; whoever comes meanwhile waits for the same answer.
    async fn refresh(self: &Arc<Self>) {
        let flight = Arc::clone(&self.state.flight).lock_owned().await;
        if self.may_ask() {
            let keys = Arc::clone(self);
            // A task of its own: a caller who hangs up must not end the answer that others wait for.
            let task = tokio::spawn(async move { keys.ask(flight).await });
            if let Err(error) = task.await {
                tracing::error!(%error, "fetching the provider's keys broke off");
            }
        }
    }

    fn refresh_in_background(self: &Arc<Self>) {
        if let Ok(flight) = Arc::clone(&self.state.flight).try_lock_owned()
            && self.may_ask()
        {
            let keys = Arc::clone(self);
            tokio::spawn(async move { keys.ask(flight).await });
        }
    }

    /// Asks again when the keys' time is over, whether anybody calls or not, for as long as the API is there.
    async fn keep_fresh(keys: Weak<Self>) {
        loop {
            let Some(pause) = keys.upgrade().map(|keys| keys.until_stale()) else { return };
            tokio::time::sleep(pause).await;
            let Some(keys) = keys.upgrade() else { return };
            // A request may have been faster.
            if keys.until_stale() <= keys.shortest_pause() {
                keys.refresh_in_background();
            }
        }
    }

    fn until_stale(&self) -> Duration {
        let left = self
            .current()
            .map_or(0, |fetched| fetched.at.saturating_add(fetched.max_age).saturating_sub(self.clock.now()));
        // Where it fails, the next try is an interval later.
        Duration::from_secs(u64::try_from(left).unwrap_or(0)).max(self.shortest_pause())
    }

    fn shortest_pause(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.interval).unwrap_or(1))
    }

    fn may_ask(&self) -> bool {
        passed(self.state.last_attempt.load(Ordering::Relaxed), self.clock.now(), self.pause())
    }

    fn pause(&self) -> i64 {
        if self.current().is_some() { self.interval } else { self.interval.min(FIRST_INTERVAL) }
    }

    fn retry_after(&self) -> i64 {
        let since = self.clock.now().saturating_sub(self.state.last_attempt.load(Ordering::Relaxed));
        self.pause().saturating_sub(since.max(0)).max(1)
    }

    async fn ask(self: &Arc<Self>, mut known: OwnedMutexGuard<Option<(Discovered, i64)>>) {
        let outcome = self.fetch(&mut known).await;
        self.state.last_failed.store(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Ok(fetched) => {
                *self.state.current.write().unwrap_or_else(PoisonError::into_inner) = Some(fetched);
                if !self.state.kept_fresh.swap(true, Ordering::Relaxed) {
                    tokio::spawn(Self::keep_fresh(Arc::downgrade(self)));
                }
            }
            Err(error) => {
                // Perhaps the keys have moved.
                *known = None;
                let causes = error.causes();
                let in_use = self.current().is_some();
                tracing::warn!(%error, causes, earlier_keys_in_use = in_use, "the provider's keys cannot be fetched");
            }
        }
        self.state.last_attempt.store(self.clock.now(), Ordering::Relaxed);
        // `known` is given back here: the next in line sees the attempt.
    }

    async fn fetch(&self, known: &mut Option<(Discovered, i64)>) -> Result<Fetched, FetchError> {
        let now = self.clock.now();
        let age = |said: Option<i64>| said.unwrap_or(self.default_max_age).min(MAX_AGE_LIMIT).max(self.interval);
        let still_good = |(found, at): &(Discovered, i64)| !passed(*at, now, age(found.fresh_for));
        let (keys, fresh_for) = match &self.source {
            Source::Discovery => {
                let jwks_uri = match known.as_ref().filter(|known| still_good(known)) {
                    Some((found, _)) => found.jwks_uri.clone(),
                    None => known.insert((self.provider.discover().await?, now)).0.jwks_uri.clone(),
                };
                self.provider.keys(&jwks_uri).await?
            }
            Source::Url(url) => self.provider.keys(url).await?,
            Source::File(file) => (keys_of_file(file.clone()).await?, None),
        };
        let same = self.current().map(|fetched| fetched.keys).filter(|current| current.source == keys);
        let keys = match same {
            Some(same) => same,
            None => Arc::new(KeySet::new(keys, &self.algorithms)?),
        };
        Ok(Fetched { keys, at: now, max_age: age(fresh_for) })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use countersign_jose::PrivateKey;
    use serde_json::json;

    use super::*;
    use crate::provider::http_client;

    const NOW: i64 = 1_800_000_000;

    #[derive(Clone, Debug)]
    struct TestClock(Arc<AtomicI64>);

    impl Clock for TestClock {
        fn now(&self) -> i64 {
            self.0.load(Ordering::SeqCst)
        }
    }

    fn publish(file: &std::path::Path, keys: &[&PrivateKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.public_jwk().to_value()).collect();
        fs::write(file, json!({ "keys": keys }).to_string()).unwrap();
    }

    fn keys(file: PathBuf, clock: &TestClock) -> Arc<Keys> {
        let issuer = "http://localhost:1";
        Arc::new(Keys {
            provider: Provider::new(issuer, http_client(issuer, Vec::new()).unwrap()).unwrap(),
            source: Source::File(file),
            algorithms: vec![Algorithm::ES256],
            default_max_age: 3600,
            interval: 10,
            stale_for: 86_400,
            clock: Arc::new(clock.clone()),
            state: State::default(),
        })
    }

    #[tokio::test]
    async fn the_same_keys_stay_the_same_set() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let (first, second) = [(); 2].map(|()| PrivateKey::generate(Algorithm::ES256).unwrap()).into();
        publish(&file, &[&first]);
        let clock = TestClock(Arc::new(AtomicI64::new(NOW)));
        let keys = keys(file.clone(), &clock);
        let known = keys.knowing(Some(first.kid()), Algorithm::ES256).await.unwrap();
        clock.0.fetch_add(10, Ordering::SeqCst);
        // Asked for again, because of a token that names no key of theirs.
        assert!(keys.knowing(Some("unknown"), Algorithm::ES256).await.is_err());
        assert!(Arc::ptr_eq(&known, &keys.current().unwrap().keys));
        assert_eq!(keys.current().unwrap().at, NOW + 10);
        publish(&file, &[&second]);
        clock.0.fetch_add(10, Ordering::SeqCst);
        assert!(keys.knowing(Some(second.kid()), Algorithm::ES256).await.is_ok());
        assert!(!Arc::ptr_eq(&known, &keys.current().unwrap().keys));
    }

    #[tokio::test(start_paused = true)]
    async fn they_are_asked_for_again_when_their_time_is_over_though_nobody_calls() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let (first, second) = [(); 2].map(|()| PrivateKey::generate(Algorithm::ES256).unwrap()).into();
        publish(&file, &[&first]);
        let clock = TestClock(Arc::new(AtomicI64::new(NOW)));
        let keys = keys(file.clone(), &clock);
        keys.ready().await.unwrap();
        publish(&file, &[&second]);
        clock.0.fetch_add(3600, Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(3601)).await;
        while keys.current().unwrap().at == NOW {
            tokio::task::yield_now().await;
        }
        // Nobody who comes now waits, and the withdrawn key is gone already.
        assert!(keys.at_hand(|keys| keys.verifier(Some(first.kid()), Algorithm::ES256).is_some()).is_none());
        assert!(keys.at_hand(|keys| keys.verifier(Some(second.kid()), Algorithm::ES256).is_some()).is_some());
    }
}
