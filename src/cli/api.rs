//! `api`: resource servers and their scopes.

use std::collections::{BTreeMap, BTreeSet};

use clap::Subcommand;
use countersign_types::{ClientId, Scope};
use serde_json::json;

use super::{CliError, Context, Output};
use crate::{
    domain::{
        api::{Api, STANDARD_SCOPES},
        event::{AuditEntry, Change, Event},
    },
    store::{StoreError, api, audit},
};

#[derive(Debug, Subcommand)]
pub(super) enum ApiCommand {
    /// Register an API.
    Add {
        /// Its identifier, the value in the audience of its tokens: an absolute URI.
        #[arg(value_parser = parse_identifier)]
        uri: String,
        /// A scope that belongs to it, and the words in which people are asked for it.
        #[arg(long = "scope", value_name = "NAME=TEXT", required = true, value_parser = parse_scope)]
        scopes: Vec<(Scope, String)>,
        /// Let its tokens carry the person's roles.
        #[arg(long)]
        roles: bool,
        /// A client that may introspect its tokens.
        #[arg(long = "client", value_name = "ID")]
        clients: Vec<String>,
    },
    /// All APIs.
    List,
    /// Remove an API and its scopes.
    Remove {
        /// Its identifier.
        uri: String,
    },
}

pub(super) async fn run(command: ApiCommand, context: Context, out: Output) -> Result<(), CliError> {
    let app = context.app().await?;
    let now = app.clock.now();
    match command {
        ApiCommand::Add { uri, scopes, roles, clients } => {
            if uri == app.settings.issuer.as_str() {
                return Err(CliError::new("the identifier must be another than the issuer's"));
            }
            let scopes: BTreeMap<_, _> = scopes.into_iter().collect();
            if let Some((scope, _)) = app.settings.scopes.added().find(|(scope, _)| scopes.contains_key(*scope)) {
                return Err(CliError::new(format!("the scope {scope} is one of `scopes` in the settings already")));
            }
            let clients: BTreeSet<_> = clients.into_iter().map(ClientId::new).collect();
            for client in &clients {
                if app.store.client(client).await?.is_none() {
                    return Err(CliError::new(format!("there is no client {client}; add it first")));
                }
            }
            let added = Api { uri, scopes, roles, clients };
            let mut tx = app.store.write().await?;
            api::insert(&mut tx, &added, now).await.map_err(|error| match error {
                StoreError::Conflict => {
                    CliError::new("the API is registered already, or another API owns one of its scopes")
                }
                other => other.into(),
            })?;
            let event = Event::ApiChanged { api: added.uri.clone(), change: Change::Added };
            audit::record(&mut tx, &AuditEntry::new(event), now).await?;
            tx.commit().await?;
            out.print(&json!(added), format!("Added the API {}.", added.uri))
        }
        ApiCommand::List => {
            let apis = app.store.apis().await?;
            let rows: Vec<_> = apis
                .iter()
                .flat_map(|api| {
                    api.scopes.iter().map(|(name, text)| vec![api.uri.clone(), name.to_string(), text.clone()])
                })
                .collect();
            let json = apis.iter().map(|api| json!(api)).collect();
            out.table(&json, &["API", "SCOPE", "TEXT"], &rows)
        }
        ApiCommand::Remove { uri } => {
            let mut tx = app.store.write().await?;
            if !api::delete(&mut tx, &uri).await? {
                return Err(CliError::new(format!("there is no API {uri}; `countersign api list` shows all")));
            }
            let event = Event::ApiChanged { api: uri.clone(), change: Change::Removed };
            audit::record(&mut tx, &AuditEntry::new(event), now).await?;
            tx.commit().await?;
            out.print(&json!({ "removed": uri }), format!("Removed the API {uri}."))
        }
    }
}

fn parse_identifier(argument: &str) -> Result<String, &'static str> {
    let is_valid = url::Url::parse(argument).is_ok_and(|url| url.fragment().is_none());
    is_valid.then(|| argument.to_owned()).ok_or("the identifier must be an absolute URI without a fragment")
}

fn parse_scope(argument: &str) -> Result<(Scope, String), String> {
    let (name, text) = argument
        .split_once('=')
        .filter(|(_, text)| !text.trim().is_empty())
        .ok_or("write a scope as NAME=TEXT, with the words that people are shown")?;
    if STANDARD_SCOPES.iter().any(|(standard, _)| *standard == name) {
        return Err(format!("the scope {name} belongs to the provider itself"));
    }
    let scope = name.parse().map_err(|error| format!("\"{name}\": {error}"))?;
    Ok((scope, text.trim().to_owned()))
}
