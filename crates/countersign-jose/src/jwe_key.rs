//! Keys for encryption: a client's public key, a key of ours, or a secret shared with a client.

use std::fmt;
use std::str::FromStr;

use josekit::jwe::{self, JweDecrypter, JweEncrypter};
use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::EcCurve;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::UnknownAlgorithm;
use crate::jwe::CEK_BYTES;
use crate::jwk::{Material, PublicJwk};
use crate::key::{self, KeyError};

/// How the content encryption key reaches the reader (RFC 7518 §4.1). `RSA1_5` is left out: it invites
/// decryption by trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyManagement {
    /// RSAES-OAEP with SHA-256 and MGF1 with SHA-256.
    #[serde(rename = "RSA-OAEP-256")]
    RsaOaep256,
    /// ECDH-ES over P-256, used as the content encryption key.
    #[serde(rename = "ECDH-ES")]
    EcdhEs,
    /// ECDH-ES over P-256, wrapping the content encryption key with AES-256.
    #[serde(rename = "ECDH-ES+A256KW")]
    EcdhEsA256Kw,
    /// A shared secret of 32 bytes, used as the content encryption key.
    #[serde(rename = "dir")]
    Dir,
    /// A shared secret of 32 bytes, wrapping the content encryption key with AES-256 in GCM.
    #[serde(rename = "A256GCMKW")]
    A256GcmKw,
}

impl KeyManagement {
    /// Those by which anybody can encrypt for the owner of a public key.
    pub const ASYMMETRIC: [Self; 3] = [Self::RsaOaep256, Self::EcdhEs, Self::EcdhEsA256Kw];

    /// Every one, the asymmetric ones first.
    pub const ALL: [Self; 5] = [Self::RsaOaep256, Self::EcdhEs, Self::EcdhEsA256Kw, Self::Dir, Self::A256GcmKw];

    /// The `alg` value, as registered.
    pub fn name(self) -> &'static str {
        match self {
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::EcdhEs => "ECDH-ES",
            Self::EcdhEsA256Kw => "ECDH-ES+A256KW",
            Self::Dir => "dir",
            Self::A256GcmKw => "A256GCMKW",
        }
    }

    /// RSA keys wrap or encrypt, EC keys derive (RFC 7517 §4.3).
    pub(crate) fn serves(self, key: &PublicJwk) -> Result<(), KeyError> {
        let fits = match (self, &key.material) {
            (Self::RsaOaep256, Material::Rsa { .. }) => {
                key.permits("enc", self.name(), &["encrypt", "wrapKey", "decrypt", "unwrapKey"])
            }
            (Self::EcdhEs | Self::EcdhEsA256Kw, Material::P256 { .. }) => {
                key.permits("enc", self.name(), &["deriveKey", "deriveBits"])
            }
            _ => false,
        };
        if fits { Ok(()) } else { Err(KeyError::Unfit(self.name())) }
    }
}

impl FromStr for KeyManagement {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name).ok_or(UnknownAlgorithm)
    }
}

/// What to encrypt with. Debug prints the `kid` alone.
pub struct EncryptionKey {
    pub(crate) inner: Box<dyn JweEncrypter>,
}

impl EncryptionKey {
    /// A client's public key.
    ///
    /// # Errors
    ///
    /// [`KeyError::Unfit`] when the key's type, `alg`, `use` or `key_ops` rules the algorithm out, or when the
    /// algorithm is symmetric.
    pub fn public(algorithm: KeyManagement, key: &PublicJwk) -> Result<Self, KeyError> {
        algorithm.serves(key)?;
        let mut jwk = key.material.josekit()?;
        if let Some(kid) = key.kid() {
            jwk.set_key_id(kid);
        }
        let refused = |_| KeyError::Refused;
        let inner: Box<dyn JweEncrypter> = match algorithm {
            KeyManagement::RsaOaep256 => Box::new(jwe::RSA_OAEP_256.encrypter_from_jwk(&jwk).map_err(refused)?),
            KeyManagement::EcdhEs => Box::new(jwe::ECDH_ES.encrypter_from_jwk(&jwk).map_err(refused)?),
            KeyManagement::EcdhEsA256Kw => Box::new(jwe::ECDH_ES_A256KW.encrypter_from_jwk(&jwk).map_err(refused)?),
            KeyManagement::Dir | KeyManagement::A256GcmKw => return Err(KeyError::Unfit(algorithm.name())),
        };
        Ok(Self { inner })
    }

    /// A secret of 32 bytes that is shared with the reader.
    ///
    /// # Errors
    ///
    /// [`KeyError::SecretLength`], [`KeyError::Unfit`] for an asymmetric algorithm.
    pub fn symmetric(algorithm: KeyManagement, secret: &[u8]) -> Result<Self, KeyError> {
        right_length(secret)?;
        let refused = |_| KeyError::Refused;
        let inner: Box<dyn JweEncrypter> = match algorithm {
            KeyManagement::Dir => Box::new(jwe::Dir.encrypter_from_bytes(secret).map_err(refused)?),
            KeyManagement::A256GcmKw => Box::new(jwe::A256GCMKW.encrypter_from_bytes(secret).map_err(refused)?),
            KeyManagement::RsaOaep256 | KeyManagement::EcdhEs | KeyManagement::EcdhEsA256Kw => {
                return Err(KeyError::Unfit(algorithm.name()));
            }
        };
        Ok(Self { inner })
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptionKey").field("kid", &self.inner.key_id()).finish_non_exhaustive()
    }
}

/// What to decrypt with. Debug hides the secret.
pub struct DecryptionKey {
    pub(crate) algorithm: KeyManagement,
    pub(crate) kid: Option<String>,
    public: Option<PublicJwk>,
    /// The length of the encrypted key in bytes; none where the segment must be empty.
    pub(crate) encrypted_key_bytes: Option<usize>,
    pub(crate) inner: Box<dyn JweDecrypter>,
}

impl DecryptionKey {
    /// A key pair of ours, as a private JWK in JSON.
    ///
    /// # Errors
    ///
    /// As [`PrivateKey::from_jwk_bytes`](crate::PrivateKey::from_jwk_bytes), and [`KeyError::Unfit`].
    pub fn from_jwk_bytes(algorithm: KeyManagement, jwk: &[u8]) -> Result<Self, KeyError> {
        let (public, secret) = key::split(key::members(jwk)?)?;
        algorithm.serves(&public)?;
        let refused = |_| KeyError::Refused;
        let (inner, encrypted_key_bytes): (Box<dyn JweDecrypter>, _) = match algorithm {
            KeyManagement::RsaOaep256 => {
                let inner = jwe::RSA_OAEP_256.decrypter_from_jwk(&secret).map_err(refused)?;
                (Box::new(inner), public.material.modulus_len())
            }
            KeyManagement::EcdhEs => (Box::new(jwe::ECDH_ES.decrypter_from_jwk(&secret).map_err(refused)?), None),
            KeyManagement::EcdhEsA256Kw => {
                let inner = jwe::ECDH_ES_A256KW.decrypter_from_jwk(&secret).map_err(refused)?;
                // RFC 3394: wrapping adds eight bytes.
                (Box::new(inner), Some(CEK_BYTES + 8))
            }
            KeyManagement::Dir | KeyManagement::A256GcmKw => return Err(KeyError::Unfit(algorithm.name())),
        };
        Ok(Self { algorithm, kid: public.kid().map(str::to_owned), public: Some(public), encrypted_key_bytes, inner })
    }

    /// Makes a new key pair of ours: the private JWK in JSON, with `kid`, `alg` and `use`. Whoever stores it encrypts it. RSA keys get 2048
    /// bits.
    ///
    /// # Errors
    ///
    /// [`KeyError::Unfit`] for a symmetric algorithm, whose secrets are not key pairs.
    pub fn generate(algorithm: KeyManagement) -> Result<Vec<u8>, KeyError> {
        let jwk = match algorithm {
            KeyManagement::RsaOaep256 => Jwk::generate_rsa_key(key::RSA_BITS),
            KeyManagement::EcdhEs | KeyManagement::EcdhEsA256Kw => Jwk::generate_ec_key(EcCurve::P256),
            KeyManagement::Dir | KeyManagement::A256GcmKw => return Err(KeyError::Unfit(algorithm.name())),
        };
        let (public, secret) = key::split(jwk.map_err(|_| KeyError::Refused)?.into())?;
        let mut members = secret.as_ref().clone();
        if let Value::Object(public) = PublicJwk::own_for_encryption(public.material, algorithm.name()).to_value() {
            members.extend(public);
        }
        Ok(Value::Object(members).to_string().into_bytes())
    }

    /// The public half, which others encrypt with; none of a shared secret.
    pub fn public_jwk(&self) -> Option<&PublicJwk> {
        self.public.as_ref()
    }

    /// The one algorithm that this key serves.
    pub fn algorithm(&self) -> KeyManagement {
        self.algorithm
    }

    /// A secret of 32 bytes that is shared with the sender.
    ///
    /// # Errors
    ///
    /// [`KeyError::SecretLength`], [`KeyError::Unfit`] for an asymmetric algorithm.
    pub fn symmetric(algorithm: KeyManagement, secret: &[u8]) -> Result<Self, KeyError> {
        right_length(secret)?;
        let refused = |_| KeyError::Refused;
        let (inner, encrypted_key_bytes): (Box<dyn JweDecrypter>, _) = match algorithm {
            KeyManagement::Dir => (Box::new(jwe::Dir.decrypter_from_bytes(secret).map_err(refused)?), None),
            KeyManagement::A256GcmKw => {
                (Box::new(jwe::A256GCMKW.decrypter_from_bytes(secret).map_err(refused)?), Some(CEK_BYTES))
            }
            KeyManagement::RsaOaep256 | KeyManagement::EcdhEs | KeyManagement::EcdhEsA256Kw => {
                return Err(KeyError::Unfit(algorithm.name()));
            }
        };
        Ok(Self { algorithm, kid: None, public: None, encrypted_key_bytes, inner })
    }
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecryptionKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// Both content encryptions and AES-256 take keys of 32 bytes.
fn right_length(secret: &[u8]) -> Result<(), KeyError> {
    if secret.len() == CEK_BYTES { Ok(()) } else { Err(KeyError::SecretLength) }
}
