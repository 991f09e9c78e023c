//! Who a client is, proven once, before any grant or endpoint sees its request.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use countersign_jose::{Algorithm, Unverified, Verifier};
use countersign_types::{Audience, ClientAuthMethod, ClientId, ErrorCode};
use openssl::{memcmp, sha::sha256};
use serde::Deserialize;

use super::error::OAuthError;
use crate::{
    app::{App, Issuer},
    domain::{
        CLOCK_SKEW,
        client::{Client, StoredSecret},
        credential::Password,
        event::{AuditEntry, Event},
    },
    ephemeral::{FirstUse, SingleUse},
    http::form::{Parameters, decode_component},
    login::{
        Device,
        throttle::{self, Target},
    },
    passwords::HashError,
    relying_party::keys,
};

/// `client_assertion_type` (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How far ahead an assertion may expire: its `jti` is remembered that long.
const MAX_ASSERTION_LIFETIME: TimeDelta = TimeDelta::hours(1);
/// What is told to whoever guesses a client's secret.
const GUESSED: &str = "there were too many wrong secrets for this client from this address; try again later";
/// The longest `jti` that is remembered, in bytes.
const MAX_JTI_BYTES: usize = 256;

/// The methods that work, as discovery names them.
pub(super) const METHODS: [ClientAuthMethod; 5] = [
    ClientAuthMethod::ClientSecretBasic,
    ClientAuthMethod::ClientSecretPost,
    ClientAuthMethod::PrivateKeyJwt,
    ClientAuthMethod::ClientSecretJwt,
    ClientAuthMethod::None,
];

/// The algorithms of assertions that work, as discovery names them.
pub(super) const ASSERTION_ALGORITHMS: [Algorithm; 5] =
    [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256];

/// What a client showed to prove who it is.
enum Presented<'a> {
    Basic { id: String, secret: String },
    Post { id: &'a str, secret: &'a str },
    Assertion { id: String, jwt: &'a str },
    Nothing { id: &'a str },
}

impl Presented<'_> {
    fn id(&self) -> ClientId {
        match self {
            Self::Basic { id, .. } | Self::Assertion { id, .. } => ClientId::new(id),
            Self::Post { id, .. } | Self::Nothing { id } => ClientId::new(*id),
        }
    }

    fn is_basic(&self) -> bool {
        matches!(self, Self::Basic { .. })
    }
}

/// The client that sent this request.
pub(super) async fn authenticate(
    app: &App,
    issuer: &Issuer,
    device: &Device,
    headers: &HeaderMap,
    form: &Parameters,
) -> Result<Arc<Client>, OAuthError> {
    let presented = read(headers, form)?;
    let basic = presented.is_basic();
    let refused = |description| OAuthError::invalid_client(description, basic);
    let client = app.store.client(&presented.id()).await?;
    let client = client.filter(|client| client.enabled).ok_or_else(|| refused("the client is unknown"))?;

    match check(app, issuer, &client, &presented, device).await? {
        Ok(()) => Ok(client),
        Err(reason) => {
            record_failure(app, &client, reason, device).await?;
            Err(refused(reason))
        }
    }
}

async fn record_failure(app: &App, client: &Client, reason: &'static str, device: &Device) -> Result<(), OAuthError> {
    if throttle::is_news(app, &client.id, reason, device, app.clock.now()).await {
        let event = Event::ClientAuthenticationFailed { reason };
        let entry = AuditEntry::new(event).client(&client.id).personal(device.personal());
        app.store.record_alone(&entry).await?;
    }
    Ok(())
}

fn read<'a>(headers: &HeaderMap, form: &'a Parameters) -> Result<Presented<'a>, OAuthError> {
    let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
    let authorization = authorizations.next();
    if authorizations.next().is_some() {
        return Err(OAuthError::invalid_request("there is more than one Authorization header"));
    }
    // RFC 6749 §2.3: a client must not use more than one authentication method in a request.
    let used = [authorization.is_some(), form.has("client_secret"), form.has("client_assertion")];
    if used.into_iter().filter(|used| *used).count() > 1 {
        return Err(OAuthError::invalid_request("more than one client authentication method was used"));
    }
    if let Some(authorization) = authorization {
        let (id, secret) = authorization
            .to_str()
            .ok()
            .and_then(read_basic)
            .ok_or_else(|| OAuthError::invalid_client("the Authorization header is not HTTP Basic", true))?;
        if form.get("client_id").is_some_and(|named| named != id) {
            return Err(OAuthError::invalid_request("client_id names another client than the Authorization header"));
        }
        return Ok(Presented::Basic { id, secret });
    }
    if let Some(jwt) = form.get("client_assertion") {
        if form.get("client_assertion_type") != Some(JWT_BEARER) {
            return Err(OAuthError::invalid_request("client_assertion_type must name a JWT"));
        }
        let subject = Unverified::parse(jwt).and_then(|jwt| jwt.claims_unverified::<Subject>());
        let id = subject.map_err(|_| OAuthError::invalid_client("the client assertion cannot be read", false))?.sub;
        if form.get("client_id").is_some_and(|named| named != id) {
            return Err(OAuthError::invalid_request("client_id names another client than the client assertion"));
        }
        return Ok(Presented::Assertion { id, jwt });
    }
    let id =
        form.get("client_id").ok_or_else(|| OAuthError::invalid_client("the client did not say who it is", false))?;
    Ok(match form.get("client_secret") {
        Some(secret) => Presented::Post { id, secret },
        None => Presented::Nothing { id },
    })
}

/// RFC 6749 §2.3.1: both halves are form-encoded before they are joined.
fn read_basic(authorization: &str) -> Option<(String, String)> {
    let (scheme, credentials) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((decode_component(id).ok()?, decode_component(secret).ok()?))
}

/// Whether what was shown is right; if not, why, in words for the client's developer.
async fn check(
    app: &App,
    issuer: &Issuer,
    client: &Client,
    presented: &Presented<'_>,
    device: &Device,
) -> Result<Result<(), &'static str>, OAuthError> {
    const OTHER_METHOD: &str = "the client is registered with another authentication method";
    match (client.metadata.token_endpoint_auth_method, presented) {
        (ClientAuthMethod::ClientSecretBasic, Presented::Basic { secret, .. }) => {
            check_secret(app, client, secret, device).await
        }
        (ClientAuthMethod::ClientSecretPost, Presented::Post { secret, .. }) => {
            check_secret(app, client, secret, device).await
        }
        (
            method @ (ClientAuthMethod::PrivateKeyJwt | ClientAuthMethod::ClientSecretJwt),
            Presented::Assertion { jwt, .. },
        ) => check_assertion(app, issuer, client, method, jwt).await,
        (ClientAuthMethod::None, Presented::Nothing { .. }) => Ok(Ok(())),
        (
            ClientAuthMethod::ClientSecretBasic
            | ClientAuthMethod::ClientSecretPost
            | ClientAuthMethod::PrivateKeyJwt
            | ClientAuthMethod::ClientSecretJwt
            | ClientAuthMethod::None,
            _,
        ) => Ok(Err(OTHER_METHOD)),
    }
}

async fn check_secret(
    app: &App,
    client: &Client,
    secret: &str,
    device: &Device,
) -> Result<Result<(), &'static str>, OAuthError> {
    let matches = match &client.secret {
        Some(StoredSecret::Digest(digest)) => {
            let presented = sha256(secret.as_bytes());
            digest.len() == presented.len() && memcmp::eq(digest, &presented)
        }
        Some(StoredSecret::Argon2(phc)) => check_chosen_secret(app, client, phc, secret, device).await?,
        Some(StoredSecret::Encrypted(_)) | None => false,
    };
    Ok(if matches { Ok(()) } else { Err("the client secret is wrong") })
}

/// A secret that a person may have chosen can be guessed: RFC 6749 §2.3.1 asks for protection from that.
async fn check_chosen_secret(
    app: &App,
    client: &Client,
    phc: &str,
    secret: &str,
    device: &Device,
) -> Result<bool, OAuthError> {
    let Some(typed) = Password::typed(secret.to_owned()) else { return Ok(false) };
    let attempt = match throttle::begin(app, Target::ClientSecret(&client.id), device, app.clock.now()).await {
        Ok(attempt) => attempt,
        Err(throttled) => {
            record_failure(app, client, GUESSED, device).await?;
            return Err(OAuthError::too_many_tries(GUESSED, throttled.retry_after.as_secs() + 1));
        }
    };
    let matches = app.passwords.verify_for_client(phc, &typed).await;
    match matches {
        Ok(true) => throttle::succeed(app, &attempt).await,
        Err(HashError::Busy) => throttle::take_back(app, &attempt).await,
        Ok(false) | Err(HashError::Failed(_)) => {}
    }
    Ok(matches?)
}

#[derive(Deserialize)]
struct Subject {
    sub: String,
}

/// RFC 7523 §3.
#[derive(Deserialize)]
struct Assertion {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    jti: Option<String>,
    iat: Option<i64>,
    nbf: Option<i64>,
}

async fn check_assertion(
    app: &App,
    issuer: &Issuer,
    client: &Client,
    method: ClientAuthMethod,
    jwt: &str,
) -> Result<Result<(), &'static str>, OAuthError> {
    let now = app.clock.now();
    let claims = match verify_assertion(app, client, method, jwt).await? {
        Ok(claims) => claims,
        Err(reason) => return Ok(Err(reason)),
    };
    let usable = match judge(&claims, client, &issuer.url, now) {
        Ok(valid) => valid,
        Err(reason) => return Ok(Err(reason)),
    };
    // RFC 7523 §3, 7: each assertion once.
    let id = format!("{}/{}", client.id, usable.jti);
    let used = SingleUse { kind: "client_assertion", id: &id, from: usable.from, until: usable.until };
    match app.ephemeral.first_use(used, now).await? {
        FirstUse::First => Ok(Ok(())),
        FirstUse::Replayed => Ok(Err("the client assertion was used before")),
        FirstUse::Unsure { retry_after } => Err(OAuthError::temporarily_unavailable(
            "the server lost what it knew of earlier client assertions; send a new one later",
            retry_after.as_secs().max(1),
        )),
    }
}

async fn verify_assertion(
    app: &App,
    client: &Client,
    method: ClientAuthMethod,
    jwt: &str,
) -> Result<Result<Assertion, &'static str>, OAuthError> {
    const UNREADABLE: &str = "the client assertion cannot be read";
    const WRONG: &str = "the client assertion is not signed with a key of this client";
    let Ok(jwt) = Unverified::parse(jwt) else { return Ok(Err(UNREADABLE)) };
    let algorithm = jwt.algorithm();
    let registered = match client.metadata.token_endpoint_auth_signing_alg {
        Some(registered) => algorithm == registered,
        None => ASSERTION_ALGORITHMS.contains(&algorithm),
    };
    if !registered || algorithm.is_symmetric() != (method == ClientAuthMethod::ClientSecretJwt) {
        return Ok(Err("the client assertion is signed with an algorithm that this client did not register"));
    }
    let verified = if algorithm.is_symmetric() {
        let Some(StoredSecret::Encrypted(sealed)) = &client.secret else { return Ok(Err(WRONG)) };
        let secret = app.keys.client_secret.open(sealed, client.id.as_str().as_bytes());
        let secret = secret.map_err(|error| OAuthError::broken(&error))?;
        Verifier::hmac(algorithm, &secret).ok().and_then(|verifier| jwt.verify::<Assertion>(&verifier).ok())
    } else {
        match keys::verify(app, client, &jwt).await {
            Ok(verified) => verified,
            Err(error) if error.is_ours() => return Err(error.into()),
            Err(error) => {
                tracing::info!(%error, "the keys of a client cannot be read from its jwks_uri");
                return Ok(Err("the keys of this client cannot be read from its jwks_uri"));
            }
        }
    };
    Ok(verified.ok_or(WRONG))
}

/// What the claims of a well-signed assertion allow.
struct Usable<'a> {
    jti: &'a str,
    /// Before this we would not have accepted it.
    from: DateTime<Utc>,
    /// From this on we accept it no more.
    until: DateTime<Utc>,
}

fn judge<'a>(
    claims: &'a Assertion,
    client: &Client,
    issuer: &str,
    now: DateTime<Utc>,
) -> Result<Usable<'a>, &'static str> {
    let time = |seconds| DateTime::from_timestamp(seconds, 0);
    if claims.iss != client.id.as_str() || claims.sub != client.id.as_str() {
        return Err("iss and sub of the client assertion must be the client_id");
    }
    // One value, so that an assertion for one server cannot be used at another.
    let token_endpoint = format!("{issuer}/token");
    if !claims.aud.single().is_some_and(|aud| aud == issuer || aud == token_endpoint) {
        return Err("aud of the client assertion must be the issuer or the token endpoint, and nothing beside");
    }
    let expires_at = time(claims.exp).ok_or("exp of the client assertion is not a time")?;
    // The bounds are moved, not the claims, which may lie at the end of time.
    if expires_at <= now - CLOCK_SKEW {
        return Err("the client assertion has expired");
    }
    if expires_at > now + MAX_ASSERTION_LIFETIME + CLOCK_SKEW {
        return Err("the client assertion expires more than an hour ahead");
    }
    let early = |seconds: Option<i64>| seconds.is_some_and(|at| time(at).is_none_or(|at| at > now + CLOCK_SKEW));
    if early(claims.iat) || early(claims.nbf) {
        return Err("the client assertion is not valid yet");
    }
    let jti = claims.jti.as_deref().filter(|jti| !jti.is_empty() && jti.len() <= MAX_JTI_BYTES && !jti.contains('\0'));
    let jti = jti.ok_or("the client assertion needs a jti of at most 256 bytes")?;

    // Each of the rules above names a moment before which it would have refused.
    let begin = [claims.iat, claims.nbf].into_iter().flatten().filter_map(time);
    let begin = begin.fold(expires_at - MAX_ASSERTION_LIFETIME, DateTime::max);
    Ok(Usable { jti, from: begin - CLOCK_SKEW, until: expires_at + CLOCK_SKEW })
}

/// Refuses clients that did not prove who they are, where that is not enough.
pub(super) fn require_confidential(client: &Client) -> Result<(), OAuthError> {
    if client.is_public() {
        return Err(OAuthError::new(ErrorCode::UnauthorizedClient, "public clients may not do this"));
    }
    Ok(())
}
