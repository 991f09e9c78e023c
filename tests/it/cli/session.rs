//! `countersign session`.

use countersign_types::ClientAuthMethod;
use serde_json::{Value, json};

use super::machine::Machine;
use crate::harness::{Server, confidential};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";

async fn server() -> Server {
    let server = Server::in_real_time().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user(ADA, Some("ada")).await;
    server.add_user(BOB, None).await;
    server
}

fn text<'a>(json: &'a Value, name: &str) -> &'a str {
    json[name].as_str().unwrap()
}

#[tokio::test]
async fn sign_ins_are_listed_with_whose_and_where_they_are_but_no_cookie() {
    let server = server().await;
    let machine = Machine::beside(&server);
    assert_eq!(machine.json(&["session", "list"]), json!([]));
    for person in [ADA, BOB, ADA] {
        server.sign_in("app", person, "openid").await;
    }
    let all = machine.json(&["session", "list"]);
    let people: Vec<_> = all.as_array().unwrap().iter().map(|session| text(session, "email")).collect();
    assert_eq!(people, [ADA, ADA, BOB]);
    assert_eq!((&all[0]["address"], &all[0]["device"]), (&json!("192.0.2.1"), &json!("Unknown device")));
    assert!(all[0].as_object().unwrap().keys().all(|name| !name.contains("cookie")));
    assert_eq!(machine.json(&["session", "list", "ADA"]).as_array().unwrap().len(), 2);
    assert_eq!(machine.json(&["session", "list", BOB]).as_array().unwrap().len(), 1);
    let table = machine.run(&["session", "list"]).assert_ok();
    assert!(table.starts_with("SID") && table.contains(BOB) && table.contains("192.0.2.1"), "{table}");
    machine.run(&["session", "list", "eve"]).assert_fails("there is no account eve");
}

#[tokio::test]
async fn a_revoked_sign_in_takes_its_tokens_with_it_and_no_others() {
    let server = server().await;
    let machine = Machine::beside(&server);
    let ended = server.sign_in("app", ADA, "openid offline_access").await;
    let other = server.sign_in("app", ADA, "openid").await;
    let sid = machine.json(&["session", "list", "ada"])[0]["sid"].as_str().unwrap().to_owned();

    assert_eq!(machine.json(&["session", "revoke", &sid]), json!({ "revoked": sid }));

    assert_eq!(server.userinfo(text(&ended, "access_token")).await.status, 401);
    server.refresh("app", text(&ended, "refresh_token")).await.assert_error(400, "invalid_grant");
    assert_eq!(server.userinfo(text(&other, "access_token")).await.status, 200);
    let newest = server.audit(1).await.remove(0);
    assert_eq!((newest.kind.as_str(), newest.detail.as_str()), ("session.ended", "{\"reason\":\"revoked\"}"));
    machine.run(&["session", "revoke", &sid]).assert_fails("there is no such sign-in");
}

#[tokio::test]
async fn all_of_a_person_are_revoked_with_what_outlived_earlier_ones() {
    let server = server().await;
    let machine = Machine::beside(&server);
    let mut browser = server.browser();
    let code = browser.code("app", ADA, "openid offline_access").await;
    let offline = server.exchange("app", &code).await.json();
    browser.get(&format!("/logout?id_token_hint={}", text(&offline, "id_token"))).await.location();
    let online = server.sign_in("app", ADA, "openid").await;
    let bob = server.sign_in("app", BOB, "openid").await;

    let revoked = machine.json(&["session", "revoke", "--user", ADA]);

    assert_eq!(revoked["revoked"].as_array().unwrap().len(), 1);
    for tokens in [&offline, &online] {
        server.refresh("app", text(tokens, "refresh_token")).await.assert_error(400, "invalid_grant");
        assert_eq!(server.introspect("app", text(tokens, "access_token")).await, json!({ "active": false }));
    }
    assert_eq!(server.userinfo(text(&bob, "access_token")).await.status, 200);
    let kinds: Vec<_> = server.audit(2).await.into_iter().map(|record| record.kind).collect();
    assert_eq!(kinds, ["sessions.revoked", "session.ended"]);
}

#[tokio::test]
async fn one_sign_in_or_one_person_is_named() {
    let machine = Machine::migrated().await;
    machine.run(&["session", "revoke"]).assert_misused("required");
    machine.run(&["session", "revoke", "sid", "--user", "ada"]).assert_misused("cannot be used with");
}

#[tokio::test]
async fn all_of_everybody_are_revoked_at_once() {
    let server = server().await;
    let machine = Machine::beside(&server);
    let (adas, bobs) =
        (server.sign_in("app", ADA, "openid offline_access").await, server.sign_in("app", BOB, "openid").await);
    machine.run(&["session", "revoke", "--all", "--user", BOB]).assert_misused("cannot be used with");
    machine.run(&["session", "revoke", "--all"]).assert_ok();
    for tokens in [&adas, &bobs] {
        assert_eq!(server.userinfo(text(tokens, "access_token")).await.status, 401);
        server.refresh("app", text(tokens, "refresh_token")).await.assert_error(400, "invalid_grant");
    }
    assert_eq!(machine.json(&["session", "list"]), json!([]));
    server.sign_in("app", ADA, "openid").await;
}
