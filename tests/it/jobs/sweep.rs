//! What is done every minute: sessions whose time is over end with what hangs on them, and rows go that nothing needs.

use chrono::TimeDelta;
use countersign::{
    ephemeral::{FirstUse, SingleUse},
    store::link::LinkPurpose,
};
use countersign_types::ClientAuthMethod;
use serde_json::{Value, json};

use crate::harness::{Server, authorize_path, confidential};

const ADA: &str = "ada@example.com";

async fn start() -> Server {
    let server = Server::start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user(ADA, None).await;
    server
}

fn token<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap()
}

/// Rows of each table that somebody's sign-in leaves behind.
async fn rows(server: &Server) -> [i64; 5] {
    let mut counts = [0; 5];
    for (count, table) in
        counts.iter_mut().zip(["session", "person_grant", "authorization_code", "refresh_token", "revocation"])
    {
        *count = server.count(table).await;
    }
    counts
}

/// Keeps house just before and at a moment: the rows then.
async fn around(server: &Server, moment: TimeDelta) -> ([i64; 5], [i64; 5]) {
    server.advance(moment - TimeDelta::seconds(1));
    server.keep_house().await;
    let before = rows(server).await;
    server.advance(TimeDelta::seconds(1));
    server.keep_house().await;
    (before, rows(server).await)
}

#[tokio::test]
async fn an_idle_session_ends_with_what_hangs_on_it() {
    let server = start().await;
    let bound = server.sign_in("app", ADA, "openid").await;
    let offline = server.sign_in("app", ADA, "openid offline_access").await;
    server.advance(TimeDelta::hours(24) - TimeDelta::seconds(1));
    server.keep_house().await;
    assert_eq!(server.count("session WHERE ended_at IS NULL").await, 2);

    server.advance(TimeDelta::seconds(1));
    server.keep_house().await;
    assert_eq!(server.count("session WHERE ended_at IS NULL").await, 0);
    let reasons: Vec<_> = server.audit(2).await.into_iter().map(|event| (event.kind, event.detail)).collect();
    let expected = ("session.ended".to_owned(), json!({ "reason": "expired" }).to_string());
    assert_eq!(reasons, [expected.clone(), expected]);
    server.refresh("app", token(&bound, "refresh_token")).await.assert_error(400, "invalid_grant");
    assert_eq!(server.refresh("app", token(&offline, "refresh_token")).await.status, 200);

    // It ends once.
    server.keep_house().await;
    assert_eq!(server.count("audit_event WHERE kind = 'session.ended'").await, 2);
}

#[tokio::test]
async fn a_grant_whose_code_nobody_fetched_goes_ten_minutes_after_the_code_expired() {
    let server = start().await;
    server.browser().code("app", ADA, "openid").await;
    let (before, after) = around(&server, TimeDelta::minutes(11)).await;
    assert_eq!((before, after), ([1, 1, 1, 0, 0], [1, 0, 0, 0, 0]));
}

#[tokio::test]
async fn a_spent_code_stays_as_long_as_its_grant_so_that_a_replay_is_known() {
    let server = start().await;
    let code = server.browser().code("app", ADA, "openid offline_access").await;
    let tokens = server.exchange("app", &code).await.json();
    server.advance(TimeDelta::days(20));
    server.keep_house().await;
    assert_eq!(rows(&server).await, [1, 1, 1, 1, 0]);
    server.exchange("app", &code).await.assert_error(400, "invalid_grant");
    server.refresh("app", token(&tokens, "refresh_token")).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_grant_goes_a_day_after_its_end_with_its_code_and_tokens() {
    let server = start().await;
    server.sign_in("app", ADA, "openid offline_access").await;
    let (before, after) = around(&server, TimeDelta::days(91)).await;
    assert_eq!((before, after), ([1, 1, 1, 1, 0], [1, 0, 0, 0, 0]));
}

#[tokio::test]
async fn a_revocation_goes_when_nothing_of_it_can_live() {
    let server = start().await;
    let tokens = server.sign_in("app", ADA, "openid").await;
    server.revoke("app", token(&tokens, "access_token")).await;
    // The token would have lived ten minutes; its row stays a day longer.
    let (before, after) = around(&server, TimeDelta::minutes(10) + TimeDelta::days(1)).await;
    // Meanwhile the session has expired, and with it the grant.
    assert_eq!((before[4], after[4]), (2, 1));
}

#[tokio::test]
async fn an_ended_session_goes_when_no_token_of_it_can_live() {
    let server = start().await;
    let mut browser = server.browser();
    let login = browser.open("/login").await;
    browser.log_in(&login, ADA).await;
    let question = browser.open("/logout").await;
    browser.submit(&question, &[("confirm", "1")]).await;
    let (before, after) = around(&server, TimeDelta::days(90)).await;
    assert_eq!((before[0], after[0]), (1, 0));
}

#[tokio::test]
async fn stored_requests_and_seen_identifiers_go_when_they_expire() {
    let server = start().await;
    server.browser().get(&authorize_path("app", &[("state", &"x".repeat(6_000))])).await;
    let now = server.clock.now();
    let expires_at = now + TimeDelta::minutes(30);
    let used = SingleUse { kind: "jti", id: "x", from: now, until: expires_at };
    assert_eq!(server.app.ephemeral.first_use(used, now).await.unwrap(), FirstUse::First);
    let stored = async || (server.count("pushed_request").await, server.count("replay_guard").await);
    server.advance(TimeDelta::minutes(30) - TimeDelta::seconds(1));
    server.keep_house().await;
    assert_eq!(stored().await, (1, 1));
    server.advance(TimeDelta::seconds(1));
    server.keep_house().await;
    assert_eq!(stored().await, (0, 1), "what was used is known for a day longer: this clock may be wrong");
    server.advance(TimeDelta::days(1));
    server.keep_house().await;
    assert_eq!(stored().await, (0, 0));
}

#[tokio::test]
async fn links_go_a_day_after_they_expired() {
    let server = start().await;
    server.issue_link(&LinkPurpose::FirstAdministrator).await;
    server.advance(TimeDelta::days(1) + TimeDelta::minutes(30) - TimeDelta::seconds(1));
    server.keep_house().await;
    assert_eq!(server.count("link").await, 1);
    server.advance(TimeDelta::seconds(1));
    server.keep_house().await;
    assert_eq!(server.count("link").await, 0);
}

#[tokio::test]
async fn what_is_no_ones_to_sweep_stays_for_ever() {
    let server = start().await;
    server.sign_in("app", ADA, "openid").await;
    let kept = ["account", "credential", "client", "consent", "audit_key"];
    server.advance(TimeDelta::days(400));
    server.keep_house().await;
    for table in kept {
        assert_eq!(server.count(table).await, 1, "{table}");
    }
    assert!(server.count("audit_event").await >= 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_sweep_at_once_end_each_session_once() {
    let server = start().await;
    for _ in 0..8 {
        server.sign_in("app", ADA, "openid").await;
    }
    let other = server.beside().await;
    server.advance(TimeDelta::days(1));
    tokio::join!(server.keep_house(), other.keep_house());
    assert_eq!(server.count("audit_event WHERE kind = 'session.ended'").await, 8);
    assert_eq!(server.count("session WHERE ended_at IS NULL").await, 0);
}
