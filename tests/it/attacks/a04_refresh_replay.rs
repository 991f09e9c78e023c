//! Attack 4: one refresh token in two hands. One of them is a thief's, and nobody can say which: the family dies
//! (RFC 9700 §4.14.2).

use chrono::TimeDelta;
use countersign_types::ClientAuthMethod;
use serde_json::Value;

use crate::harness::{Server, confidential, one_success};

const USER: &str = "ada@example.com";

async fn server_with(settings: &str) -> Server {
    let server = Server::with_settings(settings).await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user(USER, None).await;
    server
}

async fn sign_in(server: &Server) -> Value {
    server.sign_in("app", USER, "openid offline_access").await
}

fn refresh_token(tokens: &Value) -> &str {
    tokens["refresh_token"].as_str().unwrap()
}

async fn assert_family_dead(server: &Server, family: &[&Value]) {
    for tokens in family {
        server.refresh("app", refresh_token(tokens)).await.assert_error(400, "invalid_grant");
        assert_eq!(server.introspect("app", refresh_token(tokens)).await["active"], false);
        assert_eq!(server.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn used_by_many_at_once() {
    let server = server_with("").await;
    let first = sign_in(&server).await;
    let won = one_success(server.refresh_at_once("app", refresh_token(&first)).await, "invalid_grant").json();
    assert_family_dead(&server, &[&first, &won]).await;

    let server = server.restart().await;
    assert_family_dead(&server, &[&first, &won]).await;
}

#[tokio::test]
async fn used_twice() {
    let server = server_with("").await;
    let first = sign_in(&server).await;
    let second = server.refresh("app", refresh_token(&first)).await.json();
    let third = server.refresh("app", refresh_token(&second)).await.json();

    server.refresh("app", refresh_token(&first)).await.assert_error(400, "invalid_grant");

    assert_family_dead(&server, &[&first, &second, &third]).await;
    assert_eq!(server.audit(50).await.iter().filter(|event| event.kind == "refresh_token.replayed").count(), 3);
}

#[tokio::test]
async fn a_replay_kills_no_other_family() {
    let server = server_with("").await;
    let (one, other) = (sign_in(&server).await, sign_in(&server).await);
    server.refresh("app", refresh_token(&one)).await.json();
    server.refresh("app", refresh_token(&one)).await.assert_error(400, "invalid_grant");
    assert_eq!(server.refresh("app", refresh_token(&other)).await.status, 200);
}

#[tokio::test]
async fn used_twice_after_a_restart() {
    let server = server_with("").await;
    let first = sign_in(&server).await;
    let second = server.refresh("app", refresh_token(&first)).await.json();
    let server = server.restart().await;
    server.refresh("app", refresh_token(&first)).await.assert_error(400, "invalid_grant");
    assert_family_dead(&server, &[&first, &second]).await;
}

#[tokio::test]
async fn used_twice_long_after_it_was_spent() {
    let server = server_with("").await;
    let first = sign_in(&server).await;
    let second = server.refresh("app", refresh_token(&first)).await.json();
    server.advance(TimeDelta::days(29));
    server.refresh("app", refresh_token(&first)).await.assert_error(400, "invalid_grant");
    assert_family_dead(&server, &[&second]).await;
}

#[tokio::test]
async fn grace_ends_when_the_successor_is_used() {
    let server = server_with("refresh.grace = '30s'").await;
    let first = sign_in(&server).await;
    let lost = server.refresh("app", refresh_token(&first)).await.json();
    let second = server.refresh("app", refresh_token(&first)).await.json();
    // The family keeps one head: what was lost on the way is worth nothing.
    assert_eq!(server.introspect("app", refresh_token(&lost)).await["active"], false);

    let third = server.refresh("app", refresh_token(&second)).await.json();
    server.refresh("app", refresh_token(&first)).await.assert_error(400, "invalid_grant");
    assert_family_dead(&server, &[&first, &second, &third]).await;
}

#[tokio::test]
async fn grace_ends_with_its_time() {
    let server = server_with("refresh.grace = '30s'").await;
    let first = sign_in(&server).await;
    let second = server.refresh("app", refresh_token(&first)).await.json();
    server.advance(TimeDelta::seconds(30));
    server.refresh("app", refresh_token(&first)).await.assert_error(400, "invalid_grant");
    assert_family_dead(&server, &[&second]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_within_the_grace_leave_one_head_at_most() {
    let server = server_with("refresh.grace = '30s'").await;
    let first = sign_in(&server).await;
    let mut live = 0;
    for reply in server.refresh_at_once("app", refresh_token(&first)).await {
        if reply.status == 200 {
            let head = server.introspect("app", refresh_token(&reply.json())).await;
            live += u32::from(head["active"] == true);
        }
    }
    assert!(live <= 1, "{live} heads");
}
