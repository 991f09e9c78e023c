//! Reading compact JWS (RFC 7515 §5.2), guarded as RFC 8725 asks.

use std::fmt;

use josekit::jwk::Jwk;
use josekit::jws::{self, JwsSigner, JwsVerifier};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Algorithm;
use crate::guard::{self, FormatError};
use crate::key::KeyError;
use crate::sign;

/// The longest JWS that is read, in bytes.
pub const MAX_JWS_BYTES: usize = 16 * 1024;

/// A JWS that is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// The token is malformed.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// `alg` is `none` or another algorithm that is never accepted.
    #[error("the token names an algorithm that is not accepted")]
    Algorithm,
    /// `alg` is not the algorithm of the key (RFC 8725 §3.1).
    #[error("the token names another algorithm than its key serves")]
    AlgorithmMismatch,
    /// `kid` names another key than the one it is verified with.
    #[error("the token names another key")]
    KeyMismatch,
    /// The signature does not verify.
    #[error("the signature is not valid")]
    Signature,
    /// A claim is missing or has the wrong type.
    #[error("a claim is missing or has the wrong type")]
    Claims,
}

/// A ready verifier for one key and one algorithm: share it, since building it costs several verifications.
pub struct Verifier {
    algorithm: Algorithm,
    kid: Option<String>,
    check: Check,
}

enum Check {
    Signature(Box<dyn JwsVerifier>),
    /// josekit's own HMAC verifier compares in variable time, so the tag is made and compared here.
    Hmac(Box<dyn JwsSigner>),
}

impl Verifier {
    /// A verifier for a secret shared with a client.
    ///
    /// # Errors
    ///
    /// As [`Signer::hmac`](crate::Signer::hmac).
    pub fn hmac(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        Ok(Self { algorithm, kid: None, check: Check::Hmac(sign::hmac(algorithm, secret)?) })
    }

    /// A verifier for a public key, whose `jwk` has the numbers of the key and nothing else.
    pub(crate) fn public(algorithm: Algorithm, kid: Option<String>, jwk: &Jwk) -> Result<Self, KeyError> {
        let refused = |_| KeyError::Refused;
        let inner: Box<dyn JwsVerifier> = match algorithm {
            Algorithm::RS256 => Box::new(jws::RS256.verifier_from_jwk(jwk).map_err(refused)?),
            Algorithm::PS256 => Box::new(jws::PS256.verifier_from_jwk(jwk).map_err(refused)?),
            Algorithm::ES256 => Box::new(jws::ES256.verifier_from_jwk(jwk).map_err(refused)?),
            Algorithm::EdDSA => Box::new(jws::EdDSA.verifier_from_jwk(jwk).map_err(refused)?),
            // The key-confusion attack: a public key is never an HMAC secret.
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                return Err(KeyError::Unfit(algorithm.name()));
            }
        };
        Ok(Self { algorithm, kid, check: Check::Signature(inner) })
    }

    /// The one algorithm this verifier accepts.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The `kid` of its key, when the key has one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether this is a signature over these bytes, in the form that JWS has it (RFC 7518 §3.4: for ECDSA both numbers, one after the
    /// other): for what is signed and is no JWS, such as HTTP messages (RFC 9421 §3.3).
    pub fn verify_detached(&self, message: &[u8], signature: &[u8]) -> bool {
        self.accepts(message, signature)
    }

    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.check {
            Check::Signature(verifier) => verifier.verify(message, signature).is_ok(),
            Check::Hmac(signer) => signer
                .sign(message)
                .is_ok_and(|tag| tag.len() == signature.len() && openssl::memcmp::eq(&tag, signature)),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("algorithm", &self.algorithm).field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// The header parameters that are read; the signature covers the others too.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
}

/// A compact JWS whose form and header were checked, and whose signature was **not** yet.
pub struct Unverified<'a> {
    algorithm: Algorithm,
    kid: Option<String>,
    typ: Option<String>,
    signing_input: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    /// Reads a token of at most [`MAX_JWS_BYTES`].
    ///
    /// Refused are: other than three non-empty segments, padding and stray bits in base64url, a header
    /// that is no flat JSON object with unique members, `alg` outside [`Algorithm`] (so `none`), and the
    /// parameters `crit`, `b64`, `zip`, `jwk`, `jku`, `x5u` and `x5c`, which would change how the token is
    /// read or which key it is verified with. `typ` is for the caller to compare (RFC 8725 §3.11).
    ///
    /// # Errors
    ///
    /// [`JwsError::Format`] and [`JwsError::Algorithm`].
    pub fn parse(token: &'a str) -> Result<Self, JwsError> {
        Self::parse_by(token, guard::header)
    }

    /// The same, but `jwk` is let through.
    pub(crate) fn parse_with_key(token: &'a str) -> Result<Self, JwsError> {
        Self::parse_by(token, guard::header_with_key)
    }

    fn parse_by(token: &'a str, read: fn(&str) -> Result<Header, FormatError>) -> Result<Self, JwsError> {
        let [header, payload, signature] = guard::segments(token, MAX_JWS_BYTES)?;
        let signing_input = token.get(..header.len() + 1 + payload.len()).unwrap_or_default();
        let header = read(header)?;
        Ok(Self {
            algorithm: header.alg.parse().map_err(|_| JwsError::Algorithm)?,
            kid: header.kid,
            typ: header.typ,
            signing_input,
            payload: guard::decode(payload)?,
            signature: guard::decode(signature)?,
        })
    }

    /// The algorithm the token claims to be signed with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key the token claims to be signed with. It is a stranger's text: compare it, nothing else.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The media type the token claims to be of, as written.
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    /// Verifies the signature, then reads the claims: a JSON object with unique members at every level,
    /// at most 16 levels deep. Expiry, audience and all other claims are the caller's to judge.
    ///
    /// # Errors
    ///
    /// [`JwsError::AlgorithmMismatch`], [`JwsError::KeyMismatch`] when both name a `kid` and these differ,
    /// [`JwsError::Signature`]; after a valid signature [`JwsError::Format`] and [`JwsError::Claims`].
    pub fn verify<C: DeserializeOwned>(&self, verifier: &Verifier) -> Result<C, JwsError> {
        // RFC 8725 §3.1: the key decides the algorithm, the token only has to agree.
        if self.algorithm != verifier.algorithm {
            return Err(JwsError::AlgorithmMismatch);
        }
        if let (Some(named), Some(own)) = (self.kid(), verifier.kid())
            && named != own
        {
            return Err(JwsError::KeyMismatch);
        }
        if !verifier.accepts(self.signing_input.as_bytes(), &self.signature) {
            return Err(JwsError::Signature);
        }
        self.claims()
    }

    /// Reads the claims **without any verification**: anyone may have written them. Only for finding
    /// whose key to verify with, by `iss`, `sub` or `client_id`; afterwards call [`Self::verify`] and use
    /// what that returns.
    ///
    /// # Errors
    ///
    /// [`JwsError::Format`] and [`JwsError::Claims`].
    pub fn claims_unverified<C: DeserializeOwned>(&self) -> Result<C, JwsError> {
        self.claims()
    }

    fn claims<C: DeserializeOwned>(&self) -> Result<C, JwsError> {
        guard::object(&self.payload, guard::MAX_PAYLOAD_DEPTH)?;
        serde_json::from_slice(&self.payload).map_err(|_| JwsError::Claims)
    }
}

/// Reads the claims of a token that was verified before, and is known by its digest to be the same to the last byte: **nothing is verified
/// here**.
///
/// # Errors
///
/// [`JwsError::Format`] and [`JwsError::Claims`].
pub fn reread<C: DeserializeOwned>(token: &str) -> Result<C, JwsError> {
    let [_, payload, _] = guard::segments(token, MAX_JWS_BYTES)?;
    serde_json::from_slice(&guard::decode(payload)?).map_err(|_| JwsError::Claims)
}

impl fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the token: whoever reads a log could present it.
        f.debug_struct("Unverified")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .field("typ", &self.typ)
            .finish_non_exhaustive()
    }
}
