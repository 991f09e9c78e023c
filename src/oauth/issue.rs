//! Tokens are minted here and nowhere else, all of them from a [`Grant`].

use chrono::{DateTime, Utc};
use countersign_jose::Algorithm;
use countersign_types::{
    AccessTokenClaims, Audience, Confirmation, ScopeSet, TokenId,
    claims::{ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, IdTokenClaims as WireClaims},
};
use openssl::sha::{sha256, sha384, sha512};
use serde::Serialize;
use serde_json::{Map, Value};

use super::error::OAuthError;
use crate::{
    app::{App, Issuer},
    domain::{
        api::{Apis, OPENID},
        claims::{ClaimMap, ClaimsRequest},
        client::Client,
        grant::{Grant, PersonGrant},
        token::Secret,
        user::User,
    },
    relying_party::Lock,
    store::{StoreError, account},
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
    /// What the ID token says about the person, beside who they are.
    pub(super) person: Map<String, Value>,
    /// What the ID token is encrypted by.
    pub(super) lock: Option<Lock>,
    /// What the access token is bound to; `None` for a bearer token.
    pub(super) confirmation: Option<Confirmation>,
    /// When the access token must end at the latest: it never outlives what it hangs on.
    pub(super) ends_by: Option<DateTime<Utc>>,
}

/// What an ID token may say about a person.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdTokenClaims<'a> {
    pub(super) user: &'a User,
    pub(super) client: &'a Client,
    pub(super) asked: &'a ClaimsRequest,
}

impl IdTokenClaims<'_> {
    /// What was asked for by name (OpenID Connect Core §5.5); and what scopes open, where there is no access token to get it from
    /// userinfo (§5.4).
    pub(super) fn told(self, map: &ClaimMap, scope: Option<&ScopeSet>) -> Map<String, Value> {
        let by_scope = scope.map(|scope| map.of(self.user, scope, &self.asked.locales)).unwrap_or_default();
        let by_name = map.pick(self.user, &self.asked.id_token, &self.client.metadata.scope);
        by_scope.into_iter().chain(by_name).collect()
    }

    /// The same for a grant by which tokens are got at the token endpoint. The person is looked up if there is anything to tell alone.
    pub(super) async fn of_grant(app: &App, client: &Client, grant: &Grant) -> Result<Map<String, Value>, StoreError> {
        let Some(person) = grant.person().filter(|person| !person.claims.id_token.is_empty()) else {
            return Ok(Map::new());
        };
        let user = account::find(&mut app.store.read().await?, &person.user).await?;
        let told =
            |user: User| IdTokenClaims { user: &user, client, asked: &person.claims }.told(&app.settings.scopes, None);
        Ok(user.map(told).unwrap_or_default())
    }
}

/// An access token, and what is said beside it (RFC 6749 §5.1).
#[derive(Serialize)]
pub(super) struct AccessToken {
    #[serde(rename = "access_token")]
    pub(super) token: String,
    pub(super) token_type: &'static str,
    /// In seconds.
    pub(super) expires_in: i64,
    /// Left out where nothing was granted: an empty one has no form (RFC 6749 §3.3).
    #[serde(skip_serializing_if = "ScopeSet::is_empty")]
    pub(super) scope: ScopeSet,
    /// For the audit trail.
    #[serde(skip)]
    pub(super) id: TokenId,
}

/// A successful answer of the token endpoint (RFC 6749 §5.1).
#[derive(Serialize)]
pub(super) struct TokenResponse {
    #[serde(flatten)]
    pub(super) access: AccessToken,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    /// What extensions add. None does yet.
    #[serde(flatten)]
    extension: Map<String, Value>,
}

impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessToken").field("id", &self.id).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenResponse").field("access", &self.access).finish_non_exhaustive()
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

/// What mints: the issuer, at this moment.
#[derive(Clone, Copy)]
pub(super) struct Mint<'a> {
    pub(super) app: &'a App,
    pub(super) issuer: &'a Issuer,
    pub(super) apis: &'a Apis,
    pub(super) now: DateTime<Utc>,
}

impl Mint<'_> {
    /// The answer of the token endpoint: an access token, and an ID token where `openid` was granted by a person.
    pub(super) fn response(self, order: &Order<'_>) -> Result<TokenResponse, OAuthError> {
        let access = self.access_token(order)?;
        let id_token = self.id_token(order, Beside { access_token: Some(&access.token), code: None })?;
        Ok(TokenResponse { access, refresh_token: None, id_token, extension: Map::new() })
    }

    /// An access token.
    pub(super) fn access_token(self, order: &Order<'_>) -> Result<AccessToken, OAuthError> {
        let lifetime = self.app.settings.lifetimes.access_token;
        let expires_at = order.ends_by.map_or(self.now + lifetime, |end| end.min(self.now + lifetime));
        let id = TokenId::new(self.app.random.id());
        let claims = access_token(self.issuer, self.apis, order, &id, (self.now, expires_at));
        Ok(AccessToken {
            token: self.sign(order.client.access_token_algorithm(), ACCESS_TOKEN_TYPE, &claims)?,
            token_type: if order.confirmation.is_some() { "DPoP" } else { "Bearer" },
            expires_in: expires_at.timestamp() - self.now.timestamp(),
            scope: order.scope.clone(),
            id,
        })
    }

    /// An ID token, where a person granted `openid`.
    pub(super) fn id_token(self, order: &Order<'_>, beside: Beside<'_>) -> Result<Option<String>, OAuthError> {
        let Some(person) = order.grant.person().filter(|_| order.scope.contains(OPENID)) else { return Ok(None) };
        let expires_at = self.now + self.app.settings.lifetimes.id_token;
        let claims = id_token(self.issuer, order, person, beside, (self.now, expires_at));
        let signed = self.sign(order.client.id_token_algorithm(), ID_TOKEN_TYPE, &claims)?;
        match &order.lock {
            Some(lock) => Ok(Some(lock.close(&signed, Some("JWT"))?)),
            None => Ok(Some(signed)),
        }
    }

    fn sign(self, algorithm: Algorithm, typ: &str, claims: &impl Serialize) -> Result<String, OAuthError> {
        Self::sign_for(self.issuer, (algorithm, self.now), typ, claims)
    }

    /// Signs what is no token: userinfo.
    pub(super) fn sign_for(
        issuer: &Issuer,
        (algorithm, now): (Algorithm, DateTime<Utc>),
        typ: &str,
        claims: &impl Serialize,
    ) -> Result<String, OAuthError> {
        match issuer.keyring.sign_with(algorithm, now, |signer| signer.sign(typ, claims)) {
            Some(Ok(token)) => Ok(token),
            Some(Err(error)) => Err(OAuthError::broken(&error)),
            None => {
                let missing = format!("there is no {algorithm} key for this time");
                Err(OAuthError::broken(&std::io::Error::other(missing)))
            }
        }
    }
}

/// What is sent along with an ID token, which says by hashes that it belongs to it.
#[derive(Clone, Copy, Default)]
pub(super) struct Beside<'a> {
    pub(super) access_token: Option<&'a str>,
    /// One that the same answer of the authorization endpoint carries.
    pub(super) code: Option<&'a str>,
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
        sub: person.map_or_else(|| grant.client.to_string(), |person| issuer.sub(order.client, &person.user)),
        aud: apis.audience(&order.scope, &issuer.url),
        exp: expires_at.timestamp(),
        iat: now.timestamp(),
        jti: token_id.clone(),
        client_id: grant.client.clone(),
        scope: order.scope.clone(),
        gid: person.map(|person| person.id.clone()),
        sid: person.map(|person| issuer.sid(order.client, &person.session)),
        auth_time: person.map(|person| person.auth_time.timestamp()),
        acr: person.map(|person| person.acr.clone()),
        amr: person.map(|person| person.amr.clone()).unwrap_or_default(),
        roles: if apis.wants_roles(&order.scope) { order.roles.clone() } else { Vec::new() },
        cnf: order.confirmation.clone(),
        nbf: None,
    }
}

/// OpenID Connect Core §2.
fn id_token(
    issuer: &Issuer,
    order: &Order<'_>,
    person: &PersonGrant,
    beside: Beside<'_>,
    (now, expires_at): (DateTime<Utc>, DateTime<Utc>),
) -> WireClaims {
    let client = &order.grant.client;
    let hash = |text| half_hash(order.client.id_token_algorithm(), text);
    WireClaims {
        iss: issuer.url.clone(),
        sub: issuer.sub(order.client, &person.user),
        aud: Audience::from_iter([client.to_string()]),
        exp: expires_at.timestamp(),
        iat: now.timestamp(),
        auth_time: person.auth_time.timestamp(),
        nonce: order.nonce.map(str::to_owned),
        at_hash: beside.access_token.map(hash),
        c_hash: beside.code.map(hash),
        acr: person.acr.clone(),
        amr: person.amr.clone(),
        sid: issuer.sid(order.client, &person.session),
        azp: client.clone(),
        person: order.person.clone(),
    }
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
