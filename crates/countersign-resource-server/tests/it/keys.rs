//! How the provider's keys are fetched, kept and refreshed.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use axum::http::{StatusCode, header};
use countersign_resource_server::{Algorithm, BuildError, Clock, ResourceServer, TokenError};
use serde_json::json;

use crate::harness::{
    AUDIENCE, Answer, Api, FIRST_KEY, Provider, SECOND_KEY, START, STRANGERS_KEY, key_set, sign, until,
};

const UNKNOWN: &str = "the access token is signed by an unknown key";

#[tokio::test]
async fn keys_are_fetched_once() {
    let provider = Provider::start().await;
    let api = provider.api();
    for _ in 0..20 {
        api.accepts(&provider.token()).await;
    }
    assert_eq!((provider.discovery_asked(), provider.jwks_asked()), (1, 1));
}

#[tokio::test]
async fn requests_at_once_share_one_fetch() {
    let provider = Provider::start().await;
    let server = provider.builder().build().unwrap();
    let token = provider.token();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (server, token) = (server.clone(), token.clone());
            tokio::spawn(async move { server.validate(&token).await.is_ok() })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert_eq!(provider.jwks_asked(), 1);
}

#[tokio::test]
async fn an_unknown_kid_fetches_once_per_interval_and_finds_the_new_key() {
    let provider = Provider::start().await;
    let api = provider.api();
    api.accepts(&provider.token()).await;

    let rotated = sign(&SECOND_KEY, "at+jwt", &provider.claims());
    api.refuses(&rotated, UNKNOWN).await;
    assert_eq!(provider.jwks_asked(), 1, "just fetched: not asked again");

    provider.clock.advance(10);
    for _ in 0..20 {
        api.refuses(&rotated, UNKNOWN).await;
    }
    assert_eq!(provider.jwks_asked(), 2, "one more, however many tokens name it");

    provider.publish(&[&FIRST_KEY, &SECOND_KEY]);
    api.refuses(&rotated, UNKNOWN).await;
    provider.clock.advance(10);
    api.accepts(&rotated).await;
    api.accepts(&provider.token()).await;
    assert_eq!(provider.jwks_asked(), 3);
}

#[tokio::test]
async fn the_interval_can_be_set_but_never_to_nothing() {
    let provider = Provider::start().await;
    let api = Api::new(&provider.builder().refresh_interval(Duration::ZERO).build().unwrap());
    let strangers = sign(&STRANGERS_KEY, "at+jwt", &provider.claims());
    for _ in 0..5 {
        api.refuses(&strangers, UNKNOWN).await;
    }
    assert_eq!(provider.jwks_asked(), 1);
    provider.clock.advance(1);
    api.refuses(&strangers, UNKNOWN).await;
    assert_eq!(provider.jwks_asked(), 2);
}

#[tokio::test]
async fn a_token_that_fails_a_cheap_rule_fetches_nothing() {
    let provider = Provider::start().await;
    let api = provider.api();
    api.refuses("a.b.c", "the access token is not a signed JWT").await;
    api.refuses(&sign(&FIRST_KEY, "JWT", &provider.claims()), "the token is not an access token").await;
    assert_eq!(provider.discovery_asked(), 0);
}

#[tokio::test]
async fn old_keys_are_refreshed_in_the_background_by_their_cache_time() {
    let provider = Provider::start().await;
    provider.answer_jwks(Answer::json(&key_set(&[&FIRST_KEY])).with(header::CACHE_CONTROL, "public, max-age=120"));
    let api = provider.api();
    api.accepts(&provider.token()).await;
    provider.clock.advance(119);
    api.accepts(&provider.token()).await;
    assert_eq!(provider.jwks_asked(), 1);

    provider.clock.advance(1);
    api.accepts(&provider.token()).await;
    until(|| provider.jwks_asked() == 2).await;
    assert_eq!(provider.discovery_asked(), 1, "what discovery said keeps for an hour");
}

#[tokio::test]
async fn the_setting_counts_where_the_provider_says_nothing() {
    let provider = Provider::start().await;
    let api = Api::new(&provider.builder().jwks_max_age(Duration::from_mins(5)).build().unwrap());
    api.accepts(&provider.token()).await;
    provider.clock.advance(299);
    api.accepts(&provider.token()).await;
    assert_eq!(provider.jwks_asked(), 1);
    provider.clock.advance(1);
    api.accepts(&provider.token()).await;
    until(|| provider.jwks_asked() == 2).await;
}

#[tokio::test]
async fn a_withdrawn_key_is_not_used_after_long_idleness() {
    let provider = Provider::start().await;
    let api = provider.api();
    api.accepts(&provider.token()).await;
    provider.publish(&[&SECOND_KEY]);
    provider.clock.advance(2 * 3600);
    api.refuses(&provider.token(), UNKNOWN).await;
    api.accepts(&sign(&SECOND_KEY, "at+jwt", &provider.claims())).await;
    assert_eq!(provider.jwks_asked(), 2);
}

#[tokio::test]
async fn a_provider_that_goes_down_leaves_the_old_keys_in_use() {
    let provider = Provider::start().await;
    let api = provider.api();
    api.accepts(&provider.token()).await;
    provider.go_down();
    for hours in [1, 3, 20] {
        provider.clock.advance(hours * 3600);
        api.accepts(&provider.token()).await;
    }
    // A key that we could only learn of from the provider: nobody knows, so this is no 401.
    provider.clock.advance(60);
    let seen = api.get_with("/", &sign(&SECOND_KEY, "at+jwt", &provider.claims())).await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE, "{seen:?}");

    provider.publish(&[&FIRST_KEY, &SECOND_KEY]);
    provider.clock.advance(10);
    api.accepts(&sign(&SECOND_KEY, "at+jwt", &provider.claims())).await;
}

#[tokio::test]
async fn a_first_start_without_the_provider_is_503_and_recovers() {
    let provider = Provider::start().await;
    provider.go_down();
    let server = provider.builder().build().unwrap();
    let api = Api::new(&server);
    assert!(matches!(server.ready().await, Err(TokenError::KeysUnavailable { retry_after: 1 })));

    let seen = api.get_with("/", &provider.token()).await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(seen.headers[header::RETRY_AFTER], "1");
    assert_eq!(seen.challenge(), "", "no other token would help");
    assert_eq!(seen.json()["error"], "temporarily_unavailable");
    assert_eq!(provider.jwks_asked(), 1, "limited even now");

    provider.publish(&[&FIRST_KEY]);
    provider.clock.advance(1);
    api.accepts(&provider.token()).await;
    server.ready().await.unwrap();
}

#[tokio::test]
async fn a_provider_that_is_not_there_at_all_is_503() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let provider = Provider::start().await;
    let server =
        ResourceServer::builder(format!("http://{gone}"), AUDIENCE).clock(provider.clock.clone()).build().unwrap();
    let seen = Api::new(&server).get_with("/", &provider.token()).await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
}

/// The provider answers something else than it should: the API says 503 and stays up.
async fn unusable(spoil: impl FnOnce(&Provider)) {
    let provider = Provider::start().await;
    spoil(&provider);
    let server = provider.builder().build().unwrap();
    assert!(matches!(server.validate(&provider.token()).await, Err(TokenError::KeysUnavailable { .. })));
}

#[tokio::test]
async fn documents_that_are_not_as_they_should_be_are_refused() {
    let discovery = |p: &Provider, issuer: String, jwks: String| {
        p.answer_discovery(Answer::json(&json!({ "issuer": issuer, "jwks_uri": jwks })));
    };
    unusable(|p| discovery(p, format!("{}/", p.issuer), format!("{}/jwks", p.issuer))).await;
    unusable(|p| discovery(p, "https://elsewhere.example".into(), format!("{}/jwks", p.issuer))).await;
    unusable(|p| discovery(p, p.issuer.clone(), "http://id.example/jwks".into())).await;
    unusable(|p| discovery(p, p.issuer.clone(), "file:///etc/passwd".into())).await;
    unusable(|p| discovery(p, p.issuer.clone(), "jwks".into())).await;
    unusable(|p| p.answer_discovery(Answer::json(&json!([])))).await;
    unusable(|p| p.answer_jwks(Answer::json(&json!({ "keys": [] })))).await;
    unusable(|p| p.answer_jwks(Answer::json(&json!({ "keys": "none" })))).await;
    unusable(|p| p.answer_jwks(Answer { body: b"<html>".to_vec(), ..Answer::status(StatusCode::OK) })).await;
    unusable(|p| p.answer_jwks(Answer { body: vec![b'['; 60_000], ..Answer::status(StatusCode::OK) })).await;
}

#[tokio::test]
async fn a_huge_key_set_is_refused() {
    let mut huge = key_set(&[&FIRST_KEY]);
    huge["padding"] = json!("x".repeat(8 << 20));
    unusable(|p| p.answer_jwks(Answer::json(&huge))).await;
    let many = json!({ "keys": vec![FIRST_KEY.public_jwk().to_value(); 5000] });
    unusable(|p| p.answer_jwks(Answer::json(&many))).await;
}

#[tokio::test]
async fn redirects_are_not_followed() {
    unusable(|p| {
        p.answer_discovery(Answer::status(StatusCode::FOUND).with(header::LOCATION, format!("{}/moved", p.issuer)));
    })
    .await;
    // Not even when a client of the caller's own follows them.
    let provider = Provider::start().await;
    let moved = Answer::json(&json!({ "issuer": provider.issuer, "jwks_uri": format!("{}/jwks", provider.issuer) }));
    provider.answer_jwks(moved);
    provider.answer_discovery(
        Answer::status(StatusCode::FOUND).with(header::LOCATION, format!("{}/moved", provider.issuer)),
    );
    let following = countersign_resource_server::reqwest::Client::builder().no_proxy().build().unwrap();
    let server = provider.builder().http_client(following).build().unwrap();
    assert!(matches!(server.validate(&provider.token()).await, Err(TokenError::KeysUnavailable { .. })));
    assert_eq!(provider.jwks_asked(), 1, "it did follow");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let build = |issuer: &str, audience: &str| ResourceServer::builder(issuer, audience).build();
    assert!(matches!(build("http://id.example", AUDIENCE), Err(BuildError::Issuer(_))));
    assert!(matches!(build("", AUDIENCE), Err(BuildError::Issuer(_))));
    assert!(matches!(build("https://id.example", ""), Err(BuildError::Audience)));
    let builder = || ResourceServer::builder("https://id.example", AUDIENCE);
    assert!(matches!(builder().algorithms([]).build(), Err(BuildError::Algorithms)));
    assert!(matches!(builder().algorithms([Algorithm::RS256, Algorithm::HS256]).build(), Err(BuildError::Algorithms)));
    assert!(matches!(builder().ca_file("/nowhere").build(), Err(BuildError::CaFile(_))));
    assert!(matches!(builder().ca_file(file!()).build(), Err(BuildError::CaFile(_))));
    assert!(matches!(builder().jwks_url("http://localhost/jwks").build(), Err(BuildError::JwksUrl(_))));
    assert!(matches!(builder().jwks_url("jwks").build(), Err(BuildError::JwksUrl(_))));
    let urn = ResourceServer::builder("https://id.example", "urn:journal");
    assert!(matches!(urn.publish_metadata(["journal.read"]).build(), Err(BuildError::Resource(_))));
}

#[tokio::test]
async fn keys_that_the_provider_has_not_confirmed_for_too_long_are_used_no_more() {
    let provider = Provider::start().await;
    let api = Api::new(&provider.builder().stale_keys(Duration::from_mins(10)).build().unwrap());
    let token = provider.token_with("exp", json!(provider.clock_now() + 100_000));
    api.accepts(&token).await;
    provider.go_down();
    // An hour of cache time, and ten minutes.
    for (seconds, status) in [(3_600, 200), (599, 200), (1, 503)] {
        provider.clock.advance(seconds);
        assert_eq!(api.get_with("/", &token).await.status, status, "{seconds}");
    }
    provider.publish(&[&FIRST_KEY]);
    provider.clock.advance(10);
    api.accepts(&token).await;
}

#[tokio::test]
async fn the_keys_may_be_at_a_fixed_address() {
    let provider = Provider::start().await;
    let api = Api::new(&provider.builder().jwks_url(format!("{}/jwks", provider.issuer)).build().unwrap());
    provider.answer_discovery(Answer::status(StatusCode::NOT_FOUND));
    api.accepts(&provider.token()).await;
    assert_eq!((provider.discovery_asked(), provider.jwks_asked()), (0, 1));
}

#[tokio::test]
async fn the_keys_may_be_in_a_file_which_is_read_again() {
    let provider = Provider::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let server = provider.builder().jwks_file(&file).build().unwrap();
    let api = Api::new(&server);
    let write = |bytes: &[u8]| std::fs::write(&file, bytes).unwrap();
    // Not there, not what it should be, too much: nobody knows the keys, and the next try finds out.
    assert!(matches!(server.ready().await, Err(TokenError::KeysUnavailable { retry_after: 1 })));
    for rubbish in [&b"not a key set"[..], b"[]", &vec![b' '; 1 << 20]] {
        write(rubbish);
        provider.clock.advance(1);
        assert_eq!(api.get_with("/", &provider.token()).await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    write(key_set(&[&FIRST_KEY]).to_string().as_bytes());
    provider.clock.advance(1);
    api.accepts(&provider.token()).await;

    let rotated = sign(&SECOND_KEY, "at+jwt", &provider.claims());
    write(key_set(&[&FIRST_KEY, &SECOND_KEY]).to_string().as_bytes());
    api.refuses(&rotated, UNKNOWN).await;
    provider.clock.advance(10);
    api.accepts(&rotated).await;
    assert_eq!((provider.discovery_asked(), provider.jwks_asked()), (0, 0));
}

#[tokio::test]
async fn a_herd_of_tokens_by_a_new_key_asks_once_and_all_pass() {
    let provider = Provider::start().await;
    let server = provider.builder().build().unwrap();
    server.validate(&provider.token()).await.unwrap();
    provider.publish(&[&FIRST_KEY, &SECOND_KEY]);
    provider.clock.advance(10);
    let herd: Vec<_> = (0..100)
        .map(|number| {
            let mut claims = provider.claims();
            claims["jti"] = json!(number.to_string());
            let (server, token) = (server.clone(), sign(&SECOND_KEY, "at+jwt", &claims));
            tokio::spawn(async move { server.validate(&token).await.map(drop) })
        })
        .collect();
    for one in herd {
        assert_eq!(one.await.unwrap(), Ok(()));
    }
    assert_eq!(provider.jwks_asked(), 2);
}

/// Goes on by a second whenever it is looked at.
#[derive(Debug)]
struct Hurrying(AtomicI64);

impl Clock for Hurrying {
    fn now(&self) -> i64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_second_that_passes_while_the_keys_are_fetched_shuts_nobody_out() {
    let provider = Provider::start().await;
    let server = provider.builder().clock(Hurrying(AtomicI64::new(START))).build().unwrap();
    server.validate(&provider.token()).await.unwrap();
}

#[tokio::test]
async fn a_clock_that_is_set_back_while_the_provider_is_away_shuts_nobody_out() {
    let provider = Provider::start().await;
    let api = provider.api();
    let token = provider.token_with("iat", json!(START - 60));
    api.accepts(&token).await;
    provider.go_down();
    provider.clock.advance(-30);
    for _ in 0..3 {
        api.accepts(&token).await;
    }
}

#[tokio::test]
async fn one_odd_key_does_not_shut_out_the_others() {
    let provider = Provider::start().await;
    let mut keys = key_set(&[&FIRST_KEY, &FIRST_KEY]);
    let weak = json!({ "kty": "RSA", "kid": "weak", "n": "AQAB", "e": "AQAB" });
    let odd = [
        weak,
        json!({ "kty": "EC", "crv": "P-256", "x": "!", "y": "!" }),
        json!({ "kty": "RSA", "alg": "" }),
        json!(7),
    ];
    keys["keys"].as_array_mut().unwrap().splice(0..0, odd);
    provider.answer_jwks(Answer::json(&keys));
    provider.api().accepts(&provider.token()).await;
}
