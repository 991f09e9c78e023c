//! Proofs of possession (RFC 9449): what is in one, and what it is good for.
//!
//! A proof is a JWS that carries its own key. Whether that signature is right, whether its `jti` is new and whose key it is, are for
//! others to say; here is what can be said of its claims alone.

use serde::{Deserialize, Serialize};
use url::Url;

/// The `typ` header of a proof (RFC 9449 §4.2).
pub const PROOF_TYPE: &str = "dpop+jwt";

/// By how many seconds the clock of whoever made a proof may differ from ours.
pub const SKEW_SECONDS: i64 = 10;

/// The longest `jti`, in bytes: it is remembered.
const MAX_JTI_BYTES: usize = 256;

/// The claims of a proof (RFC 9449 §4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofClaims {
    /// This proof.
    pub jti: String,
    /// The method of the request that it is for.
    pub htm: String,
    /// The address of the request, without query and fragment.
    pub htu: String,
    /// When it was made, in seconds since 1970.
    pub iat: i64,
    /// The SHA-256 of the access token that is sent beside it, as base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ath: Option<String>,
    /// What the server told to put in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// The request that a proof came with.
#[derive(Clone, Copy, Debug)]
pub struct ProvenRequest<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its address as the client sees it; query and fragment do not count.
    pub uri: &'a Url,
    /// The SHA-256 of the access token in it, as base64url; none at the token endpoint.
    pub ath: Option<&'a str>,
    /// When it arrived, in seconds since 1970.
    pub now: i64,
}

/// Why a proof is not good for a request, in words for the client's developer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.as_str())]
pub enum ProofError {
    /// It is for another method.
    Method,
    /// It is for another address.
    Address,
    /// It was made too long ago, or will be.
    Time,
    /// It cannot be told from others.
    Identifier,
    /// It is not for this access token.
    AccessToken,
}

impl ProofError {
    /// The words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Method => "htm of the DPoP proof is not the method of this request",
            Self::Address => "htu of the DPoP proof is not the address of this request",
            Self::Time => "iat of the DPoP proof is more than 10 seconds away from the server's time",
            Self::Identifier => "the DPoP proof needs a jti of at most 256 bytes",
            Self::AccessToken => "ath of the DPoP proof is not the hash of the access token",
        }
    }
}

/// For how long a proof that is good now must be remembered, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifespan {
    /// Before this it would not have been good.
    pub from: i64,
    /// From this on it is good no more.
    pub until: i64,
}

impl ProofClaims {
    /// Whether the proof is for this request (RFC 9449 §4.3, 4 to 12 but for the signature, the nonce and whether it is new).
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn judge(&self, request: &ProvenRequest<'_>) -> Result<Lifespan, ProofError> {
        if self.htm != request.method {
            return Err(ProofError::Method);
        }
        if !is_same_address(&self.htu, request.uri) {
            return Err(ProofError::Address);
        }
        let (from, until) = (self.iat.saturating_sub(SKEW_SECONDS), self.iat.saturating_add(SKEW_SECONDS));
        if !(from..=until).contains(&request.now) {
            return Err(ProofError::Time);
        }
        if self.jti.is_empty() || self.jti.len() > MAX_JTI_BYTES || self.jti.contains('\0') {
            return Err(ProofError::Identifier);
        }
        // §7.1: at an API it names the token, elsewhere there is none to name.
        if request.ath.is_some() && self.ath.as_deref() != request.ath {
            return Err(ProofError::AccessToken);
        }
        Ok(Lifespan { from, until: until.saturating_add(1) })
    }
}

/// RFC 9449 §4.3: compared after normalisation by syntax and by scheme (RFC 3986 §6.2.2 and §6.2.3), without query and fragment.
fn is_same_address(htu: &str, uri: &Url) -> bool {
    let Ok(claimed) = Url::parse(htu) else { return false };
    let place = |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
    claimed.username().is_empty()
        && claimed.password().is_none()
        && place(&claimed) == place(uri)
        && normal_path(claimed.path()) == normal_path(uri.path())
}

/// A path in which nothing is escaped that need not be, and escapes are in capital letters (RFC 3986 §6.2.2.1 and §6.2.2.2). Dots and
/// the case of host and scheme are what [`Url`] has seen to.
fn normal_path(path: &str) -> String {
    let mut normal = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        normal.push_str(before);
        let digits = after.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let Some(digits) = digits else {
            normal.push('%');
            rest = after;
            continue;
        };
        match u8::from_str_radix(digits, 16).map(char::from) {
            Ok(plain) if plain.is_ascii_alphanumeric() || "-._~".contains(plain) => normal.push(plain),
            Ok(_) | Err(_) => {
                normal.push('%');
                normal.push_str(&digits.to_ascii_uppercase());
            }
        }
        rest = after.get(2..).unwrap_or_default();
    }
    normal + rest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn proof() -> ProofClaims {
        ProofClaims {
            jti: "-BwC3ESc6acc2lTc".to_owned(),
            htm: "POST".to_owned(),
            htu: "https://op.example/token".to_owned(),
            iat: NOW,
            ath: None,
            nonce: None,
        }
    }

    fn judge(proof: &ProofClaims, ath: Option<&str>, now: i64) -> Result<Lifespan, ProofError> {
        let uri = Url::parse("https://op.example/token?a=b").unwrap();
        proof.judge(&ProvenRequest { method: "POST", uri: &uri, ath, now })
    }

    #[test]
    fn it_is_good_for_its_own_request_and_time() {
        let good = Ok(Lifespan { from: NOW - 10, until: NOW + 11 });
        for now in [NOW - 10, NOW, NOW + 10] {
            assert_eq!(judge(&proof(), None, now), good);
        }
        for now in [NOW - 11, NOW + 11, i64::MIN, i64::MAX] {
            assert_eq!(judge(&proof(), None, now), Err(ProofError::Time));
        }
        for iat in [i64::MIN, i64::MAX] {
            assert_eq!(judge(&ProofClaims { iat, ..proof() }, None, NOW), Err(ProofError::Time));
        }
        assert_eq!(judge(&ProofClaims { htm: "post".to_owned(), ..proof() }, None, NOW), Err(ProofError::Method));
        for jti in [String::new(), "a".repeat(257), "a\0b".to_owned()] {
            assert_eq!(judge(&ProofClaims { jti, ..proof() }, None, NOW), Err(ProofError::Identifier));
        }
    }

    #[test]
    fn beside_an_access_token_it_names_that() {
        let with = |ath: &str| ProofClaims { ath: Some(ath.to_owned()), ..proof() };
        assert!(judge(&with("hash"), Some("hash"), NOW).is_ok());
        assert_eq!(judge(&with("other"), Some("hash"), NOW), Err(ProofError::AccessToken));
        assert_eq!(judge(&proof(), Some("hash"), NOW), Err(ProofError::AccessToken));
    }

    #[test]
    fn addresses_are_compared_after_normalisation() {
        let same = |htu: &str, uri: &str| is_same_address(htu, &Url::parse(uri).unwrap());
        for htu in [
            "https://op.example/a/~b",
            "HTTPS://OP.example:443/a/%7Eb",
            "https://op.example/a/./c/../%7eb",
            "https://op.example/a/~b?query#fragment",
        ] {
            assert!(same(htu, "https://op.example/a/~b?x=y"), "{htu}");
        }
        assert!(same("https://op.example", "https://op.example/"));
        assert!(same("https://op.example/%c3%a9", "https://op.example/%C3%A9"));
        assert!(same("https://op.example/100%", "https://op.example/100%"));
        for htu in [
            "http://op.example/a",
            "https://op.example:8443/a",
            "https://op.example/A",
            "https://op.example/a/",
            "https://op.example.evil/a",
            "https://user@op.example/a",
            "https://op.example/%2Fa",
            "/a",
            "",
        ] {
            assert!(!same(htu, "https://op.example/a"), "{htu}");
        }
    }
}
