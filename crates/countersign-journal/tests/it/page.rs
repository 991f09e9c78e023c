//! The page, and what is open to everybody.

use std::fs;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use serde_json::json;

use crate::harness::{Harness, Seen};

async fn get(journal: &Harness, path: &str) -> Seen {
    journal.send(Request::get(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn without_the_page_the_api_runs_and_says_how_to_build_it() {
    let journal = Harness::start().await;
    let seen = get(&journal, "/").await;
    assert_eq!(seen.status, StatusCode::NOT_FOUND);
    assert!(
        seen.body.contains("npm run build") && seen.header(header::CONTENT_TYPE).starts_with("text/plain"),
        "{seen:?}"
    );
    assert_eq!(get(&journal, "/assets/app.js").await.status, StatusCode::NOT_FOUND);
    assert_eq!(get(&journal, "/healthz").await.body, "ok\n");
}

#[tokio::test]
async fn the_page_loads_nothing_but_its_own_and_talks_to_the_provider_alone() {
    let journal = Harness::start().await;
    fs::create_dir_all(journal.web().join("assets")).unwrap();
    fs::write(journal.web().join("index.html"), "<!doctype html><title>Journal</title>").unwrap();
    fs::write(journal.web().join("assets/app.js"), "export {};").unwrap();
    fs::write(journal.web().join("secret.txt"), "not a part of the page").unwrap();

    let page = get(&journal, "/").await;
    assert_eq!((page.status, page.header(header::CONTENT_TYPE)), (StatusCode::OK, "text/html; charset=utf-8"));
    let policy = page.header(header::CONTENT_SECURITY_POLICY);
    for part in [
        "default-src 'none'",
        "script-src 'self';",
        "style-src 'self';",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        &format!("connect-src 'self' {};", journal.issuer()),
    ] {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");

    let script = get(&journal, "/assets/app.js").await;
    assert_eq!((script.status, script.header(header::CONTENT_TYPE)), (StatusCode::OK, "text/javascript"));
    assert_eq!(script.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    for path in ["/assets/../secret.txt", "/assets/%2e%2e/secret.txt", "/assets/..%2fsecret.txt", "/assets//etc/passwd"]
    {
        assert_ne!(get(&journal, path).await.status, StatusCode::OK, "{path}");
    }
    let settings = get(&journal, "/settings.json").await.json();
    assert_eq!(
        settings,
        json!({
            "issuer": journal.issuer(), "client_id": "journal-web", "audience": "http://localhost:8081",
            "scope": "openid journal.read journal.write", "acr_of_mfa": "urn:countersign:acr:mfa",
        })
    );
}

#[tokio::test]
async fn no_answer_runs_in_a_browser_or_is_kept_unless_it_says_so() {
    let journal = Harness::start().await;
    for path in ["/entries", "/nothing", "/healthz"] {
        let seen = get(&journal, path).await;
        assert_eq!(seen.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
        assert_eq!(seen.header(header::CONTENT_SECURITY_POLICY), "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(seen.header(header::CACHE_CONTROL), "no-store");
    }
}

#[tokio::test]
async fn metadata_is_open() {
    let journal = Harness::start().await;
    let seen = get(&journal, "/.well-known/oauth-protected-resource").await;
    assert_eq!(seen.json()["scopes_supported"], json!(["journal.read", "journal.write"]));
}
