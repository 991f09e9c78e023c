//! `client registration-token`: who may register a client without an operator (RFC 7591 §1.2).

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    app::App,
    cli::{CliError, Output},
    config::{self, RegistrationMode},
    domain::event::{AuditEntry, Event},
    store::{
        audit,
        registration_token::{self, RegistrationToken},
    },
};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct TokenOptions {
    #[command(subcommand)]
    command: Option<TokenCommand>,
    /// For how long it can be used, such as 12h or 7d.
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = parse_lifetime)]
    expires: Duration,
    /// How many clients can be registered with it.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    uses: u32,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Those that can still be used.
    List,
    /// Take one back. What was registered with it stays.
    Revoke {
        /// Its name, as `list` has it.
        id: String,
    },
}

pub(super) async fn run(app: &App, options: TokenOptions, out: Output) -> Result<(), CliError> {
    match options.command {
        None => make(app, options.expires, options.uses, out).await,
        Some(TokenCommand::List) => list(app, out).await,
        Some(TokenCommand::Revoke { id }) => revoke(app, &id, out).await,
    }
}

async fn make(app: &App, expires: Duration, uses: u32, out: Output) -> Result<(), CliError> {
    let (now, secret) = (app.clock.now(), app.random.secret());
    let token =
        RegistrationToken { id: app.random.id(), uses_left: uses.into(), created_at: now, expires_at: now + expires };
    let mut tx = app.store.write().await?;
    registration_token::insert(&mut tx, &token, &secret.digest()).await?;
    let event = Event::RegistrationTokenIssued { token: token.id.clone(), uses };
    audit::record(&mut tx, &AuditEntry::new(event), now).await?;
    tx.commit().await?;

    let mut printed = to_json(&token);
    if let Value::Object(members) = &mut printed {
        members.insert("token".to_owned(), secret.expose().into());
    }
    let until = token.expires_at.format("%Y-%m-%d %H:%M UTC");
    let off = match app.settings.registration.mode {
        RegistrationMode::Token => "",
        RegistrationMode::Off => "\nNobody can register a client yet: set registration.mode to token.",
        RegistrationMode::Open => "\nAnybody can register a client without it: registration.mode is open.",
    };
    out.print(
        &printed,
        format!(
            "registration token: {}\nname: {}\nIt registers {uses} client(s) until {until}. Keep it now: it is not shown again.{off}",
            secret.expose(),
            token.id
        ),
    )
}

async fn list(app: &App, out: Output) -> Result<(), CliError> {
    let tokens = registration_token::all(&mut app.store.read().await?, app.clock.now()).await?;
    let row = |token: &RegistrationToken| {
        let until = token.expires_at.format("%Y-%m-%d %H:%M UTC");
        vec![token.id.clone(), token.uses_left.to_string(), until.to_string()]
    };
    let rows: Vec<_> = tokens.iter().map(row).collect();
    out.table(&tokens.iter().map(to_json).collect(), &["NAME", "USES LEFT", "UNTIL"], &rows)
}

async fn revoke(app: &App, id: &str, out: Output) -> Result<(), CliError> {
    let mut tx = app.store.write().await?;
    if !registration_token::delete(&mut tx, id).await? {
        return Err(CliError::new(format!(
            "there is no registration token {id}; `countersign client registration-token list` shows all"
        )));
    }
    let event = Event::RegistrationTokenRevoked { token: id.to_owned() };
    audit::record(&mut tx, &AuditEntry::new(event), app.clock.now()).await?;
    tx.commit().await?;
    out.print(&json!({ "revoked": id }), format!("Revoked the registration token {id}."))
}

fn to_json(token: &RegistrationToken) -> Value {
    json!({
        "name": token.id,
        "uses_left": token.uses_left,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
    })
}

fn parse_lifetime(argument: &str) -> Result<Duration, String> {
    let lifetime = config::parse_duration(argument)?;
    if lifetime.is_zero() {
        Err("a token that is good for no time is good for nothing".to_owned())
    } else {
        Ok(lifetime)
    }
}
