//! Compact JWS that carry the key which they are signed with, such as DPoP proofs (RFC 9449 §4.2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::sha::sha256;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::guard;
use crate::jwk::PublicJwk;
use crate::verify::{JwsError, Unverified};
use crate::{Algorithm, KeyError};

/// The longest such JWS that is read, in bytes: it carries a key, and little else.
pub const MAX_EMBEDDED_BYTES: usize = 8 * 1024;

/// Why a JWS does not prove that its sender holds the key in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmbeddedError {
    /// It is no JWS, of another type or algorithm, or its signature is wrong.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// The key in it cannot be used, or a private one came with it.
    #[error("the key in the header: {0}")]
    Key(#[from] KeyError),
    /// Its `typ` is another one.
    #[error("the token is of another type")]
    Type,
}

#[derive(Deserialize)]
struct Header {
    typ: Option<String>,
    jwk: Value,
}

/// Verifies a JWS of type `typ` with the public key in its own header, by one of `algorithms`, and reads its claims.
///
/// It proves that whoever made it holds the private key, and **nothing about who that is**: the caller compares the
/// [thumbprint](PublicJwk::thumbprint) with what it expects. Everything that [`Unverified::parse`] refuses is refused here, but for `jwk`.
///
/// # Errors
///
/// [`EmbeddedError`].
pub fn verify_embedded<C: DeserializeOwned>(
    token: &str,
    typ: &str,
    algorithms: &[Algorithm],
) -> Result<(PublicJwk, C), EmbeddedError> {
    let [header, ..] = guard::segments::<3>(token, MAX_EMBEDDED_BYTES).map_err(JwsError::from)?;
    let header: Header = guard::header_with_key(header).map_err(JwsError::from)?;
    // RFC 8725 §3.11: a token made for another purpose, by the same key, must not pass for this one.
    if header.typ.as_deref() != Some(typ) {
        return Err(EmbeddedError::Type);
    }
    let jws = Unverified::parse_with_key(token)?;
    if !algorithms.contains(&jws.algorithm()) {
        return Err(JwsError::Algorithm.into());
    }
    let key = PublicJwk::parse(&header.jwk)?;
    let claims = jws.verify(&key.verifier(jws.algorithm())?)?;
    Ok((key, claims))
}

/// What a proof says of the access token that is sent beside it: its SHA-256, as base64url (RFC 9449 §4.2, `ath`).
pub fn access_token_hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(token_digest(token))
}

/// Base64 with padding (RFC 4648 §4), as HTTP Basic wants it.
pub fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The SHA-256 of a token: by it a token can be known without being kept.
pub fn token_digest(token: &str) -> [u8; 32] {
    sha256_of(token.as_bytes())
}

/// The SHA-256 of any bytes.
pub fn sha256_of(bytes: &[u8]) -> [u8; 32] {
    sha256(bytes)
}
