//! What does not go together in a registration.

/// What does not go together in a registration, in the names of RFC 7591.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// Nothing could ever be asked for.
    #[error("grant_types is empty, so the client could do nothing")]
    NoGrant,
    /// Nothing could ever be answered.
    #[error("a client that signs people in needs redirect_uris")]
    NoRedirectUri,
    /// No request could ever be right.
    #[error("a client that signs people in needs response_types")]
    NoResponseType,
    /// OpenID Connect Registration §2, `grant_types`.
    #[error("a response type with a code needs the grant type authorization_code")]
    NoCodeGrant,
    /// Nobody proves anything at the authorization endpoint.
    #[error(
        "access tokens from the authorization endpoint cannot be bound to a key; drop dpop_bound_access_tokens or the response types with token"
    )]
    BoundInFrontChannel,
    /// RFC 6749 §4.4.
    #[error("a client without authentication cannot use the grant type client_credentials")]
    PublicOnItsOwn,
    /// RFC 9700 §2.1.1.
    #[error("a client without authentication cannot go without PKCE")]
    PublicWithoutPkce,
    /// OpenID Connect Core §8.1.
    #[error("pairwise with redirect_uris of more than one host needs a sector_identifier_uri")]
    NoSector,
    /// RFC 7591 §2.
    #[error("jwks and jwks_uri must not both be there")]
    TwoKeySets,
    /// Nothing could ever be verified.
    #[error("private_key_jwt needs the client's public keys, as jwks or jwks_uri")]
    NoKeys,
    /// The same.
    #[error("jwks has no key that can verify a signature")]
    NoSignatureKey,
    /// The same.
    #[error("signed request objects need the client's public keys, as jwks or jwks_uri")]
    NoRequestObjectKey,
    /// Nothing could ever be encrypted.
    #[error("encrypted answers need a public key that fits the algorithm, in jwks or behind jwks_uri")]
    NoEncryptionKey,
    /// RFC 7523.
    #[error("token_endpoint_auth_signing_alg does not fit token_endpoint_auth_method")]
    AssertionAlgorithm,
    /// RFC 9101 §10.5.
    #[error("request_object_signing_alg is none, but require_signed_request_object is true")]
    UnsignedRequestObject,
    /// OpenID Connect Registration §2.
    #[error("an encryption method (_enc) needs the algorithm (_alg) beside it")]
    EncryptionWithoutKey,
    /// Secrets are kept as digests, so nothing can be encrypted by them.
    #[error("keys for encryption are RSA-OAEP-256, ECDH-ES or ECDH-ES+A256KW")]
    SymmetricEncryption,
    /// The same.
    #[error("tokens, userinfo and request objects are signed by RS256, PS256, ES256 or EdDSA")]
    SymmetricSignature,
}
