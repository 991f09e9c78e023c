//! Every answer that is not a success: `{"error", "error_description"}`.

use axum::{
    Json,
    extract::rejection::{JsonRejection, PathRejection, QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use countersign_resource_server::Refusal;
use serde_json::json;

use crate::{entry::InvalidEntry, vault::InvalidVault};

/// Why a request is not served. The texts are for the client; causes go to the log.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The token does not allow it, or the request is not signed: answered by the resource server crate, with its challenge.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The token is a client's own.
    #[error("a journal belongs to a person, and this token was issued to a client on its own behalf")]
    NotAPerson,
    /// The request is not as it should be.
    #[error("{0}")]
    Invalid(&'static str),
    /// The body of an entry is not what is kept here.
    #[error(transparent)]
    InvalidEntry(#[from] InvalidEntry),
    /// The ciphertext names another entry or revision than the request.
    #[error("{0}")]
    AnotherEntry(&'static str),
    /// The vault is not what is kept here.
    #[error(transparent)]
    InvalidVault(#[from] InvalidVault),
    /// More than [`MAX_REQUEST`](crate::api::MAX_REQUEST) bytes.
    #[error("the request is larger than 96 KiB")]
    TooLarge,
    /// Something else than JSON.
    #[error("send it as application/json")]
    NotJson,
    /// There is no such entry, or it is another person's: the answer is the same.
    #[error("there is no such entry")]
    NoEntry,
    /// The person has none yet.
    #[error("there is no vault yet: PUT /vault makes one")]
    NoVault,
    /// The id of a new entry is not new.
    #[error("there is or was an entry of this id: choose a new UUID")]
    IdUsed,
    /// The journal takes all the room that it may.
    #[error("the journal is full: delete entries, or everything")]
    Full,
    /// A change must say what it changes (RFC 6585 §3).
    #[error("{0}")]
    PreconditionRequired(&'static str),
    /// Something else is there than what the request changes (RFC 9110 §15.5.13).
    #[error("it was changed meanwhile: read it again")]
    PreconditionFailed,
    /// A cursor of a journal that was deleted.
    #[error("everything was deleted since: forget what you have and start without after")]
    Gone,
    /// No such address.
    #[error("there is nothing here; try /entries")]
    NoPage,
    /// The address knows other methods.
    #[error("this address does not answer that method")]
    Method,
    /// The database failed.
    #[error("the journal cannot be read or written at the moment")]
    Storage(#[from] sqlx::Error),
    /// A route that nobody says what it is about.
    #[error("the journal is not set up as it should be")]
    NoVisit,
}

impl ApiError {
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Refused(refusal) => (refusal.status(), refusal.code().map_or("", |code| code.as_str())),
            Self::NotAPerson => (StatusCode::FORBIDDEN, "access_denied"),
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::InvalidEntry(_) | Self::AnotherEntry(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_entry"),
            Self::InvalidVault(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_vault"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request"),
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request"),
            Self::NoEntry | Self::NoVault | Self::NoPage => (StatusCode::NOT_FOUND, "not_found"),
            Self::IdUsed => (StatusCode::CONFLICT, "conflict"),
            Self::PreconditionRequired(_) => (StatusCode::PRECONDITION_REQUIRED, "precondition_required"),
            Self::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "precondition_failed"),
            Self::Full => (StatusCode::INSUFFICIENT_STORAGE, "journal_full"),
            Self::Storage(sqlx::Error::PoolTimedOut) => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
            Self::Gone => (StatusCode::GONE, "gone"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "invalid_request"),
            Self::Storage(_) | Self::NoVisit => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(refusal) => return refusal.into_response(),
            Self::Storage(ref error) => tracing::error!(%error, "the database failed"),
            Self::NoVisit => tracing::error!("a route is not among those whose accesses are recorded; it is closed"),
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
                Self::Invalid("the JSON has other members than it must have, or others than texts in them")
            }
            JsonRejection::JsonSyntaxError(_) => Self::Invalid("the request is not valid JSON"),
            other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            _ => Self::Invalid("the request broke off"),
        }
    }
}

impl From<QueryRejection> for ApiError {
    fn from(_: QueryRejection) -> Self {
        Self::Invalid("the query has a parameter that is no number, or one twice")
    }
}

impl From<PathRejection> for ApiError {
    fn from(_: PathRejection) -> Self {
        Self::NoEntry
    }
}
