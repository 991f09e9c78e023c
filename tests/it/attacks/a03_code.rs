//! Attack 3: an authorization code in other hands, or in the right ones once too often (RFC 6749 §4.1.2, RFC 7636 §4.6,
//! RFC 9700 §2.1.1).

use chrono::TimeDelta;
use countersign_types::ClientAuthMethod;
use serde_json::Value;

use crate::harness::{REDIRECT_URI, Server, VERIFIER, confidential, one_success, public};

const USER: &str = "ada@example.com";
const OTHER_VERIFIER: &str = "another-verifier-that-is-long-enough-to-be-one";

async fn server() -> Server {
    let server = Server::start().await;
    for id in ["app", "other"] {
        server.add_client(id, confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    }
    let without_pkce = confidential(ClientAuthMethod::ClientSecretBasic, |client| client.pkce_exempt = true);
    server.add_client("without-pkce", without_pkce).await;
    server.add_client("public", public()).await;
    server.add_user(USER, None).await;
    server
}

async fn code(server: &Server) -> String {
    server.browser().code("app", USER, "openid offline_access").await
}

/// The parameters of a right exchange, with these beside or instead; one that is empty is left out.
fn exchange<'a>(code: &'a str, change: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    let kept = usual.into_iter().filter(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
    kept.chain(change.iter().copied()).filter(|(_, value)| !value.is_empty()).collect()
}

/// Asserts that this try fails, and that the right one still succeeds afterwards: a thief cannot spend what he cannot use.
async fn assert_refused_and_unspent(server: &Server, code: &str, change: &[(&str, &str)]) {
    server.token("app", &exchange(code, change)).await.assert_error(400, "invalid_grant");
    assert_eq!(server.exchange("app", code).await.status, 200);
}

async fn assert_all_dead(server: &Server, tokens: &Value) {
    let token = |name: &str| tokens[name].as_str().unwrap().to_owned();
    assert_eq!(server.userinfo(&token("access_token")).await.status, 401);
    assert_eq!(server.introspect("app", &token("access_token")).await["active"], false);
    assert_eq!(server.introspect("app", &token("refresh_token")).await["active"], false);
    server.refresh("app", &token("refresh_token")).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn redeemed_by_another_client() {
    let server = server().await;
    let code = code(&server).await;
    server.exchange("other", &code).await.assert_error(400, "invalid_grant");
    let by_public = exchange(&code, &[("client_id", "public")]);
    server.post("/token", &[], &by_public).await.assert_error(400, "invalid_grant");
    assert_eq!(server.exchange("app", &code).await.status, 200);
}

#[tokio::test]
async fn redeemed_without_the_clients_secret() {
    let server = server().await;
    let code = code(&server).await;
    let without_secret = exchange(&code, &[("client_id", "app")]);
    server.post("/token", &[], &without_secret).await.assert_error(401, "invalid_client");
    assert_eq!(server.exchange("app", &code).await.status, 200);
}

#[tokio::test]
async fn redeemed_after_it_expired() {
    let server = server().await;
    let code = code(&server).await;
    server.advance(TimeDelta::seconds(60));
    server.exchange("app", &code).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn redeemed_twice() {
    let server = server().await;
    let code = code(&server).await;
    let tokens = server.exchange("app", &code).await.json();
    server.exchange("app", &code).await.assert_error(400, "invalid_grant");
    assert_all_dead(&server, &tokens).await;
}

#[tokio::test]
async fn redeemed_twice_long_after_it_expired() {
    let server = server().await;
    let code = code(&server).await;
    let tokens = server.exchange("app", &code).await.json();
    server.advance(TimeDelta::hours(1));
    server.exchange("app", &code).await.assert_error(400, "invalid_grant");
    assert_all_dead(&server, &tokens).await;
}

#[tokio::test]
async fn a_wrong_second_try_revokes_nothing() {
    let server = server().await;
    let code = code(&server).await;
    let tokens = server.exchange("app", &code).await.json();
    server.exchange("other", &code).await.assert_error(400, "invalid_grant");
    let wrong = exchange(&code, &[("code_verifier", OTHER_VERIFIER)]);
    server.token("app", &wrong).await.assert_error(400, "invalid_grant");
    assert_eq!(server.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redeemed_by_many_at_once() {
    let server = server().await;
    let code = code(&server).await;
    let won = one_success(server.exchange_at_once("app", &code).await, "invalid_grant");
    assert_all_dead(&server, &won.json()).await;
}

#[tokio::test]
async fn with_another_redirect_uri() {
    let server = server().await;
    for uri in ["https://evil.example/cb", "https://app.example/cb/", "https://APP.example/cb"] {
        assert_refused_and_unspent(&server, &code(&server).await, &[("redirect_uri", uri)]).await;
    }
    // It stood in the authorization request, so it must stand here (RFC 6749 §4.1.3).
    assert_refused_and_unspent(&server, &code(&server).await, &[("redirect_uri", "")]).await;
}

#[tokio::test]
async fn without_the_verifier() {
    let server = server().await;
    assert_refused_and_unspent(&server, &code(&server).await, &[("code_verifier", "")]).await;
}

#[tokio::test]
async fn with_the_wrong_verifier() {
    let server = server().await;
    let code = code(&server).await;
    let challenge = crate::harness::CHALLENGE;
    let malformed = ["short", &"a".repeat(129), &format!("{}=", "a".repeat(43)), &"ä".repeat(43)];
    for verifier in
        [OTHER_VERIFIER, challenge, &VERIFIER.to_lowercase(), &format!("{VERIFIER}a")].into_iter().chain(malformed)
    {
        let wrong = exchange(&code, &[("code_verifier", verifier)]);
        server.token("app", &wrong).await.assert_error(400, "invalid_grant");
    }
    assert_eq!(server.exchange("app", &code).await.status, 200);
}

#[tokio::test]
async fn with_a_verifier_where_no_challenge_was() {
    let server = server().await;
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let reply = server.browser().answer("without-pkce", USER, &without).await;
    let code = reply.redirect_query()["code"].clone();
    server.exchange("without-pkce", &code).await.assert_error(400, "invalid_grant");
    let right = exchange(&code, &[("code_verifier", "")]);
    assert_eq!(server.token("without-pkce", &right).await.status, 200);
}

#[tokio::test]
async fn with_the_challenge_left_out_on_the_way() {
    let server = server().await;
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    for client in ["app", "public"] {
        let reply = server.browser().authorize(client, &without).await;
        assert_eq!(reply.redirect_query()["error"], "invalid_request");
    }
    // Even who may go without is held to a challenge once it was sent.
    let code = server.browser().code("without-pkce", USER, "openid").await;
    let no_verifier = exchange(&code, &[("code_verifier", "")]);
    server.token("without-pkce", &no_verifier).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_challenge_that_is_not_s256() {
    let server = server().await;
    for method in ["plain", "s256", "S512", ""] {
        let reply = server.browser().authorize("app", &[("code_challenge_method", method)]).await;
        assert_eq!(reply.redirect_query()["error"], "invalid_request", "{method}");
    }
}

#[tokio::test]
async fn made_up_codes() {
    let server = server().await;
    for made_up in ["a", "' OR '1'='1", "../../etc/passwd", &"a".repeat(10_000), "\u{1f511}"] {
        server.exchange("app", made_up).await.assert_error(400, "invalid_grant");
    }
}
