//! `/account/sessions`.

use chrono::TimeDelta;
use countersign_types::ClientAuthMethod;

use super::super::{ADA, start};
use crate::harness::{Browser, PASSWORD, Reply, Server, confidential};

const PAGE: &str = "/account/sessions";

async fn signed_in(server: &Server) -> Browser<'_> {
    let mut browser = server.browser();
    let login = browser.open("/login").await;
    browser.log_in(&login, ADA).await.assert_page(200);
    browser
}

/// The value of the button beside each sign-in, in the order of the page.
fn buttons(page: &Reply) -> Vec<String> {
    page.text().split("name=\"end\" value=\"").skip(1).map(|rest| rest.split_once('"').unwrap().0.to_owned()).collect()
}

#[tokio::test]
async fn every_sign_in_is_listed_with_the_apps_that_hold_its_tokens() {
    let server = start().await;
    server
        .add_client(
            "other",
            confidential(ClientAuthMethod::ClientSecretBasic, |other| {
                other.client_name = "Another app".to_owned();
            }),
        )
        .await;
    let mut elsewhere = server.browser();
    let code = elsewhere.code("other", ADA, "openid").await;
    server.exchange("other", &code).await;
    server.advance(TimeDelta::hours(1));
    let mut browser = signed_in(&server).await;
    let page = browser.open(PAGE).await;
    page.assert_page(200);
    let html = page.text();
    assert_eq!(buttons(&page).len(), 2);
    assert_eq!(html.matches("this device").count(), 1);
    // The present one comes first.
    let (present, other) = (html.find("this device").unwrap(), html.find("<bdi>Another app</bdi>").unwrap());
    assert!(present < other, "{html}");
    assert!(html.contains("<bdi>192.0.2.1</bdi>"), "{html}");
    // A code that was not exchanged gave tokens to nobody.
    browser.code("app", ADA, "openid").await;
    assert_eq!(browser.open(PAGE).await.text().matches("Used by").count(), 1);
}

#[tokio::test]
async fn one_that_is_ended_is_over_at_once_and_the_present_one_goes_on() {
    let server = start().await;
    let mut lost = server.browser();
    let code = lost.code("app", ADA, "openid offline_access").await;
    let tokens = server.exchange("app", &code).await.json();
    let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    assert_eq!(server.userinfo(access).await.status, 200);

    let mut browser = signed_in(&server).await;
    let page = browser.open(PAGE).await;
    let ended = browser.submit(&page, &[("end", &buttons(&page)[1])]).await;
    assert!(ended.text().contains("role=\"status\""), "{}", ended.text());
    assert_eq!(buttons(&ended).len(), 1);

    assert!(!lost.is_signed_in().await && browser.is_signed_in().await);
    lost.authorize("app", &[("prompt", "none")]).await.assert_refused("login_required");
    assert_eq!(server.userinfo(access).await.status, 401);
    assert_eq!(server.introspect("app", access).await["active"], false);
    server.refresh("app", refresh).await.assert_error(400, "invalid_grant");
    let newest = &server.audit(1).await[0];
    assert_eq!((newest.kind.as_str(), newest.detail.as_str()), ("session.ended", "{\"reason\":\"device_ended\"}"));
}

#[tokio::test]
async fn all_others_can_be_ended_at_once() {
    let server = start().await;
    let (mut one, mut two) = (signed_in(&server).await, signed_in(&server).await);
    let mut browser = signed_in(&server).await;
    let page = browser.open(PAGE).await;
    let ended = browser.submit(&page, &[("end_others", "yes")]).await;
    assert_eq!(buttons(&ended).len(), 1);
    assert!(!ended.text().contains("end_others"), "there is nothing left to end: {}", ended.text());
    assert!(!one.is_signed_in().await && !two.is_signed_in().await && browser.is_signed_in().await);
}

#[tokio::test]
async fn the_present_one_can_be_ended_too() {
    let server = start().await;
    let mut browser = signed_in(&server).await;
    let page = browser.open(PAGE).await;
    let reply = browser.submit_only(&page, &[("end", &buttons(&page)[0])]).await;
    assert_eq!(reply.location(), "/signed-out");
    assert!(!browser.cookies.contains_key("countersign_session"));
    assert!(!browser.is_signed_in().await);
}

#[tokio::test]
async fn what_outlived_earlier_sign_ins_on_the_device_ends_with_it() {
    let server = start().await;
    let mut lost = server.browser();
    let code = lost.code("app", ADA, "openid offline_access").await;
    let tokens = server.exchange("app", &code).await.json();
    let hint = tokens["id_token"].as_str().unwrap();
    lost.open(&format!("/logout?id_token_hint={hint}")).await;
    let login = lost.open("/login").await;
    lost.log_in(&login, ADA).await.assert_page(200);
    let refreshed = server.refresh("app", tokens["refresh_token"].as_str().unwrap()).await.json();

    let mut browser = signed_in(&server).await;
    let page = browser.open(PAGE).await;
    browser.submit(&page, &[("end", &buttons(&page)[1])]).await;
    let refresh = refreshed["refresh_token"].as_str().unwrap();
    server.refresh("app", refresh).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_device_that_was_ended_is_not_trusted_any_more() {
    let server = start().await;
    let authenticator = server.enrol(&server.user(ADA).await).await;
    let mut lost = server.browser();
    let page = lost.give_password(ADA).await;
    let code = server.code_of(&authenticator);
    lost.submit(&page, &[("code", &code), ("trust", "1")]).await.assert_page(200);
    assert_eq!(server.count("device WHERE second_factor_until IS NOT NULL").await, 1);

    server.advance(TimeDelta::seconds(30));
    let mut browser = server.browser();
    let page = browser.give_password(ADA).await;
    browser.submit(&page, &[("code", &server.code_of(&authenticator))]).await.assert_page(200);
    let page = browser.open(PAGE).await;
    browser.submit(&page, &[("end", &buttons(&page)[1])]).await.assert_page(200);
    lost.give_password(ADA).await.assert_code_page();
}

#[tokio::test]
async fn two_who_end_each_other_at_the_same_time_leave_one() {
    let server = start().await;
    let (mut one, mut two) = (signed_in(&server).await, signed_in(&server).await);
    let (first, second) = (one.open(PAGE).await, two.open(PAGE).await);
    let requests =
        [one.request_of(&first, &[("end_others", "yes")]), two.request_of(&second, &[("end_others", "yes")])];
    for reply in server.send_at_once(requests.into_iter()).await {
        assert_eq!(reply.status, 303);
    }
    assert_ne!(one.is_signed_in().await, two.is_signed_in().await);
}

#[tokio::test]
async fn nothing_chosen_or_too_much_is_told() {
    let server = start().await;
    let mut browser = signed_in(&server).await;
    let page = browser.open(PAGE).await;
    let own = buttons(&page)[0].clone();
    for fields in [&[][..], &[("end", own.as_str()), ("end_others", "yes")]] {
        browser.submit(&page, fields).await.assert_page(400);
    }
    // What ended meanwhile, or never was, is over as well.
    browser.submit(&page, &[("end", "no such sign-in")]).await.assert_page(200);
    assert!(browser.is_signed_in().await);
}

#[tokio::test]
async fn it_is_in_german_too() {
    let server = start().await;
    let mut browser = signed_in(&server).await;
    browser.reads = Some("de");
    let page = browser.open(PAGE).await;
    assert!(page.text().contains("dieses Gerät"), "{}", page.text());
}

#[tokio::test]
async fn after_a_while_it_asks_for_the_password_before_it_ends_anything() {
    let server = start().await;
    let mut lost = signed_in(&server).await;
    let mut browser = signed_in(&server).await;
    server.advance(TimeDelta::minutes(6));
    let page = browser.open(PAGE).await;
    let confirm = browser.submit(&page, &[("end_others", "yes")]).await;
    assert!(confirm.text().contains("name=\"password\""), "{}", confirm.text());
    assert!(lost.is_signed_in().await);
    let back = browser.submit(&confirm, &[("password", PASSWORD)]).await;
    browser.submit(&back, &[("end_others", "yes")]).await.assert_page(200);
    assert!(!lost.is_signed_in().await);
}
