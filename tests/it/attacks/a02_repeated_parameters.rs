//! Attack 2: the same parameter twice, or as an array, in the hope that two readers read two different things
//! (RFC 6749 §3.1 and §3.2).

use axum::body::Body;
use countersign_types::ClientAuthMethod;
use http::Request;

use crate::harness::{
    REDIRECT_URI, Reply, SECRET, Server, VERIFIER, authorize_path, basic, confidential, encode, query_of,
};

async fn server() -> Server {
    let server = Server::start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_client("post", confidential(ClientAuthMethod::ClientSecretPost, |_| {})).await;
    server.add_user("ada@example.com", None).await;
    server
}

fn owned(path: &str) -> Vec<(String, String)> {
    query_of(path).into_iter().collect()
}

async fn post_text(server: &Server, path: &str, body: String) -> Reply {
    let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    server.send(request.header("authorization", basic("app", SECRET)).body(Body::from(body)).unwrap()).await
}

/// Tries each parameter of an authorization request twice: once in the query, once in a form.
#[tokio::test]
async fn twice_in_an_authorization_request() {
    let server = server().await;
    let path = authorize_path("app", &[]);
    for (name, value) in owned(&path) {
        for again in [value.as_str(), "other"] {
            let further = encode(&[(&name, again)]);
            let in_query = server.get(&format!("{path}&{further}")).await;
            let body = format!("{}&{further}", path.strip_prefix("/authorize?").unwrap());
            let in_form = post_text(&server, "/authorize", body).await;
            for reply in [in_query, in_form] {
                if name == "client_id" || name == "redirect_uri" {
                    reply.assert_page(400);
                } else {
                    assert!(reply.location().starts_with(REDIRECT_URI), "{name}");
                    assert_eq!(reply.redirect_query()["error"], "invalid_request", "{name}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_repeated_state_is_not_sent_back() {
    let server = server().await;
    let reply = server.get(&(authorize_path("app", &[]) + "&state=other")).await;
    assert!(!reply.redirect_query().contains_key("state"));
}

#[tokio::test]
async fn twice_under_another_spelling_of_the_name() {
    let server = server().await;
    let evil = encode(&[("", "https://evil.example/cb")]);
    for name in ["redirect%5Furi", "%72edirect_uri", "redirect_ur%69"] {
        server.get(&format!("{}&{name}{evil}", authorize_path("app", &[]))).await.assert_page(400);
    }
}

#[tokio::test]
async fn twice_in_a_token_request() {
    let server = server().await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", "a"),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
        ("scope", "openid"),
    ];
    for (name, value) in form {
        for again in [value, "", "other"] {
            let body = format!("{}&{}", encode(&form), encode(&[(name, again)]));
            post_text(&server, "/token", body).await.assert_error(400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn twice_at_every_other_endpoint_for_clients() {
    let server = server().await;
    for path in ["/introspect", "/revoke", "/userinfo"] {
        for body in ["token=a&token=b", "access_token=a&access_token=b", "x&x"] {
            post_text(&server, path, body.to_owned()).await.assert_error(400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn twice_on_a_page() {
    let server = server().await;
    for query in ["i=a&i=b", "t=a&t=b", "x&x"] {
        for path in ["/login", "/consent", "/link"] {
            server.get(&format!("{path}?{query}")).await.assert_page(400);
        }
    }
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    let fields = [("username", "ada@example.com"), ("username", "eve@example.com"), ("password", "a")];
    browser.submit(&page, &fields).await.assert_page(400);
}

#[tokio::test]
async fn one_in_the_query_and_one_in_the_form() {
    let server = server().await;
    // The query of a POST says nothing.
    let reply = server.post("/token?grant_type=client_credentials&client_id=app", &[], &[]).await;
    reply.assert_error(401, "invalid_client");
    let reply = server.post(&authorize_path("app", &[]), &[], &[("client_id", "nobody")]).await;
    reply.assert_page(400);
}

#[tokio::test]
async fn arrays_are_parameters_of_another_name() {
    let server = server().await;
    let evil = "https://evil.example/cb";
    for name in ["redirect_uri[]", "redirect_uri[0]", "redirect_uri.0", "redirect_uri[a]", "Redirect_Uri"] {
        // Beside the right one it says nothing, and instead of it, it is not there.
        let mut browser = server.browser();
        let reply = browser.answer("app", "ada@example.com", &[(name, evil)]).await;
        assert!(reply.location().starts_with(REDIRECT_URI), "{name}");
        server.get(&authorize_path("app", &[("redirect_uri", ""), (name, evil)])).await.assert_page(400);
    }
    for name in ["code[]", "code[0]", "Code"] {
        let form = [("grant_type", "authorization_code"), (name, "a")];
        server.token("app", &form).await.assert_error(400, "invalid_request");
    }
    server.token("app", &[("grant_type[]", "client_credentials")]).await.assert_error(400, "invalid_request");
}

#[tokio::test]
async fn a_semicolon_separates_nothing() {
    let server = server().await;
    let path = authorize_path("app", &[("nonce", "")]);
    let reply = server.get(&format!("{path}&nonce=a;redirect_uri=https://evil.example/cb;client_id=other")).await;
    assert!(reply.location().starts_with("/login?i="));
}

#[tokio::test]
async fn two_ways_to_authenticate_at_once() {
    let server = server().await;
    let header = basic("app", SECRET);
    let refresh = ("grant_type", "refresh_token");
    for further in
        [("client_secret", SECRET), ("client_secret", ""), ("client_assertion", "a.b.c"), ("client_id", "post")]
    {
        server.token("app", &[refresh, further]).await.assert_error(400, "invalid_request");
    }
    let twice = [("authorization", header.as_str()), ("authorization", header.as_str())];
    server.post("/token", &twice, &[refresh]).await.assert_error(400, "invalid_request");
    let both = [refresh, ("client_id", "post"), ("client_secret", SECRET), ("client_assertion", "a.b.c")];
    server.post("/token", &[], &both).await.assert_error(400, "invalid_request");
}

#[tokio::test]
async fn two_ways_to_show_an_access_token_at_once() {
    let server = server().await;
    let bearer = [("authorization", "Bearer a")];
    server.post("/userinfo", &bearer, &[("access_token", "b")]).await.assert_error(400, "invalid_request");
    let twice = [("authorization", "Bearer a"), ("authorization", "Bearer a")];
    server.post("/userinfo", &twice, &[]).await.assert_error(400, "invalid_request");
}

#[tokio::test]
async fn a_cookie_sent_twice_is_not_trusted() {
    let server = server().await;
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    browser.log_in(&page, "ada@example.com").await;
    let session = browser.cookies["countersign_session"].clone();

    let cookies = format!("countersign_session={session}; countersign_session=planted");
    let request = Request::get(authorize_path("app", &[("prompt", "none")])).header("cookie", cookies);
    let reply = server.send(request.body(Body::empty()).unwrap()).await;

    assert_eq!(reply.redirect_query()["error"], "login_required");
}
