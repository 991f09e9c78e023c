//! Subjects that differ from client to client (OpenID Connect Core §8).

use countersign::domain::client::{ClientMetadata, SubjectType};
use countersign_types::{ClientAuthMethod, ResponseType};
use serde_json::{Value, json};

use crate::harness::{REDIRECT_URI, Server, claims, confidential};

const ADA: &str = "ada@example.com";

fn pairwise(client: &mut ClientMetadata) {
    client.subject_type = SubjectType::Pairwise;
}

async fn add(server: &Server, id: &str, change: impl FnOnce(&mut ClientMetadata)) {
    server.add_client(id, confidential(ClientAuthMethod::ClientSecretBasic, change)).await;
}

/// A public client, a pairwise one beside it in its sector, and one of another sector.
async fn start() -> Server {
    let server = Server::start().await;
    add(&server, "public", |_| {}).await;
    add(&server, "app", pairwise).await;
    add(&server, "sibling", pairwise).await;
    add(&server, "stranger", |client| {
        pairwise(client);
        client.redirect_uris.push("https://stranger.example/cb".parse().unwrap());
        client.sector_identifier_uri = Some("https://stranger.example/sector.json".parse().unwrap());
    })
    .await;
    server.add_user(ADA, Some("ada")).await;
    server
}

/// Every name of person and session that a client sees of a sign-in.
async fn names(server: &Server, client: &str) -> (String, String) {
    let mut browser = server.browser();
    let code = browser.code(client, ADA, "openid offline_access").await;
    let tokens = server.exchange(client, &code).await.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (id_token, access_token) = (claims(&text(&tokens["id_token"])), claims(&text(&tokens["access_token"])));
    let refresh_token = text(&tokens["refresh_token"]);
    let about_refresh = server.introspect(client, &refresh_token).await;
    let refreshed = server.refresh(client, &refresh_token).await.json();
    let seen = [
        id_token.clone(),
        access_token,
        server.introspect(client, &text(&tokens["access_token"])).await,
        about_refresh,
        claims(&text(&refreshed["id_token"])),
        claims(&text(&refreshed["access_token"])),
    ];
    for claims in &seen {
        assert_eq!((&claims["sub"], &claims["sid"]), (&id_token["sub"], &id_token["sid"]), "{claims}");
    }
    if client != "public" {
        assert!(
            seen.iter().all(|claims| claims.get("username").is_none()),
            "by it the person would be known: {seen:?}"
        );
    }
    let userinfo = server.userinfo(&text(&refreshed["access_token"])).await.json();
    assert_eq!(userinfo["sub"], id_token["sub"]);
    (text(&id_token["sub"]), text(&id_token["sid"]))
}

#[tokio::test]
async fn a_person_has_another_name_in_each_sector_and_the_same_one_every_time() {
    let server = start().await;
    let (public, _) = names(&server, "public").await;
    assert_eq!(public, server.user(ADA).await.id.to_string());
    let (app, _) = names(&server, "app").await;
    let (stranger, _) = names(&server, "stranger").await;
    assert!(app != public && stranger != public && app != stranger);
    assert_eq!(names(&server, "sibling").await.0, app, "of the same sector");
    let server = server.restart().await;
    assert_eq!(names(&server, "app").await.0, app);
    // Another person has another one.
    server.add_user("eve@example.com", None).await;
    let eve = server.sign_in("app", "eve@example.com", "openid").await;
    assert_ne!(claims(eve["id_token"].as_str().unwrap())["sub"], app);
}

#[tokio::test]
async fn every_place_says_the_same_name_and_a_session_has_one_of_its_own_for_each_client() {
    let server = start().await;
    let mut browser = server.browser();
    let mut sids = std::collections::BTreeSet::new();
    for client in ["public", "app", "sibling", "stranger"] {
        let code = browser.code(client, ADA, "openid").await;
        let tokens = server.exchange(client, &code).await.json();
        sids.insert(claims(tokens["id_token"].as_str().unwrap())["sid"].to_string());
    }
    assert_eq!(sids.len(), 4, "one browser, and nobody can tell: {sids:?}");
    names(&server, "app").await;
}

#[tokio::test]
async fn two_nodes_know_a_person_by_the_same_names() {
    let server = start().await;
    let beside = server.beside().await;
    assert_eq!(names(&server, "app").await.0, names(&beside, "app").await.0);
}

#[tokio::test]
async fn whatever_ends_ends_for_pairwise_clients_too() {
    let server = start().await;
    let mut browser = server.browser();
    let code = browser.code("app", ADA, "openid").await;
    let tokens = server.exchange("app", &code).await.json();
    let access_token = tokens["access_token"].as_str().unwrap().to_owned();
    assert_eq!(server.userinfo(&access_token).await.status, 200);
    // The hint names the session by the name that the client knows: nobody is asked.
    let hint = tokens["id_token"].as_str().unwrap();
    let address = format!("/logout?{}", crate::harness::encode(&[("id_token_hint", hint)]));
    assert_eq!(browser.get(&address).await.location(), "/signed-out");
    assert_eq!(server.userinfo(&access_token).await.status, 401);
    assert_eq!(server.introspect("app", &access_token).await, json!({ "active": false }));
}

#[tokio::test]
async fn a_disabled_person_can_do_nothing_by_another_name() {
    let server = start().await;
    let tokens = server.sign_in("app", ADA, "openid offline_access").await;
    let ada = server.user(ADA).await;
    server.disable_user(&ada).await;
    assert_eq!(server.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 401);
    server.refresh("app", tokens["refresh_token"].as_str().unwrap()).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_hint_counts_for_the_client_it_was_issued_to_alone() {
    let server = start().await;
    let mut browser = server.browser();
    let code = browser.code("app", ADA, "openid").await;
    let tokens = server.exchange("app", &code).await.json();
    let hint = tokens["id_token"].as_str().unwrap();
    browser.authorize("app", &[("id_token_hint", hint), ("prompt", "none")]).await.assert_code();
    browser.authorize("sibling", &[("id_token_hint", hint)]).await.assert_refused("invalid_request");
    // Another person is never signed in by it.
    server.add_user("eve@example.com", None).await;
    let mut other = server.browser();
    other.code("app", "eve@example.com", "openid").await;
    other.authorize("app", &[("id_token_hint", hint), ("prompt", "none")]).await.assert_refused("login_required");
}

#[tokio::test]
async fn the_sub_that_is_asked_for_is_the_pairwise_one() {
    let server = start().await;
    let (sub, _) = names(&server, "app").await;
    let ask = async |sub: &str| {
        let asked = json!({ "id_token": { "sub": { "value": sub } } }).to_string();
        server.browser().answer("app", ADA, &[("claims", asked.as_str())]).await
    };
    ask(&sub).await.assert_code();
    ask(server.user(ADA).await.id.as_str()).await.assert_refused("login_required");
}

#[tokio::test]
async fn tokens_of_the_front_channel_carry_pairwise_names() {
    let server = start().await;
    add(&server, "hybrid", |client| {
        pairwise(client);
        client.response_types = ResponseType::ALL.iter().copied().collect();
        client.complete();
    })
    .await;
    let parameters = [("response_type", "code id_token token"), ("redirect_uri", REDIRECT_URI)];
    let answer = server.browser().answer("hybrid", ADA, &parameters).await.redirect_fragment();
    let (app, _) = names(&server, "app").await;
    for token in ["id_token", "access_token"] {
        assert_eq!(claims(&answer[token])["sub"], app, "{token}");
        assert!(!answer[token].is_empty() && claims(&answer[token])["sid"] != json!(null));
    }
}

#[tokio::test]
async fn revocation_is_in_the_audit_trail_under_the_account() {
    let server = start().await;
    let tokens = server.sign_in("app", ADA, "openid").await;
    server.revoke("app", tokens["access_token"].as_str().unwrap()).await;
    let ada = server.user(ADA).await.id;
    let events = server.audit(5).await;
    let event = events.iter().find(|event| event.kind == "token.revoked").unwrap();
    assert_eq!(event.user.as_deref(), Some(ada.as_str()));
}
