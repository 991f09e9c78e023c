//! What every page carries: headers that let it do nothing but be read and answered, and one token in each form.

use countersign::store::link::LinkPurpose;
use countersign_types::ClientAuthMethod;

use super::ADA;
use axum::body::Body;
use http::Request;

use crate::harness::{Log, Reply, Server, confidential};

const PAGE: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; \
                    frame-ancestors 'none'";
/// Of pages whose form may end at a client: Chromium would hold `form-action` against the client's redirects too.
const CLIENT_FORM: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Every page there is, its status and its policy.
async fn every_page(server: &Server) -> Vec<(&'static str, Reply, u16, &'static str)> {
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user(ADA, None).await;
    let link = server.issue_link(&LinkPurpose::FirstAdministrator).await;
    let mut browser = server.browser();
    let wrong = [("username", ADA), ("password", "wrong")];

    let plain_login = browser.get("/login").await;
    let login = browser.authorize("app", &[]).await;
    let mismatch = browser.submit(&login, &wrong).await;
    let plain_mismatch = browser.submit(&plain_login, &wrong).await;
    let short = browser.open(&link).await;
    let short = browser.submit(&short, &[("email", "eve@example.com"), ("password", "1234567")]).await;
    let consent = browser.log_in(&login, ADA).await;
    let undecided = browser.submit(&consent, &[]).await;
    let mut pages = vec![
        ("sign in", plain_login, 200, PAGE),
        ("sign in to an app", login, 200, CLIENT_FORM),
        ("sign in to an app once more", mismatch, 422, CLIENT_FORM),
        ("sign in once more", plain_mismatch, 422, PAGE),
        ("a link", browser.get(&link).await, 200, PAGE),
        ("a link once more", short, 422, PAGE),
        ("consent", consent, 200, CLIENT_FORM),
        ("neither yes nor no", undecided, 400, PAGE),
        ("sign out?", browser.get("/logout").await, 200, CLIENT_FORM),
        ("account", browser.get("/account").await, 200, PAGE),
        ("confirm", browser.get("/account/confirm").await, 200, PAGE),
        ("start, signed in", browser.get("/").await, 200, PAGE),
        ("start", server.get("/").await, 200, PAGE),
        ("signed out", server.get("/signed-out").await, 200, PAGE),
        ("the link has done its work", server.get("/link/done").await, 200, PAGE),
        ("a link that is none", server.get("/link?t=none").await, 410, PAGE),
        ("a forged form", server.post("/login", &[], &wrong).await, 403, PAGE),
        ("a request that is none", server.get("/login?i=none").await, 400, PAGE),
        ("an unknown app", server.get("/authorize?client_id=nobody").await, 400, PAGE),
        ("a logout that is none", server.get("/logout?id_token_hint=none").await, 400, PAGE),
        ("no page", server.get("/nothing").await, 404, PAGE),
        ("another method", server.post("/signed-out", &[], &[]).await, 405, PAGE),
    ];
    for _ in 0..5 {
        browser.submit(&pages[0].1, &wrong).await;
    }
    pages.push(("too many tries", browser.submit(&pages[0].1, &wrong).await, 429, PAGE));
    pages
}

async fn assert_every_page_is_safe(server: &Server, transport_security: Option<&str>) {
    for (name, page, status, policy) in every_page(server).await {
        assert_eq!(page.status, status, "{name}: {}", page.text());
        for (header, value) in [
            ("content-type", Some("text/html; charset=utf-8")),
            ("content-security-policy", Some(policy)),
            ("cache-control", Some("no-store")),
            ("referrer-policy", Some("no-referrer")),
            ("x-content-type-options", Some("nosniff")),
            ("x-frame-options", Some("DENY")),
            ("cross-origin-resource-policy", Some("same-origin")),
            ("cross-origin-opener-policy", Some(if policy == PAGE { "same-origin" } else { "unsafe-none" })),
            ("content-language", Some("en")),
            ("vary", Some("Accept-Language, Cookie")),
            ("strict-transport-security", transport_security),
            ("access-control-allow-origin", None),
        ] {
            assert_eq!(page.header(header), value, "{name}: {header}");
        }
        assert!(page.header("permissions-policy").unwrap().contains("camera=()"), "{name}");
        let html = page.text();
        let forms: Vec<_> = html.split("<form").skip(1).map(|form| form.split("</form>").next().unwrap()).collect();
        for form in forms {
            assert_eq!(form.matches("name=\"csrf\"").count(), 1, "{name}: {form}");
            assert!(form.starts_with(" method=\"post\""), "{name}: {form}");
        }
    }
}

#[tokio::test]
async fn every_page_carries_the_strict_headers_and_a_token_in_each_form() {
    assert_every_page_is_safe(&Server::start().await, None).await;
}

#[tokio::test]
async fn so_it_is_in_production_which_is_remembered_to_be_https() {
    assert_every_page_is_safe(&Server::production().await, Some("max-age=31536000")).await;
}

#[tokio::test]
async fn redirects_between_pages_are_not_kept() {
    let server = super::start().await;
    let mut browser = server.browser();
    let page = browser.authorize("app", &[]).await;
    let form = [("username", ADA), ("password", crate::harness::PASSWORD)];
    let signed_in = browser.submit_only(&page, &form).await;
    let to_consent = browser.get(signed_in.location()).await;
    for redirect in [signed_in, to_consent] {
        assert_eq!((redirect.status, redirect.header("cache-control")), (303, Some("no-store")));
    }
}

#[tokio::test]
async fn every_answer_has_a_name_by_which_it_is_found_in_the_log() {
    let server = Server::with_settings("trusted_proxies = ['10.0.0.0/8']").await;
    let mut names = std::collections::BTreeSet::new();
    for path in ["/", "/token", "/nothing", "/.well-known/jwks.json", "/assets/none.css"] {
        names.insert(server.get(path).await.header("x-request-id").unwrap().to_owned());
    }
    assert_eq!(names.len(), 5, "{names:?}");

    let request = |id: &str| Request::get("/healthz").header("x-request-id", id).body(Body::empty()).unwrap();
    let given = |reply: Reply| reply.header("x-request-id").unwrap().to_owned();
    let (proxy, anybody) = ("10.0.0.1".parse().unwrap(), "192.0.2.9".parse().unwrap());
    assert_eq!(given(server.send_from(proxy, request("edge-17")).await), "edge-17");
    assert_ne!(given(server.send_from(anybody, request("edge-17")).await), "edge-17");
    assert_ne!(given(server.send_from(proxy, request("edge 17")).await), "edge 17");
}

#[tokio::test]
async fn what_goes_wrong_is_logged_under_the_name_of_its_request_and_without_its_query() {
    let server = super::start().await;
    let (log, guard) = Log::capture();
    server.database.execute("DROP TABLE link").await;
    let reply = server.get("/link?t=a-secret-of-somebody").await;
    drop(guard);
    assert_eq!(reply.status, 503);
    let text = log.text();
    assert!(text.contains(reply.header("x-request-id").unwrap()) && text.contains("/link"), "{text}");
    assert!(!text.contains("a-secret"), "{text}");
}
