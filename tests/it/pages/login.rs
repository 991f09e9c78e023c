//! `/login`.

use chrono::TimeDelta;

use super::{ADA, start};
use crate::harness::{PASSWORD, authorize_path};

const WRONG: [(&str, &str); 2] = [("username", ADA), ("password", "wrong battery staple")];

#[tokio::test]
async fn a_sign_in_for_nothing_ends_at_the_start_page() {
    let server = start().await;
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    assert!(!page.text().contains("The App"));
    let start = browser.log_in(&page, ADA).await;
    start.assert_page(200);
    assert!(start.text().contains("Signed in as") && start.text().contains("/logout"), "{}", start.text());
}

#[tokio::test]
async fn a_sign_in_for_an_app_names_it_and_goes_on() {
    let server = start().await;
    let mut browser = server.browser();
    let page = browser.authorize("app", &[]).await;
    assert!(page.text().contains("The App"));
    browser.log_in(&page, ADA).await.assert_consent_page();
}

#[tokio::test]
async fn user_name_and_mail_address_both_will_do_however_they_are_written() {
    let server = start().await;
    for name in ["ada", "ADA", " ada@example.com ", "Ada@Example.COM"] {
        let mut browser = server.browser();
        let page = browser.open("/login").await;
        assert!(browser.log_in(&page, name).await.text().contains("Signed in as"), "{name}");
    }
}

#[tokio::test]
async fn after_a_wrong_password_the_name_is_still_there_and_the_password_is_not() {
    let server = start().await;
    let mut browser = server.browser();
    let page = browser.authorize("app", &[]).await;
    let again = browser.submit(&page, &WRONG).await;
    assert_eq!(again.status, 422);
    let html = again.text();
    assert!(html.contains("value=\"ada@example.com\"") && html.contains("role=\"alert\""), "{html}");
    assert!(!html.contains("wrong battery"), "{html}");
    // And from there it goes on to the app.
    browser.log_in(&again, ADA).await.assert_consent_page();
}

#[tokio::test]
async fn too_many_tries_must_wait_as_long_as_the_page_says() {
    let server = start().await;
    server.add_user("bob@example.com", None).await;
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    for _ in 0..5 {
        assert_eq!(browser.submit(&page, &WRONG).await.status, 422);
    }
    for seconds in ["1", "2", "4"] {
        let wait = browser.log_in(&page, ADA).await;
        assert_eq!((wait.status, wait.header("retry-after")), (429, Some(seconds)), "even the right password waits");
        let words = if seconds == "1" { "1 second,".to_owned() } else { format!("{seconds} seconds,") };
        assert!(wait.text().contains(&words), "{}", wait.text());
        server.advance(TimeDelta::seconds(seconds.parse().unwrap()));
        assert_eq!(browser.submit(&page, &WRONG).await.status, 422);
    }
    let mut elsewhere = server.browser();
    let page = elsewhere.open("/login").await;
    assert!(elsewhere.log_in(&page, "bob@example.com").await.text().contains("Signed in"), "others do not wait");
    server.advance(TimeDelta::seconds(8));
    assert!(browser.log_in(&page, ADA).await.status == 403, "the form of another browser");
    let page = browser.open("/login").await;
    assert!(browser.log_in(&page, ADA).await.text().contains("Signed in"));
}

#[tokio::test]
async fn a_request_too_long_for_an_address_is_stored_and_goes_its_way() {
    let server = start().await;
    let state = "x".repeat(6_000);
    let long = [("state", state.as_str())];
    let mut browser = server.browser();
    let to_login = browser.get(&authorize_path("app", &long)).await;
    assert!(to_login.location().len() < 1_000, "{}", to_login.location());
    assert_eq!(server.count("pushed_request").await, 1);
    let answer = browser.answer("app", ADA, &long).await;
    assert_eq!(answer.redirect_query()["state"], state);
}

#[tokio::test]
async fn short_requests_store_nothing_before_somebody_signs_in() {
    let server = start().await;
    server.browser().authorize("app", &[]).await.assert_login_page();
    for table in ["pushed_request", "session", "person_grant", "authorization_code", "audit_event"] {
        assert_eq!(server.count(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_request_is_good_for_half_an_hour() {
    let server = start().await;
    let mut browser = server.browser();
    let page = browser.authorize("app", &[]).await;
    server.advance(TimeDelta::minutes(30) - TimeDelta::seconds(1));
    let consent = browser.log_in(&page, ADA).await;
    consent.assert_consent_page();
    server.advance(TimeDelta::seconds(1));
    browser.submit(&consent, &[("approve", "1")]).await.assert_page(400);
    browser.log_in(&page, ADA).await.assert_page(400);
}

#[tokio::test]
async fn an_app_that_was_removed_meanwhile_is_told_apart_from_a_mistake() {
    let server = start().await;
    let mut browser = server.browser();
    let page = browser.authorize("app", &[]).await;
    server.remove_client("app").await;
    let told = browser.submit(&page, &[("username", ADA), ("password", PASSWORD)]).await;
    told.assert_page(400);
    assert!(told.text().contains("no longer registered here"), "{}", told.text());
}

#[tokio::test]
async fn work_that_nobody_waits_for_any_more_keeps_its_core_until_it_is_done() {
    let server = start().await;
    let held = server.jam_passwords().await.abandon().await;
    let passwords = server.app.passwords.clone();
    let mut next = tokio::spawn(async move { passwords.run(|| Ok(())).await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert!(!next.is_finished(), "more at once than there are cores");
    }
    drop(held);
    (&mut next).await.unwrap().unwrap();
}
