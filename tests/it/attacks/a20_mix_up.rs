//! Attack 20: answers, codes and tokens of one issuer or client brought to another (RFC 9207, RFC 9700 §4.4).

use countersign_jose::{Algorithm, PrivateKey};
use countersign_types::ClientAuthMethod;
use serde_json::{Value, json};

use crate::harness::{Forger, ISSUER, Server, authorize_path, claims, confidential, merge};

const USER: &str = "ada@example.com";

async fn server() -> Server {
    let server = Server::start().await;
    for id in ["app", "other"] {
        server.add_client(id, confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    }
    server.add_user(USER, None).await;
    server
}

#[tokio::test]
async fn every_answer_says_who_answers() {
    let server = server().await;
    let mut browser = server.browser();
    let code = browser.answer("app", USER, &[]).await.redirect_query();
    assert_eq!((code["iss"].as_str(), code.contains_key("code")), (ISSUER, true));
    for wrong in [
        ("response_type", ""),
        ("response_type", "none"),
        ("scope", "admin"),
        ("prompt", "none login"),
        ("request", "a.b.c"),
        ("request_uri", "https://app.example/request"),
        ("code_challenge", "short"),
        ("max_age", "-1"),
        ("id_token_hint", "a.b.c"),
        ("response_mode", "web_message"),
    ] {
        let reply = server.get(&authorize_path("app", &[wrong])).await;
        let query = reply.redirect_query();
        assert!(query.contains_key("error") && !query.contains_key("code"), "{wrong:?}");
        assert_eq!(query["iss"], ISSUER, "{wrong:?}");
    }
    let unknown = server.get(&authorize_path("app", &[("response_type", "token")])).await.redirect_fragment();
    assert_eq!((unknown.contains_key("error"), unknown["iss"].as_str()), (true, ISSUER));
    let silent = server.get(&authorize_path("app", &[("prompt", "none"), ("response_mode", "fragment")])).await;
    assert!(silent.location().contains("#error=login_required") && silent.location().contains("&iss=http"));
    let posted = server.get(&authorize_path("app", &[("prompt", "none"), ("response_mode", "form_post")])).await;
    assert!(posted.text().contains(&format!("name=\"iss\" value=\"{ISSUER}\"")), "{}", posted.text());
}

#[tokio::test]
async fn a_refusal_says_who_answers() {
    let server = server().await;
    let mut browser = server.browser();
    let login = browser.authorize("app", &[]).await;
    let consent = browser.log_in(&login, USER).await;
    let query = browser.submit(&consent, &[("deny", "1")]).await.redirect_query();
    assert_eq!((query["error"].as_str(), query["iss"].as_str()), ("access_denied", ISSUER));
}

#[tokio::test]
async fn discovery_promises_it() {
    let document = server().await.get("/.well-known/openid-configuration").await.json();
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
}

#[tokio::test]
async fn a_code_meant_for_another_client() {
    let server = server().await;
    let code = server.browser().code("app", USER, "openid").await;
    server.exchange("other", &code).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_code_of_another_issuer() {
    let (server, elsewhere) = (server().await, server_elsewhere().await);
    let code = elsewhere.browser().code("app", USER, "openid").await;
    server.exchange("app", &code).await.assert_error(400, "invalid_grant");
    assert_eq!(elsewhere.exchange("app", &code).await.status, 200);
}

/// Another provider, with the same client and the same person.
async fn server_elsewhere() -> Server {
    let server = Server::with_settings("issuer = 'http://localhost:9090'").await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user(USER, None).await;
    server
}

/// An ID token, and an access token, of ours.
async fn tokens(server: &Server) -> (Value, Value) {
    let tokens = server.sign_in("app", USER, "openid").await;
    let read = |name: &str| claims(tokens[name].as_str().unwrap());
    (read("id_token"), read("access_token"))
}

#[tokio::test]
async fn an_id_token_hint_of_another_issuer() {
    let server = server().await;
    let (id, _) = tokens(&server).await;
    let ours = server.stolen_key().await;
    let foreign_key = Forger::new(PrivateKey::generate(Algorithm::RS256).unwrap());
    let other_issuer = merge(&id, &json!({ "iss": "http://localhost:9090" }));
    let hints = [
        ours.sign("JWT", &json!({}), &other_issuer),
        foreign_key.sign("JWT", &json!({}), &id),
        foreign_key.sign("JWT", &json!({ "kid": ours.kid() }), &id),
    ];
    for hint in hints {
        let reply = server.get(&authorize_path("app", &[("id_token_hint", &hint)])).await;
        assert_eq!(reply.redirect_query()["error"], "invalid_request");
        server.get(&format!("/logout?id_token_hint={hint}")).await.assert_page(400);
    }
}

#[tokio::test]
async fn an_access_token_of_another_issuer() {
    let server = server().await;
    let (_, access) = tokens(&server).await;
    let other_issuer = merge(&access, &json!({ "iss": "http://localhost:9090" }));
    let token = server.stolen_key().await.sign("at+jwt", &json!({}), &other_issuer);
    assert_eq!(server.userinfo(&token).await.status, 401);
    assert_eq!(server.introspect("app", &token).await, json!({ "active": false }));
}

#[tokio::test]
async fn a_hint_of_another_person_never_signs_the_wrong_one_in() {
    let server = server().await;
    server.add_user("eve@example.com", None).await;
    let (id, _) = tokens(&server).await;
    let hint = server.stolen_key().await.sign("JWT", &json!({}), &id);
    let mut browser = server.browser();
    browser.code("app", "eve@example.com", "openid").await;
    server.advance(chrono::TimeDelta::seconds(1));

    let silent = browser.authorize("app", &[("id_token_hint", &hint), ("prompt", "none")]).await;
    assert_eq!(silent.redirect_query()["error"], "login_required");
    let login = browser.authorize("app", &[("id_token_hint", &hint)]).await;
    let refused = browser.log_in(&login, "eve@example.com").await;
    assert_eq!(refused.redirect_query()["error"], "login_required");
}

#[tokio::test]
async fn a_hint_of_another_client_cannot_speak_for_this_one() {
    let server = server().await;
    let (id, _) = tokens(&server).await;
    let hint = server.stolen_key().await.sign("JWT", &json!({}), &id);
    server.get(&format!("/logout?id_token_hint={hint}&client_id=other")).await.assert_page(400);
}

#[tokio::test]
async fn a_sealed_request_of_another_provider() {
    let (server, elsewhere) = (server().await, server_elsewhere().await);
    let sealed = elsewhere.get(&authorize_path("app", &[])).await.location().to_owned();
    server.get(&sealed).await.assert_page(400);
    server.get(&sealed.replace("/login", "/authorize/resume")).await.assert_page(400);
}
