//! Limits on how often endpoints answer (RFC 6585 §4), told in `RateLimit-Policy` and `RateLimit`
//! (draft-ietf-httpapi-ratelimit-headers-11).
//!
//! A client that proved who it is has a limit of its own; everybody else at an endpoint of the protocol shares that of their address, or
//! strangers could use up what is meant for a client by its name. Pages have a limit for each address and one for each person who is
//! signed in, which their roles change.
//!
//! There is none where an answer costs next to nothing and is the same for everybody (discovery, JWKS, pictures and styles, preflights),
//! nor for what operators ask to see whether we live (`/healthz`, `/readyz`, `/metrics`): that must be told even in a flood.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, IntoResponseParts, Response, ResponseParts},
};
use chrono::{DateTime, TimeDelta, Utc};
use countersign_types::UserId;

use super::{cookies::Cookie, error_page::ErrorPage, state::AppState, visitor};
use crate::{
    app::App,
    domain::{
        client::Client,
        rate::{Allowance, By, Endpoint, Quota, Standing, limit_field, policy_field},
        token::Digest,
    },
    ephemeral::Metered,
    login::device::{network, site},
    store::session,
};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// How long it is remembered whose session a cookie is. A role that changes counts here after that time.
const REMEMBER: TimeDelta = TimeDelta::minutes(1);
/// The most cookies remembered. Beyond it all are forgotten, which costs a query each and no correctness.
const MAX_PEOPLE: usize = 10_000;

/// What the limits of its endpoint make of a request, and what its answer tells of them.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Rate {
    standings: Vec<Standing>,
    retry_after: Option<u64>,
}

impl Rate {
    /// After how many seconds the same may be asked again, if there was too much of it.
    pub fn retry_after(&self) -> Option<u64> {
        self.retry_after
    }

    fn tell(&self, headers: &mut HeaderMap) {
        if self.standings.is_empty() {
            return;
        }
        for (name, value) in [(POLICY, policy_field(&self.standings)), (LIMIT, limit_field(&self.standings))] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
    }
}

impl IntoResponseParts for Rate {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        self.tell(parts.headers_mut());
        Ok(parts)
    }
}

/// Counts a request at an endpoint of the protocol: under its client, if that proved who it is, else under the address that it came from.
pub async fn of_program(app: &App, endpoint: Endpoint, client: Option<&Client>, address: IpAddr) -> Rate {
    let limits = app.settings.rate.of(endpoint);
    let mut asked = Asked::new(endpoint);
    match client.filter(|client| !client.is_public()) {
        Some(client) => asked.add(By::Client, limits.known, client.id.as_str()),
        None if app.settings.rate.is_exempt(address) => {}
        None => asked.add_address(limits.address, address),
    }
    asked.count(app).await
}

/// What a request is counted under.
struct Asked {
    endpoint: Endpoint,
    by: Vec<By>,
    under: Vec<Metered>,
}

impl Asked {
    fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, by: Vec::new(), under: Vec::new() }
    }

    fn add(&mut self, by: By, quota: Option<Quota>, whose: &str) {
        let Some(quota) = quota else { return };
        // With the window in it: counts of another one, from before a restart, say nothing.
        let key = format!("{}/{}/{}/{whose}", self.endpoint.as_str(), by.as_str(), quota.window().as_secs());
        self.by.push(by);
        self.under.push(Metered { key, quota });
    }

    fn add_address(&mut self, quota: Option<Quota>, address: IpAddr) {
        if quota.is_some() {
            self.add(By::Address, quota, &network(address));
            if let Some(site) = site(address) {
                self.add(By::Site, quota.map(Quota::of_site), &site);
            }
        }
    }

    async fn count(self, app: &App) -> Rate {
        if self.under.is_empty() {
            return Rate::default();
        }
        let now = app.clock.now();
        let tally = app.ephemeral.count_request(&self.under, now).await;
        let counted = self.by.into_iter().zip(&self.under).zip(tally.usages);
        let standings: Vec<_> =
            counted.map(|((by, metered), usage)| Standing::new(by, metered.quota, usage, now)).collect();
        if tally.admitted {
            return Rate { standings, retry_after: None };
        }
        // The one that takes longest decides when there is room under all of them.
        let exhausted = standings.iter().filter(|standing| standing.remaining() == 0);
        let slowest = exhausted.max_by_key(|standing| standing.reset());
        app.metrics.rate_limited(self.endpoint.as_str(), slowest.map_or("", |standing| standing.by.as_str()));
        Rate { retry_after: Some(slowest.map_or(1, Standing::reset)), standings }
    }
}

/// The limits of the pages.
#[derive(Clone, Debug)]
pub struct Pages {
    state: AppState,
    people: Arc<People>,
}

/// The limits of the pages of one endpoint.
#[derive(Clone, Debug)]
pub struct PagesOf {
    pages: Pages,
    endpoint: Endpoint,
}

impl Pages {
    /// Of this issuer.
    pub fn new(state: AppState) -> Self {
        Self { state, people: Arc::default() }
    }

    /// Those of one endpoint.
    pub fn of(&self, endpoint: Endpoint) -> PagesOf {
        PagesOf { pages: self.clone(), endpoint }
    }
}

impl PagesOf {
    async fn count(&self, address: IpAddr, headers: &HeaderMap) -> Rate {
        let app = &*self.pages.state.app;
        let rate = &app.settings.rate;
        if rate.is_exempt(address) {
            return Rate::default();
        }
        let (limits, mut asked) = (rate.of(self.endpoint), Asked::new(self.endpoint));
        asked.add_address(limits.address, address);
        if let Some(quota) = limits.known
            && let Some(person) = self.pages.people.find(app, headers).await
        {
            asked.add(By::Account, person.allowance.of(quota), person.id.as_str());
        }
        asked.count(app).await
    }
}

/// Counts a request for a page under its address and the person who is signed in; if there are too many, says so instead of answering.
pub async fn pages(State(of): State<PagesOf>, request: Request, next: Next) -> Response {
    let address = visitor::address(&of.pages.state.app, request.extensions(), request.headers());
    let rate = of.count(address, request.headers()).await;
    let mut response = match rate.retry_after() {
        Some(seconds) => ErrorPage::too_many(Duration::from_secs(seconds)).into_response(),
        None => next.run(request).await,
    };
    rate.tell(response.headers_mut());
    response
}

/// Whose session a cookie is, remembered for a while: a query for each page would cost more than all the rest of counting it. It opens
/// nothing. Of a session that ended meanwhile the requests are counted under its person a little longer, which harms nobody.
#[derive(Default)]
struct People(Mutex<HashMap<Digest, Person>>);

#[derive(Clone)]
struct Person {
    id: UserId,
    allowance: Allowance,
    until: DateTime<Utc>,
}

impl std::fmt::Debug for People {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl People {
    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Person>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn find(&self, app: &App, headers: &HeaderMap) -> Option<Person> {
        let cookie = Digest::of(Cookie::Session.read(app, headers)?);
        let now = app.clock.now();
        if let Some(person) = self.lock().get(&cookie).filter(|person| now < person.until) {
            return Some(person.clone());
        }
        // Where the database fails the page says so; there is nothing to count then.
        let mut tx = app.store.read().await.ok()?;
        let (id, roles) = session::person_of_cookie(&mut tx, &cookie).await.ok()??;
        drop(tx);
        let person = Person { id, allowance: app.settings.rate.roles.of(&roles), until: now + REMEMBER };
        let mut people = self.lock();
        if people.len() >= MAX_PEOPLE {
            people.clear();
        }
        people.insert(cookie, person.clone());
        Some(person)
    }
}
