//! Attack 9: a URL that makes us knock on doors that only we can reach. Here it is the logo of a client, and where its server hears of
//! logouts; `a09_registration.rs` has what clients name that register themselves. The client itself is tested in `src/outbound`; here it
//! must stand in the way.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use countersign_types::ClientAuthMethod;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::harness::{Reply, Server, confidential};

/// The smallest picture.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n-\xb4\0\0\0\0IEND\xaeB`\x82";

/// A server on this machine that counts who comes.
pub struct Door {
    port: u16,
    visits: Arc<AtomicUsize>,
}

impl Door {
    /// Answers everybody with this head, and then with the body, again and again for as long as it is read if `endless`.
    pub async fn open(head: String, body: &'static [u8], endless: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let door = Self { port: listener.local_addr().unwrap().port(), visits: Arc::default() };
        let visits = door.visits.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                visits.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(answer(stream, head.clone(), body, endless));
            }
        });
        door
    }

    async fn with_picture() -> Self {
        Self::open(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", PNG.len()), PNG, false).await
    }

    pub async fn that_leads_to(url: &str) -> Self {
        Self::open(format!("HTTP/1.1 302 Found\r\nlocation: {url}\r\ncontent-length: 0\r\n\r\n"), b"", false).await
    }

    pub fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/logo.png", self.port)
    }
}

async fn answer(mut stream: TcpStream, head: String, body: &[u8], endless: bool) {
    let _ = stream.read(&mut [0; 4096]).await;
    let mut written = stream.write_all(head.as_bytes()).await.and(stream.write_all(body).await);
    while endless && written.is_ok() {
        written = stream.write_all(body).await;
    }
}

/// What comes of a logo at this address.
async fn logo(server: &Server, url: &str) -> Reply {
    let id = server.app.random.id();
    let with_logo =
        confidential(ClientAuthMethod::ClientSecretBasic, |client| client.logo_uri = Some(url.parse().unwrap()));
    server.add_client(&id, with_logo).await;
    server.get(&format!("/client-logo/{id}")).await
}

async fn assert_no_logo(server: &Server, url: &str) {
    let reply = logo(server, url).await;
    assert_eq!(reply.status, 404, "{url}");
    // Nobody learns why: the answer is the same for a closed door and for one that is not there.
    assert_eq!(reply.body, server.get("/client-logo/nobody").await.body);
}

#[tokio::test]
async fn a_development_start_reaches_its_own_machine() {
    let server = Server::start().await;
    let door = Door::with_picture().await;
    let reply = logo(&server, &door.url()).await;
    assert_eq!((reply.status, reply.header("content-type"), door.visits()), (200, Some("image/png"), 1));
}

#[tokio::test]
async fn loopback() {
    let server = Server::production().await;
    let door = Door::with_picture().await;
    for host in
        ["127.0.0.1", "localhost", "[::1]", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.0.0.2", "0.0.0.0"]
    {
        assert_no_logo(&server, &format!("https://{host}:{}/", door.port)).await;
    }
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        assert_no_logo(&server, &format!("http://{host}:{}/", door.port)).await;
    }
    assert_eq!(door.visits(), 0);
}

#[tokio::test]
async fn private_addresses() {
    let server = Server::start().await;
    for host in
        ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "[fd00::1]", "[fc00::1]", "192.0.0.1", "198.18.0.1"]
    {
        assert_no_logo(&server, &format!("https://{host}/")).await;
    }
}

#[tokio::test]
async fn link_local_addresses_and_cloud_metadata() {
    let server = Server::start().await;
    for host in ["169.254.169.254", "[fe80::1]", "2852039166", "0xa9fea9fe", "169.254.43518", "[fd00:ec2::254]"] {
        assert_no_logo(&server, &format!("https://{host}/latest/meta-data/")).await;
    }
}

#[tokio::test]
async fn ipv4_addresses_in_ipv6_clothes() {
    let server = Server::production().await;
    let door = Door::with_picture().await;
    for host in [
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[::ffff:7f00:1]",
        "[2002:7f00:1::]",
        "[64:ff9b::7f00:1]",
        "[::ffff:10.0.0.1]",
    ] {
        assert_no_logo(&server, &format!("https://{host}:{}/", door.port)).await;
    }
    assert_eq!(door.visits(), 0);
}

/// A name that an attacker owns can lead anywhere, and elsewhere a moment later; here `localhost` is that name. What it
/// leads to is looked at where the connection is made.
#[tokio::test]
async fn a_name_that_leads_inside() {
    let server = Server::production().await;
    let door = Door::with_picture().await;
    for name in ["localhost", "LOCALHOST", "localhost."] {
        assert_no_logo(&server, &format!("https://{name}:{}/", door.port)).await;
    }
    assert_eq!(door.visits(), 0);
}

#[tokio::test]
async fn a_redirect_inside() {
    let server = Server::start().await;
    let targets = [
        "https://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/",
        "http://10.0.0.1/",
        "https://[::ffff:10.0.0.1]/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "https://user:password@127.0.0.1/",
        "http://",
    ];
    for target in targets {
        let door = Door::that_leads_to(target).await;
        assert_no_logo(&server, &door.url()).await;
        assert_eq!(door.visits(), 1, "{target}");
    }
}

#[tokio::test]
async fn redirects_in_a_circle() {
    let server = Server::start().await;
    let door = Door::that_leads_to("/again").await;
    assert_no_logo(&server, &door.url()).await;
    assert_eq!(door.visits(), 4);
}

#[tokio::test]
async fn a_huge_body() {
    let server = Server::start().await;
    let announced = Door::open("HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n".to_owned(), PNG, false).await;
    assert_no_logo(&server, &announced.url()).await;
}

#[tokio::test]
async fn an_endless_body() {
    let server = Server::start().await;
    let endless = Door::open("HTTP/1.1 200 OK\r\n\r\n".to_owned(), &[b'a'; 8192], true).await;
    assert_no_logo(&server, &endless.url()).await;
    let heads =
        Door::open("HTTP/1.1 200 OK\r\n".to_owned(), b"x-header: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", true).await;
    assert_no_logo(&server, &heads.url()).await;
}

#[tokio::test]
async fn what_is_no_picture_is_never_served() {
    let server = Server::start().await;
    let pages: [&'static [u8]; 3] = [
        b"<html><script>alert(1)</script></html>",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"root:x:0:0:root:/root:/bin/bash",
    ];
    for page in pages {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: {}\r\n\r\n", page.len());
        let door = Door::open(head, page, false).await;
        assert_no_logo(&server, &door.url()).await;
    }
}

#[tokio::test]
async fn many_who_ask_cause_one_visit() {
    let server = Server::start().await;
    let door = Door::with_picture().await;
    let with_logo =
        confidential(ClientAuthMethod::ClientSecretBasic, |client| client.logo_uri = Some(door.url().parse().unwrap()));
    server.add_client("app", with_logo).await;
    let requests = (0..crate::harness::CROWD)
        .map(|_| http::Request::get("/client-logo/app").body(axum::body::Body::empty()).unwrap());
    let replies = server.send_at_once(requests).await;
    assert!(replies.iter().all(|reply| reply.status == 200));
    assert_eq!(door.visits(), 1);
}

#[tokio::test]
async fn nobody_but_an_operator_names_the_address() {
    let server = Server::start().await;
    let door = Door::with_picture().await;
    let url = door.url();
    let asked = crate::harness::encode(&[("logo_uri", &url), ("url", &url), ("request_uri", &url), ("jwks_uri", &url)]);
    server.get(&format!("/client-logo/nobody?{asked}")).await;
    server.get(&format!("/authorize?client_id=nobody&{asked}")).await.assert_page(400);
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    let reply = server.get(&crate::harness::authorize_path("app", &[("request_uri", &url)])).await;
    assert_eq!(reply.redirect_query()["error"], "invalid_request_uri");
    assert_eq!(door.visits(), 0);
}

/// Has an app with this address told of a logout; the kinds of the newest events.
async fn told(server: &Server, uri: &str) -> Vec<String> {
    let (id, person) = (server.app.random.id(), format!("{}@example.com", server.app.random.id()));
    let app = confidential(ClientAuthMethod::ClientSecretBasic, |app| {
        app.backchannel_logout_uri = Some(uri.parse().unwrap());
    });
    server.add_client(&id, app).await;
    let user = server.add_user(&person, None).await;
    server.sign_in(&id, &person, "openid").await;
    server.disable_user(&user).await;
    server.deliver_mails().await;
    server.audit(2).await.into_iter().map(|event| event.kind).collect()
}

#[tokio::test]
async fn a_notice_of_a_logout() {
    let server = Server::production().await;
    let door = Door::with_picture().await;
    let port = door.port;
    for uri in [
        format!("http://127.0.0.1:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("https://[::1]:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        "https://10.0.0.1/".to_owned(),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        // Once is enough: it would be no other address another time.
        assert_eq!(told(&server, &uri).await[0], "backchannel_logout.given_up", "{uri}");
    }
    assert_eq!(server.count("job").await, 0);
    // A name may lead elsewhere another time.
    assert_eq!(told(&server, &format!("https://localhost:{port}/")).await[0], "session.ended");
    assert_eq!((server.count("job").await, door.visits()), (1, 0));
}

#[tokio::test]
async fn a_notice_of_a_logout_follows_no_redirect() {
    let server = Server::start().await;
    let inside = Door::with_picture().await;
    let door = Door::that_leads_to(&inside.url()).await;
    told(&server, &door.url()).await;
    assert_eq!((door.visits(), inside.visits()), (1, 0));
}
