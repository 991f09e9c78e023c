//! What others see of our keys, as the bytes that the endpoint answers (RFC 7517 §5).

use axum::body::Bytes;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use countersign_jose::{DecryptionKey, PublicJwk};
use openssl::sha::sha256;
use serde_json::json;

use super::keyring::Key;
use crate::domain::key::KeyLifetimes;

/// A JWK set, ready to be sent.
#[derive(Clone, Debug, Default)]
pub struct Jwks {
    /// The document.
    pub body: Bytes,
    /// Its entity tag, with quotation marks.
    pub etag: String,
    /// From when on a key may have left it.
    current_until: DateTime<Utc>,
}

impl Jwks {
    pub(super) fn of(keys: &[Key], decryption: &[DecryptionKey], lifetimes: &KeyLifetimes, now: DateTime<Utc>) -> Self {
        let public = keys.iter().filter(|key| key.times.state(lifetimes, now).is_public());
        // Of those to encrypt with, the newest of each algorithm alone.
        let is_newest = |at: usize, key: &DecryptionKey| {
            !decryption.iter().take(at).any(|newer| newer.algorithm() == key.algorithm())
        };
        let to_encrypt_with = decryption.iter().enumerate().filter(|(at, key)| is_newest(*at, key));
        let to_encrypt_with = to_encrypt_with.filter_map(|(_, key)| key.public_jwk());
        let published = public.map(|key| &key.public).chain(to_encrypt_with).map(PublicJwk::to_value);
        let body = json!({ "keys": published.collect::<Vec<_>>() }).to_string();
        let hash = sha256(body.as_bytes());
        let leaves = |key: &Key| key.times.retired_at.map(|at| at + lifetimes.token + lifetimes.jwks_cache);
        let next = keys.iter().filter_map(leaves).filter(|leaves| *leaves > now).min();
        Self {
            etag: format!("\"{}\"", URL_SAFE_NO_PAD.encode(hash.get(..12).unwrap_or(&hash))),
            body: body.into(),
            current_until: next.unwrap_or(DateTime::<Utc>::MAX_UTC),
        }
    }

    pub(super) fn is_current(&self, now: DateTime<Utc>) -> bool {
        now < self.current_until
    }
}
