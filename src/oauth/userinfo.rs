//! The userinfo endpoint (OpenID Connect Core §5.3).

use std::{net::IpAddr, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign_types::{AccessTokenClaims, ErrorCode, claims::ID_TOKEN_TYPE};
use serde_json::Value;

use super::{
    bearer::{self, BearerOf, LiveToken, Presentation, Scheme},
    dpop::{self, At},
    entry::too_many,
    error::{OAuthError, no_store},
    issue::Mint,
};
use crate::{
    domain::{api::OPENID, client::Client, rate::Endpoint},
    http::{
        cors,
        form::{Form, FormError, Parameters},
        rate::{self, Rate},
        state::AppState,
        visitor::Caller,
    },
    relying_party::Lock,
    store::StoreError,
};

/// Why userinfo is not told.
enum UserinfoError {
    Malformed(FormError),
    Presentation(Presentation),
    /// Unknown, expired or revoked.
    Dead,
    /// Bound to a key, and presented without a right proof of it; or the other way round.
    Unproven(OAuthError),
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
                let mut response = (StatusCode::UNAUTHORIZED, no_store()).into_response();
                challenge(&mut response, "Bearer realm=\"userinfo\"");
                challenge(&mut response, &dpop_challenge(""));
                return response;
            }
            Self::Unproven(error) if error.is_ours() => return error.into_response(),
            // RFC 9449 §7.1.
            Self::Unproven(error) => {
                let wrong = format!(", error=\"{}\", error_description=\"{}\"", error.code, error.description);
                let mut response = error.unauthorized().into_response();
                challenge(&mut response, &dpop_challenge(&wrong));
                return response;
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
        let wrong = format!("Bearer realm=\"userinfo\", error=\"{code}\", error_description=\"{description}\"{scope}");
        let mut response = OAuthError::new(code, description).into_response();
        challenge(&mut response, &wrong);
        response
    }
}

fn challenge(response: &mut Response, text: &str) {
    if let Ok(challenge) = HeaderValue::try_from(text) {
        response.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
    }
}

/// By what a proof may be signed, and what was wrong with the one that came (RFC 9449 §7.1).
fn dpop_challenge(wrong: &str) -> String {
    let algorithms = dpop::ALGORITHMS.map(countersign_jose::Algorithm::name).join(" ");
    format!("DPoP realm=\"userinfo\"{wrong}, algs=\"{algorithms}\"")
}

/// `GET /userinfo`
pub async fn get(State(state): State<AppState>, Caller(device): Caller, headers: HeaderMap) -> Response {
    answer(&state, device.address, (&Method::GET, &headers), Ok(Parameters::default())).await
}

/// `POST /userinfo`
pub async fn post(
    State(state): State<AppState>,
    Caller(device): Caller,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    answer(&state, device.address, (&Method::POST, &headers), form).await
}

async fn answer(
    state: &AppState,
    address: IpAddr,
    (method, headers): (&Method, &HeaderMap),
    form: Result<Parameters, FormError>,
) -> Response {
    let found = find(state, (method, headers), form).await;
    let rate = count(state, address, &found).await;
    let found = match rate.retry_after() {
        Some(seconds) => Err((UserinfoError::TooMany(seconds), client_of(&found).cloned())),
        None => found,
    };
    let cors = cors::answer(&state.app, headers, client_of(&found).map(|client| &**client));
    let nonce = dpop::next_nonce(&state.app, headers);
    match found {
        Ok((token, person)) => match tell(state, &token, &person).await {
            Ok(told) => (no_store(), cors, rate, nonce, told).into_response(),
            Err(error) => (cors, rate, nonce, error).into_response(),
        },
        Err((error, _)) => (cors, rate, nonce, error).into_response(),
    }
}

/// What the client gets to know: as JSON, or signed or encrypted as it registered (OpenID Connect Core §5.3.2).
async fn tell(state: &AppState, token: &LiveToken, person: &BearerOf) -> Result<Response, OAuthError> {
    let (app, issuer, client) = (&*state.app, &*state.issuer, &token.client);
    let BearerOf { user, claims: asked } = person;
    let map = &app.settings.scopes;
    let mut claims = map.of(user, &token.claims.scope, &asked.locales);
    claims.extend(map.pick(user, &asked.userinfo, &client.metadata.scope));
    claims.insert("sub".to_owned(), token.claims.sub.clone().into());
    let lock = Lock::for_userinfo(app, client).await?;
    let Some(algorithm) = client.metadata.userinfo_signed_response_alg else {
        return match lock {
            None => Ok(Json(claims).into_response()),
            Some(lock) => Ok(as_jwt(lock.close(&Value::Object(claims).to_string(), None)?)),
        };
    };
    claims.insert("iss".to_owned(), issuer.url.clone().into());
    claims.insert("aud".to_owned(), client.id.as_str().into());
    let now = app.clock.now();
    claims.insert("iat".to_owned(), now.timestamp().into());
    let signed = Mint::sign_for(issuer, (algorithm, now), ID_TOKEN_TYPE, &claims)?;
    Ok(as_jwt(match lock {
        None => signed,
        Some(lock) => lock.close(&signed, Some("JWT"))?,
    }))
}

fn as_jwt(token: String) -> Response {
    ([(header::CONTENT_TYPE, "application/jwt")], token).into_response()
}

/// Counts a request under the client of a token that is good, and else under its address.
async fn count(state: &AppState, address: IpAddr, found: &Result<Found, Refused>) -> Rate {
    let client = match found {
        Ok((token, _)) => Some(&*token.client),
        Err((UserinfoError::InsufficientScope, client)) => client.as_deref(),
        // Nobody is to blame for what fails on our side.
        Err((UserinfoError::Store(_), _)) => return Rate::default(),
        Err((UserinfoError::Unproven(error), _)) if error.is_ours() => return Rate::default(),
        Err((
            UserinfoError::Malformed(_)
            | UserinfoError::Presentation(_)
            | UserinfoError::Dead
            | UserinfoError::Unproven(_)
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
type Found = (Box<LiveToken>, BearerOf);

/// Why nothing is told, and the client whose scripts may read so.
type Refused = (UserinfoError, Option<Arc<Client>>);

async fn find(
    state: &AppState,
    (method, headers): (&Method, &HeaderMap),
    form: Result<Parameters, FormError>,
) -> Result<Found, Refused> {
    let form = form.and_then(Parameters::unique).map_err(|error| (UserinfoError::Malformed(error), None))?;
    let (scheme, token) = bearer::read(headers, &form).map_err(|error| (UserinfoError::Presentation(error), None))?;
    let found = bearer::find(&state.app, &state.issuer, token).await;
    let found = found.map_err(|error| (UserinfoError::Store(error), None))?;
    let mut live = found.map(Box::new).map_err(|dead| (UserinfoError::Dead, dead.client))?;
    let at = At { method, path: "/userinfo", access_token: Some(token) };
    if let Err(error) = check_binding(state, headers, at, (scheme, &live.claims)).await {
        return Err((UserinfoError::Unproven(error), Some(live.client)));
    }
    match live.person.take() {
        Some(person) if live.claims.scope.contains(OPENID) => Ok((live, person)),
        _ => Err((UserinfoError::InsufficientScope, Some(live.client))),
    }
}

/// Whether a token is presented as it must be (RFC 9449 §7): one that is bound with a proof of its key, and no other with one.
async fn check_binding(
    state: &AppState,
    headers: &HeaderMap,
    at: At<'_>,
    (scheme, claims): (Scheme, &AccessTokenClaims),
) -> Result<(), OAuthError> {
    let wrong = |description| Err(OAuthError::new(ErrorCode::InvalidToken, description));
    let bound = match (scheme, &claims.cnf) {
        (Scheme::Bearer, None) => return Ok(()),
        (Scheme::Bearer, Some(_)) => return wrong("the access token is bound to a key: send it as DPoP, with a proof"),
        (Scheme::Dpop, None) => return wrong("the access token is not bound to a key: send it as Bearer"),
        (Scheme::Dpop, Some(confirmation)) => confirmation.jkt.as_deref(),
    };
    match dpop::prove(&state.app, &state.issuer, headers, at).await? {
        None => Err(OAuthError::new(ErrorCode::InvalidDpopProof, "the DPoP proof is missing")),
        Some(proven) if bound == Some(proven.as_str()) => Ok(()),
        Some(_) => wrong("the access token is bound to another key than that of the DPoP proof"),
    }
}

/// `OPTIONS /userinfo`
pub async fn preflight(State(state): State<AppState>, headers: HeaderMap) -> Response {
    match cors::preflight(&state.app, &headers, &[Method::GET, Method::POST]).await {
        Ok(cors) => (StatusCode::NO_CONTENT, cors).into_response(),
        Err(error) => OAuthError::from(error).into_response(),
    }
}
