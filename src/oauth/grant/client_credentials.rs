//! `client_credentials`: a client on its own behalf (RFC 6749 §4.4).

use countersign_types::{ErrorCode, ScopeSet};
use serde_json::Map;

use super::TokenRequest;
use crate::{
    domain::{
        event::{AuditEntry, Event},
        grant::{Grant, Subject},
    },
    oauth::{
        client_auth,
        error::OAuthError,
        issue::{Mint, Order, TokenResponse},
        machine::{self, CleanRequest},
    },
    store,
};

/// Issues a token to a client for itself.
pub(in crate::oauth) async fn exchange(request: &TokenRequest<'_>) -> Result<TokenResponse, OAuthError> {
    let (app, client) = (request.app, &request.client);
    client_auth::require_confidential(client)?;
    let asked = request.form.get("scope").and_then(|scope| scope.parse().ok()).unwrap_or_default();
    let apis = app.store.apis_for(&asked).await?;

    // Scopes of ours are about a person, and there is none.
    let allowed = client.metadata.scope.filter(|scope| !apis.is_ours(scope) && apis.knows(scope));
    let negotiate = |asked: Option<ScopeSet>| match asked {
        None => Ok(allowed.clone()),
        Some(asked) if asked.is_subset(&allowed) => Ok(asked),
        Some(_) => Err(ErrorCode::InvalidScope),
    };
    let clean =
        CleanRequest { client_id: client.id.as_str(), scope: request.form.get("scope"), ..CleanRequest::default() };
    // A client without any scope gets a token that says who it is, and opens nothing.
    let scope = if allowed.is_empty() && clean.scope.is_none() {
        ScopeSet::default()
    } else {
        machine::client_credentials(&clean, negotiate).map_err(|stopped| match stopped.0 {
            ErrorCode::ServerError => OAuthError::broken(&std::io::Error::other("the state machine stopped")),
            _ => OAuthError::new(
                ErrorCode::InvalidScope,
                "scope names what this client may not ask for on its own behalf",
            ),
        })?
    };

    let grant = Grant { client: client.id.clone(), scope, subject: Subject::Client, confirmation: None };
    let order = Order {
        grant: &grant,
        client,
        scope: grant.scope.clone(),
        nonce: None,
        roles: Vec::new(),
        person: Map::new(),
        lock: None,
        confirmation: request.confirmation(),
        ends_by: None,
    };
    let mint = Mint { app, issuer: request.issuer, apis: &apis, now: app.clock.now() };
    let response = mint.response(&order)?;

    if client.is_unused() {
        let mut tx = app.store.write().await?;
        store::client::use_first(&mut tx, &client.id, app.clock.now()).await?;
        tx.commit().await?;
    }
    let event = Event::ClientTokenIssued { token: response.access.id.clone(), scope: grant.scope };
    app.store.record_alone(&AuditEntry::new(event).client(&client.id).personal(request.device.personal())).await?;
    Ok(response)
}
