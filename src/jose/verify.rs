//! Checks of tokens that we signed ourselves and that come back to us.

use chrono::{DateTime, Utc};
use countersign_jose::{JwsError, Unverified};
use countersign_types::{AccessTokenClaims, ClientId, IdTokenClaims, SessionId, claims};

use super::Keyring;

/// Why an access token is not one of ours, or no longer good.
#[derive(Debug, thiserror::Error)]
pub enum AccessTokenError {
    /// It cannot be read, or its signature is wrong.
    #[error("the access token is malformed: {0}")]
    Malformed(#[from] JwsError),
    /// Signed by a key that is not ours.
    #[error("the access token is signed by an unknown key")]
    UnknownKey,
    /// A token of another kind, or of another issuer.
    #[error("this is not an access token of this issuer")]
    Foreign,
}

/// An access token of our own.
#[derive(Debug)]
pub enum Verified {
    /// Its time is not over yet.
    Live(AccessTokenClaims),
    /// It was good once. It opens nothing; it still says truly whose it was.
    Expired(AccessTokenClaims),
}

/// Checks an access token of our own: signature, type, issuer, time. Whether it was revoked is for the database to say.
pub fn verify_access_token(
    token: &str,
    keyring: &Keyring,
    issuer: &str,
    now: DateTime<Utc>,
) -> Result<Verified, AccessTokenError> {
    let token = Unverified::parse(token)?;
    if token.typ() != Some(claims::ACCESS_TOKEN_TYPE) {
        return Err(AccessTokenError::Foreign);
    }
    let kid = token.kid().ok_or(AccessTokenError::UnknownKey)?;
    let claims: AccessTokenClaims = keyring
        .verify_with_public(kid, now, |verifier| token.verify(verifier))
        .ok_or(AccessTokenError::UnknownKey)??;
    if claims.iss != issuer {
        return Err(AccessTokenError::Foreign);
    }
    Ok(if now.timestamp() < claims.exp { Verified::Live(claims) } else { Verified::Expired(claims) })
}

/// Why an `id_token_hint` says nothing.
#[derive(Debug, thiserror::Error)]
#[error("id_token_hint is not an ID token of this issuer")]
pub struct HintError;

/// What an ID token of ours says when it comes back as a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The person, by the name that the client knows.
    pub sub: String,
    /// The client that it was issued to.
    pub client: ClientId,
    /// The session it was issued in, by the name that the client knows.
    pub sid: SessionId,
}

/// Reads an `id_token_hint`. One that has expired is fine (OpenID Connect RP-Initiated Logout §4).
pub fn verify_hint(token: &str, keyring: &Keyring, issuer: &str, now: DateTime<Utc>) -> Result<Hint, HintError> {
    let token = Unverified::parse(token).map_err(|_| HintError)?;
    if token.typ() != Some(claims::ID_TOKEN_TYPE) {
        return Err(HintError);
    }
    let kid = token.kid().ok_or(HintError)?;
    let verified = keyring.verify_with(kid, now, |verifier| token.verify(verifier)).ok_or(HintError)?;
    let claims: IdTokenClaims = verified.map_err(|_| HintError)?;
    if claims.iss != issuer {
        return Err(HintError);
    }
    Ok(Hint { sub: claims.sub, client: claims.azp, sid: claims.sid })
}
