//! The browsers that people sign in on.

use chrono::TimeDelta;
use countersign::{
    domain::{session::Session, user::User},
    store::session,
};

use crate::harness::{Browser, Server};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
const DEVICE: &str = "countersign_device";

async fn log_in(browser: &mut Browser<'_>, name: &str) {
    let page = browser.open("/login").await;
    assert!(browser.log_in(&page, name).await.text().contains("Signed in as"));
}

async fn log_out(browser: &mut Browser<'_>) {
    let question = browser.open("/logout").await;
    browser.submit(&question, &[("confirm", "1")]).await;
}

async fn sessions(server: &Server, user: &User) -> Vec<Session> {
    session::of_user(&mut server.app.store.read().await.unwrap(), &user.id).await.unwrap()
}

#[tokio::test]
async fn a_session_knows_its_device_and_from_where_it_was_opened() {
    let server = Server::start().await;
    let ada = server.add_user(ADA, None).await;
    log_in(&mut server.browser(), ADA).await;
    let [session] = sessions(&server, &ada).await.try_into().unwrap();
    assert!(session.device.is_some());
    assert_eq!((session.address.as_str(), session.label.as_str()), ("192.0.2.1", "Unknown device"));
}

#[tokio::test]
async fn a_browser_is_one_device_through_all_its_sessions() {
    let server = Server::start().await;
    let ada = server.add_user(ADA, None).await;
    let mut browser = server.browser();
    log_in(&mut browser, ADA).await;
    let [first] = sessions(&server, &ada).await.try_into().unwrap();
    let cookie = browser.cookies[DEVICE].clone();
    log_out(&mut browser).await;
    server.advance(TimeDelta::days(399));
    log_in(&mut browser, ADA).await;
    let [second] = sessions(&server, &ada).await.try_into().unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!((first.device, &cookie), (second.device, &browser.cookies[DEVICE]));

    log_in(&mut server.browser(), ADA).await;
    assert_eq!(server.count("device").await, 2);
}

#[tokio::test]
async fn a_new_proof_on_a_session_stays_on_its_device() {
    let server = Server::start().await;
    let ada = server.add_user(ADA, None).await;
    let mut browser = server.browser();
    log_in(&mut browser, ADA).await;
    let [before] = sessions(&server, &ada).await.try_into().unwrap();
    log_in(&mut browser, ADA).await;
    let [after] = sessions(&server, &ada).await.try_into().unwrap();
    assert_eq!((before.id, before.device), (after.id, after.device));
}

#[tokio::test]
async fn people_who_share_a_browser_have_a_device_each() {
    let server = Server::start().await;
    for name in [ADA, BOB] {
        server.add_user(name, None).await;
    }
    let mut browser = server.browser();
    log_in(&mut browser, ADA).await;
    let of_ada = browser.cookies[DEVICE].clone();
    log_in(&mut browser, BOB).await;
    // Whoever has a copy of the cookie of before has none of Bob's.
    let of_both = browser.cookies[DEVICE].clone();
    assert_ne!(of_both, of_ada);
    for name in [ADA, BOB] {
        log_in(&mut browser, name).await;
        assert_eq!((server.count("device").await, &browser.cookies[DEVICE]), (2, &of_both));
    }
}

#[tokio::test]
async fn a_cookie_that_was_not_made_here_is_replaced() {
    let server = Server::start().await;
    server.add_user(ADA, None).await;
    for planted in ["", "short", &"a".repeat(43), &"a".repeat(4_000)] {
        let mut browser = server.browser();
        browser.cookies.insert(DEVICE.to_owned(), planted.to_owned());
        log_in(&mut browser, ADA).await;
        assert!(browser.cookies[DEVICE] != planted && browser.cookies[DEVICE].len() == 43);
    }
}

#[tokio::test]
async fn the_cookie_lives_as_long_as_the_device_is_remembered() {
    let server = Server::start().await;
    server.add_user(ADA, None).await;
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    let reply = browser.submit_only(&page, &[("username", ADA), ("password", crate::harness::PASSWORD)]).await;
    let cookies = reply.headers.get_all("set-cookie").iter().map(|header| header.to_str().unwrap());
    let cookie = cookies.into_iter().find(|header| header.starts_with(DEVICE)).unwrap();
    assert!(cookie.ends_with("; Max-Age=34560000"), "{cookie}");

    server.advance(TimeDelta::days(400) - TimeDelta::seconds(1));
    server.keep_house().await;
    assert_eq!(server.count("device").await, 1);
    server.advance(TimeDelta::seconds(1));
    server.keep_house().await;
    assert_eq!(server.count("device").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_sign_ins_at_once_on_one_browser_comes_one_device() {
    let server = Server::start().await;
    server.add_user(ADA, None).await;
    let mut browser = server.browser();
    log_in(&mut browser, ADA).await;
    let page = browser.open("/login").await;
    let (_, hidden) = crate::harness::hidden_fields(&page.text());
    let cookies: Vec<_> =
        ["countersign_browser", DEVICE].map(|name| format!("{name}={}", browser.cookies[name])).into();
    let form = [("csrf", hidden[0].1.as_str()), ("username", ADA), ("password", crate::harness::PASSWORD)];
    let replies = server.post_at_once("/login", &[("cookie", &cookies.join("; "))], &form).await;
    assert!(replies.iter().any(|reply| reply.status == 303) && replies.iter().all(|reply| reply.status != 500));
    assert_eq!(server.count("device").await, 1);
}

#[tokio::test]
async fn its_owner_hears_of_a_sign_in_on_a_device_that_is_new_but_not_of_their_first() {
    let server = Server::start().await;
    server.add_user(ADA, None).await;
    let mails = async || {
        server.deliver_mails().await;
        server.mails().await.len()
    };
    let mut first = server.browser();
    log_in(&mut first, ADA).await;
    log_out(&mut first).await;
    log_in(&mut first, ADA).await;
    assert_eq!(mails().await, 0);
    log_in(&mut server.browser(), ADA).await;
    assert_eq!(mails().await, 1);
    let told = &server.mails().await[0];
    assert_eq!((told.to.as_str(), told.subject.as_str()), (ADA, "Somebody signed in on a new device"));
    assert!(told.text.contains("192.0.2.1") && told.text.contains("A device that we do not know"), "{}", told.text);
}

#[tokio::test]
async fn a_password_alone_makes_no_device_known() {
    let server = Server::start().await;
    let ada = server.add_user(ADA, None).await;
    server.enrol(&ada).await;
    let mut browser = server.browser();
    browser.give_password(ADA).await.assert_code_page();
    assert_eq!((server.count("device").await, browser.cookies.contains_key(DEVICE)), (0, false));
}

/// Unless they told us which language they read.
#[tokio::test]
async fn its_owner_hears_in_the_language_of_the_browser_that_they_have_had_the_longest() {
    let server = Server::start().await;
    server.add_user(ADA, None).await;
    for languages in ["de-AT,de;q=0.9", "en"] {
        let mut browser = server.browser();
        browser.reads = Some(languages);
        let page = browser.open("/login").await;
        browser.log_in(&page, ADA).await.assert_page(200);
        server.advance(TimeDelta::seconds(1));
    }
    server.deliver_mails().await;
    assert_eq!(server.mails().await[0].subject, "Anmeldung auf einem neuen Gerät");
}
