//! Compact JWE (RFC 7516 §5, §7.1), guarded: josekit panics on IVs and tags of the wrong length.

use std::str::FromStr;

use josekit::jwe::{self, JweContentEncryption, JweHeader};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::UnknownAlgorithm;
use crate::guard::{self, FormatError};
use crate::jwe_key::{DecryptionKey, EncryptionKey, KeyManagement};
use crate::jwk::{Material, PublicJwk};

/// The longest JWE that is read, in bytes: room for a nested JWS of [`MAX_JWS_BYTES`](crate::MAX_JWS_BYTES).
pub const MAX_JWE_BYTES: usize = 32 * 1024;

/// The length of the content encryption keys of both [`ContentEncryption`]s, in bytes.
pub(crate) const CEK_BYTES: usize = 32;

/// The length of both authentication tags, in bytes (RFC 7518 §5.2.3, §5.3).
const TAG_BYTES: usize = 16;

/// The IV length of AES-GCM, in bytes (RFC 7518 §4.7.1.1, §5.3).
const GCM_IV_BYTES: usize = 12;

/// How the content is encrypted (RFC 7518 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContentEncryption {
    /// AES-256 in GCM.
    #[serde(rename = "A256GCM")]
    A256Gcm,
    /// AES-128 in CBC with HMAC-SHA-256.
    #[serde(rename = "A128CBC-HS256")]
    A128CbcHs256,
}

impl ContentEncryption {
    /// The `enc` value, as registered.
    pub fn name(self) -> &'static str {
        match self {
            Self::A256Gcm => "A256GCM",
            Self::A128CbcHs256 => "A128CBC-HS256",
        }
    }

    /// Every one, the stronger first.
    pub const ALL: [Self; 2] = [Self::A256Gcm, Self::A128CbcHs256];

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|enc| enc.name() == name)
    }

    fn iv_bytes(self) -> usize {
        match self {
            Self::A256Gcm => GCM_IV_BYTES,
            Self::A128CbcHs256 => 16,
        }
    }

    fn josekit(self) -> Box<dyn JweContentEncryption> {
        match self {
            Self::A256Gcm => Box::new(jwe::enc::A256GCM),
            Self::A128CbcHs256 => Box::new(jwe::enc::A128CBC_HS256),
        }
    }
}

impl FromStr for ContentEncryption {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::from_name(name).ok_or(UnknownAlgorithm)
    }
}

/// A JWE that is not accepted, or could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JweError {
    /// The token is malformed.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// `alg` is not the one the key serves.
    #[error("the token names another key management algorithm than its key serves")]
    AlgorithmMismatch,
    /// `enc` is not supported.
    #[error("the content encryption of the token is not supported")]
    ContentEncryption,
    /// `kid` names another key than the one it is decrypted with.
    #[error("the token names another key")]
    KeyMismatch,
    /// An encrypted key, IV or tag does not have the one length its algorithm gives it.
    #[error("the encrypted key, initialization vector or tag has a wrong length")]
    Length,
    /// The sender's ephemeral key is not a point on our curve.
    #[error("the ephemeral key of the token is not valid")]
    EphemeralKey,
    /// The token was not made for this key, or was changed. There is one answer for all of it: telling
    /// more would help to decrypt by trial.
    #[error("the token cannot be decrypted with this key")]
    Decryption,
    /// OpenSSL could not encrypt.
    #[error("the token could not be encrypted")]
    Encryption,
}

/// Encrypts `payload` for the holder of `key`. `content_type` is the header's `cty`: `JWT` for a nested token
/// (RFC 7519 §5.2). The `kid` of the key goes into the header.
///
/// # Errors
///
/// [`JweError::Encryption`].
pub fn encrypt(
    payload: &[u8],
    key: &EncryptionKey,
    enc: ContentEncryption,
    content_type: Option<&str>,
) -> Result<String, JweError> {
    let mut header = JweHeader::new();
    header.set_content_encryption(enc.name());
    if let Some(content_type) = content_type {
        header.set_content_type(content_type);
    }
    jwe::serialize_compact(payload, &header, &*key.inner).map_err(|_| JweError::Encryption)
}

/// The header parameters that are read; the tag covers the others too.
#[derive(Deserialize)]
struct Header {
    alg: String,
    enc: String,
    kid: Option<String>,
    epk: Option<Value>,
    apu: Option<String>,
    apv: Option<String>,
    iv: Option<String>,
    tag: Option<String>,
}

/// Decrypts a token of at most [`MAX_JWE_BYTES`] and returns its content, which is still to be judged: that
/// it was encrypted for us says nothing about who wrote it.
///
/// The header is guarded as in [`Unverified::parse`](crate::Unverified::parse); so `zip` is refused, and
/// the content is never longer than the token.
///
/// # Errors
///
/// [`JweError`], each variant but [`JweError::Encryption`].
pub fn decrypt(token: &str, key: &DecryptionKey) -> Result<Vec<u8>, JweError> {
    let [protected, encrypted_key, iv, ciphertext, tag] = guard::segments(token, MAX_JWE_BYTES)?;
    let header: Header = guard::header(protected)?;
    if header.alg != key.algorithm.name() {
        return Err(JweError::AlgorithmMismatch);
    }
    if let (Some(named), Some(own)) = (&header.kid, &key.kid)
        && named != own
    {
        return Err(JweError::KeyMismatch);
    }
    let enc = ContentEncryption::from_name(&header.enc).ok_or(JweError::ContentEncryption)?;
    let encrypted_key = match key.encrypted_key_bytes {
        None if encrypted_key.is_empty() => None,
        None => return Err(JweError::Length),
        Some(length) => Some(exact(encrypted_key, length)?),
    };
    let iv = exact(iv, enc.iv_bytes())?;
    let tag = exact(tag, TAG_BYTES)?;
    let ciphertext = guard::decode(ciphertext)?;
    let agreement = header.agreement(key.algorithm)?;

    let inner = enc.josekit();
    let failed = |_| JweError::Decryption;
    let cek = key.inner.decrypt(encrypted_key.as_deref(), &*inner, &agreement).map_err(failed)?;
    if cek.len() != CEK_BYTES {
        return Err(JweError::Decryption);
    }
    // RFC 7518 §5.2.2.2: the tag is checked before anything is decrypted. josekit decrypts first, and how
    // its padding check ends would show from outside.
    if enc == ContentEncryption::A128CbcHs256 {
        let fits = cbc_tag(&cek, protected.as_bytes(), &iv, &ciphertext)
            .is_ok_and(|right| right.get(..TAG_BYTES).is_some_and(|right| openssl::memcmp::eq(right, &tag)));
        if !fits {
            return Err(JweError::Decryption);
        }
    }
    inner.decrypt(&cek, Some(&iv), &ciphertext, protected.as_bytes(), Some(&tag)).map_err(failed)
}

impl Header {
    /// What josekit needs to recover the content encryption key, with every value checked.
    fn agreement(self, algorithm: KeyManagement) -> Result<JweHeader, JweError> {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        match algorithm {
            KeyManagement::EcdhEs | KeyManagement::EcdhEsA256Kw => {
                let epk = self.epk.ok_or(FormatError::Header)?;
                // RFC 7518 §6.2.2: only the public half; off the curve it would draw our key out bit by bit.
                let epk = PublicJwk::parse(&epk).map_err(|_| JweError::EphemeralKey)?;
                if !matches!(epk.material, Material::P256 { .. }) {
                    return Err(JweError::EphemeralKey);
                }
                put("epk", epk.material.members().into());
                for (name, party) in [("apu", self.apu), ("apv", self.apv)] {
                    if let Some(party) = party {
                        guard::decode(&party)?;
                        put(name, party.into());
                    }
                }
            }
            KeyManagement::A256GcmKw => {
                for (name, text, length) in [("iv", self.iv, GCM_IV_BYTES), ("tag", self.tag, TAG_BYTES)] {
                    let text = text.ok_or(FormatError::Header)?;
                    exact(&text, length)?;
                    put(name, text.into());
                }
            }
            KeyManagement::RsaOaep256 | KeyManagement::Dir => {}
        }
        JweHeader::from_map(members).map_err(|_| JweError::Format(FormatError::Header))
    }
}

fn exact(segment: &str, length: usize) -> Result<Vec<u8>, JweError> {
    let bytes = guard::decode(segment)?;
    if bytes.len() == length { Ok(bytes) } else { Err(JweError::Length) }
}

/// The full HMAC of A128CBC-HS256, whose first half is the tag (RFC 7518 §5.2.2.1).
fn cbc_tag(cek: &[u8], aad: &[u8], iv: &[u8], ciphertext: &[u8]) -> Result<Vec<u8>, openssl::error::ErrorStack> {
    let (mac_key, _) = cek.split_at_checked(CEK_BYTES / 2).unwrap_or_default();
    let aad_bits = (aad.len() as u64 * 8).to_be_bytes();
    let key = PKey::hmac(mac_key)?;
    let mut mac = openssl::sign::Signer::new(MessageDigest::sha256(), &key)?;
    for part in [aad, iv, ciphertext, &aad_bits] {
        mac.update(part)?;
    }
    mac.sign_to_vec()
}
