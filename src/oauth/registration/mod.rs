//! `/register`: clients that register themselves (RFC 7591, OpenID Connect Dynamic Client Registration 1.0).
//!
//! Here a client comes to be; [`configuration`] is where it looks at that, changes it and takes it back (RFC 7592).

use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use countersign_types::{ClientId, GrantType};
use serde_json::{Map, Value};

use self::{
    answer::{Information, Refused},
    outside::check_outside,
};
use super::{
    bearer::{self, Presentation, Scheme},
    client_auth,
    entry::too_many,
    error::OAuthError,
};
use crate::{
    app::{App, Issuer},
    config::RegistrationMode,
    domain::{
        client::{
            Client, ClientMetadata, Registrar, SecretUse,
            registration::{self, Allowance, Refusal},
        },
        event::{AuditEntry, Event},
        rate::Endpoint,
        token::{Digest, Secret},
    },
    http::{
        form::Parameters,
        json::{JsonError, JsonObject},
        rate::{self, Rate},
        state::AppState,
        visitor::Caller,
    },
    login::Device,
    store::{audit, client, registration_token},
};

mod answer;
pub mod configuration;
mod outside;

type Body = Result<Map<String, Value>, JsonError>;

/// Whether there is an endpoint at all.
pub fn is_on(app: &App) -> bool {
    match app.settings.registration.mode {
        RegistrationMode::Off => false,
        RegistrationMode::Token | RegistrationMode::Open => true,
    }
}

/// `POST /register`
pub async fn post(
    State(state): State<AppState>,
    Caller(device): Caller,
    headers: HeaderMap,
    JsonObject(body): JsonObject,
) -> Response {
    let rate = count(&state.app, &device).await;
    let registered = match rate.retry_after() {
        Some(seconds) => Err(too_many(seconds).into()),
        None => register(&state.app, &state.issuer, &device, &headers, body).await,
    };
    (rate, registered.map_or_else(Refused::into_response, Information::created)).into_response()
}

/// Counts a request under its address: who registers is known by nothing else yet.
async fn count(app: &App, device: &Device) -> Rate {
    rate::of_program(app, Endpoint::Registration, None, device.address).await
}

async fn register(
    app: &App,
    issuer: &Issuer,
    device: &Device,
    headers: &HeaderMap,
    body: Body,
) -> Result<Information, Refused> {
    // Before anything is looked at that costs more: only whom the operator let in makes us ask others.
    let initial = initial_token(app, headers).await?;
    let id = ClientId::new(app.random.id());
    let metadata = read(app, issuer, &body?, &id, None).await?;
    check_outside(app, &metadata).await?;

    let (token, secret) = (app.random.secret(), secret_for(app, &metadata));
    let method = metadata.token_endpoint_auth_method;
    let client = Client {
        secret: secret.as_ref().and_then(|secret| app.keep_client_secret(&id, method, secret.expose())),
        id,
        metadata,
        enabled: true,
        created_at: app.clock.now(),
        registered_by: Registrar::Itself { is_used: false },
    };
    store(app, device, &client, &token, initial).await?;
    Ok(Information::new(issuer, &client, token.expose(), secret))
}

/// Stores the client, and spends the initial access token with it: both or neither.
async fn store(
    app: &App,
    device: &Device,
    client: &Client,
    token: &Secret,
    initial: Option<Digest>,
) -> Result<(), Refused> {
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    let spent = match initial {
        Some(digest) => {
            Some(registration_token::spend(&mut tx, &digest, now).await?.ok_or(Refused::Unauthorized { tried: true })?)
        }
        None => None,
    };
    if !client::insert_itself(&mut tx, client, &token.digest(), app.settings.registration.limit).await? {
        tracing::warn!("a client could not register: there are as many as registration.limit allows");
        let full = "this server has as many registered clients as it takes; ask who runs it";
        return Err(OAuthError::temporarily_unavailable(full, 3_600).into());
    }
    let event = Event::ClientRegistered { token: spent };
    audit::record(&mut tx, &AuditEntry::new(event).client(&client.id).personal(device.personal()), now).await?;
    Ok(tx.commit().await?)
}

/// The initial access token, where one is asked for (RFC 7591 §3), if it looks as if it was good.
async fn initial_token(app: &App, headers: &HeaderMap) -> Result<Option<Digest>, Refused> {
    match app.settings.registration.mode {
        RegistrationMode::Open => return Ok(None),
        RegistrationMode::Off => return Err(Refused::Unauthorized { tried: false }),
        RegistrationMode::Token => {}
    }
    let digest = Digest::of(&bearer_token(headers)?);
    let is_good = registration_token::is_good(&mut app.store.read().await?, &digest, app.clock.now()).await?;
    if is_good { Ok(Some(digest)) } else { Err(Refused::Unauthorized { tried: true }) }
}

/// The token in the `Authorization` header (RFC 6750 §2.1). The body has another form than tokens could stand in.
fn bearer_token(headers: &HeaderMap) -> Result<String, Refused> {
    match bearer::read(headers, &Parameters::default()) {
        Ok((Scheme::Bearer, token)) => Ok(token.to_owned()),
        Ok((Scheme::Dpop, _)) | Err(Presentation::Ambiguous) => Err(Refused::Unauthorized { tried: true }),
        Err(Presentation::Missing) => Err(Refused::Unauthorized { tried: false }),
    }
}

/// What a client says of itself, by the rules of this server. What it has already of scopes it may keep.
async fn read(
    app: &App,
    issuer: &Issuer,
    members: &Map<String, Value>,
    id: &ClientId,
    before: Option<&ClientMetadata>,
) -> Result<ClientMetadata, Refused> {
    let (settings, apis) = (&app.settings.registration, app.store.apis().await?);
    let known = settings.scopes.filter(|scope| apis.knows(scope));
    let allowance = Allowance {
        scopes: before.map_or_else(|| known.clone(), |before| known.union(&before.scope)),
        // What it has it may keep: an operator gave it, or the settings were others.
        client_credentials: settings.client_credentials
            || before.is_some_and(|before| before.grant_types.contains(&GrantType::ClientCredentials)),
        signing: &app.settings.keys.algorithms,
        assertions: &client_auth::ASSERTION_ALGORITHMS,
    };
    let metadata = registration::read(members, id, &allowance)?;
    for (member, algorithm) in [
        ("id_token_signed_response_alg", metadata.id_token_signed_response_alg),
        ("userinfo_signed_response_alg", metadata.userinfo_signed_response_alg),
    ] {
        // Whoever has cached our keys must know one of this algorithm before it signs.
        if algorithm.is_some_and(|algorithm| !issuer.keyring.signs_by(algorithm, app.clock.now())) {
            return Err(Refusal::of(member, "there is no key of this algorithm yet; try again later").into());
        }
    }
    Ok(metadata)
}

/// A fresh secret, if the client authenticates by one.
fn secret_for(app: &App, metadata: &ClientMetadata) -> Option<Secret> {
    match SecretUse::of(metadata.token_endpoint_auth_method) {
        SecretUse::None => None,
        SecretUse::Compared | SecretUse::Key => Some(app.random.secret()),
    }
}
