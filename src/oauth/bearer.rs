//! Access tokens that are presented to us (RFC 6750 §2, RFC 9449 §7.1), and whether they still open anything.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use countersign_types::AccessTokenClaims;

use crate::{
    app::{App, Issuer},
    domain::{claims::ClaimsRequest, client::Client, user::User},
    http::form::Parameters,
    jose::{Verified, verify_access_token},
    store::{StoreError, account, person_grant, revocation},
};

/// Why no token can be read from a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presentation {
    /// There is none.
    Missing,
    /// RFC 6750 §2: clients must not use more than one method.
    Ambiguous,
}

/// How a token is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Whoever has it may use it.
    Bearer,
    /// With a proof of the key that it is bound to.
    Dpop,
}

/// The token in the `Authorization` header or the form body. Never in the query, which ends up in logs (RFC 9700 §4.3.2).
pub(super) fn read<'a>(headers: &'a HeaderMap, form: &'a Parameters) -> Result<(Scheme, &'a str), Presentation> {
    let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
    let authorization = authorizations.next();
    if authorizations.next().is_some() {
        return Err(Presentation::Ambiguous);
    }
    let in_header = authorization.and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "bearer" => Scheme::Bearer,
            "dpop" => Scheme::Dpop,
            _ => return None,
        };
        Some((scheme, token.trim()))
    });
    match (in_header, form.get("access_token")) {
        (Some(presented), None) => Ok(presented),
        (None, Some(token)) => Ok((Scheme::Bearer, token)),
        (Some(_), Some(_)) => Err(Presentation::Ambiguous),
        (None, None) => Err(Presentation::Missing),
    }
}

/// A token of ours that is good, with the client and the person behind it.
#[derive(Debug)]
pub(super) struct LiveToken {
    pub(super) claims: AccessTokenClaims,
    pub(super) client: Arc<Client>,
    pub(super) person: Option<BearerOf>,
}

/// The person behind a token.
#[derive(Debug)]
pub(super) struct BearerOf {
    pub(super) user: User,
    /// What the client asked for by name.
    pub(super) claims: ClaimsRequest,
}

/// A token that opens nothing, with its client where our signature on it still tells whose it was.
#[derive(Debug)]
pub(super) struct DeadToken {
    pub(super) client: Option<Arc<Client>>,
}

/// The token as live, if it is one of ours, has not expired, and neither it nor anything that it hangs on was revoked.
pub(super) async fn find(app: &App, issuer: &Issuer, token: &str) -> Result<Result<LiveToken, DeadToken>, StoreError> {
    let unknown = Ok(Err(DeadToken { client: None }));
    let (claims, is_expired) = match verify_access_token(token, &issuer.keyring, &issuer.url, app.clock.now()) {
        Ok(Verified::Live(claims)) => (claims, false),
        Ok(Verified::Expired(claims)) => (claims, true),
        Err(_) => return unknown,
    };
    let client = app.store.client(&claims.client_id).await?;
    let Some(client) = client.filter(|client| client.enabled) else { return unknown };
    let dead = |client| Ok(Err(DeadToken { client: Some(client) }));
    if is_expired {
        return dead(client);
    }
    let mut tx = app.store.read().await?;
    let Some(grant) = &claims.gid else {
        return if revocation::is_revoked(&mut tx, &claims.jti).await? {
            dead(client)
        } else {
            Ok(Ok(LiveToken { claims, client, person: None }))
        };
    };
    let behind = person_grant::behind_token(&mut tx, grant, &claims.jti).await?;
    let Some(behind) = behind.filter(|behind| !behind.revoked) else { return dead(client) };
    match account::find(&mut tx, &behind.user).await? {
        Some(user) if user.enabled => {
            Ok(Ok(LiveToken { claims, client, person: Some(BearerOf { user, claims: behind.claims }) }))
        }
        _ => dead(client),
    }
}
