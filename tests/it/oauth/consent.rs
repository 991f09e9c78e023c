//! Consent: when a person is asked, and what is remembered (OpenID Connect Core §3.1.2.4, RFC 8252 §8.6).

use chrono::TimeDelta;
use countersign::domain::client::ClientMetadata;
use countersign_types::ClientAuthMethod;

use crate::harness::{Browser, Reply, Server, TestClient, confidential, native};

const ADA: &str = "ada@example.com";

async fn start_with(client: TestClient) -> Server {
    let server = Server::start().await;
    server.add_api("https://journal.example", &["journal.read"], &[], false).await;
    server.add_client("app", client).await;
    server.add_user(ADA, None).await;
    server
}

fn app(change: impl FnOnce(&mut ClientMetadata)) -> TestClient {
    confidential(ClientAuthMethod::ClientSecretBasic, |client| {
        client.scope = "openid email offline_access journal.read".parse().unwrap();
        change(client);
    })
}

fn first_party() -> TestClient {
    app(|client| client.first_party = true)
}

/// What follows when the person has signed in.
async fn log_in<'a>(server: &'a Server, parameters: &[(&str, &str)]) -> (Browser<'a>, Reply) {
    let mut browser = server.browser();
    let page = browser.authorize("app", parameters).await;
    let reply = browser.log_in(&page, ADA).await;
    (browser, reply)
}

#[tokio::test]
async fn consent_names_the_scopes_in_registered_words() {
    let server = start_with(app(|_| {})).await;
    let (_, page) = log_in(&server, &[("scope", "openid email journal.read")]).await;
    page.assert_consent_page();
    for words in ["The App", "Know who you are", "See your mail address", "Words for journal.read"] {
        assert!(page.text().contains(words), "{words}");
    }
}

#[tokio::test]
async fn logo_policy_and_terms_of_the_client_appear_on_the_login_and_consent_pages() {
    let server = start_with(app(|client| {
        client.logo_uri = Some("https://app.example/logo.png".parse().unwrap());
        client.policy_uri = Some("https://app.example/policy".parse().unwrap());
        client.tos_uri = Some("https://app.example/terms".parse().unwrap());
    }))
    .await;
    let mut browser = server.browser();
    let login = browser.authorize("app", &[]).await;
    let consent = browser.log_in(&login, ADA).await;
    consent.assert_consent_page();
    for page in [login, consent] {
        for shown in
            ["\"https://app.example/policy\"", "\"https://app.example/terms\"", "<img src=\"/client-logo/app\""]
        {
            assert!(page.text().contains(shown), "{shown}");
        }
    }
}

#[tokio::test]
async fn remembered_consent_is_not_asked_again_unless_the_scope_grows() {
    let server = start_with(app(|_| {})).await;
    let (mut browser, page) = log_in(&server, &[("scope", "openid email")]).await;
    browser.submit(&page, &[("approve", "1")]).await.assert_code();

    for scope in ["openid email", "openid"] {
        browser.authorize("app", &[("scope", scope)]).await.assert_code();
    }
    let page = browser.authorize("app", &[("scope", "openid journal.read")]).await;
    page.assert_consent_page();
    browser.submit(&page, &[("approve", "1")]).await.assert_code();
    // What was allowed before still is.
    browser.authorize("app", &[("scope", "openid email journal.read"), ("prompt", "none")]).await.assert_code();
}

#[tokio::test]
async fn consent_is_remembered_for_this_person_and_this_client() {
    let server = start_with(app(|_| {})).await;
    server.add_client("other", app(|_| {})).await;
    server.add_user("bob@example.com", None).await;
    let (mut browser, page) = log_in(&server, &[]).await;
    browser.submit(&page, &[("approve", "1")]).await.assert_code();
    browser.authorize("other", &[]).await.assert_consent_page();
    let mut elsewhere = server.browser();
    let page = elsewhere.authorize("app", &[]).await;
    elsewhere.log_in(&page, "bob@example.com").await.assert_consent_page();
}

#[tokio::test]
async fn a_refusal_is_access_denied_and_not_remembered() {
    let server = start_with(app(|_| {})).await;
    let (mut browser, page) = log_in(&server, &[]).await;
    let query = browser.submit(&page, &[("deny", "1")]).await.assert_refused("access_denied");
    assert_eq!(query["state"], "the state");
    browser.authorize("app", &[("prompt", "none")]).await.assert_refused("consent_required");
    browser.authorize("app", &[]).await.assert_consent_page();
}

#[tokio::test]
async fn first_party_clients_skip_consent_and_may_have_offline_access() {
    let server = start_with(first_party()).await;
    let (mut browser, reply) = log_in(&server, &[("scope", "openid offline_access")]).await;
    let tokens = server.exchange("app", &reply.assert_code()).await.json();
    assert_eq!(tokens["scope"], "offline_access openid");
    // It is asked all the same when the client wants it so.
    server.advance(TimeDelta::seconds(1));
    browser.authorize("app", &[("prompt", "consent")]).await.assert_consent_page();
}

#[tokio::test]
async fn public_native_clients_are_asked_every_time() {
    for redirect_uri in ["http://127.0.0.1/cb", "com.example.app:/cb"] {
        let (mut metadata, secret) = native();
        metadata.redirect_uris = vec![redirect_uri.parse().unwrap()];
        // That it is the operator's own makes no difference: another app could pose as it.
        metadata.first_party = true;
        let server = start_with((metadata, secret)).await;
        let to = ("redirect_uri", redirect_uri);
        let (mut browser, page) = log_in(&server, &[to]).await;
        page.assert_consent_page();
        browser.submit(&page, &[("approve", "1")]).await.assert_code();

        server.advance(TimeDelta::seconds(1));
        let page = browser.authorize("app", &[to]).await;
        page.assert_consent_page();
        browser.submit(&page, &[("approve", "1")]).await.assert_code();
        server.advance(TimeDelta::seconds(1));
        let silent = browser.authorize("app", &[to, ("prompt", "none")]).await;
        assert_eq!(silent.redirect_query()["error"], "consent_required");
    }
}

#[tokio::test]
async fn the_persons_answer_is_recorded() {
    let server = start_with(app(|_| {})).await;
    let (mut browser, page) = log_in(&server, &[("scope", "openid email")]).await;
    browser.submit(&page, &[("deny", "1")]).await;
    browser.submit(&page, &[("approve", "1")]).await.assert_code();
    let kinds: Vec<String> = server.audit(3).await.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["code.issued", "consent.granted", "consent.denied"]);
}
