//! Pages that only say something: `/` and `/signed-out`.

use super::{ADA, start};
use crate::harness::{ISSUER, Server};

#[tokio::test]
async fn the_start_page_of_a_development_start_says_what_runs_and_what_comes_next() {
    let page = Server::start().await.get("/").await;
    page.assert_page(200);
    let version = format!("version {}", env!("CARGO_PKG_VERSION"));
    for words in [
        "Countersign is running",
        ISSUER,
        &version,
        "countersign user admin-link",
        "countersign user add",
        "countersign client add",
        "href=\"/.well-known/openid-configuration\"",
        "href=\"/.well-known/jwks.json\"",
        "href=\"/login\"",
    ] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
}

#[tokio::test]
async fn elsewhere_it_keeps_the_version_to_itself() {
    let page = Server::production().await.get("/").await;
    page.assert_page(200);
    assert!(page.text().contains("https://op.example"), "{}", page.text());
    for words in [env!("CARGO_PKG_VERSION"), "countersign user", "cargo"] {
        assert!(!page.text().contains(words), "{words}: {}", page.text());
    }
}

#[tokio::test]
async fn whoever_is_signed_in_is_named_and_can_sign_out() {
    let server = start().await;
    let mut browser = server.browser();
    let login = browser.open("/login").await;
    browser.log_in(&login, ADA).await;
    let page = browser.open("/").await;
    assert!(page.text().contains(">ada<") && page.text().contains("href=\"/logout\""), "{}", page.text());

    let question = browser.open("/logout").await;
    let bye = browser.submit(&question, &[("confirm", "1")]).await;
    assert!(bye.text().contains("You are signed out") && bye.text().contains("href=\"/login\""), "{}", bye.text());
    assert!(!browser.open("/").await.text().contains(">ada<"));
}

#[tokio::test]
async fn whoever_would_rather_stay_stays() {
    let server = start().await;
    let mut browser = server.browser();
    let login = browser.open("/login").await;
    browser.log_in(&login, ADA).await;
    let question = browser.open("/logout").await;
    assert!(question.text().contains("<a href=\"/\">Stay signed in</a>"), "{}", question.text());
    assert!(browser.open("/").await.text().contains(">ada<"));
}

#[tokio::test]
async fn without_a_session_there_is_nothing_to_ask() {
    let bye = start().await.browser().open("/logout").await;
    assert!(bye.text().contains("You are signed out"), "{}", bye.text());
}
