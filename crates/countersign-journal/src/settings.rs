//! Settings: flags, or the environment.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use countersign_resource_server::{BuildError, RequiredScope as _, ResourceServer};

use crate::api::{JournalRead, JournalWrite};

/// The example API of Countersign: a journal.
#[derive(Clone, Debug, Parser)]
#[command(name = "countersign-journal", version)]
pub struct Settings {
    /// Where to listen.
    #[arg(long, env = "JOURNAL_LISTEN", default_value = "127.0.0.1:8081")]
    pub listen: SocketAddr,
    /// The provider, exactly as its own setting `issuer` says.
    #[arg(long, env = "JOURNAL_ISSUER", default_value = "http://localhost:8080")]
    pub issuer: String,
    /// The address under which this API is registered at the provider.
    #[arg(long, env = "JOURNAL_AUDIENCE", default_value = "http://localhost:8081")]
    pub audience: String,
    /// The SQLite file; it is made if need be.
    #[arg(long, env = "JOURNAL_DATABASE", default_value = "data/journal.db")]
    pub database: PathBuf,
    /// Certificate authorities to trust besides the system's, as PEM.
    #[arg(long, env = "JOURNAL_CA_FILE")]
    pub ca_file: Option<PathBuf>,
}

impl Settings {
    /// What decides whom to trust.
    pub fn tokens(&self) -> Result<ResourceServer, BuildError> {
        let mut builder = ResourceServer::builder(&self.issuer, &self.audience)
            .publish_metadata([JournalRead::SCOPE, JournalWrite::SCOPE]);
        if let Some(file) = &self.ca_file {
            builder = builder.ca_file(file);
        }
        builder.build()
    }
}
