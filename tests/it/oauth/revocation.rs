//! The revocation endpoint (RFC 7009).

use countersign_types::ClientAuthMethod;
use serde_json::Value;

use crate::harness::{SECRET, Server, basic, confidential};

const ADA: &str = "ada@example.com";

async fn start() -> (Server, Value) {
    let server = Server::start().await;
    for id in ["app", "other"] {
        server.add_client(id, confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    }
    server.add_user(ADA, None).await;
    let tokens = server.sign_in("app", ADA, "openid offline_access").await;
    (server, tokens)
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap()
}

#[tokio::test]
async fn a_refresh_token_takes_its_family_and_access_tokens_with_it() {
    let (server, tokens) = start().await;
    let reply = server.revoke("app", text(&tokens, "refresh_token")).await;
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    server.userinfo(text(&tokens, "access_token")).await.assert_error(401, "invalid_token");
    server.refresh("app", text(&tokens, "refresh_token")).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn an_access_token_goes_alone() {
    let (server, tokens) = start().await;
    assert_eq!(server.revoke("app", text(&tokens, "access_token")).await.status, 200);
    server.userinfo(text(&tokens, "access_token")).await.assert_error(401, "invalid_token");
    assert_eq!(server.refresh("app", text(&tokens, "refresh_token")).await.status, 200);
}

#[tokio::test]
async fn an_unknown_token_is_as_good_as_revoked() {
    let (server, _) = start().await;
    assert_eq!(server.revoke("app", "rubbish").await.status, 200);
}

#[tokio::test]
async fn another_clients_token_is_refused_and_stays_good() {
    let (server, tokens) = start().await;
    for name in ["access_token", "refresh_token"] {
        server.revoke("other", text(&tokens, name)).await.assert_error(400, "unauthorized_client");
    }
    assert_eq!(server.userinfo(text(&tokens, "access_token")).await.status, 200);
}

#[tokio::test]
async fn when_storage_fails_it_is_never_answered_as_done() {
    let (server, tokens) = start().await;
    // Keeps the client in memory, so that it is the revocation itself that fails.
    let headers = [("authorization", basic("app", SECRET))];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    server.app.store.close().await;
    let reply = server.post("/revoke", &headers, &[("token", text(&tokens, "access_token"))]).await;
    reply.assert_error(503, "temporarily_unavailable");
}
