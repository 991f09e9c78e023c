//! Tokens that are bound to a key, and the proofs of it (RFC 9449 §7).

use std::{pin::Pin, sync::LazyLock};

use axum::{Router, body::Body, http::Request, routing::get};
use countersign_jose::{Algorithm, PrivateKey, access_token_hash};
use countersign_resource_server::{Caller, FirstUse, Lifespan, ReplayGuard, ResourceServer};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::harness::{AUDIENCE, Api, FIRST_KEY, Provider, Seen, sign};

static KEY: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(Algorithm::ES256).unwrap());

fn bound_token(provider: &Provider) -> String {
    provider.token_with("cnf", json!({ "jkt": KEY.kid() }))
}

/// A proof for `GET /`, with these claims instead of the usual ones.
fn proof(provider: &Provider, token: &str, instead: &Value) -> String {
    let mut claims = json!({
        "jti": "1",
        "htm": "GET",
        "htu": format!("{AUDIENCE}/"),
        "iat": provider.clock_now(),
        "ath": access_token_hash(token),
    });
    for (name, value) in instead.as_object().unwrap() {
        claims[name] = value.clone();
    }
    KEY.sign_embedded("dpop+jwt", &claims).unwrap()
}

fn request(path: &str, authorization: &str, proofs: &[&str]) -> Request<Body> {
    let mut request = Request::get(path).header("authorization", authorization);
    for proof in proofs {
        request = request.header("dpop", *proof);
    }
    request.body(Body::empty()).unwrap()
}

async fn send(api: &Api, token: &str, proof: &str) -> Seen {
    api.send(request("/", &format!("DPoP {token}"), &[proof])).await
}

#[tokio::test]
async fn a_bound_token_is_accepted_with_a_proof_of_its_key() {
    let provider = Provider::start().await;
    let (api, token) = (provider.api(), bound_token(&provider));
    let seen = send(&api, &token, &proof(&provider, &token, &json!({}))).await;
    assert_eq!((seen.status.as_u16(), seen.body.as_str()), (200, "ada"), "{seen:?}");
    // The query is no part of what is proven.
    let again = proof(&provider, &token, &json!({ "jti": "2" }));
    assert_eq!(api.send(request("/?page=2", &format!("dpop {token}"), &[&again])).await.status, 200);
}

#[tokio::test]
async fn without_a_right_proof_it_is_refused() {
    let provider = Provider::start().await;
    let (api, token) = (provider.api(), bound_token(&provider));
    let now = provider.clock_now();
    for (instead, words) in [
        (json!({ "htm": "POST" }), "htm of the DPoP proof"),
        (json!({ "htu": "https://api.example/other" }), "htu of the DPoP proof"),
        (json!({ "htu": "https://evil.example/" }), "htu of the DPoP proof"),
        (json!({ "iat": now - 11 }), "iat of the DPoP proof"),
        (json!({ "iat": now + 11 }), "iat of the DPoP proof"),
        (json!({ "ath": access_token_hash("another") }), "ath of the DPoP proof"),
        (json!({ "ath": null }), "ath of the DPoP proof"),
        (json!({ "jti": "" }), "needs a jti"),
        (json!({ "jti": 7 }), "must be one JWS"),
    ] {
        let seen = send(&api, &token, &proof(&provider, &token, &instead)).await;
        assert_refused(&seen, "invalid_dpop_proof", words);
    }
    let good = proof(&provider, &token, &json!({}));
    let two = [good.as_str(), good.as_str()];
    for proofs in [&[] as &[&str], &[""], &["a.b.c"], &two] {
        let seen = api.send(request("/", &format!("DPoP {token}"), proofs)).await;
        assert_refused(&seen, "invalid_dpop_proof", "DPoP proof");
    }
    let strangers = PrivateKey::generate(Algorithm::ES256).unwrap();
    let claims = json!({ "jti": "1", "htm": "GET", "htu": AUDIENCE, "iat": now, "ath": access_token_hash(&token) });
    let stolen = send(&api, &token, &strangers.sign_embedded("dpop+jwt", &claims).unwrap()).await;
    assert_refused(&stolen, "invalid_token", "bound to another key");
    // As a bearer token it is stolen goods, whatever comes with it.
    let as_bearer = api.send(request("/", &format!("Bearer {token}"), &[&good])).await;
    assert_refused(&as_bearer, "invalid_token", "cannot be used as a bearer token");
    let unbound = provider.token();
    let unbound = send(&api, &unbound, &proof(&provider, &unbound, &json!({}))).await;
    assert!(unbound.status == 401 && unbound.challenge().starts_with("Bearer error=\"invalid_token\""), "{unbound:?}");
    assert!(unbound.body.contains("is not bound to a key"), "{unbound:?}");
    assert_eq!(send(&api, &token, &good).await.status, 200, "what was refused spent nothing");
}

fn assert_refused(seen: &Seen, error: &str, words: &str) {
    assert_eq!((seen.status.as_u16(), seen.json()["error"].as_str()), (401, Some(error)), "{seen:?}");
    assert!(seen.json()["error_description"].as_str().unwrap().contains(words), "{words}: {seen:?}");
    let challenge = seen.challenge();
    assert!(challenge.starts_with(&format!("DPoP error=\"{error}\"")), "{challenge}");
    assert!(challenge.ends_with("algs=\"ES256 EdDSA PS256\""), "{challenge}");
}

#[tokio::test]
async fn a_proof_is_good_once() {
    let provider = Provider::start().await;
    let (api, token) = (provider.api(), bound_token(&provider));
    let proof = proof(&provider, &token, &json!({}));
    assert_eq!(send(&api, &token, &proof).await.status, 200);
    for seconds in [0, 10] {
        provider.clock.advance(seconds);
        assert_refused(&send(&api, &token, &proof).await, "invalid_dpop_proof", "was used before");
    }
}

#[tokio::test]
async fn whoever_sends_no_token_is_told_both_ways() {
    let provider = Provider::start().await;
    let seen = provider.api().get("/").await;
    let challenges: Vec<_> = seen.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(seen.status, 401);
    assert_eq!(challenges, ["Bearer", "DPoP algs=\"ES256 EdDSA PS256\""]);
}

/// One that its machines cannot reach.
#[derive(Debug)]
struct Unreachable;

impl ReplayGuard for Unreachable {
    fn first_use(&self, _: String, _: Lifespan, _: i64) -> Pin<Box<dyn Future<Output = FirstUse> + Send + '_>> {
        Box::pin(std::future::ready(FirstUse::Unknown))
    }
}

#[tokio::test]
async fn where_nobody_can_tell_whether_it_was_used_it_is_refused_for_now() {
    let provider = Provider::start().await;
    let api = Api::new(&provider.builder().replay_guard(Unreachable).build().unwrap());
    let token = bound_token(&provider);
    let seen = send(&api, &token, &proof(&provider, &token, &json!({}))).await;
    assert_eq!((seen.status.as_u16(), seen.challenge()), (503, ""));
    assert_eq!(seen.headers["retry-after"], "1");
}

#[tokio::test]
async fn the_address_is_the_one_that_clients_see() {
    let provider = Provider::start().await;
    let token = bound_token(&provider);
    let server = provider.builder().public_url("https://journal.example:8443").build().unwrap();
    let inner = Router::new().route("/entries", get(async |caller: Caller| caller.sub.clone()));
    let api = Router::new().nest("/v1", inner.layer(server.layer()));
    let seen = async |jti: &str, htu: &str| {
        let proof = proof(&provider, &token, &json!({ "jti": jti, "htu": htu }));
        api.clone().oneshot(request("/v1/entries", &format!("DPoP {token}"), &[&proof])).await.unwrap().status()
    };
    assert_eq!(seen("1", "https://journal.example:8443/v1/entries").await, 200);
    assert_eq!(seen("2", "https://journal.example:8443/entries").await, 401);
    assert_eq!(seen("3", &format!("{AUDIENCE}/v1/entries")).await, 401);
    assert!(provider.builder().public_url("journal").build().is_err());
}

#[tokio::test]
async fn what_a_proxy_takes_away_from_the_path_is_named_by_the_public_address() {
    let provider = Provider::start().await;
    let token = bound_token(&provider);
    let api = Api::new(&provider.builder().public_url("https://example.com/api/").build().unwrap());
    let seen = async |jti: &str, htu: &str| {
        let proof = proof(&provider, &token, &json!({ "jti": jti, "htu": htu }));
        api.send(request("/", &format!("DPoP {token}"), &[&proof])).await.status.as_u16()
    };
    assert_eq!(seen("1", "https://example.com/api/").await, 200);
    assert_eq!(seen("2", "https://example.com/").await, 401);
    for address in
        ["urn:api", "ftp://example.com", "https://example.com?a", "https://a@example.com", "https://example.com#a"]
    {
        assert!(provider.builder().public_url(address).build().is_err(), "{address}");
    }
}

#[tokio::test]
async fn an_api_that_knows_no_address_of_its_own_says_that_it_is_set_up_wrongly() {
    let provider = Provider::start().await;
    let server =
        ResourceServer::builder(&provider.issuer, "urn:journal").clock(provider.clock.clone()).build().unwrap();
    let mut claims = provider.claims();
    (claims["aud"], claims["cnf"]) = (json!("urn:journal"), json!({ "jkt": KEY.kid() }));
    let token = sign(&FIRST_KEY, "at+jwt", &claims);
    let seen = send(&Api::new(&server), &token, &proof(&provider, &token, &json!({}))).await;
    assert_eq!((seen.status.as_u16(), seen.challenge()), (500, ""));
}

#[tokio::test]
async fn whoever_came_with_a_proof_is_asked_for_a_token_that_takes_one() {
    let provider = Provider::start().await;
    let (api, token) = (provider.api(), bound_token(&provider));
    provider.clock.advance(700);
    let seen = send(&api, &token, &proof(&provider, &token, &json!({}))).await;
    assert_refused(&seen, "invalid_token", "has expired");
}

#[tokio::test]
async fn a_layer_within_a_layer_asks_for_no_second_proof() {
    let provider = Provider::start().await;
    let (server, token) = (provider.builder().build().unwrap(), bound_token(&provider));
    let who = get(async |caller: Caller| caller.sub.clone());
    let api = Router::new().route("/", who.clone().layer(server.layer())).layer(server.layer());
    let ask = async |api: &Router, jti: &str| {
        let proof = proof(&provider, &token, &json!({ "jti": jti }));
        api.clone().oneshot(request("/", &format!("DPoP {token}"), &[&proof])).await.unwrap().status().as_u16()
    };
    assert_eq!(ask(&api, "1").await, 200);
    assert_eq!(ask(&api, "1").await, 401, "it is still good once");
    // What the inner one asks beyond is asked: here nobody said how.
    let confirmed = Router::new().route("/", who.layer(server.layer().confirmed())).layer(server.layer());
    assert_eq!(ask(&confirmed, "2").await, 503);
}
