//! The revocation endpoint (RFC 7009).

use axum::{
    extract::State,
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use countersign_types::{AccessTokenClaims, ErrorCode};

use super::{
    entry::{Entry, enter},
    error::{OAuthError, no_store},
};
use crate::{
    app::App,
    domain::{
        client::Client,
        event::{AuditEntry, Event},
        rate::Endpoint,
        token::Digest,
    },
    http::{cors, form::Form, state::AppState, visitor::Caller},
    jose::{Verified, verify_access_token},
    login::Device,
    store::{audit, person_grant, refresh_token, revocation},
};

const FOREIGN: &str = "the token was issued to another client";

/// `POST /revoke`
pub async fn post(
    State(state): State<AppState>,
    Caller(device): Caller,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    let (app, issuer) = (&*state.app, &*state.issuer);
    let Entry { sent, client, rate } = enter(&state, Endpoint::Revocation, &device, &headers, form).await;
    let outcome = async {
        let (client, form) = sent?;
        let token = form.get("token").ok_or_else(|| OAuthError::invalid_request("token is missing"))?;
        let now = app.clock.now();
        match verify_access_token(token, &issuer.keyring, &issuer.url, now) {
            Ok(Verified::Live(claims)) => revoke_access_token(app, &client, &claims, &device, now).await,
            // RFC 7009 §2.2: a token that is unknown or dead already is as good as revoked.
            Ok(Verified::Expired(_)) => Ok(()),
            Err(_) => revoke_refresh_token(app, &client, &Digest::of(token), &device, now).await,
        }
    }
    .await;
    let cors = cors::answer(app, &headers, client.as_deref());
    match outcome {
        Ok(()) => (StatusCode::OK, no_store(), cors, rate, ()).into_response(),
        Err(error) => (cors, rate, error).into_response(),
    }
}

async fn revoke_access_token(
    app: &App,
    client: &Client,
    claims: &AccessTokenClaims,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<(), OAuthError> {
    if claims.client_id != client.id {
        return Err(OAuthError::new(ErrorCode::UnauthorizedClient, FOREIGN));
    }
    let until = DateTime::from_timestamp(claims.exp, 0).unwrap_or(now);
    let mut entry = AuditEntry::new(Event::TokenRevoked { token: Some(claims.jti.clone()) })
        .client(&client.id)
        .personal(device.personal());
    let mut tx = app.store.write().await?;
    if let Some(grant) = &claims.gid {
        entry = entry.grant(grant);
        if let Some(behind) = person_grant::behind_token(&mut tx, grant, &claims.jti).await? {
            entry = entry.user(&behind.user);
        }
    }
    revocation::revoke(&mut tx, revocation::Revoked::Token(&claims.jti), now, until).await?;
    audit::record(&mut tx, &entry, now).await?;
    Ok(tx.commit().await?)
}

async fn revoke_refresh_token(
    app: &App,
    client: &Client,
    digest: &Digest,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<(), OAuthError> {
    let Some(token) = refresh_token::find(&mut app.store.read().await?, digest).await? else { return Ok(()) };
    let Some(person) = token.grant.person() else { return Ok(()) };
    if token.grant.client != client.id {
        return Err(OAuthError::new(ErrorCode::UnauthorizedClient, FOREIGN));
    }
    let entry = AuditEntry::new(Event::TokenRevoked { token: None })
        .client(&client.id)
        .user(&person.user)
        .session(&person.session)
        .grant(&person.id)
        .personal(device.personal());
    // RFC 7009 §2.1: with a refresh token its family and its access tokens go.
    let mut tx = app.store.write().await?;
    revocation::revoke(&mut tx, revocation::Revoked::Grant(&person.id), now, person.ends_at).await?;
    audit::record(&mut tx, &entry, now).await?;
    Ok(tx.commit().await?)
}

/// `OPTIONS /revoke`
pub async fn preflight(State(state): State<AppState>, headers: HeaderMap) -> Response {
    match cors::preflight(&state.app, &headers, &[Method::POST]).await {
        Ok(cors) => (StatusCode::NO_CONTENT, cors).into_response(),
        Err(error) => OAuthError::from(error).into_response(),
    }
}
