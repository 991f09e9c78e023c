//! Tokens that are bound to a key, and the proof of it (RFC 9449 §7).

use countersign_jose::{Algorithm, PublicJwk, access_token_hash, verify_embedded};
use countersign_types::{
    AccessTokenClaims,
    dpop::{PROOF_TYPE, ProofClaims, ProvenRequest},
};
use http::{HeaderMap, HeaderName, Method, Uri};
use url::Url;

use crate::{
    TokenError,
    bearer::{Presented, Scheme},
    replay::{FirstUse, ReplayGuard},
};

/// By what proofs may be signed, as challenges tell it.
pub(crate) const ALGORITHMS: [Algorithm; 3] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256];

const PROOF: HeaderName = HeaderName::from_static("dpop");

/// The key that a request proved, and where the request is for its client. The layer puts it into the request, for what is signed by it.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "signatures"), allow(dead_code))]
pub(crate) struct ProvenKey {
    pub key: PublicJwk,
    pub place: Url,
}

/// What is sent beside a token.
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    method: Method,
    path: String,
    /// The header, or how often it is there instead of once.
    header: Result<String, TokenError>,
}

impl Proof {
    pub fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let mut proofs = headers.get_all(PROOF).iter();
        let header = match (proofs.next(), proofs.next()) {
            (None, _) => Err(TokenError::ProofMissing),
            (Some(proof), None) => proof.to_str().map(str::to_owned).map_err(|_| TokenError::ProofMalformed),
            (Some(_), Some(_)) => Err(TokenError::ProofMalformed),
        };
        Self { method: method.clone(), path: uri.path().to_owned(), header }
    }
}

/// Whether a valid token is presented as it must be: one that is bound with a proof of its key, and no other with one.
///
/// `place` is where this API is for its clients; the path of the request counts from its root.
pub(crate) async fn check(
    claims: &AccessTokenClaims,
    presented: &Presented,
    (proof, place): (&Proof, Option<&Url>),
    (guard, now): (&dyn ReplayGuard, i64),
) -> Result<Option<ProvenKey>, TokenError> {
    let bound = match (presented.scheme, &claims.cnf) {
        (Scheme::Bearer, None) => return Ok(None),
        (Scheme::Bearer, Some(_)) => return Err(TokenError::SenderConstrained),
        (Scheme::Dpop, None) => return Err(TokenError::NotBound),
        // Bound to a certificate (RFC 8705), which nobody has looked at.
        (Scheme::Dpop, Some(confirmation)) if confirmation.x5t_s256.is_some() => {
            return Err(TokenError::SenderConstrained);
        }
        (Scheme::Dpop, Some(confirmation)) => confirmation.jkt.as_deref().ok_or(TokenError::SenderConstrained)?,
    };
    let header = proof.header.as_deref().map_err(|error| *error)?;
    let (key, proven) =
        verify_embedded::<ProofClaims>(header, PROOF_TYPE, &ALGORITHMS).map_err(|_| TokenError::ProofMalformed)?;
    let place = place.cloned().ok_or(TokenError::SenderConstrained)?;
    let mut uri = place.clone();
    uri.set_path(&proof.path);
    let ath = access_token_hash(&presented.token);
    let request = ProvenRequest { method: proof.method.as_str(), uri: &uri, ath: Some(&ath), now };
    let lifespan = proven.judge(&request).map_err(TokenError::Proof)?;
    let thumbprint = key.thumbprint();
    if thumbprint != bound {
        return Err(TokenError::ProofOfAnotherKey);
    }
    match guard.first_use(format!("{thumbprint}/{}", proven.jti), lifespan, now).await {
        FirstUse::First => Ok(Some(ProvenKey { key, place })),
        FirstUse::Replayed => Err(TokenError::ProofReplayed),
        FirstUse::Unknown => Err(TokenError::ReplaysUnknown),
    }
}
