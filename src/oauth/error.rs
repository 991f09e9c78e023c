//! Errors that a client is told as JSON (RFC 6749 §5.2).

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign_jose::JweError;
use countersign_types::ErrorCode;
use serde_json::json;

use crate::{
    ephemeral::GuardError,
    http::form::FormError,
    passwords::HashError,
    relying_party::{LockError, keys::KeysError},
    store::StoreError,
};

/// An error with words for the client's developer. Never a word of the database, never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OAuthError {
    pub(super) code: ErrorCode,
    pub(super) description: &'static str,
    /// The status, where it is another than the code's own.
    status: Option<StatusCode>,
    /// Whether the answer asks for HTTP Basic, because that was tried (RFC 6749 §5.2).
    challenge_basic: bool,
    /// After how many seconds another try is worth it.
    retry_after: Option<u64>,
}

impl OAuthError {
    pub(super) fn new(code: ErrorCode, description: &'static str) -> Self {
        Self { code, description, status: None, challenge_basic: false, retry_after: None }
    }

    pub(super) fn invalid_request(description: &'static str) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    pub(super) fn invalid_grant(description: &'static str) -> Self {
        Self::new(ErrorCode::InvalidGrant, description)
    }

    /// Client authentication failed; `basic` when it was tried by HTTP Basic.
    pub(super) fn invalid_client(description: &'static str, basic: bool) -> Self {
        Self { challenge_basic: basic, ..Self::new(ErrorCode::InvalidClient, description) }
    }

    /// The same where a token is asked for, and not sent by whoever got it.
    pub(super) fn unauthorized(self) -> Self {
        Self { status: Some(StatusCode::UNAUTHORIZED), ..self }
    }

    /// Not now; the same request may well succeed after this many seconds.
    pub(super) fn temporarily_unavailable(description: &'static str, retry_after: u64) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(ErrorCode::TemporarilyUnavailable, description) }
    }

    /// Too many tries. The codes of RFC 6749 have no better word; the status (RFC 6585 §4) says it.
    pub(super) fn too_many_tries(description: &'static str, retry_after: u64) -> Self {
        let status = Some(StatusCode::TOO_MANY_REQUESTS);
        Self { status, ..Self::temporarily_unavailable(description, retry_after) }
    }

    /// Whether it is our fault, and not that of whoever sent the request.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.code, ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable)
            && self.status != Some(StatusCode::TOO_MANY_REQUESTS)
    }

    /// Something broke on our side. What it was is for the log alone.
    pub(super) fn broken(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "a request could not be answered");
        Self::new(ErrorCode::ServerError, "something went wrong on the server; nothing was changed")
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        if !error.may_pass() {
            return Self::broken(&error);
        }
        tracing::error!(%error, "the database failed");
        Self::temporarily_unavailable("the server cannot reach its storage; nothing was changed, try again", 5)
    }
}

impl From<GuardError> for OAuthError {
    fn from(error: GuardError) -> Self {
        match error {
            GuardError::Store(error) => error.into(),
            // It was told when it began: this happens to every request until it is over.
            GuardError::Redis(_) => Self::temporarily_unavailable(
                "the server cannot tell now whether this was used before; nothing was changed, try again",
                5,
            ),
        }
    }
}

impl From<HashError> for OAuthError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::temporarily_unavailable("the server is busy; try again", 1),
            HashError::Failed(_) => Self::broken(&error),
        }
    }
}

impl From<KeysError> for OAuthError {
    fn from(error: KeysError) -> Self {
        LockError::Keys(error).into()
    }
}

impl From<LockError> for OAuthError {
    fn from(error: LockError) -> Self {
        if error.is_ours() {
            return Self::temporarily_unavailable("the client's keys cannot be fetched now; try again", 2);
        }
        tracing::info!(%error, "nothing can be encrypted for a client");
        Self::invalid_request("the client registered to have this encrypted, but no key of it fits the algorithm")
    }
}

impl From<JweError> for OAuthError {
    fn from(error: JweError) -> Self {
        Self::broken(&error)
    }
}

impl From<FormError> for OAuthError {
    fn from(error: FormError) -> Self {
        let description = match error {
            FormError::Encoding => "the parameters are not form-encoded UTF-8",
            FormError::Nul => "a parameter contains NUL",
            FormError::TooMany => "there are too many parameters",
            FormError::Repeated => "a parameter was sent more than once",
            FormError::MediaType => "send the parameters as application/x-www-form-urlencoded",
            FormError::TooLarge => "the body is too large",
            FormError::Incomplete => "the body did not arrive in time",
        };
        Self { status: Some(error.status()), ..Self::invalid_request(description) }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let own = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = Json(json!({ "error": self.code.as_str(), "error_description": self.description }));
        let mut response = (self.status.unwrap_or(own), no_store(), body).into_response();
        if self.challenge_basic {
            let challenge = HeaderValue::from_static("Basic realm=\"countersign\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// The answer to a method that an endpoint does not have.
pub async fn method_not_allowed() -> Response {
    let error = OAuthError::invalid_request("this endpoint does not answer this method");
    OAuthError { status: Some(StatusCode::METHOD_NOT_ALLOWED), ..error }.into_response()
}

/// Answers that nobody may keep (RFC 6749 §5.1).
pub(super) fn no_store() -> [(header::HeaderName, HeaderValue); 2] {
    [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::PRAGMA, HeaderValue::from_static("no-cache")),
    ]
}
