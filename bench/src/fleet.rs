//! A provider of several nodes on PostgreSQL.

use nix::unistd::Pid;

use crate::{
    Result,
    http::form,
    load::Load,
    rows::client_credentials,
    server::{Server, Site},
    services::Services,
};

/// Nodes of one provider; any request can go to any of them.
#[derive(Debug)]
pub struct Fleet {
    nodes: Vec<Server>,
    site: Site,
}

impl Fleet {
    /// So many nodes on a database of their own, which share counters in Redis or, if there is but one, may keep them in memory.
    pub async fn start(like: &Server, services: &Services, nodes: usize, redis: bool) -> Result<Self> {
        let mut first = Server::new(like.binary())?.with("DATABASE__URL", services.database().await?);
        if redis {
            first = first.with("REDIS__URL", services.redis());
        }
        first.start().await?;
        let site = Site { address: first.address(), guests: first.furnish()? };
        let mut fleet = Self { nodes: vec![first], site };
        while fleet.nodes.len() < nodes {
            let mut next = fleet.nodes.first().map_or_else(|| Server::new(like.binary()), Server::beside)?;
            next.start().await?;
            fleet.nodes.push(next);
        }
        Ok(fleet)
    }

    fn processes(&self) -> Result<Vec<Pid>> {
        self.nodes.iter().map(Server::pid).collect()
    }

    /// Connections to each node, and what is asked for on them: a token, and whether one is good.
    pub async fn load(&self) -> Result<(Load, [Vec<u8>; 2])> {
        let token = client_credentials::request(&self.site);
        let addresses: Vec<_> = self.nodes.iter().map(Server::address).collect();
        let answer = crate::http::Connection::open(&self.site.address).await?.exchange(&token).await?;
        let about = self.site.client_post("/introspect", &form(&[("token", &answer.member("access_token")?)]));
        let load = Load::open_all(&addresses, &self.processes()?, &token).await?;
        Ok((load, [token, about]))
    }
}
