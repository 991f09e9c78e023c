//! Attack 21: storage fails in the middle of each flow. It is told clearly, nothing is done by halves, nothing is lost, and no
//! revocation is answered as done that was not.

use countersign_types::ClientAuthMethod;

use crate::harness::{Authenticator, Browser, Disk, PASSWORD, Server, confidential};

const ADA: &str = "ada@example.com";
const NEW: &str = "a new battery staple";

async fn start() -> Server {
    let server = Server::with_settings("signup.mode = 'open'").await;
    let grants = |metadata: &mut countersign::domain::client::ClientMetadata| {
        metadata.grant_types.insert(countersign_types::GrantType::ClientCredentials);
    };
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, grants)).await;
    server.add_user(ADA, Some("ada")).await;
    server
}

async fn signed_in(server: &Server) -> Browser<'_> {
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    browser.log_in(&page, ADA).await.assert_page(200);
    browser
}

#[tokio::test]
async fn in_the_middle_of_a_sign_in() {
    let server = start().await;
    let disk = Disk::below(&server).await;
    let mut browser = server.browser();
    let page = browser.authorize("app", &[("scope", "openid offline_access")]).await;
    let fields = [("username", ADA), ("password", PASSWORD)];
    let begun = disk.fails_everywhere("the sign-in", async || browser.submit_only(&page, &fields).await).await;
    let page = browser.follow(begun).await;
    page.assert_consent_page();
    let done =
        disk.fails_everywhere("the consent", async || browser.submit_only(&page, &[("approve", "yes")]).await).await;
    let code = browser.follow(done).await.assert_code();
    let tokens = disk.fails_everywhere("the code", async || server.exchange("app", &code).await).await;
    assert_eq!(tokens.status, 200);
    let refresh = tokens.json()["refresh_token"].as_str().unwrap().to_owned();
    let tokens = disk.fails_everywhere("the refresh", async || server.refresh("app", &refresh).await).await;
    assert_eq!(tokens.status, 200);
}

#[tokio::test]
async fn in_the_middle_of_an_answer_to_who_is_signed_in() {
    let server = start().await;
    let mut browser = server.browser();
    browser.code("app", ADA, "openid").await;
    let disk = Disk::below(&server).await;
    let path = crate::harness::authorize_path("app", &[]);
    disk.fails_everywhere("the code", async || browser.get(&path).await).await.assert_code();
}

#[tokio::test]
async fn in_the_middle_of_a_token_for_a_client() {
    let server = start().await;
    let disk = Disk::below(&server).await;
    let form = [("grant_type", "client_credentials")];
    assert_eq!(disk.fails_everywhere("the token", async || server.token("app", &form).await).await.status, 200);
}

#[tokio::test]
async fn in_the_middle_of_a_revocation() {
    let server = start().await;
    let disk = Disk::below(&server).await;
    for kind in ["access_token", "refresh_token"] {
        let tokens = server.sign_in("app", ADA, "openid offline_access").await;
        let token = tokens[kind].as_str().unwrap();
        let done = disk.fails_everywhere(kind, async || {
            let reply = server.revoke("app", token).await;
            // While it was not answered as done, it is not.
            let active = server.introspect("app", token).await["active"] == true;
            assert_eq!(active, reply.status != 200);
            reply
        });
        assert_eq!(done.await.status, 200);
    }
}

#[tokio::test]
async fn in_the_middle_of_a_replay() {
    let server = start().await;
    let disk = Disk::below(&server).await;
    let code = server.browser().code("app", ADA, "openid offline_access").await;
    let tokens = server.exchange("app", &code).await.json();
    disk.fails_everywhere("the code's", async || server.exchange("app", &code).await)
        .await
        .assert_error(400, "invalid_grant");
    assert_eq!(server.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 401);

    let tokens = server.sign_in("app", ADA, "openid offline_access").await;
    let spent = tokens["refresh_token"].as_str().unwrap();
    let next = server.refresh("app", spent).await.json();
    disk.fails_everywhere("the refresh token's", async || server.refresh("app", spent).await)
        .await
        .assert_error(400, "invalid_grant");
    server.refresh("app", next["refresh_token"].as_str().unwrap()).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn in_the_middle_of_a_logout() {
    let server = start().await;
    let mut browser = server.browser();
    let code = browser.code("app", ADA, "openid").await;
    let tokens = server.exchange("app", &code).await.json();
    let disk = Disk::below(&server).await;
    let question = browser.open("/logout").await;
    let done = disk.fails_everywhere("the logout", async || {
        let reply = browser.submit_only(&question, &[("confirm", "1")]).await;
        let signed_in = browser.open("/").await.text().contains("Signed in as");
        assert_eq!(signed_in, reply.status == 503);
        reply
    });
    let bye = done.await;
    assert!(browser.follow(bye).await.text().contains("signed out"));
    assert_eq!(server.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 401);
}

#[tokio::test]
async fn in_the_middle_of_what_people_change() {
    let server = start().await;
    let mut browser = server.browser();
    browser.code("app", ADA, "openid offline_access").await;
    let _elsewhere = signed_in(&server).await;
    let disk = Disk::below(&server).await;
    for (path, fields) in [
        ("/account/profile", &[("name", "Ada Lovelace")][..]),
        ("/account/email", &[("email", "lovelace@example.com")]),
        ("/account/apps", &[("withdraw", "app")]),
        ("/account/sessions", &[("end", "others")]),
        ("/account/password", &[("password", PASSWORD), ("new_password", NEW)]),
        ("/account/data", &[("do", "delete"), ("sure", "yes")]),
    ] {
        let page = browser.open(path).await;
        let done = disk.fails_everywhere(path, async || browser.submit_only(&page, fields).await).await;
        assert!(matches!(done.status, 200 | 303), "{path}: {}", done.text());
    }
    assert_eq!(server.count("account").await, 0);
}

#[tokio::test]
async fn in_the_middle_of_a_second_factor() {
    let server = start().await;
    let mut browser = signed_in(&server).await;
    let disk = Disk::below(&server).await;
    let offer = browser.open("/account/second-factor").await;
    let authenticator = Authenticator::read(&offer);
    let code = server.code_of(&authenticator);
    let fields = [("do", "set_up"), ("code", code.as_str())];
    let codes = disk.fails_everywhere("setting it up", async || browser.submit_only(&offer, &fields).await).await;
    let codes = browser.follow(codes).await;
    assert!(codes.text().contains("<li><code>"), "{}", codes.text());

    server.advance(chrono::TimeDelta::seconds(30));
    let mut elsewhere = server.browser();
    let page = elsewhere.give_password(ADA).await;
    let code = server.code_of(&authenticator);
    let fields = [("code", code.as_str())];
    let done = disk.fails_everywhere("using it", async || elsewhere.submit_only(&page, &fields).await).await;
    elsewhere.follow(done).await.assert_page(200);
    assert!(elsewhere.is_signed_in().await);
}

#[tokio::test]
async fn in_the_middle_of_what_is_mailed() {
    let server = start().await;
    let disk = Disk::below(&server).await;
    let mut browser = server.browser();
    let page = browser.open("/recover").await;
    let sent =
        disk.fails_everywhere("the request", async || browser.submit_only(&page, &[("username", ADA)]).await).await;
    browser.follow(sent).await.assert_page(200);
    let link = server.mailed_link(ADA).await;
    let page = browser.open(&link).await;
    let done =
        disk.fails_everywhere("the password", async || browser.submit_only(&page, &[("password", NEW)]).await).await;
    browser.follow(done).await.assert_page(200);

    let page = browser.open("/signup").await;
    let eve = [("email", "eve@example.com")];
    let sent = disk.fails_everywhere("the sign-up", async || browser.submit_only(&page, &eve).await).await;
    browser.follow(sent).await.assert_page(200);
    let link = server.mailed_link("eve@example.com").await;
    let page = browser.open(&link).await;
    let person = [("name", "Eve Adams"), ("username", "eve"), ("password", PASSWORD)];
    let done = disk.fails_everywhere("the account", async || browser.submit_only(&page, &person).await).await;
    browser.follow(done).await.assert_page(200);
    assert!(browser.is_signed_in().await);
}
