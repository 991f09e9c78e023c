//! Attack 10: a poisoned `Host` or `X-Forwarded-*`. Whatever a request claims, we are who the settings say.

use std::net::{IpAddr, Ipv4Addr};

use axum::body::Body;
use chrono::TimeDelta;
use countersign::{
    domain::mail::{Mail, MailedLink},
    login::{
        link,
        mail::{self, Recipient},
    },
    store::link::LinkPurpose,
};
use countersign_types::ClientAuthMethod;
use http::Request;

use crate::harness::{ISSUER, PASSWORD, Reply, Server, Smtp, authorize_path, claims, confidential, encode};

const POISON: [(&str, &str); 9] = [
    ("host", "evil.example"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-port", "666"),
    ("x-forwarded-prefix", "/evil"),
    ("x-original-url", "https://evil.example/evil"),
    ("x-rewrite-url", "/evil"),
    ("forwarded", "for=203.0.113.9;host=evil.example;proto=https"),
    ("x-http-method-override", "DELETE"),
];

fn poisoned(request: http::request::Builder) -> http::request::Builder {
    POISON.into_iter().fold(request, |request, (name, value)| request.header(name, value))
}

async fn get(server: &Server, path: &str) -> Reply {
    server.send(poisoned(Request::get(path)).body(Body::empty()).unwrap()).await
}

#[track_caller]
fn assert_clean(reply: &Reply) {
    let headers = format!("{:?}", reply.headers);
    assert!(!headers.contains("evil") && !reply.text().contains("evil"), "{headers} {}", reply.text());
}

#[tokio::test]
async fn discovery_names_the_configured_issuer() {
    let server = Server::start().await;
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let reply = get(&server, path).await;
        assert_clean(&reply);
        let document = reply.json();
        assert_eq!(document["issuer"], ISSUER);
        for (name, value) in document.as_object().unwrap() {
            if name.ends_with("_endpoint") || name.ends_with("_uri") {
                assert!(value.as_str().unwrap().starts_with(&format!("{ISSUER}/")), "{name}: {value}");
            }
        }
    }
}

#[tokio::test]
async fn discovery_is_not_poisoned_for_those_who_come_after() {
    let server = Server::start().await;
    let poisoned = get(&server, "/.well-known/openid-configuration").await;
    let clean = server.get("/.well-known/openid-configuration").await;
    assert_eq!(poisoned.body, clean.body);
}

#[tokio::test]
async fn pages_and_redirects_name_the_configured_issuer_or_no_host() {
    let server = Server::start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    for path in ["/", "/login", "/signed-out", "/logout", "/nothing", "/authorize?client_id=nobody"] {
        assert_clean(&get(&server, path).await);
    }
    let login = get(&server, &authorize_path("app", &[])).await;
    assert!(login.location().starts_with("/login?i="));
    let answer = get(&server, &authorize_path("app", &[("prompt", "none")])).await;
    assert_eq!(answer.redirect_query()["iss"], ISSUER);
}

#[tokio::test]
async fn an_absolute_request_target_changes_nothing() {
    let server = Server::start().await;
    let reply = get(&server, "http://evil.example/.well-known/openid-configuration").await;
    assert_eq!(reply.json()["issuer"], ISSUER);
}

#[tokio::test]
async fn tokens_name_the_configured_issuer() {
    let server = Server::start().await;
    server
        .add_client(
            "app",
            confidential(ClientAuthMethod::ClientSecretPost, |client| {
                client.grant_types = [countersign_types::GrantType::ClientCredentials].into();
            }),
        )
        .await;
    let form = [("grant_type", "client_credentials"), ("client_id", "app"), ("client_secret", crate::harness::SECRET)];
    let request = poisoned(Request::post("/token")).header("content-type", "application/x-www-form-urlencoded");
    let reply = server.send(request.body(Body::from(encode(&form))).unwrap()).await;
    let token = claims(reply.json()["access_token"].as_str().unwrap());
    assert_eq!((&token["iss"], &token["aud"]), (&ISSUER.into(), &ISSUER.into()));
}

#[tokio::test]
async fn links_name_the_configured_issuer() {
    let server = Server::production().await;
    let mut tx = server.app.store.write().await.unwrap();
    let secret = link::issue(&server.app, &mut tx, &LinkPurpose::FirstAdministrator, server.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    assert!(link::address(&server.app, &secret).starts_with("https://op.example/link?t="));
    // The page behind it sends its form to an address without a host.
    let page = get(&server, &format!("/link?t={}", secret.expose())).await;
    assert_clean(&page);
    assert!(page.text().contains("action=\"/link?t="));
}

#[tokio::test]
async fn links_in_mails_name_the_configured_issuer() {
    let smtp = Smtp::start().await;
    let server = Server::production_with(&smtp.settings()).await;
    let now = server.clock.now();
    let mut tx = server.app.store.write().await.unwrap();
    let secret = link::issue(&server.app, &mut tx, &LinkPurpose::FirstAdministrator, now).await.unwrap();
    let link = MailedLink { address: link::address(&server.app, &secret), until: now + TimeDelta::minutes(30) };
    let device = Mail::NewDevice { label: "Firefox".to_owned(), address: PEER.to_string(), at: now };
    let mails = [Mail::ResetPassword { link }, Mail::SignUpTaken, Mail::PasswordChanged, device, Mail::SecondFactorOff];
    for mail in &mails {
        mail::queue(&server.app, &mut tx, &Recipient::at("ada@example.com"), mail, now).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(get(&server, "/login").await.status, 200);
    server.deliver_mails().await;
    assert_eq!(smtp.taken().len(), mails.len());
    for mail in smtp.taken() {
        let text = mail.readable();
        assert!(!text.contains("evil") && !text.contains("http://"), "{text}");
        let links: Vec<_> = text.split("https://").skip(1).collect();
        assert!(links.len() >= 4, "{text}");
        for link in links {
            assert!(link.starts_with("op.example/") || link.starts_with("op.example. "), "{text}");
        }
    }
}

/// Whoever asks for somebody else's link does not decide where it leads.
#[tokio::test]
async fn links_that_are_asked_for_by_mail_name_the_configured_issuer() {
    let server = Server::with_settings("signup.mode = 'open'").await;
    server.add_user("ada@example.com", Some("ada")).await;
    for (path, field, name) in [("/recover", "username", "ada"), ("/signup", "email", "eve@example.com")] {
        let mut browser = server.browser();
        let page = browser.open(path).await;
        let (action, hidden) = crate::harness::hidden_fields(&page.text());
        let request = poisoned(Request::post(action))
            .header("cookie", format!("countersign_browser={}", browser.cookies["countersign_browser"]))
            .header("content-type", "application/x-www-form-urlencoded");
        let form = encode(&[("csrf", hidden[0].1.as_str()), (field, name)]);
        let sent = server.send(request.body(Body::from(form)).unwrap()).await;
        assert_eq!(sent.location(), format!("{path}/sent"));
    }
    server.deliver_mails().await;
    let mails = server.mails().await;
    assert_eq!(mails.len(), 2);
    for mail in mails {
        assert!(mail.text.contains(&format!("{ISSUER}/link?t=")), "{}", mail.text);
        assert!(!format!("{mail:?}").contains("evil"), "{mail:?}");
    }
}

/// The address that a failed sign-in is recorded under.
async fn recorded_address(server: &Server, peer: IpAddr, forwarded: &str) -> String {
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    let (action, hidden) = crate::harness::hidden_fields(&page.text());
    let form = [("csrf", hidden[0].1.as_str()), ("username", "nobody"), ("password", PASSWORD)];
    let request = Request::post(action)
        .header("cookie", format!("countersign_browser={}", browser.cookies["countersign_browser"]))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-forwarded-for", forwarded)
        .header("x-real-ip", "203.0.113.66")
        .header("forwarded", "for=203.0.113.66");
    assert_eq!(server.send_from(peer, request.body(Body::from(encode(&form))).unwrap()).await.status, 422);
    server.audit(1).await.remove(0).personal.unwrap().address.unwrap()
}

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

#[tokio::test]
async fn a_forwarded_address_counts_from_nobody_by_default() {
    let server = Server::start().await;
    assert_eq!(recorded_address(&server, PEER, "203.0.113.9").await, PEER.to_string());
}

#[tokio::test]
async fn a_forwarded_address_counts_from_trusted_proxies_alone() {
    let server = Server::with_settings("trusted_proxies = ['10.0.0.0/8']").await;
    assert_eq!(recorded_address(&server, PEER, "203.0.113.9").await, PEER.to_string());
    assert_eq!(recorded_address(&server, PROXY, "203.0.113.9").await, "203.0.113.9");
    // What stands before the proxy's own entry was written by the person's side.
    assert_eq!(recorded_address(&server, PROXY, "192.0.2.66, 203.0.113.9").await, "203.0.113.9");
}

#[tokio::test]
async fn a_made_up_address_does_not_escape_the_throttle() {
    let server = Server::with_settings("throttle.address = 3\nthrottle.account = 100").await;
    let mut statuses = Vec::new();
    for at in 0..4 {
        let mut browser = server.browser();
        let page = browser.open("/login").await;
        let (action, hidden) = crate::harness::hidden_fields(&page.text());
        let name = format!("nobody-{at}");
        let form = [("csrf", hidden[0].1.as_str()), ("username", &name), ("password", PASSWORD)];
        let request = Request::post(action)
            .header("cookie", format!("countersign_browser={}", browser.cookies["countersign_browser"]))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-forwarded-for", format!("203.0.113.{at}"));
        statuses.push(server.send(request.body(Body::from(encode(&form))).unwrap()).await.status);
    }
    assert_eq!(statuses, [422, 422, 422, 429]);
}
