//! `POST /login` with the right password: one Argon2id hash, a session, an audit row.

use crate::{
    Result,
    browser::{Browser, Stop},
    fail,
    http::Response,
    rows::{Bench, person, rounds},
    table::{Figure, Limit},
};

pub async fn measure(bench: &Bench) -> Result<Figure> {
    let mut load = bench.load().await?;
    let hash = async || bench.baseline.password_hash();
    let login = async || {
        // Each sign-in is one browser's first; opening the page is not counted.
        let mut requests = Vec::new();
        for _ in 0..bench.size.logins {
            requests.push(filled_form(bench).await?);
        }
        load.drive(requests, bench.size.logins, is_signed_in).await
    };
    let rounds = rounds(bench.size.rounds, hash, login).await?;
    Ok(Figure { unit: "µs", rounds, against: "Argon2id hash", limit: Limit::Times(1.1) })
}

async fn filled_form(bench: &Bench) -> Result<Vec<u8>> {
    let mut browser = Browser::open(&bench.address()).await?;
    match browser.visit(&person::authorize("")).await? {
        Stop::Page(form) if form.asks_password() => {
            let form = form.with("username", &bench.guests.username).with("password", &bench.guests.password);
            Ok(browser.request_of(&form))
        }
        stop => Err(fail(format!("not the login page: {stop:?}"))),
    }
}

fn is_signed_in(response: &Response) -> bool {
    response.location().is_some_and(|location| !location.contains("/login"))
}
