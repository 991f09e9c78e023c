//! The one table from a refusal to its HTTP answer (RFC 6750 §3, RFC 9470 §3, RFC 9728 §5.1).

use std::{fmt::Write as _, sync::Arc};

use countersign_types::ErrorCode;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::{Value, json};

#[cfg(feature = "signatures")]
use crate::SignatureError;
use crate::{Shortfall, TokenError, proof};

/// A request that does not pass: the answer of the layer and of the extractors, ready to be returned from a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    reason: Reason,
    /// Where RFC 9728 metadata is published, if it is.
    metadata_url: Option<Arc<str>>,
    /// Whether it came with a token that is bound to a key: then the next one must be, too.
    bound: bool,
}

/// Why a request does not pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// There is no token, or it is not accepted.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token is valid but not enough.
    #[error(transparent)]
    Shortfall(#[from] Shortfall),
    /// The request is not signed as it must be.
    #[cfg(feature = "signatures")]
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// An extractor ran on a route without the layer: a fault of the API, not of the caller.
    #[error("this server is set up wrongly")]
    NoLayer,
}

impl Refusal {
    pub(crate) fn new(reason: impl Into<Reason>, metadata_url: Option<Arc<str>>) -> Self {
        Self { reason: reason.into(), metadata_url, bound: false }
    }

    pub(crate) fn of_bound_token(self, bound: bool) -> Self {
        Self { bound, ..self }
    }

    /// Why, for logs and for answers of another form.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// The `error` on the wire; none where the request simply had no token.
    pub fn code(&self) -> Option<ErrorCode> {
        match &self.reason {
            Reason::Token(error) => error.code(),
            Reason::Shortfall(shortfall) => Some(shortfall.code()),
            #[cfg(feature = "signatures")]
            Reason::Signature(error) => Some(error.code()),
            Reason::NoLayer => Some(ErrorCode::ServerError),
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        #[cfg(feature = "signatures")]
        if self.reason == Reason::Signature(SignatureError::TooLarge) {
            return StatusCode::PAYLOAD_TOO_LARGE;
        }
        // RFC 9449 §7.1: at an API a wrong proof is a matter of authentication, as a wrong token is.
        let code = self.code().filter(|code| *code != ErrorCode::InvalidDpopProof).unwrap_or(ErrorCode::InvalidToken);
        StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The `WWW-Authenticate` header; none where no other token would help.
    pub fn challenge(&self) -> Option<HeaderValue> {
        // RFC 9449 §7.1.
        let with_proof = match &self.reason {
            // No proof would help.
            Reason::Token(TokenError::NotBound | TokenError::CertificateBound) => false,
            Reason::Token(error) => self.bound || error.is_about_proof(),
            #[cfg(feature = "signatures")]
            Reason::Signature(_) => true,
            Reason::Shortfall(_) | Reason::NoLayer => self.bound,
        };
        let mut challenge = Challenge::of(if with_proof { "DPoP" } else { "Bearer" });
        match &self.reason {
            Reason::NoLayer
            | Reason::Token(
                TokenError::KeysUnavailable { .. }
                | TokenError::IntrospectionUnavailable
                | TokenError::ReplaysUnknown
                | TokenError::NoAddress,
            ) => {
                return None;
            }
            #[cfg(feature = "signatures")]
            Reason::Signature(SignatureError::TooLarge | SignatureError::Body) => return None,
            #[cfg(feature = "signatures")]
            Reason::Signature(_) => self.tell_error(&mut challenge),
            // RFC 6750 §3.1: without any authentication information, no error code.
            Reason::Token(TokenError::Missing) => {}
            Reason::Token(_) | Reason::Shortfall(_) => self.tell_error(&mut challenge),
        }
        match &self.reason {
            Reason::Shortfall(Shortfall::Scope { needed }) => challenge.parameter("scope", needed),
            Reason::Shortfall(Shortfall::Authentication { acr_values, max_age }) => {
                if !acr_values.is_empty() {
                    challenge.parameter("acr_values", &acr_values.join(" "));
                }
                if let Some(seconds) = max_age {
                    challenge.parameter("max_age", &seconds.to_string());
                }
            }
            _ => {}
        }
        Some(challenge.finish(self, with_proof))
    }

    fn tell_error(&self, challenge: &mut Challenge) {
        challenge.parameter("error", self.code().map_or("", ErrorCode::as_str));
        challenge.parameter("error_description", &self.reason.to_string());
    }

    /// The other way to send a token, for a client that sent none.
    fn other_challenge(&self) -> Option<HeaderValue> {
        if self.reason != Reason::Token(TokenError::Missing) {
            return None;
        }
        Some(Challenge::of("DPoP").finish(self, true))
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.reason.fmt(f)
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// The whole answer, for whatever body a service has.
    pub fn into_http<B: From<String>>(self) -> Response<B> {
        let body =
            self.code().map(|code| json!({ "error": code.as_str(), "error_description": self.reason.to_string() }));
        let mut response = answer(self.status(), body.as_ref());
        let headers = response.headers_mut();
        for challenge in [self.challenge(), self.other_challenge()].into_iter().flatten() {
            headers.append(WWW_AUTHENTICATE, challenge);
        }
        let retry_after = match self.reason {
            Reason::Token(TokenError::KeysUnavailable { retry_after }) => Some(retry_after),
            Reason::Token(TokenError::ReplaysUnknown | TokenError::IntrospectionUnavailable) => Some(1),
            _ => None,
        };
        #[cfg(feature = "signatures")]
        if let Reason::Signature(error) = self.reason
            && let Some((name, wanted)) = error.accept_signature()
        {
            headers.insert(name, wanted);
        }
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(feature = "axum")]
impl axum::response::IntoResponse for Refusal {
    fn into_response(self) -> axum::response::Response {
        self.into_http()
    }
}

/// An answer with a JSON body, or with none.
pub(crate) fn answer<B: From<String>>(status: StatusCode, body: Option<&Value>) -> Response<B> {
    let mut response = Response::new(B::from(body.map_or_else(String::new, Value::to_string)));
    *response.status_mut() = status;
    if body.is_some() {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}

/// By what proofs may be signed (RFC 9449 §7.1).
fn algorithms() -> String {
    proof::ALGORITHMS.map(countersign_jose::Algorithm::name).join(" ")
}

/// A scheme and its parameters, each a quoted string (RFC 9110 §11.2).
struct Challenge {
    text: String,
    separator: &'static str,
}

impl Challenge {
    fn of(scheme: &str) -> Self {
        Self { text: scheme.to_owned(), separator: " " }
    }

    /// RFC 9728 §5.1: where the provider of the API is told; and by what a proof may be signed.
    fn finish(mut self, refusal: &Refusal, with_proof: bool) -> HeaderValue {
        if let Some(url) = &refusal.metadata_url {
            self.parameter("resource_metadata", url);
        }
        if with_proof {
            self.parameter("algs", &algorithms());
        }
        // All of it is printable.
        HeaderValue::try_from(self.text).unwrap_or(HeaderValue::from_static("Bearer"))
    }

    fn parameter(&mut self, name: &str, value: &str) {
        // RFC 6750 §3: these values are printable ASCII without `"` and `\`. What is configured wrongly must not break the header.
        let value: String = value.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect();
        let _ = write!(self.text, "{}{name}=\"{value}\"", self.separator);
        self.separator = ", ";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(reason: impl Into<Reason>) -> String {
        Refusal::new(reason, None).challenge().map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_request_without_a_token_gets_a_bare_challenge() {
        assert_eq!(challenge(TokenError::Missing), "Bearer");
    }

    #[test]
    fn a_bad_token_is_told_why() {
        assert_eq!(
            challenge(TokenError::Expired),
            r#"Bearer error="invalid_token", error_description="the access token has expired""#
        );
    }

    #[test]
    fn whoever_has_a_bound_token_is_asked_for_another_of_the_kind() {
        let shortfall = Shortfall::Scope { needed: "a".to_owned() };
        let text = Refusal::new(shortfall, None).of_bound_token(true).challenge().unwrap();
        let text = text.to_str().unwrap();
        assert!(text.starts_with("DPoP error=\"insufficient_scope\"") && text.contains("algs=\"ES256"), "{text}");
    }

    #[test]
    fn the_metadata_stands_in_every_challenge() {
        let refusal = Refusal::new(TokenError::Missing, Some("https://api.example/m".into()));
        assert_eq!(refusal.challenge().unwrap(), r#"Bearer resource_metadata="https://api.example/m""#);
    }

    #[test]
    fn values_cannot_leave_their_quotation_marks() {
        let text = challenge(Shortfall::Scope { needed: "a\", error=\"x\r\nb\\ä".to_owned() });
        assert!(text.ends_with(r#", scope="a, error=xb""#), "{text}");
    }

    #[test]
    fn where_no_token_would_help_there_is_no_challenge() {
        assert_eq!(challenge(TokenError::KeysUnavailable { retry_after: 3 }), "");
        assert_eq!(challenge(Reason::NoLayer), "");
    }
}
