//! Error codes of OAuth 2.0 and OpenID Connect, and the one table from each to its HTTP status.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal;)+) => {
        /// An `error` value as it stands on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)+
        }

        impl ErrorCode {
            /// The registered name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The HTTP status where the error is answered directly, not by a redirect.
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }
        }
    };
}

codes! {
    /// A parameter is missing, repeated or malformed (RFC 6749 §4.1.2.1, §5.2).
    InvalidRequest = "invalid_request", 400;
    /// Client authentication failed (RFC 6749 §5.2).
    InvalidClient = "invalid_client", 401;
    /// A code or refresh token is invalid, expired, revoked or someone else's (RFC 6749 §5.2).
    InvalidGrant = "invalid_grant", 400;
    /// The client may not use this grant or response type (RFC 6749 §5.2).
    UnauthorizedClient = "unauthorized_client", 400;
    /// The grant type is not known here (RFC 6749 §5.2).
    UnsupportedGrantType = "unsupported_grant_type", 400;
    /// A scope is unknown, malformed or wider than allowed (RFC 6749 §5.2).
    InvalidScope = "invalid_scope", 400;
    /// The person or the provider said no (RFC 6749 §4.1.2.1).
    AccessDenied = "access_denied", 403;
    /// The response type is not known here (RFC 6749 §4.1.2.1).
    UnsupportedResponseType = "unsupported_response_type", 400;
    /// Something broke on our side (RFC 6749 §4.1.2.1).
    ServerError = "server_error", 500;
    /// Overloaded or a part is down: worth another try (RFC 6749 §4.1.2.1).
    TemporarilyUnavailable = "temporarily_unavailable", 503;
    /// `prompt=none`, and nobody is signed in (OpenID Connect Core §3.1.2.6).
    LoginRequired = "login_required", 400;
    /// `prompt=none`, and consent is missing (OpenID Connect Core §3.1.2.6).
    ConsentRequired = "consent_required", 400;
    /// `prompt=none`, and the person must do something else (OpenID Connect Core §3.1.2.6).
    InteractionRequired = "interaction_required", 400;
    /// The `acr` that the client cannot do without cannot be reached (OpenID Connect Unmet Authentication Requirements §2).
    UnmetAuthenticationRequirements = "unmet_authentication_requirements", 400;
    /// A request object is malformed, not signed as registered, or not for us (RFC 9101 §7, OpenID Connect Core §3.1.2.6).
    InvalidRequestObject = "invalid_request_object", 400;
    /// A `request_uri` is not registered, or nothing good is behind it (RFC 9101 §7, OpenID Connect Core §3.1.2.6).
    InvalidRequestUri = "invalid_request_uri", 400;
    /// A DPoP proof is malformed, not for this request, or missing (RFC 9449 §5).
    InvalidDpopProof = "invalid_dpop_proof", 400;
    /// A DPoP proof needs the nonce that comes with this answer (RFC 9449 §8).
    UseDpopNonce = "use_dpop_nonce", 400;
    /// The access token is malformed, expired or revoked (RFC 6750 §3.1).
    InvalidToken = "invalid_token", 401;
    /// A request that must be signed as a whole (RFC 9421) is not. No specification has a code for it; `Accept-Signature` tells what is wanted.
    InvalidSignature = "invalid_signature", 401;
    /// The access token lacks a scope (RFC 6750 §3.1).
    InsufficientScope = "insufficient_scope", 403;
    /// The sign-in behind the token is too weak or too old (RFC 9470 §3).
    InsufficientUserAuthentication = "insufficient_user_authentication", 401;
    /// A redirect URI cannot be registered (RFC 7591 §3.2.2).
    InvalidRedirectUri = "invalid_redirect_uri", 400;
    /// A member of a registration cannot be what it is (RFC 7591 §3.2.2).
    InvalidClientMetadata = "invalid_client_metadata", 400;
    /// A software statement cannot be read (RFC 7591 §3.2.2).
    InvalidSoftwareStatement = "invalid_software_statement", 400;
    /// A software statement of somebody who is not trusted (RFC 7591 §3.2.2).
    UnapprovedSoftwareStatement = "unapproved_software_statement", 400;
    /// The token type cannot be revoked here (RFC 7009 §2.2.1).
    UnsupportedTokenType = "unsupported_token_type", 400;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
