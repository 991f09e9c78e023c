//! `client`: apps that sign people in.

use std::{collections::BTreeSet, path::PathBuf, str::FromStr};

use clap::{Args, Subcommand};
use countersign_jose::JwkSet;
use countersign_types::{ClientAuthMethod, ClientId, GrantType, ResponseType, Scope, ScopeSet};
use serde_json::{Value, json};

use super::{CliError, Context, Output, read_secret};
use crate::{
    app::App,
    domain::{
        client::{Client, ClientMetadata, RedirectUri, StoredSecret, WebLink, WebOrigin},
        credential::Password,
        event::{AuditEntry, Change, Event},
        token::Digest,
    },
    store::{StoreError, audit, client},
};

/// From this length on an imported secret is taken for a random one; shorter ones are hashed as if a person had chosen them.
const STRONG_SECRET_BYTES: usize = 32;

#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    /// Register a client. Its secret is printed once.
    Add {
        /// Its client_id.
        id: String,
        /// Cannot keep a secret: a browser or native app.
        #[arg(long)]
        public: bool,
        /// Read its secret from standard input, instead of a fresh one.
        #[arg(long)]
        secret_stdin: bool,
        #[command(flatten)]
        options: Box<ClientOptions>,
    },
    /// All clients.
    List,
    /// One client.
    Show {
        /// Its client_id.
        id: String,
    },
    /// Change a client. What is given replaces what was registered.
    Set {
        /// Its client_id.
        id: String,
        /// Whether it can do anything at all.
        #[arg(long, value_name = "BOOL")]
        enabled: Option<bool>,
        #[command(flatten)]
        options: Box<ClientOptions>,
    },
    /// Remove a client with all that was granted to it.
    Remove {
        /// Its client_id.
        id: String,
    },
    /// Give a client a new secret, printed once. The old one stops working at once.
    RotateSecret {
        /// Its client_id.
        id: String,
        /// Read it from standard input, instead of a fresh one.
        #[arg(long)]
        secret_stdin: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct ClientOptions {
    /// What people are shown.
    #[arg(long)]
    name: Option<String>,
    /// The operator's own app: people are not asked for consent.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    first_party: Option<bool>,
    /// How it authenticates: client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt or none.
    #[arg(long, value_name = "METHOD")]
    auth_method: Option<ClientAuthMethod>,
    /// The only algorithm of its assertions.
    #[arg(long, value_name = "ALG")]
    auth_signing_alg: Option<countersign_jose::Algorithm>,
    /// A file with its public keys, as a JWK set.
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// Where answers may be sent, to the letter.
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<RedirectUri>,
    /// Where people may be sent after signing out, to the letter.
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Vec<RedirectUri>,
    /// A web origin that may call from a browser, beside those of the redirect URIs.
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<WebOrigin>,
    /// A grant that it may use: authorization_code, refresh_token, client_credentials.
    #[arg(long = "grant", value_name = "GRANT")]
    grants: Vec<GrantType>,
    /// A response type that it may ask for: code.
    #[arg(long = "response-type", value_name = "TYPE")]
    response_types: Vec<ResponseType>,
    /// A scope that it may ask for.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<Scope>,
    /// Let this confidential client go without PKCE.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    no_pkce: Option<bool>,
    /// Its logo: PNG, JPEG or WebP of at most 100 KiB.
    #[arg(long, value_name = "URL")]
    logo_uri: Option<WebLink>,
    /// Its privacy policy.
    #[arg(long, value_name = "URL")]
    policy_uri: Option<WebLink>,
    /// Its terms of service.
    #[arg(long, value_name = "URL")]
    tos_uri: Option<WebLink>,
}

pub(super) async fn run(command: ClientCommand, context: Context, out: Output) -> Result<(), CliError> {
    let app = context.app().await?;
    match command {
        ClientCommand::Add { id, public, secret_stdin, options } => {
            add(&app, &id, public, secret_stdin, *options, out).await
        }
        ClientCommand::List => {
            let clients = client::all(&mut app.store.read().await?).await?;
            let row = |client: &Client| {
                let state = if client.enabled { "enabled" } else { "disabled" };
                let method = client.metadata.token_endpoint_auth_method;
                vec![client.id.to_string(), client.metadata.client_name.clone(), method.to_string(), state.to_owned()]
            };
            let rows: Vec<_> = clients.iter().map(row).collect();
            out.table(&clients.iter().map(to_json).collect(), &["ID", "NAME", "AUTHENTICATION", "STATE"], &rows)
        }
        ClientCommand::Show { id } => {
            let json = to_json(&find(&app, &id).await?);
            let text = serde_json::to_string_pretty(&json).unwrap_or_default();
            out.print(&json, text)
        }
        ClientCommand::Set { id, enabled, options } => {
            let mut changed = find(&app, &id).await?;
            let before = changed.metadata.token_endpoint_auth_method;
            apply(&mut changed.metadata, *options)?;
            if needs_secret(before) != needs_secret(changed.metadata.token_endpoint_auth_method)
                || (before == ClientAuthMethod::ClientSecretJwt)
                    != (changed.metadata.token_endpoint_auth_method == ClientAuthMethod::ClientSecretJwt)
            {
                return Err(CliError::new(
                    "the new authentication method needs another kind of secret; remove the client and add it again",
                ));
            }
            changed.enabled = enabled.unwrap_or(changed.enabled);
            check(&app, &changed).await?;
            store(&app, &changed, Change::Changed).await?;
            out.print(&to_json(&changed), format!("Changed the client {id}."))
        }
        ClientCommand::Remove { id } => {
            let removed = find(&app, &id).await?;
            let now = app.clock.now();
            let mut tx = app.store.write().await?;
            client::delete(&mut tx, &removed.id, now).await?;
            let event = Event::ClientChanged { change: Change::Removed };
            audit::record(&mut tx, &AuditEntry::new(event).client(&removed.id), now).await?;
            tx.commit().await?;
            out.print(&json!({ "removed": id }), format!("Removed the client {id} and all that was granted to it."))
        }
        ClientCommand::RotateSecret { id, secret_stdin } => {
            let mut changed = find(&app, &id).await?;
            if !needs_secret(changed.metadata.token_endpoint_auth_method) {
                return Err(CliError::new(format!("the client {id} has no secret")));
            }
            let (stored, printed) = make_secret(&app, &changed, secret_stdin).await?;
            changed.secret = Some(stored);
            store(&app, &changed, Change::SecretRotated).await?;
            print_secret(&changed, printed.as_deref(), out)
        }
    }
}

async fn add(
    app: &App,
    id: &str,
    public: bool,
    secret_stdin: bool,
    options: ClientOptions,
    out: Output,
) -> Result<(), CliError> {
    let is_plain = |byte: u8| byte.is_ascii_graphic();
    if id.is_empty() || id.len() > 128 || !id.bytes().all(is_plain) {
        return Err(CliError::new("a client_id is up to 128 printable ASCII characters without spaces"));
    }
    let method = match (public, options.auth_method) {
        (true, None | Some(ClientAuthMethod::None)) => ClientAuthMethod::None,
        (true, Some(_)) => {
            return Err(CliError::new("a public client cannot authenticate; leave out --auth-method or --public"));
        }
        (false, method) => method.unwrap_or(ClientAuthMethod::ClientSecretBasic),
    };
    let default_scopes = ["openid", "profile", "email", "offline_access"];
    let mut metadata = ClientMetadata {
        client_name: id.to_owned(),
        token_endpoint_auth_method: method,
        token_endpoint_auth_signing_alg: None,
        jwks: None,
        redirect_uris: Vec::new(),
        post_logout_redirect_uris: Vec::new(),
        origins: Vec::new(),
        grant_types: BTreeSet::from([GrantType::AuthorizationCode, GrantType::RefreshToken]),
        response_types: BTreeSet::from([ResponseType::Code]),
        scope: default_scopes.iter().filter_map(|scope| Scope::from_str(scope).ok()).collect(),
        first_party: false,
        pkce_exempt: false,
        logo_uri: None,
        policy_uri: None,
        tos_uri: None,
    };
    apply(&mut metadata, ClientOptions { auth_method: Some(method), ..options })?;
    let mut added =
        Client { id: ClientId::new(id), metadata, secret: None, enabled: true, created_at: app.clock.now() };
    check(app, &added).await?;
    let mut printed = None;
    if needs_secret(method) {
        let (stored, secret) = make_secret(app, &added, secret_stdin).await?;
        (added.secret, printed) = (Some(stored), secret);
    } else if secret_stdin {
        return Err(CliError::new(format!("a client that authenticates by {method} has no secret")));
    }

    let mut tx = app.store.write().await?;
    client::insert(&mut tx, &added).await.map_err(|error| match error {
        StoreError::Conflict => {
            CliError::new(format!("there is a client {id} already; change it by `countersign client set`"))
        }
        other => other.into(),
    })?;
    let event = Event::ClientChanged { change: Change::Added };
    audit::record(&mut tx, &AuditEntry::new(event).client(&added.id), added.created_at).await?;
    tx.commit().await?;
    print_secret(&added, printed.as_deref(), out)
}

/// What is given replaces what was there.
fn apply(metadata: &mut ClientMetadata, options: ClientOptions) -> Result<(), CliError> {
    fn replace<T>(slot: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *slot = value;
        }
    }
    fn list<T>(values: Vec<T>) -> Option<Vec<T>> {
        (!values.is_empty()).then_some(values)
    }
    if let Some(file) = &options.jwks {
        let text = std::fs::read_to_string(file)
            .map_err(|error| CliError::new(format!("the key file {}: {error}", file.display())))?;
        let parsed = serde_json::from_str::<Value>(&text).map_err(|error| error.to_string());
        let jwks = parsed.and_then(|value| JwkSet::parse(&value).map_err(|error| error.to_string()));
        metadata.jwks = Some(jwks.map_err(|error| CliError::new(format!("the key file {}: {error}", file.display())))?);
    }
    replace(&mut metadata.client_name, options.name);
    replace(&mut metadata.first_party, options.first_party);
    replace(&mut metadata.token_endpoint_auth_method, options.auth_method);
    replace(&mut metadata.redirect_uris, list(options.redirect_uris));
    replace(&mut metadata.post_logout_redirect_uris, list(options.post_logout_redirect_uris));
    replace(&mut metadata.origins, list(options.origins));
    replace(&mut metadata.grant_types, list(options.grants).map(BTreeSet::from_iter));
    replace(&mut metadata.response_types, list(options.response_types).map(BTreeSet::from_iter));
    replace(&mut metadata.scope, list(options.scopes).map(ScopeSet::from_iter));
    replace(&mut metadata.pkce_exempt, options.no_pkce);
    metadata.token_endpoint_auth_signing_alg = options.auth_signing_alg.or(metadata.token_endpoint_auth_signing_alg);
    metadata.logo_uri = options.logo_uri.or(metadata.logo_uri.take());
    metadata.policy_uri = options.policy_uri.or(metadata.policy_uri.take());
    metadata.tos_uri = options.tos_uri.or(metadata.tos_uri.take());
    Ok(())
}

/// Refuses registrations that could never work, or that open more than their owner would think.
async fn check(app: &App, client: &Client) -> Result<(), CliError> {
    let metadata = &client.metadata;
    let refuse = |message: &str| Err(CliError::new(message));
    if metadata.client_name.trim().is_empty() || metadata.client_name.chars().count() > 200 {
        return refuse("--name must be 1 to 200 characters");
    }
    if metadata.grant_types.contains(&GrantType::AuthorizationCode) && metadata.redirect_uris.is_empty() {
        return refuse(
            "a client that signs people in needs a --redirect-uri; a client without people needs --grant client_credentials",
        );
    }
    if metadata.grant_types.contains(&GrantType::ClientCredentials) && client.is_public() {
        return refuse(
            "a public client cannot act on its own behalf; leave out --grant client_credentials or --public",
        );
    }
    if metadata.pkce_exempt && client.is_public() {
        return refuse("a public client cannot go without PKCE; leave out --no-pkce or --public");
    }
    match (metadata.token_endpoint_auth_method, &metadata.jwks) {
        (ClientAuthMethod::PrivateKeyJwt, None) => {
            return refuse("private_key_jwt needs the client's public keys: --jwks FILE");
        }
        (ClientAuthMethod::PrivateKeyJwt, Some(jwks)) if jwks.keys().is_empty() => {
            return refuse("the key file has no key that can verify a signature");
        }
        _ => {}
    }
    if let Some(algorithm) = metadata.token_endpoint_auth_signing_alg {
        let fits = match metadata.token_endpoint_auth_method {
            ClientAuthMethod::PrivateKeyJwt => !algorithm.is_symmetric(),
            ClientAuthMethod::ClientSecretJwt => algorithm.is_symmetric(),
            ClientAuthMethod::ClientSecretBasic | ClientAuthMethod::ClientSecretPost | ClientAuthMethod::None => false,
        };
        if !fits {
            return refuse("--auth-signing-alg does not fit the client's authentication method");
        }
    }
    let apis = app.store.apis().await?;
    if let Some(unknown) = metadata.scope.iter().find(|scope| !apis.knows(scope)) {
        return Err(CliError::new(format!(
            "no API owns the scope {unknown}; register it first by `countersign api add`"
        )));
    }
    Ok(())
}

fn needs_secret(method: ClientAuthMethod) -> bool {
    match method {
        ClientAuthMethod::ClientSecretBasic
        | ClientAuthMethod::ClientSecretPost
        | ClientAuthMethod::ClientSecretJwt => true,
        ClientAuthMethod::PrivateKeyJwt | ClientAuthMethod::None => false,
    }
}

/// A secret as it is stored, and as it is printed: a fresh one is, an imported one is known already.
async fn make_secret(app: &App, client: &Client, from_stdin: bool) -> Result<(StoredSecret, Option<String>), CliError> {
    let fresh = app.random.secret();
    let imported = if from_stdin { Some(read_secret()?) } else { None };
    let secret = imported.as_deref().unwrap_or(fresh.expose());
    let is_strong = secret.len() >= STRONG_SECRET_BYTES;
    let stored = if client.metadata.token_endpoint_auth_method == ClientAuthMethod::ClientSecretJwt {
        if !is_strong {
            return Err(CliError::new(
                "the secret of a client_secret_jwt client needs at least 32 bytes (RFC 7518 §3.2)",
            ));
        }
        let sealed = app.keys.client_secret.seal(secret.as_bytes(), client.id.as_str().as_bytes(), &app.random);
        StoredSecret::Encrypted(sealed)
    } else if is_strong {
        StoredSecret::Digest(Digest::of(secret).as_bytes().to_vec())
    } else {
        let typed = Password::typed(secret.to_owned()).ok_or_else(|| CliError::new("the secret is too long"))?;
        StoredSecret::Argon2(app.passwords.hash(&typed).await?)
    };
    Ok((stored, imported.is_none().then(|| fresh.expose().to_owned())))
}

async fn store(app: &App, changed: &Client, change: Change) -> Result<(), CliError> {
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    client::update(&mut tx, changed, now).await?;
    audit::record(&mut tx, &AuditEntry::new(Event::ClientChanged { change }).client(&changed.id), now).await?;
    Ok(tx.commit().await?)
}

fn print_secret(client: &Client, secret: Option<&str>, out: Output) -> Result<(), CliError> {
    let id = &client.id;
    match secret {
        None => out.print(&json!({ "client_id": id }), format!("client_id: {id}")),
        Some(secret) => out.print(
            &json!({ "client_id": id, "client_secret": secret }),
            format!("client_id: {id}\nclient_secret: {secret}\nKeep the secret now: it is not shown again."),
        ),
    }
}

async fn find(app: &App, id: &str) -> Result<Client, CliError> {
    let found = client::find(&mut app.store.read().await?, &ClientId::new(id)).await?;
    found.ok_or_else(|| CliError::new(format!("there is no client {id}; `countersign client list` shows all")))
}

fn to_json(client: &Client) -> Value {
    let mut json = json!({ "client_id": client.id, "enabled": client.enabled, "created_at": client.created_at });
    if let (Value::Object(json), Value::Object(metadata)) = (&mut json, json!(client.metadata)) {
        json.extend(metadata);
    }
    json
}
