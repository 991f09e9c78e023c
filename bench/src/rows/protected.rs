//! The endpoints that read an access token: `/userinfo` and `/introspect`.

use crate::{
    Result,
    http::{Response, form},
    rows::{Bench, person::Person, rounds},
    server::Site,
    table::{Figure, Limit},
};

/// Access tokens that are used in turn: many, so that remembering the last one helps nobody.
const TOKENS: usize = 64;

pub async fn userinfo(bench: &Bench) -> Result<Figure> {
    measure(bench, userinfo_requests(&bench.site()).await?, names_the_person).await
}

/// Requests of userinfo with many tokens of one person.
pub async fn userinfo_requests(site: &Site) -> Result<Vec<Vec<u8>>> {
    let request = |token: &String| site.address.get("/userinfo", &[&format!("Authorization: Bearer {token}")]);
    Ok(tokens(site).await?.iter().map(request).collect())
}

pub async fn introspection(bench: &Bench) -> Result<Figure> {
    let site = bench.site();
    let request = |token: &String| site.client_post("/introspect", &form(&[("token", token)]));
    measure(bench, tokens(&site).await?.iter().map(request).collect(), is_active).await
}

async fn measure(bench: &Bench, requests: Vec<Vec<u8>>, right: fn(&Response) -> bool) -> Result<Figure> {
    let mut load = bench.load().await?;
    let signature = async || bench.baseline.signature();
    let read = async || load.drive(requests.clone(), bench.size.tokens * 2, right).await;
    let rounds = rounds(bench.size.rounds, signature, read).await?;
    Ok(Figure { unit: "µs", rounds, against: "RS256 signature", limit: Limit::Times(0.5) })
}

async fn tokens(site: &Site) -> Result<Vec<String>> {
    let mut person = Person::sign_in(site).await?;
    let mut tokens = Vec::new();
    for _ in 0..TOKENS {
        tokens.push(person.tokens(site).await?.member("access_token")?);
    }
    Ok(tokens)
}

pub fn names_the_person(response: &Response) -> bool {
    response.status == 200 && response.body.windows(6).any(|window| window == b"\"sub\":")
}

fn is_active(response: &Response) -> bool {
    response.status == 200 && response.body.windows(13).any(|window| window == b"\"active\":true")
}
