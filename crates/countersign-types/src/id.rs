//! Identifiers. Each is a string of its own type, so that a client can never stand where a person is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps a string as it is: where it came from decides whether it can be trusted.
            pub fn new(value: impl Into<String>) -> Self {
                Self(value.into())
            }

            /// The identifier as it stands on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

id!(
    /// A client's `client_id` (RFC 6749 §2.2).
    ClientId
);
id!(
    /// A person's `sub`: random, never a name or an address (OpenID Connect Core §2).
    UserId
);
id!(
    /// A sign-in on one device: the `sid` claim (OpenID Connect Front-Channel Logout §3).
    SessionId
);
id!(
    /// What a person allowed a client at one sign-in: the `gid` claim. All tokens of a grant die with it.
    GrantId
);
id!(
    /// One token: the `jti` claim (RFC 7519 §4.1.7).
    TokenId
);
