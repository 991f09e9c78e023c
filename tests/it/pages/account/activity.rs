//! `/account/activity`.

use super::super::{ADA, start};
use crate::harness::{Browser, Server};

const PAGE: &str = "/account/activity";

async fn signed_in<'a>(server: &'a Server, user: &str) -> Browser<'a> {
    let mut browser = server.browser();
    let login = browser.open("/login").await;
    browser.log_in(&login, user).await.assert_page(200);
    browser
}

#[tokio::test]
async fn it_tells_in_plain_words_what_happened_and_from_where() {
    let server = start().await;
    let mut stranger = server.browser();
    let login = stranger.open("/login").await;
    stranger.submit(&login, &[("username", ADA), ("password", "wrong battery staple")]).await;
    let mut browser = signed_in(&server, ADA).await;
    let code = browser.code("app", ADA, "openid").await;
    server.exchange("app", &code).await;
    let page = browser.open(PAGE).await;
    page.assert_page(200);
    let html = page.text();
    let told = ["You signed in to <bdi>", "You allowed <bdi>", "You signed in</p>", "Somebody typed a wrong password"];
    let places: Vec<_> = told.map(|words| html.find(words).unwrap_or_else(|| panic!("{words}: {html}"))).into();
    assert!(places.is_sorted(), "the latest comes first: {html}");
    assert!(html.contains("<bdi>192.0.2.1</bdi>"), "{html}");
    assert!(!html.contains("Something else"), "{html}");
    browser.reads = Some("de");
    assert!(browser.open(PAGE).await.text().contains("Jemand hat ein falsches Passwort eingegeben"));
}

#[tokio::test]
async fn it_is_ones_own_alone() {
    let server = start().await;
    server.add_user("bob@example.com", None).await;
    let mut stranger = server.browser();
    let login = stranger.open("/login").await;
    stranger.submit(&login, &[("username", ADA), ("password", "wrong battery staple")]).await;
    let mut bob = signed_in(&server, "bob@example.com").await;
    let page = bob.open(PAGE).await;
    assert!(page.text().contains("You signed in") && !page.text().contains("wrong password"), "{}", page.text());
    for before in ["999999", "9223372036854775807", "-1", "x", ""] {
        let page = bob.open(&format!("{PAGE}?before={before}")).await;
        page.assert_page(200);
        assert!(!page.text().contains("wrong password"), "{}", page.text());
    }
}

#[tokio::test]
async fn older_events_are_on_further_pages() {
    let server = start().await;
    let mut browser = server.browser();
    for _ in 0..30 {
        let login = browser.open("/login").await;
        browser.log_in(&login, ADA).await.assert_page(200);
    }
    let first = browser.open(PAGE).await;
    let count = |html: &str| html.matches("You signed in").count();
    assert_eq!(count(&first.text()), 25);
    let html = first.text();
    let older = html.split_once("?before=").unwrap().1.split_once('"').unwrap().0;
    let second = browser.open(&format!("{PAGE}?before={older}")).await;
    assert_eq!(count(&second.text()), 5);
    assert!(!second.text().contains("?before=") && second.text().contains("Newest"), "{}", second.text());
}
