//! Attack 5: a refresh token that outlives what it stood for.

use chrono::TimeDelta;
use countersign::domain::user::User;
use countersign_types::ClientAuthMethod;

use crate::harness::{Browser, Server, claims, confidential, public};

const USER: &str = "ada@example.com";
const OFFLINE: &str = "openid email offline_access";
const ONLINE: &str = "openid email";

struct Family<'a> {
    browser: Browser<'a>,
    refresh_token: String,
    id_token: String,
}

async fn server() -> (Server, User) {
    let server = Server::start().await;
    for id in ["app", "other"] {
        server.add_client(id, confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    }
    let user = server.add_user(USER, None).await;
    (server, user)
}

async fn sign_in<'a>(server: &'a Server, scope: &str) -> Family<'a> {
    let mut browser = server.browser();
    let code = browser.code("app", USER, scope).await;
    let tokens = server.exchange("app", &code).await.json();
    let token = |name: &str| tokens[name].as_str().unwrap().to_owned();
    Family { refresh_token: token("refresh_token"), id_token: token("id_token"), browser }
}

impl Family<'_> {
    async fn log_out(&mut self) {
        let reply = self.browser.get(&format!("/logout?id_token_hint={}", self.id_token)).await;
        assert_eq!(reply.location(), "/signed-out");
    }
}

async fn assert_refused(server: &Server, family: &Family<'_>) {
    server.refresh("app", &family.refresh_token).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn after_the_person_was_disabled() {
    let (server, user) = server().await;
    let (online, offline) = (sign_in(&server, ONLINE).await, sign_in(&server, OFFLINE).await);
    server.disable_user(&user).await;
    assert_refused(&server, &online).await;
    assert_refused(&server, &offline).await;
    // To be let in again does not bring back what was given away before.
    server.update_user(&user).await;
    assert_refused(&server, &online).await;
    assert_refused(&server, &offline).await;
}

#[tokio::test]
async fn after_the_password_was_changed() {
    let (server, user) = server().await;
    let (online, offline) = (sign_in(&server, ONLINE).await, sign_in(&server, OFFLINE).await);
    server.change_password(&user, "another battery staple").await;
    assert_refused(&server, &online).await;
    assert_refused(&server, &offline).await;
}

#[tokio::test]
async fn after_the_password_was_changed_and_the_session_had_ended_before() {
    let (server, user) = server().await;
    let mut offline = sign_in(&server, OFFLINE).await;
    offline.log_out().await;
    server.change_password(&user, "another battery staple").await;
    assert_refused(&server, &offline).await;
}

#[tokio::test]
async fn after_the_consent_was_withdrawn() {
    let (server, _) = server().await;
    let (mut online, offline) = (sign_in(&server, ONLINE).await, sign_in(&server, OFFLINE).await);
    let page = online.browser.open("/account/apps").await;
    online.browser.submit(&page, &[("withdraw", "app")]).await.assert_page(200);
    assert_refused(&server, &online).await;
    assert_refused(&server, &offline).await;
    // Another consent does not bring back what was taken away before.
    online.browser.code("app", USER, OFFLINE).await;
    assert_refused(&server, &offline).await;
}

#[tokio::test]
async fn after_the_device_was_ended() {
    let (server, _) = server().await;
    let mut online = sign_in(&server, ONLINE).await;
    let mut offline = sign_in(&server, OFFLINE).await;
    let page = online.browser.open("/account/sessions").await;
    online.browser.submit(&page, &[("end_others", "yes")]).await.assert_page(200);
    assert_refused(&server, &offline).await;
    assert_eq!(server.refresh("app", &online.refresh_token).await.status, 200, "the others go on");
    // Not even whoever comes back to the device has it again.
    offline.browser.code("app", USER, OFFLINE).await;
    assert_refused(&server, &offline).await;
}

#[tokio::test]
async fn after_the_account_was_deleted() {
    let (server, _) = server().await;
    let mut offline = sign_in(&server, OFFLINE).await;
    let page = offline.browser.open("/account/data").await;
    offline.browser.submit(&page, &[("do", "delete"), ("sure", "yes")]).await.assert_page(200);
    assert_refused(&server, &offline).await;
    server.add_user(USER, None).await;
    assert_refused(&server, &offline).await;
}

#[tokio::test]
async fn after_logout_without_offline_access() {
    let (server, _) = server().await;
    let mut family = sign_in(&server, ONLINE).await;
    family.log_out().await;
    assert_refused(&server, &family).await;
}

#[tokio::test]
async fn offline_access_is_what_survives_a_logout() {
    let (server, _) = server().await;
    let mut family = sign_in(&server, OFFLINE).await;
    family.log_out().await;
    assert_eq!(server.refresh("app", &family.refresh_token).await.status, 200);
}

#[tokio::test]
async fn after_the_session_expired_without_offline_access() {
    let (server, _) = server().await;
    let family = sign_in(&server, ONLINE).await;
    server.advance(TimeDelta::hours(24));
    assert_refused(&server, &family).await;
}

#[tokio::test]
async fn after_someone_else_signed_in_on_the_same_browser() {
    let (server, _) = server().await;
    server.add_user("eve@example.com", None).await;
    let mut family = sign_in(&server, ONLINE).await;
    let page = family.browser.open("/login").await;
    family.browser.log_in(&page, "eve@example.com").await;
    assert_refused(&server, &family).await;
}

#[tokio::test]
async fn after_the_family_ended() {
    let (server, _) = server().await;
    let mut token = sign_in(&server, OFFLINE).await.refresh_token;
    for _ in 0..3 {
        server.advance(TimeDelta::days(29));
        token = server.refresh("app", &token).await.json()["refresh_token"].as_str().unwrap().to_owned();
    }
    server.advance(TimeDelta::days(3));
    server.refresh("app", &token).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn after_it_lay_idle() {
    let (server, _) = server().await;
    let family = sign_in(&server, OFFLINE).await;
    server.advance(TimeDelta::days(30));
    assert_refused(&server, &family).await;
}

#[tokio::test]
async fn after_the_client_was_disabled() {
    let (server, _) = server().await;
    let mut client = server.add_client("third", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    let tokens = server.sign_in("third", USER, OFFLINE).await;
    client.enabled = false;
    server.update_client(&client).await;
    server.refresh("third", tokens["refresh_token"].as_str().unwrap()).await.assert_error(401, "invalid_client");
    assert_eq!(server.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 401);
}

#[tokio::test]
async fn after_the_client_was_deleted() {
    let (server, _) = server().await;
    let tokens = server.sign_in("app", USER, OFFLINE).await;
    let (refresh, access) = (tokens["refresh_token"].as_str().unwrap(), tokens["access_token"].as_str().unwrap());
    server.remove_client("app").await;
    server.refresh("app", refresh).await.assert_error(401, "invalid_client");
    assert_eq!(server.userinfo(access).await.status, 401);
}

#[tokio::test]
async fn after_a_new_client_took_the_name_of_a_deleted_one() {
    let (server, _) = server().await;
    let tokens = server.sign_in("app", USER, OFFLINE).await;
    let (refresh, access) = (tokens["refresh_token"].as_str().unwrap(), tokens["access_token"].as_str().unwrap());
    server.remove_client("app").await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.refresh("app", refresh).await.assert_error(400, "invalid_grant");
    assert_eq!(server.userinfo(access).await.status, 401);
    assert_eq!(server.introspect("app", access).await["active"], false);
}

#[tokio::test]
async fn after_a_scope_was_taken_from_the_client() {
    let (server, _) = server().await;
    let mut client = server.add_client("third", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    let tokens = server.sign_in("third", USER, OFFLINE).await;
    client.metadata.scope = "openid offline_access".parse().unwrap();
    server.update_client(&client).await;

    let refreshed = server.refresh("third", tokens["refresh_token"].as_str().unwrap()).await.json();

    assert_eq!(refreshed["scope"], "offline_access openid");
    let userinfo = server.userinfo(refreshed["access_token"].as_str().unwrap()).await.json();
    assert!(userinfo.get("email").is_none());
}

#[tokio::test]
async fn by_another_client() {
    let (server, _) = server().await;
    server.add_client("public", public()).await;
    let family = sign_in(&server, OFFLINE).await;
    server.refresh("other", &family.refresh_token).await.assert_error(400, "invalid_grant");
    let form =
        [("grant_type", "refresh_token"), ("refresh_token", family.refresh_token.as_str()), ("client_id", "public")];
    server.post("/token", &[], &form).await.assert_error(400, "invalid_grant");
    // A stranger's try neither spends nor revokes.
    assert_eq!(server.refresh("app", &family.refresh_token).await.status, 200);
}

#[tokio::test]
async fn for_more_than_was_granted() {
    let (server, _) = server().await;
    let family = sign_in(&server, OFFLINE).await;
    let wider = |scope| [("grant_type", "refresh_token"), ("refresh_token", &family.refresh_token), ("scope", scope)];
    for scope in ["openid profile", "phone", "admin", "openid\u{e9}"] {
        server.token("app", &wider(scope)).await.assert_error(400, "invalid_scope");
    }
    let narrower = server.token("app", &wider("openid")).await.json();
    assert_eq!(claims(narrower["access_token"].as_str().unwrap())["scope"], "openid");
}
