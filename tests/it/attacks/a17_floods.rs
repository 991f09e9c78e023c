//! Attack 17: floods by who is not signed in. Here: of sign-ups and mails; whatever is too much is dropped, and whoever asked is
//! told the same.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::body::Body;
use chrono::TimeDelta;
use http::Request;

use crate::harness::{Server, form_request, hidden_fields};

const OPEN: &str = "signup.mode = 'open'\nthrottle.mails_to = 3\nthrottle.mails_from = 10";

/// A browser that has been shown the form: its cookie, and the form's token.
struct Form {
    path: &'static str,
    cookie: String,
    csrf: String,
}

impl Form {
    async fn open(server: &Server, path: &'static str) -> Self {
        let mut browser = server.browser();
        let page = browser.open(path).await;
        let (_, hidden) = hidden_fields(&page.text());
        let (name, value) = browser.cookies.first_key_value().unwrap();
        Self { path, cookie: format!("{name}={value}"), csrf: hidden[0].1.clone() }
    }

    fn request(&self, name: &str) -> Request<Body> {
        let field = if self.path == "/signup" { "email" } else { "username" };
        form_request(self.path, &[("cookie", &self.cookie)], &[("csrf", &self.csrf), (field, name)])
    }

    /// Asks from this address: the answer is always the same.
    async fn ask(&self, server: &Server, from: impl Into<IpAddr>, name: &str) {
        let reply = server.send_from(from.into(), self.request(name)).await;
        assert_eq!(reply.location(), format!("{}/sent", self.path), "{name}");
    }
}

fn v4(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000 + number)
}

/// One address of each of so many sites.
fn v6(site: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, site, 0, 0, 0, 0, 1)
}

#[tokio::test]
async fn many_addresses_from_one_network() {
    let server = Server::with_settings(OPEN).await;
    let form = Form::open(&server, "/signup").await;
    for number in 0..40 {
        form.ask(&server, v4(1), &format!("person{number}@example.com")).await;
    }
    for host in 0..40 {
        let from = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host);
        form.ask(&server, from, &format!("guest{host}@example.com")).await;
    }
    server.deliver_mails().await;
    assert_eq!(server.mails().await.len(), 20, "ten from each network");
    // Others are not held up, nor is this one for long.
    form.ask(&server, v4(2), "other@example.com").await;
    server.deliver_mails().await;
    server.advance(TimeDelta::hours(1));
    form.ask(&server, v4(1), "late@example.com").await;
    server.deliver_mails().await;
    assert_eq!(server.mails().await.len(), 22);
}

#[tokio::test]
async fn one_mailbox_from_many_networks_under_many_names() {
    let server = Server::with_settings(OPEN).await;
    server.add_user("ada@example.com", Some("ada")).await;
    let (recover, sign_up) = (Form::open(&server, "/recover").await, Form::open(&server, "/signup").await);
    let names = ["ada", "ADA", "ada@example.com", "Ada@Example.com", "\u{ff41}da", " ada "];
    for number in 0..30 {
        let name = names[number as usize % names.len()];
        recover.ask(&server, v6(number), name).await;
        let spellings = ["ADA@example.com", "ada@ex\u{ad}ample.com", "ada@example\u{3002}com", "ada@EXAMPLE.com."];
        sign_up.ask(&server, v6(number << 8), spellings[number as usize % spellings.len()]).await;
        server.deliver_mails().await;
    }
    let mails = server.mails().await;
    assert_eq!(mails.len(), 3, "{:?}", mails.iter().map(|mail| &mail.subject).collect::<Vec<_>>());
    // What she asks for herself goes out again when the hour is over, however often others ask.
    server.advance(TimeDelta::hours(1));
    recover.ask(&server, v4(7), "ada").await;
    let link = server.mailed_link("ada@example.com").await;
    assert_eq!(server.browser().open(&link).await.status, 200);
}

/// Whoever has a /48 has 65,536 lines.
#[tokio::test]
async fn all_the_lines_of_one_site() {
    let server = Server::with_settings(OPEN).await;
    let form = Form::open(&server, "/signup").await;
    for line in 0..400 {
        let from = Ipv6Addr::new(0x2001, 0xdb8, 7, line, 0, 0, 0, 1);
        form.ask(&server, from, &format!("person{line}@example.com")).await;
    }
    assert_eq!(server.count("job").await, 100);
    form.ask(&server, v6(8), "other@example.com").await;
    assert_eq!(server.count("job").await, 101, "nobody else is held up");
}

#[tokio::test]
async fn from_everywhere_at_once() {
    let server = Server::with_settings(OPEN).await;
    let form = Form::open(&server, "/signup").await;
    for number in 0..350 {
        form.ask(&server, v4(number), &format!("person{number}@example.com")).await;
    }
    assert_eq!(server.count("job").await, 300, "the queue does not grow with the flood");
    server.advance(TimeDelta::minutes(1));
    form.ask(&server, v4(999), "late@example.com").await;
    assert_eq!(server.count("job").await, 301);
}

#[tokio::test]
async fn what_nobody_runs_for_half_an_hour_is_not_worth_running() {
    let server = Server::with_settings(OPEN).await;
    let form = Form::open(&server, "/signup").await;
    form.ask(&server, v4(1), "eve@example.com").await;
    server.advance(TimeDelta::minutes(30));
    server.deliver_mails().await;
    assert_eq!((server.mails().await.len(), server.count("link").await, server.count("job").await), (0, 0, 0));
}
