//! One file per row of the table, or per family of rows.

mod audit;
pub mod client_credentials;
mod code_exchange;
mod crowded;
mod documents;
mod login;
mod memory;
pub mod person;
mod protected;
mod ready;
mod refresh;
mod resource_server;
mod several;

use std::{str::FromStr, time::Duration};

use nix::unistd::Pid;

use crate::{
    Error, Result,
    baseline::Baseline,
    crowd::Crowd,
    fail,
    http::Address,
    load::Load,
    server::{Guests, Server, Site},
    services::Services,
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
    Revalidation,
    TokenLayer,
    TokenMemory,
    AuditEvent,
    AuditSealing,
    TwoNodes,
    ThreeNodes,
    Postgres,
    Redis,
    CrowdedUserinfo,
    CrowdedSessions,
    CrowdedCodes,
    CrowdedRefresh,
    CrowdedMemory,
}

impl Name {
    pub const ALL: [Self; 26] = [
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
        Self::Revalidation,
        Self::TokenLayer,
        Self::TokenMemory,
        Self::AuditEvent,
        Self::AuditSealing,
        Self::TwoNodes,
        Self::ThreeNodes,
        Self::Postgres,
        Self::Redis,
        Self::CrowdedUserinfo,
        Self::CrowdedSessions,
        Self::CrowdedCodes,
        Self::CrowdedRefresh,
        Self::CrowdedMemory,
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
            Self::Revalidation => "revalidation",
            Self::TokenLayer => "token_layer",
            Self::TokenMemory => "token_memory",
            Self::AuditEvent => "audit_event",
            Self::AuditSealing => "audit_sealing",
            Self::TwoNodes => "two_nodes",
            Self::ThreeNodes => "three_nodes",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::CrowdedUserinfo => "crowded_userinfo",
            Self::CrowdedSessions => "crowded_sessions",
            Self::CrowdedCodes => "crowded_codes",
            Self::CrowdedRefresh => "crowded_refresh",
            Self::CrowdedMemory => "crowded_memory",
        }
    }

    /// Whether it takes minutes, or what others run: it is measured only by name, or with all.
    pub fn is_long(self) -> bool {
        match self {
            Self::Ready
            | Self::IdleMemory
            | Self::ClientCredentials
            | Self::LoadedMemory
            | Self::Jwks
            | Self::Discovery
            | Self::Userinfo
            | Self::Introspection
            | Self::CodeExchange
            | Self::Refresh
            | Self::Login
            | Self::Validation
            | Self::Revalidation
            | Self::TokenLayer
            | Self::TokenMemory
            | Self::AuditEvent
            | Self::AuditSealing => false,
            Self::TwoNodes
            | Self::ThreeNodes
            | Self::Postgres
            | Self::Redis
            | Self::CrowdedUserinfo
            | Self::CrowdedSessions
            | Self::CrowdedCodes
            | Self::CrowdedRefresh
            | Self::CrowdedMemory => true,
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
            Self::Validation => resource_server::validation(bench).await,
            Self::Revalidation => resource_server::revalidation(bench).await,
            Self::TokenLayer => resource_server::layer(bench).await,
            Self::TokenMemory => resource_server::memory().await,
            Self::AuditEvent => audit::event(bench.size).await,
            Self::AuditSealing => audit::sealing(bench.size).await,
            Self::TwoNodes => several::nodes(bench, 2).await,
            Self::ThreeNodes => several::nodes(bench, 3).await,
            Self::Postgres => several::postgres(bench).await,
            Self::Redis => several::redis(bench).await,
            Self::CrowdedUserinfo => crowded::userinfo(bench).await,
            Self::CrowdedSessions => crowded::sessions(bench).await,
            Self::CrowdedCodes => crowded::codes(bench).await,
            Self::CrowdedRefresh => crowded::refresh(bench).await,
            Self::CrowdedMemory => crowded::memory(bench).await,
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
    /// People in a crowd, and those of them whose sessions are used.
    pub people: usize,
    pub sessions: usize,
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
        people: 1_000_000,
        sessions: 10_000,
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
        people: 20_000,
        sessions: 960,
    };
}

/// What the rows work with.
#[derive(Debug)]
pub struct Bench {
    pub server: Server,
    pub guests: Guests,
    pub baseline: Baseline,
    pub size: Size,
    pub services: Option<Services>,
    /// Gathered when it is first needed.
    pub crowd: Option<Crowd>,
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

    async fn gather(&mut self) -> Result<()> {
        if self.crowd.is_none() {
            eprintln!("gathering {} people", self.size.people);
            self.crowd = Some(Crowd::gather(&self.server, self.size.people, self.size.sessions).await?);
        }
        Ok(())
    }

    fn crowd(&self) -> Result<&Crowd> {
        self.crowd.as_ref().ok_or_else(|| fail("nobody was gathered"))
    }

    pub fn site(&self) -> Site {
        Site { address: self.address(), guests: self.guests.clone() }
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
