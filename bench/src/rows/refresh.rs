//! `POST /token` with `grant_type=refresh_token`: two signatures, and a refresh token that replaces the one used.

use crate::{
    Result,
    http::form,
    load::CONNECTIONS,
    rows::{Bench, person::Person, rounds},
    table::{Figure, Limit},
};

pub async fn measure(bench: &Bench) -> Result<Figure> {
    let mut person = Person::sign_in(bench).await?;
    let mut chains = Vec::new();
    for _ in 0..CONNECTIONS {
        chains.push(person.tokens(bench).await?.member("refresh_token")?);
    }
    let mut load = bench.load().await?;
    let (address, client) = (bench.address(), bench.guests.client.clone());
    let signature = async || bench.baseline.signature();
    let refresh = async || {
        let (address, client) = (address.clone(), client.clone());
        let steps = bench.size.codes / CONNECTIONS;
        let used = std::mem::take(&mut chains);
        let (per_request, next) = load
            .drive_states(used, steps, move |mut connection, token| {
                let body = form(&[("grant_type", "refresh_token"), ("refresh_token", &token)]);
                let request = address.post("/token", &[&client], &body);
                async move {
                    let answer = connection.exchange(&request).await?;
                    Ok((connection, answer.member("refresh_token")?))
                }
            })
            .await?;
        chains = next;
        Ok(per_request)
    };
    let rounds = rounds(bench.size.rounds, signature, refresh).await?;
    Ok(Figure { unit: "µs", rounds, against: "RS256 signature", limit: Limit::Times(2.8) })
}
