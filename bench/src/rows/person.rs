//! A person who is signed in and has consented, so that each further authorization request is answered with a code.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use openssl::sha::sha256;

use crate::{
    Result,
    browser::{Browser, Stop},
    fail,
    http::{Connection, Response, form},
    rows::client_credentials::has_token,
    server::{REDIRECT_URI, Site, random},
};

/// Pages between an authorization request and its answer.
const MOST_PAGES: usize = 4;

pub struct Person {
    browser: Browser,
    back_channel: Connection,
    verifier: String,
}

/// The path of an authorization request with this PKCE challenge.
pub fn authorize(challenge: &str) -> String {
    let challenge =
        if challenge.is_empty() { BASE64_URL_SAFE_NO_PAD.encode(sha256(b"")) } else { challenge.to_owned() };
    let query = form(&[
        ("response_type", "code"),
        ("client_id", "bench"),
        ("redirect_uri", REDIRECT_URI),
        ("scope", "openid profile email"),
        ("state", "a-state-of-ordinary-length"),
        ("nonce", "a-nonce-of-ordinary-length"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    format!("/authorize?{query}")
}

impl Person {
    pub async fn sign_in(site: &Site) -> Result<Self> {
        let browser = Browser::open(&site.address).await?;
        let back_channel = Connection::open(&site.address).await?;
        let mut person = Self { browser, back_channel, verifier: random()? };
        let mut stop = person.browser.visit(&person.request()).await?;
        for _ in 0..MOST_PAGES {
            let form = match stop {
                Stop::App(answer) => {
                    code_of(&answer)?;
                    return Ok(person);
                }
                Stop::Page(form) if form.asks_password() => {
                    form.with("username", &site.guests.username).with("password", &site.guests.password)
                }
                Stop::Page(form) => form.approved(),
            };
            stop = person.browser.send(&form).await?;
        }
        Err(fail(format!("signing in does not end: {stop:?}")))
    }

    /// The bytes of a token request with a fresh code.
    pub async fn exchange_request(&mut self, site: &Site) -> Result<Vec<u8>> {
        let code = match self.browser.visit(&self.request()).await? {
            Stop::App(answer) => code_of(&answer)?,
            Stop::Page(form) => return Err(fail(format!("asked again although signed in: {form:?}"))),
        };
        let body = form(&[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", &self.verifier),
        ]);
        Ok(site.client_post("/token", &body))
    }

    /// The answer of the token endpoint to a fresh code.
    pub async fn tokens(&mut self, site: &Site) -> Result<Response> {
        let request = self.exchange_request(site).await?;
        let answer = self.back_channel.exchange(&request).await?;
        if has_token(&answer) { Ok(answer) } else { Err(answer.unexpected()) }
    }

    /// The bytes of a request for a page, with the cookies of this person.
    pub fn request_for(&self, path: &str) -> Vec<u8> {
        self.browser.request_for(path)
    }

    fn request(&self) -> String {
        authorize(&BASE64_URL_SAFE_NO_PAD.encode(sha256(self.verifier.as_bytes())))
    }
}

/// The code in an authorization response.
fn code_of(answer: &str) -> Result<String> {
    let query = answer.strip_prefix(REDIRECT_URI).and_then(|rest| rest.strip_prefix('?')).unwrap_or_default();
    let code = query.split('&').find_map(|pair| pair.strip_prefix("code="));
    code.map(str::to_owned).ok_or_else(|| fail(format!("no code in the answer {answer}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_taken_from_the_answer() -> Result<()> {
        assert_eq!(code_of("https://app.bench.example/callback?state=x&code=Ab-_1&iss=y")?, "Ab-_1");
        assert!(code_of("https://app.bench.example/callback?error=access_denied").is_err());
        assert!(code_of("https://evil.example/callback?code=1").is_err());
        Ok(())
    }
}
