//! Claims that are asked for by name and in languages, and those that the operator maps (OpenID Connect Core §5.2, §5.4, §5.5).

use countersign::domain::client::ClientMetadata;
use countersign_types::{ClientAuthMethod, ResponseType};
use serde_json::{Value, json};

use crate::harness::{Reply, Server, claims, confidential};

const ADA: &str = "ada@example.com";
const SETTINGS: &str = "
    scopes.employee = { text = 'See where you work', claims = { department = 'attributes.department', groups = 'groups' } }
    scopes.profile = { claims = { 'https://op.example/roles' = 'roles' } }
";

async fn start_with(settings: &str, change: impl FnOnce(&mut ClientMetadata)) -> Server {
    let server = Server::with_settings(settings).await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, change)).await;
    let mut ada = server.add_user(ADA, Some("ada")).await;
    for (claim, value) in [
        ("name", "Ada Lovelace"),
        ("name#de-CH", "Ada von Lovelace"),
        ("nickname", "Countess"),
        ("phone_number", "+44 1"),
        ("groups", "staff,poets"),
        ("attributes.department", "Engines"),
    ] {
        ada.set_claim(claim, value).unwrap();
    }
    ada.roles.insert("reader".to_owned());
    server.update_user(&ada).await;
    server
}

async fn start() -> Server {
    start_with("", |_| {}).await
}

/// Asks with `claims` and `openid` alone: what the ID token and userinfo say.
async fn told(server: &Server, asked: &Value, further: &[(&str, &str)]) -> (Value, Value) {
    let asked = asked.to_string();
    let reply = server.browser().answer("app", ADA, &[&[("claims", asked.as_str())], further].concat()).await;
    let tokens = server.exchange("app", &reply.assert_code()).await.json();
    let userinfo = server.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
    (claims(tokens["id_token"].as_str().unwrap()), userinfo)
}

#[tokio::test]
async fn claims_are_told_where_they_were_asked_for_without_any_scope() {
    let server = start().await;
    let asked = json!({
        "userinfo": { "email": { "essential": true }, "nickname": null },
        "id_token": { "name": null, "auth_time": { "essential": true } },
    });
    let (id_token, userinfo) = told(&server, &asked, &[]).await;
    let sub = userinfo["sub"].clone();
    assert_eq!(userinfo, json!({ "sub": sub, "email": ADA, "nickname": "Countess" }));
    assert_eq!(id_token["name"], "Ada Lovelace");
    assert!(id_token["auth_time"].is_i64());
    for absent in ["email", "nickname", "preferred_username"] {
        assert!(id_token.get(absent).is_none(), "{absent}");
    }
}

#[tokio::test]
async fn claims_come_on_top_of_those_of_the_scope_and_stay_over_a_refresh() {
    let server = start().await;
    let asked = json!({ "userinfo": { "phone_number": null }, "id_token": { "email": null } }).to_string();
    let parameters = [("claims", asked.as_str()), ("scope", "openid email offline_access")];
    let reply = server.browser().answer("app", ADA, &parameters).await;
    let first = server.exchange("app", &reply.assert_code()).await.json();
    let second = server.refresh("app", first["refresh_token"].as_str().unwrap()).await.json();
    for tokens in [first, second] {
        let userinfo = server.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
        assert_eq!((userinfo["email"].as_str(), userinfo["phone_number"].as_str()), (Some(ADA), Some("+44 1")));
        assert_eq!(claims(tokens["id_token"].as_str().unwrap())["email"], ADA);
    }
}

#[tokio::test]
async fn a_value_that_is_asked_for_must_be_the_one_there_is() {
    let server = start().await;
    let asked = json!({ "userinfo": {
        "name": { "value": "Eve" }, "nickname": { "values": ["Baroness", "Countess"] }, "shoe_size": { "essential": true },
    } });
    let (_, userinfo) = told(&server, &asked, &[]).await;
    assert_eq!(userinfo.as_object().unwrap().keys().collect::<Vec<_>>(), ["nickname", "sub"]);
}

#[tokio::test]
async fn people_are_asked_for_what_is_asked_for_by_name() {
    let server = start().await;
    let mut browser = server.browser();
    let asked = [("claims", r#"{"userinfo":{"email":null}}"#), ("scope", "openid")];
    let page = browser.authorize("app", &asked).await;
    let page = browser.log_in(&page, ADA).await;
    page.assert_consent_page();
    assert!(page.text().contains("See your mail address"), "{}", page.text());
    browser.submit(&page, &[("approve", "yes")]).await.assert_code();
    // It is remembered, and more than that is asked for again.
    browser.authorize("app", &asked).await.assert_code();
    let more = browser.authorize("app", &[("claims", r#"{"id_token":{"phone_number":null}}"#)]).await;
    more.assert_consent_page();
    let silent = [("claims", r#"{"id_token":{"phone_number":null}}"#), ("prompt", "none")];
    browser.authorize("app", &silent).await.assert_refused("consent_required");
}

#[tokio::test]
async fn nothing_is_told_by_name_that_the_client_may_not_ask_for_by_scope() {
    let only_profile = |client: &mut ClientMetadata| client.scope = "openid profile".parse().unwrap();
    let server = start_with("", only_profile).await;
    let asked =
        json!({ "userinfo": { "email": { "essential": true }, "name": null }, "id_token": { "phone_number": null } });
    let (id_token, userinfo) = told(&server, &asked, &[]).await;
    assert_eq!(userinfo.as_object().unwrap().keys().collect::<Vec<_>>(), ["name", "sub"]);
    assert!(id_token.get("phone_number").is_none());
    // Nor what it may no longer ask for.
    let reply = server.browser().answer("app", ADA, &[("claims", r#"{"userinfo":{"name":null}}"#)]).await;
    let tokens = server.exchange("app", &reply.assert_code()).await.json();
    let mut client =
        (*server.app.store.client(&countersign_types::ClientId::new("app")).await.unwrap().unwrap()).clone();
    client.metadata.scope = "openid".parse().unwrap();
    server.update_client(&client).await;
    let userinfo = server.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
    assert!(userinfo.get("name").is_none(), "{userinfo}");
}

#[tokio::test]
async fn what_is_no_claims_parameter_is_an_invalid_request() {
    let server = start().await;
    for wrong in
        ["{", "[]", "name", r#"{"userinfo":[]}"#, r#"{"id_token":{"acr":"gold"}}"#, r#"{"userinfo":{},"userinfo":{}}"#]
    {
        server.browser().authorize("app", &[("claims", wrong)]).await.assert_refused("invalid_request");
    }
    server.browser().authorize("app", &[("claims", r#"{"unknown":1}"#)]).await.assert_login_page();
}

#[tokio::test]
async fn claims_are_told_in_the_languages_that_are_asked_for() {
    let server = start().await;
    let (_, userinfo) = told(&server, &json!({ "userinfo": { "name#de": null, "nickname#fr": null } }), &[]).await;
    assert_eq!(userinfo["name#de-CH"], "Ada von Lovelace");
    assert_eq!(userinfo["nickname"], "Countess", "for want of a French one");
    assert!(userinfo.get("name").is_none());
    let (_, userinfo) = told(&server, &json!({}), &[("scope", "openid profile"), ("claims_locales", "fr de")]).await;
    assert_eq!(
        (userinfo["name"].as_str(), userinfo["name#de-CH"].as_str()),
        (Some("Ada Lovelace"), Some("Ada von Lovelace"))
    );
    let (_, userinfo) = told(&server, &json!({}), &[("scope", "openid profile")]).await;
    assert!(userinfo.get("name#de-CH").is_none());
}

#[tokio::test]
async fn the_operator_maps_roles_groups_and_attributes_to_claims_of_scopes() {
    let with_employee = |client: &mut ClientMetadata| client.scope = "openid profile employee".parse().unwrap();
    let server = start_with(SETTINGS, with_employee).await;
    let document = server.get("/.well-known/openid-configuration").await.json();
    let has = |list: &str, name: &str| document[list].as_array().unwrap().iter().any(|one| one == name);
    assert!(has("scopes_supported", "employee") && has("claims_supported", "department"), "{document}");

    let mut browser = server.browser();
    let page = browser.authorize("app", &[("scope", "openid employee")]).await;
    let page = browser.log_in(&page, ADA).await;
    assert!(page.text().contains("See where you work"));
    let reply = browser.submit(&page, &[("approve", "yes")]).await;
    let tokens = server.exchange("app", &reply.assert_code()).await.json();
    let userinfo = server.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
    assert_eq!((&userinfo["department"], &userinfo["groups"]), (&json!("Engines"), &json!(["poets", "staff"])));
    assert!(userinfo.get("https://op.example/roles").is_none());
    // To an API the scope means nothing.
    assert_eq!(claims(tokens["access_token"].as_str().unwrap())["aud"], "http://localhost:8080");

    let (id_token, userinfo) =
        told(&server, &json!({ "id_token": { "department": null } }), &[("scope", "openid profile")]).await;
    assert_eq!(id_token["department"], "Engines");
    assert_eq!(userinfo["https://op.example/roles"], json!(["reader"]));
    assert!(userinfo.get("department").is_none());
}

#[tokio::test]
async fn a_client_that_may_not_ask_for_a_mapped_scope_learns_nothing_of_it() {
    let server = start_with(SETTINGS, |_| {}).await;
    server.browser().authorize("app", &[("scope", "openid employee")]).await.assert_refused("invalid_scope");
    let (id_token, userinfo) = told(&server, &json!({ "id_token": { "department": null } }), &[]).await;
    assert!(id_token.get("department").is_none() && userinfo.get("groups").is_none());
}

#[tokio::test]
async fn claims_of_an_id_token_alone_are_those_of_scopes_and_names() {
    let implicit = |client: &mut ClientMetadata| {
        client.response_types = [ResponseType::IdToken].into();
        client.complete();
    };
    let server = start_with("", implicit).await;
    let asked =
        [("response_type", "id_token"), ("scope", "openid email"), ("claims", r#"{"id_token":{"nickname":null}}"#)];
    let answer = server.browser().answer("app", ADA, &asked).await.redirect_fragment();
    let id_token = claims(&answer["id_token"]);
    assert_eq!((id_token["email"].as_str(), id_token["nickname"].as_str()), (Some(ADA), Some("Countess")));
}

async fn expecting(server: &Server, sub: &Value, user: &str) -> Reply {
    let asked = json!({ "id_token": { "sub": { "value": sub } } }).to_string();
    server.browser().answer("app", user, &[("claims", asked.as_str())]).await
}

#[tokio::test]
async fn a_sub_that_is_asked_for_is_the_one_of_the_answer_or_there_is_none() {
    let server = start().await;
    server.add_user("eve@example.com", None).await;
    let sub = json!(server.user(ADA).await.id);
    let tokens = server.exchange("app", &expecting(&server, &sub, ADA).await.assert_code()).await.json();
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["sub"], sub);
    expecting(&server, &sub, "eve@example.com").await.assert_refused("login_required");
    expecting(&server, &json!(7), ADA).await.assert_refused("invalid_request");
    let hint = tokens["id_token"].as_str().unwrap();
    let both = [("claims", r#"{"id_token":{"sub":{"value":"eve"}}}"#), ("id_token_hint", hint)];
    server.browser().authorize("app", &both).await.assert_refused("invalid_request");
}

#[tokio::test]
async fn an_essential_acr_that_cannot_be_reached_is_an_error() {
    let server = start().await;
    let ask = async |values: Value, essential: bool| {
        let asked = json!({ "id_token": { "acr": { "essential": essential, "values": values } } }).to_string();
        server.browser().answer("app", ADA, &[("claims", asked.as_str())]).await
    };
    ask(json!(["urn:example:gold"]), true).await.assert_refused("unmet_authentication_requirements");
    let wish = ask(json!(["urn:example:gold"]), false).await.assert_code();
    let tokens = server.exchange("app", &wish).await.json();
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["acr"], "urn:countersign:acr:pwd");
    ask(json!(["urn:example:gold", "urn:countersign:acr:pwd"]), true).await.assert_code();
    // Who has no second factor is offered one, and whoever declines is not let through.
    let offer = ask(json!(["urn:countersign:acr:mfa"]), true).await;
    offer.assert_offer();
}
