//! What every token must look like before anything in it is believed.
//!
//! JWS and JWE share these checks: length, number of segments, strict base64url, and JSON that means
//! the same to every parser (one value per name, shallow).

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How deep the JSON of a payload may nest; the outermost object is level 1.
pub(crate) const MAX_PAYLOAD_DEPTH: usize = 16;

/// How deep the JSON of a header may nest. The only header Countersign reads that nests is `epk`.
const MAX_HEADER_DEPTH: usize = 4;

/// Header parameters that no token may carry.
///
/// `crit` and `b64` change how a token is read (RFC 7515 §4.1.11, RFC 7797) and no extension is
/// implemented; `zip` lets a small token inflate without bound; the others name a key, and keys come
/// from registration alone (RFC 8725 §3.10).
const REFUSED_HEADERS: [&str; 7] = ["crit", "b64", "zip", "jwk", "jku", "x5u", "x5c"];

/// What is refused of them in a token that carries its own key.
const REFUSED_BESIDE_A_KEY: [&str; 6] = ["crit", "b64", "zip", "jku", "x5u", "x5c"];

/// A token that is not even well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The token is longer than `limit` bytes.
    #[error("the token is longer than {limit} bytes")]
    TooLong {
        /// The largest accepted length, in bytes.
        limit: usize,
    },
    /// The token has another number of dot-separated segments.
    #[error("the token does not have {expected} segments")]
    Segments {
        /// 3 for a JWS, 5 for a JWE.
        expected: usize,
    },
    /// A segment that must carry something is empty.
    #[error("a segment of the token is empty")]
    EmptySegment,
    /// A segment is not base64url, or has padding or stray trailing bits (RFC 7515 §2).
    #[error("a segment of the token is not unpadded base64url")]
    Base64,
    /// A header or payload is not a JSON object.
    #[error("the header or payload is not a JSON object")]
    NotAnObject,
    /// A JSON object names a member twice (RFC 7515 §4, RFC 7519 §4).
    #[error("a member occurs twice in the header or payload")]
    DuplicateMember,
    /// The JSON nests deeper than accepted.
    #[error("the header or payload nests too deep")]
    TooDeep,
    /// The header carries a parameter that is never accepted.
    #[error("the header parameter {0} is not accepted")]
    RefusedHeader(&'static str),
    /// A header parameter is missing or of the wrong type.
    #[error("a header parameter is missing or has the wrong type")]
    Header,
}

/// Splits a compact serialization into exactly `N` segments.
pub(crate) fn segments<const N: usize>(token: &str, limit: usize) -> Result<[&str; N], FormatError> {
    if token.len() > limit {
        return Err(FormatError::TooLong { limit });
    }
    let wrong = FormatError::Segments { expected: N };
    let mut parts = token.split('.');
    let mut segments = [""; N];
    for segment in &mut segments {
        *segment = parts.next().ok_or(wrong)?;
    }
    match parts.next() {
        None => Ok(segments),
        Some(_) => Err(wrong),
    }
}

/// Decodes a segment that must not be empty.
pub(crate) fn decode(segment: &str) -> Result<Vec<u8>, FormatError> {
    if segment.is_empty() {
        return Err(FormatError::EmptySegment);
    }
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| FormatError::Base64)
}

/// Decodes and guards a header segment, then reads the parameters `H` knows; others are ignored
/// (RFC 7515 §4).
pub(crate) fn header<H: DeserializeOwned>(segment: &str) -> Result<H, FormatError> {
    let json = decode(segment)?;
    check(&json, MAX_HEADER_DEPTH, &REFUSED_HEADERS)?;
    serde_json::from_slice(&json).map_err(|_| FormatError::Header)
}

/// The same for tokens that carry their own public key: `jwk` is let through, and nothing else of what names a key.
pub(crate) fn header_with_key<H: DeserializeOwned>(segment: &str) -> Result<H, FormatError> {
    let json = decode(segment)?;
    check(&json, MAX_HEADER_DEPTH, &REFUSED_BESIDE_A_KEY)?;
    serde_json::from_slice(&json).map_err(|_| FormatError::Header)
}

/// Checks that `json` is one JSON object without duplicate members and not too deep.
pub(crate) fn object(json: &[u8], max_depth: usize) -> Result<(), FormatError> {
    check(json, max_depth, &[])
}

/// Reads JSON of a stranger that is no token: one object, with unique members at every level, at most 16 levels deep.
///
/// # Errors
///
/// [`FormatError::NotAnObject`], [`FormatError::DuplicateMember`], [`FormatError::TooDeep`].
pub fn read_object(json: &[u8]) -> Result<Map<String, Value>, FormatError> {
    object(json, MAX_PAYLOAD_DEPTH)?;
    serde_json::from_slice(json).map_err(|_| FormatError::NotAnObject)
}

fn check(json: &[u8], max_depth: usize, refused: &[&'static str]) -> Result<(), FormatError> {
    let fault = Cell::new(FormatError::NotAnObject);
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let scan = Scan { levels: max_depth, refused, fault: &fault };
    deserializer.deserialize_map(scan).and_then(|()| deserializer.end()).map_err(|_| fault.get())
}

/// Walks a JSON value without keeping it. serde's errors carry only text, so the fault goes into a
/// cell beside them.
#[derive(Clone, Copy)]
struct Scan<'s> {
    levels: usize,
    refused: &'s [&'static str],
    fault: &'s Cell<FormatError>,
}

impl Scan<'_> {
    fn enter(self) -> Result<Self, FormatError> {
        let levels = self.levels.checked_sub(1).ok_or(FormatError::TooDeep)?;
        Ok(Self { levels, refused: &[], fault: self.fault })
    }

    fn fail<E: serde::de::Error>(self, fault: FormatError) -> E {
        self.fault.set(fault);
        E::custom(fault)
    }
}

impl<'de> DeserializeSeed<'de> for Scan<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scan<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.enter().map_err(|fault| self.fail(fault))?;
        let mut seen = BTreeSet::new();
        while let Some(name) = map.next_key_seed(Name)? {
            if let Some(refused) = self.refused.iter().find(|refused| **refused == name) {
                return Err(self.fail(FormatError::RefusedHeader(refused)));
            }
            if !seen.insert(name) {
                return Err(self.fail(FormatError::DuplicateMember));
            }
            map.next_value_seed(inner)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inner = self.enter().map_err(|fault| self.fail(fault))?;
        while seq.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A member name, borrowed from the input unless it contains an escape.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}
