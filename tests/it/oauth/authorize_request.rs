//! The authorization request (OpenID Connect Core §3.1.2.1, RFC 6749 §4.1.1, RFC 7636 §4.3): what is wrong with it, and who
//! is told.

use countersign::domain::client::ClientMetadata;
use countersign_types::{ClientAuthMethod, GrantType};

use crate::harness::{
    CHALLENGE, ISSUER, REDIRECT_URI, Reply, Server, TestClient, authorize_path, confidential, encode, native, public,
    query_of,
};

fn app_with(change: impl FnOnce(&mut ClientMetadata)) -> TestClient {
    confidential(ClientAuthMethod::ClientSecretBasic, change)
}

async fn start_with(client: TestClient) -> Server {
    let server = Server::start().await;
    server.add_client("app", client).await;
    server
}

async fn start() -> Server {
    start_with(app_with(|_| {})).await
}

/// A request with these parameters beside or instead of the usual ones; one that is empty is left out.
async fn ask(server: &Server, parameters: &[(&str, &str)]) -> Reply {
    server.browser().authorize("app", parameters).await
}

#[tokio::test]
async fn a_request_may_come_by_get() {
    ask(&start().await, &[]).await.assert_login_page();
}

#[tokio::test]
async fn a_request_may_come_by_post_of_a_form() {
    let server = start().await;
    let path = authorize_path("app", &[("prompt", "login")]);
    let query = query_of(&path);
    let form: Vec<(&str, &str)> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut browser = server.browser();
    let reply = browser.post("/authorize", &form).await;
    browser.follow(reply).await.assert_login_page();
    let broken = server.post("/authorize", &[], &[&form[..], &[("state", "again")]].concat()).await;
    broken.assert_refused("invalid_request");
}

#[tokio::test]
async fn repeated_parameters_are_refused() {
    let server = start().await;
    let path = authorize_path("app", &[]);
    for repeated in ["scope=openid", "nonce=another", "response_type=code", "unknown=1&unknown=2", "prompt=&prompt="] {
        server.get(&format!("{path}&{repeated}")).await.assert_refused("invalid_request");
    }
    // Which state is the client's nobody can say.
    let query = server.get(&format!("{path}&state=another")).await.assert_refused("invalid_request");
    assert!(!query.contains_key("state"));
    // Nor who asks, or where to answer.
    server.get(&format!("{path}&client_id=app")).await.assert_page(400);
    server.get(&format!("{path}&{}", encode(&[("redirect_uri", REDIRECT_URI)]))).await.assert_page(400);
}

#[tokio::test]
async fn unknown_parameters_are_ignored() {
    ask(&start().await, &[("resource_owner", "x"), ("audience", "y"), ("claim", "{")]).await.assert_login_page();
}

#[tokio::test]
async fn wishes_are_never_an_error() {
    let server = start().await;
    for wish in [
        ("display", "hologram"),
        ("ui_locales", "tlh xx-YY \u{1f680}"),
        ("claims_locales", "no such language"),
        ("acr_values", "urn:example:gold"),
        ("login_hint", "<script>alert(1)</script>"),
    ] {
        ask(&server, &[wish]).await.assert_login_page();
    }
}

#[tokio::test]
async fn an_unknown_client_is_a_page() {
    let server = Server::start().await;
    ask(&server, &[]).await.assert_page(400);
    let (metadata, secret) = app_with(|_| {});
    let mut client = server.add_client("app", (metadata, secret)).await;
    client.enabled = false;
    server.update_client(&client).await;
    ask(&server, &[]).await.assert_page(400);
    server.get("/authorize").await.assert_page(400);
}

#[tokio::test]
async fn an_unregistered_redirect_uri_is_a_page() {
    let server = start().await;
    for other in ["https://evil.example/cb", "https://app.example/cb/", "https://app.example/cb?x=1", "/cb"] {
        let reply = ask(&server, &[("redirect_uri", other), ("prompt", "none")]).await;
        reply.assert_page(400);
        assert!(!reply.text().contains("evil"));
    }
}

#[tokio::test]
async fn redirect_uris_are_compared_with_their_query() {
    let registered = "https://app.example/cb?tenant=%61";
    let server = start_with(app_with(|client| client.redirect_uris = vec![registered.parse().unwrap()])).await;
    let prompt = ("prompt", "none");
    let reply = ask(&server, &[("redirect_uri", registered), prompt]).await;
    assert!(reply.location().starts_with(&format!("{registered}&error=login_required&")), "{}", reply.location());
    for other in ["https://app.example/cb", "https://app.example/cb?tenant=a", "https://app.example/cb?tenant=%61&x=1"]
    {
        ask(&server, &[("redirect_uri", other), prompt]).await.assert_page(400);
    }
}

#[tokio::test]
async fn only_native_loopback_has_a_free_port() {
    let server = start_with(native()).await;
    for port in [":49152", ""] {
        let uri = format!("http://127.0.0.1{port}/cb");
        let reply = ask(&server, &[("redirect_uri", &uri), ("prompt", "none")]).await;
        assert!(reply.location().starts_with(&format!("{uri}?error=login_required")), "{}", reply.location());
    }
    for other in ["http://127.0.0.1:49152/other", "http://localhost:49152/cb", "https://127.0.0.1:49152/cb"] {
        ask(&server, &[("redirect_uri", other)]).await.assert_page(400);
    }
}

#[tokio::test]
async fn with_several_registered_a_missing_redirect_uri_is_a_page() {
    let two = |client: &mut ClientMetadata| client.redirect_uris.push("https://app.example/other".parse().unwrap());
    let server = start_with(app_with(two)).await;
    server.add_api("https://journal.example", &["journal.read"], &[], false).await;
    ask(&server, &[("redirect_uri", ""), ("scope", "journal.read")]).await.assert_page(400);
}

#[tokio::test]
async fn with_openid_redirect_uri_is_required() {
    let server = start_with(app_with(|client| client.scope = "openid journal.read".parse().unwrap())).await;
    server.add_api("https://journal.example", &["journal.read"], &[], false).await;
    ask(&server, &[("redirect_uri", "")]).await.assert_page(400);
    // RFC 6749 §3.1.2.3: without openid, the one that is registered is meant.
    ask(&server, &[("redirect_uri", ""), ("scope", "journal.read")]).await.assert_login_page();
}

#[tokio::test]
async fn a_missing_response_type_is_an_invalid_request_to_the_client() {
    ask(&start().await, &[("response_type", "")]).await.assert_refused("invalid_request");
}

#[tokio::test]
async fn response_types_that_are_not_supported_are_refused() {
    let server = start().await;
    for response_type in ["none", "Code", "code code"] {
        ask(&server, &[("response_type", response_type)]).await.assert_refused("unsupported_response_type");
    }
}

#[tokio::test]
async fn a_client_uses_only_what_it_registered() {
    let server = start_with(app_with(|client| client.response_types.clear())).await;
    ask(&server, &[]).await.assert_refused("unauthorized_client");
    let server = start_with(app_with(|client| client.grant_types = [GrantType::RefreshToken].into())).await;
    ask(&server, &[]).await.assert_refused("unauthorized_client");
}

#[tokio::test]
async fn every_answer_carries_state_untouched_and_iss() {
    let server = start().await;
    for state in ["a b+c%20d&e=f#g\"<>", "ünïcödé \u{1f680}", &"s".repeat(128), &"t".repeat(4_000)] {
        let query = ask(&server, &[("state", state), ("prompt", "none")]).await.assert_refused("login_required");
        assert_eq!((query["state"].as_str(), query["iss"].as_str()), (state, ISSUER));
    }
    let query = ask(&server, &[("state", ""), ("prompt", "none")]).await.assert_refused("login_required");
    assert!(!query.contains_key("state"));
}

#[tokio::test]
async fn response_mode_fragment_leaves_the_query_empty() {
    let server = start().await;
    let reply = ask(&server, &[("response_mode", "fragment"), ("prompt", "none")]).await;
    assert!(reply.location().starts_with("https://app.example/cb#error=login_required"), "{}", reply.location());
    for unknown in ["jwt", "query.jwt", "form_post.jwt", "web_message"] {
        ask(&server, &[("response_mode", unknown)]).await.assert_refused("invalid_request");
    }
}

#[tokio::test]
async fn pkce_is_s256_only() {
    let server = start().await;
    let plain = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    for method in ["plain", "", "s256"] {
        let parameters = [("code_challenge", plain), ("code_challenge_method", method)];
        ask(&server, &parameters).await.assert_refused("invalid_request");
    }
    for challenge in ["", "short", &CHALLENGE[1..], &format!("{CHALLENGE}A"), &CHALLENGE.replace('-', "+")] {
        ask(&server, &[("code_challenge", challenge)]).await.assert_refused("invalid_request");
    }
}

const NO_PKCE: [(&str, &str); 2] = [("code_challenge", ""), ("code_challenge_method", "")];

#[tokio::test]
async fn pkce_is_required_of_all_unless_a_confidential_client_is_exempt() {
    let server = start().await;
    ask(&server, &NO_PKCE).await.assert_refused("invalid_request");
    let server = start_with(app_with(|client| client.pkce_exempt = true)).await;
    ask(&server, &NO_PKCE).await.assert_login_page();
    // A public client cannot be exempt, whatever its row says.
    let (mut metadata, secret) = public();
    metadata.pkce_exempt = true;
    let server = start_with((metadata, secret)).await;
    ask(&server, &NO_PKCE).await.assert_refused("invalid_request");
}

#[tokio::test]
async fn pkce_required_public_leaves_confidential_clients_alone() {
    let server = Server::with_settings("pkce.required = 'public'").await;
    server.add_client("app", app_with(|_| {})).await;
    ask(&server, &NO_PKCE).await.assert_login_page();
    server.add_client("public", public()).await;
    server.browser().authorize("public", &NO_PKCE).await.assert_refused("invalid_request");
}

#[tokio::test]
async fn prompt_none_with_another_value_is_an_invalid_request() {
    let server = start().await;
    for prompt in ["none login", "consent none", "none create", "create", "NONE", "nonsense"] {
        ask(&server, &[("prompt", prompt)]).await.assert_refused("invalid_request");
    }
}

#[tokio::test]
async fn max_age_is_a_number_of_seconds() {
    let server = start().await;
    for max_age in ["-1", "1.5", "soon", "1e3", "99999999999"] {
        ask(&server, &[("max_age", max_age)]).await.assert_refused("invalid_request");
    }
    ask(&server, &[("max_age", "0")]).await.assert_login_page();
}

#[tokio::test]
async fn nonce_is_optional_in_the_code_flow() {
    ask(&start().await, &[("nonce", "")]).await.assert_login_page();
}

#[tokio::test]
async fn scopes_that_nobody_knows_are_ignored_and_foreign_ones_refused() {
    let server = start_with(app_with(|client| client.scope = "openid email".parse().unwrap())).await;
    ask(&server, &[("scope", "openid  unknown.scope email")]).await.assert_login_page();
    for scope in ["", "openid profile", "unknown.scope", "openid a\"b", "openid\u{1f680}"] {
        ask(&server, &[("scope", scope)]).await.assert_refused("invalid_scope");
    }
}

#[tokio::test]
async fn a_hint_that_is_no_id_token_of_ours_is_an_invalid_request() {
    let server = start().await;
    for hint in ["rubbish", "e30.e30.", "eyJhbGciOiJub25lIn0.e30."] {
        ask(&server, &[("id_token_hint", hint), ("prompt", "none")]).await.assert_refused("invalid_request");
    }
}

#[tokio::test]
async fn broken_encoding_is_a_page() {
    let server = start().await;
    let path = authorize_path("app", &[]);
    for broken in ["&x=%", "&x=%ff", "&x=%00", "&state=%zz"] {
        server.get(&format!("{path}{broken}")).await.assert_page(400);
    }
    let json = http::Request::post("/authorize").header("content-type", "application/json").body("{}".into());
    server.send(json.unwrap()).await.assert_page(415);
}

#[tokio::test]
async fn an_unauthenticated_request_stores_nothing_unless_it_is_long() {
    let server = start().await;
    ask(&server, &[("state", &"s".repeat(1_000))]).await;
    assert_eq!(server.count("pushed_request").await, 0);
    ask(&server, &[("state", &"s".repeat(4_000))]).await;
    assert_eq!(server.count("pushed_request").await, 1);
}

#[tokio::test]
async fn a_network_has_at_most_a_hundred_long_requests_under_way() {
    let server = start().await;
    let long = "s".repeat(4_000);
    for _ in 0..100 {
        assert_eq!(server.get(&authorize_path("app", &[("state", &long)])).await.status, 303);
    }
    ask(&server, &[("state", &long)]).await.assert_page(503);
    let request = http::Request::get(authorize_path("app", &[("state", &long)])).body(axum::body::Body::empty());
    assert_eq!(server.send_from("198.51.100.7".parse().unwrap(), request.unwrap()).await.status, 303);
    // They are forgotten with the time that a sign-in may take.
    server.advance(chrono::TimeDelta::minutes(30));
    ask(&server, &[("state", &long)]).await.assert_login_page();
    server.keep_house().await;
    assert_eq!(server.count("pushed_request").await, 1);
}
