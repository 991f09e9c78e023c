//! Clients that register themselves (RFC 7591, RFC 7592, OpenID Connect Dynamic Client Registration 1.0).

use axum::body::Body;
use chrono::TimeDelta;
use countersign::{
    jobs::sweep,
    store::registration_token::{self, RegistrationToken},
};
use http::{Method, Request};
use serde_json::{Value, json};

use crate::harness::{
    Browser, CROWD, REDIRECT_URI, Reply, Server, Site, VERIFIER, authorize_path, basic, claims, encode, public,
    query_of,
};

pub const OPEN: &str = "registration.mode = 'open'\nrate.register.address = 'off'";
const BY_TOKEN: &str = "registration.mode = 'token'";

/// Sends JSON to `/register` or below it.
pub async fn send(server: &Server, method: Method, path: &str, token: Option<&str>, body: &Value) -> Reply {
    server.send(request(method, path, token, body)).await
}

fn request(method: Method, path: &str, token: Option<&str>, body: &Value) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = if body.is_null() { String::new() } else { body.to_string() };
    request.body(body.into()).unwrap()
}

/// So many registrations at once, on two nodes.
async fn register_at_once(server: &Server, other: &Server, token: Option<&str>) -> Vec<Reply> {
    let body = json!({ "redirect_uris": [REDIRECT_URI] });
    let requests = || std::iter::repeat_with(|| request(Method::POST, "/register", token, &body)).take(CROWD / 2);
    let (mut replies, others) = tokio::join!(server.send_at_once(requests()), other.send_at_once(requests()));
    replies.extend(others);
    replies
}

/// Registers a client with this and the usual redirect URI.
pub async fn try_register(server: &Server, further: Value) -> Reply {
    let mut metadata = json!({ "redirect_uris": [REDIRECT_URI], "client_name": "The App" });
    metadata.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    send(server, Method::POST, "/register", None, &metadata).await
}

/// What a client is told that registered.
pub async fn register(server: &Server, further: Value) -> Value {
    let reply = try_register(server, further).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    server.follow_changes().await;
    reply.json()
}

fn text<'a>(client: &'a Value, member: &str) -> &'a str {
    client[member].as_str().unwrap_or_else(|| panic!("no {member} in {client}"))
}

fn path(client: &Value) -> String {
    format!("/register/{}", text(client, "client_id"))
}

/// A client at its own registration.
async fn manage(server: &Server, method: Method, client: &Value, body: &Value) -> Reply {
    let reply = send(server, method, &path(client), Some(text(client, "registration_access_token")), body).await;
    server.follow_changes().await;
    reply
}

/// What a client has to send to keep everything as it is.
fn as_it_is(client: &Value) -> Value {
    let mut body = client.clone();
    for name in
        ["registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"]
    {
        body.as_object_mut().unwrap().remove(name);
    }
    body
}

async fn initial_token(server: &Server, uses: i64, lasts: TimeDelta) -> String {
    let (now, secret) = (server.clock.now(), server.app.random.secret());
    let id = server.app.random.id();
    let token = RegistrationToken { id, uses_left: uses, created_at: now, expires_at: now + lasts };
    let mut tx = server.app.store.write().await.unwrap();
    registration_token::insert(&mut tx, &token, &secret.digest()).await.unwrap();
    tx.commit().await.unwrap();
    secret.expose().to_owned()
}

async fn register_with(server: &Server, token: &str) -> Reply {
    send(server, Method::POST, "/register", Some(token), &json!({ "redirect_uris": [REDIRECT_URI] })).await
}

/// A sign-in of somebody new to a client with a secret.
async fn sign_in(server: &Server, client: &Value) -> Reply {
    let email = format!("{}@example.org", server.app.random.id().to_lowercase());
    server.add_user(&email, None).await;
    let code = server.browser().code(text(client, "client_id"), &email, "openid").await;
    exchange(server, client, &code).await
}

async fn exchange(server: &Server, client: &Value, code: &str) -> Reply {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    let authorization = basic(text(client, "client_id"), text(client, "client_secret"));
    server.post("/token", &[("authorization", &authorization)], &form).await
}

async fn discovery(server: &Server) -> Value {
    server.get("/.well-known/openid-configuration").await.json()
}

async fn kinds(server: &Server) -> Vec<String> {
    server.audit(50).await.into_iter().map(|record| record.kind).collect()
}

#[tokio::test]
async fn nobody_registers_where_it_is_off() {
    let server = Server::start().await;
    for method in [Method::POST, Method::GET, Method::PUT, Method::DELETE] {
        assert_eq!(send(&server, method.clone(), "/register", None, &json!({})).await.status, 404);
        assert_eq!(send(&server, method, "/register/some", Some("x"), &json!({})).await.status, 404);
    }
    assert!(discovery(&server).await.get("registration_endpoint").is_none());
}

#[tokio::test]
async fn discovery_names_the_endpoint_where_it_is_on() {
    for settings in [OPEN, BY_TOKEN] {
        let server = Server::with_settings(settings).await;
        assert_eq!(discovery(&server).await["registration_endpoint"], "http://localhost:8080/register");
    }
}

#[tokio::test]
async fn a_client_is_told_all_that_counts() {
    let server = Server::with_settings(OPEN).await;
    let reply = try_register(&server, json!({ "client_name#de": "Die App", "unknown": 1 })).await;
    assert_eq!((reply.status, reply.header("cache-control")), (201, Some("no-store")));
    let mut client = reply.json();
    let id = text(&client, "client_id").to_owned();
    assert_eq!((text(&client, "client_secret").len(), text(&client, "registration_access_token").len()), (43, 43));
    assert_eq!(client["registration_client_uri"], format!("http://localhost:8080/register/{id}"));
    for name in ["client_id", "client_secret", "registration_access_token", "registration_client_uri"] {
        client.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(
        client,
        json!({
            "client_id_issued_at": server.clock.now().timestamp(),
            "client_secret_expires_at": 0,
            "client_name": "The App",
            "client_name#de": "Die App",
            "redirect_uris": [REDIRECT_URI],
            "application_type": "web",
            "token_endpoint_auth_method": "client_secret_basic",
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
            "scope": "address email offline_access openid phone profile",
            "subject_type": "public",
            "id_token_signed_response_alg": "RS256",
            "require_auth_time": false,
            "dpop_bound_access_tokens": false,
        })
    );
}

#[tokio::test]
async fn people_can_sign_in_to_it_at_once() {
    let server = Server::with_settings(OPEN).await;
    let client = register(&server, json!({})).await;
    let tokens = sign_in(&server, &client).await.json();
    assert_eq!(claims(text(&tokens, "id_token"))["aud"], client["client_id"]);
}

#[tokio::test]
async fn a_secret_is_only_for_clients_that_need_one() {
    let server = Server::with_settings(OPEN).await;
    for method in ["client_secret_basic", "client_secret_post", "client_secret_jwt"] {
        let client = register(&server, json!({ "token_endpoint_auth_method": method })).await;
        assert_eq!(text(&client, "client_secret").len(), 43);
    }
    let public = register(&server, json!({ "token_endpoint_auth_method": "none" })).await;
    assert!(public.get("client_secret").is_none() && public.get("client_secret_expires_at").is_none());
}

#[tokio::test]
async fn only_digests_are_kept() {
    let server = Server::with_settings(OPEN).await;
    let client = register(&server, json!({})).await;
    for name in ["client_secret", "registration_access_token"] {
        assert!(!server.database.contains(text(&client, name)).await, "{name}");
    }
}

#[tokio::test]
async fn bodies_that_are_no_object_are_refused() {
    let server = Server::with_settings(OPEN).await;
    let post = async |media_type: &str, body: String| {
        let request = Request::post("/register").header("content-type", media_type).body(body.into()).unwrap();
        server.send(request).await
    };
    for body in ["", "[]", "null", "{", r#"{"redirect_uris":[],"redirect_uris":[]}"#, r#"{"a":{"b":1,"b":2}}"#] {
        post("application/json", body.to_owned()).await.assert_error(400, "invalid_client_metadata");
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    post("application/json", deep).await.assert_error(400, "invalid_client_metadata");
    let long = json!({ "redirect_uris": [REDIRECT_URI], "x": "x".repeat(33 * 1024) }).to_string();
    post("application/json", long).await.assert_error(413, "invalid_client_metadata");
    let huge = "x".repeat(1024 * 1024);
    post("application/json", huge).await.assert_error(413, "invalid_client_metadata");
    let good = json!({ "redirect_uris": [REDIRECT_URI] }).to_string();
    post("text/plain", good.clone()).await.assert_error(415, "invalid_client_metadata");
    assert_eq!(post("Application/JSON; charset=utf-8", good).await.status, 201);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let server = Server::with_settings(OPEN).await;
    for (further, error, member) in [
        (json!({ "redirect_uris": ["http://app.example/cb"] }), "invalid_redirect_uri", "redirect_uris"),
        (json!({ "redirect_uris": [] }), "invalid_redirect_uri", "redirect_uris"),
        (json!({ "id_token_signed_response_alg": "ES256" }), "invalid_client_metadata", "id_token_signed_response_alg"),
        (json!({ "logo_uri": "data:x" }), "invalid_client_metadata", "logo_uri"),
        (json!({ "grant_types": ["client_credentials"] }), "invalid_client_metadata", "grant_types"),
        (json!({ "software_statement": "eyJ" }), "unapproved_software_statement", "software_statement"),
        (json!({ "software_statement": {} }), "invalid_software_statement", "software_statement"),
    ] {
        let reply = try_register(&server, further).await;
        reply.assert_error(400, error);
        let reply = reply.json();
        assert!(text(&reply, "error_description").contains(member), "{reply}");
    }
    assert_eq!(server.count("client").await, 0);
}

#[tokio::test]
async fn an_algorithm_needs_a_key_that_others_know() {
    let server = Server::with_settings(OPEN).await;
    let server = server.restart_with(&format!("{OPEN}\nkeys.algorithms = ['RS256', 'ES256']")).await;
    let further = json!({ "userinfo_signed_response_alg": "ES256" });
    try_register(&server, further.clone()).await.assert_error(400, "invalid_client_metadata");
    server.advance(TimeDelta::hours(2));
    assert_eq!(register(&server, further).await["userinfo_signed_response_alg"], "ES256");
}

#[tokio::test]
async fn without_an_initial_access_token_nobody_registers_where_one_is_asked_for() {
    let server = Server::with_settings(BY_TOKEN).await;
    let reply = try_register(&server, json!({})).await;
    reply.assert_error(401, "invalid_token");
    assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"register\""));
    let reply = register_with(&server, "invented").await;
    reply.assert_error(401, "invalid_token");
    assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"register\", error=\"invalid_token\""));
    assert_eq!(server.count("client").await, 0);
}

#[tokio::test]
async fn an_initial_access_token_is_good_for_its_uses_and_its_time() {
    let server = Server::with_settings(BY_TOKEN).await;
    let twice = initial_token(&server, 2, TimeDelta::hours(1)).await;
    // What is refused takes nothing from it.
    let wrong = json!({ "redirect_uris": [] });
    send(&server, Method::POST, "/register", Some(&twice), &wrong).await.assert_error(400, "invalid_redirect_uri");
    assert_eq!(register_with(&server, &twice).await.status, 201);
    assert_eq!(register_with(&server, &twice).await.status, 201);
    register_with(&server, &twice).await.assert_error(401, "invalid_token");

    let brief = initial_token(&server, 2, TimeDelta::hours(1)).await;
    server.advance(TimeDelta::hours(1));
    register_with(&server, &brief).await.assert_error(401, "invalid_token");
    assert_eq!(server.count("client").await, 2);
}

#[tokio::test]
async fn an_initial_access_token_opens_nothing_else() {
    let server = Server::with_settings(BY_TOKEN).await;
    let initial = initial_token(&server, 2, TimeDelta::hours(1)).await;
    let client = register_with(&server, &initial).await.json();
    send(&server, Method::GET, &path(&client), Some(&initial), &Value::Null).await.assert_error(401, "invalid_token");
    let own = text(&client, "registration_access_token");
    register_with(&server, own).await.assert_error(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_one_client_registers_one_however_many_try_at_once() {
    let server = Server::with_settings(&format!("{BY_TOKEN}\nrate.register.address = 'off'")).await;
    let other = server.beside().await;
    let token = initial_token(&server, 1, TimeDelta::hours(1)).await;
    let replies = register_at_once(&server, &other, Some(&token)).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
    for refused in replies.iter().filter(|reply| reply.status != 201) {
        refused.assert_error(401, "invalid_token");
    }
    assert_eq!(server.count("client").await, 1);
}

#[tokio::test]
async fn a_client_sees_what_it_registered() {
    let server = Server::with_settings(OPEN).await;
    let client = register(&server, json!({ "contacts": ["a@app.example"] })).await;
    let reply = manage(&server, Method::GET, &client, &Value::Null).await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")));
    let mut expected = client.clone();
    // Of the secret the digest alone is left.
    expected.as_object_mut().unwrap().remove("client_secret");
    assert_eq!(reply.json(), expected);
}

#[tokio::test]
async fn a_client_replaces_everything_that_it_registered() {
    let server = Server::with_settings(OPEN).await;
    let client = register(&server, json!({ "contacts": ["a@app.example"], "tos_uri": "https://app.example/t" })).await;
    let mut body = as_it_is(&client);
    body["client_name"] = json!("Another");
    body.as_object_mut().unwrap().remove("contacts");
    body["tos_uri"] = Value::Null;
    let reply = manage(&server, Method::PUT, &client, &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let changed = reply.json();
    assert_eq!(changed["client_name"], "Another");
    assert!(["contacts", "tos_uri", "client_secret"].iter().all(|name| changed.get(*name).is_none()), "{changed}");
    assert_eq!(manage(&server, Method::GET, &client, &Value::Null).await.json(), changed);
    // The secret is the same.
    assert_eq!(sign_in(&server, &client).await.status, 200);
}

#[tokio::test]
async fn a_change_names_the_client_and_nothing_that_is_the_servers() {
    let server = Server::with_settings(OPEN).await;
    let client = register(&server, json!({})).await;
    for (name, value) in [
        ("client_id", Value::Null),
        ("client_id", json!("another")),
        ("client_id", json!(1)),
        ("client_secret", json!("wrong")),
        ("client_secret", json!(1)),
        ("registration_access_token", client["registration_access_token"].clone()),
        ("registration_client_uri", client["registration_client_uri"].clone()),
        ("client_secret_expires_at", json!(0)),
        ("client_id_issued_at", client["client_id_issued_at"].clone()),
    ] {
        let mut body = as_it_is(&client);
        body[name] = value;
        manage(&server, Method::PUT, &client, &body).await.assert_error(400, "invalid_request");
    }
    let mut without_secret = as_it_is(&client);
    without_secret.as_object_mut().unwrap().remove("client_secret");
    assert_eq!(manage(&server, Method::PUT, &client, &without_secret).await.status, 200);
}

#[tokio::test]
async fn a_change_is_checked_like_a_registration() {
    let server = Server::with_settings(OPEN).await;
    let client = register(&server, json!({})).await;
    for (name, value, error) in [
        ("redirect_uris", json!(["http://app.example/"]), "invalid_redirect_uri"),
        ("jwks_uri", json!("https://127.0.0.1:1/"), "invalid_client_metadata"),
        ("grant_types", json!(["client_credentials"]), "invalid_client_metadata"),
        ("software_statement", json!("eyJ"), "unapproved_software_statement"),
    ] {
        let mut body = as_it_is(&client);
        body[name] = value;
        manage(&server, Method::PUT, &client, &body).await.assert_error(400, error);
    }
    assert_eq!(
        manage(&server, Method::GET, &client, &Value::Null).await.json()["redirect_uris"],
        json!([REDIRECT_URI])
    );
}

#[tokio::test]
async fn another_way_to_authenticate_brings_or_takes_a_secret() {
    let server = Server::with_settings(OPEN).await;
    let client = register(&server, json!({})).await;
    let mut body = as_it_is(&client);
    let old = body.as_object_mut().unwrap().remove("client_secret").unwrap();
    body["token_endpoint_auth_method"] = json!("client_secret_post");
    let changed = manage(&server, Method::PUT, &client, &body).await.json();
    assert!(changed.get("client_secret").is_none(), "the one of before is as good here");
    body["token_endpoint_auth_method"] = json!("none");
    let changed = manage(&server, Method::PUT, &client, &body).await.json();
    assert!(changed.get("client_secret_expires_at").is_none());
    body["token_endpoint_auth_method"] = json!("client_secret_basic");
    let changed = manage(&server, Method::PUT, &client, &body).await.json();
    assert_ne!(changed["client_secret"], old);
    assert_eq!(sign_in(&server, &changed).await.status, 200);
    assert_eq!(sign_in(&server, &client).await.status, 401, "the old secret is dead");
}

#[tokio::test]
async fn a_client_that_goes_takes_everything_with_it() {
    let server = Server::with_settings(OPEN).await;
    let client = register(&server, json!({ "grant_types": ["authorization_code", "refresh_token"] })).await;
    let tokens = sign_in(&server, &client).await.json();
    let access = text(&tokens, "access_token");
    assert_eq!(server.userinfo(access).await.status, 200);
    let reply = manage(&server, Method::DELETE, &client, &Value::Null).await;
    assert_eq!((reply.status, reply.body.len(), reply.header("cache-control")), (204, 0, Some("no-store")));
    assert_eq!(server.userinfo(access).await.status, 401);
    let authorization = basic(text(&client, "client_id"), text(&client, "client_secret"));
    let form = [("grant_type", "refresh_token"), ("refresh_token", text(&tokens, "refresh_token"))];
    server.post("/token", &[("authorization", &authorization)], &form).await.assert_error(401, "invalid_client");
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        manage(&server, method, &client, &as_it_is(&client)).await.assert_error(401, "invalid_token");
    }
    assert_eq!(server.count("person_grant").await, 0);
}

#[tokio::test]
async fn a_client_that_goes_while_somebody_signs_in_is_a_page() {
    let server = Server::with_settings(OPEN).await;
    server.add_user("ada@example.org", None).await;
    let client = register(&server, json!({})).await;
    let mut browser = server.browser();
    let page = browser.get(&authorize_path(text(&client, "client_id"), &[])).await;
    let login = page.location().to_owned();
    manage(&server, Method::DELETE, &client, &Value::Null).await;
    browser.get(&login).await.assert_page(400);
}

#[tokio::test]
async fn without_its_token_nothing_is_said_of_a_client() {
    let server = Server::with_settings(OPEN).await;
    let [client, other] = [register(&server, json!({})).await, register(&server, json!({})).await];
    let foreign = text(&other, "registration_access_token");
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let at = async |path: &str, token: Option<&str>| {
            let reply = send(&server, method.clone(), path, token, &as_it_is(&client)).await;
            reply.assert_error(401, "invalid_token");
            (reply.text(), reply.header("www-authenticate").map(str::to_owned))
        };
        for token in [None, Some("invented"), Some(foreign), Some(text(&client, "client_secret"))] {
            assert_eq!(at(&path(&client), token).await, at("/register/nobody", token).await, "{token:?}");
        }
        at("/register/%00", Some(foreign)).await;
        at("/register/%ff", Some(foreign)).await;
    }
    let twice = Request::get(path(&client)).header("authorization", format!("Bearer {foreign}"));
    let twice = twice.header("authorization", "Bearer x").body(String::new().into()).unwrap();
    server.send(twice).await.assert_error(401, "invalid_token");
    assert_eq!(manage(&server, Method::GET, &client, &Value::Null).await.status, 200);
}

#[tokio::test]
async fn a_client_of_the_operator_has_no_token() {
    let server = Server::with_settings(OPEN).await;
    server.add_client("app", public()).await;
    for token in ["", "x"] {
        send(&server, Method::GET, "/register/app", Some(token), &Value::Null).await.assert_error(401, "invalid_token");
    }
}

#[tokio::test]
async fn a_disabled_client_cannot_look_after_itself() {
    let server = Server::with_settings(OPEN).await;
    let client = register(&server, json!({})).await;
    let id = countersign_types::ClientId::new(text(&client, "client_id"));
    let mut stored = (*server.app.store.client(&id).await.unwrap().unwrap()).clone();
    stored.enabled = false;
    server.update_client(&stored).await;
    manage(&server, Method::PUT, &client, &as_it_is(&client)).await.assert_error(401, "invalid_token");
    manage(&server, Method::DELETE, &client, &Value::Null).await.assert_error(401, "invalid_token");
}

#[tokio::test]
async fn registrations_are_known_to_every_node_and_after_a_restart() {
    let server = Server::with_settings(OPEN).await;
    let other = server.beside().await;
    let client = register(&server, json!({})).await;
    assert_eq!(sign_in(&other, &client).await.status, 200);
    let mut body = as_it_is(&client);
    body["redirect_uris"] = json!(["https://app.example/new"]);
    assert_eq!(manage(&other, Method::PUT, &client, &body).await.status, 200);
    server.follow_changes().await;
    let server = server.restart().await;
    let shown = manage(&server, Method::GET, &client, &Value::Null).await.json();
    assert_eq!(shown["redirect_uris"], json!(["https://app.example/new"]));
    assert_eq!(manage(&other, Method::DELETE, &client, &Value::Null).await.status, 204);
    manage(&server, Method::GET, &client, &Value::Null).await.assert_error(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_more_than_the_operator_allows() {
    let server = Server::with_settings(&format!("{OPEN}\nregistration.limit = 3")).await;
    let other = server.beside().await;
    server.add_client("app", public()).await;
    let replies = register_at_once(&server, &other, None).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 3);
    for refused in replies.iter().filter(|reply| reply.status != 201) {
        refused.assert_error(503, "temporarily_unavailable");
    }
    let client = replies.iter().find(|reply| reply.status == 201).unwrap().json();
    manage(&server, Method::DELETE, &client, &Value::Null).await;
    assert_eq!(try_register(&server, json!({})).await.status, 201);
}

#[tokio::test]
async fn an_address_registers_only_so_many_in_a_minute() {
    let server = Server::with_settings("registration.mode = 'open'\nrate.register.address = '2/1m'").await;
    for _ in 0..2 {
        assert_eq!(try_register(&server, json!({})).await.status, 201);
    }
    let reply = try_register(&server, json!({})).await;
    reply.assert_error(429, "temporarily_unavailable");
    assert!(reply.header("retry-after").is_some() && reply.header("ratelimit").is_some());
    let reply = send(&server, Method::GET, "/register/some", Some("x"), &Value::Null).await;
    reply.assert_error(429, "temporarily_unavailable");
}

#[tokio::test]
async fn clients_that_nobody_uses_are_swept() {
    let server = Server::with_settings(OPEN).await;
    let [used, unused] = [register(&server, json!({})).await, register(&server, json!({})).await];
    server.add_client("app", public()).await;
    assert_eq!(sign_in(&server, &used).await.status, 200);
    server.advance(TimeDelta::days(30) - TimeDelta::seconds(1));
    let late = register(&server, json!({})).await;
    sweep::run(&server.app).await.unwrap();
    assert_eq!(server.count("client").await, 4);
    server.advance(TimeDelta::seconds(1));
    sweep::run(&server.app).await.unwrap();
    server.follow_changes().await;
    assert_eq!(server.count("client").await, 3);
    manage(&server, Method::GET, &unused, &Value::Null).await.assert_error(401, "invalid_token");
    for client in [&used, &late] {
        assert_eq!(manage(&server, Method::GET, client, &Value::Null).await.status, 200);
    }
    let event = server.audit(50).await.into_iter().find(|record| record.kind == "client.unused_removed").unwrap();
    assert_eq!(event.client.as_deref(), unused["client_id"].as_str());
    // And who was used once stays, whatever became of what was granted.
    server.advance(TimeDelta::days(400));
    sweep::run(&server.app).await.unwrap();
    sweep::run(&server.app).await.unwrap();
    assert_eq!(manage(&server, Method::GET, &used, &Value::Null).await.status, 200);
}

#[tokio::test]
async fn a_sign_in_without_a_code_is_use_too() {
    let server = Server::with_settings(OPEN).await;
    server.add_user("ada@example.org", None).await;
    let client = register(&server, json!({ "response_types": ["id_token"], "grant_types": ["implicit"] })).await;
    let mut browser = server.browser();
    let answer = browser.answer(text(&client, "client_id"), "ada@example.org", &[("response_type", "id_token")]).await;
    assert!(answer.location().contains("id_token="), "{}", answer.location());
    server.advance(TimeDelta::days(31));
    sweep::run(&server.app).await.unwrap();
    assert_eq!(server.count("client").await, 1);
}

#[tokio::test]
async fn what_a_client_did_on_its_own_behalf_is_use_too() {
    let server = Server::with_settings(&format!("{OPEN}\nregistration.client_credentials = true")).await;
    let client = register(&server, json!({ "grant_types": ["client_credentials"], "redirect_uris": null })).await;
    let authorization = basic(text(&client, "client_id"), text(&client, "client_secret"));
    let form = [("grant_type", "client_credentials")];
    assert_eq!(server.post("/token", &[("authorization", &authorization)], &form).await.status, 200);
    server.advance(TimeDelta::days(31));
    sweep::run(&server.app).await.unwrap();
    assert_eq!(server.count("client").await, 1);
}

#[tokio::test]
async fn spent_and_expired_initial_tokens_are_swept() {
    let server = Server::with_settings(BY_TOKEN).await;
    let spent = initial_token(&server, 1, TimeDelta::days(9)).await;
    initial_token(&server, 1, TimeDelta::hours(1)).await;
    let good = initial_token(&server, 1, TimeDelta::days(9)).await;
    assert_eq!(register_with(&server, &spent).await.status, 201);
    server.advance(TimeDelta::days(2));
    sweep::run(&server.app).await.unwrap();
    assert_eq!(server.count("registration_token").await, 1);
    assert_eq!(register_with(&server, &good).await.status, 201);
}

#[tokio::test]
async fn the_audit_trail_tells_what_clients_did_to_themselves() {
    let server = Server::with_settings(OPEN).await;
    let client = register(&server, json!({})).await;
    manage(&server, Method::PUT, &client, &as_it_is(&client)).await;
    manage(&server, Method::DELETE, &client, &Value::Null).await;
    assert_eq!(
        kinds(&server).await.into_iter().filter(|kind| kind.starts_with("client.")).collect::<Vec<_>>(),
        ["client.registration_changed", "client.registration_changed", "client.registered"]
    );
}

#[tokio::test]
async fn a_jwks_uri_must_lead_to_keys() {
    let (server, site) = (Server::with_settings(OPEN).await, Site::open().await);
    let uri = site.url("/jwks.json");
    let further = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": uri });
    let refused = async || {
        let reply = try_register(&server, further.clone()).await;
        reply.assert_error(400, "invalid_client_metadata");
        assert!(text(&reply.json(), "error_description").starts_with("jwks_uri: "), "{}", reply.text());
        server.advance(TimeDelta::seconds(5));
    };
    refused().await;
    for body in ["", "[]", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#] {
        site.put("/jwks.json", body);
        refused().await;
    }
    let key = countersign_jose::PrivateKey::generate(countersign_jose::Algorithm::ES256).unwrap();
    site.put("/jwks.json", json!({ "keys": [key.public_jwk().to_value()] }).to_string());
    let client = register(&server, further.clone()).await;
    assert_eq!(client["jwks_uri"], uri);
    assert!(client.get("jwks").is_none());
}

#[tokio::test]
async fn a_sector_identifier_uri_must_list_all_redirect_uris() {
    let (server, site) = (Server::with_settings(OPEN).await, Site::open().await);
    let uri = site.url("/sector.json");
    let uris = json!([REDIRECT_URI, "https://other.example/cb"]);
    let further = json!({ "subject_type": "pairwise", "sector_identifier_uri": uri, "redirect_uris": uris });
    for body in [None, Some("{}"), Some("[]"), Some("x"), Some(r#"["https://app.example/cb"]"#), Some("[1]")] {
        match body {
            Some(body) => site.put("/sector.json", body),
            None => site.remove("/sector.json"),
        }
        let reply = try_register(&server, further.clone()).await;
        reply.assert_error(400, "invalid_client_metadata");
        assert!(text(&reply.json(), "error_description").starts_with("sector_identifier_uri: "), "{}", reply.text());
        server.advance(TimeDelta::seconds(5));
    }
    site.put("/sector.json", json!(["https://other.example/cb", REDIRECT_URI, "https://third.example/"]).to_string());
    assert_eq!(register(&server, further).await["sector_identifier_uri"], uri);
}

#[tokio::test]
async fn pkce_for_them_has_a_rule_of_its_own() {
    for (settings, is_required) in [
        ("", true),
        ("registration.pkce = 'public'", false),
        ("pkce.required = 'public'", false),
        ("pkce.required = 'public'\nregistration.pkce = 'all'", true),
    ] {
        let server = Server::with_settings(&format!("{OPEN}\n{settings}")).await;
        let of = async |method: &str| {
            let client = register(&server, json!({ "token_endpoint_auth_method": method })).await;
            let query = [
                ("client_id", text(&client, "client_id")),
                ("redirect_uri", REDIRECT_URI),
                ("response_type", "code"),
                ("scope", "openid"),
            ];
            let reply = server.get(&format!("/authorize?{}", encode(&query))).await;
            query_of(reply.location()).get("error").map(String::as_str) == Some("invalid_request")
        };
        assert_eq!(of("client_secret_basic").await, is_required, "{settings}");
        assert!(of("none").await, "{settings}: a public client always");
    }
}

#[tokio::test]
async fn defaults_that_a_client_registered_count_where_a_request_says_nothing() {
    let server = Server::with_settings(OPEN).await;
    server.add_user("ada@example.org", None).await;
    let further = json!({ "default_max_age": 60, "default_acr_values": ["urn:countersign:acr:mfa"] });
    let [with, without] = [register(&server, further).await, register(&server, json!({})).await];
    let id = text(&with, "client_id");
    let mut browser = server.browser();
    browser.code(text(&without, "client_id"), "ada@example.org", "openid").await;
    browser.code(text(&without, "client_id"), "ada@example.org", "openid").await;
    server.advance(TimeDelta::seconds(61));
    let first = async |browser: &mut Browser<'_>, further: &[(&str, &str)]| {
        let sealed = browser.get(&authorize_path(id, further)).await;
        sealed.location().split('?').next().unwrap().to_owned()
    };
    assert_eq!(first(&mut browser, &[]).await, "/login");
    // The request's own word counts before the registration's.
    let second_factor = first(&mut browser, &[("max_age", "3600")]).await;
    assert_eq!(second_factor, "/login/second-factor", "a second factor is offered");
    let own = first(&mut browser, &[("max_age", "3600"), ("acr_values", "urn:countersign:acr:pwd")]).await;
    assert_eq!(own, "/consent");
}

#[tokio::test]
async fn people_are_warned_of_clients_that_nobody_checked() {
    let server = Server::with_settings(OPEN).await;
    server.add_user("ada@example.org", None).await;
    server.add_client("app", public()).await;
    let client = register(&server, json!({ "client_name#de": "Die App" })).await;
    let consent = async |id: &str, language: &str| {
        let mut browser = server.browser();
        let login = browser.authorize(id, &[("ui_locales", language)]).await;
        browser.log_in(&login, "ada@example.org").await.text()
    };
    let page = consent(text(&client, "client_id"), "en").await;
    assert!(page.contains("registered itself") && page.contains("app.example") && page.contains("The App"), "{page}");
    let page = consent(text(&client, "client_id"), "de").await;
    assert!(page.contains("selbst eingetragen") && page.contains("Die App"), "{page}");
    assert!(!consent("app", "en").await.contains("registered itself"));
}

#[tokio::test]
async fn whoever_agreed_to_a_client_is_asked_again_when_it_becomes_another() {
    let server = Server::with_settings(OPEN).await;
    let client = register(&server, json!({})).await;
    assert_eq!(sign_in(&server, &client).await.status, 200);
    let consents = async || server.count("consent").await;
    assert_eq!(consents().await, 1);
    let mut body = as_it_is(&client);
    body["contacts"] = json!(["ops@app.example"]);
    assert_eq!(manage(&server, Method::PUT, &client, &body).await.status, 200);
    assert_eq!(consents().await, 1, "nothing that concerns people changed");
    body["redirect_uris"] = json!([REDIRECT_URI, "https://elsewhere.example/cb"]);
    assert_eq!(manage(&server, Method::PUT, &client, &body).await.status, 200);
    assert_eq!(consents().await, 0);
}

#[tokio::test]
async fn a_client_cannot_change_by_what_names_it_knows_people() {
    let server = Server::with_settings(OPEN).await;
    let client = register(&server, json!({ "subject_type": "pairwise" })).await;
    assert_eq!(sign_in(&server, &client).await.status, 200);
    for (member, value) in
        [("subject_type", json!("public")), ("redirect_uris", json!(["https://elsewhere.example/cb"]))]
    {
        let mut body = as_it_is(&client);
        body[member] = value;
        manage(&server, Method::PUT, &client, &body).await.assert_error(400, "invalid_client_metadata");
    }
    let mut body = as_it_is(&client);
    body["redirect_uris"] = json!(["https://app.example/another"]);
    assert_eq!(manage(&server, Method::PUT, &client, &body).await.status, 200, "of the same host");
}
