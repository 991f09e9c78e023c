//! A token validated for the first time, and again, by `countersign-resource-server` in this process, as an API does it: the keys are known, the token is
//! one of the provider's own.

use countersign_resource_server::ResourceServer;

use crate::{
    Result,
    baseline::Sample,
    http::Connection,
    rows::{Bench, client_credentials, rounds},
    server::API,
    table::{Figure, Limit},
};

pub async fn measure(bench: &Bench) -> Result<Figure> {
    each_time(bench, 0, Limit::Times(1.6)).await
}

/// The same with what is remembered of it.
pub async fn again(bench: &Bench) -> Result<Figure> {
    each_time(bench, 1_000, Limit::Times(0.5)).await
}

async fn each_time(bench: &Bench, cached: usize, limit: Limit) -> Result<Figure> {
    let address = bench.address();
    let answer = Connection::open(&address).await?.exchange(&client_credentials::request(&bench.site())).await?;
    let token = answer.member("access_token")?;
    let resource_server = ResourceServer::builder(address.origin(), API).cached_tokens(cached).build()?;
    resource_server.ready().await?;
    let verification = async || bench.baseline.verification();
    let validation = async || {
        let mut sample = Sample::begin(bench.baseline.sample)?;
        while sample.goes_on() {
            resource_server.validate(&token).await?;
        }
        sample.per_operation()
    };
    let rounds = rounds(bench.size.rounds, verification, validation).await?;
    Ok(Figure { unit: "µs", rounds, against: "RS256 verification", limit })
}
