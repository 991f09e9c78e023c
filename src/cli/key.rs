//! `key`: signing keys.

use std::path::PathBuf;

use clap::Subcommand;
use countersign_jose::Algorithm;
use serde_json::json;

use super::{CliError, Context, Output, read_file};
use crate::{
    jose::rotation::{self, NewKey, RotationError},
    store::{rekey::Rekeyed, signing_key},
};

/// The longest file with a private key, in bytes.
const MAX_JWK_BYTES: u64 = 64 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// All keys, and where in their lives they are.
    List,
    /// Publish a new key. It signs as soon as every client that caches the keys has it.
    Rotate {
        /// Sign with it at once: clients that cached the keys fail until they fetch them again. For emergencies.
        #[arg(long)]
        now: bool,
        /// This key is in other hands: it leaves the JWKS at once, and nothing that it signed counts any more. The new one takes its place if it is the one that signs; if not, none is made.
        // Thumbprints are base64url, and one in 64 begins with a hyphen.
        #[arg(long, value_name = "KID", requires = "now", allow_hyphen_values = true)]
        compromised: Option<String>,
        /// The algorithm that it is for: one of keys.algorithms. In place of a compromised key it is that one's.
        #[arg(long, value_name = "ALG", default_value_t = Algorithm::RS256, conflicts_with = "compromised")]
        algorithm: Algorithm,
    },
    /// Take a published key that does not sign yet out of the succession. The present one goes on.
    Retire {
        /// The key, as `key list` calls it.
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
    /// Publish a key that was made elsewhere: a private JWK for one of keys.algorithms. It signs as soon as every client that caches the keys has it.
    Import {
        /// The file; - for standard input.
        file: PathBuf,
        /// Sign with it at once, as `key rotate --now` does.
        #[arg(long)]
        now: bool,
    },
    /// Seal everything under the master key that was sealed under `keys.previous_master_file`. Beside running servers.
    Rekey,
}

pub(super) async fn run(command: KeyCommand, context: Context, out: Output) -> Result<(), CliError> {
    let app = context.app().await?;
    let (lifetimes, now) = (app.key_lifetimes(), app.clock.now());
    let algorithms = app.settings.keys.algorithms.as_slice();
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
                    "compromised_at": key.times.compromised_at,
                })
            });
            out.table(&json.collect(), &["KID", "ALGORITHM", "STATE", "SIGNS FROM", "RETIRED AT"], &rows)
        }
        KeyCommand::Rotate { compromised: Some(compromised), .. } => {
            let new = rotation::replace_compromised(&app.store, &lifetimes, &app.clock, &compromised).await?;
            let now = match &new {
                Some(new) => format!("Published the key {}; it signs from now on.", new.kid),
                None => "The key that signs goes on, since it is another one.".to_owned(),
            };
            let text = format!(
                "{now} Nothing that {compromised} signed counts any more.\n\
                 APIs that cached the keys still take it until they fetch them again."
            );
            let (kid, signs_from) = new.map(|new| (new.kid, new.signs_from)).unzip();
            out.print(&json!({ "kid": kid, "signs_from": signs_from, "compromised": compromised }), text)
        }
        KeyCommand::Rotate { now: at_once, compromised: None, algorithm } => {
            if !algorithms.contains(&algorithm) {
                return Err(RotationError::Algorithm(algorithm).into());
            }
            told(&rotation::rotate(&app.store, &lifetimes, &app.clock, (algorithm, at_once)).await?, out)
        }
        KeyCommand::Retire { kid } => {
            rotation::retire(&app.store, &lifetimes, &app.clock, &kid).await?;
            out.print(&json!({ "retired": kid }), format!("The key {kid} is not going to sign."))
        }
        KeyCommand::Rekey => {
            let rekeyed = app.store.rekey(&app.keys.client_secret).await?;
            let Rekeyed {
                signing_keys,
                encryption_keys,
                issuer_secrets,
                client_secrets,
                second_factors,
                audit_keys,
                jobs,
            } = rekeyed;
            let json = json!({
                "signing_keys": signing_keys,
                "encryption_keys": encryption_keys,
                "issuer_secrets": issuer_secrets,
                "client_secrets": client_secrets,
                "second_factors": second_factors,
                "audit_keys": audit_keys,
                "jobs": jobs,
            });
            let text = format!(
                "Sealed anew: {signing_keys} signing keys, {encryption_keys} keys for encryption, {issuer_secrets} secrets of the issuer, {client_secrets} client secrets, {second_factors} second factors, \
                 {audit_keys} keys of the audit trail, {jobs} jobs.\n\
                 Everything opens under keys.master_file now. Leave keys.previous_master_file in the settings of all nodes for another half an\n\
                 hour, until sign-ins under way are done, and then take it out of all of them."
            );
            out.print(&json, text)
        }
        KeyCommand::Import { file, now: at_once } => {
            let jwk = read_file(&file, MAX_JWK_BYTES)?;
            told(
                &rotation::import(&app.store, &lifetimes, &app.clock, (jwk.as_bytes(), algorithms, at_once)).await?,
                out,
            )
        }
    }
}

fn told(NewKey { kid, signs_from }: &NewKey, out: Output) -> Result<(), CliError> {
    let text = format!("Published the key {kid}; it signs from {}.", signs_from.to_rfc3339());
    out.print(&json!({ "kid": kid, "signs_from": signs_from }), text)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::Cli;

    #[test]
    fn a_key_whose_name_begins_with_a_hyphen_can_be_named() {
        let kid = "-h2Jv0p5uQ3mXo0yG5oXoVbNn3k2XJt8k0cM8c3c9cE";
        for arguments in [
            &["key", "retire", kid][..],
            &["key", "retire", kid, "--json"],
            &["key", "rotate", "--now", "--compromised", kid],
            &["key", "rotate", "--compromised", kid, "--now"],
        ] {
            let parsed = Cli::try_parse_from([&["countersign"], arguments].concat()).unwrap();
            assert!(format!("{parsed:?}").contains(kid), "{parsed:?}");
            assert_eq!(parsed.json, arguments.contains(&"--json"));
        }
    }
}
