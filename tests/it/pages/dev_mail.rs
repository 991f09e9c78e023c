//! The mails of a development start, for whoever develops, and for nobody else.

use std::net::{IpAddr, Ipv4Addr};

use axum::body::Body;
use chrono::TimeDelta;
use countersign::{
    domain::mail::{Mail, MailedLink},
    login::mail::{self, Recipient},
    mailer::Message,
};
use http::Request;

use crate::harness::{ISSUER, Reply, Server, Smtp, production_mail};

const ADA: &str = "ada@example.com";

async fn deliver(server: &Server, mail: &Mail) {
    let mut tx = server.app.store.write().await.unwrap();
    mail::queue(&server.app, &mut tx, &Recipient::at(ADA), mail, server.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    server.deliver_mails().await;
}

/// Puts a file there that the provider would not write.
async fn plant(server: &Server, mail: &Message) {
    deliver(server, &Mail::PasswordChanged).await;
    let file = server.app.mailer.folder().unwrap().path().join("99990101T000000.000000Z-evil.json");
    std::fs::write(file, serde_json::to_vec(mail).unwrap()).unwrap();
}

/// Asks from this machine, under a name of it.
async fn get_at(server: &Server, host: &str, path: &str) -> Reply {
    let request = Request::get(path).header("host", host).body(Body::empty()).unwrap();
    server.send_from(IpAddr::V4(Ipv4Addr::LOCALHOST), request).await
}

async fn get(server: &Server, path: &str) -> Reply {
    get_at(server, "localhost:8080", path).await
}

#[tokio::test]
async fn mails_are_listed_the_newest_first_and_their_links_work() {
    let server = Server::start().await;
    assert!(get(&server, "/dev/mail").await.text().contains("There are none yet."));
    deliver(&server, &Mail::PasswordChanged).await;
    server.advance(TimeDelta::seconds(1));
    let link =
        MailedLink { address: format!("{ISSUER}/login?t=x"), until: server.clock.now() + TimeDelta::minutes(30) };
    deliver(&server, &Mail::ResetPassword { link }).await;

    let list = get(&server, "/dev/mail").await;
    list.assert_page(200);
    let text = list.text();
    let newest = text.find("Choose a new password").unwrap();
    assert!(newest < text.find("Your password was changed").unwrap() && text.contains(ADA));
    let path =
        text.split("href=\"").find_map(|rest| rest.strip_prefix("/dev/mail/")).unwrap().split('"').next().unwrap();
    let one = get(&server, &format!("/dev/mail/{path}")).await;
    one.assert_page(200);
    assert!(one.text().contains(&format!("<a href=\"{ISSUER}/login?t=x\">")), "{}", one.text());
    let html = get(&server, &format!("/dev/mail/{path}/html")).await;
    assert_eq!(html.status, 200);
    assert!(html.text().contains("<h1") && html.text().contains(&format!("href=\"{ISSUER}/login?t=x\"")));
    get(&server, "/dev/mail/nothing").await.assert_page(404);
    get(&server, "/dev/mail/..%2f..%2fkeys/html").await.assert_page(404);
}

#[tokio::test]
async fn where_mails_are_sent_there_is_no_such_page() {
    let smtp = Smtp::start().await;
    for server in [
        Server::production().await,
        Server::production_with(production_mail()).await,
        Server::with_settings(&smtp.settings()).await,
    ] {
        for path in ["/dev/mail", "/dev/mail/x", "/dev/mail/x/html"] {
            get(&server, path).await.assert_page(404);
            assert_eq!(server.post(path, &[], &[]).await.status, 404);
        }
    }
}

#[tokio::test]
async fn a_hostile_mail_is_text_and_its_html_may_do_nothing() {
    let server = Server::start().await;
    let evil = "<script>alert(1)</script><img src=x onerror=alert(1)>";
    let text = format!(
        "{evil}\n\nhttps://evil.example/\n{ISSUER}.evil.example/\njavascript:alert(1)\n{ISSUER}/\" onclick=\"alert(1)"
    );
    let mail = Message {
        id: "evil".to_owned(),
        to: evil.to_owned(),
        subject: evil.to_owned(),
        text,
        html: evil.to_owned(),
        at: server.clock.now(),
    };
    plant(&server, &mail).await;
    for path in ["/dev/mail", "/dev/mail/evil"] {
        let page = get(&server, path).await;
        page.assert_page(200);
        assert!(!page.text().contains("<script") && !page.text().contains("<img src=x"), "{}", page.text());
        for href in page.text().split("href=\"").skip(1) {
            assert!(href.starts_with('/'), "{href}");
        }
    }
    let html = get(&server, "/dev/mail/evil/html").await;
    assert_eq!(html.text(), evil);
    let policy = html.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none';") && policy.ends_with("; sandbox") && !policy.contains("script"));
    assert_eq!(html.headers["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn only_who_sits_at_this_machine_reads_mails() {
    let server = Server::start().await;
    let near = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let ask = || Request::get("/dev/mail").header("host", "localhost:8080");
    let asked = async |from, request: http::request::Builder| {
        server.send_from(from, request.body(Body::empty()).unwrap()).await.status
    };
    assert_eq!(asked(near, ask()).await, 200);
    assert_eq!(asked("192.0.2.1".parse().unwrap(), ask()).await, 404);
    for header in ["forwarded", "x-forwarded-for", "x-real-ip", "via"] {
        assert_eq!(asked(near, ask().header(header, "192.0.2.1")).await, 404, "{header}");
    }
}

/// The name of a stranger's page may lead to this machine, and then its scripts would read the mails as their own.
#[tokio::test]
async fn only_who_names_this_machine_reads_mails() {
    let server = Server::start().await;
    let evil = Message {
        id: "evil".to_owned(),
        to: ADA.to_owned(),
        subject: "secret".to_owned(),
        text: "secret".to_owned(),
        html: "secret".to_owned(),
        at: server.clock.now(),
    };
    plant(&server, &evil).await;
    for path in ["/dev/mail", "/dev/mail/evil", "/dev/mail/evil/html"] {
        for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "localhost"] {
            assert_eq!(get_at(&server, host, path).await.status, 200, "{host}");
        }
        for host in
            ["evil.example", "evil.example:8080", "localhost.evil.example", "10.0.0.1", "127.0.0.1.evil.example", ""]
        {
            let reply = get_at(&server, host, path).await;
            assert!(reply.status == 404 && !reply.text().contains("secret"), "{host}: {}", reply.status);
        }
    }
}
