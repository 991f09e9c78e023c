//! Signing keys change under load on several nodes, while an API that caches them for as long as it may looks at every token.

use std::{collections::BTreeMap, time::Duration};

use josekit::{jwk::Jwk, jws::RS256, jwt};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    machine::Machine,
    running::{Running, free_port},
};
use crate::harness::{TestRedis, basic, is_long_run};

const NODES: usize = 3;
const CLIENTS: usize = 4;
/// Longer than this no rotation takes that works.
const PATIENCE: Duration = Duration::from_mins(1);

/// An API: it fetches the keys when those that it has may be kept no longer, and never before.
struct Validator {
    keys: BTreeMap<String, Jwk>,
    fresh_until: Instant,
}

impl Validator {
    /// Whose token this is, as the key says that signed it.
    async fn kid(&mut self, http: &Client, jwks_uri: &str, token: &str) -> String {
        if now() >= self.fresh_until {
            let asked = now();
            let answer = http.get(jwks_uri).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            let control = answer.headers()["cache-control"].to_str().unwrap().to_owned();
            let seconds = control.split("max-age=").nth(1).unwrap().parse().unwrap();
            self.fresh_until = asked + Duration::from_secs(seconds);
            let set: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
            let keys = set["keys"].as_array().unwrap().iter().map(|key| {
                (key["kid"].as_str().unwrap().to_owned(), Jwk::from_map(key.as_object().unwrap().clone()).unwrap())
            });
            self.keys = keys.collect();
        }
        let header = jwt::decode_header(token).unwrap();
        let kid = header.claim("kid").and_then(Value::as_str).unwrap().to_owned();
        let key = self.keys.get(&kid).unwrap_or_else(|| panic!("an unknown key: {kid}"));
        jwt::decode_with_verifier(token, &RS256.verifier_from_jwk(key).unwrap()).unwrap();
        kid
    }
}

#[allow(clippy::disallowed_methods)] // A cache of another program, in real time.
fn now() -> Instant {
    Instant::now()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_caches_the_keys_knows_every_key_and_no_request_fails() {
    let redis = TestRedis::shared();
    let machine = Machine::migrated().await.with("REDIS__URL", redis.url()).with("LIFETIMES__JWKS_CACHE", "1s");
    let add = ["client", "add", "service", "--grant", "client_credentials"];
    let secret = machine.json(&add)["client_secret"].as_str().unwrap().to_owned();
    let (mut machine, mut nodes) = (machine, Vec::new());
    for _ in 0..NODES {
        machine = machine.with("LISTEN", &format!("127.0.0.1:{}", free_port()));
        nodes.push(machine.serve().await);
    }
    let addresses: Vec<_> = nodes.iter().map(Running::address).map(str::to_owned).collect();
    for _ in 0..if is_long_run() { 8 } else { 1 } {
        let next = machine.json(&["key", "rotate"])["kid"].as_str().unwrap().to_owned();
        let clients = (0..CLIENTS).map(|client| {
            let (addresses, secret, next) = (addresses.clone(), secret.clone(), next.clone());
            tokio::spawn(tokio::time::timeout(PATIENCE, async move {
                use_until_signed_by(&addresses, client, &secret, &next).await;
            }))
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.unwrap().expect("every node signs by the new key");
        }
    }
    // What the keys of before signed is known until it is over.
    let states = machine.json(&["key", "list"]);
    let retired = states.as_array().unwrap().iter().filter(|key| key["state"] == json!("retired")).count();
    assert_eq!(retired, if is_long_run() { 8 } else { 1 }, "{states}");
}

/// Asks one node after the other for tokens and looks at each, until all of them sign by this key.
async fn use_until_signed_by(addresses: &[String], first: usize, secret: &str, key: &str) {
    let http = Client::builder().no_proxy().build().unwrap();
    let mut validator = Validator { keys: BTreeMap::new(), fresh_until: now() };
    let (mut by_new, mut kept) = (0, None::<String>);
    for turn in first.. {
        let node = &addresses[turn % addresses.len()];
        let token = ask(&http, &format!("{node}/token"), secret, &[("grant_type", "client_credentials")]).await;
        let token = token["access_token"].as_str().unwrap().to_owned();
        let jwks_uri = format!("{}/.well-known/jwks.json", addresses[(turn + 1) % addresses.len()]);
        let kid = validator.kid(&http, &jwks_uri, &token).await;
        let kept = kept.get_or_insert(token);
        let answer = ask(&http, &format!("{node}/introspect"), secret, &[("token", kept)]).await;
        assert_eq!(answer["active"], true, "a token of before is good on every node");
        by_new = if kid == key { by_new + 1 } else { 0 };
        if by_new == 2 * addresses.len() {
            return;
        }
    }
}

async fn ask(http: &Client, url: &str, secret: &str, form: &[(&str, &str)]) -> Value {
    let answer = http.post(url).header("authorization", basic("service", secret)).form(form).send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}
