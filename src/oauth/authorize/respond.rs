//! Answers to the client, through the person's browser (RFC 6749 §4.1.2).

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign_types::ErrorCode;
use url::form_urlencoded::Serializer;

use crate::{
    app::Issuer,
    domain::{
        authorization::{AuthorizationRequest, ResponseMode},
        token::Secret,
    },
    http::{error_page::ErrorPage, form_post::FormPost},
    oauth::issue::AccessToken,
};

/// An answer, and where it goes.
#[derive(Debug)]
pub(super) struct Answer {
    redirect_uri: String,
    response_mode: ResponseMode,
    state: Option<String>,
    session_state: Option<String>,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    Granted(Box<Granted>),
    Error(ErrorCode, &'static str),
}

/// What a client gets, as it asked by `response_type`.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) code: Option<Secret>,
    pub(super) access_token: Option<AccessToken>,
    pub(super) id_token: Option<IdToken>,
}

/// An ID token, which tells of a person and so shows in no log.
pub(super) struct IdToken(pub(super) String);

impl std::fmt::Debug for IdToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl Granted {
    fn parameters(self) -> Vec<(&'static str, String)> {
        let mut parameters = Vec::new();
        if let Some(code) = &self.code {
            parameters.push(("code", code.expose().to_owned()));
        }
        // RFC 6749 §4.2.2.
        if let Some(access) = self.access_token {
            parameters.push(("access_token", access.token));
            parameters.push(("token_type", access.token_type.to_owned()));
            parameters.push(("expires_in", access.expires_in.to_string()));
            parameters.push(("scope", access.scope.to_string()));
        }
        parameters.extend(self.id_token.map(|IdToken(token)| ("id_token", token)));
        parameters
    }
}

impl Answer {
    /// What was asked for.
    pub(super) fn granted(request: &AuthorizationRequest, granted: Granted) -> Self {
        Self {
            redirect_uri: request.redirect_uri.clone(),
            response_mode: request.response_mode,
            state: request.state.clone(),
            session_state: None,
            outcome: Outcome::Granted(Box::new(granted)),
        }
    }

    /// An error, with words for the client's developer.
    pub(super) fn error(
        redirect_uri: String,
        response_mode: ResponseMode,
        state: Option<String>,
        code: ErrorCode,
        description: &'static str,
    ) -> Self {
        Self { redirect_uri, response_mode, state, session_state: None, outcome: Outcome::Error(code, description) }
    }

    /// With what the client asks `check_session_iframe` by (Session Management 1.0 §2).
    pub(super) fn with_session_state(self, session_state: Option<String>) -> Self {
        Self { session_state, ..self }
    }

    /// On its way. `state` goes back untouched, and `iss` says who answers (RFC 9207 §2).
    pub(super) fn send(self, issuer: &Issuer) -> Response {
        let mut parameters = match self.outcome {
            Outcome::Granted(granted) => granted.parameters(),
            Outcome::Error(code, description) => {
                vec![("error", code.as_str().to_owned()), ("error_description", description.to_owned())]
            }
        };
        parameters.extend(self.state.map(|state| ("state", state)));
        parameters.push(("iss", issuer.url.clone()));
        parameters.extend(self.session_state.map(|session_state| ("session_state", session_state)));
        let separator = match self.response_mode {
            ResponseMode::FormPost => return FormPost::new(self.redirect_uri, parameters).into_response(),
            ResponseMode::Fragment => '#',
            ResponseMode::Query if self.redirect_uri.contains('?') => '&',
            ResponseMode::Query => '?',
        };
        redirect(&append(&self.redirect_uri, separator, &parameters))
    }
}

/// The registered URI with the answer's parameters, otherwise to the letter as the client wrote it.
fn append(redirect_uri: &str, separator: char, parameters: &[(&'static str, String)]) -> String {
    let parameters = Serializer::new(String::new()).extend_pairs(parameters).finish();
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
    #[test]
    fn the_registered_uri_stays_as_it_is() {
        let append = |uri, separator| super::append(uri, separator, &[("code", "1".to_owned())]);
        assert_eq!(append("https://app.example/cb", '?'), "https://app.example/cb?code=1");
        assert_eq!(append("https://app.example/cb?a=%20b", '&'), "https://app.example/cb?a=%20b&code=1");
        assert_eq!(append("com.example.app:/cb", '?'), "com.example.app:/cb?code=1");
        assert_eq!(append("https://app.example/cb", '#'), "https://app.example/cb#code=1");
    }
}
