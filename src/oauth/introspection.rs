//! The introspection endpoint (RFC 7662).

use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{
    bearer, client_auth,
    entry::{Entry, enter},
    error::{OAuthError, no_store},
};
use crate::{
    app::{App, Issuer},
    domain::{
        client::{Client, SubjectType},
        rate::Endpoint,
        token::{Digest, RefreshTokenState},
    },
    http::{form::Form, state::AppState, visitor::Caller},
    store::{StoreError, refresh_token},
};

/// `POST /introspect`
pub async fn post(
    State(state): State<AppState>,
    Caller(device): Caller,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    let (app, issuer) = (&*state.app, &*state.issuer);
    let Entry { sent, rate, .. } = enter(&state, Endpoint::Introspection, &device, &headers, form).await;
    let outcome = async {
        let (client, form) = sent?;
        client_auth::require_confidential(&client)?;
        let token = form.get("token").ok_or_else(|| OAuthError::invalid_request("token is missing"))?;
        let now = app.clock.now();
        // Told apart by their form; `token_type_hint` could only be wrong.
        let claims = match access_token(app, issuer, &client, token).await? {
            Some(claims) => Some(claims),
            None => refresh_token(app, issuer, &client, token, now).await?,
        };
        Ok::<_, OAuthError>(claims)
    };
    match outcome.await {
        Ok(Some(mut claims)) => {
            claims.insert("active".to_owned(), true.into());
            (no_store(), rate, Json(claims)).into_response()
        }
        // RFC 7662 §2.2: of a token that is unknown, dead or not the caller's business nothing else is said.
        Ok(None) => (no_store(), rate, Json(json!({ "active": false }))).into_response(),
        Err(error) => (rate, error).into_response(),
    }
}

async fn access_token(
    app: &App,
    issuer: &Issuer,
    caller: &Client,
    token: &str,
) -> Result<Option<Map<String, Value>>, StoreError> {
    let Ok(live) = bearer::find(app, issuer, token).await? else { return Ok(None) };
    let claims = &live.claims;
    let is_own = claims.client_id == caller.id;
    if !is_own && !app.store.apis().await?.speaks_for(&caller.id, &claims.aud) {
        return Ok(None);
    }
    let Ok(Value::Object(mut answer)) = serde_json::to_value(claims) else { return Ok(None) };
    let token_type = if claims.cnf.is_some() { "DPoP" } else { "Bearer" };
    answer.insert("token_type".to_owned(), token_type.into());
    // OpenID Connect Core §8.1: by it two apps could find out that they have the same person.
    let tells_name = live.client.metadata.subject_type == SubjectType::Public;
    if let Some(username) = live.person.as_ref().and_then(|person| person.user.username.clone()).filter(|_| tells_name)
    {
        answer.insert("username".to_owned(), username.into());
    }
    Ok(Some(answer))
}

async fn refresh_token(
    app: &App,
    issuer: &Issuer,
    caller: &Client,
    token: &str,
    now: DateTime<Utc>,
) -> Result<Option<Map<String, Value>>, StoreError> {
    let found = refresh_token::find(&mut app.store.read().await?, &Digest::of(token)).await?;
    let Some(found) = found.filter(|found| found.grant.client == caller.id) else { return Ok(None) };
    let Some(person) = found.grant.person() else { return Ok(None) };
    let is_live = match found.times.state(now, app.settings.refresh.grace) {
        RefreshTokenState::Live => found.standing.access_ends_at(&app.session_lifetimes(), now).is_ok(),
        // A spent one may be good for a client that lost the answer, and for nobody else.
        RefreshTokenState::Grace | RefreshTokenState::Expired | RefreshTokenState::Replayed => false,
    };
    let expires_at = found.times.idle_until.min(found.times.ends_at);
    let answer = json!({
        "iss": issuer.url,
        "sub": issuer.sub(caller, &person.user),
        "client_id": found.grant.client,
        "scope": found.grant.scope,
        "gid": person.id,
        "sid": issuer.sid(caller, &person.session),
        "exp": expires_at.timestamp(),
    });
    match answer {
        Value::Object(answer) if is_live => Ok(Some(answer)),
        _ => Ok(None),
    }
}
