//! `client`: apps that sign people in.

use clap::Subcommand;
use countersign_jose::Algorithm;
use countersign_types::{ClientAuthMethod, ClientId};
use serde_json::{Value, json};

use self::options::ClientOptions;
use super::{CliError, Context, Output, read_secret};
use crate::{
    app::App,
    domain::{
        client::{Client, ClientMetadata, Registrar, SecretUse, StoredSecret},
        credential::Password,
        event::{AuditEntry, Change, Event},
        pairwise,
    },
    jose::rotation::RotationError,
    store::{
        StoreError, Tx, audit, client,
        signing_key::{self, StoredKey},
    },
};

mod options;
mod registration_token;

/// From this length on an imported secret is taken for a random one; shorter ones are hashed as if a person had chosen them.
const STRONG_SECRET_BYTES: usize = 32;

#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    /// Register a client. Its secret is printed once.
    Add {
        /// Its client_id.
        #[arg(value_parser = parse_id)]
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
    /// Change a client. What is given replaces what was registered; an empty value clears it.
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
    /// Make a token with which clients can register themselves (`registration.mode`). It is printed once.
    RegistrationToken(registration_token::TokenOptions),
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
                vec![
                    client.id.to_string(),
                    client.metadata.client_name.clone(),
                    method.to_string(),
                    state.to_owned(),
                    client.registered_by.as_str().to_owned(),
                ]
            };
            let rows: Vec<_> = clients.iter().map(row).collect();
            out.table(
                &clients.iter().map(to_json).collect(),
                &["ID", "NAME", "AUTHENTICATION", "STATE", "REGISTERED BY"],
                &rows,
            )
        }
        ClientCommand::Show { id } => {
            let json = to_json(&find(&app, &id).await?);
            let text = serde_json::to_string_pretty(&json).unwrap_or_default();
            out.print(&json, text)
        }
        ClientCommand::Set { id, enabled, options } => {
            let mut tx = app.store.write().await?;
            let mut changed = find_to_change(&mut tx, &id).await?;
            let as_it_was = changed.clone();
            let before = as_it_was.metadata.token_endpoint_auth_method;
            options.apply(&mut changed.metadata)?;
            if !pairwise::keeps_names(&as_it_was, &changed) && client::knows_people(&mut tx, &changed.id).await? {
                return Err(CliError::new(
                    "the client would know its people by another sub: its subject type and sector cannot change; add another client",
                ));
            }
            if SecretUse::of(before) != SecretUse::of(changed.metadata.token_endpoint_auth_method) {
                return Err(CliError::new(
                    "the new authentication method needs another kind of secret; remove the client and add it again",
                ));
            }
            changed.enabled = enabled.unwrap_or(changed.enabled);
            options::contradiction(&changed.metadata).map_err(CliError::new)?;
            check(&app, &changed.metadata).await?;
            // One that registered itself is looked after from now on, and not swept.
            client::use_first(&mut tx, &changed.id, app.clock.now()).await?;
            store(&app, tx, &changed, Change::Changed).await?;
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
            let found = find(&app, &id).await?;
            if !needs_secret(found.metadata.token_endpoint_auth_method) {
                return Err(CliError::new(format!("the client {id} has no secret")));
            }
            // Read before the transaction: whoever types it may take their time.
            let (stored, printed) = make_secret(&app, &found, secret_stdin).await?;
            let mut tx = app.store.write().await?;
            let mut changed = find_to_change(&mut tx, &id).await?;
            if changed.metadata.token_endpoint_auth_method != found.metadata.token_endpoint_auth_method {
                return Err(CliError::new(format!("the client {id} was changed meanwhile; try again")));
            }
            changed.secret = Some(stored);
            store(&app, tx, &changed, Change::SecretRotated).await?;
            print_secret(&changed, printed.as_deref(), out)
        }
        ClientCommand::RegistrationToken(options) => registration_token::run(&app, options, out).await,
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
    let method = match (public, options.auth_method) {
        (true, None | Some(ClientAuthMethod::None)) => ClientAuthMethod::None,
        (true, Some(_)) => {
            return Err(CliError::misused("a public client cannot authenticate; leave out --auth-method or --public"));
        }
        (false, method) => method.unwrap_or(ClientAuthMethod::ClientSecretBasic),
    };
    let mut metadata = ClientMetadata::new(id.to_owned(), method);
    options.apply(&mut metadata)?;
    options::contradiction(&metadata).map_err(CliError::misused)?;
    if secret_stdin && !needs_secret(method) {
        return Err(CliError::misused(format!("a client that authenticates by {method} has no secret")));
    }
    check(app, &metadata).await?;
    let mut added = Client {
        id: ClientId::new(id),
        metadata,
        secret: None,
        enabled: true,
        created_at: app.clock.now(),
        registered_by: Registrar::Operator,
    };
    let mut printed = None;
    if needs_secret(method) {
        let (stored, secret) = make_secret(app, &added, secret_stdin).await?;
        (added.secret, printed) = (Some(stored), secret);
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

/// Refuses scopes that no API owns, and algorithms that nothing is signed by yet.
async fn check(app: &App, metadata: &ClientMetadata) -> Result<(), CliError> {
    let apis = app.store.apis().await?;
    if let Some(unknown) = metadata.scope.iter().find(|scope| !apis.knows(scope)) {
        let text = format!("no API owns the scope {unknown}; register it first by `countersign api add`");
        return Err(CliError::new(text));
    }
    let chosen = [
        metadata.id_token_signed_response_alg,
        metadata.access_token_signed_response_alg,
        metadata.userinfo_signed_response_alg,
    ];
    for algorithm in chosen.into_iter().flatten() {
        check_algorithm(app, algorithm).await?;
    }
    Ok(())
}

/// Whoever has cached our keys must know one of this algorithm before it signs.
async fn check_algorithm(app: &App, algorithm: Algorithm) -> Result<(), CliError> {
    if !app.settings.keys.algorithms.contains(&algorithm) {
        return Err(RotationError::Algorithm(algorithm).into());
    }
    let keys = signing_key::all(&mut app.store.read().await?).await?;
    let now = app.clock.now();
    let is = |key: &&StoredKey| key.algorithm == algorithm.name() && key.times.retired_at.is_none();
    match keys.iter().filter(is).map(|key| key.times.signs_from).min() {
        Some(signs_from) if signs_from <= now => Ok(()),
        Some(signs_from) => Err(CliError::new(format!(
            "the first {algorithm} key signs from {}; try again then",
            signs_from.format("%Y-%m-%d %H:%M UTC")
        ))),
        None => {
            Err(CliError::new(format!("there is no {algorithm} key yet; a running server makes it within a minute")))
        }
    }
}

/// RFC 6749 appendix A.1, less the space, which nobody sees.
fn parse_id(argument: &str) -> Result<String, &'static str> {
    let is_valid = (1..=128).contains(&argument.len()) && argument.bytes().all(|byte| byte.is_ascii_graphic());
    is_valid.then(|| argument.to_owned()).ok_or("a client_id is up to 128 printable ASCII characters without spaces")
}

fn needs_secret(method: ClientAuthMethod) -> bool {
    SecretUse::of(method) != SecretUse::None
}

/// A secret as it is stored, and as it is printed: a fresh one is, an imported one is known already.
async fn make_secret(app: &App, client: &Client, from_stdin: bool) -> Result<(StoredSecret, Option<String>), CliError> {
    let fresh = app.random.secret();
    let imported = if from_stdin { Some(read_secret()?) } else { None };
    let secret = imported.as_deref().unwrap_or(fresh.expose());
    let is_strong = secret.len() >= STRONG_SECRET_BYTES;
    let method = client.metadata.token_endpoint_auth_method;
    if !is_strong && SecretUse::of(method) == SecretUse::Key {
        return Err(CliError::new("the secret of a client_secret_jwt client needs at least 32 bytes (RFC 7518 §3.2)"));
    }
    let kept = if is_strong { app.keep_client_secret(&client.id, method, secret) } else { None };
    let stored = if let Some(stored) = kept {
        stored
    } else {
        let typed = Password::typed(secret.to_owned()).ok_or_else(|| CliError::new("the secret is too long"))?;
        StoredSecret::Argon2(app.passwords.hash(&typed).await?)
    };
    Ok((stored, imported.is_none().then(|| fresh.expose().to_owned())))
}

async fn store(app: &App, mut tx: Tx, changed: &Client, change: Change) -> Result<(), CliError> {
    let now = app.clock.now();
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
    client::find(&mut app.store.read().await?, &ClientId::new(id)).await?.ok_or_else(|| no_client(id))
}

async fn find_to_change(tx: &mut Tx, id: &str) -> Result<Client, CliError> {
    client::find_to_change(tx, &ClientId::new(id)).await?.ok_or_else(|| no_client(id))
}

fn no_client(id: &str) -> CliError {
    CliError::new(format!("there is no client {id}; `countersign client list` shows all"))
}

fn to_json(client: &Client) -> Value {
    let mut json = json!({
        "client_id": client.id,
        "enabled": client.enabled,
        "created_at": client.created_at,
        "registered_by": client.registered_by.as_str(),
    });
    if let (Value::Object(json), Value::Object(metadata)) = (&mut json, json!(client.metadata)) {
        json.extend(metadata);
    }
    json
}
