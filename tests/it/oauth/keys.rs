//! Rotation of signing keys, as clients see it: a key is published before it signs and stays after it stopped.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use countersign::{jose::rotation, store::signing_key};
use countersign_types::{ClientAuthMethod, GrantType};

use crate::harness::{Server, TestClient, confidential, jose_header};

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
    let new = rotation::rotate(&app.store, keyring.lifetimes(), &server.clock, at_once).await.unwrap();
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
    server.advance(TimeDelta::seconds(1));
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
            rotation::maintain(store, keyring.lifetimes(), &server.clock).await.unwrap();
            server.follow_changes().await;
            if now - cached_at >= TimeDelta::hours(1) {
                (cached, cached_at) = (published_kids(&server).await, now);
            }
            let kid = keyring.sign_with(now, |signer| signer.kid().unwrap().to_owned()).expect("a key that signs");
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

#[tokio::test]
async fn a_successor_is_made_in_time_without_anybody() {
    let server = start().await;
    let old = signing_kid(&server).await;
    server.advance(TimeDelta::days(90) - TimeDelta::hours(1) - TimeDelta::seconds(1));
    server.keep_house().await;
    assert_eq!((published_kids(&server).await.len(), signing_kid(&server).await), (2, old.clone()));
    server.advance(TimeDelta::hours(1) + TimeDelta::seconds(1));
    assert_ne!(signing_kid(&server).await, old);
}

#[tokio::test]
async fn an_overdue_successor_is_still_published_before_it_signs() {
    let server = start().await;
    let old = signing_kid(&server).await;
    server.advance(TimeDelta::days(200));
    server.keep_house().await;
    assert_eq!((published_kids(&server).await.len(), signing_kid(&server).await), (2, old.clone()));
    server.advance(TimeDelta::hours(1) + TimeDelta::seconds(1));
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
