//! JSON bodies, read so that nothing in them is ambiguous.

use axum::{
    extract::{FromRequest, Request},
    http::{StatusCode, header},
};
use countersign_jose::{FormatError, read_object};
use serde_json::{Map, Value};

use super::form::{FormError, read_body};

/// The largest object, in bytes.
const MAX_OBJECT_BYTES: usize = 32 * 1024;

/// Why an object cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// Not JSON by its own account.
    MediaType,
    /// Too large.
    TooLarge,
    /// Broken off, or too slow.
    Incomplete,
    /// Not one object, a member that is there twice, or too deep.
    Object(FormatError),
}

impl JsonError {
    /// The status of a direct answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Incomplete => StatusCode::REQUEST_TIMEOUT,
            Self::Object(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// In words for the client's developer.
    pub fn description(self) -> &'static str {
        match self {
            Self::MediaType => "send the metadata as application/json",
            Self::TooLarge => "the body is longer than 32 KiB",
            Self::Incomplete => "the body did not arrive in time",
            Self::Object(FormatError::DuplicateMember) => "a member is there more than once",
            Self::Object(FormatError::TooDeep) => "the JSON nests too deep",
            Self::Object(_) => "the body is not a JSON object",
        }
    }
}

/// The JSON object of a body. What is wrong with it is for the endpoint to answer in its own form.
#[derive(Debug)]
pub struct JsonObject(pub Result<Map<String, Value>, JsonError>);

impl<S: Send + Sync> FromRequest<S> for JsonObject {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(read(request).await))
    }
}

async fn read(request: Request) -> Result<Map<String, Value>, JsonError> {
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let is_json = essence.eq_ignore_ascii_case("application/json");
    let body = read_body(request).await.map_err(|error| match error {
        FormError::TooLarge => JsonError::TooLarge,
        FormError::Incomplete
        | FormError::Encoding
        | FormError::Nul
        | FormError::TooMany
        | FormError::Repeated
        | FormError::MediaType => JsonError::Incomplete,
    })?;
    if !is_json {
        return Err(JsonError::MediaType);
    }
    if body.len() > MAX_OBJECT_BYTES {
        return Err(JsonError::TooLarge);
    }
    read_object(&body).map_err(JsonError::Object)
}
