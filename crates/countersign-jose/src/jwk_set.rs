//! Sets of public keys (RFC 7517 §5).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::jwe_key::KeyManagement;
use crate::jwk::PublicJwk;
use crate::key::KeyError;

/// The longest JWK set that is read, in bytes of JSON.
pub const MAX_JWK_SET_BYTES: usize = 64 * 1024;

/// The largest number of keys in a set.
pub const MAX_KEYS: usize = 50;

/// Public keys, in the order their owner published them.
///
/// josekit's own set is not used: it still finds keys that were removed from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct JwkSet {
    keys: Vec<PublicJwk>,
}

impl JwkSet {
    /// Reads an untrusted set of at most [`MAX_JWK_SET_BYTES`] and [`MAX_KEYS`].
    ///
    /// Keys of a type or curve that Countersign does not know are skipped (RFC 7517 §5). A key that is known and
    /// wrong fails the whole set, so that its owner learns of it.
    ///
    /// # Errors
    ///
    /// [`KeyError::DuplicateKid`] when two keys for signatures share a `kid`, [`KeyError::TooManyKeys`],
    /// [`KeyError::TooLarge`], [`KeyError::Member`] without a `keys` array, and what [`PublicJwk::parse`]
    /// says of a key.
    pub fn parse(set: &Value) -> Result<Self, KeyError> {
        let mut keys = Vec::new();
        for jwk in listed(set)? {
            match PublicJwk::parse(jwk) {
                Ok(key) => keys.push(key),
                Err(KeyError::UnknownType) => {}
                Err(error) => return Err(error),
            }
        }
        let mut kids = BTreeSet::new();
        let set = Self { keys };
        if !set.signature_keys().filter_map(PublicJwk::kid).all(|kid| kids.insert(kid)) {
            return Err(KeyError::DuplicateKid);
        }
        Ok(set)
    }

    /// The same for whoever only verifies by them: a key that is wrong is skipped, too, so that one odd key of an issuer does not shut out
    /// all others (RFC 7517 §5). Two keys may share a `kid` (§4.5).
    ///
    /// # Errors
    ///
    /// [`KeyError::TooManyKeys`], [`KeyError::TooLarge`], [`KeyError::Member`] without a `keys` array.
    pub fn parse_usable(set: &Value) -> Result<Self, KeyError> {
        Ok(Self::parse_good(set)?.keys.into_iter().filter(is_for_signatures).collect())
    }

    /// The same with the keys for encryption.
    ///
    /// # Errors
    ///
    /// Those of [`Self::parse_usable`].
    pub fn parse_good(set: &Value) -> Result<Self, KeyError> {
        Ok(listed(set)?.iter().filter_map(|jwk| PublicJwk::parse(jwk).ok()).collect())
    }

    /// All keys, in their order.
    pub fn keys(&self) -> &[PublicJwk] {
        &self.keys
    }

    /// Those that may verify signatures: all but the ones whose `use` is `enc`.
    pub fn signature_keys(&self) -> impl Iterator<Item = &PublicJwk> {
        self.keys.iter().filter(|key| is_for_signatures(key))
    }

    /// The key to encrypt with for their owner: of those that fit the algorithm the first that is for encryption alone, else the first.
    pub fn encryption_key(&self, algorithm: KeyManagement) -> Option<&PublicJwk> {
        let fitting = || self.keys.iter().filter(|key| algorithm.serves(key).is_ok());
        fitting().find(|key| key.key_use() == Some("enc")).or_else(|| fitting().next())
    }

    /// The set as a JSON object.
    pub fn to_value(&self) -> Value {
        let keys: Vec<Value> = self.keys.iter().map(PublicJwk::to_value).collect();
        json!({ "keys": keys })
    }
}

fn is_for_signatures(key: &PublicJwk) -> bool {
    key.key_use() != Some("enc")
}

fn listed(set: &Value) -> Result<&Vec<Value>, KeyError> {
    crate::bounded::check(set, MAX_JWK_SET_BYTES)?;
    let members = set.as_object().ok_or(KeyError::NotAnObject)?;
    let listed = members.get("keys").and_then(Value::as_array).ok_or(KeyError::Member("keys"))?;
    if listed.len() > MAX_KEYS { Err(KeyError::TooManyKeys) } else { Ok(listed) }
}

impl FromIterator<PublicJwk> for JwkSet {
    fn from_iter<I: IntoIterator<Item = PublicJwk>>(keys: I) -> Self {
        Self { keys: keys.into_iter().collect() }
    }
}

impl TryFrom<Value> for JwkSet {
    type Error = KeyError;

    fn try_from(set: Value) -> Result<Self, KeyError> {
        Self::parse(&set)
    }
}

impl From<JwkSet> for Value {
    fn from(set: JwkSet) -> Self {
        set.to_value()
    }
}
