//! The one guarded HTTP client for URLs that others name: logos, and whatever else a client or a request points at.
//!
//! Whoever can make a server fetch a URL can make it knock on doors that only it can reach. So here: https only; no
//! address that is not public, at every connection and after every redirect; little time, few bytes, few at once; and
//! errors that say nothing of what lies behind. `outbound.allow` opens networks, `outbound.ca_file` adds authorities,
//! and a development start may reach loopback.
//!
//! | module | what it does |
//! |---|---|
//! | [`address`] | which addresses may be reached |
//! | `fetch` | one fetch, by these rules |
//! | `cache` | what was fetched lately |
//! | [`image`] | whether a body is a picture that we dare to serve |

pub mod address;
mod cache;
mod fetch;
pub mod image;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use chrono::TimeDelta;
use hyper::body::Bytes;
use reqwest::{Certificate, Client};
use thiserror::Error;
use tokio::{
    sync::{OnceCell, Semaphore},
    task::spawn_blocking,
    time::timeout,
};
use url::Url;

use self::{
    address::Reach,
    cache::{Cache, Key, Outcome},
    fetch::{Answer, check_url, client, fetch, post},
};
use crate::{
    clock::Clock,
    config::{Mode, OutboundSettings},
};

/// At most this many fetches run at once.
const CONCURRENT: usize = 16;
/// At most this many posts.
const CONCURRENT_POSTS: usize = 16;

/// How long a fetch may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until it may begin, when too many run already.
    pub queue: Duration,
    /// Until a connection is made.
    pub connect: Duration,
    /// Until the last byte, redirects included.
    pub total: Duration,
}

impl Default for Timeouts {
    /// 2 s in the queue, 2 s for a connection, 5 s in all.
    fn default() -> Self {
        Self { queue: Duration::from_secs(2), connect: Duration::from_secs(2), total: Duration::from_secs(5) }
    }
}

/// What a server answered with status 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The media type that the server claims; not to be trusted.
    pub content_type: Option<String>,
    /// The body, at most as long as was asked for.
    pub body: Bytes,
    /// The host that sent it, after all redirects.
    pub host: Option<String>,
}

/// Why a URL was not fetched. The texts may be shown to whoever named the URL: they say nothing of what a name resolves
/// to, nor whether it resolves at all.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OutboundError {
    /// Neither https, nor http to loopback in development.
    #[error("only https URLs are fetched")]
    Scheme,
    /// `https://user@host`
    #[error("the URL carries a user or a password")]
    Userinfo,
    /// The URL itself names an address out of reach.
    #[error("the URL names an address that is not public")]
    Address,
    /// The name leads nowhere or out of reach, nobody listens, TLS fails, or what comes is not HTTP.
    #[error("the server cannot be reached")]
    Unreachable,
    /// The server took longer than [`Timeouts`] allows.
    #[error("the server did not answer in time")]
    Timeout,
    /// More than three redirects, or one that leads to no URL.
    #[error("the server redirects too often, or to nowhere")]
    Redirect,
    /// Another status than 200.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// The body is longer than this many bytes.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
    /// A content coding, although none was asked for.
    #[error("the answer is compressed")]
    Encoding,
    /// Too many fetches at once.
    #[error("too many URLs are being fetched, try again later")]
    Busy,
    /// The HTTP client cannot be built; the reason is in the log.
    #[error("no URL can be fetched at the moment")]
    Unavailable,
}

/// Why the settings do not make a client; for the operator.
#[derive(Debug, Error)]
#[error("outbound.ca_file: {path}: {reason}", path = path.display())]
pub struct CaFileError {
    path: PathBuf,
    reason: String,
}

/// Fetches URLs that others name. Clones share one client and one memory.
#[derive(Clone)]
pub struct Outbound(Arc<Inner>);

struct Inner {
    reach: Arc<Reach>,
    authorities: Vec<Certificate>,
    timeouts: Timeouts,
    clock: Clock,
    /// Built by the first fetch: loading the system's authorities takes time and memory that most starts never need.
    client: OnceCell<Client>,
    cache: Mutex<Cache>,
    /// One lock for each URL that is being fetched.
    flights: Mutex<HashMap<Key, Weak<tokio::sync::Mutex<()>>>>,
    permits: Semaphore,
    /// For posts, which nobody waits for: slow ones keep nothing from those who do.
    posts: Semaphore,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("reach", &self.0.reach).finish_non_exhaustive()
    }
}

impl Outbound {
    /// A client by these settings. Reads `outbound.ca_file`, if there is one, and opens no connection.
    pub fn new(settings: &OutboundSettings, mode: Mode, clock: Clock) -> Result<Self, CaFileError> {
        Self::with_timeouts(settings, mode, clock, Timeouts::default())
    }

    /// [`new`](Self::new) with other timeouts, for tests.
    pub fn with_timeouts(
        settings: &OutboundSettings,
        mode: Mode,
        clock: Clock,
        timeouts: Timeouts,
    ) -> Result<Self, CaFileError> {
        Ok(Self(Arc::new(Inner {
            reach: Arc::new(Reach::new(settings.allow.clone(), mode)),
            authorities: settings.ca_file.as_ref().map(authorities).transpose()?.unwrap_or_default(),
            timeouts,
            clock,
            client: OnceCell::new(),
            cache: Mutex::default(),
            flights: Mutex::default(),
            permits: Semaphore::new(CONCURRENT),
            posts: Semaphore::new(CONCURRENT_POSTS),
        })))
    }

    /// Posts `body` to `url`, by the same rules as everything that leaves here, except that no redirect is followed. Done when the
    /// server answers with a status of success.
    ///
    /// # Errors
    /// [`OutboundError`]; its text may be shown to anyone.
    pub async fn post(&self, url: &Url, content_type: &'static str, body: String) -> Result<(), OutboundError> {
        let inner = &*self.0;
        let permit = timeout(inner.timeouts.queue, inner.posts.acquire()).await;
        let Ok(Ok(_permit)) = permit else { return Err(OutboundError::Busy) };
        let client = inner.client().await?;
        let posted = timeout(inner.timeouts.total, post(client, &inner.reach, url, content_type, body)).await;
        posted.unwrap_or(Err(OutboundError::Timeout))
    }

    /// The body behind `url`, at most `limit` bytes, from the network or from memory: a success is remembered for an
    /// hour or as `Cache-Control: max-age` says (60 s to 24 h), a failure for 60 s.
    ///
    /// # Errors
    /// [`OutboundError`]; its text may be shown to anyone.
    pub async fn get(&self, url: &Url, limit: usize) -> Result<Fetched, OutboundError> {
        self.get_by(url, limit, None).await
    }

    /// The same for who has reason to think that it changed: from memory only if the server was asked within the last `age`, so that
    /// nobody can make us hammer it. If it cannot be fetched now, what is remembered is still good.
    ///
    /// # Errors
    /// [`OutboundError`]; its text may be shown to anyone.
    pub async fn get_fresh(&self, url: &Url, limit: usize, age: TimeDelta) -> Result<Fetched, OutboundError> {
        self.get_by(url, limit, Some(age)).await
    }

    /// The same for what must be there now: what is remembered is not good once it cannot be fetched any more.
    ///
    /// # Errors
    /// [`OutboundError`]; its text may be shown to anyone.
    pub async fn get_now(&self, url: &Url, limit: usize, age: TimeDelta) -> Result<Fetched, OutboundError> {
        let inner = &*self.0;
        if inner.remembered(&Key::new(url, limit), Some(age)).is_none() {
            inner.forget(&Key::new(url, limit));
        }
        self.get_by(url, limit, Some(age)).await
    }

    async fn get_by(&self, url: &Url, limit: usize, age: Option<TimeDelta>) -> Result<Fetched, OutboundError> {
        let inner = &*self.0;
        check_url(&inner.reach, url)?;
        let key = Key::new(url, limit);
        if let Some(outcome) = inner.remembered(&key, age) {
            return outcome;
        }

        // Whoever comes while this URL is being fetched waits and finds the outcome in memory.
        let flight = inner.flight(&key);
        let patience = inner.timeouts.queue + inner.timeouts.total;
        let _turn = timeout(patience, flight.lock()).await.map_err(|_| OutboundError::Busy)?;
        if let Some(outcome) = inner.remembered(&key, age) {
            return outcome;
        }

        let permit = timeout(inner.timeouts.queue, inner.permits.acquire()).await;
        let Ok(Ok(_permit)) = permit else { return Err(OutboundError::Busy) };
        let client = inner.client().await?;
        let answer = timeout(inner.timeouts.total, fetch(client, &inner.reach, url, limit)).await;
        inner.remember(key, answer.unwrap_or(Err(OutboundError::Timeout)))
    }
}

impl Inner {
    fn remembered(&self, key: &Key, age: Option<TimeDelta>) -> Option<Outcome> {
        let (cache, now) = (lock(&self.cache), self.clock.now());
        match age {
            None => cache.get(key, now),
            Some(age) => cache.get_young(key, age, now),
        }
    }

    fn remember(&self, key: Key, answer: Result<Answer, OutboundError>) -> Outcome {
        let (outcome, max_age) = match answer {
            Ok(Answer { fetched, max_age }) => (Ok(fetched), max_age),
            Err(error) => (Err(error), None),
        };
        lock(&self.cache).put(key, outcome, max_age, self.clock.now())
    }

    fn forget(&self, key: &Key) {
        lock(&self.cache).remove(key);
    }

    fn flight(&self, key: &Key) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = lock(&self.flights);
        if let Some(flight) = flights.get(key).and_then(Weak::upgrade) {
            return flight;
        }
        flights.retain(|_, flight| flight.strong_count() > 0);
        let flight = Arc::default();
        flights.insert(key.clone(), Arc::downgrade(&flight));
        flight
    }

    async fn client(&self) -> Result<&Client, OutboundError> {
        let build = || async {
            let (reach, authorities) = (Arc::clone(&self.reach), self.authorities.clone());
            let connect = self.timeouts.connect;
            let built = spawn_blocking(move || client(reach, &authorities, connect)).await;
            built.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
        };
        self.client.get_or_try_init(build).await.map_err(|error: String| {
            tracing::error!(error, "the HTTP client cannot be built");
            OutboundError::Unavailable
        })
    }
}

/// Nothing panics while it holds one of these locks; if something did, the memory is still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn authorities(path: &PathBuf) -> Result<Vec<Certificate>, CaFileError> {
    let refused = |reason: String| CaFileError { path: path.clone(), reason };
    let pem = std::fs::read(path).map_err(|error| refused(format!("cannot be read: {error}")))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(authorities) if !authorities.is_empty() => Ok(authorities),
        _ => Err(refused("expected certificates as PEM".into())),
    }
}
