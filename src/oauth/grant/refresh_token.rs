//! `refresh_token`: new tokens without the person (RFC 6749 §6, RFC 9700 §4.14).

use chrono::{DateTime, Utc};
use countersign_types::{ErrorCode, GrantId, ScopeSet};

use super::TokenRequest;
use crate::{
    domain::{
        api::OPENID,
        client::Client,
        event::{AuditEntry, Event},
        grant::PersonGrant,
        token::{Digest, RefreshTokenState},
    },
    oauth::{
        error::OAuthError,
        issue::{IdTokenClaims, Mint, Order, TokenResponse},
        machine::{self, CleanRequest, Stored},
    },
    relying_party::Lock,
    store::{
        Tx, audit,
        group_commit::{Applied, Effect, Outcome},
        refresh_token::{self, StoredRefreshToken},
    },
};

/// The scope of the new tokens: what was granted, less what the client may no longer ask for, less what it left out.
fn narrow(
    token: &StoredRefreshToken,
    client: &Client,
    refresh_token: &str,
    asked: Option<&str>,
) -> Result<ScopeSet, OAuthError> {
    let invalid_scope = || OAuthError::new(ErrorCode::InvalidScope, "scope asks for more than was granted");
    let allowed = token.grant.scope.filter(|scope| client.metadata.scope.contains(scope.as_str()));
    let asked = asked.map(str::parse::<ScopeSet>).transpose().map_err(|_| invalid_scope())?;
    let asked = asked.map(|asked| asked.to_string());
    let request = CleanRequest {
        client_id: client.id.as_str(),
        scope: asked.as_deref(),
        refresh_token: Some(refresh_token),
        ..CleanRequest::default()
    };
    let stored = Stored {
        user: token.grant.person().map_or("", |person| person.user.as_str()),
        client_id: token.grant.client.as_str(),
        scope: &allowed,
        redirect_uri: "",
        code_challenge: None,
    };
    machine::refresh(&request, &stored).map_err(|stopped| match stopped.0 {
        ErrorCode::InvalidScope => invalid_scope(),
        ErrorCode::InvalidGrant => OAuthError::invalid_grant("the refresh token was issued to another client"),
        _ => OAuthError::invalid_request("the refresh request is malformed"),
    })
}

/// Exchanges a refresh token for new tokens.
pub(in crate::oauth) async fn exchange(request: &TokenRequest<'_>) -> Result<TokenResponse, OAuthError> {
    const UNKNOWN: &str = "the refresh token is unknown, revoked or has expired";
    let (app, client, form) = (request.app, &request.client, request.form);
    let presented = form.get("refresh_token").ok_or_else(|| OAuthError::invalid_request("refresh_token is missing"))?;
    let now = app.clock.now();
    let digest = Digest::of(presented);

    let token = refresh_token::find(&mut app.store.read().await?, &digest).await?;
    let token =
        token.filter(|token| token.grant.client == client.id).ok_or_else(|| OAuthError::invalid_grant(UNKNOWN))?;
    let person = token.grant.person().ok_or_else(|| OAuthError::invalid_grant(UNKNOWN))?;
    // RFC 9449 §5: before anything else, so that who does not hold the key changes nothing.
    match (token.grant.bound_to(), request.proven.as_deref()) {
        (Some(_), None) => {
            let description = "this refresh token is bound to a key: send a DPoP proof by it";
            return Err(OAuthError::new(ErrorCode::InvalidDpopProof, description));
        }
        (Some(bound), Some(proven)) if bound != proven => {
            return Err(OAuthError::invalid_grant(
                "the refresh token is bound to another key than that of the DPoP proof",
            ));
        }
        (Some(_), Some(_)) | (None, _) => {}
    }
    let state = token.times.state(now, app.settings.refresh.grace);
    match state {
        RefreshTokenState::Live | RefreshTokenState::Grace => {}
        RefreshTokenState::Replayed => return Err(replayed(request, person, now).await),
        RefreshTokenState::Expired => return Err(OAuthError::invalid_grant(UNKNOWN)),
    }
    let ends_by = token.standing.access_ends_at(&app.session_lifetimes(), now).map_err(OAuthError::invalid_grant)?;
    let scope = narrow(&token, client, presented, form.get("scope"))?;

    let apis = app.store.apis().await?;
    let order = Order {
        grant: &token.grant,
        client,
        scope: scope.clone(),
        nonce: None,
        roles: token.standing.roles.clone(),
        person: IdTokenClaims::of_grant(app, client, &token.grant).await?,
        lock: if scope.contains(OPENID) { Lock::for_id_token(app, client).await? } else { None },
        confirmation: request.confirmation(),
        ends_by: Some(ends_by),
    };
    let response = Mint { app, issuer: request.issuer, apis: &apis, now }.response(&order)?;

    let event = Event::TokenRefreshed { token: response.access.id.clone(), scope };
    let idle_until = now + app.settings.lifetimes.refresh_idle;
    let rotates = client.rotates_refresh_tokens() && token.grant.bound_to().is_none();
    let successor = rotates.then(|| app.random.secret());
    let effect = Refreshed {
        token: digest,
        step: match (&successor, state) {
            (None, _) => Step::Prolong,
            (Some(successor), RefreshTokenState::Grace) => Step::Replace(successor.digest()),
            (Some(successor), _) => Step::Rotate(successor.digest()),
        },
        idle_until,
        entry: request.entry(person, event),
        grant: person.id.clone(),
        now,
    };
    match app.store.apply(effect).await? {
        Outcome::Done => {}
        // Another request with the same token was faster: there are two holders.
        Outcome::TooLate => return Err(replayed(request, person, now).await),
    }
    Ok(match &successor {
        Some(successor) => response.with_refresh_token(successor),
        None => response.with_same_refresh_token(presented),
    })
}

/// What a refresh writes.
struct Refreshed {
    token: Digest,
    step: Step,
    idle_until: DateTime<Utc>,
    entry: AuditEntry,
    grant: GrantId,
    now: DateTime<Utc>,
}

/// What becomes of the token.
enum Step {
    /// It stays, for longer.
    Prolong,
    /// It is spent, and its successor takes its place.
    Rotate(Digest),
    /// It was spent already, and the answer may have been lost: its successor is another one now, if the first is still unused.
    Replace(Digest),
}

impl Effect for Refreshed {
    fn apply<'a>(&'a self, tx: &'a mut Tx) -> Applied<'a> {
        Box::pin(async move {
            let (is_first, successor) = match &self.step {
                Step::Prolong => {
                    refresh_token::prolong(tx, &self.token, self.idle_until).await?;
                    (true, None)
                }
                Step::Rotate(successor) => (refresh_token::spend(tx, &self.token, self.now).await?, Some(successor)),
                Step::Replace(successor) => {
                    (refresh_token::spend_unused_successor(tx, &self.token, self.now).await?, Some(successor))
                }
            };
            if !is_first {
                return Ok(Outcome::TooLate);
            }
            if let Some(successor) = successor {
                let (parent, grant) = (Some(&self.token), &self.grant);
                refresh_token::insert(tx, successor, grant, parent, self.now, self.idle_until).await?;
            }
            audit::record(tx, &self.entry, self.now).await?;
            Ok(Outcome::Done)
        })
    }
}

/// RFC 9700 §4.14.2: of two holders of a token one is a thief, so the family dies with all its access tokens.
async fn replayed(request: &TokenRequest<'_>, person: &PersonGrant, now: DateTime<Utc>) -> OAuthError {
    match request.revoke_replayed(person, Event::RefreshTokenReplayed, now).await {
        Ok(()) => OAuthError::invalid_grant("the refresh token was used before; all tokens of its family are revoked"),
        Err(error) => error,
    }
}
