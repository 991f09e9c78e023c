//! `/client-logo/{client_id}`. What must not be fetched is in `attacks/a09_ssrf.rs`.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use chrono::TimeDelta;
use countersign_types::ClientAuthMethod;
use openssl::{
    asn1::Asn1Time,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    ssl::{SslAcceptor, SslMethod},
    x509::{
        X509, X509NameBuilder,
        extension::{BasicConstraints, SubjectAlternativeName},
    },
};

use crate::harness::{Server, confidential};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n-\xb4\0\0\0\0IEND\xaeB`\x82";

/// A web server of an app, on this machine. Its picture is at `/logo.png`, and it counts who comes.
struct Site {
    port: u16,
    visits: Arc<AtomicUsize>,
}

impl Site {
    fn plain() -> Self {
        Self::start(Some)
    }

    fn tls((key, certificate): &(PKey<Private>, X509)) -> Self {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_private_key(key).unwrap();
        acceptor.set_certificate(certificate).unwrap();
        let acceptor = acceptor.build();
        Self::start(move |stream| acceptor.accept(stream).ok())
    }

    fn start<S: Read + Write>(open: impl Fn(std::net::TcpStream) -> Option<S> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let site = Self { port: listener.local_addr().unwrap().port(), visits: Arc::default() };
        let visits = site.visits.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten().filter_map(open) {
                visits.fetch_add(1, Ordering::SeqCst);
                let mut head = [0; 4096];
                let read = stream.read(&mut head).unwrap_or(0);
                let status = if head[..read].starts_with(b"GET /logo.png ") { "200 OK" } else { "404 Not Found" };
                // What it calls the picture is not believed.
                let head =
                    format!("HTTP/1.1 {status}\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n", PNG.len());
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(PNG));
            }
        });
        site
    }

    fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://localhost:{}{path}", self.port)
    }

    fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

/// A certificate for localhost that signs itself.
fn certificate() -> (PKey<Private>, X509) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, "localhost").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_str("20990101000000Z").unwrap()).unwrap();
    builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    let names = SubjectAlternativeName::new().dns("localhost").build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    (key, builder.build())
}

async fn set_logo(server: &Server, uri: &str) {
    server.remove_client("app").await;
    let client =
        confidential(ClientAuthMethod::ClientSecretBasic, |client| client.logo_uri = Some(uri.parse().unwrap()));
    server.add_client("app", client).await;
}

async fn status(server: &Server) -> u16 {
    server.get("/client-logo/app").await.status
}

#[tokio::test]
async fn a_logo_comes_from_our_own_origin_as_the_picture_that_it_is() {
    let (server, site) = (Server::start().await, Site::plain());
    set_logo(&server, &site.url("http", "/logo.png")).await;
    let reply = server.get("/client-logo/app").await;
    assert_eq!((reply.status, reply.body.as_slice()), (200, PNG));
    for (header, value) in [
        ("content-type", "image/png"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "public, max-age=3600"),
    ] {
        assert_eq!(reply.header(header), Some(value));
    }
    assert_eq!(reply.header("set-cookie"), None);
}

#[tokio::test]
async fn a_logo_is_fetched_once_a_week() {
    let (server, site) = (Server::start().await, Site::plain());
    set_logo(&server, &site.url("http", "/logo.png")).await;
    for _ in 0..3 {
        assert_eq!(status(&server).await, 200);
    }
    server.advance(TimeDelta::days(7) - TimeDelta::seconds(1));
    // Another node finds it in the database.
    assert_eq!((status(&server).await, status(&server.beside().await).await, site.visits()), (200, 200, 1));
    server.advance(TimeDelta::seconds(1));
    assert_eq!((status(&server).await, site.visits()), (200, 2));
}

#[tokio::test]
async fn a_logo_that_was_not_there_is_tried_again_after_ten_minutes() {
    let (server, site) = (Server::start().await, Site::plain());
    set_logo(&server, &site.url("http", "/none.png")).await;
    for _ in 0..3 {
        let reply = server.get("/client-logo/app").await;
        assert_eq!((reply.status, reply.header("content-type")), (404, Some("image/svg+xml")));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
    server.advance(TimeDelta::minutes(10) - TimeDelta::seconds(1));
    assert_eq!((status(&server).await, site.visits()), (404, 1));
    server.advance(TimeDelta::seconds(1));
    assert_eq!((status(&server).await, site.visits()), (404, 2));
    // Another address is tried at once.
    set_logo(&server, &site.url("http", "/logo.png")).await;
    assert_eq!((status(&server).await, site.visits()), (200, 3));
}

#[tokio::test]
async fn clients_without_a_logo_or_disabled_or_unknown_have_the_same_drawing() {
    let (server, site) = (Server::start().await, Site::plain());
    let client = confidential(ClientAuthMethod::ClientSecretBasic, |client| {
        client.logo_uri = Some(site.url("http", "/logo.png").parse().unwrap());
    });
    let mut disabled = server.add_client("disabled", client).await;
    disabled.enabled = false;
    server.update_client(&disabled).await;
    server.add_client("none", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    let drawing = server.get("/client-logo/unknown").await;
    assert_eq!(drawing.status, 404);
    for id in ["disabled", "none"] {
        let reply = server.get(&format!("/client-logo/{id}")).await;
        assert_eq!((reply.status, reply.body), (404, drawing.body.clone()), "{id}");
    }
    assert_eq!(site.visits(), 0);
}

#[tokio::test]
async fn a_private_network_is_reached_only_where_the_operator_allows_it() {
    let keys = certificate();
    let site = Site::tls(&keys);
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("ca.pem");
    std::fs::write(&authority, keys.1.to_pem().unwrap()).unwrap();
    let ca = format!("outbound.ca_file = '{}'", authority.display());
    for (settings, expected) in [
        (ca.clone(), (404, 0)),
        (format!("{ca}\noutbound.allow = ['10.0.0.0/8']"), (404, 0)),
        (format!("{ca}\noutbound.allow = ['127.0.0.0/8']"), (200, 1)),
    ] {
        let server = Server::production_with(&settings).await;
        set_logo(&server, &site.url("https", "/logo.png")).await;
        assert_eq!((status(&server).await, site.visits()), expected, "{settings}");
    }
    // Without the authority the certificate is nobody's.
    let server = Server::production_with("outbound.allow = ['127.0.0.0/8']").await;
    set_logo(&server, &site.url("https", "/logo.png")).await;
    assert_eq!(status(&server).await, 404);
}
