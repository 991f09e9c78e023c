//! Calls from web pages of other origins (Fetch §3.2).

use axum::body::Body;
use countersign_types::ClientAuthMethod;
use http::Request;

use crate::harness::{Reply, Server, basic, confidential, encode, public};

const APP: &str = "https://app.example";

async fn preflight(server: &Server, path: &str, origin: &str) -> Reply {
    let request = Request::options(path).header("origin", origin).header("access-control-request-method", "POST");
    server.send(request.body(Body::empty()).unwrap()).await
}

/// A refresh of a public client from a web page of this origin, with a token that is good for nothing.
async fn refresh(server: &Server, client: &str, origin: &str) -> Reply {
    let form = [("grant_type", "refresh_token"), ("refresh_token", "none"), ("client_id", client)];
    server.post("/token", &[("origin", origin)], &form).await
}

fn allowed(reply: &Reply) -> Option<&str> {
    assert!(reply.header("access-control-allow-credentials").is_none());
    reply.header("access-control-allow-origin")
}

#[tokio::test]
async fn discovery_and_keys_are_for_everyone() {
    let server = Server::start().await;
    for path in
        ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"]
    {
        assert_eq!(allowed(&server.get(path).await), Some("*"), "{path}");
    }
}

#[tokio::test]
async fn preflights_pass_for_any_origin_that_an_enabled_client_registered() {
    let server = Server::start().await;
    let (mut metadata, secret) = public();
    metadata.origins = vec!["https://spa.example".parse().unwrap()];
    let mut client = server.add_client("app", (metadata, secret)).await;
    for path in ["/token", "/userinfo", "/revoke"] {
        for origin in [APP, "https://spa.example"] {
            let reply = preflight(&server, path, origin).await;
            assert_eq!((reply.status, allowed(&reply)), (204, Some(origin)), "{path}");
            assert!(reply.header("access-control-allow-methods").unwrap().contains("POST"));
            assert_eq!(reply.header("access-control-allow-headers"), Some("authorization, content-type, dpop"));
            assert_eq!(reply.header("vary"), Some("Origin"));
        }
        for origin in ["https://evil.example", "http://app.example", "https://app.example.evil.example", "null"] {
            assert_eq!(allowed(&preflight(&server, path, origin).await), None, "{path} {origin}");
        }
    }
    client.enabled = false;
    server.update_client(&client).await;
    assert_eq!(allowed(&preflight(&server, "/token", APP).await), None);
}

#[tokio::test]
async fn preflights_are_answered_from_memory_until_a_client_changes() {
    let server = Server::start().await;
    server.add_client("app", public()).await;
    assert_eq!(allowed(&preflight(&server, "/token", APP).await), Some(APP));
    // Behind the provider's back: whoever reads the clients again sees none.
    server.database.execute("DELETE FROM client").await;
    assert_eq!(allowed(&preflight(&server, "/token", APP).await), Some(APP));
    server.follow_changes().await;
    assert_eq!(allowed(&preflight(&server, "/token", APP).await), Some(APP), "the counter did not move");

    let (mut other, secret) = public();
    other.redirect_uris = vec!["https://other.example/cb".parse().unwrap()];
    server.add_client("other", (other, secret)).await;
    assert_eq!(allowed(&preflight(&server, "/token", "https://other.example").await), Some("https://other.example"));
    assert_eq!(allowed(&preflight(&server, "/token", APP).await), None);
}

#[tokio::test]
async fn only_origins_of_the_authenticated_client_read_the_answer() {
    let server = Server::start().await;
    server.add_client("app", public()).await;
    let (mut other, secret) = public();
    other.redirect_uris = vec!["https://other.example/cb".parse().unwrap()];
    server.add_client("other", (other, secret)).await;

    let reply = refresh(&server, "app", APP).await;
    assert_eq!((allowed(&reply), reply.header("vary")), (Some(APP), Some("Origin")));
    assert_eq!(allowed(&refresh(&server, "app", "https://other.example").await), None);
    assert_eq!(allowed(&refresh(&server, "other", "https://other.example").await), Some("https://other.example"));
}

#[tokio::test]
async fn nobody_reads_the_answer_to_a_client_that_was_not_authenticated() {
    let server = Server::start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    for path in ["/token", "/revoke"] {
        let headers = [("origin", APP), ("authorization", &basic("app", "wrong"))];
        let reply = server.post(path, &headers, &[("token", "x")]).await;
        assert_eq!((reply.status, allowed(&reply)), (401, None), "{path}");
    }
    let request = Request::get("/userinfo").header("origin", APP).header("authorization", "Bearer none");
    assert_eq!(allowed(&server.send(request.body(Body::empty()).unwrap()).await), None);
}

#[tokio::test]
async fn userinfo_and_revocation_are_read_by_the_client_of_the_token() {
    let server = Server::start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user("ada@example.com", None).await;
    let tokens = server.sign_in("app", "ada@example.com", "openid").await;
    let token = tokens["access_token"].as_str().unwrap();
    for (origin, expected) in [(APP, Some(APP)), ("https://evil.example", None)] {
        let bearer = format!("Bearer {token}");
        let request = Request::get("/userinfo").header("origin", origin).header("authorization", &bearer);
        let reply = server.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!((reply.status, allowed(&reply)), (200, expected));

        let form = Body::from(encode(&[("access_token", token)]));
        let request = Request::post("/userinfo").header("origin", origin);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(allowed(&server.send(request.body(form).unwrap()).await), expected);

        let credentials = basic("app", crate::harness::SECRET);
        let headers = [("origin", origin), ("authorization", credentials.as_str())];
        let reply = server.post("/revoke", &headers, &[("token", "unknown")]).await;
        assert_eq!((reply.status, allowed(&reply)), (200, expected));
    }
}

#[tokio::test]
async fn loopback_origins_are_never_allowed_under_an_https_issuer() {
    let local = ["http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000"];
    let client = || {
        let (mut metadata, secret) = public();
        metadata.origins = local.iter().map(|origin| origin.parse().unwrap()).collect();
        (metadata, secret)
    };
    let (development, production) = (Server::start().await, Server::production().await);
    development.add_client("app", client()).await;
    production.add_client("app", client()).await;
    for origin in local {
        assert_eq!(allowed(&refresh(&development, "app", origin).await), Some(origin));
        assert_eq!(allowed(&refresh(&production, "app", origin).await), None);
        assert_eq!(allowed(&preflight(&production, "/token", origin).await), None);
    }
}

#[tokio::test]
async fn a_call_without_origin_is_told_nothing_about_origins() {
    let server = Server::start().await;
    server.add_client("app", public()).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", "none"), ("client_id", "app")];
    let reply = server.post("/token", &[], &form).await;
    assert_eq!((allowed(&reply), reply.header("vary")), (None, None));
}
