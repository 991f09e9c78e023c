//! The token endpoint (RFC 6749 §3.2).

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
};
use countersign_types::{ErrorCode, GrantType};

use super::{
    dpop::{self, At},
    entry::{Entry, enter},
    error::{OAuthError, no_store},
    grant::{TokenRequest, authorization_code, client_credentials, refresh_token},
};
use crate::{
    domain::rate::Endpoint,
    http::{cors, form::Form, state::AppState, visitor::Caller},
};

/// `POST /token`
pub async fn post(
    State(state): State<AppState>,
    Caller(device): Caller,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    let (app, issuer) = (&*state.app, &*state.issuer);
    let Entry { sent, client, rate } = enter(&state, Endpoint::Token, &device, &headers, form).await;
    let outcome = async {
        let (client, form) = sent?;
        let at = At { method: &Method::POST, path: "/token", access_token: None };
        let proven = dpop::prove(app, issuer, &headers, at).await?;
        if client.metadata.dpop_bound_access_tokens && proven.is_none() {
            return Err(OAuthError::new(ErrorCode::InvalidDpopProof, "this client must send a DPoP proof"));
        }
        let request = TokenRequest { app, issuer, client, form: &form, device: &device, proven };
        let name = form.get("grant_type").ok_or_else(|| OAuthError::invalid_request("grant_type is missing"))?;
        let grant_type: GrantType = name
            .parse()
            .map_err(|_| OAuthError::new(ErrorCode::UnsupportedGrantType, "this grant_type is not known here"))?;
        if !request.client.may_use(grant_type) {
            return Err(OAuthError::new(ErrorCode::UnauthorizedClient, "the client did not register this grant_type"));
        }
        match grant_type {
            GrantType::AuthorizationCode => authorization_code::exchange(&request).await,
            GrantType::RefreshToken => refresh_token::exchange(&request).await,
            GrantType::ClientCredentials => client_credentials::exchange(&request).await,
            // OpenID Connect Core §3.2: the authorization endpoint alone gives these tokens.
            GrantType::Implicit => {
                Err(OAuthError::new(ErrorCode::UnsupportedGrantType, "implicit tokens do not come from here"))
            }
        }
    }
    .await;
    let cors = cors::answer(app, &headers, client.as_deref());
    let nonce = dpop::next_nonce(app, &headers);
    match outcome {
        Ok(response) => (no_store(), cors, rate, nonce, Json(response)).into_response(),
        Err(error) => (cors, rate, nonce, error).into_response(),
    }
}

/// `OPTIONS /token`
pub async fn preflight(State(state): State<AppState>, headers: HeaderMap) -> Response {
    match cors::preflight(&state.app, &headers, &[Method::POST]).await {
        Ok(cors) => (StatusCode::NO_CONTENT, cors).into_response(),
        Err(error) => OAuthError::from(error).into_response(),
    }
}
