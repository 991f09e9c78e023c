//! `sessions.limit`: on how many browsers one person may be signed in.

use chrono::TimeDelta;
use countersign_types::ClientAuthMethod;

use crate::harness::{Browser, Server, confidential};

const ADA: &str = "ada@example.com";

async fn server(limit: u32) -> Server {
    let server = Server::with_settings(&format!("sessions.limit = {limit}")).await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user(ADA, None).await;
    server.add_user("bob@example.com", None).await;
    server
}

async fn signed_in<'a>(server: &'a Server, name: &str) -> Browser<'a> {
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    browser.log_in(&page, name).await;
    server.advance(TimeDelta::minutes(20));
    browser
}

async fn is_signed_in(browser: &mut Browser<'_>) -> bool {
    browser.get("/account").await.status == 200
}

#[tokio::test]
async fn one_more_ends_what_was_used_the_longest_ago() {
    let server = server(3).await;
    let mut bob = signed_in(&server, "bob@example.com").await;
    let mut first = signed_in(&server, ADA).await;
    let mut second = signed_in(&server, ADA).await;
    let mut third = signed_in(&server, ADA).await;
    assert!(is_signed_in(&mut first).await, "a visit counts");

    let mut fourth = signed_in(&server, ADA).await;

    assert!(!is_signed_in(&mut second).await);
    for browser in [&mut first, &mut third, &mut fourth, &mut bob] {
        assert!(is_signed_in(browser).await);
    }
    let ended = server.audit(2).await.into_iter().find(|record| record.kind == "session.ended").unwrap();
    assert_eq!(ended.detail, "{\"reason\":\"too_many\"}");
}

#[tokio::test]
async fn another_proof_on_the_same_browser_is_not_one_more() {
    let server = server(2).await;
    let mut first = signed_in(&server, ADA).await;
    let mut second = signed_in(&server, ADA).await;
    for _ in 0..3 {
        let page = second.open("/login").await;
        second.log_in(&page, ADA).await;
    }
    assert!(is_signed_in(&mut first).await && is_signed_in(&mut second).await);
}

#[tokio::test]
async fn what_has_expired_takes_no_place() {
    let server = server(2).await;
    signed_in(&server, ADA).await;
    server.advance(TimeDelta::hours(25));
    let mut second = signed_in(&server, ADA).await;
    let mut third = signed_in(&server, ADA).await;
    assert!(is_signed_in(&mut second).await && is_signed_in(&mut third).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_no_more_than_the_limit_stay() {
    let server = server(3).await;
    let mut browsers = Vec::new();
    let mut requests = Vec::new();
    for _ in 0..12 {
        let mut browser = server.browser();
        let page = browser.open("/login").await;
        requests.push(browser.request_of(&page, &[("username", ADA), ("password", crate::harness::PASSWORD)]));
        browsers.push(browser);
    }
    let replies = server.send_at_once(requests.into_iter()).await;
    assert!(replies.iter().any(|reply| reply.status == 303));
    let live = server.count("session WHERE ended_at IS NULL").await;
    assert!((1..=3).contains(&live), "{live}");
}
