//! Attack 6: a session that ended and still opens a door.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use countersign::{domain::user::User, login};
use countersign_types::ClientAuthMethod;

use crate::harness::{Browser, Server, authorize_path, confidential};

const USER: &str = "grace@example.com";

/// What someone copied while the session was good.
struct Copied {
    cookies: BTreeMap<String, String>,
    access_token: String,
    refresh_token: String,
    id_token: String,
}

async fn server() -> (Server, User) {
    let server = Server::start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    let user = server.add_user(USER, None).await;
    server.add_user("eve@example.com", None).await;
    (server, user)
}

async fn sign_in(browser: &mut Browser<'_>, server: &Server) -> Copied {
    let code = browser.code("app", USER, "openid").await;
    let tokens = server.exchange("app", &code).await.json();
    let token = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let copied = Copied {
        cookies: browser.cookies.clone(),
        access_token: token("access_token"),
        refresh_token: token("refresh_token"),
        id_token: token("id_token"),
    };
    assert_eq!(server.userinfo(&copied.access_token).await.status, 200);
    copied
}

/// Tries every door with what was copied.
async fn assert_every_door_is_shut(server: &Server, copied: &Copied) {
    let browser = || Browser::with_cookies(server, copied.cookies.clone());
    let silent = browser().get(&authorize_path("app", &[("prompt", "none")])).await;
    assert_eq!(silent.redirect_query()["error"], "login_required");
    assert!(browser().get(&authorize_path("app", &[])).await.location().starts_with("/login?i="));
    assert!(!browser().get("/").await.text().contains(USER));
    for place in ["", "/profile", "/email", "/password", "/second-factor", "/sessions", "/apps", "/activity", "/data"] {
        let to = browser().get(&format!("/account{place}")).await;
        assert!(to.location().starts_with("/login?to="), "{place}: {}", to.text());
    }
    let challenge = server.userinfo(&copied.access_token).await;
    assert_eq!(challenge.status, 401);
    assert!(challenge.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
    for token in [&copied.access_token, &copied.refresh_token] {
        assert_eq!(server.introspect("app", token).await, serde_json::json!({ "active": false }));
    }
    server.refresh("app", &copied.refresh_token).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn after_logout() {
    let (server, _) = server().await;
    let mut browser = server.browser();
    let copied = sign_in(&mut browser, &server).await;
    browser.get(&format!("/logout?id_token_hint={}", copied.id_token)).await.location();
    assert_every_door_is_shut(&server, &copied).await;
}

#[tokio::test]
async fn after_the_person_confirmed_to_sign_out() {
    let (server, _) = server().await;
    let mut browser = server.browser();
    let copied = sign_in(&mut browser, &server).await;
    let question = browser.open("/logout").await;
    browser.submit(&question, &[("confirm", "1")]).await.assert_page(200);
    assert_every_door_is_shut(&server, &copied).await;
}

#[tokio::test]
async fn after_the_device_was_ended_from_another() {
    let (server, _) = server().await;
    let mut lost = server.browser();
    let copied = sign_in(&mut lost, &server).await;
    let mut browser = server.browser();
    let login = browser.open("/login").await;
    browser.log_in(&login, USER).await;
    let page = browser.open("/account/sessions").await;
    browser.submit(&page, &[("end_others", "yes")]).await.assert_page(200);
    assert_every_door_is_shut(&server, &copied).await;
}

#[tokio::test]
async fn after_the_account_was_deleted() {
    let (server, _) = server().await;
    let mut browser = server.browser();
    let copied = sign_in(&mut browser, &server).await;
    let page = browser.open("/account/data").await;
    browser.submit(&page, &[("do", "delete"), ("sure", "yes")]).await.assert_page(200);
    assert_every_door_is_shut(&server, &copied).await;
}

#[tokio::test]
async fn after_the_person_was_disabled() {
    let (server, user) = server().await;
    let copied = sign_in(&mut server.browser(), &server).await;
    server.disable_user(&user).await;
    assert_every_door_is_shut(&server, &copied).await;
}

#[tokio::test]
async fn after_the_password_was_changed() {
    let (server, user) = server().await;
    let copied = sign_in(&mut server.browser(), &server).await;
    server.change_password(&user, "another battery staple").await;
    assert_every_door_is_shut(&server, &copied).await;
}

#[tokio::test]
async fn after_someone_else_signed_in_on_the_same_browser() {
    let (server, _) = server().await;
    let mut browser = server.browser();
    let copied = sign_in(&mut browser, &server).await;
    let page = browser.open("/login").await;
    browser.log_in(&page, "eve@example.com").await;
    assert_every_door_is_shut(&server, &copied).await;
}

#[tokio::test]
async fn after_it_lay_idle() {
    let (server, _) = server().await;
    let copied = sign_in(&mut server.browser(), &server).await;
    server.advance(TimeDelta::hours(24));
    assert_every_door_is_shut(&server, &copied).await;
}

#[tokio::test]
async fn after_its_absolute_end_however_often_it_was_used() {
    let (server, _) = server().await;
    let mut browser = server.browser();
    let mut copied = sign_in(&mut browser, &server).await;
    for _ in 0..30 {
        server.advance(TimeDelta::hours(23));
        browser.open("/").await;
    }
    // 690 of 720 hours: still good, and the last token ends with the session.
    copied.access_token = sign_in(&mut browser, &server).await.access_token;
    server.advance(TimeDelta::hours(30));
    assert_every_door_is_shut(&server, &copied).await;
}

#[tokio::test]
async fn a_restart_opens_nothing() {
    let (server, _) = server().await;
    let mut browser = server.browser();
    let copied = sign_in(&mut browser, &server).await;
    browser.get(&format!("/logout?id_token_hint={}", copied.id_token)).await.location();
    let server = server.restart().await;
    assert_every_door_is_shut(&server, &copied).await;
}

#[tokio::test]
async fn the_cookie_of_before_a_second_sign_in_is_dead() {
    let (server, _) = server().await;
    let mut browser = server.browser();
    let copied = sign_in(&mut browser, &server).await;
    server.advance(TimeDelta::seconds(1));
    let page = browser.authorize("app", &[("prompt", "login")]).await;
    browser.log_in(&page, USER).await.location();
    let mut thief = Browser::with_cookies(&server, copied.cookies);
    let silent = thief.get(&authorize_path("app", &[("prompt", "none")])).await;
    assert_eq!(silent.redirect_query()["error"], "login_required");
}

/// The password is looked at for as long as a hash takes, and for longer when many wait. What happens meanwhile counts.
async fn sign_in_that_began_before(happens: impl AsyncFnOnce(&Server, &User)) {
    let (server, user) = server().await;
    let held = server.jam_passwords().await.abandon().await;
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    let sign_in = browser.log_in(&page, USER);
    let meanwhile = async {
        let counter = format!("login/account/{}", user.id);
        // A try is counted when the hash has been read and before it is compared.
        while server.app.ephemeral.failures(&counter, server.clock.now()).await.count == 0 {
            tokio::task::yield_now().await;
        }
        happens(&server, &user).await;
        drop(held);
    };
    let (answer, ()) = tokio::join!(sign_in, meanwhile);
    answer.assert_page(422);
    assert!(!browser.cookies.contains_key("countersign_session"));
    assert_eq!(server.count("session").await, 0);
}

#[tokio::test]
async fn a_sign_in_that_began_before_the_password_was_changed() {
    sign_in_that_began_before(async |server: &Server, user: &User| {
        let mut tx = server.app.store.write().await.unwrap();
        let phc = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned();
        login::link::set_password(&server.app, &mut tx, user, phc, server.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_that_began_before_the_person_was_disabled() {
    sign_in_that_began_before(async |server: &Server, user: &User| server.disable_user(user).await).await;
}

/// Nobody ends what another person is signed in to.
#[tokio::test]
async fn a_session_of_another_person() {
    let (server, user) = server().await;
    let mut browser = server.browser();
    let copied = sign_in(&mut browser, &server).await;
    let mut tx = server.app.store.read().await.unwrap();
    let sid = countersign::store::session::of_user(&mut tx, &user.id).await.unwrap()[0].id.to_string();
    drop(tx);
    let mut eve = server.browser();
    let login = eve.open("/login").await;
    eve.log_in(&login, "eve@example.com").await.assert_page(200);
    let page = eve.open("/account/sessions").await;
    for fields in [("end", sid.as_str()), ("end_others", "yes")] {
        eve.submit(&page, &[fields]).await.assert_page(200);
    }
    assert!(browser.is_signed_in().await);
    assert_eq!(server.userinfo(&copied.access_token).await.status, 200);
}
