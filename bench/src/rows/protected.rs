//! The endpoints that read an access token: `/userinfo` and `/introspect`.

use crate::{
    Result,
    http::{Response, form},
    rows::{Bench, person::Person, rounds},
    table::{Figure, Limit},
};

/// Access tokens that are used in turn: many, so that remembering the last one helps nobody.
const TOKENS: usize = 64;

pub async fn userinfo(bench: &Bench) -> Result<Figure> {
    let tokens = tokens(bench).await?;
    let address = bench.address();
    let request = |token: &String| address.get("/userinfo", &[&format!("Authorization: Bearer {token}")]);
    measure(bench, tokens.iter().map(request).collect(), names_the_person).await
}

pub async fn introspection(bench: &Bench) -> Result<Figure> {
    let tokens = tokens(bench).await?;
    let request = |token: &String| bench.client_post("/introspect", &form(&[("token", token)]));
    measure(bench, tokens.iter().map(request).collect(), is_active).await
}

async fn measure(bench: &Bench, requests: Vec<Vec<u8>>, right: fn(&Response) -> bool) -> Result<Figure> {
    let mut load = bench.load().await?;
    let signature = async || bench.baseline.signature();
    let read = async || load.drive(requests.clone(), bench.size.tokens * 2, right).await;
    let rounds = rounds(bench.size.rounds, signature, read).await?;
    Ok(Figure { unit: "µs", rounds, against: "RS256 signature", limit: Limit::Times(0.5) })
}

async fn tokens(bench: &Bench) -> Result<Vec<String>> {
    let mut person = Person::sign_in(bench).await?;
    let mut tokens = Vec::new();
    for _ in 0..TOKENS {
        tokens.push(person.tokens(bench).await?.member("access_token")?);
    }
    Ok(tokens)
}

fn names_the_person(response: &Response) -> bool {
    response.status == 200 && response.body.windows(6).any(|window| window == b"\"sub\":")
}

fn is_active(response: &Response) -> bool {
    response.status == 200 && response.body.windows(13).any(|window| window == b"\"active\":true")
}
