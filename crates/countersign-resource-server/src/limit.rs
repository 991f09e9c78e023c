//! How often one caller may ask, by role (RFC 6585 §4), told in `RateLimit-Policy` and `RateLimit`
//! (draft-ietf-httpapi-ratelimit-headers).

use std::{
    collections::HashMap,
    fmt::Debug,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use countersign_types::ErrorCode;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header::RETRY_AFTER};
use serde_json::json;
use tower::{Layer, Service};

use crate::{Caller, caller::Nobody, challenge::answer, layer::take_ready};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// Of so many callers the memory of this process keeps count at least.
const MOST: usize = 100_000;
/// The most requests of a window: beyond it, Redis would round.
const MOST_REQUESTS: u32 = 1_000_000;

/// So many requests within so many seconds, of which all may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    requests: u32,
    window: u32,
}

/// Where a caller stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether the request may pass.
    pub passes: bool,
    /// How many more may come at once.
    pub remaining: u32,
    /// In how many seconds one more may come, at least 1; where some may come now, when all of them may.
    pub reset: u32,
}

impl Quota {
    /// Counts a request at `now`, in seconds since 1970, and tells what is to be remembered instead of `busy`; `None` for a caller of whom
    /// nothing is.
    ///
    /// It is the generic cell rate algorithm, in parts of a second, as many as there are requests in a window: so nothing is rounded, and
    /// one number is all that is remembered of a caller, the moment at which nothing will be left of what was asked.
    pub fn count(self, busy: Option<i64>, now: i64) -> (Standing, i64) {
        let now = now.saturating_mul(i64::from(self.requests));
        // A clock that was set back must not make anybody wait for longer than a window.
        let used = busy.map_or(0, |busy| busy.saturating_sub(now)).clamp(0, self.full());
        let (standing, after) = self.after(used);
        (standing, now.saturating_add(after))
    }

    fn full(self) -> i64 {
        i64::from(self.requests).saturating_mul(i64::from(self.window))
    }

    /// What becomes of a request where so much is in use, and how much is then.
    pub(crate) fn after(self, used: i64) -> (Standing, i64) {
        let (requests, one, full) = (i64::from(self.requests), i64::from(self.window), self.full());
        let passes = used.saturating_add(one) <= full;
        let after = if passes { used.saturating_add(one) } else { used };
        let remaining = full.saturating_sub(after).checked_div(one).unwrap_or(0);
        // What has to go by: all of it, or as much as makes room for one.
        let wait = if remaining > 0 { after } else { after.saturating_add(one).saturating_sub(full) };
        let reset = wait.saturating_add(requests.saturating_sub(1)).checked_div(requests).unwrap_or(one).max(1);
        let narrow = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        (Standing { passes, remaining: narrow(remaining), reset: narrow(reset) }, after)
    }

    /// How many requests.
    pub fn requests(self) -> u32 {
        self.requests
    }

    /// Within how many seconds.
    pub fn window(self) -> u32 {
        self.window
    }
}

/// Counts for several machines that serve one API.
pub trait RateStore: Debug + Send + Sync + 'static {
    /// Counts a request of `caller` at `now`, in seconds since 1970, as [`Quota::count`] does: with what is remembered under this name, and
    /// may be forgotten a window later. `None` when nobody can tell at the moment: then this process counts by itself.
    fn count(
        &self,
        caller: String,
        quota: Quota,
        now: i64,
    ) -> Pin<Box<dyn Future<Output = Option<Standing>> + Send + '_>>;
}

/// In the memory of this process: whoever has not asked for a window has all of it again and may be forgotten.
#[derive(Debug, Default)]
struct Memory(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<String, i64>,
    old: HashMap<String, i64>,
    since: i64,
}

impl Memory {
    fn count(&self, caller: String, quota: Quota, now: i64, most: usize) -> Standing {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.saturating_sub(generations.since);
        if !(0..i64::from(quota.window)).contains(&age) || generations.young.len() >= most {
            generations.old = std::mem::take(&mut generations.young);
            generations.since = now;
        }
        let busy = generations.young.get(&caller).or_else(|| generations.old.get(&caller)).copied();
        let (standing, busy) = quota.count(busy, now);
        generations.young.insert(caller, busy);
        standing
    }
}

/// How often one caller may ask, by role. It belongs inside of a [`TokenLayer`](crate::TokenLayer), which says who asks:
///
/// ```
/// # use std::time::Duration;
/// # use axum::{Router, routing::get};
/// # use countersign_resource_server::{RateLimit, ResourceServer};
/// # fn api(tokens: &ResourceServer) -> Router {
/// let limit = RateLimit::new("entries", 60, Duration::from_secs(60)).role("premium", 600);
/// Router::new().route("/entries", get(async || "")).layer(limit).layer(tokens.layer())
/// # }
/// ```
///
/// A caller is a person, with whatever apps, or a client that asks on its own behalf. Too much is 429 with `Retry-After`. Where a token is
/// optional, requests without one are not counted: nobody knows whose they are.
#[derive(Clone, Debug)]
pub struct RateLimit {
    inner: Arc<Limits>,
}

#[derive(Clone, Debug)]
struct Limits {
    name: String,
    window: u32,
    everybody: u32,
    roles: Vec<(String, u32)>,
    memory: Arc<Memory>,
    shared: Option<Arc<dyn RateStore>>,
}

impl RateLimit {
    /// Lets everybody ask so many times within so many seconds, at least once and at most a million times. All that bear one name and
    /// share a store count together. Tokens of one person that grant different quotas count apart.
    pub fn new(name: impl Into<String>, requests: u32, window: Duration) -> Self {
        // What a header can carry in quotes (RFC 9651 §3.3.3).
        let is_plain = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
        let inner = Limits {
            name: name.into().chars().filter(is_plain).collect(),
            window: u32::try_from(window.as_secs()).unwrap_or(u32::MAX).max(1),
            everybody: requests.clamp(1, MOST_REQUESTS),
            roles: Vec::new(),
            memory: Arc::default(),
            shared: None,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Lets whoever has this role (RFC 9068 §2.2.3.1) ask so many times instead. Of several roles the most generous counts.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>, requests: u32) -> Self {
        Arc::make_mut(&mut self.inner).roles.push((role.into(), requests.clamp(1, MOST_REQUESTS)));
        self
    }

    /// Counts in a store that several machines share. Default: each process counts by itself.
    #[must_use]
    pub fn shared(mut self, store: impl RateStore) -> Self {
        Arc::make_mut(&mut self.inner).shared = Some(Arc::new(store));
        self
    }
}

impl Limits {
    fn quota(&self, caller: &Caller) -> Quota {
        let has = |role: &str| caller.roles.iter().any(|own| own == role);
        let by_role = self.roles.iter().filter(|(role, _)| has(role)).map(|(_, requests)| *requests).max();
        Quota { requests: by_role.unwrap_or(self.everybody), window: self.window }
    }

    async fn count(&self, caller: &Caller) -> (Quota, Standing) {
        let (quota, now) = (self.quota(caller), caller.now());
        let (kind, who) = caller.person().map_or(("client", caller.client_id.as_str()), |person| ("person", person));
        // Nothing before the last part has a line break in it. Another quota counts by other parts of a second.
        let key = format!("{}\n{}\n{}\n{kind}\n{who}", self.name, quota.requests, caller.iss);
        if let Some(store) = &self.shared
            && let Some(standing) = store.count(key.clone(), quota, now).await
        {
            return (quota, standing);
        }
        (quota, self.memory.count(key, quota, now, MOST))
    }

    fn tell(&self, quota: Quota, standing: Standing, headers: &mut HeaderMap) {
        let policy = format!("\"{}\";q={};w={}", self.name, quota.requests, quota.window);
        let limit = format!("\"{}\";r={};t={}", self.name, standing.remaining, standing.reset);
        for (name, value) in [(POLICY, policy), (LIMIT, limit)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.append(name, value);
            }
        }
    }
}

fn too_many<B: From<String>>(reset: u32) -> Response<B> {
    let code = ErrorCode::TemporarilyUnavailable.as_str();
    let description = "too many requests: try again when Retry-After says so";
    let body = json!({ "error": code, "error_description": description });
    let mut response = answer(StatusCode::TOO_MANY_REQUESTS, Some(&body));
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(reset));
    response
}

impl<S> Layer<S> for RateLimit {
    type Service = RateLimitService<S>;

    fn layer(&self, inner: S) -> RateLimitService<S> {
        RateLimitService { inner, limits: Arc::clone(&self.inner) }
    }
}

/// A service behind a [`RateLimit`].
#[derive(Clone, Debug)]
pub struct RateLimitService<S> {
    inner: S,
    limits: Arc<Limits>,
}

impl<S, B, R> Service<Request<B>> for RateLimitService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut inner = take_ready(&mut self.inner);
        let limits = Arc::clone(&self.limits);
        Box::pin(async move {
            if request.extensions().get::<Nobody>().is_some() {
                return inner.call(request).await;
            }
            let caller = match Caller::of(request.extensions()) {
                Ok(caller) => caller,
                Err(refusal) => return Ok(refusal.into_http()),
            };
            let (quota, standing) = limits.count(&caller).await;
            let mut response = if standing.passes { inner.call(request).await? } else { too_many(standing.reset) };
            limits.tell(quota, standing, response.headers_mut());
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const QUOTA: Quota = Quota { requests: 3, window: 60 };

    fn standing(passes: bool, remaining: u32, reset: u32) -> Standing {
        Standing { passes, remaining, reset }
    }

    #[test]
    fn a_quota_is_there_at_once_and_comes_back_evenly() {
        let mut busy = None;
        let mut count = |now| {
            let (standing, then) = QUOTA.count(busy, now);
            busy = Some(then);
            standing
        };
        assert_eq!(count(NOW), standing(true, 2, 20));
        assert_eq!(count(NOW), standing(true, 1, 40));
        assert_eq!(count(NOW), standing(true, 0, 20));
        assert_eq!(count(NOW), standing(false, 0, 20));
        assert_eq!(count(NOW + 19), standing(false, 0, 1));
        assert_eq!(count(NOW + 20), standing(true, 0, 20));
        assert_eq!(count(NOW + 200), standing(true, 2, 20));
        // The clock was set back by a day: nobody waits for longer than a window.
        assert_eq!(count(NOW - 86_400), standing(false, 0, 20));
        assert_eq!(count(NOW - 86_400 + 20), standing(true, 0, 20));
    }

    #[test]
    fn nothing_overflows() {
        for quota in [Quota { requests: u32::MAX, window: u32::MAX }, Quota { requests: 1, window: 1 }] {
            for now in [i64::MIN, 0, i64::MAX] {
                for busy in [None, Some(i64::MIN), Some(i64::MAX)] {
                    assert!(quota.count(busy, now).0.reset >= 1);
                }
            }
        }
    }

    #[test]
    fn memory_is_bounded_and_forgets_who_has_all_of_it_again() {
        let memory = Memory::default();
        for n in 0..10_000 {
            assert!(memory.count(n.to_string(), QUOTA, NOW, 100).passes);
        }
        let held = |memory: &Memory| {
            let generations = memory.0.lock().unwrap();
            generations.young.len() + generations.old.len()
        };
        assert_eq!(held(&memory), 200);
        for seconds in [60, 120] {
            memory.count("0".into(), QUOTA, NOW + seconds, 100);
        }
        assert_eq!(held(&memory), 2);
        // Who asks before and after a change of generations is counted on.
        for _ in 0..2 {
            memory.count("0".into(), QUOTA, NOW + 170, 100);
        }
        assert_eq!(memory.count("0".into(), QUOTA, NOW + 180, 100), standing(true, 0, 10));
    }
}
