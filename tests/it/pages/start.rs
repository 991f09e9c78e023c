//! `/`, and the apps that can be started there (OpenID Connect Core §4).

use countersign::domain::client::Client;
use countersign_types::ClientAuthMethod;

use super::{ADA, start};
use crate::harness::{Browser, Reply, Server, confidential, query_of};

/// Registers an app that can be started at this address.
async fn add_startable(server: &Server, id: &str, uri: &str, first_party: bool) -> Client {
    let app = confidential(ClientAuthMethod::ClientSecretBasic, |app| {
        app.client_name = format!("App {id}");
        app.initiate_login_uri = Some(uri.parse().unwrap());
        app.first_party = first_party;
    });
    server.add_client(id, app).await
}

/// Where the links lead by which apps are started, in the order of the page.
fn ways_in(page: &Reply) -> Vec<String> {
    let links = page.text();
    let links = links.split("<a ").skip(1).map(|rest| rest.split('>').next().unwrap().to_owned());
    let links = links.filter(|link| link.contains("rel=\"noopener noreferrer\""));
    let uri = |link: String| link.split("href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
    links.map(uri).collect()
}

async fn signed_in(server: &Server) -> Browser<'_> {
    let mut browser = server.browser();
    browser.give_password(ADA).await.assert_page(200);
    browser
}

#[tokio::test]
async fn apps_that_were_allowed_and_those_of_the_house_can_be_started() {
    let server = start().await;
    add_startable(&server, "house", "https://house.example/in?x=1", true).await;
    add_startable(&server, "allowed", "https://allowed.example/in", false).await;
    add_startable(&server, "stranger", "https://stranger.example/in", false).await;
    assert!(ways_in(&server.browser().open("/").await).is_empty(), "nobody is signed in");

    let mut browser = signed_in(&server).await;
    let issuer = "iss=http%3A%2F%2Flocalhost%3A8080";
    let house = format!("https://house.example/in?x=1&{issuer}");
    assert_eq!(ways_in(&browser.open("/").await), [house.as_str()]);
    browser.code("allowed", ADA, "openid").await;
    // One without such an address cannot be started, though it is allowed something.
    browser.code("app", ADA, "openid").await;
    let allowed = format!("https://allowed.example/in?{issuer}");
    assert_eq!(ways_in(&browser.open("/").await), [allowed.as_str(), house.as_str()]);
    assert_eq!(ways_in(&browser.open("/account/apps").await), [allowed]);
}

#[tokio::test]
async fn an_app_is_told_who_comes_only_if_it_knows_their_mail_address() {
    let server = start().await;
    add_startable(&server, "house", "https://house.example/in", true).await;
    let mut app = add_startable(&server, "allowed", "https://allowed.example/in", false).await;
    let mut browser = signed_in(&server).await;
    browser.code("allowed", ADA, "openid profile").await;
    for path in ["/", "/account/apps"] {
        for uri in ways_in(&browser.open(path).await) {
            assert!(!query_of(&uri).contains_key("login_hint"), "{uri}");
        }
    }
    browser.code("allowed", ADA, "openid email").await;
    for path in ["/", "/account/apps"] {
        let page = browser.open(path).await;
        let allowed = ways_in(&page).into_iter().find(|uri| uri.starts_with("https://allowed")).unwrap();
        let query = query_of(&allowed);
        assert_eq!((query["login_hint"].as_str(), query["iss"].as_str()), (ADA, "http://localhost:8080"));
        assert_eq!(query.len(), 2, "{allowed}");
    }
    // Nor once it may not be told any more.
    app.metadata.scope = "openid".parse().unwrap();
    server.update_client(&app).await;
    let uris = ways_in(&browser.open("/account/apps").await);
    assert!(!query_of(&uris[0]).contains_key("login_hint"), "{uris:?}");
}

#[tokio::test]
async fn a_disabled_app_cannot_be_started() {
    let server = start().await;
    let mut app = add_startable(&server, "house", "https://house.example/in", true).await;
    let mut browser = signed_in(&server).await;
    browser.code("house", ADA, "openid").await;
    app.enabled = false;
    server.update_client(&app).await;
    assert!(ways_in(&browser.open("/").await).is_empty());
    assert!(ways_in(&browser.open("/account/apps").await).is_empty());
}

#[tokio::test]
async fn an_app_that_is_started_so_gets_whoever_is_signed_in_here() {
    let server = start().await;
    add_startable(&server, "house", "https://house.example/in", true).await;
    let mut browser = signed_in(&server).await;
    // Nobody is asked for consent to one of the house: it knows what it holds tokens for.
    let code = browser.code("house", ADA, "openid email").await;
    server.exchange("house", &code).await;
    let way_in = ways_in(&browser.open("/").await).remove(0);
    // What the app does there: OpenID Connect Core §4.
    let query = query_of(&way_in);
    let hint = ("login_hint", query["login_hint"].as_str());
    browser.authorize("house", &[hint]).await.assert_code();
}
