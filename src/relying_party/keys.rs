//! The public keys of a client: as it registered them, or from where it publishes them.
//!
//! What is fetched is remembered by [`Outbound`](crate::outbound::Outbound), for an hour or as its server says. A key that is not among
//! it may be new (OpenID Connect Core §10.1.1), so it is then fetched again, at most once in five seconds: whoever invents names of keys
//! cannot make us hammer a client.

use std::borrow::Cow;

use chrono::TimeDelta;
use countersign_jose::{FormatError, JwkSet, KeyError, MAX_JWK_SET_BYTES, PublicJwk, Unverified, read_object};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::{
    app::App,
    domain::client::{Client, WebLink},
    outbound::OutboundError,
};

/// How long a set of keys is believed that lacks the one that was named.
const REFETCH: TimeDelta = TimeDelta::seconds(5);

/// Why the keys of a client are not known. The texts may be shown to anyone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// There is nothing where the client says that they are.
    #[error("{0}")]
    Fetch(#[from] OutboundError),
    /// What is there is not JSON.
    #[error("what is there is not a JSON object, or repeats a member")]
    Json(#[from] FormatError),
    /// What is there is no set of keys.
    #[error("{0}")]
    Set(#[from] KeyError),
}

impl KeysError {
    /// Whether it is our trouble, and says nothing of the client's keys.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Fetch(OutboundError::Busy | OutboundError::Unavailable))
    }
}

/// All keys of a client: what it registered, or what is behind its `jwks_uri`. None at all if it registered neither.
///
/// # Errors
///
/// [`KeysError`], if there is a `jwks_uri` and no set of keys behind it.
pub async fn client_keys<'a>(app: &App, client: &'a Client) -> Result<Cow<'a, JwkSet>, KeysError> {
    match (&client.metadata.jwks, &client.metadata.jwks_uri) {
        (Some(jwks), _) => Ok(Cow::Borrowed(jwks)),
        (None, Some(uri)) => read(&app.outbound.get(&address(uri)?, MAX_JWK_SET_BYTES).await?.body).map(Cow::Owned),
        (None, None) => Ok(Cow::Owned(JwkSet::default())),
    }
}

/// The same, fetched anew if none of those that are remembered is the one with this `kid`. It need not be among them then, either.
///
/// # Errors
///
/// Those of [`client_keys`].
pub async fn client_keys_for_kid<'a>(
    app: &App,
    client: &'a Client,
    kid: Option<&str>,
) -> Result<Cow<'a, JwkSet>, KeysError> {
    let known = client_keys(app, client).await?;
    let is_known = |kid| known.keys().iter().any(|key| key.kid() == Some(kid));
    match (kid, &client.metadata.jwks, &client.metadata.jwks_uri) {
        (Some(kid), None, Some(uri)) if !is_known(kid) => refetched(app, uri).await.map(Cow::Owned),
        _ => Ok(known),
    }
}

async fn refetched(app: &App, uri: &WebLink) -> Result<JwkSet, KeysError> {
    read(&app.outbound.get_fresh(&address(uri)?, MAX_JWK_SET_BYTES, REFETCH).await?.body)
}

/// The claims of a token that is signed with a key of this client; `None` if it is not. Which algorithms will do is for the caller to say,
/// before.
///
/// # Errors
///
/// Those of [`client_keys`].
pub async fn verify<C: DeserializeOwned>(
    app: &App,
    client: &Client,
    token: &Unverified<'_>,
) -> Result<Option<C>, KeysError> {
    let keys = client_keys_for_kid(app, client, token.kid()).await?;
    let verified = verify_by(&keys, token);
    match (&client.metadata.jwks, &client.metadata.jwks_uri) {
        // OpenID Connect Core §10.1: with a single key there need be no `kid`, so it may have been replaced.
        (None, Some(uri)) if verified.is_none() && token.kid().is_none() => {
            Ok(verify_by(&refetched(app, uri).await?, token))
        }
        _ => Ok(verified),
    }
}

fn verify_by<C: DeserializeOwned>(keys: &JwkSet, token: &Unverified<'_>) -> Option<C> {
    let algorithm = token.algorithm();
    let is_meant = |key: &&PublicJwk| match (token.kid(), key.kid()) {
        (Some(asked), Some(own)) => asked == own,
        _ => true,
    };
    let fitting = keys.signature_keys().filter(|key| key.supports(algorithm)).filter(is_meant);
    fitting.filter_map(|key| key.verifier(algorithm).ok()).find_map(|verifier| token.verify(&verifier).ok())
}

/// The keys behind a `jwks_uri` as it is registered: a wrong one fails the whole set, so that its owner learns of it.
///
/// # Errors
///
/// [`KeysError`], in words for that owner.
pub async fn fetch_to_register(app: &App, uri: &WebLink) -> Result<JwkSet, KeysError> {
    // What is remembered may be older than the mistake that was corrected just now.
    let fetched = app.outbound.get_now(&address(uri)?, MAX_JWK_SET_BYTES, REFETCH).await?;
    Ok(JwkSet::parse(&parse(&fetched.body)?)?)
}

fn address(uri: &WebLink) -> Result<Url, KeysError> {
    // Registered as a link, so it is a URL.
    Url::parse(uri.as_str()).map_err(|_| KeysError::Fetch(OutboundError::Scheme))
}

fn read(body: &[u8]) -> Result<JwkSet, KeysError> {
    Ok(JwkSet::parse_good(&parse(body)?)?)
}

fn parse(body: &[u8]) -> Result<Value, KeysError> {
    Ok(Value::Object(read_object(body)?))
}
