//! What can be seen of a compact JWE (RFC 7516 §7.1) without its key: its protected header and the lengths of its parts.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::de::DeserializeOwned;

use crate::object::Object;

/// Lengths in bytes that AES-GCM fixes (RFC 7518 §5.3).
const IV: usize = 12;
const TAG: usize = 16;
/// The longest protected header, in characters.
const MAX_HEADER: usize = 1024;

/// A compact JWE of `A256GCM`, as far as whoever lacks the key can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compact<H> {
    /// The protected header.
    pub header: H,
    /// The length of the encrypted key, in bytes.
    pub encrypted_key: usize,
    /// The length of the ciphertext, in bytes.
    pub ciphertext: usize,
}

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not five parts between dots.
    #[error("a compact JWE has five parts between dots")]
    Parts,
    /// A part that is not base64url without padding (RFC 7515 §2).
    #[error("each part of a compact JWE is base64url without padding")]
    Encoding,
    /// Not the members that are asked for, each once, and no others.
    #[error("the protected header of the JWE has other members or values than it must have")]
    Header,
    /// Not the lengths of `A256GCM`.
    #[error("the initialization vector has 12 bytes, the tag 16, and the ciphertext at least one")]
    Lengths,
}

impl<H: DeserializeOwned> Compact<H> {
    /// Takes it apart. `H` says what may stand in the header; it should deny unknown fields.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let parts: Vec<&str> = text.splitn(6, '.').collect();
        let [header, key, iv, ciphertext, tag] = *parts.as_slice() else { return Err(Fault::Parts) };
        if header.len() > MAX_HEADER {
            return Err(Fault::Header);
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Fault::Encoding);
        let (header, encrypted_key, iv, ciphertext, tag) =
            (decode(header)?, decode(key)?.len(), decode(iv)?.len(), decode(ciphertext)?.len(), decode(tag)?.len());
        if (iv, tag) != (IV, TAG) || ciphertext == 0 {
            return Err(Fault::Lengths);
        }
        // Whatever can be read without the key says what it must say and nothing else, not even by blanks.
        if header.iter().any(u8::is_ascii_whitespace) {
            return Err(Fault::Header);
        }
        let Object(header) = serde_json::from_slice(&header).map_err(|_| Fault::Header)?;
        Ok(Self { header, encrypted_key, ciphertext })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn parse(text: &str) -> Result<Compact<Value>, Fault> {
        Compact::parse(text)
    }

    fn of(header: &[u8], lengths: [usize; 4]) -> String {
        let bytes = |length| URL_SAFE_NO_PAD.encode(vec![7; length]);
        let [key, iv, ciphertext, tag] = lengths;
        [URL_SAFE_NO_PAD.encode(header), bytes(key), bytes(iv), bytes(ciphertext), bytes(tag)].join(".")
    }

    #[test]
    fn the_parts_are_measured() {
        let found = parse(&of(b"{}", [40, 12, 100, 16])).unwrap();
        assert_eq!((found.encrypted_key, found.ciphertext), (40, 100));
        assert_eq!(parse(&of(b"{}", [0, 12, 1, 16])).unwrap().encrypted_key, 0);
    }

    #[test]
    fn what_is_no_jwe_of_aes_gcm_is_refused() {
        let good = of(b"{}", [0, 12, 1, 16]);
        for (text, fault) in [
            (String::new(), Fault::Parts),
            ("It rained. It poured.".to_owned(), Fault::Parts),
            (format!("{good}."), Fault::Parts),
            ("....".to_owned(), Fault::Lengths),
            (format!("{good}="), Fault::Encoding),
            (format!(" {good}"), Fault::Encoding),
            (format!("{good}\n"), Fault::Encoding),
            (good.replace("..", ".+."), Fault::Encoding),
            (of(b"{}", [0, 11, 1, 16]), Fault::Lengths),
            (of(b"{}", [0, 12, 0, 16]), Fault::Lengths),
            (of(b"{}", [0, 12, 1, 15]), Fault::Lengths),
            (of(b"{", [0, 12, 1, 16]), Fault::Header),
            (of(b"\xff", [0, 12, 1, 16]), Fault::Header),
            (of(b"{ }", [0, 12, 1, 16]), Fault::Header),
            (of(b"[]", [0, 12, 1, 16]), Fault::Header),
            (of(&[b'['; 2000], [0, 12, 1, 16]), Fault::Header),
        ] {
            assert_eq!(parse(&text), Err(fault), "{text:.80}");
        }
    }
}
