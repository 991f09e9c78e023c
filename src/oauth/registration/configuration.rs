//! `/register/{client_id}`: a client looks at its registration, changes it, or takes it back (RFC 7592).
//!
//! The token does not change: whoever has it could change the registration anyway, and an answer that gets lost would lock its client out.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use countersign_types::ClientId;
use openssl::memcmp;
use serde_json::{Map, Value};

use super::{
    Body,
    answer::{Information, Refused},
    bearer_token, check_outside, count, read, secret_for,
};
use crate::{
    app::{App, Issuer},
    domain::{
        client::{
            Client, SecretUse, StoredSecret,
            registration::{Refusal, keep_what_is_the_operators},
        },
        event::{AuditEntry, Change, Event},
        pairwise,
        token::Digest,
    },
    http::{json::JsonObject, state::AppState, visitor::Caller},
    login::Device,
    oauth::{
        entry::too_many,
        error::{OAuthError, no_store},
    },
    store::{Tx, audit, client, consent},
};

/// What the server alone says (RFC 7592 §2.2).
const OURS: [&str; 4] =
    ["registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"];

/// Which client is meant.
type Named = Result<Path<String>, PathRejection>;

/// `GET /register/{client_id}`
pub async fn get(State(state): State<AppState>, Caller(device): Caller, named: Named, headers: HeaderMap) -> Response {
    let rate = count(&state.app, &device).await;
    let shown = match rate.retry_after() {
        Some(seconds) => Err(too_many(seconds).into()),
        None => show(&state.app, &state.issuer, Whose::parse(named, &headers)).await,
    };
    (rate, shown.map_or_else(Refused::into_response, Information::shown)).into_response()
}

/// `PUT /register/{client_id}`
pub async fn put(
    State(state): State<AppState>,
    Caller(device): Caller,
    named: Named,
    headers: HeaderMap,
    JsonObject(body): JsonObject,
) -> Response {
    let rate = count(&state.app, &device).await;
    let changed = match rate.retry_after() {
        Some(seconds) => Err(too_many(seconds).into()),
        None => change(&state.app, &state.issuer, &device, Whose::parse(named, &headers), body).await,
    };
    (rate, changed.map_or_else(Refused::into_response, Information::shown)).into_response()
}

/// `DELETE /register/{client_id}`
pub async fn delete(
    State(state): State<AppState>,
    Caller(device): Caller,
    named: Named,
    headers: HeaderMap,
) -> Response {
    let rate = count(&state.app, &device).await;
    let removed = match rate.retry_after() {
        Some(seconds) => Err(too_many(seconds).into()),
        None => remove(&state.app, &device, Whose::parse(named, &headers)).await,
    };
    let done = |()| (StatusCode::NO_CONTENT, no_store()).into_response();
    (rate, removed.map_or_else(Refused::into_response, done)).into_response()
}

/// Which client is meant, and the token that shows that it is the client who asks.
struct Whose {
    id: ClientId,
    token: String,
}

impl Whose {
    fn parse(named: Named, headers: &HeaderMap) -> Result<Self, Refused> {
        let token = bearer_token(headers)?;
        // PostgreSQL keeps no NUL in a text, and refuses to look for one.
        let id = named.ok().map(|Path(id)| id).filter(|id| !id.contains('\0'));
        let id = id.ok_or(Refused::Unauthorized { tried: true })?;
        Ok(Self { id: ClientId::new(id), token })
    }

    /// The client, as it stands now. One that is gone, disabled, or another's, all look the same (RFC 7592 §2.1).
    async fn find(&self, tx: &mut Tx) -> Result<Client, Refused> {
        usable(client::find_itself(tx, &self.id, &Digest::of(&self.token)).await?)
    }

    /// The same, as nobody else changes it until this transaction ends.
    async fn find_to_change(&self, tx: &mut Tx) -> Result<Client, Refused> {
        usable(client::find_itself_to_change(tx, &self.id, &Digest::of(&self.token)).await?)
    }
}

fn usable(found: Option<Client>) -> Result<Client, Refused> {
    found.filter(|client| client.enabled).ok_or(Refused::Unauthorized { tried: true })
}

async fn show(app: &App, issuer: &Issuer, whose: Result<Whose, Refused>) -> Result<Information, Refused> {
    let whose = whose?;
    let client = whose.find(&mut app.store.read().await?).await?;
    Ok(Information::new(issuer, &client, &whose.token, None))
}

/// What is sent takes the place of everything that was registered (RFC 7592 §2.2).
async fn change(
    app: &App,
    issuer: &Issuer,
    device: &Device,
    whose: Result<Whose, Refused>,
    body: Body,
) -> Result<Information, Refused> {
    let whose = whose?;
    let before = whose.find(&mut app.store.read().await?).await?;
    let members = body?;
    check_own(app, &before, &members)?;
    let mut metadata = read(app, issuer, &members, &before.id, Some(&before.metadata)).await?;
    check_outside(app, &metadata).await?;

    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    // Since it was looked at, it may have been changed or removed.
    let mut client = whose.find_to_change(&mut tx).await?;
    keep_what_is_the_operators(&mut metadata, &client.metadata);
    let (old, new) = (client.metadata.token_endpoint_auth_method, metadata.token_endpoint_auth_method);
    let mut secret = None;
    if SecretUse::of(old) != SecretUse::of(new) {
        secret = secret_for(app, &metadata);
        client.secret = secret.as_ref().and_then(|secret| app.keep_client_secret(&client.id, new, secret.expose()));
    }
    let before = client.clone();
    client.metadata = metadata;
    // Everybody that it knows would be somebody else to it (OpenID Connect Core §8.1).
    if !pairwise::keeps_names(&before, &client) && client::knows_people(&mut tx, &client.id).await? {
        return Err(Refusal::of(
            "subject_type",
            "it and the sector cannot change once people have used the client, nor the host that is the sector",
        )
        .into());
    }
    // What people agreed to was another name, or another place.
    if before.metadata.redirect_uris != client.metadata.redirect_uris
        || before.metadata.client_name != client.metadata.client_name
    {
        consent::forget_client(&mut tx, &client.id).await?;
    }
    client::update(&mut tx, &client, now).await?;
    record(&mut tx, device, &client, Change::Changed, app).await?;
    tx.commit().await?;
    Ok(Information::new(issuer, &client, &whose.token, secret))
}

/// The client goes, with all that was granted to it (RFC 7592 §2.3).
async fn remove(app: &App, device: &Device, whose: Result<Whose, Refused>) -> Result<(), Refused> {
    let whose = whose?;
    let mut tx = app.store.write().await?;
    let client = whose.find_to_change(&mut tx).await?;
    client::delete(&mut tx, &client.id, app.clock.now()).await?;
    record(&mut tx, device, &client, Change::Removed, app).await?;
    Ok(tx.commit().await?)
}

async fn record(tx: &mut Tx, device: &Device, client: &Client, change: Change, app: &App) -> Result<(), Refused> {
    let event = Event::RegistrationChanged { change };
    let entry = AuditEntry::new(event).client(&client.id).personal(device.personal());
    Ok(audit::record(tx, &entry, app.clock.now()).await?)
}

/// RFC 7592 §2.2: the request names the client, and its secret only as it is; what the server says of it is no part of it.
fn check_own(app: &App, client: &Client, members: &Map<String, Value>) -> Result<(), Refused> {
    if OURS.iter().any(|name| members.contains_key(*name)) {
        return Err(OAuthError::invalid_request(
            "leave out registration_access_token, registration_client_uri, client_secret_expires_at and client_id_issued_at",
        )
        .into());
    }
    if members.get("client_id").and_then(Value::as_str) != Some(client.id.as_str()) {
        return Err(OAuthError::invalid_request("client_id must be there, and be that of this client").into());
    }
    match members.get("client_secret").filter(|secret| !secret.is_null()) {
        Some(secret) if !secret.as_str().is_some_and(|secret| is_secret(app, client, secret)) => {
            Err(OAuthError::invalid_request("client_secret is not that of this client; it may be left out").into())
        }
        Some(_) | None => Ok(()),
    }
}

fn is_secret(app: &App, client: &Client, presented: &str) -> bool {
    match &client.secret {
        Some(StoredSecret::Digest(digest)) => {
            let presented = Digest::of(presented);
            digest.len() == presented.as_bytes().len() && memcmp::eq(digest, presented.as_bytes())
        }
        Some(StoredSecret::Encrypted(sealed)) => {
            let secret = app.keys.client_secret.open(sealed, client.id.as_str().as_bytes());
            secret.is_ok_and(|secret| secret.len() == presented.len() && memcmp::eq(&secret, presented.as_bytes()))
        }
        // An operator chose it, and a guess must cost more than this.
        Some(StoredSecret::Argon2(_)) | None => false,
    }
}
