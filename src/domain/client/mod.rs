//! Relying parties: what an app registered, and what it may therefore ask for.

mod choice;
mod contradiction;
mod metadata;
pub mod registration;
mod uri;

use std::fmt;

use chrono::{DateTime, Utc};
use countersign_jose::Algorithm;
use countersign_types::{ClientAuthMethod, ClientId, GrantType};

pub use self::{
    choice::{ApplicationType, RequestObjectAlgorithm, SubjectType},
    contradiction::Contradiction,
    metadata::ClientMetadata,
    uri::{LogoutUri, RedirectUri, RequestUri, UriError, WebLink, WebOrigin, is_loopback_origin},
};

/// A registered client (RFC 6749 §2).
#[derive(Clone, Debug)]
pub struct Client {
    /// Its `client_id`.
    pub id: ClientId,
    /// What it registered.
    pub metadata: ClientMetadata,
    /// What its secret is checked against; `None` for public clients and those with keys of their own.
    pub secret: Option<StoredSecret>,
    /// A disabled client can do nothing.
    pub enabled: bool,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// Who registered it.
    pub registered_by: Registrar,
}

/// Who registered a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registrar {
    /// Somebody who looks after this provider.
    Operator,
    /// It did so itself (RFC 7591), and nobody knows whether what it says of itself is true.
    Itself {
        /// Whether anybody ever signed in to it.
        is_used: bool,
    },
}

impl Registrar {
    /// As commands print it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Itself { .. } => "itself",
        }
    }
}

/// What a secret is good for, and so how it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretUse {
    /// There is none.
    None,
    /// It is compared with what is presented.
    Compared,
    /// It is a key for HMAC.
    Key,
}

impl SecretUse {
    /// What a way to authenticate needs a secret for.
    pub fn of(method: ClientAuthMethod) -> Self {
        match method {
            ClientAuthMethod::ClientSecretBasic | ClientAuthMethod::ClientSecretPost => Self::Compared,
            ClientAuthMethod::ClientSecretJwt => Self::Key,
            ClientAuthMethod::PrivateKeyJwt | ClientAuthMethod::None => Self::None,
        }
    }
}

/// What a presented secret is compared with.
#[derive(Clone)]
pub enum StoredSecret {
    /// SHA-256 of a secret with 256 bits of entropy.
    Digest(Vec<u8>),
    /// An Argon2id PHC string, for imported secrets that a person may have chosen.
    Argon2(String),
    /// Encrypted, since `client_secret_jwt` needs the secret itself.
    Encrypted(Vec<u8>),
}

impl fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Client {
    /// By what its ID tokens are signed (OpenID Connect Registration §2).
    pub fn id_token_algorithm(&self) -> Algorithm {
        self.metadata.id_token_signed_response_alg.unwrap_or(Algorithm::RS256)
    }

    /// By what its access tokens are signed (RFC 9068 §2.1).
    pub fn access_token_algorithm(&self) -> Algorithm {
        self.metadata.access_token_signed_response_alg.unwrap_or(Algorithm::RS256)
    }

    /// Whether the client cannot keep a secret (RFC 6749 §2.1).
    pub fn is_public(&self) -> bool {
        self.metadata.token_endpoint_auth_method == ClientAuthMethod::None
    }

    /// Whether it registered itself.
    pub fn is_self_registered(&self) -> bool {
        matches!(self.registered_by, Registrar::Itself { .. })
    }

    /// Whether it registered itself and nobody has signed in to it yet.
    pub fn is_unused(&self) -> bool {
        self.registered_by == Registrar::Itself { is_used: false }
    }

    /// Whether other apps on the person's machine could pose as this one (RFC 8252 §8.6).
    pub fn is_public_native(&self) -> bool {
        self.is_public() && self.metadata.redirect_uris.iter().any(RedirectUri::is_native)
    }

    /// Whether the operator's registration stands for the person's consent.
    pub fn skips_consent(&self) -> bool {
        self.metadata.first_party && !self.is_public_native()
    }

    /// Whether this client may use the grant.
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.metadata.grant_types.contains(&grant)
    }

    /// Whether refresh tokens change with every use. Keys prove who uses a token; a secret or nothing at all does not.
    pub fn rotates_refresh_tokens(&self) -> bool {
        if self.metadata.dpop_bound_access_tokens {
            return false;
        }
        match self.metadata.token_endpoint_auth_method {
            ClientAuthMethod::None
            | ClientAuthMethod::ClientSecretBasic
            | ClientAuthMethod::ClientSecretPost
            | ClientAuthMethod::ClientSecretJwt => true,
            ClientAuthMethod::PrivateKeyJwt => false,
        }
    }

    /// The registered redirect URI that allows this one, compared as exact strings (RFC 9700 §2.1).
    pub fn allows_redirect(&self, asked: &str) -> bool {
        self.metadata.redirect_uris.iter().any(|registered| registered.matches(asked))
    }

    /// Whether people may be sent here after logout: exact strings only.
    pub fn allows_post_logout_redirect(&self, asked: &str) -> bool {
        self.metadata.post_logout_redirect_uris.iter().any(|registered| registered.as_str() == asked)
    }

    /// Where a sign-in to this app is started from our pages, if it can be (OpenID Connect Core §4).
    pub fn initiate_login(&self, issuer: &str, login_hint: Option<&str>) -> Option<String> {
        let uri = self.metadata.initiate_login_uri.as_ref().filter(|_| self.enabled)?;
        let parameters: Vec<_> = [("iss", Some(issuer)), ("login_hint", login_hint)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        Some(uri.with_query(&parameters))
    }

    /// The web origins whose scripts may read our answers to this client.
    pub fn origins(&self) -> impl Iterator<Item = String> {
        let registered = self.metadata.origins.iter().map(|origin| origin.as_str().to_owned());
        registered.chain(self.metadata.redirect_uris.iter().filter_map(RedirectUri::origin))
    }

    /// Whether scripts of this web origin may read our answers to this client.
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.origins().any(|one| one == origin)
    }
}
