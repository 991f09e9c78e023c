//! Attack 9 by clients that register themselves: addresses that we are to look at, and should not.

use http::Method;
use serde_json::{Value, json};

use super::a09_ssrf::Door;
use crate::{
    harness::{REDIRECT_URI, Reply, Server, Site},
    oauth::registration::{OPEN, register, send, try_register},
};

/// What we look at while a client registers.
const LOOKED_AT: [&str; 2] = ["jwks_uri", "sector_identifier_uri"];

async fn open_production() -> Server {
    Server::production_with(OPEN).await
}

async fn refused(server: &Server, member: &str, url: &str) -> Reply {
    let reply = try_register(server, json!({ member: url })).await;
    reply.assert_error(400, "invalid_client_metadata");
    assert!(reply.json()["error_description"].as_str().unwrap().starts_with(member), "{url}: {}", reply.text());
    assert_eq!(server.count("client").await, 0);
    reply
}

#[tokio::test]
async fn addresses_inside() {
    let (server, site) = (open_production().await, Site::open().await);
    for member in LOOKED_AT {
        for host in ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0"] {
            refused(&server, member, &site.url("/").replace("http://127.0.0.1", &format!("https://{host}"))).await;
        }
        for url in ["https://10.0.0.1/", "https://169.254.169.254/latest/meta-data/", "https://[fd00::1]/"] {
            refused(&server, member, url).await;
        }
    }
    assert_eq!(site.visits(), 0);
}

#[tokio::test]
async fn redirects_inside_and_in_a_circle() {
    let server = Server::with_settings(OPEN).await;
    for member in LOOKED_AT {
        for (target, visits) in [("https://169.254.169.254/", 1), ("file:///etc/passwd", 1), ("/again", 4)] {
            let door = Door::that_leads_to(target).await;
            refused(&server, member, &door.url()).await;
            assert_eq!(door.visits(), visits, "{target}");
        }
    }
}

#[tokio::test]
async fn bodies_without_an_end() {
    let server = Server::with_settings(OPEN).await;
    for member in LOOKED_AT {
        let endless = Door::open("HTTP/1.1 200 OK\r\n\r\n".to_owned(), &[b'['; 8192], true).await;
        refused(&server, member, &endless.url()).await;
    }
}

#[tokio::test]
async fn answers_tell_nothing_of_what_is_inside() {
    let (server, site) = (open_production().await, Site::open().await);
    for member in LOOKED_AT {
        let open = site.url("/").replace("http://127.0.0.1", "https://localhost");
        let one = refused(&server, member, &open).await;
        let other = refused(&server, member, "https://no-such-host.invalid/").await;
        assert_eq!(one.body, other.body);
    }
}

#[tokio::test]
async fn nothing_is_looked_at_for_who_may_not_register() {
    let (server, site) = (Server::with_settings("registration.mode = 'token'").await, Site::open().await);
    for member in LOOKED_AT {
        for token in [None, Some("invented")] {
            let body = json!({ "redirect_uris": [REDIRECT_URI], member: site.url("/") });
            send(&server, Method::POST, "/register", token, &body).await.assert_error(401, "invalid_token");
            send(&server, Method::PUT, "/register/x", token, &body).await.assert_error(401, "invalid_token");
        }
    }
    assert_eq!(site.visits(), 0);
}

#[tokio::test]
async fn all_other_addresses_are_kept_and_not_looked_at() {
    let (server, site) = (Server::with_settings(OPEN).await, Site::open().await);
    let url = site.url("/");
    let mut further = Value::Object(serde_json::Map::new());
    for member in ["logo_uri", "client_uri", "policy_uri", "tos_uri", "initiate_login_uri", "backchannel_logout_uri"] {
        further[member] = json!(url);
    }
    further["request_uris"] = json!([url]);
    register(&server, further).await;
    assert_eq!(site.visits(), 0);
}

#[tokio::test]
async fn a_logo_inside() {
    let server = Server::with_settings(OPEN).await;
    let client = register(&server, json!({ "logo_uri": "https://10.0.0.1/logo.png" })).await;
    let path = format!("/client-logo/{}", client["client_id"].as_str().unwrap());
    assert_eq!(server.get(&path).await.status, 404);
}

/// The host of the list is the sector: by an open redirect of theirs nobody comes to know people by the names of others.
#[tokio::test]
async fn a_sector_that_somebody_else_wrote() {
    let (server, site) = (Server::with_settings(OPEN).await, Site::open().await);
    site.put("/list.json", json!([REDIRECT_URI]).to_string());
    let elsewhere = site.url("/list.json").replace("127.0.0.1", "localhost");
    let door = Door::that_leads_to(&elsewhere).await;
    let reply = refused(&server, "sector_identifier_uri", &door.url()).await;
    assert!(reply.text().contains("another host"), "{}", reply.text());
    register(&server, json!({ "sector_identifier_uri": site.url("/list.json") })).await;
}
