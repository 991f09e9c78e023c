//! Several nodes, the other engine, and Redis: half of the requests are for a token, half ask whether one is good.

use crate::{
    Result, fail,
    fleet::Fleet,
    http::{Connection, Response, form},
    rows::{Bench, client_credentials, rounds},
    services::Services,
    table::{Figure, Limit},
};

/// More nodes than one, compared with one.
pub async fn nodes(bench: &Bench, count: usize) -> Result<Figure> {
    let services = services(bench)?;
    let one = Fleet::start(&bench.server, services, 1, true).await?;
    let several = Fleet::start(&bench.server, services, count, true).await?;
    compare(bench, (&one, "one node"), &several, Limit::Times(1.1)).await
}

/// One node with Redis, compared with one without.
pub async fn redis(bench: &Bench) -> Result<Figure> {
    let services = services(bench)?;
    let without = Fleet::start(&bench.server, services, 1, false).await?;
    let with = Fleet::start(&bench.server, services, 1, true).await?;
    compare(bench, (&without, "without Redis"), &with, Limit::None).await
}

/// PostgreSQL, compared with SQLite. Of PostgreSQL it is what this side of the connection costs.
pub async fn postgres(bench: &Bench) -> Result<Figure> {
    let postgres = Fleet::start(&bench.server, services(bench)?, 1, false).await?;
    let (mut load, requests) = postgres.load().await?;
    let (site, mut sqlite_load) = (bench.site(), bench.load().await?);
    let token = client_credentials::request(&site);
    let answer = Connection::open(&site.address).await?.exchange(&token).await?;
    let about = site.client_post("/introspect", &form(&[("token", &answer.member("access_token")?)]));
    let sqlite = async || sqlite_load.drive([token.clone(), about.clone()], bench.size.tokens, is_answered).await;
    let postgres = async || load.drive(requests.clone(), bench.size.tokens, is_answered).await;
    let rounds = rounds(bench.size.rounds, sqlite, postgres).await?;
    Ok(Figure { unit: "µs", rounds, against: "SQLite", limit: Limit::None })
}

async fn compare(bench: &Bench, (one, against): (&Fleet, &'static str), other: &Fleet, limit: Limit) -> Result<Figure> {
    let ((mut one_load, one_requests), (mut load, requests)) = (one.load().await?, other.load().await?);
    let one = async || one_load.drive(one_requests.clone(), bench.size.tokens, is_answered).await;
    let other = async || load.drive(requests.clone(), bench.size.tokens, is_answered).await;
    let rounds = rounds(bench.size.rounds, one, other).await?;
    Ok(Figure { unit: "µs", rounds, against, limit })
}

fn services(bench: &Bench) -> Result<&Services> {
    bench.services.as_ref().ok_or_else(|| fail("needs --postgres and --redis"))
}

fn is_answered(response: &Response) -> bool {
    response.status == 200 && !response.body.windows(14).any(|window| window == b"\"active\":false")
}
