//! `POST /token` with `grant_type=refresh_token`: two signatures, and a refresh token that replaces the one used.

use crate::{
    Result,
    http::form,
    load::{CONNECTIONS, Load},
    rows::{Bench, person::Person, rounds},
    server::Site,
    table::{Figure, Limit},
};

pub async fn measure(bench: &Bench) -> Result<Figure> {
    let mut chains = Chains::begin(bench.site(), bench.load().await?).await?;
    let signature = async || bench.baseline.signature();
    let refresh = async || chains.use_each(bench.size.codes / CONNECTIONS).await;
    let rounds = rounds(bench.size.rounds, signature, refresh).await?;
    Ok(Figure { unit: "µs", rounds, against: "RS256 signature", limit: Limit::Times(2.8) })
}

/// Refresh tokens, one for each connection, of which every one that is used is replaced by its successor.
pub struct Chains {
    site: Site,
    load: Load,
    tokens: Vec<String>,
}

impl Chains {
    pub async fn begin(site: Site, load: Load) -> Result<Self> {
        let mut person = Person::sign_in(&site).await?;
        let mut tokens = Vec::new();
        for _ in 0..CONNECTIONS {
            tokens.push(person.tokens(&site).await?.member("refresh_token")?);
        }
        Ok(Self { site, load, tokens })
    }

    /// Uses each chain so many times: CPU time of one use, in µs.
    pub async fn use_each(&mut self, times: usize) -> Result<f64> {
        let site = self.site.clone();
        let used = std::mem::take(&mut self.tokens);
        let (per_request, next) = self
            .load
            .drive_states(used, times, move |mut connection, token| {
                let body = form(&[("grant_type", "refresh_token"), ("refresh_token", &token)]);
                let request = site.client_post("/token", &body);
                async move {
                    let answer = connection.exchange(&request).await?;
                    Ok((connection, answer.member("refresh_token")?))
                }
            })
            .await?;
        self.tokens = next;
        Ok(per_request)
    }
}
