//! The signature algorithms that Countersign speaks (RFC 7518 §3.1, RFC 8037 §3.1).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A JWS algorithm. There is no `none` (RFC 7518 §3.6), so an unsecured token cannot be expressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PSS with SHA-256 and MGF1 with SHA-256.
    PS256,
    /// ECDSA with P-256 and SHA-256.
    ES256,
    /// EdDSA with Ed25519; Ed448 is not accepted.
    EdDSA,
    /// HMAC with SHA-256.
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
}

impl Algorithm {
    /// Every algorithm, the default first.
    pub const ALL: [Self; 7] =
        [Self::RS256, Self::PS256, Self::ES256, Self::EdDSA, Self::HS256, Self::HS384, Self::HS512];

    /// Whether signer and verifier share one secret.
    pub fn is_symmetric(self) -> bool {
        match self {
            Self::HS256 | Self::HS384 | Self::HS512 => true,
            Self::RS256 | Self::PS256 | Self::ES256 | Self::EdDSA => false,
        }
    }

    /// The `alg` value, as registered.
    pub fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::PS256 => "PS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        // RFC 7515 §4.1.1: names are case-sensitive.
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name).ok_or(UnknownAlgorithm)
    }
}

/// The name is none that is supported here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a supported algorithm")]
pub struct UnknownAlgorithm;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_are_the_registered_ones_everywhere() {
        for algorithm in Algorithm::ALL {
            let name = algorithm.name();
            assert_eq!(algorithm.to_string(), name);
            assert_eq!(name.parse(), Ok(algorithm));
            assert_eq!(serde_json::to_value(algorithm).unwrap(), name);
            assert_eq!(serde_json::from_value::<Algorithm>(name.into()).unwrap(), algorithm);
        }
    }

    #[test]
    fn none_and_other_spellings_are_unknown() {
        for name in ["none", "None", "", "rs256", "RS1", "ES384", " RS256"] {
            assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm), "{name:?}");
        }
    }
}
