//! What a caller reads: RFC 6750 §3, RFC 9470 §3, RFC 9728.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, Response, StatusCode, header},
    routing::get,
};
use countersign_resource_server::{
    AccessToken, Authorized, Caller, Require, RequireAcr, RequireRole, RequireScope, RequiredScope, ResourceServer,
};
use serde_json::json;
use tower::ServiceExt as _;

use crate::harness::{AUDIENCE, Api, Provider};

#[tokio::test]
async fn no_token_is_401_with_a_bare_challenge() {
    let provider = Provider::start().await;
    let api = provider.api();
    for request in [Request::get("/"), Request::get("/").header(header::AUTHORIZATION, "Basic YTpi")] {
        let seen = api.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!((seen.status, seen.challenge(), seen.body.as_str()), (StatusCode::UNAUTHORIZED, "Bearer", ""));
    }
}

#[tokio::test]
async fn a_token_in_the_query_or_the_form_is_no_token() {
    let provider = Provider::start().await;
    let api = provider.api();
    let token = provider.token();
    assert_eq!(api.get(&format!("/?access_token={token}")).await.status, StatusCode::UNAUTHORIZED);
    let form = Request::get("/")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(format!("access_token={token}")))
        .unwrap();
    assert_eq!(api.send(form).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_sent_twice_or_badly_is_400() {
    let provider = Provider::start().await;
    let api = provider.api();
    let bearer = format!("Bearer {}", provider.token());
    let twice = Request::get("/").header(header::AUTHORIZATION, &bearer).header(header::AUTHORIZATION, &bearer);
    let query = Request::get("/?access_token=x").header(header::AUTHORIZATION, &bearer);
    let list = Request::get("/").header(header::AUTHORIZATION, format!("{bearer}, {bearer}"));
    let empty = Request::get("/").header(header::AUTHORIZATION, "Bearer ");
    let bytes = Request::get("/").header(header::AUTHORIZATION, &b"Bearer \xff\xfe"[..]);
    for request in [twice, query, list, empty, bytes] {
        let seen = api.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{seen:?}");
        assert!(seen.challenge().starts_with("Bearer error=\"invalid_request\", "), "{seen:?}");
        assert_eq!(seen.json()["error"], "invalid_request");
    }
}

#[tokio::test]
async fn a_missing_scope_is_403_and_named() {
    let provider = Provider::start().await;
    let api = provider.api();
    assert_eq!(api.get_with("/read", &provider.token()).await.status, StatusCode::OK);
    for scope in ["", "journal", "journal.reader", "JOURNAL.READ", "openid journal.write"] {
        let seen = api.get_with("/read", &provider.token_with("scope", json!(scope))).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{scope}");
        assert_eq!(
            seen.challenge(),
            "Bearer error=\"insufficient_scope\", \
             error_description=\"the access token lacks a scope that is needed\", scope=\"journal.read\""
        );
        assert_eq!(seen.json()["error"], "insufficient_scope");
    }
    assert_eq!(api.get_with("/read", &provider.token_without("scope")).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn several_scopes_are_all_needed() {
    let provider = Provider::start().await;
    let api = provider.api();
    let seen = api.get_with("/both", &provider.token()).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    assert!(seen.challenge().ends_with("scope=\"journal.read journal.write\""), "{seen:?}");
    let token = provider.token_with("scope", json!("openid journal.write journal.read"));
    assert_eq!(api.get_with("/both", &token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_weak_or_old_sign_in_is_told_what_is_needed() {
    let provider = Provider::start().await;
    let api = provider.api();
    let token = provider.token();
    assert_eq!(api.get_with("/step-up", &token).await.body, "done");

    let challenge = "Bearer error=\"insufficient_user_authentication\", \
                     error_description=\"a stronger or more recent sign-in is needed\", \
                     acr_values=\"urn:example:strong urn:countersign:acr:pwd\", max_age=\"60\"";
    for token in [
        provider.token_with("acr", json!("urn:example:weak")),
        provider.token_without("acr"),
        provider.token_without("auth_time"),
        provider.token_with("auth_time", json!(0)),
    ] {
        let seen = api.get_with("/step-up", &token).await;
        assert_eq!((seen.status, seen.challenge()), (StatusCode::UNAUTHORIZED, challenge));
    }
    provider.clock.advance(40);
    assert_eq!(api.get_with("/step-up", &token).await.status, StatusCode::OK, "60 s and the leeway");
    provider.clock.advance(1);
    assert_eq!(api.get_with("/step-up", &token).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_client_on_its_own_behalf_is_no_person() {
    let provider = Provider::start().await;
    let api = provider.api();
    assert_eq!(api.get_with("/person", &provider.token()).await.body, "Some(\"ada\")");
    // Another issuer's token has no `gid`.
    assert_eq!(api.get_with("/person", &provider.token_without("gid")).await.body, "Some(\"ada\")");
    assert_eq!(api.get_with("/person", &provider.token_with("sub", json!("app"))).await.body, "None");
}

#[tokio::test]
async fn an_extractor_without_the_layer_fails_closed() {
    let provider = Provider::start().await;
    let api = provider.api();
    for path in ["/forgotten", "/forgotten-scope"] {
        let seen = api.get_with(path, &provider.token()).await;
        assert_eq!((seen.status, seen.challenge()), (StatusCode::INTERNAL_SERVER_ERROR, ""));
        assert_eq!(seen.json()["error"], "server_error");
    }
}

#[tokio::test]
async fn metadata_is_published_and_named_in_every_challenge() {
    let provider = Provider::start().await;
    let server = provider.builder().publish_metadata(["journal.read", "journal.write"]).build().unwrap();
    let api = Api::new(&server);
    let seen = api.get("/.well-known/oauth-protected-resource").await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(seen.headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(
        seen.json(),
        json!({
            "resource": AUDIENCE,
            "authorization_servers": [provider.issuer],
            "scopes_supported": ["journal.read", "journal.write"],
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": ["ES256", "EdDSA", "PS256"],
        })
    );
    let named = format!("resource_metadata=\"{AUDIENCE}/.well-known/oauth-protected-resource\"");
    assert_eq!(api.get("/").await.challenge(), format!("Bearer {named}"));
    for token in ["a.b.c", &provider.token_with("scope", json!("none"))] {
        let seen = api.get_with("/read", token).await;
        assert!(seen.challenge().ends_with(&format!(", {named}")), "{seen:?}");
    }
}

#[tokio::test]
async fn metadata_is_off_by_default() {
    let provider = Provider::start().await;
    assert_eq!(provider.api().get("/.well-known/oauth-protected-resource").await.status, StatusCode::NOT_FOUND);
}

#[test]
fn a_scope_list_is_checked_when_it_compiles() {
    use countersign_resource_server::is_scope_list;
    for text in ["a", "journal.read", "a b c", "!#[]~"] {
        assert!(is_scope_list(text), "{text}");
    }
    for text in ["", " ", "a ", " a", "a  b", "a\"", "a\\", "a\tb", "ä"] {
        assert!(!is_scope_list(text), "{text}");
    }
}

struct ForEditors;

impl RequiredScope for ForEditors {
    const SCOPE: &'static str = "journal.read";
    const ROLES: &'static [&'static str] = &["editor", "admin"];
}

/// Where a token may be missing, and where a role is needed.
fn more(server: &ResourceServer) -> Router {
    let greeting = async |caller: Option<Caller>| caller.map_or("nobody".to_owned(), |caller| caller.sub.clone());
    let with_role =
        async |caller: Caller| caller.require(&Require::scope("journal.read").role("admin")).map(|()| "done");
    Router::new()
        .route("/greeting", get(greeting))
        .route("/own", get(async |caller: Caller| caller.sub.clone()))
        .layer(server.layer().optional())
        .merge(
            Router::new()
                .route("/editors", get(async |_: Authorized<ForEditors>| "editors"))
                .route("/admins", get(with_role))
                .layer(server.layer()),
        )
}

async fn ask(api: &Router, path: &str, token: Option<&str>) -> (u16, HeaderMap, String) {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = api.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(axum::body::to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    (parts.status.as_u16(), parts.headers, body)
}

#[tokio::test]
async fn where_a_token_may_be_missing_a_bad_one_is_refused_all_the_same() {
    let provider = Provider::start().await;
    let api = more(&provider.builder().build().unwrap());
    let seen = ask(&api, "/greeting", None).await;
    assert_eq!((seen.0, seen.2.as_str()), (200, "nobody"));
    let seen = ask(&api, "/greeting", Some(&provider.token())).await;
    assert_eq!((seen.0, seen.2.as_str()), (200, "ada"));
    assert_eq!(ask(&api, "/greeting", Some("a.b.c")).await.0, 401);
    // A handler that needs somebody says so.
    let (status, headers, _) = ask(&api, "/own", None).await;
    assert_eq!((status, headers["www-authenticate"].to_str().unwrap()), (401, "Bearer"));
}

#[tokio::test]
async fn a_role_that_is_needed_is_403_without_it() {
    let provider = Provider::start().await;
    let api = more(&provider.builder().build().unwrap());
    let with = |roles: serde_json::Value| provider.token_with("roles", roles);
    for (roles, editors, admins) in [
        (json!([]), 403, 403),
        (json!(["reader"]), 403, 403),
        (json!(["editor"]), 200, 403),
        (json!(["reader", "admin"]), 200, 200),
    ] {
        let token = with(roles.clone());
        assert_eq!(ask(&api, "/editors", Some(&token)).await.0, editors, "{roles}");
        assert_eq!(ask(&api, "/admins", Some(&token)).await.0, admins, "{roles}");
    }
    let (_, headers, body) = ask(&api, "/admins", Some(&provider.token())).await;
    assert!(headers["www-authenticate"].to_str().unwrap().contains("error=\"insufficient_scope\""));
    assert!(!body.contains("admin"), "who may is nobody else's business: {body}");
}

#[derive(serde::Deserialize)]
struct Departmental {
    sub: String,
    department: String,
}

#[tokio::test]
async fn claims_may_be_read_in_a_form_of_ones_own_the_second_time_too() {
    let provider = Provider::start().await;
    let tokens = provider.builder().build().unwrap();
    let hello = async |token: AccessToken<Departmental>| format!("{} of {}", token.sub, token.department);
    let claims = async |token: AccessToken| token.claims.jti.to_string();
    let app = Router::new().route("/", get(hello)).route("/jti", get(claims)).layer(tokens.layer());
    let ask = async |path: &str, token: &str| {
        let request =
            Request::get(path).header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        (
            response.status().as_u16(),
            String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap(),
        )
    };
    let token = provider.token_with("department", json!("poetry"));
    for _ in 0..2 {
        assert_eq!(ask("/", &token).await, (200, "ada of poetry".to_owned()));
        assert_eq!(ask("/jti", &token).await, (200, "t1".to_owned()));
    }
    let (status, body) = ask("/", &provider.token()).await;
    assert_eq!(status, 401);
    assert!(body.contains("invalid_token") && body.contains("claims"), "{body}");
}

#[tokio::test]
async fn a_requirement_guards_all_routes_that_it_wraps() {
    let provider = Provider::start().await;
    let tokens = provider.builder().build().unwrap();
    let guard = Require::scope("journal.read").role("editor").max_age(Duration::from_mins(1));
    let app = Router::new().route("/", get(async || "edited")).layer(guard.clone()).layer(tokens.layer());
    let ask = async |app: &Router, token: &str| {
        let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), challenge.unwrap_or_default())
    };
    let editor = provider.token_with("roles", json!(["reader", "editor"]));
    assert_eq!(ask(&app, &editor).await, (200, String::new()));
    let (status, challenge) = ask(&app, &provider.token()).await;
    assert_eq!(status, 403);
    assert!(challenge.starts_with("Bearer error=\"insufficient_scope\""), "{challenge}");
    provider.clock.advance(120);
    let (status, challenge) = ask(&app, &editor).await;
    assert_eq!(status, 401);
    assert!(
        challenge.contains("insufficient_user_authentication") && challenge.contains("max_age=\"60\""),
        "{challenge}"
    );
    let forgotten = Router::new().route("/", get(async || "edited")).layer(guard);
    assert_eq!(ask(&forgotten, &editor).await.0, 500);
}

#[tokio::test]
async fn any_service_of_http_can_be_guarded() {
    let provider = Provider::start().await;
    let tokens = provider.builder().build().unwrap();
    // Its bodies are plain text: nothing of axum is in it.
    let service = tower::service_fn(async |request: Request<()>| {
        let caller = Caller::of(request.extensions()).unwrap();
        Ok::<_, std::convert::Infallible>(Response::new(caller.sub.clone()))
    });
    let guarded = tower::Layer::layer(&tokens.layer(), tower::Layer::layer(&Require::scope("journal.read"), service));
    let request = Request::get("/").header("authorization", format!("Bearer {}", provider.token()));
    let response = guarded.clone().oneshot(request.body(()).unwrap()).await.unwrap();
    assert_eq!((response.status().as_u16(), response.body().as_str()), (200, "ada"));
    let response = guarded.oneshot(Request::get("/").body(()).unwrap()).await.unwrap();
    assert_eq!((response.status().as_u16(), response.body().as_str()), (401, ""));
}

#[tokio::test]
async fn one_thing_alone_can_be_required_of_a_route() {
    let provider = Provider::start().await;
    let tokens = provider.builder().build().unwrap();
    let done = || get(async || "done");
    let api = Router::new()
        .route("/scope", done().layer(RequireScope::new("journal.read journal.write")))
        .route("/role", done().layer(RequireRole::new("editor").or("owner")))
        .route(
            "/acr",
            done().layer(RequireAcr::new("strong").or("urn:countersign:acr:pwd").max_age(Duration::from_mins(1))),
        )
        .layer(tokens.layer());
    let ask = async |path: &str, token: &str| {
        let request =
            Request::get(path).header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
        let response = api.clone().oneshot(request).await.unwrap();
        let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), challenge.unwrap_or_default())
    };
    for (path, name, good) in [
        ("/scope", "scope", json!("journal.read journal.write")),
        ("/role", "roles", json!(["owner"])),
        ("/acr", "acr", json!("strong")),
    ] {
        assert_eq!(ask(path, &provider.token_with(name, good)).await, (200, String::new()), "{path}");
    }
    let token = provider.token();
    assert_eq!(
        (ask("/scope", &token).await.0, ask("/role", &token).await.0, ask("/acr", &token).await.0),
        (403, 403, 200)
    );
    provider.clock.advance(120);
    let (status, challenge) = ask("/acr", &token).await;
    assert_eq!(status, 401);
    assert!(challenge.contains("acr_values=\"strong urn:countersign:acr:pwd\", max_age=\"60\""), "{challenge}");
}
