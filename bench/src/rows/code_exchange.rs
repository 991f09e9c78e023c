//! `POST /token` with `grant_type=authorization_code`: two signatures, a code spent, a refresh token stored.

use crate::{
    Result,
    rows::{Bench, client_credentials::has_token, person::Person, rounds},
    table::{Figure, Limit},
};

pub async fn measure(bench: &Bench) -> Result<Figure> {
    let mut person = Person::sign_in(&bench.site()).await?;
    let mut load = bench.load().await?;
    let signature = async || bench.baseline.signature();
    let exchange = async || {
        // A code lives for 60 s, so each round prepares its own; only the exchanges are counted.
        let mut requests = Vec::new();
        for _ in 0..bench.size.codes {
            requests.push(person.exchange_request(&bench.site()).await?);
        }
        load.drive(requests, bench.size.codes, has_token).await
    };
    let rounds = rounds(bench.size.rounds, signature, exchange).await?;
    Ok(Figure { unit: "µs", rounds, against: "RS256 signature", limit: Limit::Times(3.0) })
}
