//! Attack 11: past the second factor, by a device that its owner trusts, or by a session.

use chrono::TimeDelta;
use countersign::{domain::session::SessionEnd, login};

use super::a11_second_factor::{start, with_password};
use crate::harness::{Authenticator, Browser, PASSWORD, Server};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
const MFA: &str = "urn:countersign:acr:mfa";

/// A browser that its owner trusts, signed in by password alone.
async fn trusted<'a>(server: &'a Server, authenticator: &Authenticator) -> Browser<'a> {
    let (mut browser, page) = with_password(server, ADA).await;
    browser.submit(&page, &[("code", &server.code_of(authenticator)), ("trust", "1")]).await.assert_page(200);
    let question = browser.open("/logout").await;
    browser.submit(&question, &[("confirm", "1")]).await;
    assert!(browser.give_password(ADA).await.text().contains("Signed in as"));
    browser
}

#[tokio::test]
async fn a_trusted_device_where_an_app_wants_more() {
    let (server, _, authenticator) = start().await;
    let mut browser = trusted(&server, &authenticator).await;
    browser.authorize("app", &[("acr_values", MFA)]).await.assert_code_page();
    browser.authorize("app", &[("acr_values", MFA), ("prompt", "none")]).await.assert_refused("login_required");
    server.advance(TimeDelta::seconds(2));
    for fresh in [("max_age", "1"), ("prompt", "login")] {
        let login = browser.authorize("app", &[fresh]).await;
        login.assert_login_page();
        browser.log_in(&login, ADA).await.assert_code_page();
    }
    // Nor does a logout in between help.
    browser.cookies.remove("countersign_session");
    for more in [("acr_values", MFA), ("max_age", "1000"), ("prompt", "login")] {
        let login = browser.authorize("app", &[more]).await;
        browser.log_in(&login, ADA).await.assert_code_page();
    }
}

#[tokio::test]
async fn a_trusted_device_where_something_matters() {
    let (server, _, authenticator) = start().await;
    let mut browser = trusted(&server, &authenticator).await;
    let confirm = browser.open("/account/second-factor").await;
    assert!(confirm.text().contains("name=\"password\""));
    browser.submit(&confirm, &[("password", PASSWORD)]).await.assert_code_page();
    let again = browser.open("/account/second-factor").await;
    assert!(again.text().contains("name=\"password\""), "a password alone confirms nothing");
}

#[tokio::test]
async fn a_trusted_device_of_somebody_else() {
    let (server, _, authenticator) = start().await;
    let bob = server.add_user(BOB, None).await;
    server.enrol(&bob).await;
    let mut browser = trusted(&server, &authenticator).await;
    browser.give_password(BOB).await.assert_code_page();
    // The cookie of before the trust is worth nothing: whoever planted it has no trusted device.
    let mut thief = server.browser();
    let (mut victim, page) = with_password(&server, ADA).await;
    server.advance(TimeDelta::seconds(60));
    victim.submit(&page, &[("code", &server.code_of(&authenticator))]).await;
    let planted = victim.cookies["countersign_device"].clone();
    server.advance(TimeDelta::seconds(60));
    let page = victim.give_password(ADA).await;
    victim.submit(&page, &[("code", &server.code_of(&authenticator)), ("trust", "1")]).await.assert_page(200);
    assert_ne!(victim.cookies["countersign_device"], planted);
    thief.cookies.insert("countersign_device".to_owned(), planted);
    thief.give_password(ADA).await.assert_code_page();
}

#[tokio::test]
async fn a_session_that_ended_while_a_code_was_typed() {
    let (server, ada, authenticator) = start().await;
    let mut browser = trusted(&server, &authenticator).await;
    let page = browser.authorize("app", &[("acr_values", MFA)]).await;
    page.assert_code_page();
    let mut tx = server.app.store.write().await.unwrap();
    login::session::end_all(&server.app, &mut tx, &ada, SessionEnd::PasswordChanged, server.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    server.advance(TimeDelta::seconds(30));
    let code = server.code_of(&authenticator);
    browser.submit(&page, &[("code", &code)]).await.assert_login_page();
    assert!(!browser.is_signed_in().await);
}

#[tokio::test]
async fn guessing_with_a_session_is_counted_as_with_a_password() {
    let (server, _, authenticator) = start().await;
    let mut browser = trusted(&server, &authenticator).await;
    let page = browser.authorize("app", &[("acr_values", MFA)]).await;
    let wrong = authenticator.wrong_code(server.clock.now());
    for _ in 0..5 {
        assert_eq!(browser.submit(&page, &[("code", &wrong)]).await.status, 422);
    }
    let (mut other, page) = with_password(&server, ADA).await;
    assert_eq!(other.submit(&page, &[("code", &wrong)]).await.status, 429);
}
