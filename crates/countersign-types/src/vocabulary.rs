//! Closed lists of the field's words. Each reads and writes its registered name; an unknown name is an error, never a guess.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The `acr` of a sign-in by password alone.
pub const ACR_PASSWORD: &str = "urn:countersign:acr:pwd";
/// The `acr` of a sign-in by password and a second factor.
pub const ACR_SECOND_FACTOR: &str = "urn:countersign:acr:mfa";

/// The name stands in no registry that this list follows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} \"{name}\"; known are: {known}")]
pub struct UnknownName {
    what: &'static str,
    name: String,
    known: String,
}

macro_rules! names {
    ($(#[$doc:meta])* $type:ident, $what:literal { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $type {
            $($(#[$variant_doc])* #[serde(rename = $name)] $variant,)+
        }

        impl $type {
            /// Every name of the list, in the order of its declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The registered name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = UnknownName;

            fn from_str(name: &str) -> Result<Self, UnknownName> {
                Self::ALL.iter().find(|known| known.as_str() == name).copied().ok_or_else(|| UnknownName {
                    what: $what,
                    name: name.chars().take(60).collect(),
                    known: Self::ALL.iter().map(|known| known.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}

names!(
    /// The ways to get a token (`grant_type`).
    GrantType, "grant type" {
        /// RFC 6749 §4.1.
        AuthorizationCode = "authorization_code",
        /// RFC 6749 §6.
        RefreshToken = "refresh_token",
        /// RFC 6749 §4.4.
        ClientCredentials = "client_credentials",
        /// Tokens from the authorization endpoint (OpenID Connect Core §3.2, §3.3). The token endpoint has no part in it.
        Implicit = "implicit",
    }
);

names!(
    /// What the authorization endpoint answers with (`response_type`).
    ResponseType, "response type" {
        /// An authorization code (RFC 6749 §4.1.1).
        Code = "code",
        /// An ID token (OpenID Connect Core §3.2).
        IdToken = "id_token",
        /// An ID token and an access token (OpenID Connect Core §3.2).
        IdTokenToken = "id_token token",
        /// A code and an ID token (OpenID Connect Core §3.3).
        CodeIdToken = "code id_token",
        /// A code and an access token (OpenID Connect Core §3.3).
        CodeToken = "code token",
        /// All three (OpenID Connect Core §3.3).
        CodeIdTokenToken = "code id_token token",
    }
);

impl ResponseType {
    /// The type of these words, in whatever order they stand (OAuth 2.0 Multiple Response Types §3).
    ///
    /// # Errors
    ///
    /// [`UnknownName`]; `token` alone and `none` are among what is not known.
    pub fn from_words(text: &str) -> Result<Self, UnknownName> {
        let mut words: Vec<&str> = text.split(' ').collect();
        // In the registered names they stand in the order of the alphabet.
        words.sort_unstable();
        words.join(" ").parse()
    }

    /// Whether a code is part of the answer.
    pub fn is_answered_with_code(self) -> bool {
        match self {
            Self::Code | Self::CodeIdToken | Self::CodeToken | Self::CodeIdTokenToken => true,
            Self::IdToken | Self::IdTokenToken => false,
        }
    }

    /// Whether an ID token is part of the answer of the authorization endpoint.
    pub fn is_answered_with_id_token(self) -> bool {
        match self {
            Self::IdToken | Self::IdTokenToken | Self::CodeIdToken | Self::CodeIdTokenToken => true,
            Self::Code | Self::CodeToken => false,
        }
    }

    /// Whether an access token is part of the answer of the authorization endpoint.
    pub fn is_answered_with_access_token(self) -> bool {
        match self {
            Self::IdTokenToken | Self::CodeToken | Self::CodeIdTokenToken => true,
            Self::Code | Self::IdToken | Self::CodeIdToken => false,
        }
    }

    /// Whether any token is, so that the answer must not stand in a query (Multiple Response Types §5).
    pub fn is_answered_with_tokens(self) -> bool {
        self.is_answered_with_id_token() || self.is_answered_with_access_token()
    }
}

names!(
    /// How a client proves who it is (`token_endpoint_auth_method`, OpenID Connect Core §9).
    ClientAuthMethod, "client authentication method" {
        /// HTTP Basic with form-encoded halves (RFC 6749 §2.3.1).
        ClientSecretBasic = "client_secret_basic",
        /// The secret in the form body (RFC 6749 §2.3.1).
        ClientSecretPost = "client_secret_post",
        /// A JWT signed with the secret (RFC 7523 §2.2).
        ClientSecretJwt = "client_secret_jwt",
        /// A JWT signed with the client's private key (RFC 7523 §2.2).
        PrivateKeyJwt = "private_key_jwt",
        /// A public client (RFC 6749 §2.1).
        None = "none",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_they_are_written() {
        for grant in GrantType::ALL {
            assert_eq!(grant.as_str().parse::<GrantType>().as_ref(), Ok(grant));
            assert_eq!(serde_json::to_value(grant).unwrap(), grant.as_str());
        }
    }

    #[test]
    fn the_words_of_a_response_type_stand_in_any_order() {
        for text in ["code id_token token", "token code id_token", "id_token token code"] {
            assert_eq!(ResponseType::from_words(text), Ok(ResponseType::CodeIdTokenToken), "{text}");
        }
        for text in ["token", "none", "", "code code", "code  token", "code,token", "CODE"] {
            assert!(ResponseType::from_words(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "password".parse::<GrantType>().unwrap_err().to_string();
        assert!(error.contains("authorization_code, refresh_token"), "{error}");
    }
}
