//! `client_credentials` (RFC 6749 §4.4).

use countersign_types::{ClientAuthMethod, GrantType};

use crate::harness::{ISSUER, SECRET, Server, TestClient, basic, claims, confidential, public};

fn service() -> TestClient {
    confidential(ClientAuthMethod::ClientSecretBasic, |client| {
        client.grant_types = [GrantType::ClientCredentials].into();
        client.scope = "openid journal.read journal.write".parse().unwrap();
    })
}

const REQUEST: [(&str, &str); 1] = [("grant_type", "client_credentials")];

#[tokio::test]
async fn a_client_gets_a_token_for_itself() {
    let server = Server::start().await;
    server.add_api("https://journal.example", &["journal.read", "journal.write"], &[], false).await;
    server.add_client("service", service()).await;

    let reply = server.token("service", &[REQUEST[0], ("scope", "journal.read")]).await;

    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")));
    let answer = reply.json();
    assert_eq!((&answer["token_type"], &answer["scope"]), (&"Bearer".into(), &"journal.read".into()));
    assert!(answer.get("refresh_token").is_none() && answer.get("id_token").is_none());
    let token = claims(answer["access_token"].as_str().unwrap());
    assert_eq!((&token["iss"], &token["aud"]), (&ISSUER.into(), &"https://journal.example".into()));
    assert_eq!((&token["sub"], &token["client_id"]), (&"service".into(), &"service".into()));
    assert!(token.get("gid").is_none() && token.get("sid").is_none() && token.get("auth_time").is_none());
}

#[tokio::test]
async fn without_scope_it_gets_all_that_it_may_have_on_its_own_behalf() {
    let server = Server::start().await;
    server.add_api("https://journal.example", &["journal.read", "journal.write"], &[], false).await;
    server.add_client("service", service()).await;
    let answer = server.token("service", &REQUEST).await.json();
    assert_eq!(answer["scope"], "journal.read journal.write");
}

#[tokio::test]
async fn scopes_about_a_person_are_refused() {
    let server = Server::start().await;
    server.add_client("service", service()).await;
    for scope in ["openid", "journal.read", "unknown", "a\\b"] {
        server.token("service", &[REQUEST[0], ("scope", scope)]).await.assert_error(400, "invalid_scope");
    }
}

#[tokio::test]
async fn a_public_client_cannot_act_on_its_own_behalf() {
    let server = Server::start().await;
    let (mut metadata, secret) = public();
    metadata.grant_types.insert(GrantType::ClientCredentials);
    server.add_client("app", (metadata, secret)).await;
    let reply = server.post("/token", &[], &[REQUEST[0], ("client_id", "app")]).await;
    reply.assert_error(400, "unauthorized_client");
}

#[tokio::test]
async fn the_token_is_recorded() {
    let server = Server::start().await;
    server.add_client("service", service()).await;
    server.post("/token", &[("authorization", &basic("service", SECRET))], &REQUEST).await.json();
    let event = server.audit(1).await.remove(0);
    assert_eq!((event.kind.as_str(), event.client.as_deref()), ("client_token.issued", Some("service")));
    assert_eq!(event.personal.unwrap().address.as_deref(), Some("192.0.2.1"));
}
