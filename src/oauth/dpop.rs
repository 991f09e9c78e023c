//! Proofs of possession at our own endpoints (RFC 9449): whose key sent a request.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use countersign_jose::{Algorithm, access_token_hash, verify_embedded};
use countersign_types::{
    ErrorCode,
    dpop::{PROOF_TYPE, ProofClaims, ProvenRequest},
};
use url::Url;

use super::error::OAuthError;
use crate::{
    app::{App, Issuer},
    ephemeral::{FirstUse, SingleUse},
};

/// By what proofs may be signed, as we publish it (FAPI 2.0 Security Profile §5.4.1).
pub(super) const ALGORITHMS: [Algorithm; 3] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256];

/// Where a proof is sent.
const PROOF: HeaderName = HeaderName::from_static("dpop");
/// Where the nonce for the next proof is told (RFC 9449 §8).
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// How long one nonce is given out, in seconds; it is good for as long again.
const NONCE_SECONDS: i64 = 300;

/// The request at one of our endpoints that a proof is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    pub(super) method: &'a Method,
    /// Below the issuer.
    pub(super) path: &'static str,
    /// The access token that is sent beside it.
    pub(super) access_token: Option<&'a str>,
}

/// The thumbprint of the key that the sender of a request holds (RFC 7638), by its proof; none without one.
///
/// # Errors
///
/// The proof is wrong, was used before, or lacks the nonce that it needs.
pub(super) async fn prove(
    app: &App,
    issuer: &Issuer,
    headers: &HeaderMap,
    at: At<'_>,
) -> Result<Option<String>, OAuthError> {
    let mut proofs = headers.get_all(PROOF).iter();
    let proof = match (proofs.next(), proofs.next()) {
        (None, _) => return Ok(None),
        (Some(proof), None) => proof.to_str().map_err(|_| invalid("the DPoP proof cannot be read"))?,
        (Some(_), Some(_)) => return Err(invalid("send one DPoP proof, not several")),
    };
    let (key, claims) = verify_embedded::<ProofClaims>(proof, PROOF_TYPE, &ALGORITHMS).map_err(|_| {
        invalid("the DPoP proof must be a JWS of type dpop+jwt by ES256, EdDSA or PS256, signed with the public key in its jwk")
    })?;
    let uri = Url::parse(&format!("{}{}", issuer.url, at.path)).map_err(|error| OAuthError::broken(&error))?;
    let ath = at.access_token.map(access_token_hash);
    let now = app.clock.now();
    let request = ProvenRequest { method: at.method.as_str(), uri: &uri, ath: ath.as_deref(), now: now.timestamp() };
    let lifespan = claims.judge(&request).map_err(|error| invalid(error.as_str()))?;
    if app.settings.dpop.nonces && !claims.nonce.as_deref().is_some_and(|nonce| is_ours(app, nonce, now)) {
        return Err(OAuthError::new(
            ErrorCode::UseDpopNonce,
            "put the nonce of the header DPoP-Nonce into a new DPoP proof, and send the request again",
        ));
    }
    let thumbprint = key.thumbprint();
    let time = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or(now);
    let used = SingleUse {
        kind: "dpop_proof",
        id: &format!("{thumbprint}/{}", claims.jti),
        from: time(lifespan.from),
        until: time(lifespan.until),
    };
    match app.ephemeral.first_use(used, now).await? {
        FirstUse::First => Ok(Some(thumbprint)),
        FirstUse::Replayed => Err(invalid("the DPoP proof was used before: make a new one for each request")),
        FirstUse::Unsure { retry_after } => Err(OAuthError::temporarily_unavailable(
            "the server lost what it knew of earlier DPoP proofs; send a new one later",
            retry_after.as_secs().max(1),
        )),
    }
}

fn invalid(description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidDpopProof, description)
}

/// What an answer to a request with a proof tells of nonces: the one for the next, where they are needed.
pub(super) fn next_nonce(app: &App, headers: &HeaderMap) -> HeaderMap {
    let mut answer = HeaderMap::new();
    if app.settings.dpop.nonces
        && headers.contains_key(PROOF)
        && let Ok(nonce) = HeaderValue::try_from(nonce(app, step(app.clock.now())))
    {
        answer.insert(NONCE, nonce);
    }
    answer
}

/// Which stretch of time a nonce is for. Nothing needs to be stored: nonces are recognised, and every node makes the same.
fn step(now: DateTime<Utc>) -> i64 {
    now.timestamp().div_euclid(NONCE_SECONDS)
}

fn nonce(app: &App, step: i64) -> String {
    let tag = app.keys.dpop_nonce.authenticate(step.to_string().as_bytes());
    format!("{step}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn is_ours(app: &App, nonce: &str, now: DateTime<Utc>) -> bool {
    let Some((number, tag)) = nonce.split_once('.') else { return false };
    let is_fresh = number.parse().is_ok_and(|number: i64| (0..=1).contains(&step(now).saturating_sub(number)));
    let tag = URL_SAFE_NO_PAD.decode(tag);
    is_fresh && tag.is_ok_and(|tag| app.keys.dpop_nonce.is_authentic(number.as_bytes(), &tag))
}
