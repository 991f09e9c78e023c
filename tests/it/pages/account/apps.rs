//! `/account/apps`.

use countersign_types::ClientAuthMethod;

use super::super::{ADA, start};
use crate::harness::{Browser, Server, confidential};

const PAGE: &str = "/account/apps";

async fn signed_in(server: &Server) -> Browser<'_> {
    let mut browser = server.browser();
    let login = browser.open("/login").await;
    browser.log_in(&login, ADA).await.assert_page(200);
    browser
}

#[tokio::test]
async fn it_says_what_was_allowed_to_whom() {
    let server = start().await;
    server
        .add_client(
            "own",
            confidential(ClientAuthMethod::ClientSecretBasic, |own| {
                own.client_name = "Our own app".to_owned();
                own.first_party = true;
            }),
        )
        .await;
    let mut browser = signed_in(&server).await;
    assert!(browser.open(PAGE).await.text().contains("No app may use your account"));
    let code = browser.code("app", ADA, "openid email").await;
    let page = browser.open(PAGE).await;
    assert!(page.text().contains("See your mail address"), "{}", page.text());
    assert!(!page.text().contains("Last used"), "nothing was got yet: {}", page.text());
    server.exchange("app", &code).await;
    // One of the house is not asked for, but holds tokens.
    let code = browser.code("own", ADA, "openid profile").await;
    server.exchange("own", &code).await;
    let page = browser.open(PAGE).await;
    assert!(
        page.text().contains("Our own app") && page.text().contains("See your name and profile"),
        "{}",
        page.text()
    );
    assert_eq!(page.text().matches("Last used").count(), 2);
}

#[tokio::test]
async fn what_is_withdrawn_is_over_at_once_and_asked_for_again() {
    let server = start().await;
    let mut browser = server.browser();
    let code = browser.code("app", ADA, "openid offline_access").await;
    let tokens = server.exchange("app", &code).await.json();
    let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    let waiting = browser.code("app", ADA, "openid").await;

    let page = browser.open(PAGE).await;
    let done = browser.submit(&page, &[("withdraw", "app")]).await;
    assert!(done.text().contains("role=\"status\"") && done.text().contains("No app may use"), "{}", done.text());

    assert_eq!(server.userinfo(access).await.status, 401);
    assert_eq!(server.introspect("app", access).await["active"], false);
    server.refresh("app", refresh).await.assert_error(400, "invalid_grant");
    server.exchange("app", &waiting).await.assert_error(400, "invalid_grant");
    browser.authorize("app", &[("prompt", "none")]).await.assert_refused("consent_required");
    browser.authorize("app", &[]).await.assert_consent_page();
    let kinds: Vec<_> = server.audit(9).await.into_iter().filter(|row| row.kind == "consent.withdrawn").collect();
    assert_eq!((kinds.len(), kinds[0].client.as_deref()), (1, Some("app")));
    // Once more is nothing more.
    browser.submit(&page, &[("withdraw", "app")]).await.assert_page(200);
    assert_eq!(server.audit(20).await.iter().filter(|row| row.kind == "consent.withdrawn").count(), 1);
}

#[tokio::test]
async fn others_keep_what_they_allowed_to_the_same_app() {
    let server = start().await;
    server.add_user("bob@example.com", None).await;
    let bobs = server.sign_in("app", "bob@example.com", "openid offline_access").await;
    let mut browser = server.browser();
    let code = browser.code("app", ADA, "openid").await;
    server.exchange("app", &code).await;
    let page = browser.open(PAGE).await;
    browser.submit(&page, &[("withdraw", "app")]).await.assert_page(200);
    assert_eq!(server.userinfo(bobs["access_token"].as_str().unwrap()).await.status, 200);
    assert_eq!(server.refresh("app", bobs["refresh_token"].as_str().unwrap()).await.status, 200);
}

#[tokio::test]
async fn what_is_no_app_changes_nothing_and_nothing_chosen_is_told() {
    let server = start().await;
    let mut browser = signed_in(&server).await;
    browser.code("app", ADA, "openid").await;
    let page = browser.open(PAGE).await;
    browser.submit(&page, &[("withdraw", "no such app")]).await.assert_page(200);
    browser.submit(&page, &[]).await.assert_page(400);
    assert_eq!(server.count("consent").await, 1);
}
