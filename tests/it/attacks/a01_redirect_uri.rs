//! Attack 1: a `redirect_uri` that only looks like the registered one. An answer sent there is a code in the wrong hands,
//! so each of them gets a page and no redirect (RFC 9700 §2.1, RFC 6749 §4.1.2.1).

use countersign_types::ClientAuthMethod;

use crate::harness::{Browser, REDIRECT_URI, Server, authorize_path, confidential, native, query_of};

/// A web app registered at [`REDIRECT_URI`], a native one at `http://127.0.0.1/cb`.
async fn server() -> Server {
    let server = Server::start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_client("native", native()).await;
    server
}

async fn assert_refused_for(server: &Server, client: &str, uris: &[&str]) {
    for uri in uris {
        let path = authorize_path(client, &[("redirect_uri", uri)]);
        server.get(&path).await.assert_page(400);
        let form: Vec<_> = query_of(&path).into_iter().collect();
        let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        server.post("/authorize", &[], &form).await.assert_page(400);
    }
}

async fn assert_refused(uris: &[&str]) {
    assert_refused_for(&server().await, "app", uris).await;
}

#[tokio::test]
async fn the_registered_one_is_taken() {
    let server = server().await;
    assert!(server.get(&authorize_path("app", &[])).await.location().starts_with("/login?i="));
    let loopback = [("redirect_uri", "http://127.0.0.1:49152/cb")];
    assert!(server.get(&authorize_path("native", &loopback)).await.location().starts_with("/login?i="));
}

#[tokio::test]
async fn a_user_name_before_the_host() {
    assert_refused(&[
        "https://app.example@evil.example/cb",
        "https://app.example:443@evil.example/cb",
        "https://user@app.example/cb",
        "https://user:password@app.example/cb",
        "https://evil.example%2F@app.example/cb",
    ])
    .await;
}

#[tokio::test]
async fn another_case() {
    assert_refused(&["HTTPS://app.example/cb", "https://APP.example/cb", "https://app.example/CB"]).await;
}

#[tokio::test]
async fn another_encoding_of_the_same_path() {
    assert_refused(&[
        "https://app.example/%63b",
        "https://app.example%2Fcb",
        "https%3A%2F%2Fapp.example%2Fcb",
        "https://app.example/cb%00",
        "https://app.example/cb%20",
    ])
    .await;
}

#[tokio::test]
async fn a_path_that_climbs() {
    assert_refused(&[
        "https://app.example/cb/../evil",
        "https://app.example/a/../cb",
        "https://app.example/./cb",
        "https://app.example//cb",
        "https://app.example/cb/%2e%2e/evil",
        "https://app.example/cb/..%2fevil",
        "https://app.example/cb;/../evil",
    ])
    .await;
}

#[tokio::test]
async fn a_dot_that_stands_for_any_character() {
    assert_refused(&["https://appXexample/cb", "https://app-example/cb", "https://appxexample.evil.example/cb"]).await;
}

#[tokio::test]
async fn the_right_host_as_part_of_another() {
    assert_refused(&[
        "https://app.example.evil.example/cb",
        "https://evilapp.example/cb",
        "https://evil.example/?https://app.example/cb",
        "https://evil.example/https://app.example/cb",
        "https://sub.app.example/cb",
    ])
    .await;
}

#[tokio::test]
async fn a_trailing_slash() {
    assert_refused(&["https://app.example/cb/", "https://app.example/", "https://app.example"]).await;
}

#[tokio::test]
async fn a_fragment() {
    assert_refused(&["https://app.example/cb#", "https://app.example/cb#evil", "https://app.example/cb%23"]).await;
}

#[tokio::test]
async fn a_query_more_or_less() {
    assert_refused(&["https://app.example/cb?", "https://app.example/cb?next=evil", "https://app.example/cb&a=b"])
        .await;
    let server = Server::start().await;
    let with_query = |client: &mut countersign::domain::client::ClientMetadata| {
        client.redirect_uris = vec!["https://app.example/cb?tenant=1&x=".parse().unwrap()];
    };
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, with_query)).await;
    let changed = [
        "https://app.example/cb",
        "https://app.example/cb?tenant=2&x=",
        "https://app.example/cb?x=&tenant=1",
        "https://app.example/cb?tenant=1",
        "https://app.example/cb?tenant=1&x=&y=",
    ];
    assert_refused_for(&server, "app", &changed).await;
}

#[tokio::test]
async fn a_backslash() {
    assert_refused(&[
        "https://app.example\\@evil.example/cb",
        "https://evil.example\\@app.example/cb",
        "https:\\\\app.example\\cb",
        "https://app.example\\cb",
        "https:/\\app.example/cb",
    ])
    .await;
}

#[tokio::test]
async fn letters_that_look_alike() {
    assert_refused(&[
        "https://\u{430}pp.example/cb", // a Cyrillic letter
        "https://app\u{3002}example/cb",
        "https://app\u{ff0e}example/cb",
        "https://\u{ff41}pp.example/cb",
        "https://app.ex\u{ad}ample/cb",
        "https://app.example\u{2044}cb",
        "https://xn--pp-7kc.example/cb",
    ])
    .await;
}

#[tokio::test]
async fn white_space_and_control_characters() {
    assert_refused(&[
        " https://app.example/cb",
        "https://app.example/cb ",
        "https://app.example/cb\n",
        "https://app.example/cb\r\nSet-Cookie: a=b",
        "https://app.ex\tample/cb",
    ])
    .await;
}

#[tokio::test]
async fn another_scheme_or_port() {
    assert_refused(&[
        "http://app.example/cb",
        "https://app.example:443/cb",
        "https://app.example:8443/cb",
        "//app.example/cb",
        "/cb",
        "javascript:https://app.example/cb",
        "data:text/html,https://app.example/cb",
    ])
    .await;
}

#[tokio::test]
async fn a_free_port_frees_nothing_else() {
    let uris = [
        "http://127.0.0.1:49152@evil.example/cb",
        "http://127.0.0.1:49152/other",
        "http://127.0.0.1:49152/cb?a=b",
        "http://127.0.0.1:49152/cb#a",
        "http://127.0.0.1:49152/../cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:+80/cb",
        "http://127.0.0.1.evil.example:49152/cb",
        "http://127.0.0.2:49152/cb",
        "http://127.1:49152/cb",
        "http://2130706433/cb",
        "http://[::1]:49152/cb",
        "http://[::ffff:127.0.0.1]:49152/cb",
        "http://localhost:49152/cb",
        "https://127.0.0.1:49152/cb",
    ];
    assert_refused_for(&server().await, "native", &uris).await;
}

#[tokio::test]
async fn the_uri_of_another_client() {
    let server = server().await;
    let other = |client: &mut countersign::domain::client::ClientMetadata| {
        client.redirect_uris = vec!["https://other.example/cb".parse().unwrap()];
    };
    server.add_client("other", confidential(ClientAuthMethod::ClientSecretBasic, other)).await;
    assert_refused_for(&server, "other", &[REDIRECT_URI]).await;
    assert_refused_for(&server, "app", &["https://other.example/cb"]).await;
}

#[tokio::test]
async fn one_that_was_taken_away_while_the_person_signed_in() {
    let server = server().await;
    server.add_user("ada@example.com", None).await;
    let mut client = server.add_client("moving", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    let mut browser = Browser::new(&server);
    let login = browser.authorize("moving", &[]).await;

    client.metadata.redirect_uris = vec!["https://new.example/cb".parse().unwrap()];
    server.update_client(&client).await;

    browser.log_in(&login, "ada@example.com").await.assert_page(400);
}
