//! Making compact JWS (RFC 7515 §5.1).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwk::Jwk;
use josekit::jws::{self, JwsSigner};
use serde::Serialize;

use crate::Algorithm;
use crate::key::KeyError;

/// A token that could not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The claims do not serialize to a JSON object.
    #[error("the claims are not a JSON object")]
    Claims,
    /// OpenSSL could not sign.
    #[error("the signature could not be made")]
    Signature,
}

/// A ready signer: share one per key, since building it costs several signatures.
pub struct Signer {
    algorithm: Algorithm,
    kid: Option<String>,
    inner: Box<dyn JwsSigner>,
}

#[derive(Serialize)]
struct Header<'h> {
    typ: &'h str,
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'h str>,
}

impl Signer {
    /// A signer for a secret shared with a client.
    ///
    /// # Errors
    ///
    /// [`KeyError::Unfit`] for an asymmetric algorithm, [`KeyError::SecretLength`] when the secret is
    /// shorter than the digest: 32, 48 or 64 bytes (RFC 7518 §3.2).
    pub fn hmac(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        Ok(Self { algorithm, kid: None, inner: hmac(algorithm, secret)? })
    }

    /// A signer for a key of ours, whose `secret` has the numbers of the key and nothing else.
    pub(crate) fn private(algorithm: Algorithm, kid: String, secret: &Jwk) -> Result<Self, KeyError> {
        let inner: Box<dyn JwsSigner> = match algorithm {
            Algorithm::RS256 => Box::new(refused(jws::RS256.signer_from_jwk(secret))?),
            Algorithm::PS256 => Box::new(refused(jws::PS256.signer_from_jwk(secret))?),
            Algorithm::ES256 => Box::new(refused(jws::ES256.signer_from_jwk(secret))?),
            Algorithm::EdDSA => Box::new(refused(jws::EdDSA.signer_from_jwk(secret))?),
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                return Err(KeyError::Unfit(algorithm.name()));
            }
        };
        Ok(Self { algorithm, kid: Some(kid), inner })
    }

    /// The `kid` that goes into the header; none for a shared secret.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The algorithm that goes into the header.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Signs `claims` into a compact JWS with the header `typ`, `alg` and, for key pairs, `kid`.
    ///
    /// # Errors
    ///
    /// [`SignError::Claims`] when the claims are no JSON object, [`SignError::Signature`].
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, SignError> {
        self.sign_under(&Header { typ, alg: self.algorithm.name(), kid: self.kid() }, claims)
    }

    pub(crate) fn sign_under(&self, header: &impl Serialize, claims: &impl Serialize) -> Result<String, SignError> {
        let header = serde_json::to_vec(header).map_err(|_| SignError::Signature)?;
        let claims = serde_json::to_vec(claims).map_err(|_| SignError::Claims)?;
        if claims.first() != Some(&b'{') {
            return Err(SignError::Claims);
        }
        // Room for a 2048-bit signature too, so that the token is written in one place.
        let mut token = String::with_capacity((header.len() + claims.len() + 256) * 4 / 3 + 8);
        URL_SAFE_NO_PAD.encode_string(&header, &mut token);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&claims, &mut token);
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
        Ok(token)
    }

    /// Signs bytes as JWS does, without anything around: for what is no JWS, such as HTTP messages (RFC 9421 §3.3).
    ///
    /// # Errors
    ///
    /// [`SignError::Signature`].
    pub fn sign_detached(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.signature(message)
    }

    pub(crate) fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.inner.sign(message).map_err(|_| SignError::Signature)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("algorithm", &self.algorithm).field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// An HMAC over a shared secret; checking one means making one, so [`crate::Verifier`] uses it too.
pub(crate) fn hmac(algorithm: Algorithm, secret: &[u8]) -> Result<Box<dyn JwsSigner>, KeyError> {
    let hmac = match algorithm {
        Algorithm::HS256 => jws::HS256,
        Algorithm::HS384 => jws::HS384,
        Algorithm::HS512 => jws::HS512,
        Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 | Algorithm::EdDSA => {
            return Err(KeyError::Unfit(algorithm.name()));
        }
    };
    // josekit refuses secrets that are shorter than the digest; its message is about lengths only.
    let signer = hmac.signer_from_bytes(secret).map_err(|_| KeyError::SecretLength)?;
    Ok(Box::new(signer))
}

/// josekit's messages may quote parts of a key, so none is passed on.
fn refused<T>(signer: Result<T, josekit::JoseError>) -> Result<T, KeyError> {
    signer.map_err(|_| KeyError::Refused)
}
