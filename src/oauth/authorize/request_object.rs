//! Request objects (RFC 9101, OpenID Connect Core §6): what an app asks for as a JWT, made plain parameters before anything of it is
//! looked at.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use countersign_jose::{Algorithm, MAX_JWE_BYTES, Unverified, read_unsecured};
use countersign_types::{Audience, ErrorCode};
use openssl::sha::sha256;
use serde_json::{Map, Value};
use url::Url;

use crate::{
    app::{App, Issuer},
    domain::{
        CLOCK_SKEW,
        client::{Client, RequestObjectAlgorithm},
    },
    http::form::Parameters,
    relying_party::keys,
};

/// By what request objects may be signed, as discovery names it.
pub(in crate::oauth) const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];

/// The types that a request object may say it is: none, any JWT, or this one (RFC 9101 §10.8).
const TYPE: &str = "oauth-authz-req+jwt";

/// How old what was fetched from a `request_uri` may be: its server could have changed it (OpenID Connect Core §6.2).
const REFETCH: TimeDelta = TimeDelta::seconds(5);

/// What a JWT says of itself, which is no parameter.
const OF_THE_JWT: [&str; 6] = ["iss", "aud", "exp", "nbf", "iat", "jti"];

/// The parameters that are read here, each of which is one text.
const PARAMETERS: [&str; 21] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "prompt",
    "max_age",
    "display",
    "login_hint",
    "id_token_hint",
    "ui_locales",
    "acr_values",
    "claims",
    "claims_locales",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "request",
    "request_uri",
];

/// What is wrong with one: a code, and words for the client's developer.
pub(super) type Wrong = (ErrorCode, &'static str);

fn wrong<T>(description: &'static str) -> Result<T, Wrong> {
    Err((ErrorCode::InvalidRequestObject, description))
}

/// An object, and whether its members are all that counts.
enum Object {
    /// RFC 9101 §6.3: parameters outside of it are ignored.
    Signed(Map<String, Value>),
    /// OpenID Connect Core §6.1: parameters outside fill what it lacks.
    Unsigned(Map<String, Value>),
}

/// The parameters that are meant: those that were sent, or those of the request object among them.
pub(super) async fn resolve(
    app: &App,
    issuer: &Issuer,
    client: &Client,
    sent: Parameters,
) -> Result<Parameters, (Parameters, Wrong)> {
    // One that is empty counts as absent (RFC 6749 §3.1).
    let asks_by_object = sent.get("request").is_some() || sent.get("request_uri").is_some();
    if !asks_by_object && !client.metadata.require_signed_request_object {
        return Ok(sent);
    }
    match unpack(app, issuer, client, &sent).await {
        Ok(parameters) => Ok(parameters),
        Err(wrong) => Err((sent, wrong)),
    }
}

async fn unpack(app: &App, issuer: &Issuer, client: &Client, sent: &Parameters) -> Result<Parameters, Wrong> {
    let fetched;
    let object = match (sent.get("request"), sent.get("request_uri")) {
        (None, None) => return Err((ErrorCode::InvalidRequest, "this client must ask by a signed request object")),
        // RFC 9101 §5.
        (Some(_), Some(_)) => return Err((ErrorCode::InvalidRequest, "send request or request_uri, not both")),
        _ if sent.has_repeated() => return Err((ErrorCode::InvalidRequest, "a parameter was sent more than once")),
        (Some(object), None) => object,
        (None, Some(uri)) => {
            fetched = fetch(app, client, uri).await?;
            fetched.trim()
        }
    };
    let opened = issuer.keyring.decrypt(object);
    let object = match &opened {
        None => object,
        Some(Ok(opened)) => opened,
        Some(Err(_)) => return wrong("the request object is not encrypted by a key of ours"),
    };
    let now = app.clock.now();
    match read(app, client, object).await? {
        Object::Signed(members) => {
            check(&members, client, (&issuer.url, now))?;
            Ok(plain(members)?.chain_missing([("client_id".to_owned(), client.id.to_string())]))
        }
        Object::Unsigned(members) => {
            check(&members, client, (&issuer.url, now))?;
            // OpenID Connect Core §6.1: sent outside, too, so that the request is one by OAuth 2.0.
            if members.get("response_type").is_some_and(|inside| inside.as_str() != sent.get("response_type")) {
                return wrong("response_type is another one than outside of the request object");
            }
            let outside = sent.pairs().filter(|(name, _)| !matches!(*name, "request" | "request_uri"));
            let outside = outside.map(|(name, value)| (name.to_owned(), value.to_owned()));
            Ok(plain(members)?.chain_missing(outside))
        }
    }
}

/// What is behind a `request_uri`. One that is not registered is not asked for, whatever stands there.
async fn fetch(app: &App, client: &Client, uri: &str) -> Result<String, Wrong> {
    let refused = |description| Err((ErrorCode::InvalidRequestUri, description));
    if !client.metadata.request_uris.iter().any(|registered| registered.matches(uri)) {
        return refused("the client did not register this request_uri");
    }
    let Ok(url) = Url::parse(uri) else { return refused("request_uri is not a URL") };
    let fetched = match app.outbound.get_now(&url, MAX_JWE_BYTES, REFETCH).await {
        Ok(fetched) => fetched,
        Err(error) => {
            tracing::info!(%error, "a request object cannot be fetched");
            return refused("the request object cannot be fetched from its request_uri");
        }
    };
    // OpenID Connect Core §6.2: the hash of what is meant.
    if let Some(hash) = url.fragment()
        && URL_SAFE_NO_PAD.encode(sha256(&fetched.body)) != hash
    {
        return refused("what is behind request_uri has another hash than its fragment");
    }
    match std::str::from_utf8(&fetched.body) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => wrong("the request object is not a JWT"),
    }
}

/// The members of a request object that is signed as its client registered.
async fn read(app: &App, client: &Client, object: &str) -> Result<Object, Wrong> {
    let registered = client.metadata.request_object_signing_alg;
    if registered == Some(RequestObjectAlgorithm::None) {
        return match read_unsecured(object) {
            Ok(members) => Ok(Object::Unsigned(members)),
            Err(_) => wrong("the client registered to send request objects that are not signed"),
        };
    }
    let Ok(token) = Unverified::parse(object) else {
        return wrong("the request object is not a signed JWT");
    };
    let is_typed = |typ: &str| typ.eq_ignore_ascii_case("JWT") || typ == TYPE;
    if !token.typ().is_none_or(is_typed) {
        return wrong("the JWT is of another type than a request object");
    }
    let allowed = match registered.and_then(RequestObjectAlgorithm::signature) {
        Some(only) => token.algorithm() == only,
        None => ALGORITHMS.contains(&token.algorithm()),
    };
    if !allowed {
        return wrong("the request object is signed by another algorithm than the client registered");
    }
    match keys::verify::<Map<String, Value>>(app, client, &token).await {
        Ok(Some(members)) => Ok(Object::Signed(members)),
        Ok(None) => wrong("the request object is not signed by a key of the client"),
        Err(error) if error.is_ours() => {
            Err((ErrorCode::TemporarilyUnavailable, "the client's keys cannot be fetched now; try again"))
        }
        Err(error) => {
            tracing::info!(%error, "the keys of a client cannot be read from its jwks_uri");
            wrong("the client's keys cannot be read from its jwks_uri")
        }
    }
}

/// Whether the object is of this client, for us, and for now (RFC 9101 §4, §6.3, RFC 7519 §4.1).
fn check(members: &Map<String, Value>, client: &Client, (issuer, now): (&str, DateTime<Utc>)) -> Result<(), Wrong> {
    for name in ["request", "request_uri"] {
        if members.contains_key(name) {
            return wrong("a request object must not hold another one");
        }
    }
    for name in ["client_id", "iss"] {
        if members.get(name).is_some_and(|named| named.as_str() != Some(client.id.as_str())) {
            return wrong("the request object is of another client than client_id names");
        }
    }
    // RFC 9101 §10.8.1: an assertion of the client's, signed by the same key, must not pass for one.
    if members.get("sub").is_some_and(|sub| sub.as_str() == Some(client.id.as_str())) {
        return wrong("a client assertion is not a request object");
    }
    if let Some(audience) = members.get("aud") {
        let audience = serde_json::from_value::<Audience>(audience.clone()).unwrap_or_default();
        if !audience.contains(issuer) {
            return wrong("the request object is for somebody else: aud must name this issuer");
        }
    }
    let time = |name| match members.get(name) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(seconds) => Ok(Some(seconds)),
            None => wrong("a time in the request object is not a number"),
        },
    };
    #[allow(clippy::cast_precision_loss)] // seconds, for millions of years
    let (earliest, latest) = ((now - CLOCK_SKEW).timestamp() as f64, (now + CLOCK_SKEW).timestamp() as f64);
    if time("exp")?.is_some_and(|expires| expires <= earliest) {
        return wrong("the request object has expired");
    }
    if time("nbf")?.is_some_and(|begins| begins > latest) || time("iat")?.is_some_and(|issued| issued > latest) {
        return wrong("the request object is not good yet");
    }
    Ok(())
}

/// The members as parameters. Numbers are written out, and `claims` is JSON (OpenID Connect Core §6.1).
fn plain(members: Map<String, Value>) -> Result<Parameters, Wrong> {
    let mut parameters = Vec::new();
    for (name, value) in members {
        let text = match value {
            _ if OF_THE_JWT.contains(&name.as_str()) => continue,
            Value::Null => continue,
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Object(_) if name == "claims" => value.to_string(),
            Value::Array(_) | Value::Object(_) if PARAMETERS.contains(&name.as_str()) => {
                return wrong("a member of the request object is neither text nor a number");
            }
            // What nobody knows is ignored (RFC 6749 §3.1), in whatever form.
            Value::Array(_) | Value::Object(_) => continue,
        };
        if text.contains('\0') {
            return wrong("a member of the request object contains NUL");
        }
        parameters.push((name, text));
    }
    Ok(parameters.into_iter().collect())
}
