//! `/account/data`.

use chrono::TimeDelta;

use super::super::{ADA, start};
use crate::harness::{Browser, PASSWORD, Reply, Server};

const PAGE: &str = "/account/data";

async fn signed_in<'a>(server: &'a Server, user: &str) -> Browser<'a> {
    let mut browser = server.browser();
    let login = browser.open("/login").await;
    browser.log_in(&login, user).await.assert_page(200);
    browser
}

async fn delete(browser: &mut Browser<'_>) -> Reply {
    let page = browser.open(PAGE).await;
    browser.submit_only(&page, &[("do", "delete"), ("sure", "yes")]).await
}

#[tokio::test]
async fn a_copy_has_everything_and_no_secret() {
    let server = start().await;
    let authenticator = server.enrol(&server.user(ADA).await).await;
    let mut browser = server.browser();
    let page = browser.give_password(ADA).await;
    browser.submit(&page, &[("code", &server.code_of(&authenticator))]).await.assert_page(200);
    let code = browser.code("app", ADA, "openid email offline_access").await;
    let tokens = server.exchange("app", &code).await.json();
    let page = browser.open(PAGE).await;
    let file = browser.submit_only(&page, &[("do", "export")]).await;
    assert_eq!((file.status, file.header("content-type")), (200, Some("application/json")));
    assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"my-data.json\""));
    assert_eq!(file.header("cache-control"), Some("no-store"));

    let data = file.json();
    assert_eq!((&data["account"]["email"], &data["account"]["username"]), (&ADA.into(), &"ada".into()));
    assert_eq!(data["second_factor"]["recovery_codes_left"], 10);
    assert_eq!(
        (&data["devices"][0]["device"], &data["sessions"][0]["address"]),
        (&"Unknown device".into(), &"192.0.2.1".into())
    );
    assert_eq!(data["consents"][0]["client_id"], "app");
    assert_eq!(data["grants"][0]["scope"], "email offline_access openid");
    let events: Vec<_> =
        data["activity"].as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap()).collect();
    for event in ["login.succeeded", "consent.granted", "code.exchanged"] {
        assert!(events.contains(&event), "{event}: {events:?}");
    }
    assert_eq!(events.last(), Some(&"data.exported"), "that it was taken is in it");

    let text = file.text();
    let mut secrets = vec!["argon2".to_owned(), browser.cookies["countersign_session"].clone()];
    secrets.extend(["access_token", "refresh_token"].map(|token| tokens[token].as_str().unwrap().to_owned()));
    secrets.extend(authenticator.recovery_codes.iter().cloned());
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret}");
    }
}

#[tokio::test]
async fn an_account_that_is_deleted_leaves_rows_that_name_nobody() {
    let server = start().await;
    server.add_user("bob@example.com", None).await;
    let id = server.user(ADA).await.id;
    let mut browser = server.browser();
    let code = browser.code("app", ADA, "openid offline_access").await;
    let tokens = server.exchange("app", &code).await.json();
    let waiting = browser.code("app", ADA, "openid").await;
    let mut elsewhere = signed_in(&server, ADA).await;

    let done = delete(&mut browser).await;
    assert_eq!(done.location(), "/account/deleted");
    let page = browser.follow(done).await;
    assert!(page.text().contains("Your account is deleted"), "{}", page.text());

    assert!(!browser.is_signed_in().await && !elsewhere.is_signed_in().await);
    let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    assert_eq!(server.userinfo(access).await.status, 401);
    assert_eq!(server.introspect("app", access).await["active"], false);
    server.refresh("app", refresh).await.assert_error(400, "invalid_grant");
    server.exchange("app", &waiting).await.assert_error(400, "invalid_grant");
    let login = browser.open("/login").await;
    assert_eq!(browser.log_in(&login, ADA).await.status, 422);

    for table in ["session", "device", "consent", "person_grant", "refresh_token", "authorization_code", "audit_key"] {
        assert_eq!(server.count(&format!("{table} WHERE TRUE")).await, 0, "{table}");
    }
    server.deliver_mails().await;
    let mails = server.mails().await;
    assert!(mails.iter().any(|mail| mail.to == ADA && mail.subject.contains("deleted")), "{mails:?}");
    // The trail is whole, and tells of nobody any more: nor what is written to it later.
    let rows = server.audit(50).await;
    let theirs: Vec<_> = rows.iter().filter(|row| row.user.as_deref() == Some(id.as_str())).collect();
    assert!(theirs.len() >= 6 && theirs.iter().all(|row| row.personal.is_none()), "{theirs:?}");
    assert!(theirs.iter().any(|row| row.kind == "user.deleted"));
    let server = server.restart().await;
    assert!(server.audit(50).await.iter().filter(|row| row.user.is_some()).all(|row| row.personal.is_none()));
}

#[tokio::test]
async fn nothing_is_deleted_by_whoever_is_not_sure() {
    let server = start().await;
    let mut browser = signed_in(&server, ADA).await;
    let page = browser.open(PAGE).await;
    let again = browser.submit(&page, &[("do", "delete")]).await;
    again.assert_page(422);
    assert!(again.text().contains("role=\"alert\"") && again.text().contains("aria-invalid"), "{}", again.text());
    browser.submit(&page, &[]).await.assert_page(400);
    assert_eq!(server.count("account").await, 1);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let server = start().await;
    let administrator = |mut user: countersign::domain::user::User| {
        user.roles.insert("admin".to_owned());
        user
    };
    server.update_user(&administrator(server.user(ADA).await)).await;
    let mut browser = signed_in(&server, ADA).await;
    let refused = delete(&mut browser).await;
    refused.assert_page(422);
    assert!(refused.text().contains("nobody else can administer"), "{}", refused.text());
    let bob = server.add_user("bob@example.com", None).await;
    server.update_user(&administrator(bob)).await;
    assert_eq!(delete(&mut browser).await.location(), "/account/deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_administrators_who_go_at_the_same_time_one_stays() {
    let server = start().await;
    let bob = server.add_user("bob@example.com", None).await;
    for mut user in [server.user(ADA).await, bob] {
        user.roles.insert("admin".to_owned());
        server.update_user(&user).await;
    }
    let (mut ada, mut bob) = (signed_in(&server, ADA).await, signed_in(&server, "bob@example.com").await);
    let (first, second) = (ada.open(PAGE).await, bob.open(PAGE).await);
    let fields = [("do", "delete"), ("sure", "yes")];
    let requests = [ada.request_of(&first, &fields), bob.request_of(&second, &fields)];
    let mut statuses: Vec<_> =
        server.send_at_once(requests.into_iter()).await.into_iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!((statuses, server.count("account").await), (vec![303, 422], 1));
}

#[tokio::test]
async fn an_address_is_free_again_and_its_new_owner_is_somebody_else() {
    let server = start().await;
    let old = server.user(ADA).await.id;
    let mut browser = signed_in(&server, ADA).await;
    delete(&mut browser).await;
    let new = server.add_user(ADA, None).await;
    assert_ne!(old, new.id);
    let mut browser = signed_in(&server, ADA).await;
    server.advance(TimeDelta::minutes(1));
    let page = browser.open("/account/activity").await;
    assert_eq!(page.text().matches("You signed in").count(), 1, "{}", page.text());
    assert!(!server.database.contains(PASSWORD).await);
}
