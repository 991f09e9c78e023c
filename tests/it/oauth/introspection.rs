//! The introspection endpoint (RFC 7662).

use chrono::TimeDelta;
use countersign_types::ClientAuthMethod;
use serde_json::json;

use crate::harness::{ISSUER, Server, confidential, public};

const ADA: &str = "ada@example.com";

async fn start() -> Server {
    let server = Server::start().await;
    let plain = || confidential(ClientAuthMethod::ClientSecretBasic, |_| {});
    server.add_client("api", plain()).await;
    server.add_client("stranger", plain()).await;
    server.add_api("https://journal.example", &["journal.read"], &["api"], false).await;
    let client = confidential(ClientAuthMethod::ClientSecretBasic, |client| {
        client.scope = "openid offline_access journal.read".parse().unwrap();
    });
    server.add_client("app", client).await;
    server.add_user(ADA, Some("ada")).await;
    server
}

#[tokio::test]
async fn only_the_tokens_client_and_those_of_its_apis_learn_anything() {
    let server = start().await;
    let tokens = server.sign_in("app", ADA, "openid journal.read").await;
    let token = tokens["access_token"].as_str().unwrap();
    for caller in ["app", "api"] {
        let answer = server.introspect(caller, token).await;
        assert_eq!((&answer["active"], &answer["token_type"]), (&json!(true), &json!("Bearer")), "{caller}");
        assert_eq!((&answer["client_id"], &answer["username"]), (&json!("app"), &json!("ada")));
        assert_eq!((&answer["iss"], &answer["scope"]), (&json!(ISSUER), &json!("journal.read openid")));
    }
    assert_eq!(server.introspect("stranger", token).await, json!({"active": false}));
    // A refresh token is its own client's business alone.
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(server.introspect("app", refresh_token).await["active"], true);
    assert_eq!(server.introspect("api", refresh_token).await, json!({"active": false}));
}

#[tokio::test]
async fn of_a_dead_or_unknown_token_nothing_is_said() {
    let server = start().await;
    let tokens = server.sign_in("app", ADA, "openid").await;
    let token = tokens["access_token"].as_str().unwrap();
    server.revoke("app", token).await;
    for dead in [token, "rubbish", "a.b.c"] {
        assert_eq!(server.introspect("app", dead).await, json!({"active": false}));
    }
    let tokens = server.sign_in("app", ADA, "openid").await;
    server.advance(TimeDelta::minutes(10));
    assert_eq!(server.introspect("app", tokens["access_token"].as_str().unwrap()).await, json!({"active": false}));
}

#[tokio::test]
async fn the_caller_must_prove_who_it_is() {
    let server = start().await;
    server.add_client("spa", public()).await;
    server.post("/introspect", &[], &[("token", "x")]).await.assert_error(401, "invalid_client");
    let public = server.post("/introspect", &[], &[("token", "x"), ("client_id", "spa")]).await;
    public.assert_error(400, "unauthorized_client");
}
