//! One file per row of the table, or per family of rows.

mod client_credentials;
mod code_exchange;
mod documents;
mod login;
mod memory;
mod person;
mod protected;
mod ready;
mod refresh;
mod validation;

use std::{str::FromStr, time::Duration};

use nix::unistd::Pid;

use crate::{
    Error, Result,
    baseline::Baseline,
    fail,
    http::Address,
    load::Load,
    server::{Guests, Server},
    table::{Figure, Round},
};

pub use client_credentials::of_another;

/// The rows, in the order in which they are measured and printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Name {
    Ready,
    IdleMemory,
    ClientCredentials,
    LoadedMemory,
    Jwks,
    Discovery,
    Userinfo,
    Introspection,
    CodeExchange,
    Refresh,
    Login,
    Validation,
}

impl Name {
    pub const ALL: [Self; 12] = [
        Self::Ready,
        Self::IdleMemory,
        Self::ClientCredentials,
        Self::LoadedMemory,
        Self::Jwks,
        Self::Discovery,
        Self::Userinfo,
        Self::Introspection,
        Self::CodeExchange,
        Self::Refresh,
        Self::Login,
        Self::Validation,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::IdleMemory => "idle_memory",
            Self::ClientCredentials => "client_credentials",
            Self::LoadedMemory => "loaded_memory",
            Self::Jwks => "jwks",
            Self::Discovery => "discovery",
            Self::Userinfo => "userinfo",
            Self::Introspection => "introspection",
            Self::CodeExchange => "code_exchange",
            Self::Refresh => "refresh",
            Self::Login => "login",
            Self::Validation => "validation",
        }
    }

    /// Measures this row.
    pub async fn measure(self, bench: &mut Bench) -> Result<Figure> {
        match self {
            Self::Ready => ready::measure(bench).await,
            Self::IdleMemory => memory::idle(bench).await,
            Self::ClientCredentials => client_credentials::measure(bench).await,
            Self::LoadedMemory => memory::loaded(bench).await,
            Self::Jwks => documents::measure(bench, "/.well-known/jwks.json").await,
            Self::Discovery => documents::measure(bench, "/.well-known/openid-configuration").await,
            Self::Userinfo => protected::userinfo(bench).await,
            Self::Introspection => protected::introspection(bench).await,
            Self::CodeExchange => code_exchange::measure(bench).await,
            Self::Refresh => refresh::measure(bench).await,
            Self::Login => login::measure(bench).await,
            Self::Validation => validation::measure(bench).await,
        }
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|known| known.as_str() == name);
        found.ok_or_else(|| fail(format!("no row is called {name}; --list names them")))
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub rounds: usize,
    /// Starts of the server.
    pub starts: usize,
    /// How long one sample of a comparison takes, on every processor.
    pub baseline: Duration,
    /// Requests of one round, by what they cost.
    pub documents: usize,
    pub tokens: usize,
    pub codes: usize,
    pub logins: usize,
    /// Token requests before memory is read.
    pub loaded: usize,
}

impl Size {
    pub const FULL: Self = Self {
        rounds: 9,
        starts: 5,
        baseline: Duration::from_millis(200),
        documents: 20_000,
        tokens: 1_600,
        codes: 208,
        logins: 64,
        loaded: 100_000,
    };
    pub const QUICK: Self = Self {
        rounds: 3,
        starts: 3,
        baseline: Duration::from_millis(100),
        documents: 4_800,
        tokens: 480,
        codes: 64,
        logins: 16,
        loaded: 10_000,
    };
}

/// What the rows work with.
#[derive(Debug)]
pub struct Bench {
    pub server: Server,
    pub guests: Guests,
    pub baseline: Baseline,
    pub size: Size,
}

impl Bench {
    pub fn address(&self) -> Address {
        self.server.address()
    }

    pub fn processes(&self) -> Result<Vec<Pid>> {
        Ok(vec![self.server.pid()?])
    }

    /// Connections to the provider that have been used once.
    pub async fn load(&self) -> Result<Load> {
        let address = self.address();
        Load::open(&address, &self.processes()?, &address.get("/healthz", &[])).await
    }

    /// The bytes of a request of the registered client to the token endpoint or its like.
    pub fn client_post(&self, path: &str, body: &str) -> Vec<u8> {
        self.address().post(path, &[&self.guests.client], body)
    }
}

/// Measures in rounds, each between two samples of what it is compared with, so that a machine that is slower for a while
/// is slower for both.
async fn rounds(
    count: usize,
    mut compared: impl AsyncFnMut() -> Result<f64>,
    mut measured: impl AsyncFnMut() -> Result<f64>,
) -> Result<Vec<Round>> {
    measured().await?; // caches, pools and threads fill
    let mut rounds = Vec::with_capacity(count);
    let mut before = compared().await?;
    for _ in 0..count {
        let measured = measured().await?;
        let after = compared().await?;
        rounds.push(Round { measured, compared: f64::midpoint(before, after) });
        before = after;
    }
    Ok(rounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_name() {
        assert!(Name::ALL.into_iter().all(|name| name.as_str().parse::<Name>().is_ok_and(|found| found == name)));
    }

    #[test]
    fn lanes_are_filled_evenly() {
        for size in [Size::FULL, Size::QUICK] {
            for requests in [size.documents, size.tokens, size.codes, size.logins, size.loaded] {
                assert_eq!(requests % crate::load::CONNECTIONS, 0);
            }
        }
    }
}
