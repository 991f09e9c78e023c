//! The clock of a machine jumps, as when it is set right: what was used stays used, what was revoked stays revoked, and people and
//! apps go on.

use chrono::TimeDelta;
use countersign::{admin::verify_audit::verify, domain::user::User, jobs::seal_audit};
use countersign_types::{ClientAuthMethod, GrantType};
use serde_json::Value;

use crate::harness::{ISSUER, PASSWORD, Server, confidential};

const ADA: &str = "ada@example.com";

async fn start() -> Server {
    let server = Server::start().await;
    let machine = |metadata: &mut countersign::domain::client::ClientMetadata| {
        metadata.grant_types.insert(GrantType::ClientCredentials);
    };
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, machine)).await;
    server.add_user(ADA, None).await;
    server
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap()
}

/// Jobs run, as they do all the time.
async fn jump(server: &Server, by: TimeDelta) {
    server.advance(by);
    server.keep_house().await;
}

/// A person signs in, and an app uses what comes of it.
async fn assert_all_works(server: &Server, when: &str) -> Value {
    let tokens = server.sign_in("app", ADA, "openid offline_access").await;
    assert_eq!(server.userinfo(text(&tokens, "access_token")).await.status, 200, "{when}");
    assert_eq!(server.introspect("app", text(&tokens, "access_token")).await["active"], true, "{when}");
    let refreshed = server.refresh("app", text(&tokens, "refresh_token")).await;
    assert_eq!(refreshed.status, 200, "{when}: {}", refreshed.text());
    let on_its_own = server.token("app", &[("grant_type", "client_credentials")]).await;
    assert_eq!(on_its_own.status, 200, "{when}: {}", on_its_own.text());
    refreshed.json()
}

fn jumps() -> [(&'static str, TimeDelta); 6] {
    [
        ("an hour back", TimeDelta::hours(-1)),
        ("a day back", TimeDelta::days(-1)),
        ("a year back", TimeDelta::days(-365)),
        ("an hour ahead", TimeDelta::hours(1)),
        ("a day ahead", TimeDelta::days(1)),
        ("a year ahead", TimeDelta::days(365)),
    ]
}

#[tokio::test]
async fn people_sign_in_and_apps_go_on_after_every_jump() {
    for (when, by) in jumps() {
        let server = start().await;
        assert_all_works(&server, "before").await;
        jump(&server, by).await;
        assert_all_works(&server, when).await;
        // Set right again.
        jump(&server, -by).await;
        assert_all_works(&server, &format!("{when}, and set right")).await;
    }
}

#[tokio::test]
async fn what_was_used_or_revoked_does_not_come_back() {
    // What a clock says is over by a year is swept, and an access token outlives that only if the clock is set right within minutes.
    for (when, by) in jumps().into_iter().filter(|(_, by)| *by < TimeDelta::days(365)) {
        let server = start().await;
        let mut browser = server.browser();
        let code = browser.code("app", ADA, "openid offline_access").await;
        let tokens = server.exchange("app", &code).await.json();
        let spent = text(&tokens, "refresh_token").to_owned();
        let revoked = assert_all_works(&server, "before").await;
        server.revoke("app", text(&revoked, "refresh_token")).await;
        let next = server.refresh("app", &spent).await.json();
        for by in [by, -by] {
            jump(&server, by).await;
            server.exchange("app", &code).await.assert_error(400, "invalid_grant");
            server.refresh("app", text(&revoked, "refresh_token")).await.assert_error(400, "invalid_grant");
            assert_eq!(server.introspect("app", text(&revoked, "access_token")).await["active"], false, "{when}");
            server.refresh("app", &spent).await.assert_error(400, "invalid_grant");
            server.refresh("app", text(&next, "refresh_token")).await.assert_error(400, "invalid_grant");
        }
    }
}

#[tokio::test]
async fn an_assertion_that_was_used_stays_used() {
    for (when, by) in jumps().into_iter().filter(|(_, by)| *by < TimeDelta::days(365)) {
        let server = start().await;
        let key = countersign_jose::PrivateKey::generate(countersign_jose::Algorithm::ES256).unwrap();
        let jwks = serde_json::json!({ "keys": [key.public_jwk().to_value()] });
        let with_key = |metadata: &mut countersign::domain::client::ClientMetadata| {
            metadata.grant_types.insert(GrantType::ClientCredentials);
            metadata.jwks = Some(serde_json::from_value(jwks.clone()).unwrap());
        };
        server.add_client("keyed", confidential(ClientAuthMethod::PrivateKeyJwt, with_key)).await;
        let exp = server.clock.now().timestamp() + 300;
        let claims = serde_json::json!({ "iss": "keyed", "sub": "keyed", "aud": ISSUER, "exp": exp, "jti": "once" });
        let assertion = key.signer().unwrap().sign("JWT", &claims).unwrap();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion.as_str()),
        ];
        assert_eq!(server.post("/token", &[], &form).await.status, 200, "{when}");
        for by in [by, -by] {
            jump(&server, by).await;
            server.post("/token", &[], &form).await.assert_error(401, "invalid_client");
        }
    }
}

#[tokio::test]
async fn a_new_password_ends_what_was_and_not_what_comes_though_the_clock_goes_back() {
    let server = start().await;
    let before = assert_all_works(&server, "before").await;
    let ada = server.user(ADA).await;
    server.change_password(&ada, PASSWORD).await;
    server.disable_user(&ada).await;
    server.update_user(&server.user(ADA).await).await;
    server.update_user(&User { enabled: true, ..ada }).await;
    jump(&server, TimeDelta::hours(-1)).await;
    assert_eq!(server.introspect("app", text(&before, "access_token")).await["active"], false);
    server.refresh("app", text(&before, "refresh_token")).await.assert_error(400, "invalid_grant");
    assert_all_works(&server, "an hour back").await;
}

#[tokio::test]
async fn whoever_mistyped_a_password_does_not_wait_for_the_clock() {
    let server = start().await;
    let try_once = async |password| {
        let mut browser = server.browser();
        let page = browser.open("/login").await;
        browser.submit(&page, &[("username", ADA), ("password", password)]).await
    };
    for _ in 0..10 {
        try_once("wrong battery staple").await;
    }
    assert_eq!(try_once(PASSWORD).await.status, 429);
    jump(&server, TimeDelta::days(-1)).await;
    // As after the last failure, but by the clock that is right.
    assert_eq!(try_once(PASSWORD).await.status, 429);
    server.advance(TimeDelta::minutes(1));
    assert!(try_once(PASSWORD).await.text().contains("Signed in as"));
}

#[tokio::test]
async fn the_audit_trail_is_whole_after_jumps() {
    let server = start().await;
    for (when, by) in jumps() {
        assert_all_works(&server, when).await;
        seal_audit::run(&server.app).await.unwrap();
        jump(&server, by).await;
    }
    assert_all_works(&server, "at the end").await;
    seal_audit::run(&server.app).await.unwrap();
    let report = verify(&server.app, &[], None).await.unwrap();
    assert!(report.problems.is_empty(), "{report:?}");
}
