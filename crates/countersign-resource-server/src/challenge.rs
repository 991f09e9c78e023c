//! The one table from a refusal to its HTTP answer (RFC 6750 §3, RFC 9470 §3, RFC 9728 §5.1).

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use countersign_types::ErrorCode;
use http::{
    HeaderValue, StatusCode,
    header::{RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::json;

use crate::{Shortfall, TokenError, proof};

/// A request that does not pass: the answer of the layer and of the extractors, ready to be returned from a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    reason: Reason,
    /// Where RFC 9728 metadata is published, if it is.
    metadata_url: Option<Arc<str>>,
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
    /// An extractor ran on a route without the layer: a fault of the API, not of the caller.
    #[error("this server is set up wrongly")]
    NoLayer,
}

impl Refusal {
    pub(crate) fn new(reason: impl Into<Reason>, metadata_url: Option<Arc<str>>) -> Self {
        Self { reason: reason.into(), metadata_url }
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
            Reason::NoLayer => Some(ErrorCode::ServerError),
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        // RFC 9449 §7.1: at an API a wrong proof is a matter of authentication, as a wrong token is.
        let code = self.code().filter(|code| *code != ErrorCode::InvalidDpopProof).unwrap_or(ErrorCode::InvalidToken);
        StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The `WWW-Authenticate` header; none where no other token would help.
    pub fn challenge(&self) -> Option<HeaderValue> {
        let is_about_proof = matches!(self.reason, Reason::Token(error) if error.is_about_proof());
        let mut challenge = Challenge::of(if is_about_proof { "DPoP" } else { "Bearer" });
        match &self.reason {
            Reason::NoLayer
            | Reason::Token(
                TokenError::KeysUnavailable { .. } | TokenError::IntrospectionUnavailable | TokenError::ReplaysUnknown,
            ) => {
                return None;
            }
            // RFC 6750 §3.1: without any authentication information, no error code.
            Reason::Token(TokenError::Missing) => {}
            Reason::Token(_) | Reason::Shortfall(_) => {
                challenge.parameter("error", self.code().map_or("", ErrorCode::as_str));
                challenge.parameter("error_description", &self.reason.to_string());
            }
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
            Reason::Shortfall(Shortfall::Role) | Reason::Token(_) | Reason::NoLayer => {}
        }
        if let Some(url) = &self.metadata_url {
            challenge.parameter("resource_metadata", url);
        }
        if is_about_proof {
            challenge.parameter("algs", &algorithms());
        }
        HeaderValue::from_str(&challenge.text).ok()
    }

    /// The other way to send a token, for a client that sent none.
    fn other_challenge(&self) -> Option<HeaderValue> {
        if self.reason != Reason::Token(TokenError::Missing) {
            return None;
        }
        let mut challenge = Challenge::of("DPoP");
        challenge.parameter("algs", &algorithms());
        HeaderValue::from_str(&challenge.text).ok()
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.reason.fmt(f)
    }
}

impl std::error::Error for Refusal {}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = match self.code() {
            Some(code) => {
                Json(json!({ "error": code.as_str(), "error_description": self.reason.to_string() })).into_response()
            }
            None => ().into_response(),
        };
        *response.status_mut() = self.status();
        if let Some(challenge) = self.challenge() {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(challenge) = self.other_challenge() {
            response.headers_mut().append(WWW_AUTHENTICATE, challenge);
        }
        let retry_after = match self.reason {
            Reason::Token(TokenError::KeysUnavailable { retry_after }) => Some(retry_after),
            Reason::Token(TokenError::ReplaysUnknown | TokenError::IntrospectionUnavailable) => Some(1),
            Reason::Token(_) | Reason::Shortfall(_) | Reason::NoLayer => None,
        };
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
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
