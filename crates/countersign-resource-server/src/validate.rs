//! The rules of a valid access token (RFC 9068 §4). Pure: no network, no clock.

use countersign_jose::{FormatError, JwsError};
use countersign_types::{AccessTokenClaims, ErrorCode, dpop::ProofError};

/// Why a token was not accepted. The message is what the client may read: printable ASCII, and nothing of the token in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The request carries no bearer token.
    #[error("an access token is needed")]
    Missing,
    /// More than one `Authorization` header, or a token in the query as well (RFC 6750 §2).
    #[error("the access token must be sent once, in the Authorization header")]
    SentTwice,
    /// What follows `Bearer` cannot be a token (RFC 6750 §2.1).
    #[error("the Authorization header is malformed")]
    Malformed,
    /// Longer than 16 KiB.
    #[error("the access token is too long")]
    TooLong,
    /// Not a JSON Web Signature, or one with a header that is refused for safety's sake.
    #[error("the access token is not a signed JWT")]
    NotJwt,
    /// The `typ` header is not `at+jwt`: an ID token, for example (RFC 9068 §4).
    #[error("the token is not an access token")]
    WrongType,
    /// `alg` is not among the allowed algorithms; `none` never is.
    #[error("the access token is signed by an algorithm that is not accepted")]
    Algorithm,
    /// The provider publishes no such key, or the token names none.
    #[error("the access token is signed by an unknown key")]
    UnknownKey,
    /// The signature is not of that key.
    #[error("the signature of the access token is wrong")]
    Signature,
    /// A claim is missing, empty or of a wrong type.
    #[error("the claims of the access token are malformed")]
    Claims,
    /// `iss` is not exactly the issuer.
    #[error("the access token is of another issuer")]
    Issuer,
    /// `aud` does not name this API.
    #[error("the access token is meant for another audience")]
    Audience,
    /// `exp` has passed.
    #[error("the access token has expired")]
    Expired,
    /// `nbf` or `iat` lies in the future.
    #[error("the access token is not valid yet")]
    NotYetValid,
    /// `cnf` is present: the token is worth nothing without a proof of its key; or bound to what this crate cannot check.
    #[error("the access token is sender-constrained and cannot be used as a bearer token")]
    SenderConstrained,
    /// Bound to something else than a key, such as a certificate (RFC 8705), which this crate cannot check.
    #[error("the access token is bound to what this server cannot check, and is not accepted")]
    CertificateBound,
    /// Sent as `DPoP`, and bound to nothing (RFC 9449 §7.1).
    #[error("the access token is not bound to a key: send it as Bearer")]
    NotBound,
    /// A proof came, and nobody told this API what address it has for its clients.
    #[error("this server is set up wrongly: it does not know its own address")]
    NoAddress,
    /// Bound to a key, and sent without a proof of it.
    #[error("the DPoP proof is missing")]
    ProofMissing,
    /// Several proofs, or one that is not a JWS with its own key, of the right type and algorithm.
    #[error(
        "the DPoP proof must be one JWS of type dpop+jwt by ES256, EdDSA or PS256, signed with the public key in its jwk"
    )]
    ProofMalformed,
    /// The proof is for another request.
    #[error(transparent)]
    Proof(ProofError),
    /// The proof is by another key than the token's.
    #[error("the access token is bound to another key than that of the DPoP proof")]
    ProofOfAnotherKey,
    /// The proof was used before.
    #[error("the DPoP proof was used before: make a new one for each request")]
    ProofReplayed,
    /// Whether the proof was used before cannot be told.
    #[error("DPoP proofs cannot be checked at the moment")]
    ReplaysUnknown,
    /// The provider says that it is not good now: revoked, expired, or never issued (RFC 7662 §2.2).
    #[error("the access token is unknown, revoked or has expired")]
    Inactive,
    /// The provider cannot be asked whether the token is good.
    #[error("access tokens cannot be confirmed at the moment")]
    IntrospectionUnavailable,
    /// The provider's keys could not be fetched, so nothing can be said about the token.
    #[error("access tokens cannot be checked at the moment")]
    KeysUnavailable {
        /// When it is worth another try, in seconds.
        retry_after: i64,
    },
}

impl TokenError {
    /// The `error` on the wire (RFC 6750 §3.1); none where the request simply had no token.
    pub fn code(self) -> Option<ErrorCode> {
        match self {
            Self::Missing => None,
            Self::SentTwice | Self::Malformed => Some(ErrorCode::InvalidRequest),
            Self::TooLong
            | Self::NotJwt
            | Self::WrongType
            | Self::Algorithm
            | Self::UnknownKey
            | Self::Signature
            | Self::Claims
            | Self::Issuer
            | Self::Audience
            | Self::Expired
            | Self::NotYetValid
            | Self::NotBound
            | Self::Inactive
            | Self::ProofOfAnotherKey
            | Self::CertificateBound
            | Self::SenderConstrained => Some(ErrorCode::InvalidToken),
            Self::ProofMissing | Self::ProofMalformed | Self::Proof(_) | Self::ProofReplayed => {
                Some(ErrorCode::InvalidDpopProof)
            }
            Self::NoAddress => Some(ErrorCode::ServerError),
            Self::ReplaysUnknown | Self::IntrospectionUnavailable | Self::KeysUnavailable { .. } => {
                Some(ErrorCode::TemporarilyUnavailable)
            }
        }
    }

    /// Whether the client must send a proof, or another one.
    pub(crate) fn is_about_proof(self) -> bool {
        matches!(self, Self::SenderConstrained | Self::ProofOfAnotherKey)
            || self.code() == Some(ErrorCode::InvalidDpopProof)
    }
}

impl From<JwsError> for TokenError {
    fn from(error: JwsError) -> Self {
        match error {
            JwsError::Format(FormatError::TooLong { .. }) => Self::TooLong,
            JwsError::Format(_) => Self::NotJwt,
            JwsError::Algorithm | JwsError::AlgorithmMismatch => Self::Algorithm,
            JwsError::KeyMismatch => Self::UnknownKey,
            JwsError::Signature => Self::Signature,
            JwsError::Claims => Self::Claims,
        }
    }
}

/// What a token must say to be accepted here.
#[derive(Debug)]
pub(crate) struct Rules {
    pub issuer: String,
    pub audience: String,
    /// By how much the clocks of provider and API may differ, in seconds.
    pub leeway: i64,
}

impl Rules {
    /// RFC 9068 §4: "The resource server MUST verify that the typ header value is `at+jwt` or `application/at+jwt`".
    pub fn check_type(typ: Option<&str>) -> Result<(), TokenError> {
        match typ {
            Some(typ) if typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt") => Ok(()),
            _ => Err(TokenError::WrongType),
        }
    }

    /// Everything about the claims, after the signature.
    pub fn check_claims(&self, claims: &AccessTokenClaims, now: i64) -> Result<(), TokenError> {
        if claims.iss != self.issuer {
            return Err(TokenError::Issuer);
        }
        if !claims.aud.contains(&self.audience) {
            return Err(TokenError::Audience);
        }
        // RFC 7519 §4.1.4: not to be accepted "on or after" `exp`.
        if now.saturating_sub(self.leeway) >= claims.exp {
            return Err(TokenError::Expired);
        }
        let soon = now.saturating_add(self.leeway);
        if claims.iat > soon || claims.nbf.is_some_and(|nbf| nbf > soon) {
            return Err(TokenError::NotYetValid);
        }
        // A token that expires before it was issued, or names nobody, is no work of our provider.
        if claims.exp <= claims.iat
            || claims.sub.is_empty()
            || claims.client_id.as_str().is_empty()
            || claims.jti.as_str().is_empty()
        {
            return Err(TokenError::Claims);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use countersign_types::{ClientId, TokenId};

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn rules() -> Rules {
        Rules { issuer: "https://id.example".into(), audience: "https://api.example".into(), leeway: 10 }
    }

    fn claims() -> AccessTokenClaims {
        AccessTokenClaims {
            iss: "https://id.example".into(),
            sub: "ada".into(),
            aud: ["https://other.example".to_owned(), "https://api.example".to_owned()].into_iter().collect(),
            exp: NOW + 600,
            iat: NOW,
            jti: TokenId::new("1"),
            client_id: ClientId::new("app"),
            scope: "read".parse().unwrap(),
            gid: None,
            sid: None,
            auth_time: None,
            acr: None,
            amr: Vec::new(),
            roles: Vec::new(),
            cnf: None,
            nbf: None,
        }
    }

    fn check(change: impl FnOnce(&mut AccessTokenClaims)) -> Result<(), TokenError> {
        let mut changed = claims();
        change(&mut changed);
        rules().check_claims(&changed, NOW)
    }

    #[test]
    fn an_ordinary_token_is_accepted() {
        assert_eq!(check(|_| ()), Ok(()));
    }

    #[test]
    fn the_issuer_is_compared_as_an_exact_string() {
        for issuer in ["https://id.example/", "https://ID.example", "http://id.example", ""] {
            assert_eq!(check(|c| c.iss = issuer.into()), Err(TokenError::Issuer), "{issuer}");
        }
    }

    #[test]
    fn the_audience_must_name_this_api() {
        for aud in ["https://api.example/", "https://api.exampl", "https://other.example"] {
            assert_eq!(check(|c| c.aud = [aud.to_owned()].into_iter().collect()), Err(TokenError::Audience), "{aud}");
        }
        assert_eq!(check(|c| c.aud = [].into_iter().collect()), Err(TokenError::Audience));
    }

    #[test]
    fn leeway_is_granted_once_on_both_sides() {
        assert_eq!(check(|c| (c.iat, c.exp) = (NOW - 600, NOW - 9)), Ok(()));
        assert_eq!(check(|c| (c.iat, c.exp) = (NOW - 600, NOW - 10)), Err(TokenError::Expired));
        assert_eq!(check(|c| c.iat = NOW + 10), Ok(()));
        assert_eq!(check(|c| c.iat = NOW + 11), Err(TokenError::NotYetValid));
        assert_eq!(check(|c| c.nbf = Some(NOW + 10)), Ok(()));
        assert_eq!(check(|c| c.nbf = Some(NOW + 11)), Err(TokenError::NotYetValid));
    }

    #[test]
    fn absurd_times_neither_panic_nor_pass() {
        assert_eq!(check(|c| c.exp = i64::MIN), Err(TokenError::Expired));
        assert_eq!(check(|c| c.iat = i64::MAX), Err(TokenError::NotYetValid));
        assert_eq!(check(|c| c.nbf = Some(i64::MAX)), Err(TokenError::NotYetValid));
        assert_eq!(check(|c| (c.iat, c.exp) = (NOW + 5, NOW + 5)), Err(TokenError::Claims));
    }

    #[test]
    fn a_token_names_a_subject_a_client_and_itself() {
        assert_eq!(check(|c| c.sub = String::new()), Err(TokenError::Claims));
        assert_eq!(check(|c| c.client_id = ClientId::new("")), Err(TokenError::Claims));
        assert_eq!(check(|c| c.jti = TokenId::new("")), Err(TokenError::Claims));
    }

    #[test]
    fn only_the_media_type_of_access_tokens_is_accepted() {
        for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
            assert_eq!(Rules::check_type(Some(typ)), Ok(()), "{typ}");
        }
        for typ in [None, Some(""), Some("JWT"), Some("logout+jwt"), Some("at+jwt "), Some("text/at+jwt")] {
            assert_eq!(Rules::check_type(typ), Err(TokenError::WrongType), "{typ:?}");
        }
    }
}
