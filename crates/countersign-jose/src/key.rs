//! Private signing keys of ours.

use std::fmt;

use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::EcCurve;
use josekit::jwk::alg::ed::EdCurve;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::Algorithm;
use crate::jwk::{MAX_JWK_BYTES, PublicJwk};
use crate::sign::{SignError, Signer};

/// The size of the RSA keys that [`PrivateKey::generate`] makes, in bits.
pub(crate) const RSA_BITS: u32 = 2048;

/// Every private member of the key types in use (RFC 7518 §6, RFC 8037 §2).
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// A key that cannot be used, or not for this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The JWK is longer than `limit` bytes.
    #[error("the JWK or JWK set is longer than {limit} bytes")]
    TooLarge {
        /// The largest accepted length, in bytes.
        limit: usize,
    },
    /// A JWK or a JWK set must be a JSON object.
    #[error("the JWK or JWK set is not a JSON object")]
    NotAnObject,
    /// A member is missing, of the wrong type or out of range.
    #[error("the JWK member {0} is missing or not valid")]
    Member(&'static str),
    /// A public key was expected, and a secret came with it.
    #[error("the JWK contains a private member")]
    PrivateMember,
    /// Neither RSA, EC with P-256 nor OKP with Ed25519.
    #[error("the key type or curve is not supported")]
    UnknownType,
    /// The RSA modulus is too short or too long (RFC 7518 §3.3).
    #[error("an RSA key must have 2048 to 8192 bits")]
    RsaSize,
    /// The coordinates are no point of the curve.
    #[error("the coordinates are not a point on the curve")]
    NotOnCurve,
    /// The key's type, `alg`, `use` or `key_ops` rules the algorithm out.
    #[error("the key does not serve the algorithm {0}")]
    Unfit(&'static str),
    /// An HMAC secret is shorter than the digest (RFC 7518 §3.2), or a shared key has the wrong length.
    #[error("the secret does not have the length that the algorithm needs")]
    SecretLength,
    /// The private half does not belong to the public half.
    #[error("the private key does not match its public key")]
    HalvesDiffer,
    /// Two keys of a set have the same `kid`.
    #[error("two keys of the set have the same kid")]
    DuplicateKid,
    /// A set has more than [`MAX_KEYS`](crate::MAX_KEYS) keys.
    #[error("the JWK set has too many keys")]
    TooManyKeys,
    /// OpenSSL did not accept or could not make the key.
    #[error("the key was refused by OpenSSL")]
    Refused,
}

/// A private signing key of ours, for one algorithm.
pub struct PrivateKey {
    algorithm: Algorithm,
    public: PublicJwk,
    kid: String,
    secret: Jwk,
}

impl PrivateKey {
    /// Makes a new key; RSA keys get 2048 bits.
    ///
    /// # Errors
    ///
    /// [`KeyError::Unfit`] for the symmetric algorithms, whose secrets are not key pairs.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let jwk = match algorithm {
            Algorithm::RS256 | Algorithm::PS256 => Jwk::generate_rsa_key(RSA_BITS),
            Algorithm::ES256 => Jwk::generate_ec_key(EcCurve::P256),
            Algorithm::EdDSA => Jwk::generate_ed_key(EdCurve::Ed25519),
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                return Err(KeyError::Unfit(algorithm.name()));
            }
        };
        Self::new(algorithm, jwk.map_err(|_| KeyError::Refused)?.into())
    }

    /// Reads a private JWK, as [`Self::to_jwk_bytes`] wrote it or as another tool made it.
    ///
    /// `alg` is required: a key serves one algorithm. A `kid` is ignored, since ours is the thumbprint.
    /// The key signs once here and its public half must verify that, so this costs one signature.
    ///
    /// # Errors
    ///
    /// [`KeyError::HalvesDiffer`], and what [`PublicJwk::parse`] says of the public half.
    pub fn from_jwk_bytes(jwk: &[u8]) -> Result<Self, KeyError> {
        let members = members(jwk)?;
        let algorithm = members
            .get("alg")
            .and_then(Value::as_str)
            .and_then(|name| name.parse::<Algorithm>().ok())
            .ok_or(KeyError::Member("alg"))?;
        let key = Self::new(algorithm, members)?;
        key.self_test()?;
        Ok(key)
    }

    fn new(algorithm: Algorithm, members: Map<String, Value>) -> Result<Self, KeyError> {
        let (stated, secret) = split(members)?;
        if !stated.permits("sig", algorithm.name(), &["sign"]) {
            return Err(KeyError::Unfit(algorithm.name()));
        }
        let public = PublicJwk::own(stated.material, algorithm);
        if !public.supports(algorithm) {
            return Err(KeyError::Unfit(algorithm.name()));
        }
        Ok(Self { algorithm, kid: public.thumbprint(), public, secret })
    }

    fn self_test(&self) -> Result<(), KeyError> {
        let message = b"countersign";
        let signature = self.signer()?.signature(message).map_err(|_| KeyError::HalvesDiffer)?;
        let verifier = self.public.verifier(self.algorithm)?;
        if verifier.accepts(message, &signature) { Ok(()) } else { Err(KeyError::HalvesDiffer) }
    }

    /// The private JWK as JSON, with `kid`, `alg` and `use`. Whoever stores it encrypts it.
    pub fn to_jwk_bytes(&self) -> Vec<u8> {
        let mut members = self.secret.as_ref().clone();
        if let Value::Object(public) = self.public.to_value() {
            members.extend(public);
        }
        Value::Object(members).to_string().into_bytes()
    }

    /// The RFC 7638 thumbprint of the public key: SHA-256, as base64url.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm this key signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public half, as it stands in our JWK set.
    pub fn public_jwk(&self) -> PublicJwk {
        self.public.clone()
    }

    /// Signs `claims` into a compact JWS that carries the public key, such as a DPoP proof (RFC 9449 §4.2): what
    /// [`verify_embedded`](crate::verify_embedded) reads.
    ///
    /// # Errors
    ///
    /// As [`Signer::sign`].
    pub fn sign_embedded(&self, typ: &str, claims: &impl Serialize) -> Result<String, SignError> {
        let header = json!({ "typ": typ, "alg": self.algorithm.name(), "jwk": self.public.material.members() });
        self.signer().map_err(|_| SignError::Signature)?.sign_under(&header, claims)
    }

    /// A ready signer. Building one costs more than signing: keep it.
    ///
    /// # Errors
    ///
    /// [`KeyError::Refused`] when OpenSSL does not take the key.
    pub fn signer(&self) -> Result<Signer, KeyError> {
        Signer::private(self.algorithm, self.kid.clone(), &self.secret)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The members of a JWK in JSON text.
pub(crate) fn members(jwk: &[u8]) -> Result<Map<String, Value>, KeyError> {
    if jwk.len() > MAX_JWK_BYTES {
        return Err(KeyError::TooLarge { limit: MAX_JWK_BYTES });
    }
    serde_json::from_slice(jwk).map_err(|_| KeyError::NotAnObject)
}

/// Parts a private JWK into its checked public half and the whole key for josekit, which gets the numbers
/// only: `alg`, `use` and `key_ops` are judged here.
pub(crate) fn split(mut members: Map<String, Value>) -> Result<(PublicJwk, Jwk), KeyError> {
    let private: Vec<(String, Value)> = PRIVATE_MEMBERS.iter().filter_map(|name| members.remove_entry(*name)).collect();
    let public = PublicJwk::parse(&Value::Object(members))?;
    let mut whole = public.material.members();
    whole.extend(private);
    let secret = Jwk::from_map(whole).map_err(|_| KeyError::Member("d"))?;
    Ok((public, secret))
}
