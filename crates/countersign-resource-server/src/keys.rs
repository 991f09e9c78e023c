//! The provider's keys, kept ready for use: fetched once, refreshed when they are old or when a token names an unknown one.
//!
//! Three promises. A request whose key is known never waits for the network, unless the keys are older than twice their
//! time. However many tokens name unknown keys, the provider is asked at most once per interval, by one request at a time.
//! Once fetched, keys stay in use while the provider is unreachable, for a stated time.

use std::{
    collections::HashMap,
    error::Error,
    path::PathBuf,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
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

/// The keys of one answer of the provider. Never changed: a refresh replaces it.
#[derive(Debug)]
pub(crate) struct KeySet {
    verifiers: HashMap<String, Vec<(Algorithm, Verifier)>>,
    fetched_at: i64,
    /// For how long it counts as fresh, in seconds.
    max_age: i64,
}

impl KeySet {
    pub fn verifier(&self, kid: &str, algorithm: Algorithm) -> Option<&Verifier> {
        self.verifiers.get(kid)?.iter().find(|(known, _)| *known == algorithm).map(|(_, verifier)| verifier)
    }

    #[cfg(test)]
    pub fn empty() -> Self {
        Self { verifiers: HashMap::new(), fetched_at: 0, max_age: 0 }
    }

    /// Builds a verifier for every key and accepted algorithm that go together. Keys for other purposes are passed over.
    fn new(keys: &JwkSet, algorithms: &[Algorithm], fetched_at: i64, max_age: i64) -> Result<Self, FetchError> {
        let mut verifiers: HashMap<String, Vec<(Algorithm, Verifier)>> = HashMap::new();
        for key in keys.keys() {
            let Some(kid) = key.kid() else { continue };
            for algorithm in algorithms.iter().filter(|algorithm| key.supports(**algorithm)) {
                match key.verifier(*algorithm) {
                    Ok(verifier) => verifiers.entry(kid.to_owned()).or_default().push((*algorithm, verifier)),
                    Err(error) => tracing::warn!(kid, %error, "a key of the provider cannot be used"),
                }
            }
        }
        if verifiers.is_empty() {
            return Err(FetchError::NoUsableKey);
        }
        Ok(Self { verifiers, fetched_at, max_age })
    }
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
    current: RwLock<Option<Arc<KeySet>>>,
    last_attempt: AtomicI64,
    last_failed: AtomicBool,
    /// Whoever holds it may ask the provider; in it, where the keys are and when that was learnt.
    flight: Arc<Mutex<Option<(Discovered, i64)>>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            current: RwLock::default(),
            last_attempt: AtomicI64::new(i64::MIN),
            last_failed: AtomicBool::new(false),
            flight: Arc::default(),
        }
    }
}

impl Keys {
    /// A key set that knows this key, after asking the provider if need be.
    pub async fn knowing(self: &Arc<Self>, kid: &str, algorithm: Algorithm) -> Result<Arc<KeySet>, TokenError> {
        let now = self.clock.now();
        let knows = |set: &Arc<KeySet>| set.verifier(kid, algorithm).is_some();
        if let Some(set) = self.at_hand(knows) {
            return Ok(set);
        }
        self.refresh().await;
        match self.current() {
            Some(set) if knows(&set) && self.is_usable(&set, now) => Ok(set),
            Some(_) if !self.state.last_failed.load(Ordering::Relaxed) => Err(TokenError::UnknownKey),
            // The key may be one that we would know if only the provider had answered.
            _ => Err(TokenError::KeysUnavailable { retry_after: self.retry_after() }),
        }
    }

    /// The key set that there is, if it is the one that is looked for and need not be asked for again first.
    pub fn at_hand(self: &Arc<Self>, is_it: impl Fn(&Arc<KeySet>) -> bool) -> Option<Arc<KeySet>> {
        let now = self.clock.now();
        let set = self.current().filter(|set| is_it(set) && self.is_usable(set, now))?;
        if !passed(set.fetched_at, now, set.max_age) {
            return Some(set);
        }
        // After long idleness one request waits, so that a key that was withdrawn meanwhile is not used once more.
        // Nobody waits again for a provider that did not answer.
        let idle = passed(set.fetched_at, now, set.max_age.saturating_mul(2));
        if idle && !self.state.last_failed.load(Ordering::Relaxed) {
            return None;
        }
        self.refresh_in_background();
        Some(set)
    }

    /// What the provider has said for too long nobody can rely on: it may have withdrawn the key long ago.
    fn is_usable(&self, set: &KeySet, now: i64) -> bool {
        !passed(set.fetched_at, now, set.max_age.saturating_add(self.stale_for))
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

    fn current(&self) -> Option<Arc<KeySet>> {
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

    async fn ask(&self, mut known: OwnedMutexGuard<Option<(Discovered, i64)>>) {
        let outcome = self.fetch(&mut known).await;
        self.state.last_failed.store(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Ok(set) => {
                *self.state.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(set));
            }
            Err(error) => {
                // Perhaps the keys have moved.
                *known = None;
                let causes = causes(&error);
                let in_use = self.current().is_some();
                tracing::warn!(%error, causes, earlier_keys_in_use = in_use, "the provider's keys cannot be fetched");
            }
        }
        self.state.last_attempt.store(self.clock.now(), Ordering::Relaxed);
        // `known` is given back here: the next in line sees the attempt.
    }

    async fn fetch(&self, known: &mut Option<(Discovered, i64)>) -> Result<KeySet, FetchError> {
        let now = self.clock.now();
        let age = |said: Option<i64>| said.unwrap_or(self.default_max_age).clamp(self.interval, MAX_AGE_LIMIT);
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
            Source::File(file) => (keys_of_file(file)?, None),
        };
        KeySet::new(&keys, &self.algorithms, now, age(fresh_for))
    }
}

/// What lies beneath an error, the nearest first: "connection refused" says more than "does not answer".
fn causes(error: &FetchError) -> String {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes.join(": ")
}
