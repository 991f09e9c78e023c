//! Attack 17: more requests than anybody needs. They are refused for little, and hold nobody else up.

use std::net::{IpAddr, Ipv6Addr};

use axum::body::Body;
use chrono::TimeDelta;
use countersign_types::{ClientAuthMethod, GrantType};
use http::Request;

use crate::harness::{Reply, Server, basic, confidential, form_request};

const ADA: &str = "ada@example.com";
const GRANT: [(&str, &str); 1] = [("grant_type", "client_credentials")];

async fn page(server: &Server, address: impl Into<IpAddr>, path: &str, headers: &[(&str, &str)]) -> Reply {
    let request = headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
    server.send_from(address.into(), request.body(Body::empty()).unwrap()).await
}

async fn add_machine(server: &Server, id: &str) {
    let client = confidential(ClientAuthMethod::ClientSecretBasic, |client| {
        client.grant_types = [GrantType::ClientCredentials].into();
    });
    server.add_client(id, client).await;
}

#[tokio::test]
async fn a_flood_from_one_address_holds_up_nobody_elsewhere() {
    let server = Server::with_settings("rate.login.address = '20/m'").await;
    let mut answered = 0;
    for _ in 0..200 {
        answered += usize::from(page(&server, [203, 0, 113, 7], "/login", &[]).await.status == 200);
    }
    assert_eq!(answered, 20);
    server.add_user(ADA, None).await;
    let mut browser = server.browser();
    let login = browser.open("/login").await;
    assert_eq!(browser.log_in(&login, ADA).await.status, 200);
}

#[tokio::test]
async fn over_the_turn_of_a_minute_a_flood_gets_no_second_helping() {
    let server = Server::with_settings("rate.login.address = '20/m'").await;
    let flood = async || {
        let mut answered = 0;
        for _ in 0..40 {
            answered += usize::from(page(&server, [203, 0, 113, 7], "/login", &[]).await.status == 200);
        }
        answered
    };
    server.advance(TimeDelta::seconds(59));
    assert_eq!(flood().await, 20);
    server.advance(TimeDelta::seconds(2));
    assert_eq!(flood().await, 0);
    server.advance(TimeDelta::seconds(2));
    assert_eq!(flood().await, 1, "a twentieth of a minute, a twentieth of the requests");
}

#[tokio::test]
async fn all_the_lines_of_one_site_together() {
    let server = Server::with_settings("rate.recover.address = '3/m'").await;
    let mut answered = 0;
    for line in 0..300 {
        let from = Ipv6Addr::new(0x2001, 0xdb8, 7, line, 0, 0, 0, 1);
        answered += usize::from(page(&server, from, "/recover", &[]).await.status == 200);
    }
    assert_eq!(answered, 30);
    assert_eq!(page(&server, Ipv6Addr::new(0x2001, 0xdb8, 8, 0, 0, 0, 0, 1), "/recover", &[]).await.status, 200);
}

#[tokio::test]
async fn by_made_up_addresses_cookies_and_browsers() {
    let server = Server::with_settings("rate.login.address = '5/m'").await;
    let mut answered = 0;
    for number in 0..50 {
        let (address, cookie) = (format!("198.51.100.{number}"), format!("countersign_session=made-up-{number}"));
        let headers = [
            ("x-forwarded-for", address.as_str()),
            ("forwarded", "for=198.51.100.9"),
            ("cookie", &cookie),
            ("user-agent", &address),
        ];
        answered += usize::from(page(&server, [203, 0, 113, 7], "/login", &headers).await.status == 200);
    }
    assert_eq!(answered, 5);
}

/// Whoever knows the name of a client could otherwise use up its limit, and its people could sign in no more.
#[tokio::test]
async fn in_the_name_of_a_client() {
    let server = Server::with_settings("rate.token = { client = '3/m', address = '3/m' }").await;
    add_machine(&server, "machine").await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let request = form_request("/token", &[("authorization", &basic("machine", "guessed"))], &GRANT);
        statuses.push(server.send_from([203, 0, 113, 7].into(), request).await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    for _ in 0..3 {
        assert_eq!(server.token("machine", &GRANT).await.status, 200);
    }
}

/// Of one client among many on the same address, or of one behind the proxy of a company.
#[tokio::test]
async fn of_one_client_against_its_neighbours() {
    let server = Server::with_settings("rate.token = { client = '3/m', address = '3/m' }").await;
    add_machine(&server, "busy").await;
    add_machine(&server, "quiet").await;
    for _ in 0..10 {
        server.token("busy", &GRANT).await;
        server.token("nobody", &GRANT).await;
    }
    assert_eq!(server.token("busy", &GRANT).await.status, 429);
    assert_eq!(server.token("quiet", &GRANT).await.status, 200);
}

#[tokio::test]
async fn what_is_refused_does_nothing() {
    let server =
        Server::with_settings("rate.token.client = '1/s'\nrate.login.address = '2/m'\nthrottle.account = 1").await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user(ADA, None).await;
    let code = server.browser().code("app", ADA, "openid").await;
    assert_eq!(server.token("app", &[]).await.status, 400);
    assert_eq!(server.exchange("app", &code).await.status, 429);
    // Two seconds later there is room, and the code was not spent.
    server.advance(TimeDelta::seconds(2));
    assert_eq!(server.exchange("app", &code).await.status, 200);
    server.advance(TimeDelta::minutes(2));

    let mut browser = server.browser();
    let login = browser.open("/login").await;
    browser.open("/login").await;
    let events = server.audit(100).await.len();
    for _ in 0..10 {
        let refused = browser.submit_only(&login, &[("username", ADA), ("password", "wrong")]).await;
        assert_eq!(refused.status, 429);
    }
    assert_eq!(server.audit(100).await.len(), events, "no failure was counted or written");
    server.advance(TimeDelta::minutes(2));
    assert_eq!(browser.log_in(&login, ADA).await.status, 200);
}
