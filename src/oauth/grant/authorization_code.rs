//! `authorization_code`: a code for tokens (RFC 6749 §4.1.3, RFC 7636 §4.5).

use chrono::{DateTime, Utc};
use countersign_types::{ErrorCode, GrantId, GrantType};

use super::TokenRequest;
use crate::{
    domain::{
        api::OPENID,
        client::Client,
        event::{AuditEntry, Event},
        grant::PersonGrant,
        token::{Digest, Secret},
    },
    oauth::{
        error::OAuthError,
        issue::{IdTokenClaims, Mint, Order, TokenResponse},
        machine::{self, CleanRequest, Stored},
    },
    relying_party::Lock,
    store::{
        Tx, audit,
        code::{self, StoredCode},
        group_commit::{Applied, Effect, Outcome},
        person_grant, refresh_token,
    },
};

/// What the client sent.
struct Exchange<'a> {
    code: &'a str,
    redirect_uri: Option<&'a str>,
    code_verifier: Option<&'a str>,
}

impl<'a> Exchange<'a> {
    fn parse(request: &'a TokenRequest<'_>) -> Result<Self, OAuthError> {
        let form = request.form;
        Ok(Self {
            code: form.get("code").ok_or_else(|| OAuthError::invalid_request("code is missing"))?,
            redirect_uri: form.get("redirect_uri"),
            code_verifier: form.get("code_verifier"),
        })
    }
}

/// RFC 7636 §4.1.
fn is_code_verifier(text: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}

/// What comes of a try with a code.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It is good.
    Exchange,
    /// It was spent before, by a request that was right as well: everything that came of it must die.
    Replayed,
    /// It is not good for this request. It stays good for the right one.
    Refused(&'static str),
}

fn decide(
    exchange: &Exchange<'_>,
    code: &StoredCode,
    (client, proven): (&Client, Option<&str>),
    now: DateTime<Utc>,
) -> Verdict {
    let binding = &code.binding;
    if code.grant.client != client.id {
        return Verdict::Refused("the code was issued to another client");
    }
    // RFC 6749 §4.1.3: the same redirect_uri, as an exact string, if the authorization request had one.
    match exchange.redirect_uri {
        Some(redirect_uri) if redirect_uri != binding.redirect_uri => {
            return Verdict::Refused("redirect_uri is not the one of the authorization request");
        }
        None if binding.redirect_uri_sent => return Verdict::Refused("redirect_uri is missing"),
        Some(_) | None => {}
    }
    match (&binding.code_challenge, exchange.code_verifier) {
        (Some(_), None) => return Verdict::Refused("code_verifier is missing"),
        // RFC 9700 §4.8.2: a verifier without a challenge is a downgrade.
        (None, Some(_)) => return Verdict::Refused("code_verifier was sent, but no code_challenge before it"),
        // RFC 7636 §4.6: no challenge was made of it, so the values are not equal.
        (Some(_), Some(verifier)) if !is_code_verifier(verifier) => {
            return Verdict::Refused("code_verifier must be 43 to 128 unreserved characters");
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    // RFC 9449 §10: whoever stole the code does not hold the key.
    match (&binding.dpop_jkt, proven) {
        (Some(_), None) => return Verdict::Refused("a DPoP proof by the key of dpop_jkt is missing"),
        (Some(asked), Some(proven)) if asked != proven => {
            return Verdict::Refused("the DPoP proof is by another key than that of dpop_jkt");
        }
        (Some(_), Some(_)) | (None, _) => {}
    }
    if code.used_at.is_none() && now >= binding.expires_at {
        return Verdict::Refused("the code has expired");
    }
    if let Err(stopped) = run_machine(exchange, code, client) {
        return Verdict::Refused(match stopped {
            ErrorCode::InvalidGrant => "code_verifier does not match the code_challenge",
            _ => "the code is not good for this request",
        });
    }
    if code.used_at.is_some() { Verdict::Replayed } else { Verdict::Exchange }
}

fn run_machine(exchange: &Exchange<'_>, code: &StoredCode, client: &Client) -> Result<(), ErrorCode> {
    let request = CleanRequest {
        client_id: client.id.as_str(),
        redirect_uri: &code.binding.redirect_uri,
        code: Some(exchange.code),
        code_verifier: exchange.code_verifier,
        ..CleanRequest::default()
    };
    let stored = Stored {
        user: code.grant.person().map_or("", |person| person.user.as_str()),
        client_id: code.grant.client.as_str(),
        scope: &code.grant.scope,
        redirect_uri: &code.binding.redirect_uri,
        code_challenge: code.binding.code_challenge.as_deref(),
    };
    machine::access_token(&request, &stored).map(drop).map_err(|stopped| stopped.0)
}

/// Exchanges a code for tokens.
pub(in crate::oauth) async fn exchange(request: &TokenRequest<'_>) -> Result<TokenResponse, OAuthError> {
    const UNKNOWN: &str = "the code is unknown, was used before or has expired";
    let exchange = Exchange::parse(request)?;
    let (app, client) = (request.app, &request.client);
    let now = app.clock.now();
    let digest = Digest::of(exchange.code);

    let code = code::find(&mut app.store.read().await?, &digest).await?;
    let code = code.ok_or_else(|| OAuthError::invalid_grant(UNKNOWN))?;
    let person = code.grant.person().ok_or_else(|| OAuthError::invalid_grant(UNKNOWN))?;
    match decide(&exchange, &code, (client, request.proven.as_deref()), now) {
        Verdict::Exchange => {}
        Verdict::Replayed => return Err(replayed(request, person, now).await),
        Verdict::Refused(description) => return Err(OAuthError::invalid_grant(description)),
    }
    let ends_by = code.standing.access_ends_at(&app.session_lifetimes(), now).map_err(OAuthError::invalid_grant)?;

    let apis = app.store.apis().await?;
    // What the client may no longer ask for, it does not get either.
    let scope = code.grant.scope.filter(|scope| client.metadata.scope.contains(scope.as_str()));
    let order = Order {
        grant: &code.grant,
        client,
        scope: scope.clone(),
        nonce: code.binding.nonce.as_deref(),
        roles: code.standing.roles.clone(),
        person: IdTokenClaims::of_grant(app, client, &code.grant).await?,
        lock: if scope.contains(OPENID) { Lock::for_id_token(app, client).await? } else { None },
        confirmation: request.confirmation(),
        ends_by: Some(ends_by),
    };
    let mut response = Mint { app, issuer: request.issuer, apis: &apis, now }.response(&order)?;

    let event = Event::CodeExchanged { token: response.access.id.clone(), scope };
    let refresh_token = client.may_use(GrantType::RefreshToken).then(|| app.random.secret());
    let effect = Exchanged {
        code: digest,
        refresh_token: refresh_token.as_ref().map(Secret::digest),
        idle_until: now + app.settings.lifetimes.refresh_idle,
        entry: request.entry(person, event),
        grant: person.id.clone(),
        // Those of others are of no use without the client's own secret or key.
        bind: request.proven.clone().filter(|_| client.is_public()),
        now,
    };
    match app.store.apply(effect).await? {
        Outcome::Done => {}
        // Another request with the same right answers was faster.
        Outcome::TooLate => return Err(replayed(request, person, now).await),
    }
    if let Some(refresh_token) = &refresh_token {
        response = response.with_refresh_token(refresh_token);
    }
    Ok(response)
}

/// What an exchange writes: the code is spent, and what came of it begins.
struct Exchanged {
    code: Digest,
    refresh_token: Option<Digest>,
    idle_until: DateTime<Utc>,
    entry: AuditEntry,
    grant: GrantId,
    /// The thumbprint of the key that refresh tokens are bound to from now on.
    bind: Option<String>,
    now: DateTime<Utc>,
}

impl Effect for Exchanged {
    fn apply<'a>(&'a self, tx: &'a mut Tx) -> Applied<'a> {
        Box::pin(async move {
            if !code::spend(tx, &self.code, self.now).await? {
                return Ok(Outcome::TooLate);
            }
            if let Some(jkt) = &self.bind {
                person_grant::bind(tx, &self.grant, jkt).await?;
            }
            if let Some(token) = &self.refresh_token {
                refresh_token::insert(tx, token, &self.grant, None, self.now, self.idle_until).await?;
            }
            audit::record(tx, &self.entry, self.now).await?;
            Ok(Outcome::Done)
        })
    }
}

/// RFC 6749 §4.1.2: a code that is used twice takes everything down that came of it.
async fn replayed(request: &TokenRequest<'_>, person: &PersonGrant, now: DateTime<Utc>) -> OAuthError {
    match request.revoke_replayed(person, Event::CodeReplayed, now).await {
        Ok(()) => OAuthError::invalid_grant("the code was used before; all tokens that came of it are revoked"),
        Err(error) => error,
    }
}
