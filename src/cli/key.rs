//! `key`: signing keys.

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Context, Output};
use crate::{
    jose::rotation::{self, NewKey},
    store::signing_key,
};

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// All keys, and where in their lives they are.
    List,
    /// Publish a new key. It signs as soon as every client that caches the keys has it.
    Rotate {
        /// Sign with it at once: clients that cached the keys fail until they fetch them again. For emergencies.
        #[arg(long)]
        now: bool,
    },
}

pub(super) async fn run(command: KeyCommand, context: Context, out: Output) -> Result<(), CliError> {
    let app = context.app().await?;
    let (lifetimes, now) = (app.key_lifetimes(), app.clock.now());
    match command {
        KeyCommand::List => {
            let keys = signing_key::all(&mut app.store.read().await?).await?;
            let rows: Vec<_> = keys
                .iter()
                .map(|key| {
                    let retired = key.times.retired_at.map(|at| at.to_rfc3339()).unwrap_or_default();
                    let state = key.times.state(&lifetimes, now).as_str().to_owned();
                    vec![key.kid.clone(), key.algorithm.clone(), state, key.times.signs_from.to_rfc3339(), retired]
                })
                .collect();
            let json = keys.iter().map(|key| {
                json!({
                    "kid": key.kid,
                    "algorithm": key.algorithm,
                    "state": key.times.state(&lifetimes, now).as_str(),
                    "published_at": key.times.published_at,
                    "signs_from": key.times.signs_from,
                    "retired_at": key.times.retired_at,
                })
            });
            out.table(&json.collect(), &["KID", "ALGORITHM", "STATE", "SIGNS FROM", "RETIRED AT"], &rows)
        }
        KeyCommand::Rotate { now: at_once } => {
            let NewKey { kid, signs_from } = rotation::rotate(&app.store, &lifetimes, &app.clock, at_once).await?;
            let text = format!("Published the key {kid}; it signs from {}.", signs_from.to_rfc3339());
            out.print(&json!({ "kid": kid, "signs_from": signs_from }), text)
        }
    }
}
