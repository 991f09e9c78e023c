//! Attack 18: form fields that nobody asked for, in the hope that they are stored.

use countersign::{
    domain::user::User,
    store::{account, client, link::LinkPurpose},
};
use countersign_types::{ClientAuthMethod, ClientId};
use serde_json::{Value, json};

use crate::{
    harness::{PASSWORD, Server, authorize_path, claims, confidential, merge},
    oauth::registration::{OPEN, register, send},
};

const USER: &str = "grace@example.com";

/// What a person must not be able to say of themselves, in the spellings that frameworks bind.
const FURTHER: [(&str, &str); 14] = [
    ("email_verified", "true"),
    ("roles", "admin"),
    ("roles[]", "admin"),
    ("role", "admin"),
    ("sub", "somebody-else"),
    ("id", "somebody-else"),
    ("user_id", "somebody-else"),
    ("user[id]", "somebody-else"),
    ("user.email_verified", "true"),
    ("enabled", "true"),
    ("claims", "{\"name\":\"Root\"}"),
    ("name", "Root"),
    ("created_at", "1970-01-01T00:00:00Z"),
    ("acr", "urn:countersign:acr:mfa"),
];

async fn server() -> (Server, User) {
    let server = Server::start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    let user = server.add_user(USER, None).await;
    (server, user)
}

async fn all_users(server: &Server) -> Vec<User> {
    account::all(&mut server.app.store.read().await.unwrap()).await.unwrap()
}

fn with_further<'a>(fields: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    fields.iter().copied().chain(FURTHER).collect()
}

#[tokio::test]
async fn of_the_first_administrator() {
    let server = Server::start().await;
    let link = server.issue_link(&LinkPurpose::FirstAdministrator).await;
    let mut browser = server.browser();
    let page = browser.open(&link).await;
    let fields = with_further(&[("email", "root@example.com"), ("username", ""), ("password", PASSWORD)]);
    browser.submit(&page, &fields).await.assert_page(200);

    let user = all_users(&server).await.remove(0);
    assert!(!user.email_verified && user.claims.is_empty() && user.id.as_str() != "somebody-else");
    assert_eq!(user.roles.iter().collect::<Vec<_>>(), ["admin"]);
    assert_eq!((user.enabled, user.created_at), (true, server.clock.now()));
}

#[tokio::test]
async fn of_someone_who_chooses_a_password() {
    let (server, user) = server().await;
    let other = server.add_user("eve@example.com", None).await;
    let link = server.issue_link(&LinkPurpose::ChoosePassword(user.id.clone())).await;
    let mut browser = server.browser();
    let page = browser.open(&link).await;
    let fields = [
        ("password", "another battery staple"),
        ("account", "eve@example.com"),
        ("email", "eve@evil.example"),
        ("username", "eve"),
        ("purpose", "first_administrator"),
        ("t", "another"),
    ];
    browser.submit(&page, &with_further(&fields)).await.assert_page(200);

    for before in [&user, &other] {
        let after = all_users(&server).await.into_iter().find(|after| after.id == before.id).unwrap();
        assert_eq!((&after.email, &after.username, &after.roles), (&before.email, &before.username, &before.roles));
        assert_eq!((after.email_verified, after.claims.len()), (before.email_verified, 0));
    }
    let still_good = server.browser().answer("app", "eve@example.com", &[]).await;
    assert!(still_good.redirect_query().contains_key("code"), "the password of another person was changed");
}

#[tokio::test]
async fn of_a_disabled_person_who_chooses_a_password() {
    let (server, user) = server().await;
    let link = server.issue_link(&LinkPurpose::ChoosePassword(user.id.clone())).await;
    server.disable_user(&user).await;
    let mut browser = server.browser();
    let page = browser.open(&link).await;
    if page.status == 200 {
        browser.submit(&page, &with_further(&[("password", PASSWORD)])).await;
    }
    assert!(!all_users(&server).await[0].enabled);
    let refused = server.browser().answer("app", USER, &[]).await;
    assert_eq!(refused.status, 422);
}

#[tokio::test]
async fn at_a_sign_in() {
    let (server, user) = server().await;
    let mut browser = server.browser();
    let login = browser.authorize("app", &[]).await;
    let fields = with_further(&[("username", USER), ("password", PASSWORD), ("session", "chosen"), ("sid", "chosen")]);
    let consent = browser.submit(&login, &fields).await;
    let answer = browser.submit(&consent, &[("approve", "1")]).await;
    let tokens = server.exchange("app", &answer.redirect_query()["code"]).await.json();
    let id = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!((id["sub"].as_str(), id["acr"].as_str()), (Some(user.id.as_str()), Some("urn:countersign:acr:pwd")));
    assert_ne!(id["sid"], "chosen");
}

/// Signs in and consents with further fields: what was granted.
async fn consented(server: &Server, scope: &str, further: &[(&str, &str)]) -> Value {
    let mut browser = server.browser();
    let login = browser.authorize("app", &[("scope", scope)]).await;
    let consent = browser.log_in(&login, USER).await;
    let fields: Vec<_> = [("approve", "1")].into_iter().chain(further.iter().copied()).collect();
    let answer = browser.submit(&consent, &fields).await;
    server.exchange("app", &answer.redirect_query()["code"]).await.json()
}

#[tokio::test]
async fn at_a_consent() {
    let (server, user) = server().await;
    let further = [
        ("scope", "openid email phone offline_access"),
        ("scope[]", "phone"),
        ("scopes", "phone"),
        ("client_id", "other"),
        ("redirect_uri", "https://evil.example/cb"),
        ("user", "somebody-else"),
        ("sub", "somebody-else"),
    ];
    let tokens = consented(&server, "openid email", &further).await;
    assert_eq!(tokens["scope"], "email openid");
    assert_eq!(claims(tokens["access_token"].as_str().unwrap())["sub"], user.id.as_str());
    // What was not asked for was not remembered either.
    let mut browser = server.browser();
    let login = browser.authorize("app", &[("scope", "openid phone")]).await;
    assert!(browser.log_in(&login, USER).await.text().contains("name=\"approve\""));
}

#[tokio::test]
async fn in_an_authorization_request() {
    let (server, user) = server().await;
    let mut browser = server.browser();
    let claimed =
        [("sub", "somebody-else"), ("acr", "urn:countersign:acr:mfa"), ("auth_time", "1"), ("denied", "false")];
    let answer = browser.answer("app", USER, &claimed).await;
    let tokens = server.exchange("app", &answer.redirect_query()["code"]).await.json();
    let id = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!((id["sub"].as_str(), id["acr"].as_str()), (Some(user.id.as_str()), Some("urn:countersign:acr:pwd")));
    assert_eq!(id["auth_time"], server.clock.now().timestamp());
    // Trust in an app is registered, not claimed.
    let asked = server.browser().get(&authorize_path("app", &[("first_party", "true"), ("prompt", "none")])).await;
    assert_eq!(asked.redirect_query()["error"], "login_required");
}

#[tokio::test]
async fn in_a_token_request() {
    let (server, user) = server().await;
    let code = server.browser().code("app", USER, "openid").await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", crate::harness::REDIRECT_URI),
        ("code_verifier", crate::harness::VERIFIER),
        ("scope", "openid email phone"),
        ("aud", "https://other.example"),
        ("exp", "99999999999"),
        ("nonce", "another"),
    ];
    let tokens = server.token("app", &with_further(&form)).await.json();
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!((access["sub"].as_str(), access["scope"].as_str()), (Some(user.id.as_str()), Some("openid")));
    assert_eq!((access["aud"].as_str(), access.get("roles")), (Some(crate::harness::ISSUER), None));
    assert_eq!(access["exp"], server.clock.now().timestamp() + 600);
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["nonce"], "the nonce");
}

#[tokio::test]
async fn at_a_sign_up() {
    let server = Server::with_settings("signup.mode = 'open'").await;
    let victim = server.add_user(USER, Some("grace")).await;
    let mut browser = server.browser();
    let page = browser.open("/signup").await;
    browser.submit(&page, &with_further(&[("email", "eve@example.com")])).await.assert_page(200);
    let link = server.mailed_link("eve@example.com").await;
    let page = browser.open(&link).await;
    let fields = [("email", USER), ("account", USER), ("username", "eve"), ("password", PASSWORD), ("locale", "xx")];
    let further: Vec<_> = fields.into_iter().chain(FURTHER).collect();
    browser.submit(&page, &further).await.assert_page(200);

    let user = server.user("eve").await;
    assert!(user.email == "eve@example.com" && user.roles.is_empty() && user.id.as_str() != "somebody-else");
    assert_eq!((user.enabled, user.created_at), (true, server.clock.now()));
    // The name is asked for; what else was sent under that name is not.
    assert_eq!(user.claims.keys().collect::<Vec<_>>(), ["name", "locale"]);
    assert_eq!((user.claim("locale"), user.claim("name")), (Some("en"), Some("Root")));
    let untouched = server.user(USER).await;
    assert_eq!((untouched.claims.len(), &untouched.roles), (0, &victim.roles));
}

#[tokio::test]
async fn in_a_profile() {
    let (server, user) = server().await;
    let unverified = User { email_verified: false, ..user };
    server.update_user(&unverified).await;
    let other = server.add_user("eve@example.com", None).await;
    let mut browser = server.browser();
    let login = browser.open("/login").await;
    browser.log_in(&login, USER).await.assert_page(200);
    let page = browser.open("/account/profile").await;
    let fields = [
        ("email", "eve@evil.example"),
        ("phone_number", "+1 555"),
        ("phone_number_verified", "true"),
        ("preferred_username", "admin"),
        ("updated_at", "1"),
        ("address", "{}"),
        ("address_formatted", "x"),
        ("address.country", "x"),
        ("second_factor_required", "false"),
        ("user", other.id.as_str()),
    ];
    browser.submit(&page, &with_further(&fields)).await.assert_page(200);

    let after = server.user(USER).await;
    assert_eq!((&after.id, &after.email, after.email_verified), (&unverified.id, &unverified.email, false));
    assert!(after.roles.is_empty() && after.enabled && after.created_at == unverified.created_at);
    assert_eq!(after.claims.keys().collect::<Vec<_>>(), ["name", "phone_number"]);
    assert_eq!(server.user("eve@example.com").await.claims.len(), 0);
}

/// What a client must not be able to say of itself.
fn with_what_is_the_operators(metadata: &Value) -> Value {
    let further = json!({
        "client_id": "chosen",
        "id": "chosen",
        "client_secret": "chosen",
        "secret": "chosen",
        "secret_kind": "digest",
        "first_party": true,
        "pkce_exempt": true,
        "enabled": true,
        "origins": ["https://evil.example"],
        "access_token_signed_response_alg": "ES256",
        "created_at": "1970-01-01T00:00:00Z",
        "client_id_issued_at": 0,
        "client_secret_expires_at": 1,
        "registered_by": "operator",
        "used_at": "1970-01-01T00:00:00Z",
        "registration_access_token": "chosen",
        "registration_digest": "chosen",
        "translations": { "client_name#de": "chosen" },
        "metadata": { "first_party": true },
        "scope": "openid admin journal.read",
        "roles": ["admin"],
    });
    merge(metadata, &further)
}

async fn assert_nothing_was_assigned(server: &Server, id: &str) {
    let client = client::find(&mut server.app.store.read().await.unwrap(), &ClientId::new(id)).await.unwrap().unwrap();
    let metadata = &client.metadata;
    assert!(!metadata.first_party && !metadata.pkce_exempt && metadata.origins.is_empty());
    assert!(metadata.translations.is_empty() && metadata.access_token_signed_response_alg.is_none());
    assert_eq!(metadata.scope.to_string(), "openid");
    assert!(client.is_unused() && client.enabled);
    assert_eq!(client.created_at, server.clock.now());
    assert!(!server.database.contains("chosen").await);
}

#[tokio::test]
async fn at_a_registration() {
    let server = Server::with_settings(OPEN).await;
    server.add_api("https://journal.example", &["journal.read"], &[], false).await;
    let told = register(&server, with_what_is_the_operators(&json!({}))).await;
    let id = told["client_id"].as_str().unwrap();
    assert_eq!((id.len(), told["client_id_issued_at"].as_i64()), (22, Some(server.clock.now().timestamp())));
    for name in ["first_party", "pkce_exempt", "enabled", "origins", "roles", "registered_by", "metadata"] {
        assert!(told.get(name).is_none(), "{name}");
    }
    assert_nothing_was_assigned(&server, id).await;
}

#[tokio::test]
async fn at_a_change_of_a_registration() {
    let server = Server::with_settings(OPEN).await;
    server.add_api("https://journal.example", &["journal.read"], &[], false).await;
    let told = register(&server, json!({})).await;
    let id = told["client_id"].as_str().unwrap();
    let mut body = with_what_is_the_operators(&json!({ "redirect_uris": ["https://app.example/cb"] }));
    // These alone are refused in words of their own, wherever they come from.
    for name in ["client_secret", "client_id_issued_at", "client_secret_expires_at", "registration_access_token"] {
        body.as_object_mut().unwrap().remove(name);
    }
    body["client_id"] = json!(id);
    let token = told["registration_access_token"].as_str();
    let reply = send(&server, http::Method::PUT, &format!("/register/{id}"), token, &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_nothing_was_assigned(&server, id).await;
}
