//! `config check`: the settings as they would be used.

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::{CliError, Output};
use crate::config::{ConfigErrors, Settings};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print every setting with its source, secrets masked; fail if one is wrong.
    Check,
}

pub(super) fn run(
    command: &ConfigCommand,
    settings: Result<Settings, ConfigErrors>,
    out: Output,
) -> Result<(), CliError> {
    let ConfigCommand::Check = command;
    let settings = settings?;
    let entries = settings.effective();
    let json: Map<String, Value> = entries
        .iter()
        .map(|entry| (entry.key.to_string(), json!({ "value": entry.value, "source": entry.source })))
        .collect();
    let source = |entry: &crate::config::Effective| {
        serde_json::to_value(entry.source).ok().and_then(|source| Some(source.as_str()?.to_owned())).unwrap_or_default()
    };
    let rows: Vec<_> = entries.iter().map(|entry| vec![entry.key.to_string(), entry.shown(), source(entry)]).collect();
    out.table(&Value::Object(json), &["SETTING", "VALUE", "SOURCE"], &rows)
}
