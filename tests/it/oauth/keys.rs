//! Rotation of signing keys, as clients see it: a key is published before it signs and stays after it stopped.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use countersign::{jose::rotation, store::signing_key};
use countersign_jose::{Algorithm, PrivateKey};
use countersign_types::{ClientAuthMethod, GrantType};
use serde_json::{Value, json};

use crate::harness::{Server, TestClient, claims, confidential, jose_header};

fn service() -> TestClient {
    confidential(ClientAuthMethod::ClientSecretBasic, |client| {
        client.grant_types = [GrantType::ClientCredentials].into();
    })
}

/// A provider with a client that can have tokens at any time.
async fn start() -> Server {
    let server = Server::start().await;
    server.add_client("service", service()).await;
    server
}

/// The key that signs now.
async fn signing_kid(server: &Server) -> String {
    let answer = server.token("service", &[("grant_type", "client_credentials")]).await.json();
    jose_header(answer["access_token"].as_str().unwrap())["kid"].as_str().unwrap().to_owned()
}

async fn published_kids(server: &Server) -> BTreeSet<String> {
    let jwks = server.get("/.well-known/jwks.json").await.json();
    let kids: Vec<String> =
        jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
    let unique: BTreeSet<String> = kids.iter().cloned().collect();
    assert_eq!(unique.len(), kids.len(), "a kid is not unique");
    unique
}

/// What `countersign key rotate` does.
async fn rotate(server: &Server, at_once: bool) -> String {
    let (app, keyring) = (&server.app, &server.issuer.keyring);
    let new =
        rotation::rotate(&app.store, keyring.lifetimes(), &server.clock, (Algorithm::RS256, at_once)).await.unwrap();
    server.follow_changes().await;
    new.kid
}

async fn stored_keys(server: &Server) -> Vec<signing_key::StoredKey> {
    signing_key::all(&mut server.app.store.read().await.unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_new_key_is_published_before_it_signs() {
    let server = start().await;
    let old = signing_kid(&server).await;

    let new = rotate(&server, false).await;

    assert_eq!(published_kids(&server).await, BTreeSet::from([old.clone(), new.clone()]));
    // The time that others keep our keys, and a second until the last node shows the new one.
    server.advance(TimeDelta::hours(1));
    assert_eq!(signing_kid(&server).await, old);
    server.advance(TimeDelta::seconds(11));
    assert_eq!(signing_kid(&server).await, new);
}

#[tokio::test]
async fn a_key_stays_published_until_its_last_token_and_the_last_cache_have_expired() {
    let server = start().await;
    let old = signing_kid(&server).await;
    rotate(&server, true).await;

    server.advance(TimeDelta::minutes(69));
    assert!(published_kids(&server).await.contains(&old));
    server.advance(TimeDelta::minutes(1));
    assert!(!published_kids(&server).await.contains(&old));
}

#[tokio::test]
async fn a_client_that_caches_the_keys_for_the_advertised_time_never_meets_an_unknown_kid() {
    let server = start().await;
    let mut cached = published_kids(&server).await;
    let mut cached_at = server.clock.now();
    let mut signed_by = BTreeSet::new();
    for _ in 0..2 {
        server.advance(TimeDelta::days(88));
        // Through the days in which keys change, in steps shorter than the cache time.
        for _ in 0..3 * 24 * 2 {
            server.advance(TimeDelta::minutes(30));
            let (store, keyring, now) = (&server.app.store, &server.issuer.keyring, server.clock.now());
            rotation::maintain(store, keyring.lifetimes(), &[Algorithm::RS256], &server.clock).await.unwrap();
            server.follow_changes().await;
            if now - cached_at >= TimeDelta::hours(1) {
                (cached, cached_at) = (published_kids(&server).await, now);
            }
            let kid = keyring
                .sign_with(Algorithm::RS256, now, |signer| signer.kid().unwrap().to_owned())
                .expect("a key that signs");
            assert!(cached.contains(&kid), "at {now}");
            signed_by.insert(kid);
        }
    }
    assert_eq!(signed_by.len(), 3, "keys live for 90 days");
}

#[tokio::test]
async fn now_means_that_a_new_key_signs_at_once() {
    let server = start().await;
    let old = signing_kid(&server).await;

    let new = rotate(&server, true).await;

    assert_eq!(signing_kid(&server).await, new);
    assert_eq!(published_kids(&server).await, BTreeSet::from([old, new]));
}

#[tokio::test]
async fn now_overtakes_a_successor_that_was_published_already() {
    let server = start().await;
    let waiting = rotate(&server, false).await;
    let emergency = rotate(&server, true).await;
    for minutes in [0, 59, 1, 60] {
        server.advance(TimeDelta::minutes(minutes));
        let kid = signing_kid(&server).await;
        assert!(kid == emergency && kid != waiting);
    }
}

/// Says that a key is in other hands, as `countersign key rotate --now --compromised KID` does: the new one, if one is needed.
async fn compromise(server: &Server, kid: &str) -> Option<String> {
    let (app, keyring) = (&server.app, &server.issuer.keyring);
    let new = rotation::replace_compromised(&app.store, keyring.lifetimes(), &server.clock, kid).await.unwrap();
    server.follow_changes().await;
    new.map(|new| new.kid)
}

#[tokio::test]
async fn nothing_that_a_compromised_key_signed_counts_any_more() {
    let server = start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user("ada@example.com", None).await;
    let mut browser = server.browser();
    let code = browser.code("app", "ada@example.com", "openid offline_access").await;
    let tokens = server.exchange("app", &code).await.json();
    let token = |name: &str| tokens[name].as_str().unwrap();
    let service = server.token("service", &[("grant_type", "client_credentials")]).await.json();
    assert_eq!(server.userinfo(token("access_token")).await.status, 200);
    let old = signing_kid(&server).await;

    let new = compromise(&server, &old).await.expect("a new key");

    assert_eq!(
        (published_kids(&server).await, signing_kid(&server).await),
        (BTreeSet::from([new.clone()]), new.clone())
    );
    assert_eq!(server.userinfo(token("access_token")).await.status, 401);
    for (client, dead) in [("app", token("access_token")), ("service", service["access_token"].as_str().unwrap())] {
        assert_eq!(server.introspect(client, dead).await["active"], false);
    }
    // Not even as a hint.
    browser.authorize("app", &[("id_token_hint", token("id_token"))]).await.assert_refused("invalid_request");
    assert_eq!(browser.get(&format!("/logout?id_token_hint={}", token("id_token"))).await.status, 400);
    // What was never signed lives on, under the new key.
    let refreshed = server.refresh("app", token("refresh_token")).await.json();
    assert_eq!(jose_header(refreshed["access_token"].as_str().unwrap())["kid"], new);
    assert_eq!(server.userinfo(refreshed["access_token"].as_str().unwrap()).await.status, 200);
    let kinds: Vec<_> = server.audit(20).await.into_iter().map(|row| row.kind).collect();
    assert!(kinds.contains(&"key.compromised".to_owned()), "{kinds:?}");
    let server = server.restart().await;
    assert_eq!(published_kids(&server).await, BTreeSet::from([new]));
}

#[tokio::test]
async fn a_retired_key_or_one_that_waits_can_be_compromised_too() {
    for is_waiting in [false, true] {
        let server = start().await;
        let first = signing_kid(&server).await;
        let second = rotate(&server, !is_waiting).await;
        let (bad, good) = if is_waiting { (second, first) } else { (first, second) };
        assert_eq!(compromise(&server, &bad).await, None, "the one that signs is good, and in every cache");
        let published = published_kids(&server).await;
        assert!(!published.contains(&bad) && published.contains(&good), "{is_waiting}");
        for hours in [0, 2, 2] {
            server.advance(TimeDelta::hours(hours));
            assert_eq!(signing_kid(&server).await, good, "{is_waiting}");
        }
    }
}

#[tokio::test]
async fn a_key_that_waits_can_be_taken_out_of_the_succession() {
    let server = start().await;
    let first = signing_kid(&server).await;
    let waiting = rotate(&server, false).await;
    let (store, keyring, clock) = (&server.app.store, &server.issuer.keyring, &server.clock);
    rotation::retire(store, keyring.lifetimes(), clock, &waiting).await.unwrap();
    server.follow_changes().await;
    server.advance(TimeDelta::hours(2));
    assert_eq!(signing_kid(&server).await, first);
    for kid in [&first, &waiting] {
        let refused = rotation::retire(store, keyring.lifetimes(), clock, kid).await.unwrap_err();
        assert!(refused.to_string().contains("only one that is published"), "{refused}");
    }
    // In time another is made, as if there had been none.
    server.advance(TimeDelta::days(90) - TimeDelta::hours(3));
    server.keep_house().await;
    server.advance(TimeDelta::hours(2));
    let third = signing_kid(&server).await;
    assert!(third != first && third != waiting);
}

#[tokio::test]
async fn a_key_from_elsewhere_is_published_before_it_signs() {
    let server = start().await;
    let old = signing_kid(&server).await;
    let (store, keyring, clock) = (&server.app.store, &server.issuer.keyring, &server.clock);
    let generate = |algorithm| PrivateKey::generate(algorithm).unwrap().to_jwk_bytes();
    let jwk = generate(Algorithm::RS256);
    let new = rotation::import(store, keyring.lifetimes(), clock, (&jwk, &[Algorithm::RS256], false)).await.unwrap();
    server.follow_changes().await;
    assert_eq!(published_kids(&server).await, BTreeSet::from([old.clone(), new.kid.clone()]));
    assert_eq!(signing_kid(&server).await, old);
    server.advance(TimeDelta::hours(1) + TimeDelta::seconds(11));
    assert_eq!(signing_kid(&server).await, new.kid);
    for (jwk, words) in [
        (jwk, "is there already"),
        (generate(Algorithm::ES256), "nothing is signed by ES256 here"),
        (b"{\"kty\":\"RSA\"}".to_vec(), "the JWK member alg"),
        (b"-----BEGIN PRIVATE KEY-----".to_vec(), "is not a JSON object"),
    ] {
        let refused =
            rotation::import(store, keyring.lifetimes(), clock, (&jwk, &[Algorithm::RS256], false)).await.unwrap_err();
        assert!(refused.to_string().contains(words), "{refused}");
    }
}

#[tokio::test]
async fn a_successor_is_made_in_time_without_anybody() {
    let server = start().await;
    let old = signing_kid(&server).await;
    server.advance(TimeDelta::days(90) - TimeDelta::hours(1) - TimeDelta::seconds(11));
    server.keep_house().await;
    assert_eq!((published_kids(&server).await.len(), signing_kid(&server).await), (2, old.clone()));
    server.advance(TimeDelta::hours(1) + TimeDelta::seconds(11));
    assert_ne!(signing_kid(&server).await, old);
}

#[tokio::test]
async fn an_overdue_successor_is_still_published_before_it_signs() {
    let server = start().await;
    let old = signing_kid(&server).await;
    server.advance(TimeDelta::days(200));
    server.keep_house().await;
    assert_eq!((published_kids(&server).await.len(), signing_kid(&server).await), (2, old.clone()));
    server.advance(TimeDelta::hours(1) + TimeDelta::seconds(11));
    assert_ne!(signing_kid(&server).await, old);
}

#[tokio::test]
async fn a_key_is_removed_when_no_hint_can_name_it_any_more() {
    let server = start().await;
    rotate(&server, true).await;
    server.advance(TimeDelta::days(90) - TimeDelta::minutes(1));
    server.keep_house().await;
    let kept = stored_keys(&server).await.len();
    server.advance(TimeDelta::minutes(1));
    server.keep_house().await;
    assert_eq!(stored_keys(&server).await.len(), kept - 1);
}

#[tokio::test]
async fn two_nodes_at_once_make_one_key() {
    let server = start().await;
    let other = server.beside().await;
    server.advance(TimeDelta::days(90));
    tokio::join!(server.keep_house(), other.keep_house());
    let kids: Vec<String> = stored_keys(&server).await.into_iter().map(|key| key.kid).collect();
    assert_eq!(kids.len(), 2, "{kids:?}");
}

#[tokio::test]
async fn every_node_signs_with_the_same_key() {
    let server = start().await;
    let other = server.beside().await;
    let new = rotate(&server, true).await;
    other.follow_changes().await;
    assert_eq!((signing_kid(&server).await, signing_kid(&other).await), (new.clone(), new));
}

#[tokio::test]
async fn every_new_key_is_recorded() {
    let server = start().await;
    let kid = rotate(&server, true).await;
    let event = server.audit(1).await.remove(0);
    assert_eq!(event.kind, "key.published");
    let detail: serde_json::Value = serde_json::from_str(&event.detail).unwrap();
    assert_eq!(detail, serde_json::json!({ "kid": kid, "at_once": true }));
}

#[tokio::test]
async fn a_clock_that_was_put_back_does_not_stop_the_signatures() {
    let server = start().await;
    let only = signing_kid(&server).await;
    server.advance(-TimeDelta::days(1));
    assert_eq!(signing_kid(&server).await, only);
}

const ALL: [Algorithm; 4] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];
const WITH_ALL: &str = "keys.algorithms = ['EdDSA', 'RS256', 'PS256', 'ES256']";

/// A provider with keys for all algorithms, which others have seen.
async fn with_all() -> Server {
    let server = Server::with_settings(WITH_ALL).await;
    server.advance(TimeDelta::hours(1) + TimeDelta::seconds(11));
    server
}

/// By which algorithm and key a token is signed, which the JWKS must have for it.
async fn signed_by(server: &Server, token: &Value) -> (String, String) {
    let header = jose_header(token.as_str().unwrap());
    let jwks = server.get("/.well-known/jwks.json").await.json();
    let key = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
    assert_eq!(key["alg"], header["alg"]);
    let text = |name: &str| header[name].as_str().unwrap().to_owned();
    (text("alg"), text("kid"))
}

#[tokio::test]
async fn each_client_has_its_tokens_signed_as_it_chose() {
    let server = with_all().await;
    let document = server.get("/.well-known/openid-configuration").await.json();
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["RS256", "PS256", "ES256", "EdDSA"]));
    server.add_user("ada@example.com", None).await;
    for (number, (id_token, access_token)) in ALL.into_iter().zip(ALL.into_iter().rev()).enumerate() {
        let app = format!("app{number}");
        let chosen = confidential(ClientAuthMethod::ClientSecretBasic, |client| {
            client.id_token_signed_response_alg = Some(id_token);
            client.access_token_signed_response_alg = Some(access_token);
        });
        server.add_client(&app, chosen).await;
        let answer = server.sign_in(&app, "ada@example.com", "openid offline_access").await;
        for answer in [&answer, &server.refresh(&app, answer["refresh_token"].as_str().unwrap()).await.json()] {
            let (algorithms, access) = ([&answer["id_token"], &answer["access_token"]], &answer["access_token"]);
            let signed = [signed_by(&server, algorithms[0]).await.0, signed_by(&server, algorithms[1]).await.0];
            assert_eq!(signed, [id_token.name(), access_token.name()]);
            // OpenID Connect Core §3.1.3.6: by the hash that the algorithm of the ID token uses.
            let access = access.as_str().unwrap();
            let hash = if id_token == Algorithm::EdDSA {
                openssl::sha::sha512(access.as_bytes())[..32].to_vec()
            } else {
                openssl::sha::sha256(access.as_bytes())[..16].to_vec()
            };
            assert_eq!(claims(answer["id_token"].as_str().unwrap())["at_hash"], URL_SAFE_NO_PAD.encode(hash));
            assert_eq!(server.userinfo(access).await.status, 200, "and we know it again");
        }
    }
}

#[tokio::test]
async fn a_new_provider_signs_by_all_of_its_algorithms_at_once() {
    let server = Server::with_settings(WITH_ALL).await;
    let now = server.clock.now();
    for algorithm in ALL {
        let kid = server.issuer.keyring.sign_with(algorithm, now, |signer| signer.kid().unwrap().to_owned());
        assert!(published_kids(&server).await.contains(&kid.unwrap()), "{algorithm}");
    }
}

#[tokio::test]
async fn a_new_algorithm_is_published_before_it_signs() {
    let server = start().await.restart_with(WITH_ALL).await;
    assert_eq!(published_kids(&server).await.len(), 4);
    for algorithm in &ALL[1..] {
        let stored = stored_keys(&server).await;
        let key = stored.iter().find(|key| key.algorithm == algorithm.name()).unwrap();
        assert_eq!(key.times.signs_from, server.clock.now() + TimeDelta::hours(1) + TimeDelta::seconds(11));
    }
}

#[tokio::test]
async fn each_algorithm_has_its_own_succession() {
    let server = with_all().await;
    let signing = async || {
        let now = server.clock.now();
        ALL.map(|algorithm| {
            let keyring = &server.issuer.keyring;
            keyring.sign_with(algorithm, now, |signer| signer.kid().unwrap().to_owned()).unwrap()
        })
    };
    let before = signing().await;
    let keyring = &server.issuer.keyring;
    let new = rotation::rotate(&server.app.store, keyring.lifetimes(), &server.clock, (Algorithm::ES256, true)).await;
    server.follow_changes().await;
    let [rs256, ps256, _, eddsa] = before.clone();
    assert_eq!(signing().await, [rs256, ps256, new.unwrap().kid, eddsa.clone()]);
    // A stolen key is replaced by one of its kind.
    let new =
        rotation::replace_compromised(&server.app.store, keyring.lifetimes(), &server.clock, &eddsa).await.unwrap();
    server.follow_changes().await;
    assert_eq!(signing().await[3], new.unwrap().kid);
    assert!(!published_kids(&server).await.contains(&eddsa));
    // One that waits is taken out without touching the others.
    let waiting =
        rotation::rotate(&server.app.store, keyring.lifetimes(), &server.clock, (Algorithm::PS256, false)).await;
    rotation::retire(&server.app.store, keyring.lifetimes(), &server.clock, &waiting.unwrap().kid).await.unwrap();
    server.follow_changes().await;
    let now = signing().await;
    server.advance(TimeDelta::hours(2));
    assert_eq!(signing().await, now);
    // In time all of them have successors.
    server.advance(TimeDelta::days(90) - TimeDelta::hours(2));
    server.keep_house().await;
    server.advance(TimeDelta::hours(4));
    let after = signing().await;
    assert!(after.iter().zip(&now).all(|(after, before)| after != before), "{after:?}");
}

#[tokio::test]
async fn the_key_of_an_algorithm_that_is_given_up_has_no_successor() {
    let server = with_all().await.restart_with("").await;
    let signs = |algorithm| server.issuer.keyring.sign_with(algorithm, server.clock.now(), |_| ()).is_some();
    server.keep_house().await;
    // Another node may have other settings still, and its clients go on.
    assert!(ALL.into_iter().all(signs));
    server.advance(TimeDelta::days(91));
    server.keep_house().await;
    assert_eq!(ALL.map(signs), ALL.map(|algorithm| algorithm == Algorithm::RS256));
    server.advance(TimeDelta::minutes(71));
    let jwks = server.get("/.well-known/jwks.json").await.json();
    assert!(jwks["keys"].as_array().unwrap().iter().all(|key| key["alg"] == "RS256"), "{jwks}");
}

#[tokio::test]
async fn after_a_clock_was_ahead_keys_rotate_as_if_it_had_not_been() {
    let server = start().await;
    let first = signing_kid(&server).await;
    server.advance(TimeDelta::days(365));
    server.keep_house().await;
    server.advance(-TimeDelta::days(365));
    server.keep_house().await;
    assert_eq!(signing_kid(&server).await, first);
    server.advance(TimeDelta::days(90));
    server.keep_house().await;
    server.advance(TimeDelta::hours(2));
    assert_ne!(signing_kid(&server).await, first, "and not for a year");
}
