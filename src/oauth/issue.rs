//! Tokens are minted here and nowhere else, all of them from a [`Grant`].

use chrono::{DateTime, Utc};
use countersign_jose::Algorithm;
use countersign_types::{
    AccessTokenClaims, Audience, Confirmation, IdTokenClaims, ScopeSet, TokenId,
    claims::{ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE},
};
use openssl::sha::{sha256, sha384, sha512};
use serde::Serialize;
use serde_json::{Map, Value};

use super::error::OAuthError;
use crate::{
    app::{App, Issuer},
    domain::{
        api::{Apis, OPENID},
        client::Client,
        grant::{Grant, Subject},
        token::Secret,
    },
};

/// What is to be minted.
#[derive(Debug)]
pub(super) struct Order<'a> {
    pub(super) grant: &'a Grant,
    /// Whom it is for.
    pub(super) client: &'a Client,
    /// The scope of these tokens: the grant's, or less.
    pub(super) scope: ScopeSet,
    /// Returned in the ID token.
    pub(super) nonce: Option<&'a str>,
    /// The person's roles, for APIs that were registered to see them.
    pub(super) roles: Vec<String>,
    /// What the access token is bound to; `None` for a bearer token.
    pub(super) confirmation: Option<Confirmation>,
    /// When the access token must end at the latest: it never outlives what it hangs on.
    pub(super) ends_by: Option<DateTime<Utc>>,
}

/// A successful answer of the token endpoint (RFC 6749 §5.1).
#[derive(Serialize)]
pub(super) struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
    /// Left out where nothing was granted: an empty one has no form (RFC 6749 §3.3).
    #[serde(skip_serializing_if = "ScopeSet::is_empty")]
    scope: ScopeSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    /// What extensions add. None does yet.
    #[serde(flatten)]
    extension: Map<String, Value>,
    /// For the audit trail.
    #[serde(skip)]
    pub(super) token_id: TokenId,
}

impl std::fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenResponse").field("token_id", &self.token_id).finish_non_exhaustive()
    }
}

impl TokenResponse {
    /// With a refresh token beside.
    pub(super) fn with_refresh_token(self, token: &Secret) -> Self {
        Self { refresh_token: Some(token.expose().to_owned()), ..self }
    }

    /// With the refresh token that the client has already, where tokens are not rotated.
    pub(super) fn with_same_refresh_token(self, token: &str) -> Self {
        Self { refresh_token: Some(token.to_owned()), ..self }
    }
}

/// Mints an access token, and an ID token where `openid` was granted by a person.
pub(super) fn mint(
    app: &App,
    issuer: &Issuer,
    apis: &Apis,
    order: Order<'_>,
    now: DateTime<Utc>,
) -> Result<TokenResponse, OAuthError> {
    let lifetime = app.settings.lifetimes.access_token;
    let expires_at = order.ends_by.map_or(now + lifetime, |end| end.min(now + lifetime));
    let token_id = TokenId::new(app.random.id());
    let is_bound = order.confirmation.is_some();
    let claims = access_token(issuer, apis, &order, &token_id, (now, expires_at));
    let access_token = sign(issuer, (order.client.access_token_algorithm(), now), ACCESS_TOKEN_TYPE, &claims)?;
    let id_token = match &order.grant.subject {
        Subject::Person(_) if order.scope.contains(OPENID) => {
            let expires_at = now + app.settings.lifetimes.id_token;
            let claims = id_token(issuer, &order, &access_token, (now, expires_at));
            let by = (order.client.id_token_algorithm(), now);
            claims.map(|claims| sign(issuer, by, ID_TOKEN_TYPE, &claims)).transpose()?
        }
        Subject::Person(_) | Subject::Client => None,
    };
    Ok(TokenResponse {
        access_token,
        token_type: if is_bound { "DPoP" } else { "Bearer" },
        expires_in: expires_at.timestamp() - now.timestamp(),
        scope: order.scope,
        refresh_token: None,
        id_token,
        extension: Map::new(),
        token_id,
    })
}

/// RFC 9068 §2.2.
fn access_token(
    issuer: &Issuer,
    apis: &Apis,
    order: &Order<'_>,
    token_id: &TokenId,
    (now, expires_at): (DateTime<Utc>, DateTime<Utc>),
) -> AccessTokenClaims {
    let grant = order.grant;
    let person = grant.person();
    AccessTokenClaims {
        iss: issuer.url.clone(),
        sub: person.map_or_else(|| grant.client.to_string(), |person| person.user.to_string()),
        aud: apis.audience(&order.scope, &issuer.url),
        exp: expires_at.timestamp(),
        iat: now.timestamp(),
        jti: token_id.clone(),
        client_id: grant.client.clone(),
        scope: order.scope.clone(),
        gid: person.map(|person| person.id.clone()),
        sid: person.map(|person| person.session.clone()),
        auth_time: person.map(|person| person.auth_time.timestamp()),
        acr: person.map(|person| person.acr.clone()),
        amr: person.map(|person| person.amr.clone()).unwrap_or_default(),
        roles: if apis.wants_roles(&order.scope) { order.roles.clone() } else { Vec::new() },
        cnf: order.confirmation.clone(),
        nbf: None,
    }
}

/// OpenID Connect Core §2. Claims of scopes are for userinfo: the client has an access token (§5.4).
fn id_token(
    issuer: &Issuer,
    order: &Order<'_>,
    access_token: &str,
    (now, expires_at): (DateTime<Utc>, DateTime<Utc>),
) -> Option<IdTokenClaims> {
    let person = order.grant.person()?;
    let client = &order.grant.client;
    Some(IdTokenClaims {
        iss: issuer.url.clone(),
        sub: person.user.to_string(),
        aud: Audience::from_iter([client.to_string()]),
        exp: expires_at.timestamp(),
        iat: now.timestamp(),
        auth_time: person.auth_time.timestamp(),
        nonce: order.nonce.map(str::to_owned),
        at_hash: Some(half_hash(order.client.id_token_algorithm(), access_token)),
        acr: person.acr.clone(),
        amr: person.amr.clone(),
        sid: person.session.clone(),
        azp: client.clone(),
        person: Map::new(),
    })
}

/// The left half of a hash, in base64url (OpenID Connect Core §3.1.3.6): the one that the algorithm of the ID token uses, which for
/// Ed25519 is SHA-512.
fn half_hash(algorithm: Algorithm, text: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let text = text.as_bytes();
    let hash = match algorithm {
        Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 | Algorithm::HS256 => sha256(text).to_vec(),
        Algorithm::HS384 => sha384(text).to_vec(),
        Algorithm::EdDSA | Algorithm::HS512 => sha512(text).to_vec(),
    };
    let (half, _) = hash.split_at(hash.len() / 2);
    URL_SAFE_NO_PAD.encode(half)
}

fn sign(
    issuer: &Issuer,
    (algorithm, now): (Algorithm, DateTime<Utc>),
    typ: &str,
    claims: &impl Serialize,
) -> Result<String, OAuthError> {
    let signed = issuer.keyring.sign_with(algorithm, now, |signer| signer.sign(typ, claims));
    match signed {
        Some(Ok(token)) => Ok(token),
        Some(Err(error)) => Err(OAuthError::broken(&error)),
        None => Err(OAuthError::broken(&std::io::Error::other(format!("there is no {algorithm} key for this time")))),
    }
}
