//! The userinfo endpoint (OpenID Connect Core §5.3).

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign_types::ErrorCode;

use super::{
    bearer::{self, LiveToken, Presentation},
    error::{OAuthError, no_store},
};
use crate::{
    domain::{api::OPENID, client::Client, user::User},
    http::{
        cors,
        form::{Form, FormError, Parameters},
        state::AppState,
    },
    store::StoreError,
};

/// Why userinfo is not told.
enum UserinfoError {
    Malformed(FormError),
    Presentation(Presentation),
    /// Unknown, expired or revoked.
    Dead,
    /// It lacks `openid`.
    InsufficientScope,
    Store(StoreError),
}

impl IntoResponse for UserinfoError {
    fn into_response(self) -> Response {
        // RFC 6750 §3: the challenge says what was wrong, and nothing where no token was sent.
        let (code, description) = match self {
            Self::Presentation(Presentation::Missing) => {
                let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"userinfo\"")];
                return (StatusCode::UNAUTHORIZED, no_store(), challenge).into_response();
            }
            Self::Presentation(Presentation::Ambiguous) => {
                (ErrorCode::InvalidRequest, "send the token once, in one way")
            }
            Self::Malformed(error) => return OAuthError::from(error).into_response(),
            Self::Dead => (ErrorCode::InvalidToken, "the access token is unknown, revoked or has expired"),
            Self::InsufficientScope => (ErrorCode::InsufficientScope, "the access token lacks the scope openid"),
            Self::Store(error) => return OAuthError::from(error).into_response(),
        };
        let scope = if code == ErrorCode::InsufficientScope { ", scope=\"openid\"" } else { "" };
        let challenge =
            format!("Bearer realm=\"userinfo\", error=\"{code}\", error_description=\"{description}\"{scope}");
        let mut response = OAuthError::new(code, description).into_response();
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// `GET /userinfo`
pub async fn get(State(state): State<AppState>, headers: HeaderMap) -> Response {
    answer(&state, &headers, Ok(Parameters::default())).await
}

/// `POST /userinfo`
pub async fn post(State(state): State<AppState>, headers: HeaderMap, Form(form): Form) -> Response {
    answer(&state, &headers, form).await
}

async fn answer(state: &AppState, headers: &HeaderMap, form: Result<Parameters, FormError>) -> Response {
    match find(state, headers, form).await {
        Ok((token, user)) => {
            let mut claims = user.claims_for(&token.claims.scope);
            claims.insert("sub".to_owned(), token.claims.sub.clone().into());
            let cors = cors::answer(&state.app, headers, Some(&token.client));
            (no_store(), cors, Json(claims)).into_response()
        }
        Err((error, client)) => (cors::answer(&state.app, headers, client.as_deref()), error).into_response(),
    }
}

/// Why nothing is told, and the client whose scripts may read so.
type Refused = (UserinfoError, Option<Arc<Client>>);

async fn find(
    state: &AppState,
    headers: &HeaderMap,
    form: Result<Parameters, FormError>,
) -> Result<(Box<LiveToken>, User), Refused> {
    let form = form.and_then(Parameters::unique).map_err(|error| (UserinfoError::Malformed(error), None))?;
    let token = bearer::read(headers, &form).map_err(|error| (UserinfoError::Presentation(error), None))?;
    let found = bearer::find(&state.app, &state.issuer, token).await;
    let found = found.map_err(|error| (UserinfoError::Store(error), None))?;
    let mut live = found.map(Box::new).map_err(|dead| (UserinfoError::Dead, dead.client))?;
    match live.user.take() {
        Some(user) if live.claims.scope.contains(OPENID) => Ok((live, user)),
        _ => Err((UserinfoError::InsufficientScope, Some(live.client))),
    }
}

/// `OPTIONS /userinfo`
pub async fn preflight(State(state): State<AppState>, headers: HeaderMap) -> Response {
    match cors::preflight(&state.app, &headers, &[Method::GET, Method::POST]).await {
        Ok(cors) => (StatusCode::NO_CONTENT, cors).into_response(),
        Err(error) => OAuthError::from(error).into_response(),
    }
}
