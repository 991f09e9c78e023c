//! `countersign serve`: the first start, later ones, and the end.

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use serde_json::{Value, json};

use super::{
    machine::Machine,
    running::{Running, free_port},
};
use crate::harness::SelfSigned;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_first_start_in_an_empty_folder_gives_a_working_provider() {
    let machine = Machine::new().await.without("DATABASE__URL");
    // No command means serve.
    let server = Running::start_with(&machine, &[]).await;
    let greeting = server.stdout();
    let issuer = machine.setting("ISSUER");
    assert!(greeting.contains(&format!("is running at {issuer}\n")), "{greeting}");
    let link = greeting.lines().find(|line| line.starts_with(&format!("{issuer}/link?t="))).unwrap();
    assert!(greeting.contains("within 30 minutes") && greeting.contains("countersign user admin-link"), "{greeting}");
    assert_eq!(server.status_of(&link.into()).await, 200);
    assert!(!server.log().contains("link?t="), "a log is read by many");

    let (status, page) = server.get("/").await;
    assert_eq!(status, 200);
    assert!(page.contains("Countersign is running") && page.contains(issuer), "{page}");

    for name in ["data", "keys"] {
        assert_eq!(mode(&machine.folder().join(name)), 0o700, "{name}");
    }
    assert!(machine.folder().join("data/countersign.db").is_file());
    assert_eq!(mode(&machine.folder().join("keys/master.key")), 0o600);
}

#[tokio::test]
async fn the_greeting_is_json_when_asked_for() {
    let machine = Machine::new().await;
    let server = Running::start_with(&machine, &["serve", "--json"]).await;
    let greeting: serde_json::Value = serde_json::from_str(&server.stdout()).unwrap();
    assert_eq!(greeting["issuer"], machine.setting("ISSUER"));
    assert_eq!(server.status_of(&greeting["administrator_link"]).await, 200);
}

#[tokio::test]
async fn a_later_start_knows_everything_and_offers_no_link_to_what_is_done() {
    let machine = Machine::new().await;
    let mut first = machine.serve().await;
    let secret = machine.json(&["client", "add", "app", "--grant", "client_credentials"])["client_secret"].clone();
    let keys = first.get("/.well-known/jwks.json").await;
    first.signal("TERM");
    assert!(first.ended().await.success());
    machine.run(&["user", "add", "ada@example.com", "--role", "admin"]).assert_ok();

    let second = machine.serve().await;
    assert!(!second.stdout().contains("link"), "{}", second.stdout());
    assert_eq!(second.get("/.well-known/jwks.json").await, keys);
    assert_eq!(second.client_token("app", secret.as_str().unwrap()).await.0, 200);
}

#[tokio::test]
async fn a_production_start_prints_no_link_but_says_how_to_get_one() {
    let machine = Machine::new().await.with("ISSUER", "https://id.example.com").with_master_key();
    let server = machine.serve().await;
    let greeting = server.stdout();
    assert!(greeting.contains("is running at https://id.example.com"), "{greeting}");
    assert!(greeting.contains("run `countersign user admin-link`") && !greeting.contains("link?t="), "{greeting}");
    let link = machine.json(&["user", "admin-link"])["link"].clone();
    assert!(link.as_str().unwrap().starts_with("https://id.example.com/link?t="));
    assert_eq!(server.status_of(&link).await, 200);
    let (_, page) = server.get("/").await;
    assert!(!page.contains(env!("CARGO_PKG_VERSION")) && !page.contains("admin-link"), "{page}");
}

#[tokio::test]
async fn tls_is_spoken_without_a_proxy() {
    let machine = Machine::new().await.with_tls(&SelfSigned::of("localhost"));
    let mut server = machine.serve().await;
    let (status, document) = server.get("/.well-known/openid-configuration").await;
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!((status, &document["issuer"]), (200, &json!(server.address())));
    let secret = machine.json(&["client", "add", "app", "--grant", "client_credentials"])["client_secret"].clone();
    assert_eq!(server.client_token("app", secret.as_str().unwrap()).await.0, 200);
    server.signal("TERM");
    assert!(server.ended().await.success(), "{}", server.log());

    machine.write("tls.key", "lost");
    let refused = machine.run(&["serve"]);
    let last = refused.stderr.lines().last().unwrap();
    assert_eq!(last, "countersign: `tls.key_file`: tls.key has no private key as PEM, or one behind a passphrase");
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let (machine, other) = (Machine::new().await, Machine::new().await);
    let _server = machine.serve().await;
    let listen = machine.setting("LISTEN").to_owned();
    let refused = other.with("LISTEN", &listen).run(&["serve"]);
    assert_eq!((refused.status, refused.stdout.as_str()), (Some(1), ""));
    let last = refused.stderr.lines().last().unwrap();
    assert!(last.starts_with(&format!("countersign: cannot listen on {listen}: ")), "{refused:?}");
    assert!(last.ends_with("set `listen` to another address"), "{refused:?}");
}

#[tokio::test]
async fn either_signal_ends_it_well() {
    for signal in ["TERM", "INT"] {
        let machine = Machine::new().await;
        let mut server = machine.serve().await;
        server.signal(signal);
        assert!(server.ended().await.success(), "{signal}: {}", server.log());
    }
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_end() {
    let machine = Machine::new().await;
    let mut server = machine.serve().await;
    let body = "grant_type=client_credentials&client_id=nobody";
    let mut stream = TcpStream::connect(machine.setting("LISTEN")).unwrap();
    write!(
        stream,
        "POST /token HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    )
    .unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");

    server.signal("TERM");
    server.soon(async || TcpStream::connect(machine.setting("LISTEN")).is_err()).await;
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("invalid_client"), "{answer}");
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn metrics_can_have_a_listener_of_their_own() {
    let listen = format!("127.0.0.1:{}", free_port());
    let machine = Machine::new().await.with("METRICS__LISTEN", &listen);
    let server = machine.serve().await;
    let told = reqwest::get(format!("http://{listen}/metrics")).await.unwrap();
    assert_eq!(told.status(), 200);
    assert!(told.text().await.unwrap().contains("countersign_http_request_duration_seconds"));
    assert_eq!(reqwest::get(format!("http://{listen}/readyz")).await.unwrap().status(), 404);
    assert_eq!(server.get("/metrics").await.0, 404);
    drop(server);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let machine =
        machine.with("LISTEN", "127.0.0.1:0").with("METRICS__LISTEN", &taken.local_addr().unwrap().to_string());
    machine.run(&["serve"]).assert_fails("set `metrics.listen` to another address");
}
