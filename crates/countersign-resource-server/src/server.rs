//! [`ResourceServer`]: an API's side of the provider, set up once and shared.

use std::{path::PathBuf, sync::Arc, time::Duration};

use countersign_jose::{Algorithm, Unverified, reread};
use countersign_types::AccessTokenClaims;

use url::Url;

#[cfg(feature = "introspection")]
use crate::introspect::{self, Introspection};
use crate::{
    Clock, MemoryReplayGuard, Refusal, ReplayGuard, SystemClock, TokenError, TokenLayer,
    bearer::Presented,
    cache::Cache,
    caller::{Accepted, Token},
    challenge::Reason,
    keys::{Keys, Source, State},
    layer::By,
    metadata::Metadata,
    proof::{self, Place, Proof, ProvenKey},
    provider::{Provider, http_client},
    validate::Rules,
};

/// Validates access tokens of one issuer for one API. Cheap to clone; all clones share the provider's keys.
#[derive(Clone, Debug)]
pub struct ResourceServer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    rules: Rules,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    metadata: Option<Metadata>,
    /// Where this API is for its clients, of which proofs speak.
    place: Option<Place>,
    replays: Arc<dyn ReplayGuard>,
    cache: Cache,
    #[cfg(feature = "introspection")]
    introspection: Option<Introspection>,
}

impl ResourceServer {
    /// An API with the settings that most have: the keys are where the provider's discovery document says. Nothing is fetched yet.
    ///
    /// The issuer is exactly as the provider is configured, the audience the address under which this API is registered there.
    ///
    /// # Errors
    /// [`BuildError`] where the two cannot be addresses of that kind.
    pub fn discover(issuer: impl Into<String>, audience: impl Into<String>) -> Result<Self, BuildError> {
        Self::builder(issuer, audience).build()
    }

    /// Starts with the issuer, exactly as the provider is configured, and the audience: the address under which this API
    /// is registered there (`countersign api add`). For an API with other settings than [`ResourceServer::discover`] has.
    pub fn builder(issuer: impl Into<String>, audience: impl Into<String>) -> Builder {
        Builder {
            issuer: issuer.into(),
            audience: audience.into(),
            algorithms: vec![Algorithm::RS256],
            leeway: Duration::from_secs(10),
            jwks_max_age: Duration::from_hours(1),
            refresh_interval: Duration::from_secs(10),
            stale_keys: Duration::from_hours(24),
            http_client: None,
            ca_file: None,
            jwks: None,
            scopes: None,
            public_url: None,
            replays: Arc::new(MemoryReplayGuard::default()),
            cached_tokens: 10_000,
            #[cfg(feature = "introspection")]
            introspection: None,
            #[cfg(feature = "introspection")]
            introspection_url: None,
            #[cfg(feature = "introspection")]
            introspection_age: Duration::from_secs(5),
            clock: Arc::new(SystemClock),
        }
    }

    /// Guards every route that it wraps: 401 without a valid token; a [`Caller`](crate::Caller) for the handlers otherwise.
    ///
    /// A CORS layer belongs outside of it, since preflight requests carry no token.
    pub fn layer(&self) -> TokenLayer {
        TokenLayer::new(self.clone())
    }

    /// Serves `/.well-known/oauth-protected-resource` (RFC 9728), outside of the layer; empty unless
    /// [`Builder::publish_metadata`] asked for it.
    #[cfg(feature = "axum")]
    pub fn metadata_router<S: Clone + Send + Sync + 'static>(&self) -> axum::Router<S> {
        self.inner.metadata.as_ref().map_or_else(axum::Router::new, Metadata::router)
    }

    /// The same for what is not axum: the path of the document, and the document. Serve it as `application/json`.
    pub fn metadata(&self) -> Option<(&str, &str)> {
        self.inner.metadata.as_ref().map(|metadata| (metadata.path.as_str(), metadata.document.as_str()))
    }

    /// Fetches the provider's keys if there are none yet. Optional: the first request does it otherwise.
    ///
    /// # Errors
    /// [`TokenError::KeysUnavailable`] when the provider does not answer; the log says why.
    pub async fn ready(&self) -> Result<(), TokenError> {
        self.inner.keys.ready().await
    }

    /// Validates a bearer token by itself (RFC 9068 §4), for what is neither tower nor axum. One that is bound to a key is refused:
    /// here is no request that its proof could be for.
    ///
    /// # Errors
    /// The first rule that the token breaks; the cheap rules are looked at first.
    pub async fn validate(&self, token: &str) -> Result<AccessTokenClaims, TokenError> {
        let claims = self.validate_signed(token).await?;
        // RFC 9449 §7.1, RFC 8705 §3: such a token without its proof is stolen goods.
        if claims.cnf.is_some() { Err(TokenError::SenderConstrained) } else { Ok(claims) }
    }

    async fn validate_signed(&self, token: &str) -> Result<AccessTokenClaims, TokenError> {
        // Whether these are the keys still is asked as for a token that is new.
        if let Some(known) = self.inner.cache.find(token)
            && self.inner.keys.at_hand(|keys| known.is(keys)).is_some()
        {
            let claims: AccessTokenClaims = reread(token)?;
            self.inner.rules.check_claims(&claims, self.now())?;
            return Ok(claims);
        }
        let unverified = Unverified::parse(token)?;
        Rules::check_type(unverified.typ())?;
        let algorithm = unverified.algorithm();
        if !self.inner.keys.algorithms.contains(&algorithm) {
            return Err(TokenError::Algorithm);
        }
        let kid = unverified.kid();
        let keys = self.inner.keys.knowing(kid, algorithm).await?;
        let verifier = keys.verifier(kid, algorithm).ok_or(TokenError::UnknownKey)?;
        let claims: AccessTokenClaims = unverified.verify(verifier)?;
        self.inner.rules.check_claims(&claims, self.now())?;
        self.inner.cache.remember(token, &keys);
        Ok(claims)
    }

    /// Validates a token as it was presented, with the proof of the key that it is bound to.
    pub(crate) async fn validate_presented(
        &self,
        presented: Presented,
        proof: &Proof,
        by: By,
    ) -> Result<(Accepted, Option<ProvenKey>), TokenError> {
        let inner = &self.inner;
        let by_signature = async || -> Result<Accepted, TokenError> {
            let claims = Arc::new(self.validate_signed(&presented.token).await?);
            let token = Token(Arc::clone(&presented.token));
            Ok(Accepted {
                claims,
                token,
                #[cfg(feature = "introspection")]
                answer: None,
            })
        };
        let accepted = match by {
            By::Signature => by_signature().await?,
            #[cfg(feature = "introspection")]
            By::Both => {
                let accepted = by_signature().await?;
                self.confirm(&accepted.claims, &presented.token).await?;
                accepted
            }
            #[cfg(feature = "introspection")]
            By::Provider => self.introspect(&presented.token).await?,
        };
        let place = (proof, inner.place.as_ref());
        let proven = proof::check(&accepted.claims, &presented, place, (&*inner.replays, self.now())).await?;
        Ok((accepted, proven))
    }

    /// What the provider says of a token, by the same rules.
    #[cfg(feature = "introspection")]
    async fn introspect(&self, token: &Arc<str>) -> Result<Accepted, TokenError> {
        let inner = &self.inner;
        let answer = self.ask(token).await?;
        let claims = introspect::read(&answer, token, &inner.rules.issuer, self.now())?;
        inner.rules.check_claims(&claims, self.now())?;
        Ok(Accepted { claims: Arc::new(claims), token: Token(Arc::clone(token)), answer: Some(answer) })
    }

    /// Whether the provider says that a token which is good by itself is good right now, too.
    #[cfg(feature = "introspection")]
    pub(crate) async fn confirm(&self, claims: &AccessTokenClaims, token: &str) -> Result<(), TokenError> {
        let answer = self.ask(token).await?;
        if introspect::contradicts(&answer, claims) {
            tracing::warn!("the provider was asked about a token and speaks of another one");
            return Err(TokenError::Inactive);
        }
        Ok(())
    }

    #[cfg(feature = "introspection")]
    async fn ask(&self, token: &str) -> Result<introspect::Answer, TokenError> {
        let inner = &self.inner;
        let introspection = inner.introspection.as_ref().ok_or_else(|| {
            tracing::error!("a route asks the provider about tokens, and Builder::introspection was not called");
            TokenError::IntrospectionUnavailable
        })?;
        introspection.ask(&inner.keys.provider, token, &*inner.clock).await
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn refusal(&self, reason: impl Into<Reason>) -> Refusal {
        Refusal::new(reason, self.inner.metadata.as_ref().map(|metadata| Arc::clone(&metadata.url)))
    }

    pub(crate) fn now(&self) -> i64 {
        self.inner.clock.now()
    }

    pub(crate) fn leeway(&self) -> i64 {
        self.inner.rules.leeway
    }
}

/// Settings of a [`ResourceServer`]. Every one has a safe default.
#[derive(Debug)]
#[must_use]
pub struct Builder {
    issuer: String,
    audience: String,
    algorithms: Vec<Algorithm>,
    leeway: Duration,
    jwks_max_age: Duration,
    refresh_interval: Duration,
    stale_keys: Duration,
    http_client: Option<reqwest::Client>,
    ca_file: Option<PathBuf>,
    jwks: Option<Jwks>,
    scopes: Option<Vec<String>>,
    public_url: Option<String>,
    replays: Arc<dyn ReplayGuard>,
    cached_tokens: usize,
    #[cfg(feature = "introspection")]
    introspection: Option<Credentials>,
    #[cfg(feature = "introspection")]
    introspection_url: Option<String>,
    #[cfg(feature = "introspection")]
    introspection_age: Duration,
    clock: Arc<dyn Clock>,
}

/// Where the keys are, if the provider is not asked where.
#[derive(Debug)]
enum Jwks {
    Url(String),
    File(PathBuf),
}

/// Who asks the provider about tokens.
#[cfg(feature = "introspection")]
struct Credentials {
    client_id: String,
    client_secret: String,
}

#[cfg(feature = "introspection")]
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// The settings cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Neither https nor plain http to this machine, or with a query or a fragment.
    #[error("the issuer {0:?} must be an https address without query and fragment; http only on localhost")]
    Issuer(String),
    /// Empty.
    #[error("the audience must be the address under which this API is registered at the provider")]
    Audience,
    /// RFC 9728 §1.2.
    #[error("the audience {0:?} must be an https address without query and fragment to publish metadata for it")]
    Resource(String),
    /// [`Builder::public_url`] is no address of http or https, or has more in it than host, port and path.
    #[error("the public address {0:?} must be an http or https URL without query and fragment")]
    PublicUrl(String),
    /// None at all, or one whose key is a shared secret.
    #[error("at least one algorithm is needed, and only those with a public key")]
    Algorithms,
    /// Unreadable, or no certificate in it.
    #[error("{0} holds no certificates that can be read")]
    CaFile(PathBuf),
    /// [`Builder::jwks_url`] is neither https nor, beside an issuer on this machine, on this machine.
    #[error("the address of the keys, {0:?}, must be https; http only where it and the issuer are on localhost")]
    JwksUrl(String),
    /// [`Builder::introspection_url`] is neither https nor, beside an issuer on this machine, on this machine.
    #[error("the address of introspection, {0:?}, must be https; http only where it and the issuer are on localhost")]
    IntrospectionUrl(String),
    /// [`Builder::http_client`] and [`Builder::ca_file`] together.
    #[error("a client of one's own brings its own certificate authorities: give either http_client or ca_file")]
    TwoClients,
    /// The TLS library refused.
    #[error("the HTTP client cannot be set up")]
    HttpClient(#[source] reqwest::Error),
}

impl Builder {
    /// The signature algorithms that are accepted. Default: RS256 alone.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// By how much the clocks of provider and API may differ, in whole seconds. Default: 10 s.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// How long keys are used without asking again when the provider's `Cache-Control` does not say. Default: 1 h.
    pub fn jwks_max_age(mut self, age: Duration) -> Self {
        self.jwks_max_age = age;
        self
    }

    /// How much time lies between two requests to the provider, whatever callers send; at least 1 s. Default: 10 s.
    pub fn refresh_interval(mut self, interval: Duration) -> Self {
        self.refresh_interval = interval;
        self
    }

    /// For how long keys that are no longer fresh stay in use while the provider is away. Longer, and the API outlives a longer outage;
    /// shorter, and a key that was withdrawn meanwhile is sooner without effect. Default: 24 h.
    pub fn stale_keys(mut self, time: Duration) -> Self {
        self.stale_keys = time;
        self
    }

    /// A HTTP client of one's own. It must not follow redirects; an answer that came by one is refused.
    pub fn http_client(mut self, client: reqwest::Client) -> Self {
        self.http_client = Some(client);
        self
    }

    /// Certificate authorities to trust besides those of the system: a file of PEM certificates.
    pub fn ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(file.into());
        self
    }

    /// The address of the key set (RFC 7517 §5), for a provider without a discovery document. Default: what that document names.
    pub fn jwks_url(mut self, url: impl Into<String>) -> Self {
        self.jwks = Some(Jwks::Url(url.into()));
        self
    }

    /// A file with the key set (RFC 7517 §5), for an API that cannot reach the provider. It is read again as the key set of an address
    /// would be asked for: when it is older than [`Builder::jwks_max_age`], or a token names a key that is not in it.
    pub fn jwks_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.jwks = Some(Jwks::File(file.into()));
        self
    }

    /// Publishes RFC 9728 metadata with these scopes, and names its address in every challenge.
    /// Needs [`ResourceServer::metadata_router`] at the root of the API's address.
    pub fn publish_metadata<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// Where clients find this API, if that is not the audience: proofs of possession (RFC 9449) name the address of their request.
    /// A path in it stands before the paths that this process knows: what a proxy takes away. An API whose audience is no address of http
    /// needs this for tokens that are bound to a key.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        self
    }

    /// Where proofs are remembered that were used. Default: the memory of this process. Several that serve one API share one.
    pub fn replay_guard(mut self, guard: impl ReplayGuard) -> Self {
        self.replays = Arc::new(guard);
        self
    }

    /// How many tokens that were valid are remembered, so that they need no signature check when they come again; 0: none.
    /// Default: 10,000, some megabytes.
    pub fn cached_tokens(mut self, most: usize) -> Self {
        self.cached_tokens = most;
        self
    }

    /// The client by which this API asks the provider about tokens (RFC 7662), for layers that are
    /// [`confirmed`](TokenLayer::confirmed) or [`introspected`](TokenLayer::introspected): one that the API is registered with
    /// (`countersign api add --client`).
    #[cfg(feature = "introspection")]
    pub fn introspection(mut self, client_id: impl Into<String>, client_secret: impl Into<String>) -> Self {
        let (client_id, client_secret) = (client_id.into(), client_secret.into());
        self.introspection = Some(Credentials { client_id, client_secret });
        self
    }

    /// The address where the provider is asked about tokens, for one without a discovery document. Default: what that document names.
    #[cfg(feature = "introspection")]
    pub fn introspection_url(mut self, url: impl Into<String>) -> Self {
        self.introspection_url = Some(url.into());
        self
    }

    /// For how long an answer of the provider counts, in whole seconds. Default: 5 s.
    #[cfg(feature = "introspection")]
    pub fn introspection_age(mut self, age: Duration) -> Self {
        self.introspection_age = age;
        self
    }

    /// Another clock, for tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks the settings. Nothing is fetched yet.
    pub fn build(self) -> Result<ResourceServer, BuildError> {
        if self.audience.is_empty() {
            return Err(BuildError::Audience);
        }
        if self.algorithms.is_empty() || self.algorithms.iter().any(|algorithm| algorithm.is_symmetric()) {
            return Err(BuildError::Algorithms);
        }
        let http = match (self.http_client, self.ca_file) {
            (Some(_), Some(_)) => return Err(BuildError::TwoClients),
            (Some(client), None) => client,
            (None, Some(file)) => http_client(&self.issuer, read_authorities(file)?)?,
            (None, None) => http_client(&self.issuer, Vec::new())?,
        };
        let scopes = self.scopes.as_deref();
        let metadata = scopes.map(|scopes| Metadata::new(&self.issuer, &self.audience, scopes)).transpose()?;
        let provider = Provider::new(&self.issuer, http)?;
        let source = match self.jwks {
            None => Source::Discovery,
            Some(Jwks::Url(url)) => Source::Url(provider.safe_url(&url).ok_or(BuildError::JwksUrl(url))?),
            Some(Jwks::File(file)) => Source::File(file),
        };
        let keys = Arc::new(Keys {
            provider,
            source,
            algorithms: self.algorithms,
            default_max_age: seconds(self.jwks_max_age),
            interval: seconds(self.refresh_interval).max(1),
            stale_for: seconds(self.stale_keys),
            clock: Arc::clone(&self.clock),
            state: State::default(),
        });
        let place = match self.public_url {
            Some(url) => Some(Url::parse(&url).ok().as_ref().and_then(Place::new).ok_or(BuildError::PublicUrl(url))?),
            None => Url::parse(&self.audience).ok().as_ref().and_then(Place::origin),
        };
        let rules = Rules { issuer: self.issuer, audience: self.audience, leeway: seconds(self.leeway) };
        let cache = Cache::new(self.cached_tokens);
        #[cfg(feature = "introspection")]
        let introspection = {
            let age = seconds(self.introspection_age);
            let address = match self.introspection_url {
                Some(url) => Some(keys.provider.safe_url(&url).ok_or(BuildError::IntrospectionUrl(url))?),
                None => None,
            };
            self.introspection.map(|by| Introspection::new(&by.client_id, &by.client_secret, age, address))
        };
        let inner = Inner {
            rules,
            keys,
            clock: self.clock,
            metadata,
            place,
            replays: self.replays,
            cache,
            #[cfg(feature = "introspection")]
            introspection,
        };
        Ok(ResourceServer { inner: Arc::new(inner) })
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn read_authorities(file: PathBuf) -> Result<Vec<reqwest::Certificate>, BuildError> {
    let read = || reqwest::Certificate::from_pem_bundle(&std::fs::read(&file).ok()?).ok();
    match read() {
        Some(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(BuildError::CaFile(file)),
    }
}
