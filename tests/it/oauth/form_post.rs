//! Answers in a form that the browser sends to the client (OAuth 2.0 Form Post Response Mode 1.0).

use std::collections::BTreeMap;

use countersign_types::ClientAuthMethod;

use crate::harness::{REDIRECT_URI, Reply, Server, confidential, hidden_fields};

const ADA: &str = "ada@example.com";
const FORM_POST: (&str, &str) = ("response_mode", "form_post");

async fn start() -> Server {
    let server = Server::start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user(ADA, None).await;
    server
}

/// Where the form goes, and with what.
fn form(reply: &Reply) -> (String, BTreeMap<String, String>) {
    reply.assert_page(200);
    let (action, fields) = hidden_fields(&reply.text());
    (action, fields.into_iter().collect())
}

#[tokio::test]
async fn a_code_is_carried_in_a_form_and_is_good() {
    let server = start().await;
    let reply = server.browser().answer("app", ADA, &[FORM_POST]).await;
    let (action, fields) = form(&reply);
    assert_eq!(action, REDIRECT_URI);
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["code", "iss", "session_state", "state"]);
    assert_eq!(fields["state"], "the state");
    assert_eq!(server.exchange("app", &fields["code"]).await.status, 200);
}

#[tokio::test]
async fn an_error_is_carried_in_the_same_way() {
    let server = start().await;
    let (action, fields) = form(&server.browser().authorize("app", &[FORM_POST, ("prompt", "none")]).await);
    assert_eq!(action, REDIRECT_URI);
    assert_eq!((fields["error"].as_str(), fields["state"].as_str()), ("login_required", "the state"));
    // One that the request itself makes, too.
    let (_, fields) = form(&server.browser().authorize("app", &[FORM_POST, ("max_age", "soon")]).await);
    assert_eq!(fields["error"], "invalid_request");
}

#[tokio::test]
async fn the_page_runs_its_one_script_and_may_send_its_form_to_the_app() {
    let server = start().await;
    let state = "'\"><script>alert(1)</script>&x=y";
    let reply = server.browser().answer("app", ADA, &[FORM_POST, ("state", state)]).await;
    assert_eq!(form(&reply).1["state"], state, "and comes back untouched");
    assert_eq!(reply.text().matches("<script").count(), 1);
    assert!(reply.text().contains("<noscript>"));
    let policy = reply.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    assert!(!policy.contains("form-action"), "{policy}");
    assert_eq!((reply.header("cache-control"), reply.header("x-frame-options")), (Some("no-store"), Some("DENY")));
}

#[tokio::test]
async fn a_browser_cannot_post_to_an_app_of_its_own_scheme() {
    let server = start().await;
    let native = |client: &mut countersign::domain::client::ClientMetadata| {
        client.redirect_uris = vec!["com.example.app:/cb".parse().unwrap()];
    };
    server.add_client("native", confidential(ClientAuthMethod::ClientSecretBasic, native)).await;
    let reply = server.browser().authorize("native", &[FORM_POST, ("redirect_uri", "com.example.app:/cb")]).await;
    assert!(reply.location().starts_with("com.example.app:/cb?error=invalid_request"), "{}", reply.location());
}
