//! The userinfo endpoint (OpenID Connect Core §5.3).

use std::{net::IpAddr, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign_types::ErrorCode;

use super::{
    bearer::{self, LiveToken, Presentation},
    entry::too_many,
    error::{OAuthError, no_store},
};
use crate::{
    domain::{api::OPENID, client::Client, rate::Endpoint, user::User},
    http::{
        cors,
        form::{Form, FormError, Parameters},
        rate::{self, Rate},
        state::AppState,
        visitor::Caller,
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
    /// After how many seconds it may be asked again.
    TooMany(u64),
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
            // RFC 6750 §3.1 has no code for it, and the token is none the worse.
            Self::TooMany(seconds) => return too_many(seconds).into_response(),
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
pub async fn get(State(state): State<AppState>, Caller(device): Caller, headers: HeaderMap) -> Response {
    answer(&state, device.address, &headers, Ok(Parameters::default())).await
}

/// `POST /userinfo`
pub async fn post(
    State(state): State<AppState>,
    Caller(device): Caller,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    answer(&state, device.address, &headers, form).await
}

async fn answer(
    state: &AppState,
    address: IpAddr,
    headers: &HeaderMap,
    form: Result<Parameters, FormError>,
) -> Response {
    let found = find(state, headers, form).await;
    let rate = count(state, address, &found).await;
    let found = match rate.retry_after() {
        Some(seconds) => Err((UserinfoError::TooMany(seconds), client_of(&found).cloned())),
        None => found,
    };
    let cors = cors::answer(&state.app, headers, client_of(&found).map(|client| &**client));
    match found {
        Ok((token, user)) => {
            let mut claims = user.claims_for(&token.claims.scope);
            claims.insert("sub".to_owned(), token.claims.sub.clone().into());
            (no_store(), cors, rate, Json(claims)).into_response()
        }
        Err((error, _)) => (cors, rate, error).into_response(),
    }
}

/// Counts a request under the client of a token that is good, and else under its address.
async fn count(state: &AppState, address: IpAddr, found: &Result<Found, Refused>) -> Rate {
    let client = match found {
        Ok((token, _)) => Some(&*token.client),
        Err((UserinfoError::InsufficientScope, client)) => client.as_deref(),
        // Nobody is to blame for what fails on our side.
        Err((UserinfoError::Store(_), _)) => return Rate::default(),
        Err((
            UserinfoError::Malformed(_)
            | UserinfoError::Presentation(_)
            | UserinfoError::Dead
            | UserinfoError::TooMany(_),
            _,
        )) => None,
    };
    rate::of_program(&state.app, Endpoint::Userinfo, client, address).await
}

/// Whose scripts may read the answer.
fn client_of(found: &Result<Found, Refused>) -> Option<&Arc<Client>> {
    match found {
        Ok((token, _)) => Some(&token.client),
        Err((_, client)) => client.as_ref(),
    }
}

/// A token that is good, and whose it is.
type Found = (Box<LiveToken>, User);

/// Why nothing is told, and the client whose scripts may read so.
type Refused = (UserinfoError, Option<Arc<Client>>);

async fn find(state: &AppState, headers: &HeaderMap, form: Result<Parameters, FormError>) -> Result<Found, Refused> {
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
