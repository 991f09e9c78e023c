//! Settings: flags, or the environment.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use countersign_resource_server::{BuildError, Builder, ResourceServer};

use crate::api;

/// The example API of Countersign: a journal that keeps ciphertext only.
#[derive(Clone, Debug, Parser)]
#[command(name = "countersign-journal", version)]
pub struct Settings {
    /// Where to listen.
    #[arg(long, env = "JOURNAL_LISTEN", default_value = "127.0.0.1:8081")]
    pub listen: SocketAddr,
    /// The provider, exactly as its own setting `issuer` says.
    #[arg(long, env = "JOURNAL_ISSUER", default_value = "http://localhost:8080")]
    pub issuer: String,
    /// The address under which this API is registered at the provider, and under which browsers find its page.
    #[arg(long, env = "JOURNAL_AUDIENCE", default_value = "http://localhost:8081")]
    pub audience: String,
    /// As which client the page signs people in.
    #[arg(long, env = "JOURNAL_CLIENT_ID", default_value = "journal-web")]
    pub client_id: String,
    /// The `acr` of a sign-in with a second factor, which reading or deleting everything at once takes.
    #[arg(long, env = "JOURNAL_ACR", default_value = "urn:countersign:acr:mfa")]
    pub acr: String,
    /// The SQLite file; it is made if need be.
    #[arg(long, env = "JOURNAL_DATABASE", default_value = "data/journal.db")]
    pub database: PathBuf,
    /// For how many days it is remembered who read or changed what.
    #[arg(long, env = "JOURNAL_ACCESS_DAYS", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..))]
    pub access_days: u16,
    /// How much one person may keep, in MiB of encrypted entries.
    #[arg(long, env = "JOURNAL_ROOM_MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub room_mib: u32,
    /// The folder of the page, as npm builds it.
    #[arg(long, env = "JOURNAL_WEB", default_value = "crates/countersign-journal/web/dist")]
    pub web: PathBuf,
    /// Certificate authorities to trust besides the system's, as PEM.
    #[arg(long, env = "JOURNAL_CA_FILE")]
    pub ca_file: Option<PathBuf>,
}

impl Settings {
    /// What decides whom to trust.
    pub fn tokens(&self) -> Result<ResourceServer, BuildError> {
        self.builder().build()
    }

    /// The same, to be changed further.
    pub fn builder(&self) -> Builder {
        let builder = ResourceServer::builder(&self.issuer, &self.audience).publish_metadata(api::scopes());
        match &self.ca_file {
            Some(file) => builder.ca_file(file),
            None => builder,
        }
    }
}
