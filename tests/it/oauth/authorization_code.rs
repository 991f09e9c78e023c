//! `authorization_code`: a code for tokens (RFC 6749 §4.1.3, RFC 7636 §4.5, OpenID Connect Core §3.1.3).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use countersign_types::{ClientAuthMethod, GrantType};
use openssl::sha::sha256;
use serde_json::{Value, json};

use crate::harness::{
    ISSUER, REDIRECT_URI, Reply, Server, TestClient, VERIFIER, claims, confidential, jose_header, public,
};

const ADA: &str = "ada@example.com";

fn app() -> TestClient {
    confidential(ClientAuthMethod::ClientSecretBasic, |client| {
        client.scope = "openid profile email offline_access journal.read".parse().unwrap();
        client.pkce_exempt = true;
    })
}

async fn start() -> Server {
    let server = Server::start().await;
    server.add_api("https://journal.example", &["journal.read"], &[], false).await;
    server.add_client("app", app()).await;
    server.add_user(ADA, Some("ada")).await;
    server
}

/// A fresh code, asked for with these parameters.
async fn code(server: &Server, parameters: &[(&str, &str)]) -> String {
    server.browser().answer("app", ADA, parameters).await.assert_code()
}

/// Exchanges a code with these parameters instead of the usual ones; one that is empty is left out.
async fn exchange_with(server: &Server, code: &str, change: &[(&str, &str)]) -> Reply {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    form.retain(|(name, _)| change.iter().all(|(changed, _)| changed != name));
    form.extend(change.iter().filter(|(_, value)| !value.is_empty()));
    server.token("app", &form).await
}

fn token<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}"))
}

#[tokio::test]
async fn a_code_is_exchanged_for_tokens() {
    let server = start().await;
    let reply = server.exchange("app", &code(&server, &[("scope", "openid email")]).await).await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")));
    let answer = reply.json();
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(600)));
    assert_eq!(answer["scope"], "email openid");
    assert_eq!(token(&answer, "refresh_token").len(), 43);
}

#[tokio::test]
async fn the_id_token_has_what_openid_connect_requires_and_no_more() {
    let server = start().await;
    let user = server.add_user("bob@example.com", None).await;
    let mut browser = server.browser();
    let reply = browser.answer("app", "bob@example.com", &[("scope", "openid profile email")]).await;
    server.advance(TimeDelta::seconds(30));
    let answer = server.exchange("app", &reply.assert_code()).await.json();

    let id_token = token(&answer, "id_token");
    assert_eq!(jose_header(id_token)["typ"], "JWT");
    assert_eq!(jose_header(id_token)["alg"], "RS256");
    let jwks = server.get("/.well-known/jwks.json").await.json();
    assert_eq!(jose_header(id_token)["kid"], jwks["keys"][0]["kid"]);

    let (now, mut id) = (server.clock.now().timestamp(), claims(id_token));
    let sid = id.as_object_mut().unwrap().remove("sid").unwrap();
    assert_eq!(sid, claims(token(&answer, "access_token"))["sid"]);
    let half_hash = URL_SAFE_NO_PAD.encode(&sha256(token(&answer, "access_token").as_bytes())[..16]);
    // Claims of scopes are told at userinfo.
    let expected = json!({
        "iss": ISSUER, "sub": user.id, "aud": "app", "azp": "app", "iat": now, "exp": now + 600, "auth_time": now - 30,
        "nonce": "the nonce", "at_hash": half_hash, "acr": "urn:countersign:acr:pwd", "amr": ["pwd"],
    });
    assert_eq!(id, expected);
}

#[tokio::test]
async fn the_access_token_is_a_jwt_of_rfc_9068() {
    let server = start().await;
    let answer = server.sign_in("app", ADA, "openid journal.read").await;
    let access_token = token(&answer, "access_token");
    assert_eq!(jose_header(access_token)["typ"], "at+jwt");
    let (now, access) = (server.clock.now().timestamp(), claims(access_token));
    let expected = json!({
        "iss": ISSUER, "aud": ["https://journal.example", ISSUER], "client_id": "app", "scope": "journal.read openid",
        "iat": now, "exp": now + 600, "auth_time": now, "acr": "urn:countersign:acr:pwd", "amr": ["pwd"],
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&access[name], value, "{name}");
    }
    for random in ["jti", "gid", "sid", "sub"] {
        assert_eq!(access[random].as_str().unwrap().len(), 22, "{random} has 128 bits");
    }
    assert!(access.get("roles").is_none() && access.get("email").is_none());
}

#[tokio::test]
async fn roles_are_told_only_to_apis_that_were_registered_so() {
    let server = start().await;
    server.add_api("https://admin.example", &["admin"], &[], true).await;
    let (mut metadata, secret) = app();
    metadata.scope = "openid admin".parse().unwrap();
    server.add_client("admin", (metadata, secret)).await;
    let mut user = server.add_user("root@example.com", None).await;
    user.roles = ["operator".to_owned()].into();
    server.update_user(&user).await;

    let answer = server.sign_in("admin", "root@example.com", "openid admin").await;
    assert_eq!(claims(token(&answer, "access_token"))["roles"], json!(["operator"]));
    let answer = server.sign_in("app", "root@example.com", "openid journal.read").await;
    assert!(claims(token(&answer, "access_token")).get("roles").is_none());
}

#[tokio::test]
async fn without_nonce_there_is_none_in_the_id_token_and_without_openid_no_id_token() {
    let server = start().await;
    let answer = server.exchange("app", &code(&server, &[("nonce", "")]).await).await.json();
    assert!(claims(token(&answer, "id_token")).get("nonce").is_none());
    let answer = server.exchange("app", &code(&server, &[("scope", "journal.read")]).await).await.json();
    assert!(answer.get("id_token").is_none());
    assert_eq!(claims(token(&answer, "access_token"))["aud"], "https://journal.example");
}

#[tokio::test]
async fn only_clients_with_the_grant_get_a_refresh_token() {
    let server = start().await;
    let (mut metadata, secret) = app();
    metadata.grant_types = [GrantType::AuthorizationCode].into();
    server.add_client("short", (metadata, secret)).await;
    let answer = server.sign_in("short", ADA, "openid offline_access").await;
    assert!(answer.get("refresh_token").is_none());
    // OpenID Connect Core §11: then offline access means nothing, and is not granted.
    assert_eq!(answer["scope"], "openid");
}

#[tokio::test]
async fn a_public_client_proves_itself_by_the_verifier_alone() {
    let server = start().await;
    server.add_client("spa", public()).await;
    let code = server.browser().code("spa", ADA, "openid").await;
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "spa"),
        ("code", &code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    server.post("/token", &[], &form[..4]).await.assert_error(400, "invalid_grant");
    assert_eq!(server.post("/token", &[], &form).await.status, 200);
}

#[tokio::test]
async fn a_replayed_code_is_refused_and_everything_issued_from_it_is_revoked() {
    let server = start().await;
    let code = code(&server, &[("scope", "openid offline_access")]).await;
    let answer = server.exchange("app", &code).await.json();
    let newer = server.refresh("app", token(&answer, "refresh_token")).await.json();
    let access_tokens = [token(&answer, "access_token"), token(&newer, "access_token")];
    for access_token in access_tokens {
        assert_eq!(server.userinfo(access_token).await.status, 200);
    }

    // However late it comes.
    server.advance(TimeDelta::minutes(2));
    server.exchange("app", &code).await.assert_error(400, "invalid_grant");

    for access_token in access_tokens {
        assert_eq!(server.userinfo(access_token).await.status, 401);
        assert_eq!(server.introspect("app", access_token).await, json!({ "active": false }));
    }
    server.refresh("app", token(&newer, "refresh_token")).await.assert_error(400, "invalid_grant");
    assert!(server.audit(9).await.iter().any(|event| event.kind == "code.replayed"));
}

#[tokio::test]
async fn a_wrong_try_neither_spends_nor_revokes() {
    let server = start().await;
    server.add_client("other", app()).await;
    let code = code(&server, &[]).await;
    let wrong_verifier = "A".repeat(43);
    server.exchange("other", &code).await.assert_error(400, "invalid_grant");
    for change in [
        ("redirect_uri", "https://app.example/other"),
        ("redirect_uri", "https://app.example/cb/"),
        ("redirect_uri", ""),
        ("code_verifier", &wrong_verifier),
        ("code_verifier", ""),
    ] {
        exchange_with(&server, &code, &[change]).await.assert_error(400, "invalid_grant");
    }
    let answer = exchange_with(&server, &code, &[]).await;
    assert_eq!(answer.status, 200);

    // Nor does it once the code is spent: only a second right try shows that two have it.
    exchange_with(&server, &code, &[("code_verifier", &wrong_verifier)]).await.assert_error(400, "invalid_grant");
    server.exchange("other", &code).await.assert_error(400, "invalid_grant");
    assert_eq!(server.userinfo(token(&answer.json(), "access_token")).await.status, 200);
}

#[tokio::test]
async fn a_code_is_good_for_less_than_sixty_seconds() {
    let server = start().await;
    let (fresh, stale) = (code(&server, &[]).await, code(&server, &[]).await);
    server.advance(TimeDelta::milliseconds(59_999));
    assert_eq!(server.exchange("app", &fresh).await.status, 200);
    server.advance(TimeDelta::milliseconds(1));
    server.exchange("app", &stale).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn an_unknown_code_is_an_invalid_grant_and_a_missing_one_an_invalid_request() {
    let server = start().await;
    server.exchange("app", "unknown").await.assert_error(400, "invalid_grant");
    exchange_with(&server, "", &[("code", "")]).await.assert_error(400, "invalid_request");
}

#[tokio::test]
async fn a_verifier_has_43_to_128_unreserved_characters() {
    let server = start().await;
    let code = code(&server, &[]).await;
    let malformed = async || {
        for verifier in [&VERIFIER[1..], &"a".repeat(129), &format!("{VERIFIER}="), &format!("{} ", &VERIFIER[1..])] {
            exchange_with(&server, &code, &[("code_verifier", verifier)]).await.assert_error(400, "invalid_grant");
        }
    };
    malformed().await;
    // It is as wrong as any other, so it neither spends nor revokes.
    let answer = exchange_with(&server, &code, &[]).await;
    assert_eq!(answer.status, 200);
    malformed().await;
    assert_eq!(server.userinfo(token(&answer.json(), "access_token")).await.status, 200);
}

#[tokio::test]
async fn a_verifier_without_a_challenge_is_refused() {
    let server = start().await;
    let code = code(&server, &[("code_challenge", ""), ("code_challenge_method", "")]).await;
    exchange_with(&server, &code, &[]).await.assert_error(400, "invalid_grant");
    assert_eq!(exchange_with(&server, &code, &[("code_verifier", "")]).await.status, 200);
}

#[tokio::test]
async fn a_challenge_once_sent_is_enforced_even_of_an_exempt_client() {
    let server = start().await;
    let code = code(&server, &[]).await;
    exchange_with(&server, &code, &[("code_verifier", "")]).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn redirect_uri_may_be_left_out_only_if_it_was_left_out_before() {
    let server = start().await;
    let code = code(&server, &[("redirect_uri", ""), ("scope", "journal.read")]).await;
    exchange_with(&server, &code, &[("redirect_uri", "https://evil.example/")])
        .await
        .assert_error(400, "invalid_grant");
    assert_eq!(exchange_with(&server, &code, &[("redirect_uri", "")]).await.status, 200);
}

#[tokio::test]
async fn a_code_is_bound_to_the_session() {
    let server = start().await;
    for scope in ["openid", "openid email"] {
        let mut browser = server.browser();
        let code = browser.code("app", ADA, scope).await;
        let page = browser.open("/logout").await;
        browser.submit(&page, &[("confirm", "1")]).await;
        server.exchange("app", &code).await.assert_error(400, "invalid_grant");
    }
}

#[tokio::test]
async fn a_code_of_a_disabled_person_is_worth_nothing() {
    let server = start().await;
    let user = server.add_user("bob@example.com", None).await;
    let code = server.browser().code("app", "bob@example.com", "openid offline_access").await;
    server.disable_user(&user).await;
    server.exchange("app", &code).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn an_access_token_never_outlives_the_session() {
    let server = Server::with_settings("lifetimes.session_idle = '5m'").await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user(ADA, None).await;
    assert_eq!(server.sign_in("app", ADA, "openid").await["expires_in"], 300);
    assert_eq!(server.sign_in("app", ADA, "openid offline_access").await["expires_in"], 600);
}

#[tokio::test]
async fn when_storage_fails_nothing_is_told_and_another_try_is_worth_it() {
    let server = start().await;
    let code = code(&server, &[]).await;
    server.app.store.close().await;
    let reply = server.exchange("app", &code).await;
    reply.assert_error(503, "temporarily_unavailable");
    assert!(reply.header("retry-after").is_some());
    for word in ["sql", "pool", "database", "postgres"] {
        assert!(!reply.text().to_lowercase().contains(word), "{}", reply.text());
    }
}
