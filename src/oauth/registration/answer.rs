//! What a client that registers itself is told (RFC 7591 §3.2, RFC 7592 §3).

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign_types::ErrorCode;
use serde_json::{Map, Value, json};

use crate::{
    app::Issuer,
    domain::{
        client::{
            Client,
            registration::{Refusal, describe},
        },
        token::Secret,
    },
    http::json::JsonError,
    oauth::error::{OAuthError, no_store},
    store::StoreError,
};

/// Everything that is registered of a client.
pub(super) struct Information(Map<String, Value>);

impl Information {
    /// With the token by which the client looks at this again, and its secret if it is new: of both we keep the digest alone, so the one
    /// is known only from the request, and an older secret is never shown again (RFC 7592 §3 lets it be left out).
    pub(super) fn new(issuer: &Issuer, client: &Client, token: &str, secret: Option<Secret>) -> Self {
        let mut members = describe(&client.metadata);
        members.insert("client_id".to_owned(), client.id.as_str().into());
        members.insert("client_id_issued_at".to_owned(), client.created_at.timestamp().into());
        if let Some(secret) = secret {
            members.insert("client_secret".to_owned(), secret.expose().into());
        }
        if client.secret.is_some() {
            // It does not expire.
            members.insert("client_secret_expires_at".to_owned(), 0.into());
        }
        members.insert("registration_access_token".to_owned(), token.into());
        let uri = format!("{}/register/{}", issuer.url, client.id);
        members.insert("registration_client_uri".to_owned(), uri.into());
        Self(members)
    }

    pub(super) fn created(self) -> Response {
        (StatusCode::CREATED, no_store(), Json(self.0)).into_response()
    }

    pub(super) fn shown(self) -> Response {
        (no_store(), Json(self.0)).into_response()
    }
}

/// Why nothing was registered, shown or changed.
pub(super) enum Refused {
    /// No token that opens this; `tried` if there was one. Nothing is said of what would be behind it.
    Unauthorized { tried: bool },
    /// The body cannot be read.
    Json(JsonError),
    /// Something in it cannot be.
    Metadata(Refusal),
    /// As at other endpoints.
    Other(OAuthError),
}

impl From<JsonError> for Refused {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Metadata(refusal)
    }
}

impl From<OAuthError> for Refused {
    fn from(error: OAuthError) -> Self {
        Self::Other(error)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Other(error.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Unauthorized { tried } => unauthorized(tried),
            Self::Json(error) => {
                let refusal = (ErrorCode::InvalidClientMetadata, error.description());
                (error.status(), no_store(), body(refusal.0, refusal.1)).into_response()
            }
            Self::Metadata(Refusal { code, description }) => {
                let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::BAD_REQUEST);
                (status, no_store(), body(code, &description)).into_response()
            }
            Self::Other(error) => error.into_response(),
        }
    }
}

fn unauthorized(tried: bool) -> Response {
    // RFC 6750 §3: where no token was sent, nothing is said to be wrong with it.
    let (description, challenge) = if tried {
        ("the token is not good for this", "Bearer realm=\"register\", error=\"invalid_token\"")
    } else {
        ("this needs a token in the Authorization header", "Bearer realm=\"register\"")
    };
    let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))];
    (StatusCode::UNAUTHORIZED, no_store(), challenge, body(ErrorCode::InvalidToken, description)).into_response()
}

fn body(code: ErrorCode, description: &str) -> Json<Value> {
    Json(json!({ "error": code.as_str(), "error_description": description }))
}
