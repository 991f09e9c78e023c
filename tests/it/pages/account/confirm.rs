//! `/account/confirm`.

use chrono::TimeDelta;

use super::super::{ADA, start};
use crate::harness::{Browser, PASSWORD, Reply, Server};

const CONFIRM: &str = "/account/confirm?to=account";

async fn signed_in(server: &Server) -> Browser<'_> {
    let mut browser = server.browser();
    let login = browser.open("/login").await;
    browser.log_in(&login, ADA).await;
    browser
}

async fn confirm(browser: &mut Browser<'_>, page: &Reply, password: &str) -> Reply {
    browser.submit_only(page, &[("password", password)]).await
}

#[tokio::test]
async fn it_asks_for_the_password_renews_the_sign_in_and_leads_back() {
    let server = start().await;
    let mut browser = signed_in(&server).await;
    let before = browser.cookies.clone();
    server.advance(TimeDelta::hours(1));
    let page = browser.get(CONFIRM).await;
    assert!(page.text().contains(ADA), "whose password it is: {}", page.text());

    let done = confirm(&mut browser, &page, PASSWORD).await;

    assert_eq!((done.location(), done.header("cache-control")), ("/account", Some("no-store")));
    assert_ne!(browser.cookies["countersign_session"], before["countersign_session"]);
    assert_eq!(server.count("session").await, 1, "the sign-in goes on");
    let newest = &server.audit(1).await[0];
    assert_eq!((newest.kind.as_str(), newest.detail.as_str()), ("login.succeeded", "{\"amr\":[\"pwd\"]}"));
    browser.get("/account").await.assert_page(200);
    let mut thief = Browser::with_cookies(&server, before);
    assert_eq!(thief.get("/account").await.location(), "/login?to=account");
}

#[tokio::test]
async fn a_wrong_password_changes_nothing_and_can_be_tried_again() {
    let server = start().await;
    let mut browser = signed_in(&server).await;
    let before = browser.cookies.clone();
    let page = browser.get(CONFIRM).await;
    let again = confirm(&mut browser, &page, "wrong battery staple").await;
    assert_eq!(again.status, 422);
    assert!(again.text().contains("role=\"alert\"") && !again.text().contains("wrong battery"), "{}", again.text());
    assert_eq!(browser.cookies, before);
    assert_eq!(confirm(&mut browser, &again, PASSWORD).await.location(), "/account");
}

#[tokio::test]
async fn tries_are_counted_as_at_the_sign_in() {
    let server = start().await;
    let mut browser = signed_in(&server).await;
    let page = browser.get(CONFIRM).await;
    for _ in 0..5 {
        assert_eq!(confirm(&mut browser, &page, "wrong").await.status, 422);
    }
    let wait = confirm(&mut browser, &page, PASSWORD).await;
    assert_eq!((wait.status, wait.header("retry-after")), (429, Some("1")));
    let login = browser.open("/login").await;
    assert_eq!(browser.log_in(&login, ADA).await.status, 429);
}

#[tokio::test]
async fn whoever_is_not_signed_in_signs_in_which_proves_as_much() {
    let server = start().await;
    let mut browser = server.browser();
    assert_eq!(browser.get(CONFIRM).await.location(), "/login?to=account");
    let mut other = signed_in(&server).await;
    let page = other.get(CONFIRM).await;
    let signed_out = other.open("/logout").await;
    other.submit(&signed_out, &[("confirm", "1")]).await;
    assert_eq!(confirm(&mut other, &page, PASSWORD).await.location(), "/login?to=account");
}

#[tokio::test]
async fn the_password_of_someone_else_proves_nothing() {
    let server = start().await;
    let bob = server.add_user("bob@example.com", None).await;
    server.change_password(&bob, "the password of bob").await;
    let mut browser = signed_in(&server).await;
    let page = browser.get(CONFIRM).await;
    let reply =
        browser.submit_only(&page, &[("username", "bob@example.com"), ("password", "the password of bob")]).await;
    assert_eq!(reply.status, 422);
}
