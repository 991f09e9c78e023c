//! Asks the provider whether a token is good right now (RFC 7662): for tokens that say nothing by themselves, and for what a token that
//! was revoked a minute ago must not open.
//!
//! Strangers decide which tokens are asked about, so what they can make this API ask is bounded: a token that many send at once is asked
//! about once, few questions are under way at a time, and a provider that does not answer is left alone for a moment.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use countersign_jose::{access_token_hash, token_digest};
use countersign_types::AccessTokenClaims;
use http::HeaderValue;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex as Lane;
use url::{Url, form_urlencoded::byte_serialize};

use crate::{
    Clock, TokenError,
    clock::passed,
    provider::{FetchError, Provider},
};

/// The most answers of a kind that are remembered at a time.
const MOST: usize = 10_000;
/// How long the address is used without asking for it again, in seconds.
const ADDRESS_FOR: i64 = 3_600;
/// The most questions that are under way at a time. The same token takes the same lane.
const LANES: usize = 32;
/// How long a request waits for its lane.
const WAIT: Duration = Duration::from_secs(5);
/// For how long a provider that did not answer is not asked, in seconds.
const PAUSE: i64 = 1;

/// What the provider says of a token that is good.
pub(crate) type Answer = Arc<Map<String, Value>>;

/// How this API asks.
pub(crate) struct Introspection {
    authorization: HeaderValue,
    /// For how long an answer counts, in seconds.
    answer_for: i64,
    address: Address,
    memory: Mutex<Memory>,
    lanes: [Lane<()>; LANES],
    failed_at: AtomicI64,
}

/// Where it asks.
enum Address {
    Fixed(Url),
    /// Where the provider's discovery document said at that time.
    Discovered(Mutex<Option<(Url, i64)>>),
}

/// What the provider said, and when.
#[derive(Default)]
struct Memory {
    good: HashMap<[u8; 32], (Answer, i64)>,
    bad: HashMap<[u8; 32], i64>,
}

impl fmt::Debug for Introspection {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection").field("answer_for", &self.answer_for).finish_non_exhaustive()
    }
}

impl Introspection {
    pub fn new(client_id: &str, client_secret: &str, answer_for: i64, address: Option<Url>) -> Self {
        // RFC 6749 §2.3.1: both are form-encoded first.
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encode(client_id), encode(client_secret));
        let basic = format!("Basic {}", countersign_jose::base64(pair.as_bytes()));
        // What is base64 fits into a header.
        let mut authorization = HeaderValue::try_from(basic).unwrap_or(HeaderValue::from_static("Basic"));
        authorization.set_sensitive(true);
        Self {
            authorization,
            answer_for,
            address: address.map_or_else(|| Address::Discovered(Mutex::default()), Address::Fixed),
            memory: Mutex::default(),
            lanes: std::array::from_fn(|_| Lane::default()),
            failed_at: AtomicI64::new(i64::MIN),
        }
    }

    /// What the provider says of a token that is good now.
    pub async fn ask(&self, provider: &Provider, token: &str, clock: &dyn Clock) -> Result<Answer, TokenError> {
        let digest = token_digest(token);
        if let Some(known) = self.remembered(&digest, clock.now()) {
            return known;
        }
        let lane = digest.first().map_or(0, |byte| usize::from(*byte) % LANES);
        let lane = self.lanes.get(lane).ok_or(TokenError::IntrospectionUnavailable)?;
        let Ok(_turn) = tokio::time::timeout(WAIT, lane.lock()).await else {
            return Err(TokenError::IntrospectionUnavailable);
        };
        let now = clock.now();
        // Whoever was before may have asked the same.
        if let Some(known) = self.remembered(&digest, now) {
            return known;
        }
        if !passed(self.failed_at.load(Ordering::Relaxed), now, PAUSE) {
            return Err(TokenError::IntrospectionUnavailable);
        }
        let answer = self.send(provider, token, now).await.map_err(|error| {
            tracing::warn!(%error, causes = error.causes(), "the provider cannot be asked about a token");
            if !error.is_about_this_request() {
                self.failed_at.store(clock.now(), Ordering::Relaxed);
                self.forget_address();
            }
            TokenError::IntrospectionUnavailable
        })?;
        if answer.get("active") != Some(&Value::Bool(true)) {
            self.memory(|memory| {
                if memory.bad.len() >= MOST {
                    memory.bad.clear();
                }
                memory.bad.insert(digest, now);
            });
            return Err(TokenError::Inactive);
        }
        let answer = Arc::new(answer);
        self.remember(digest, &answer, now);
        Ok(answer)
    }

    async fn send(&self, provider: &Provider, token: &str, now: i64) -> Result<Map<String, Value>, FetchError> {
        let address = match &self.address {
            Address::Fixed(address) => address.clone(),
            Address::Discovered(known) => {
                let known_now = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if let Some((address, _)) = known_now.filter(|(_, at)| !passed(*at, now, ADDRESS_FOR)) {
                    address
                } else {
                    let found = provider.introspection_endpoint().await?;
                    *known.lock().unwrap_or_else(PoisonError::into_inner) = Some((found.clone(), now));
                    found
                }
            }
        };
        provider.post(&address, &self.authorization, &[("token", token), ("token_type_hint", "access_token")]).await
    }

    /// Perhaps it has moved.
    fn forget_address(&self) {
        if let Address::Discovered(known) = &self.address {
            *known.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    fn remembered(&self, digest: &[u8; 32], now: i64) -> Option<Result<Answer, TokenError>> {
        self.memory(|memory| {
            if let Some((answer, _)) = memory.good.get(digest).filter(|(answer, at)| self.counts(answer, *at, now)) {
                return Some(Ok(Arc::clone(answer)));
            }
            let bad = memory.bad.get(digest).is_some_and(|at| !passed(*at, now, self.answer_for));
            bad.then_some(Err(TokenError::Inactive))
        })
    }

    fn remember(&self, digest: [u8; 32], answer: &Answer, now: i64) {
        self.memory(|memory| {
            if memory.good.len() >= MOST {
                memory.good.retain(|_, (answer, at)| self.counts(answer, *at, now));
            }
            // Without room it is asked for again.
            if memory.good.len() < MOST && self.counts(answer, now, now) {
                memory.good.insert(digest, (Arc::clone(answer), now));
            }
        });
    }

    /// Whether an answer still counts: never past the token's own end.
    fn counts(&self, answer: &Map<String, Value>, at: i64, now: i64) -> bool {
        !passed(at, now, self.answer_for) && exp(answer).is_none_or(|exp| now < exp)
    }

    fn memory<T>(&self, with: impl FnOnce(&mut Memory) -> T) -> T {
        with(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn exp(answer: &Map<String, Value>) -> Option<i64> {
    answer.get("exp").and_then(Value::as_i64)
}

/// Whether an answer speaks of another token than the one with these claims. RFC 7662 §2.2 demands nothing of it but `active`.
pub(crate) fn contradicts(answer: &Map<String, Value>, claims: &AccessTokenClaims) -> bool {
    let differs = |name: &str, own: &str| answer.get(name).is_some_and(|said| said.as_str() != Some(own));
    differs("iss", &claims.iss) || differs("jti", claims.jti.as_str())
}

/// The claims of a token that says nothing by itself. What it cannot be judged without must be there: whose it is, for whom, until when.
pub(crate) fn read(answer: &Answer, token: &str, issuer: &str, now: i64) -> Result<AccessTokenClaims, TokenError> {
    // A provider may know other kinds of tokens, too: RFC 7662 §2.2.
    let kind = answer.get("token_type").and_then(Value::as_str).unwrap_or("Bearer");
    if !["Bearer", "DPoP"].iter().any(|known| kind.eq_ignore_ascii_case(known)) {
        return Err(TokenError::Inactive);
    }
    let mut said = (**answer).clone();
    let begin = exp(&said).map_or(now, |exp| now.min(exp.saturating_sub(1)));
    said.entry("iss").or_insert_with(|| json!(issuer));
    said.entry("iat").or_insert_with(|| json!(begin));
    said.entry("jti").or_insert_with(|| json!(access_token_hash(token)));
    if let Some(client) = said.get("client_id").cloned() {
        // A client's own token (RFC 9068 §2.2).
        said.entry("sub").or_insert(client);
    }
    AccessTokenClaims::deserialize(said).map_err(|_| TokenError::Claims)
}
