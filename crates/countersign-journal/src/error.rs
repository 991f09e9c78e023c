//! Every answer that is not a success: `{"error", "error_description"}`.

use axum::{
    Json,
    extract::rejection::{JsonRejection, PathRejection, QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use countersign_resource_server::Refusal;
use serde_json::json;

/// Why a request is not served. The texts are for the client; causes go to the log.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The token does not allow it: answered by the resource server crate, with its challenge.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The token is a client's own.
    #[error("a journal belongs to a person, and this token was issued to a client on its own behalf")]
    NotAPerson,
    /// The request is not as it should be.
    #[error("{0}")]
    Invalid(String),
    /// More than [`MAX_REQUEST`](crate::api::MAX_REQUEST) bytes.
    #[error("the request is larger than 64 KiB")]
    TooLarge,
    /// Something else than JSON.
    #[error("an entry is sent as application/json")]
    NotJson,
    /// There is no such entry, or it is another person's: the answer is the same.
    #[error("there is no such entry")]
    NoEntry,
    /// No such address.
    #[error("there is nothing here; try /entries")]
    NoPage,
    /// The address knows other methods.
    #[error("this address does not answer that method")]
    Method,
    /// The database failed.
    #[error("the journal cannot be read or written at the moment")]
    Storage(#[from] sqlx::Error),
    /// OpenSSL gave no random bytes.
    #[error("the journal cannot be written at the moment")]
    Random(#[from] openssl::error::ErrorStack),
}

impl ApiError {
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Refused(refusal) => (refusal.status(), refusal.code().map_or("", |code| code.as_str())),
            Self::NotAPerson => (StatusCode::FORBIDDEN, "access_denied"),
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request"),
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request"),
            Self::NoEntry | Self::NoPage => (StatusCode::NOT_FOUND, "not_found"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "invalid_request"),
            Self::Storage(_) | Self::Random(_) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(refusal) => return refusal.into_response(),
            Self::Storage(ref error) => tracing::error!(%error, "the database failed"),
            Self::Random(ref error) => tracing::error!(%error, "no random bytes"),
            _ => {}
        }
        let (status, code) = self.status_and_code();
        (status, Json(json!({ "error": code, "error_description": self.to_string() }))).into_response()
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        match rejection {
            JsonRejection::MissingJsonContentType(_) => Self::NotJson,
            JsonRejection::JsonDataError(_) => {
                Self::Invalid("an entry has a body and perhaps a title, both texts, and nothing else".to_owned())
            }
            JsonRejection::JsonSyntaxError(_) => Self::Invalid("the request is not valid JSON".to_owned()),
            other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            _ => Self::Invalid("the request broke off".to_owned()),
        }
    }
}

impl From<QueryRejection> for ApiError {
    fn from(_: QueryRejection) -> Self {
        Self::Invalid("the query may name after (the id of an entry) and limit (1 to 100), once each".to_owned())
    }
}

impl From<PathRejection> for ApiError {
    fn from(_: PathRejection) -> Self {
        Self::NoEntry
    }
}
