//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0).

use chrono::TimeDelta;
use countersign::jose::rotation;
use countersign_jose::Algorithm;
use countersign_types::ClientAuthMethod;

use crate::harness::{Browser, Server, confidential, encode, jose_header};

const ADA: &str = "ada@example.com";
const BYE: &str = "https://app.example/bye";

async fn start() -> Server {
    let server = Server::start().await;
    for id in ["app", "other"] {
        server.add_client(id, confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    }
    server.add_user(ADA, None).await;
    server
}

/// Signs in on this browser: the ID token.
async fn sign_in(server: &Server, browser: &mut Browser<'_>) -> String {
    let code = browser.code("app", ADA, "openid").await;
    server.exchange("app", &code).await.json()["id_token"].as_str().unwrap().to_owned()
}

fn logout(parameters: &[(&str, &str)]) -> String {
    format!("/logout?{}", encode(parameters))
}

async fn is_signed_in(browser: &mut Browser<'_>) -> bool {
    let answer = browser.authorize("app", &[("prompt", "none")]).await.redirect_query();
    answer.get("error").is_none_or(|error| error != "login_required")
}

#[tokio::test]
async fn a_valid_hint_and_a_registered_uri_redirect_with_exactly_state() {
    let server = start().await;
    let mut browser = server.browser();
    let hint = sign_in(&server, &mut browser).await;
    // A hint that has expired is fine.
    server.advance(TimeDelta::hours(1));
    let parameters = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE), ("state", "s 1")];
    let reply = browser.get(&logout(&parameters)).await;
    assert_eq!(reply.location(), "https://app.example/bye?state=s+1");
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn a_hint_whose_key_left_the_jwks_still_signs_out() {
    let server = start().await;
    let mut browser = server.browser();
    let hint = sign_in(&server, &mut browser).await;
    let kid = jose_header(&hint)["kid"].as_str().unwrap().to_owned();
    rotation::rotate(&server.app.store, server.issuer.keyring.lifetimes(), &server.clock, (Algorithm::RS256, true))
        .await
        .unwrap();
    server.follow_changes().await;
    let is_published = async || server.get("/.well-known/jwks.json").await.text().contains(&kid);
    assert!(is_published().await);

    server.advance(TimeDelta::hours(12));

    assert!(!is_published().await);
    let logout = logout(&[("id_token_hint", &hint), ("post_logout_redirect_uri", BYE)]);
    assert_eq!(browser.get(&logout).await.location(), BYE);
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn whatever_is_forged_or_unregistered_is_a_page_and_never_a_redirect() {
    let server = start().await;
    let mut browser = server.browser();
    let hint = sign_in(&server, &mut browser).await;
    let (head, _) = hint.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", "A".repeat(342));
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", hint.split('.').nth(1).unwrap());
    for parameters in [
        vec![("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", "https://evil.example/")],
        vec![("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", "https://app.example/bye?x=1")],
        vec![("id_token_hint", forged.as_str()), ("post_logout_redirect_uri", BYE)],
        vec![("id_token_hint", none.as_str()), ("post_logout_redirect_uri", BYE)],
        vec![("post_logout_redirect_uri", BYE)],
        vec![("id_token_hint", hint.as_str()), ("client_id", "other")],
        vec![("client_id", "nobody"), ("post_logout_redirect_uri", BYE)],
    ] {
        browser.get(&logout(&parameters)).await.assert_page(400);
    }
    assert!(is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn without_a_hint_the_person_is_asked() {
    let server = start().await;
    let mut browser = server.browser();
    sign_in(&server, &mut browser).await;
    let question = browser.get(&logout(&[("client_id", "app"), ("post_logout_redirect_uri", BYE)])).await;
    question.assert_page(200);
    assert!(is_signed_in(&mut browser).await);
    assert_eq!(browser.submit(&question, &[("confirm", "1")]).await.location(), BYE);
    assert!(!is_signed_in(&mut browser).await);

    sign_in(&server, &mut browser).await;
    let question = browser.get("/logout").await;
    browser.submit(&question, &[("confirm", "1")]).await.assert_page(200);
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn a_hint_of_another_session_asks() {
    let server = start().await;
    let hint = sign_in(&server, &mut server.browser()).await;
    let mut browser = server.browser();
    sign_in(&server, &mut browser).await;
    browser.get(&logout(&[("id_token_hint", &hint), ("post_logout_redirect_uri", BYE)])).await.assert_page(200);
    assert!(is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn afterwards_prompt_none_fails() {
    let server = start().await;
    let mut browser = server.browser();
    let hint = sign_in(&server, &mut browser).await;
    let cookies = browser.cookies.clone();
    browser.get(&logout(&[("id_token_hint", &hint)])).await.location();
    // Neither does the old cookie help.
    let mut thief = Browser::with_cookies(&server, cookies);
    assert!(!is_signed_in(&mut thief).await);
}

#[tokio::test]
async fn a_post_from_another_site_goes_on_as_a_get_of_our_own() {
    let server = start().await;
    let mut browser = server.browser();
    let hint = sign_in(&server, &mut browser).await;
    // Lax cookies stay behind on a cross-site POST.
    let form = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE)];
    let sealed = server.post("/logout", &[], &form).await;
    assert!(sealed.headers.get("set-cookie").is_none());
    assert_eq!(browser.get(sealed.location()).await.location(), BYE);
}
