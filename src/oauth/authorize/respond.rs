//! Answers to the client, through the person's browser (RFC 6749 §4.1.2).

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign_types::ErrorCode;
use url::form_urlencoded::Serializer;

use crate::{app::Issuer, domain::authorization::ResponseMode, domain::token::Secret, http::error_page::ErrorPage};

/// An answer, and where it goes.
#[derive(Debug)]
pub(super) struct Answer {
    redirect_uri: String,
    response_mode: ResponseMode,
    state: Option<String>,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    Code(Secret),
    Error(ErrorCode, &'static str),
}

impl Answer {
    /// A code.
    pub(super) fn code(redirect_uri: String, response_mode: ResponseMode, state: Option<String>, code: Secret) -> Self {
        Self { redirect_uri, response_mode, state, outcome: Outcome::Code(code) }
    }

    /// An error, with words for the client's developer.
    pub(super) fn error(
        redirect_uri: String,
        response_mode: ResponseMode,
        state: Option<String>,
        code: ErrorCode,
        description: &'static str,
    ) -> Self {
        Self { redirect_uri, response_mode, state, outcome: Outcome::Error(code, description) }
    }

    /// The redirect. `state` goes back untouched, and `iss` says who answers (RFC 9207 §2).
    pub(super) fn send(self, issuer: &Issuer) -> Response {
        let mut parameters = Serializer::new(String::new());
        match &self.outcome {
            Outcome::Code(code) => drop(parameters.append_pair("code", code.expose())),
            Outcome::Error(code, description) => {
                parameters.append_pair("error", code.as_str()).append_pair("error_description", description);
            }
        }
        if let Some(state) = &self.state {
            parameters.append_pair("state", state);
        }
        parameters.append_pair("iss", &issuer.url);
        redirect(&append(&self.redirect_uri, self.response_mode, &parameters.finish()))
    }
}

/// The registered URI with the answer's parameters, otherwise to the letter as the client wrote it.
fn append(redirect_uri: &str, response_mode: ResponseMode, parameters: &str) -> String {
    let separator = match response_mode {
        ResponseMode::Fragment => '#',
        ResponseMode::Query if redirect_uri.contains('?') => '&',
        ResponseMode::Query => '?',
    };
    format!("{redirect_uri}{separator}{parameters}")
}

/// 303, so that a browser never sends a form on to the client (RFC 9700 §4.12).
fn redirect(location: &str) -> Response {
    match HeaderValue::try_from(location) {
        Ok(location) => {
            let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        // Registered URIs are ASCII, and parameters are encoded.
        Err(error) => ErrorPage::broken(&error).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registered_uri_stays_as_it_is() {
        let query = |uri| append(uri, ResponseMode::Query, "code=1");
        assert_eq!(query("https://app.example/cb"), "https://app.example/cb?code=1");
        assert_eq!(query("https://app.example/cb?a=%20b"), "https://app.example/cb?a=%20b&code=1");
        assert_eq!(query("com.example.app:/cb"), "com.example.app:/cb?code=1");
        assert_eq!(append("https://app.example/cb", ResponseMode::Fragment, "code=1"), "https://app.example/cb#code=1");
    }
}
