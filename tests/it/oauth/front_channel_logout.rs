//! Front-channel logout (OpenID Connect Front-Channel Logout 1.0): whoever signs out in a browser has it load what its apps asked for.

use countersign_types::ClientAuthMethod;

use crate::harness::{Browser, ISSUER, PASSWORD, Reply, Server, claims, confidential, encode};

const ADA: &str = "ada@example.com";
const BYE: &str = "https://app.example/bye";

/// An app that wants to hear in the browser, one that wants to know the session too, and one that wants nothing.
async fn start() -> Server {
    let server = Server::start().await;
    for (id, uri, session_required) in [
        ("app", Some("https://app.example:8443/out"), false),
        ("second", Some("https://second.example/out?who=me"), true),
        ("silent", None, false),
    ] {
        let app = confidential(ClientAuthMethod::ClientSecretBasic, |app| {
            app.frontchannel_logout_uri = uri.map(|uri| uri.parse().unwrap());
            app.frontchannel_logout_session_required = session_required;
        });
        server.add_client(id, app).await;
    }
    server.add_user(ADA, None).await;
    server
}

async fn sign_in(server: &Server, browser: &mut Browser<'_>, client: &str) -> String {
    let code = browser.code(client, ADA, "openid").await;
    server.exchange(client, &code).await.json()["id_token"].as_str().unwrap().to_owned()
}

/// What a page has the browser load.
fn frames(page: &Reply) -> Vec<String> {
    let html = page.text();
    let frames = html.split("<iframe hidden src=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    frames.map(|uri| uri.replace("&#38;", "&")).collect()
}

/// Where a page goes on to, by each of its ways.
fn onward(page: &Reply) -> String {
    let html = page.text();
    let by_link = html.split("<a id=\"onward\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(html.contains(&format!("<noscript><meta http-equiv=\"refresh\" content=\"3;url={by_link}\"></noscript>")));
    by_link.replace("&#38;", "&")
}

/// Asserts that the session is gone, and that the browser is told so.
async fn assert_signed_out(browser: &mut Browser<'_>, page: &Reply) {
    page.assert_page(200);
    for name in ["countersign_session", "countersign_state"] {
        let is_cleared = |header: &str| header.starts_with(&format!("{name}=;")) && header.contains("Max-Age=0");
        let mut headers = page.headers.get_all("set-cookie").iter();
        assert!(headers.any(|header| is_cleared(header.to_str().unwrap())), "{name}: {:?}", page.headers);
    }
    assert!(!browser.get("/").await.text().contains("Signed in as"));
}

#[tokio::test]
async fn each_app_of_the_session_is_loaded_and_then_the_browser_goes_where_the_app_wants_it() {
    let server = start().await;
    let mut browser = server.browser();
    let hint = sign_in(&server, &mut browser, "second").await;
    for client in ["app", "silent"] {
        sign_in(&server, &mut browser, client).await;
    }
    let asked = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE), ("state", "s 1&2")];
    let page = browser.get(&format!("/logout?{}", encode(&asked))).await;

    let sid = claims(&hint)["sid"].as_str().unwrap().to_owned();
    let session = encode(&[("iss", ISSUER), ("sid", &sid)]);
    let second = format!("https://second.example/out?who=me&{session}");
    assert_eq!(frames(&page), ["https://app.example:8443/out", &second]);
    assert_eq!(onward(&page), format!("{BYE}?state=s+1%262"));
    assert_signed_out(&mut browser, &page).await;
}

#[tokio::test]
async fn the_page_may_frame_these_apps_and_nothing_else() {
    let server = start().await;
    let mut browser = server.browser();
    let hint = sign_in(&server, &mut browser, "app").await;
    let page = browser.get(&format!("/logout?id_token_hint={hint}")).await;
    let policy = page.header("content-security-policy").unwrap();
    let directives: Vec<_> = policy.split("; ").collect();
    assert!(directives.contains(&"frame-src https://app.example:8443"), "{policy}");
    assert!(directives.contains(&"default-src 'none'") && directives.contains(&"frame-ancestors 'none'"), "{policy}");
    assert!(policy.contains("script-src 'sha256-") && !policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert_eq!((page.header("cache-control"), page.header("x-frame-options")), (Some("no-store"), Some("DENY")));
    // Whatever an app's page does, it stays in its frame.
    assert!(page.text().contains("sandbox=\"allow-scripts allow-same-origin allow-forms\""));
    assert_eq!(page.text().matches("<script").count(), 1);
}

#[tokio::test]
async fn who_is_asked_first_has_them_loaded_too() {
    let server = start().await;
    let mut browser = server.browser();
    sign_in(&server, &mut browser, "app").await;
    let question = browser.open("/logout").await;
    assert!(frames(&question).is_empty(), "nobody is signed out yet");
    let page = browser.submit(&question, &[("confirm", "1")]).await;
    assert_eq!((frames(&page).len(), onward(&page).as_str()), (1, "/signed-out"));
    assert_signed_out(&mut browser, &page).await;
}

#[tokio::test]
async fn who_ends_the_session_at_which_they_sit_has_them_loaded_too() {
    let server = start().await;
    let mut browser = server.browser();
    let hint = sign_in(&server, &mut browser, "app").await;
    let list = browser.open("/account/sessions").await;
    let page = browser.submit(&list, &[("end", claims(&hint)["sid"].as_str().unwrap())]).await;
    assert_eq!((frames(&page).len(), onward(&page).as_str()), (1, "/signed-out"));
    assert_signed_out(&mut browser, &page).await;
}

#[tokio::test]
async fn who_deletes_their_account_has_them_loaded_too() {
    let server = start().await;
    let mut browser = server.browser();
    sign_in(&server, &mut browser, "app").await;
    let data = browser.open("/account/data").await;
    let page = browser.submit(&data, &[("do", "delete"), ("sure", "yes")]).await;
    assert_eq!((frames(&page).len(), onward(&page).as_str()), (1, "/account/deleted"));
    assert_signed_out(&mut browser, &page).await;
}

#[tokio::test]
async fn sessions_of_other_browsers_and_apps_that_are_disabled_load_nothing() {
    let server = start().await;
    let mut elsewhere = server.browser();
    sign_in(&server, &mut elsewhere, "second").await;
    let mut browser = server.browser();
    let hint = sign_in(&server, &mut browser, "app").await;
    let mut app = countersign::domain::client::Client::clone(
        &server.app.store.client(&countersign_types::ClientId::new("app")).await.unwrap().unwrap(),
    );
    app.enabled = false;
    server.update_client(&app).await;
    assert_eq!(browser.get(&format!("/logout?id_token_hint={hint}")).await.location(), "/signed-out");
    assert!(elsewhere.get("/").await.text().contains("Signed in as"));
}

#[tokio::test]
async fn where_no_app_wants_it_the_browser_goes_on_at_once() {
    let server = start().await;
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    browser.submit(&page, &[("username", ADA), ("password", PASSWORD)]).await.assert_page(200);
    let question = browser.open("/logout").await;
    assert_eq!(browser.submit_only(&question, &[("confirm", "1")]).await.location(), "/signed-out");
}
