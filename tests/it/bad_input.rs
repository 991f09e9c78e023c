//! Bad input to every endpoint: a clear 4xx in the endpoint's own form, JSON for programs and a page for people; never a 5xx,
//! never a panic. Property tests for what reads requests are at the end.

use axum::body::Body;
use countersign::{domain::client::RedirectUri, http::form::Parameters};
use countersign_types::{ClientAuthMethod, ScopeSet};
use http::{Method, Request, request::Builder};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::harness::{REDIRECT_URI, Reply, SECRET, Server, authorize_path, basic, confidential, encode, query_of};

/// What an endpoint says when it cannot help.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Speaks {
    Json,
    Page,
    /// A picture, and a drawing of none.
    Pictures,
}

/// An endpoint, and the parameter that it reads first.
#[derive(Clone, Copy, Debug)]
struct Endpoint {
    path: &'static str,
    parameter: &'static str,
    speaks: Speaks,
}

const fn endpoint(path: &'static str, parameter: &'static str, speaks: Speaks) -> Endpoint {
    Endpoint { path, parameter, speaks }
}

const READ_A_QUERY: [Endpoint; 6] = [
    endpoint("/authorize", "client_id", Speaks::Page),
    endpoint("/authorize/resume", "i", Speaks::Page),
    endpoint("/logout", "id_token_hint", Speaks::Page),
    endpoint("/login", "i", Speaks::Page),
    endpoint("/consent", "i", Speaks::Page),
    endpoint("/link", "t", Speaks::Page),
];

const READ_A_FORM: [Endpoint; 9] = [
    endpoint("/authorize", "client_id", Speaks::Page),
    endpoint("/token", "grant_type", Speaks::Json),
    endpoint("/userinfo", "access_token", Speaks::Json),
    endpoint("/introspect", "token", Speaks::Json),
    endpoint("/revoke", "token", Speaks::Json),
    endpoint("/logout", "id_token_hint", Speaks::Page),
    endpoint("/login", "csrf", Speaks::Page),
    endpoint("/consent", "csrf", Speaks::Page),
    endpoint("/link", "csrf", Speaks::Page),
];

const READ_NOTHING: [&str; 9] = [
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/.well-known/jwks.json",
    "/healthz",
    "/readyz",
    "/",
    "/signed-out",
    "/link/done",
    "/userinfo",
];

const FORM: &str = "application/x-www-form-urlencoded";

async fn server() -> Server {
    let server = Server::start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user("ada@example.com", None).await;
    server
}

fn with_client(request: Builder, endpoint: Endpoint) -> Builder {
    match endpoint.path {
        "/token" | "/introspect" | "/revoke" => request.header("authorization", basic("app", SECRET)),
        _ => request,
    }
}

async fn post(server: &Server, endpoint: Endpoint, content_type: &str, body: impl Into<Body>) -> Reply {
    let mut request = with_client(Request::post(endpoint.path), endpoint);
    if !content_type.is_empty() {
        request = request.header("content-type", content_type);
    }
    server.send(request.body(body.into()).unwrap()).await
}

/// Whether the answer is safe, and an error is in the endpoint's own form.
#[track_caller]
fn assert_answered(endpoint: Endpoint, reply: &Reply) {
    let shown = format!("{endpoint:?}: {} {}", reply.status, reply.text());
    assert!(reply.status < 500, "{shown}");
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{shown}");
    assert!(reply.header("content-security-policy").is_some(), "{shown}");
    assert!(reply.headers.get("planted").is_none(), "{shown}");
    if reply.status < 400 {
        return;
    }
    match endpoint.speaks {
        // RFC 6750 §3.1: who sent no token at all is told nothing but that one is needed.
        Speaks::Json if endpoint.path == "/userinfo" && reply.body.is_empty() => {
            let challenges: Vec<_> = reply.headers.get_all("www-authenticate").iter().collect();
            assert_eq!((reply.status, challenges.len()), (401, 2));
            assert_eq!(challenges[0], "Bearer realm=\"userinfo\"");
        }
        Speaks::Json => reply.assert_error(reply.status, reply.json()["error"].as_str().unwrap()),
        Speaks::Page => reply.assert_page(reply.status),
        Speaks::Pictures => assert_eq!(reply.header("content-type"), Some("image/svg+xml"), "{shown}"),
    }
}

#[track_caller]
fn assert_refused(endpoint: Endpoint, reply: &Reply) {
    assert_answered(endpoint, reply);
    assert!((400..500).contains(&reply.status), "{endpoint:?}: {}", reply.status);
}

/// Tries text that nothing can be read from, in every query and every form.
async fn assert_unreadable(make: impl Fn(&str) -> Vec<String>) {
    let server = server().await;
    for endpoint in READ_A_QUERY {
        for query in make(endpoint.parameter) {
            let reply = server.get(&format!("{}?{query}", endpoint.path)).await;
            assert_refused(endpoint, &reply);
        }
    }
    for endpoint in READ_A_FORM {
        for body in make(endpoint.parameter) {
            assert_refused(endpoint, &post(&server, endpoint, FORM, body).await);
        }
    }
}

/// Tries values that can be read, but mean nothing.
async fn assert_meaningless(values: &[&str]) {
    let server = server().await;
    for value in values {
        for endpoint in READ_A_QUERY {
            let query = encode(&[(endpoint.parameter, value)]);
            assert_answered(endpoint, &server.get(&format!("{}?{query}", endpoint.path)).await);
        }
        for endpoint in READ_A_FORM {
            let body = encode(&[(endpoint.parameter, value)]);
            assert_answered(endpoint, &post(&server, endpoint, FORM, body).await);
        }
    }
}

#[tokio::test]
async fn nothing_at_all() {
    let server = server().await;
    for endpoint in READ_A_QUERY {
        let reply = server.get(endpoint.path).await;
        match endpoint.path {
            // Without a request they are pages of their own.
            "/login" | "/logout" => assert_answered(endpoint, &reply),
            _ => assert_refused(endpoint, &reply),
        }
    }
    for endpoint in READ_A_FORM {
        for content_type in [FORM, ""] {
            let reply = post(&server, endpoint, content_type, "").await;
            match endpoint.path {
                "/logout" => assert_answered(endpoint, &reply),
                _ => assert_refused(endpoint, &reply),
            }
        }
    }
    assert_meaningless(&["", " ", "&", "=", "\t"]).await;
}

#[tokio::test]
async fn a_huge_body() {
    let server = server().await;
    for endpoint in READ_A_FORM {
        for body in [format!("{}={}", endpoint.parameter, "a".repeat(1 << 20)), "a=b&".repeat(1 << 18)] {
            let reply = post(&server, endpoint, FORM, body).await;
            assert_refused(endpoint, &reply);
            assert_eq!(reply.status, 413);
        }
    }
    for path in READ_NOTHING {
        let request = Request::get(path).body(Body::from("a".repeat(1 << 20))).unwrap();
        assert!(server.send(request).await.status < 500, "{path}");
    }
}

#[tokio::test]
async fn a_huge_query() {
    let huge = "a".repeat(60_000);
    let server = server().await;
    for endpoint in READ_A_QUERY {
        for query in [format!("{}={huge}", endpoint.parameter), format!("{huge}=a"), "a&".repeat(30_000)] {
            let reply = server.get(&format!("{}?{query}", endpoint.path)).await;
            assert_answered(endpoint, &reply);
        }
    }
    for path in READ_NOTHING {
        assert!(server.get(&format!("{path}?{huge}")).await.status < 500, "{path}");
    }
    // Long, but right: the answer goes to the client as ever.
    let reply = server.get(&authorize_path("app", &[("state", &huge), ("prompt", "none")])).await;
    assert_eq!(reply.redirect_query()["state"], huge);
}

#[tokio::test]
async fn too_many_parameters() {
    let many = |_: &str| vec![(0..101).map(|at| format!("p{at}=a")).collect::<Vec<_>>().join("&")];
    assert_unreadable(many).await;
}

#[tokio::test]
async fn another_content_type() {
    let server = server().await;
    let types =
        ["text/plain", "application/json", "multipart/form-data; boundary=x", "application/x-www-form", "a", ""];
    for endpoint in READ_A_FORM {
        for content_type in types {
            for body in [encode(&[(endpoint.parameter, "a")]), "{\"grant_type\":\"client_credentials\"}".to_owned()] {
                let reply = post(&server, endpoint, content_type, body).await;
                assert_refused(endpoint, &reply);
                assert_eq!(reply.status, 415, "{endpoint:?} {content_type}");
            }
        }
        let with_charset = post(&server, endpoint, &format!("{FORM}; charset=UTF-8"), "a=b").await;
        assert_ne!(with_charset.status, 415);
    }
}

#[tokio::test]
async fn another_encoding() {
    assert_unreadable(|name| {
        ["%ff", "%c3%28", "%ed%a0%80", "%f8%88%80%80%80", "%e9"].map(|bad| format!("{name}={bad}")).into()
    })
    .await;
    let server = server().await;
    let utf16: Vec<u8> = "client_id=app".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for endpoint in READ_A_FORM {
        for body in [b"a=\xff\xfe".to_vec(), utf16.clone(), vec![0xff; 100]] {
            assert_refused(endpoint, &post(&server, endpoint, FORM, body).await);
        }
    }
}

#[tokio::test]
async fn broken_percent_encoding() {
    assert_unreadable(|name| ["%", "%4", "%zz", "%%41", "a%", "%+1"].map(|bad| format!("{name}={bad}")).into()).await;
    assert_unreadable(|name| vec![format!("{name}%=a"), "%".to_owned()]).await;
}

#[tokio::test]
async fn repeated_parameters() {
    let server = server().await;
    let twice = |name: &str| [format!("{name}=a&{name}=a"), format!("{name}&{name}=b")];
    for endpoint in READ_A_QUERY {
        for query in twice(endpoint.parameter) {
            assert_refused(endpoint, &server.get(&format!("{}?{query}", endpoint.path)).await);
        }
    }
    for endpoint in READ_A_FORM {
        for body in twice(endpoint.parameter) {
            assert_refused(endpoint, &post(&server, endpoint, FORM, body).await);
        }
    }
}

#[tokio::test]
async fn nul() {
    assert_unreadable(|name| vec![format!("{name}=%00"), format!("{name}=a%00b"), format!("{name}%00=a")]).await;
    let server = server().await;
    for endpoint in READ_A_FORM {
        assert_refused(endpoint, &post(&server, endpoint, FORM, "a=\0").await);
    }
}

#[tokio::test]
async fn line_breaks() {
    assert_meaningless(&["\r\nplanted: yes", "a\nplanted: yes", "a\r\n\r\n<script>", "\u{2028}", "\u{85}"]).await;
    let server = server().await;
    let state = "a\r\nplanted: yes";
    let reply = server.get(&authorize_path("app", &[("state", state), ("prompt", "none")])).await;
    assert!(reply.headers.get("planted").is_none());
    assert_eq!(reply.redirect_query()["state"], state);
}

#[tokio::test]
async fn bad_names_in_a_path() {
    let server = server().await;
    let names = ["%00", "a%00b", "%ff", "%0d%0a", "..", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%5c", &"a".repeat(60_000)];
    for name in names {
        let logo = server.get(&format!("/client-logo/{name}")).await;
        assert_refused(endpoint("/client-logo", "", Speaks::Pictures), &logo);
        let asset = server.get(&format!("/assets/{name}")).await;
        assert_refused(endpoint("/assets", "", Speaks::Page), &asset);
    }
    for path in ["/nothing", "/authorize/", "//authorize", "/Authorize", "/token/a", "/.well-known", "/%2e%2e/etc"] {
        server.get(path).await.assert_page(404);
    }
}

#[tokio::test]
async fn another_method() {
    let server = server().await;
    let pages =
        ["/authorize", "/authorize/resume", "/logout", "/", "/login", "/consent", "/signed-out", "/link", "/link/done"];
    let others = ["/client-logo/app", "/assets/style.css"];
    let programs = [
        "/token",
        "/userinfo",
        "/introspect",
        "/revoke",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/jwks.json",
        "/healthz",
        "/readyz",
    ];
    let pages = pages.into_iter().chain(others).map(|path| (path, Speaks::Page));
    for (path, speaks) in pages.chain(programs.into_iter().map(|path| (path, Speaks::Json))) {
        for method in ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"] {
            let request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
            let reply = server.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(reply.status, 405, "{method} {path}");
            assert!(reply.header("allow").is_some_and(|methods| !methods.is_empty()), "{path}");
            assert_refused(endpoint(path, "", speaks), &reply);
        }
    }
    for path in ["/token", "/introspect", "/revoke"] {
        server.get(path).await.assert_error(405, "invalid_request");
    }
    for path in ["/authorize/resume", "/", "/signed-out", "/link/done"] {
        server.post(path, &[], &[]).await.assert_page(405);
    }
}

#[tokio::test]
async fn headers_that_nobody_sends() {
    let server = server().await;
    let values: [&[u8]; 5] = [b"\xff\xfe", b"", b"Basic", b"Basic \xe9\xe9", b"Bearer \xc3\xa9"];
    for path in ["/authorize", "/login", "/userinfo", "/", "/.well-known/jwks.json"] {
        for name in
            ["authorization", "cookie", "origin", "user-agent", "content-type", "if-none-match", "x-forwarded-for"]
        {
            for value in values {
                let request = Request::get(path).header(name, value).body(Body::empty()).unwrap();
                assert!(server.send(request).await.status < 500, "{name} to {path}");
            }
        }
    }
    for value in values {
        let request = Request::post("/token").header("authorization", value).header("content-type", FORM);
        let reply = server.send(request.body(Body::from("grant_type=client_credentials")).unwrap()).await;
        reply.assert_error(401, "invalid_client");
    }
}

// ------------------------------------------------------------------------------------------------ properties

const CASES: u32 = 64;

/// Tries a property of answers to requests that are made up from values.
fn for_all<S: Strategy>(values: &S, property: &impl AsyncFn(&Server, S::Value)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(server());
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    let checked = TestRunner::new(config).run(values, |value| {
        runtime.block_on(property(&server, value));
        Ok(())
    });
    checked.unwrap();
}

/// Text of any characters but NUL, which is refused before it is read.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[^\u{0}]{0,40}", "[ -~]{0,40}", Just(String::new()), "[%&=+;\r\n]{0,10}"]
}

#[test]
fn any_bytes_are_answered_as_a_form() {
    let bytes = prop::collection::vec(any::<u8>(), 0..300);
    for_all(&(bytes, 0..READ_A_FORM.len()), &async |server, (bytes, at)| {
        let endpoint = READ_A_FORM[at];
        assert_answered(endpoint, &post(server, endpoint, FORM, bytes).await);
    });
}

#[test]
fn any_authorization_request_ends_with_us_or_at_the_registered_uri() {
    let names =
        ["scope", "state", "nonce", "prompt", "max_age", "response_mode", "response_type", "login_hint", "claims"];
    let further = ["acr_values", "ui_locales", "code_challenge", "code_challenge_method", "id_token_hint", "display"];
    let names: Vec<_> = names.into_iter().chain(further).collect();
    let parameters = prop::collection::btree_map(prop::sample::select(names), text(), 0..6);
    for_all(&parameters, &async |server, parameters| {
        let pairs: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let reply = server.get(&authorize_path("app", &pairs)).await;
        let location = reply.location();
        if location.starts_with("/login?i=") {
            return;
        }
        assert!(
            location.starts_with(&format!("{REDIRECT_URI}?")) || location.starts_with(&format!("{REDIRECT_URI}#")),
            "{location}"
        );
        let answer = query_of(&location.replacen('#', "?", 1));
        let state = parameters.get("state").map_or("the state", String::as_str);
        assert_eq!(answer.get("state").map_or("", String::as_str), state);
        assert!(answer.contains_key("error") && answer.contains_key("iss"));
    });
}

#[test]
fn any_redirect_uri_but_the_registered_one_gets_a_page() {
    let near = (0..=REDIRECT_URI.len(), text()).prop_map(|(at, text)| {
        let (before, after) = REDIRECT_URI.split_at(at);
        format!("{before}{text}{after}")
    });
    for_all(&prop_oneof![near, text()], &async |server, uri| {
        if uri == REDIRECT_URI {
            return;
        }
        server.get(&authorize_path("app", &[("redirect_uri", &uri)])).await.assert_page(400);
    });
}

#[test]
fn any_basic_header_but_the_right_one_is_refused() {
    let header = prop_oneof![
        (text(), text()).prop_map(|(id, secret)| basic(&id, &secret)),
        text().prop_map(|secret| basic("app", &secret)),
        "[Bb]asic [A-Za-z0-9+/=]{0,40}",
        "[ -~]{0,40}",
    ];
    for_all(&header, &async |server, header| {
        let form = [("grant_type", "client_credentials")];
        server.post("/token", &[("authorization", &header)], &form).await.assert_error(401, "invalid_client");
    });
}

#[test]
fn any_scope_is_granted_or_refused() {
    for_all(&text(), &async |server, scope| {
        let reply = server.get(&authorize_path("app", &[("scope", &format!("openid {scope}"))])).await;
        assert_eq!(reply.status, 303);
    });
}

#[test]
fn any_cookie_signs_nobody_in() {
    let cookie = prop_oneof![
        "[ -~]{0,60}",
        "countersign_session=[A-Za-z0-9_-]{0,60}(; countersign_browser=[!-~]{0,60})?",
        "(countersign_(session|browser|device)=[!-~]{0,9}[;,= ]){0,5}",
    ];
    for_all(&cookie, &async |server, cookie| {
        let request = Request::get(authorize_path("app", &[("prompt", "none")])).header("cookie", cookie);
        let reply = server.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(reply.redirect_query()["error"], "login_required");
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parameters_read_the_same_when_written_again(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(parameters) = Parameters::parse(&bytes) {
            let written = parameters.encode();
            prop_assert_eq!(Parameters::parse(written.as_bytes()).unwrap().encode(), written);
        }
    }

    #[test]
    fn a_web_redirect_uri_matches_itself_alone(uri in "https://[a-z]{1,9}\\.example(:[0-9]{1,4})?/[a-z?=&%]{0,9}", other in "[ -~]{0,60}") {
        if let Ok(registered) = uri.parse::<RedirectUri>() {
            prop_assert!(registered.matches(&uri));
            prop_assert_eq!(registered.matches(&other), other == uri);
            let longer = format!("{uri}/{other}");
            prop_assert!(!registered.matches(&longer));
        }
    }

    #[test]
    fn a_loopback_redirect_uri_frees_its_port_alone(port in "[0-9]{1,6}", path in "(/[a-z]{0,5}(\\?[a-z]{0,5})?)?", other in "([ -/:-~][ -~]{0,20})?") {
        let registered: RedirectUri = format!("http://127.0.0.1{path}").parse().unwrap();
        let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
        let asked = format!("http://127.0.0.1:{port}{path}");
        prop_assert_eq!(registered.matches(&asked), is_port);
        let elsewhere = format!("http://127.0.0.1:{port}{other}");
        prop_assert!(!registered.matches(&elsewhere) || other == path || elsewhere == registered.as_str());
    }

    #[test]
    fn scopes_read_the_same_when_written_again(text in ".{0,40}") {
        if let Ok(scopes) = text.parse::<ScopeSet>() {
            let written = scopes.to_string();
            prop_assert_eq!(written.parse::<ScopeSet>().unwrap(), scopes);
            prop_assert!(written.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        }
    }
}
