//! `refresh_token`: new tokens without the person (RFC 6749 §6, RFC 9700 §4.14, OpenID Connect Core §12).

use chrono::TimeDelta;
use countersign_jose::{Algorithm, JwkSet, PrivateKey};
use countersign_types::ClientAuthMethod;
use serde_json::{Value, json};

use crate::harness::{Browser, ISSUER, Reply, SECRET, Server, claims, confidential};

const ADA: &str = "ada@example.com";
const OFFLINE: &str = "openid offline_access";

async fn start() -> Server {
    start_with("").await
}

async fn start_with(settings: &str) -> Server {
    let server = Server::with_settings(settings).await;
    for client in ["app", "other"] {
        server.add_client(client, confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    }
    server.add_user(ADA, None).await;
    server
}

/// Signs a person in, and keeps the browser.
async fn sign_in<'a>(server: &'a Server, scope: &str) -> (Browser<'a>, Value) {
    let mut browser = server.browser();
    let code = browser.code("app", ADA, scope).await;
    (browser, server.exchange("app", &code).await.json())
}

fn refresh_token(answer: &Value) -> &str {
    answer["refresh_token"].as_str().unwrap_or_else(|| panic!("no refresh token in {answer}"))
}

/// Uses the refresh token of an answer.
async fn refresh(server: &Server, answer: &Value) -> Reply {
    server.refresh("app", refresh_token(answer)).await
}

async fn refresh_for(server: &Server, answer: &Value, scope: &str) -> Reply {
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(answer)), ("scope", scope)];
    server.token("app", &form).await
}

async fn log_out(browser: &mut Browser<'_>) {
    let page = browser.open("/logout").await;
    browser.submit(&page, &[("confirm", "1")]).await.assert_page(200);
}

/// Asserts that nothing opens any more: not the refresh token, not the access token beside it.
async fn assert_dead(server: &Server, answer: &Value) {
    refresh(server, answer).await.assert_error(400, "invalid_grant");
    assert_eq!(server.userinfo(answer["access_token"].as_str().unwrap()).await.status, 401);
}

#[tokio::test]
async fn every_use_gives_a_new_refresh_token() {
    let server = start().await;
    let (_browser, first) = sign_in(&server, OFFLINE).await;
    let reply = refresh(&server, &first).await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")));
    let second = reply.json();
    assert_ne!(refresh_token(&first), refresh_token(&second));
    assert_eq!((&second["token_type"], &second["scope"]), (&json!("Bearer"), &json!("offline_access openid")));
    assert_eq!(refresh(&server, &second).await.status, 200);
}

#[tokio::test]
async fn the_new_id_token_keeps_iss_sub_aud_and_auth_time_with_a_fresh_iat() {
    let server = start().await;
    let (_browser, first) = sign_in(&server, OFFLINE).await;
    server.advance(TimeDelta::hours(2));
    let second = refresh(&server, &first).await.json();
    let id = |answer: &Value| claims(answer["id_token"].as_str().unwrap());
    let (before, after) = (id(&first), id(&second));
    for kept in ["iss", "sub", "aud", "azp", "auth_time", "sid", "acr", "amr"] {
        assert_eq!(before[kept], after[kept], "{kept}");
    }
    assert_eq!((&after["iss"], &after["aud"]), (&json!(ISSUER), &json!("app")));
    assert_eq!(after["iat"].as_i64(), Some(server.clock.now().timestamp()));
    // OpenID Connect Core §12.2: a nonce was for one sign-in.
    assert!(after.get("nonce").is_none());
    let access = |answer: &Value| claims(answer["access_token"].as_str().unwrap());
    assert_eq!(access(&first)["gid"], access(&second)["gid"]);
    assert_ne!(access(&first)["jti"], access(&second)["jti"]);
}

#[tokio::test]
async fn a_replay_kills_the_whole_family() {
    let server = start().await;
    let (_browser, first) = sign_in(&server, OFFLINE).await;
    let second = refresh(&server, &first).await.json();
    let third = refresh(&server, &second).await.json();

    refresh(&server, &first).await.assert_error(400, "invalid_grant");

    for answer in [&second, &third] {
        assert_dead(&server, answer).await;
    }
    assert!(server.audit(9).await.iter().any(|event| event.kind == "refresh_token.replayed"));
}

#[tokio::test]
async fn a_grace_allows_the_predecessor_once_more_while_its_successor_is_unused() {
    let server = start_with("refresh.grace = '30s'").await;
    let (_browser, first) = sign_in(&server, OFFLINE).await;
    let lost = refresh(&server, &first).await.json();
    server.advance(TimeDelta::seconds(29));
    let second = refresh(&server, &first).await.json();
    assert_ne!(refresh_token(&lost), refresh_token(&second));
    assert_eq!(refresh(&server, &second).await.status, 200);
    refresh(&server, &first).await.assert_error(400, "invalid_grant");
    assert_dead(&server, &second).await;
}

#[tokio::test]
async fn a_grace_hides_no_second_holder() {
    let server = start_with("refresh.grace = '30s'").await;
    // Nothing was lost on the way: somebody else used the predecessor too.
    let (_browser, first) = sign_in(&server, OFFLINE).await;
    let owners = refresh(&server, &first).await.json();
    let thiefs = refresh(&server, &first).await.json();
    refresh(&server, &owners).await.assert_error(400, "invalid_grant");
    assert_dead(&server, &thiefs).await;

    let (_browser, first) = sign_in(&server, OFFLINE).await;
    refresh(&server, &first).await.json();
    let second = refresh(&server, &first).await.json();
    refresh(&server, &first).await.assert_error(400, "invalid_grant");
    assert_dead(&server, &second).await;
}

#[tokio::test]
async fn a_client_that_proves_itself_by_key_keeps_its_refresh_token() {
    let server = start().await;
    let key = PrivateKey::generate(Algorithm::ES256).unwrap();
    let keys = JwkSet::parse(&json!({ "keys": [key.public_jwk().to_value()] })).unwrap();
    server.add_client("keyed", confidential(ClientAuthMethod::PrivateKeyJwt, |client| client.jwks = Some(keys))).await;
    let post = async |form: &[(&str, &str)]| {
        let now = server.clock.now().timestamp();
        let assertion =
            json!({ "iss": "keyed", "sub": "keyed", "aud": ISSUER, "exp": now + 60, "jti": server.app.random.id() });
        let assertion = key.signer().unwrap().sign("JWT", &assertion).unwrap();
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let form = [form, &[("client_assertion_type", kind), ("client_assertion", &assertion)]].concat();
        server.post("/token", &[], &form).await.json()
    };
    let code = server.browser().code("keyed", ADA, OFFLINE).await;
    let (uri, verifier) = (crate::harness::REDIRECT_URI, crate::harness::VERIFIER);
    let form =
        [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", uri), ("code_verifier", verifier)];
    let first = post(&form).await;
    // Each use moves its idle end.
    for _ in 0..2 {
        server.advance(TimeDelta::days(29));
        let again = post(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token(&first))]).await;
        assert_eq!(refresh_token(&again), refresh_token(&first));
    }
}

#[tokio::test]
async fn a_narrower_scope_is_allowed_and_a_wider_one_refused() {
    let server = start().await;
    let (_browser, first) = sign_in(&server, "openid email offline_access").await;
    for wider in ["openid profile", "openid unknown", "a\"b"] {
        refresh_for(&server, &first, wider).await.assert_error(400, "invalid_scope");
    }
    let narrow = refresh_for(&server, &first, "email").await.json();
    assert_eq!(narrow["scope"], "email");
    assert_eq!(claims(narrow["access_token"].as_str().unwrap())["scope"], "email");
    assert!(narrow.get("id_token").is_none());
    // RFC 6749 §6: the new refresh token stands for all that was granted.
    assert_eq!(refresh(&server, &narrow).await.json()["scope"], "email offline_access openid");
}

#[tokio::test]
async fn scope_that_the_client_may_no_longer_ask_for_is_left_out() {
    let server = start().await;
    let (_browser, first) = sign_in(&server, "openid email offline_access").await;
    let (mut metadata, _) = confidential(ClientAuthMethod::ClientSecretBasic, |_| {});
    metadata.scope = "openid offline_access".parse().unwrap();
    let id = countersign_types::ClientId::new("app");
    let mut client = (*server.app.store.client(&id).await.unwrap().unwrap()).clone();
    client.metadata = metadata;
    server.update_client(&client).await;
    assert_eq!(refresh(&server, &first).await.json()["scope"], "offline_access openid");
}

#[tokio::test]
async fn another_clients_token_is_an_invalid_grant_and_stays_good_for_its_own() {
    let server = start().await;
    let (_browser, first) = sign_in(&server, OFFLINE).await;
    server.refresh("other", refresh_token(&first)).await.assert_error(400, "invalid_grant");
    assert_eq!(refresh(&server, &first).await.status, 200);
    server.refresh("other", refresh_token(&first)).await.assert_error(400, "invalid_grant");
    assert_eq!(server.userinfo(first["access_token"].as_str().unwrap()).await.status, 200);
}

#[tokio::test]
async fn an_unknown_token_is_an_invalid_grant_and_a_missing_one_an_invalid_request() {
    let server = start().await;
    server.refresh("app", "unknown").await.assert_error(400, "invalid_grant");
    server.token("app", &[("grant_type", "refresh_token")]).await.assert_error(400, "invalid_request");
}

#[tokio::test]
async fn an_unused_token_expires_after_thirty_days() {
    let server = start().await;
    let (_browser, first) = sign_in(&server, OFFLINE).await;
    server.advance(TimeDelta::days(30) - TimeDelta::seconds(1));
    let second = refresh(&server, &first).await.json();
    server.advance(TimeDelta::days(30));
    refresh(&server, &second).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_family_ends_after_ninety_days_however_often_it_is_used() {
    let server = start().await;
    let (_browser, mut answer) = sign_in(&server, OFFLINE).await;
    for _ in 0..3 {
        server.advance(TimeDelta::days(30) - TimeDelta::seconds(1));
        server.keep_house().await;
        answer = refresh(&server, &answer).await.json();
    }
    // The last access token ends with it.
    assert_eq!(answer["expires_in"], 3);
    server.advance(TimeDelta::seconds(3));
    assert_dead(&server, &answer).await;
}

#[tokio::test]
async fn without_offline_access_it_ends_with_logout() {
    let server = start().await;
    let (mut browser, answer) = sign_in(&server, "openid").await;
    log_out(&mut browser).await;
    assert_dead(&server, &answer).await;
}

#[tokio::test]
async fn without_offline_access_it_ends_with_the_session() {
    let server = start().await;
    let (_browser, first) = sign_in(&server, "openid").await;
    // Only the person's visits prolong a session, not the app's.
    server.advance(TimeDelta::hours(24) - TimeDelta::minutes(5));
    let second = refresh(&server, &first).await.json();
    assert_eq!(second["expires_in"], 300);
    server.advance(TimeDelta::minutes(5));
    assert_dead(&server, &second).await;
}

#[tokio::test]
async fn with_offline_access_it_survives_logout_and_the_end_of_the_session() {
    let server = start().await;
    let (mut browser, first) = sign_in(&server, OFFLINE).await;
    log_out(&mut browser).await;
    assert_eq!(server.userinfo(first["access_token"].as_str().unwrap()).await.status, 200);
    let second = refresh(&server, &first).await.json();
    server.advance(TimeDelta::days(20));
    server.keep_house().await;
    let third = refresh(&server, &second).await.json();

    // One that was never signed out ends by itself and is swept; the grant lives on.
    let (_browser, other) = sign_in(&server, OFFLINE).await;
    server.advance(TimeDelta::days(25));
    server.keep_house().await;
    assert_eq!(refresh(&server, &other).await.status, 200);
    assert_eq!(refresh(&server, &third).await.status, 200);
}

#[tokio::test]
async fn it_ends_when_the_person_is_disabled() {
    let server = start().await;
    let user = server.add_user("bob@example.com", None).await;
    let code = server.browser().code("app", "bob@example.com", OFFLINE).await;
    let answer = server.exchange("app", &code).await.json();
    server.disable_user(&user).await;
    assert_dead(&server, &answer).await;
    // Enabled again, the person signs in anew; what was before stays dead.
    server.update_user(&user).await;
    refresh(&server, &answer).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn it_ends_when_the_password_changes_even_offline() {
    let server = start().await;
    let user = server.add_user("bob@example.com", None).await;
    let mut browser = server.browser();
    let code = browser.code("app", "bob@example.com", OFFLINE).await;
    let answer = server.exchange("app", &code).await.json();
    log_out(&mut browser).await;
    server.change_password(&user, "another horse battery staple").await;
    assert_dead(&server, &answer).await;
}

#[tokio::test]
async fn it_ends_when_the_client_is_disabled_or_no_longer_has_the_grant() {
    let server = start().await;
    let (_browser, answer) = sign_in(&server, OFFLINE).await;
    let id = countersign_types::ClientId::new("app");
    let client = (*server.app.store.client(&id).await.unwrap().unwrap()).clone();
    let mut without = client.clone();
    without.metadata.grant_types.remove(&countersign_types::GrantType::RefreshToken);
    server.update_client(&without).await;
    refresh(&server, &answer).await.assert_error(400, "unauthorized_client");
    let mut disabled = client;
    disabled.enabled = false;
    server.update_client(&disabled).await;
    refresh(&server, &answer).await.assert_error(401, "invalid_client");
    assert_eq!(server.userinfo(answer["access_token"].as_str().unwrap()).await.status, 401);
}

#[tokio::test]
async fn offline_access_needs_consent_given_now_or_remembered() {
    let server = start().await;
    let mut browser = server.browser();
    browser.answer("app", ADA, &[]).await.assert_code();
    let page = browser.authorize("app", &[("scope", OFFLINE)]).await;
    page.assert_consent_page();
    assert!(page.text().contains("Keep access while you are away"));
    browser.submit(&page, &[("approve", "1")]).await.assert_code();
    let code = browser.authorize("app", &[("scope", OFFLINE), ("prompt", "none")]).await.assert_code();
    assert_eq!(server.exchange("app", &code).await.json()["scope"], "offline_access openid");
}

#[tokio::test]
async fn what_was_spent_is_known_for_as_long_as_what_it_issued() {
    let server = start().await;
    let (_browser, first) = sign_in(&server, OFFLINE).await;
    let mut answer = refresh(&server, &first).await.json();
    for _ in 0..2 {
        server.advance(TimeDelta::days(29));
        server.keep_house().await;
        answer = refresh(&server, &answer).await.json();
    }
    refresh(&server, &first).await.assert_error(400, "invalid_grant");
    assert_dead(&server, &answer).await;
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let server = start().await;
    let code = server.browser().code("app", ADA, OFFLINE).await;
    let first = server.exchange("app", &code).await.json();
    let second = refresh(&server, &first).await.json();
    let server = server.restart().await;
    let third = refresh(&server, &second).await.json();
    refresh(&server, &first).await.assert_error(400, "invalid_grant");
    assert_dead(&server, &third).await;
    assert_ne!(SECRET, refresh_token(&third));
}
