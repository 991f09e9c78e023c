//! `POST /token` with `grant_type=client_credentials`: one signature, and all that a request costs around it.

use nix::unistd::Pid;

use crate::{
    Result,
    arguments::Other,
    baseline::Baseline,
    http::{Address, Response, form},
    load::Load,
    rows::{Bench, Size, rounds},
    server::{API_SCOPE, Site},
    table::{Figure, Limit},
};

pub async fn measure(bench: &Bench) -> Result<Figure> {
    let subject = Subject { address: bench.address(), processes: bench.processes()?, request: request(&bench.site()) };
    subject.measure(&bench.baseline, bench.size, Limit::Times(1.15)).await
}

/// The same at another provider.
pub async fn of_another(other: &Other, baseline: &Baseline, size: Size) -> Result<Figure> {
    let (address, path) = Address::of_url(&other.token_endpoint).await?;
    let request = address.post(&path, &[&other.client], &body(other.scope.as_deref()));
    let subject = Subject { address, processes: other.processes.clone(), request };
    subject.measure(baseline, size, Limit::None).await
}

/// One token request of the registered client.
pub fn request(site: &Site) -> Vec<u8> {
    site.client_post("/token", &body(Some(API_SCOPE)))
}

/// An answer with an access token.
pub fn has_token(response: &Response) -> bool {
    response.status == 200 && response.body.windows(14).any(|window| window == b"\"access_token\"")
}

fn body(scope: Option<&str>) -> String {
    let mut fields = vec![("grant_type", "client_credentials")];
    fields.extend(scope.map(|scope| ("scope", scope)));
    form(&fields)
}

struct Subject {
    address: Address,
    processes: Vec<Pid>,
    request: Vec<u8>,
}

impl Subject {
    async fn measure(self, baseline: &Baseline, size: Size, limit: Limit) -> Result<Figure> {
        let mut load = Load::open(&self.address, &self.processes, &self.request).await?;
        let signature = async || baseline.signature();
        let token = async || load.drive([self.request.clone()], size.tokens, has_token).await;
        let rounds = rounds(size.rounds, signature, token).await?;
        Ok(Figure { unit: "µs", rounds, against: "RS256 signature", limit })
    }
}
