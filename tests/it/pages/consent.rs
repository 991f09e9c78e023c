//! `/consent`: the page. When people are asked at all is in `oauth/consent.rs`.

use super::{ADA, start};
use crate::harness::{Browser, Reply, Server, native};

async fn asked<'a>(server: &'a Server, client: &str, parameters: &[(&str, &str)]) -> (Browser<'a>, Reply) {
    let mut browser = server.browser();
    let login = browser.authorize(client, parameters).await;
    let page = browser.log_in(&login, ADA).await;
    page.assert_consent_page();
    (browser, page)
}

#[tokio::test]
async fn one_of_the_two_buttons_is_an_answer() {
    let server = start().await;
    let (mut browser, page) = asked(&server, "app", &[]).await;
    for fields in [&[] as &[(&str, &str)], &[("approve", "1"), ("deny", "1")]] {
        let told = browser.submit(&page, fields).await;
        told.assert_page(400);
        assert!(told.text().contains("Neither yes nor no"), "{}", told.text());
    }
    assert_eq!(server.count("consent").await, 0);
    browser.submit(&page, &[("approve", "1")]).await.assert_code();
}

#[tokio::test]
async fn people_see_who_they_are_and_where_they_are_sent() {
    let server = start().await;
    let (_, page) = asked(&server, "app", &[]).await;
    for words in ["Signed in as", ">ada<", "<strong>app.example</strong>"] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
    server.add_client("native", native()).await;
    let (_, page) = asked(&server, "native", &[("redirect_uri", "http://127.0.0.1:4711/cb")]).await;
    assert!(page.text().contains("the app on this device"), "{}", page.text());
}

#[tokio::test]
async fn someone_else_can_sign_in_instead() {
    let server = start().await;
    server.add_user("bob@example.com", Some("bob")).await;
    let (mut browser, page) = asked(&server, "app", &[]).await;
    let html = page.text();
    let switch = html.split("<a href=\"").nth(1).unwrap().split('"').next().unwrap();
    let choice = browser.open(switch).await;
    let login = browser.submit(&choice, &[("another", "yes")]).await;
    login.assert_login_page();
    let page = browser.log_in(&login, "bob").await;
    page.assert_consent_page();
    assert!(page.text().contains(">bob<"), "{}", page.text());
    browser.submit(&page, &[("approve", "1")]).await.assert_code();
}

#[tokio::test]
async fn whoever_signed_out_meanwhile_signs_in_again_first() {
    let server = start().await;
    let (mut browser, page) = asked(&server, "app", &[]).await;
    let question = browser.open("/logout").await;
    browser.submit(&question, &[("confirm", "1")]).await.assert_page(200);
    let login = browser.submit(&page, &[("approve", "1")]).await;
    login.assert_login_page();
    assert_eq!(server.count("consent").await, 0);
    browser.log_in(&login, ADA).await.assert_consent_page();
}

#[tokio::test]
async fn the_words_of_an_api_that_was_removed_meanwhile_are_gone_with_it() {
    let server = start().await;
    let mut app =
        server.app.store.client(&countersign_types::ClientId::new("app")).await.unwrap().unwrap().as_ref().clone();
    app.metadata.scope = "openid journal.read".parse().unwrap();
    server.add_api("https://journal.example", &["journal.read"], &[], false).await;
    server.update_client(&app).await;
    let (mut browser, page) = asked(&server, "app", &[("scope", "openid journal.read")]).await;
    assert!(page.text().contains("Words for journal.read"));
    server.remove_api("https://journal.example").await;
    let answer = browser.submit(&page, &[("approve", "1")]).await;
    let granted = server.exchange("app", &answer.assert_code()).await;
    assert_eq!(granted.status, 200, "{}", granted.text());
}
