//! Answers with tokens in them (OpenID Connect Core §3.2, §3.3, OAuth 2.0 Multiple Response Type Encoding Practices).

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::domain::client::ClientMetadata;
use countersign_types::{ClientAuthMethod, GrantType, ResponseType};
use openssl::sha::sha256;

use crate::harness::{CHALLENGE, ISSUER, Reply, Server, claims, confidential, jose_header, public};

const ADA: &str = "ada@example.com";
const SCOPE: &str = "openid profile email";

/// A client that registered everything there is.
fn all(client: &mut ClientMetadata) {
    client.response_types = ResponseType::ALL.iter().copied().collect();
    client.complete();
}

async fn start_with(change: impl FnOnce(&mut ClientMetadata)) -> Server {
    let server = Server::start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, change)).await;
    server.add_user(ADA, Some("ada")).await;
    server
}

async fn start() -> Server {
    start_with(all).await
}

async fn ask(server: &Server, response_type: &str, further: &[(&str, &str)]) -> Reply {
    let parameters = [&[("response_type", response_type), ("scope", SCOPE)], further].concat();
    server.browser().answer("app", ADA, &parameters).await
}

async fn answer(server: &Server, response_type: &str) -> BTreeMap<String, String> {
    ask(server, response_type, &[]).await.redirect_fragment()
}

fn names(answer: &BTreeMap<String, String>) -> Vec<&str> {
    answer.keys().map(String::as_str).collect()
}

fn half_hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(&sha256(text.as_bytes())[..16])
}

#[tokio::test]
async fn each_response_type_is_answered_with_what_its_name_says_in_the_fragment() {
    let server = start().await;
    let access = ["access_token", "expires_in", "scope", "token_type"];
    for (response_type, expected) in [
        ("id_token", vec!["id_token"]),
        ("id_token token", [&access[..], &["id_token"]].concat()),
        ("code id_token", vec!["code", "id_token"]),
        ("code token", [&["code"], &access[..]].concat()),
        ("token code id_token", [&["code", "id_token"], &access[..]].concat()),
    ] {
        let answer = answer(&server, response_type).await;
        let mut expected = [&expected[..], &["iss", "session_state", "state"]].concat();
        expected.sort_unstable();
        assert_eq!(names(&answer), expected, "{response_type}");
        assert_eq!((answer["iss"].as_str(), answer["state"].as_str()), (ISSUER, "the state"));
    }
}

#[tokio::test]
async fn a_code_alone_still_goes_into_the_query() {
    let server = start().await;
    ask(&server, "code", &[]).await.assert_code();
}

#[tokio::test]
async fn an_id_token_says_by_hashes_what_it_belongs_to() {
    let server = start().await;
    let answer = answer(&server, "code id_token token").await;
    let id_token = claims(&answer["id_token"]);
    assert_eq!(id_token["c_hash"], half_hash(&answer["code"]));
    assert_eq!(id_token["at_hash"], half_hash(&answer["access_token"]));
    assert_eq!((id_token["nonce"].as_str(), id_token["aud"].as_str()), (Some("the nonce"), Some("app")));
    assert!(jose_header(&answer["id_token"])["kid"].is_string());
    // What is not beside it, it does not name.
    let alone = claims(&self::answer(&server, "id_token").await["id_token"]);
    assert!(alone.get("c_hash").is_none() && alone.get("at_hash").is_none(), "{alone}");
}

#[tokio::test]
async fn claims_of_scopes_stand_in_an_id_token_only_where_no_access_token_can_fetch_them() {
    let server = start().await;
    let alone = claims(&answer(&server, "id_token").await["id_token"]);
    assert_eq!((alone["email"].as_str(), alone["preferred_username"].as_str()), (Some(ADA), Some("ada")));
    for response_type in ["id_token token", "code id_token", "code id_token token"] {
        let beside = claims(&answer(&server, response_type).await["id_token"]);
        assert!(beside.get("email").is_none(), "{response_type}: {beside}");
    }
}

#[tokio::test]
async fn an_access_token_of_the_fragment_opens_userinfo_until_it_is_revoked() {
    let server = start().await;
    let answer = answer(&server, "id_token token").await;
    assert_eq!((answer["token_type"].as_str(), answer["expires_in"].as_str()), ("Bearer", "600"));
    assert_eq!(answer["scope"], "email openid profile");
    let token = &answer["access_token"];
    assert_eq!(jose_header(token)["typ"], "at+jwt");
    let told = server.userinfo(token).await;
    assert_eq!((told.status, told.json()["email"].as_str()), (200, Some(ADA)));
    assert_eq!(told.json()["sub"], claims(&answer["id_token"])["sub"]);
    server.revoke("app", token).await;
    assert_eq!(server.userinfo(token).await.status, 401);
}

#[tokio::test]
async fn the_code_of_a_hybrid_answer_is_good_and_its_tokens_are_of_one_grant() {
    let server = start().await;
    let answer = answer(&server, "code id_token token").await;
    let reply = server.exchange("app", &answer["code"]).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let tokens = reply.json();
    let second = tokens["access_token"].as_str().unwrap();
    assert_eq!(claims(second)["gid"], claims(&answer["access_token"])["gid"]);
    let (first_id, second_id) = (claims(&answer["id_token"]), claims(tokens["id_token"].as_str().unwrap()));
    for name in ["iss", "sub", "aud", "nonce", "auth_time", "sid", "acr"] {
        assert_eq!(first_id[name], second_id[name], "{name}");
    }
    // A code that comes back takes down what came with it, too (RFC 6749 §4.1.2).
    server.exchange("app", &answer["code"]).await.assert_error(400, "invalid_grant");
    for token in [second, &answer["access_token"]] {
        assert_eq!(server.userinfo(token).await.status, 401);
    }
}

#[tokio::test]
async fn tokens_of_the_fragment_end_with_the_session() {
    let server = start().await;
    for response_type in ["id_token token", "code token"] {
        let mut browser = server.browser();
        let parameters = [("response_type", response_type), ("scope", SCOPE)];
        let answer = browser.answer("app", ADA, &parameters).await.redirect_fragment();
        // Swept, an unused code must not take the knowledge of the grant with it.
        server.advance(chrono::TimeDelta::minutes(2));
        server.keep_house().await;
        assert_eq!(server.userinfo(&answer["access_token"]).await.status, 200);
        let page = browser.open("/logout").await;
        browser.submit(&page, &[("confirm", "1")]).await;
        assert_eq!(server.userinfo(&answer["access_token"]).await.status, 401, "{response_type}");
    }
}

#[tokio::test]
async fn nonce_is_required_where_an_id_token_comes_from_the_front_channel() {
    let server = start().await;
    for response_type in ["id_token", "id_token token", "code id_token", "code id_token token"] {
        let refused = ask(&server, response_type, &[("nonce", "")]).await.redirect_fragment();
        assert_eq!(refused["error"], "invalid_request", "{response_type}");
    }
    let answer = ask(&server, "code token", &[("nonce", "")]).await.redirect_fragment();
    assert!(answer.contains_key("code"));
}

#[tokio::test]
async fn tokens_never_stand_in_a_query() {
    let server = start().await;
    for response_type in ["id_token", "code token", "code id_token token"] {
        let refused = ask(&server, response_type, &[("response_mode", "query")]).await.redirect_fragment();
        assert_eq!(refused["error"], "invalid_request", "{response_type}");
    }
    // A code may stand in a fragment.
    let answer = ask(&server, "code", &[("response_mode", "fragment")]).await.redirect_fragment();
    assert!(answer.contains_key("code"));
}

#[tokio::test]
async fn errors_go_where_the_answer_would_have_gone() {
    let server = start().await;
    let refused = server.browser().authorize("app", &[("response_type", "code id_token"), ("prompt", "none")]).await;
    let refused = refused.redirect_fragment();
    assert_eq!((refused["error"].as_str(), refused["state"].as_str()), ("login_required", "the state"));
    let unknown = server.browser().authorize("app", &[("response_type", "token")]).await.redirect_fragment();
    assert_eq!(unknown["error"], "unsupported_response_type");
}

#[tokio::test]
async fn an_id_token_needs_openid() {
    let server = start().await;
    let refused = ask(&server, "code id_token", &[("scope", "profile")]).await.redirect_fragment();
    assert_eq!(refused["error"], "invalid_request");
    let answer = ask(&server, "code token", &[("scope", "profile")]).await.redirect_fragment();
    assert!(answer.contains_key("access_token"));
}

#[tokio::test]
async fn pkce_is_required_where_there_is_a_code_and_nowhere_else() {
    let server = start().await;
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let refused = ask(&server, "code id_token", &without).await.redirect_fragment();
    assert_eq!(refused["error"], "invalid_request");
    assert!(ask(&server, "id_token", &without).await.redirect_fragment().contains_key("id_token"));
    assert!(
        ask(&server, "id_token", &[("code_challenge", CHALLENGE)]).await.redirect_fragment().contains_key("id_token")
    );
}

#[tokio::test]
async fn a_client_gets_tokens_from_the_authorization_endpoint_only_if_it_registered_so() {
    let server = start_with(|_| {}).await;
    for response_type in ["id_token", "id_token token", "code id_token", "code token", "code id_token token"] {
        let refused = ask(&server, response_type, &[]).await.redirect_fragment();
        assert_eq!(refused["error"], "unauthorized_client", "{response_type}");
    }
    // The response type alone, without its grant, is not enough.
    let half = |client: &mut ClientMetadata| {
        all(client);
        client.grant_types.remove(&GrantType::Implicit);
    };
    let server = start_with(half).await;
    assert_eq!(ask(&server, "code id_token", &[]).await.redirect_fragment()["error"], "unauthorized_client");
    ask(&server, "code", &[]).await.assert_code();
    let half = |client: &mut ClientMetadata| {
        all(client);
        client.grant_types.remove(&GrantType::AuthorizationCode);
    };
    let server = start_with(half).await;
    assert_eq!(ask(&server, "code id_token", &[]).await.redirect_fragment()["error"], "unauthorized_client");
    assert!(ask(&server, "id_token", &[]).await.redirect_fragment().contains_key("id_token"));
}

#[tokio::test]
async fn a_public_client_may_register_them() {
    let server = Server::start().await;
    let (mut metadata, secret) = public();
    all(&mut metadata);
    server.add_client("app", (metadata, secret)).await;
    server.add_user(ADA, None).await;
    assert!(answer(&server, "code id_token").await.contains_key("id_token"));
}

#[tokio::test]
async fn what_must_be_bound_to_a_key_is_not_given_out_here() {
    let bound = |client: &mut ClientMetadata| {
        all(client);
        client.dpop_bound_access_tokens = true;
    };
    let server = start_with(bound).await;
    assert_eq!(ask(&server, "code token", &[]).await.redirect_fragment()["error"], "unauthorized_client");
    assert!(ask(&server, "code id_token", &[]).await.redirect_fragment().contains_key("code"));
    let server = start().await;
    let thumbprint = [("dpop_jkt", CHALLENGE)];
    assert_eq!(ask(&server, "code token", &thumbprint).await.redirect_fragment()["error"], "invalid_request");
}

#[tokio::test]
async fn tokens_are_in_the_audit_trail_and_in_the_list_of_apps() {
    let server = start().await;
    let mut browser = server.browser();
    let parameters = [("response_type", "id_token token"), ("scope", SCOPE)];
    let answer = browser.answer("app", ADA, &parameters).await.redirect_fragment();
    let events = server.audit(20).await;
    let event = events.iter().find(|record| record.kind == "tokens.answered").unwrap();
    let detail: serde_json::Value = serde_json::from_str(&event.detail).unwrap();
    assert_eq!(detail["jti"], claims(&answer["access_token"])["jti"]);
    assert!(!events.iter().any(|record| record.kind == "code.issued"));
    assert!(browser.open("/account/apps").await.text().contains("The App"));
}

#[tokio::test]
async fn the_token_endpoint_has_no_part_in_implicit() {
    let server = start().await;
    server.token("app", &[("grant_type", "implicit")]).await.assert_error(400, "unsupported_grant_type");
}

#[tokio::test]
async fn a_form_carries_tokens_as_well() {
    let server = start().await;
    let reply = ask(&server, "code id_token token", &[("response_mode", "form_post")]).await;
    let (_, fields) = crate::harness::hidden_fields(&reply.text());
    let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["code", "access_token", "id_token", "state", "iss"] {
        assert!(names.contains(&name), "{names:?}");
    }
}

#[tokio::test]
async fn offline_access_is_ignored_where_there_is_no_code() {
    let server = start().await;
    let asked = [("scope", "openid offline_access"), ("prompt", "consent")];
    let answer = ask(&server, "id_token token", &asked).await.redirect_fragment();
    assert_eq!(answer["scope"], "openid");
    let answer = ask(&server, "code token", &asked).await.redirect_fragment();
    assert_eq!(answer["scope"], "offline_access openid");
}

#[tokio::test]
async fn what_a_client_may_no_longer_ask_for_it_does_not_get_at_the_end_of_a_sign_in() {
    let server = start().await;
    let mut browser = server.browser();
    let page = browser.authorize("app", &[("response_type", "id_token token"), ("scope", SCOPE)]).await;
    let mut client =
        (*server.app.store.client(&countersign_types::ClientId::new("app")).await.unwrap().unwrap()).clone();
    client.metadata.grant_types.remove(&GrantType::Implicit);
    server.update_client(&client).await;
    let refused = browser.log_in(&page, ADA).await.redirect_fragment();
    assert_eq!(refused["error"], "unauthorized_client");
}
