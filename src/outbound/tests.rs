//! The client against real servers on loopback.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use chrono::{DateTime, TimeDelta};
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

use super::*;

const LIMIT: usize = 1000;

/// A server on loopback that counts its connections, each of which carries one request.
struct Site {
    address: SocketAddr,
    hits: Arc<AtomicUsize>,
}

/// What a server does with the head of a request.
type Handler = fn(&str, &mut dyn Write) -> std::io::Result<()>;

impl Site {
    fn plain(handler: Handler) -> Self {
        Self::start(handler, Some)
    }

    fn tls(handler: Handler, key: &PKey<Private>, certificate: &X509) -> Self {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_private_key(key).unwrap();
        acceptor.set_certificate(certificate).unwrap();
        let acceptor = acceptor.build();
        Self::start(handler, move |stream| acceptor.accept(stream).ok())
    }

    fn start<S: Read + Write>(
        handler: Handler,
        open: impl Fn(std::net::TcpStream) -> Option<S> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let site = Self { address: listener.local_addr().unwrap(), hits: Arc::default() };
        let (hits, open) = (Arc::clone(&site.hits), Arc::new(open));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                hits.fetch_add(1, Ordering::SeqCst);
                let open = Arc::clone(&open);
                thread::spawn(move || {
                    let mut stream = open(stream)?;
                    let (mut head, mut byte) = (Vec::new(), [0]);
                    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).ok()? == 1 {
                        head.extend(byte);
                    }
                    handler(&String::from_utf8_lossy(&head), &mut stream).ok()
                });
            }
        });
        site
    }

    fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.address)).unwrap()
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

fn ok(out: &mut dyn Write, headers: &str, body: &[u8]) -> std::io::Result<()> {
    write!(out, "HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n", body.len())?;
    out.write_all(body)
}

fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}

fn outbound(mode: Mode, allow: &[&str], ca_file: Option<&Path>) -> Outbound {
    let settings = OutboundSettings {
        allow: allow.iter().map(|network| network.parse().unwrap()).collect(),
        ca_file: ca_file.map(Path::to_path_buf),
    };
    Outbound::new(&settings, mode, Clock::manual(DateTime::UNIX_EPOCH)).unwrap()
}

fn development() -> Outbound {
    outbound(Mode::Development, &[], None)
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

#[tokio::test]
async fn a_fetch_says_no_more_than_it_must() {
    let site = Site::plain(|head, out| ok(out, "Content-Type: text/plain\r\nSet-Cookie: a=b\r\n", head.as_bytes()));
    for path in ["/first", "/second"] {
        let fetched = development().get(&site.url(path), LIMIT).await.unwrap();
        assert_eq!(fetched.content_type.as_deref(), Some("text/plain"));
        let head = String::from_utf8(fetched.body.to_vec()).unwrap().to_lowercase();
        let mut names: Vec<_> =
            head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "accept-encoding", "host", "user-agent"], "{head}");
        assert!(head.contains("user-agent: countersign\r\n"));
    }
}

#[tokio::test]
async fn urls_out_of_reach_are_refused_before_any_connection() {
    let production = outbound(Mode::Production, &["10.9.0.0/16"], None);
    for (url, error) in [
        ("http://example.com/", OutboundError::Scheme),
        ("http://localhost/", OutboundError::Scheme),
        ("http://127.0.0.1/", OutboundError::Scheme),
        ("http://10.9.0.1/", OutboundError::Scheme),
        ("ftp://example.com/", OutboundError::Scheme),
        ("file:///etc/passwd", OutboundError::Scheme),
        ("data:text/plain,x", OutboundError::Scheme),
        ("https://user@example.com/", OutboundError::Userinfo),
        ("https://:secret@example.com/", OutboundError::Userinfo),
        ("https://127.0.0.1/", OutboundError::Address),
        ("https://127.0.0.1./", OutboundError::Address),
        ("https://127.1/", OutboundError::Address),
        ("https://2130706433/", OutboundError::Address),
        ("https://0x7f.0.0.1/", OutboundError::Address),
        ("https://0177.0.0.1/", OutboundError::Address),
        ("https://0/", OutboundError::Address),
        ("https://10.0.0.1:8443/", OutboundError::Address),
        ("https://169.254.169.254/latest/meta-data/", OutboundError::Address),
        ("https://[::1]/", OutboundError::Address),
        ("https://[::]/", OutboundError::Address),
        ("https://[::ffff:127.0.0.1]/", OutboundError::Address),
        ("https://[::ffff:7f00:1]/", OutboundError::Address),
        ("https://[64:ff9b::10.0.0.1]/", OutboundError::Address),
        ("https://[fd00::1]/", OutboundError::Address),
        ("https://\u{ff11}\u{ff12}\u{ff17}.0.0.1/", OutboundError::Address),
    ] {
        assert_eq!(production.get(&Url::parse(url).unwrap(), LIMIT).await, Err(error), "{url}");
    }
    assert!(production.0.client.get().is_none(), "nothing was fetched, so no client was built");
    let url = Url::parse("https://[::ffff:127.0.0.1]/").unwrap();
    assert_eq!(development().get(&url, LIMIT).await, Err(OutboundError::Address));
}

#[tokio::test]
async fn a_name_that_leads_to_loopback_is_refused_in_production() {
    let site = Site::plain(|_, out| ok(out, "", b"secret"));
    let url = Url::parse(&format!("https://localhost:{}/", site.address.port())).unwrap();
    let unknown = Url::parse("https://no-such-host.invalid/").unwrap();
    let production = outbound(Mode::Production, &["10.0.0.0/8"], None);
    let error = production.get(&url, LIMIT).await.unwrap_err();
    assert_eq!(error, OutboundError::Unreachable);
    assert_eq!(production.get(&unknown, LIMIT).await.unwrap_err(), error, "the two cannot be told apart");
    assert_eq!(site.hits(), 0);
}

#[tokio::test]
async fn allowed_networks_and_own_authorities_let_a_server_in() {
    let (key, certificate) = certificate();
    let site = Site::tls(|_, out| ok(out, "", b"logo"), &key, &certificate);
    let dir = tempfile::tempdir().unwrap();
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, certificate.to_pem().unwrap()).unwrap();
    let url = Url::parse(&format!("https://localhost:{}/", site.address.port())).unwrap();

    let stranger = outbound(Mode::Production, &["127.0.0.0/8"], None);
    assert_eq!(stranger.get(&url, LIMIT).await, Err(OutboundError::Unreachable), "an unknown authority");
    let outside = outbound(Mode::Production, &[], Some(&ca_file));
    assert_eq!(outside.get(&url, LIMIT).await, Err(OutboundError::Unreachable), "a network that is not allowed");
    assert_eq!(site.hits(), 1, "only the first came as far as the handshake");
    let friend = outbound(Mode::Production, &["127.0.0.0/8"], Some(&ca_file));
    assert_eq!(&friend.get(&url, LIMIT).await.unwrap().body[..], b"logo");
    let by_address = Url::parse(&format!("https://{}/", site.address)).unwrap();
    assert_eq!(
        friend.get(&by_address, LIMIT).await,
        Err(OutboundError::Unreachable),
        "the certificate names localhost"
    );
}

#[test]
fn a_bad_ca_file_is_named_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    let new = || {
        let settings = OutboundSettings { allow: Vec::new(), ca_file: Some(file.clone()) };
        Outbound::new(&settings, Mode::Production, Clock::system()).unwrap_err().to_string()
    };
    assert!(new().starts_with(&format!("outbound.ca_file: {}: cannot be read", file.display())));
    for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&file, text).unwrap();
        assert!(new().ends_with("expected certificates as PEM"), "{text}");
    }
}

#[tokio::test]
async fn redirects_are_followed_by_the_same_rules() {
    let site = Site::plain(|head, out| {
        let target = match path(head) {
            "/1" => "/2",
            "/2" => "3?x=y",
            "/3?x=y" => "/end",
            "/0" => "/1",
            "/loop" => "/loop",
            "/private" => "https://10.0.0.1/",
            "/metadata" => "https://169.254.169.254/latest/meta-data/",
            "/mapped" => "https://[::ffff:127.0.0.1]/",
            "/plain" => "http://example.com/",
            "/file" => "file:///etc/passwd",
            "/user" => "//user@127.0.0.1/",
            "/broken" => "http://[",
            "/none" => return write!(out, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"),
            _ => return ok(out, "", b"end"),
        };
        write!(out, "HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n")
    });
    let outbound = development();
    assert_eq!(&outbound.get(&site.url("/1"), LIMIT).await.unwrap().body[..], b"end");
    for (path, error) in [
        ("/0", OutboundError::Redirect),
        ("/loop", OutboundError::Redirect),
        ("/private", OutboundError::Address),
        ("/metadata", OutboundError::Address),
        ("/mapped", OutboundError::Address),
        ("/plain", OutboundError::Scheme),
        ("/file", OutboundError::Scheme),
        ("/user", OutboundError::Userinfo),
        ("/broken", OutboundError::Redirect),
        ("/none", OutboundError::Redirect),
    ] {
        assert_eq!(outbound.get(&site.url(path), LIMIT).await, Err(error), "{path}");
    }
}

#[tokio::test]
async fn bodies_end_at_the_limit() {
    let site = Site::plain(|head, out| match path(head) {
        "/exact" => ok(out, "", &[b'x'; LIMIT]),
        "/one-more" => ok(out, "", &[b'x'; LIMIT + 1]),
        // Announced and never sent: refused at once.
        "/announced" => {
            write!(out, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")?;
            thread::park();
            Ok(())
        }
        "/chunked" => {
            write!(out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            loop {
                write!(out, "a\r\n0123456789\r\n")?;
            }
        }
        "/head" => {
            write!(out, "HTTP/1.1 200 OK\r\n")?;
            loop {
                write!(out, "X-Filler: 0123456789\r\n")?;
            }
        }
        "/gzip" => ok(out, "Content-Encoding: gzip\r\n", b"\x1f\x8b"),
        "/missing" => write!(out, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        "/no-http" => out.write_all(b"SSH-2.0-OpenSSH_9.9\r\n"),
        "/short" => write!(out, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        _ => {
            write!(out, "HTTP/1.1 200 OK\r\n\r\n")?;
            loop {
                out.write_all(&[b'x'; 100])?;
            }
        }
    });
    let outbound = development();
    assert_eq!(outbound.get(&site.url("/exact"), LIMIT).await.unwrap().body.len(), LIMIT);
    for (path, error) in [
        ("/one-more", OutboundError::TooLarge(LIMIT)),
        ("/announced", OutboundError::TooLarge(LIMIT)),
        ("/chunked", OutboundError::TooLarge(LIMIT)),
        ("/endless", OutboundError::TooLarge(LIMIT)),
        ("/head", OutboundError::Unreachable),
        ("/gzip", OutboundError::Encoding),
        ("/missing", OutboundError::Status(404)),
        ("/no-http", OutboundError::Unreachable),
        ("/short", OutboundError::Unreachable),
    ] {
        assert_eq!(outbound.get(&site.url(path), LIMIT).await, Err(error), "{path}");
    }
}

#[tokio::test]
async fn slow_servers_are_left() {
    let site = Site::plain(|head, out| {
        if path(head) == "/silent" {
            thread::park();
            Ok(())
        } else {
            write!(out, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")?;
            loop {
                out.write_all(b"x")?;
                out.flush()?;
                thread::sleep(Duration::from_millis(10));
            }
        }
    });
    let brief = Duration::from_millis(60);
    let timeouts = Timeouts { queue: brief, connect: brief, total: brief };
    let clock = Clock::manual(DateTime::UNIX_EPOCH);
    let outbound = Outbound::with_timeouts(&OutboundSettings::default(), Mode::Development, clock, timeouts).unwrap();
    for path in ["/silent", "/drip"] {
        assert_eq!(outbound.get(&site.url(path), LIMIT).await, Err(OutboundError::Timeout), "{path}");
    }

    // When all that may run are waiting for such servers, the next one is told so, and that is not remembered.
    let held = outbound.0.permits.acquire_many(u32::try_from(CONCURRENT).unwrap()).await.unwrap();
    assert_eq!(outbound.get(&site.url("/next"), LIMIT).await, Err(OutboundError::Busy));
    drop(held);
    assert_eq!(outbound.get(&site.url("/next"), LIMIT).await, Err(OutboundError::Timeout));
}

#[tokio::test]
async fn outcomes_are_remembered_for_their_time() {
    let site = Site::plain(|head, out| match path(head) {
        "/short" => ok(out, "Cache-Control: public, max-age=120\r\n", b"x"),
        "/missing" => write!(out, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        _ => ok(out, "", b"x"),
    });
    let outbound = development();
    for (path, seconds) in [("/short", 120), ("/missing", 60), ("/logo", 3600)] {
        let hits = site.hits();
        let first = outbound.get(&site.url(path), LIMIT).await;
        outbound.0.clock.advance(TimeDelta::seconds(seconds - 1));
        assert_eq!(outbound.get(&site.url(path), LIMIT).await, first);
        assert_eq!(site.hits(), hits + 1, "{path}");
        outbound.0.clock.advance(TimeDelta::seconds(1));
        assert_eq!(outbound.get(&site.url(path), LIMIT).await, first);
        assert_eq!(site.hits(), hits + 2, "{path}");
    }
}

#[tokio::test]
async fn who_doubts_what_is_remembered_asks_again_and_does_not_hammer() {
    let site = Site::plain(|_, out| ok(out, "", b"x"));
    let (outbound, age) = (development(), TimeDelta::seconds(5));
    let fetched = outbound.get(&site.url("/"), LIMIT).await;
    for _ in 0..3 {
        assert_eq!(outbound.get_fresh(&site.url("/"), LIMIT, age).await, fetched);
    }
    assert_eq!(site.hits(), 1);
    outbound.0.clock.advance(age);
    for _ in 0..3 {
        assert_eq!(outbound.get_fresh(&site.url("/"), LIMIT, age).await, fetched);
    }
    assert_eq!(site.hits(), 2);
}

#[tokio::test]
async fn many_who_want_one_url_cause_one_fetch() {
    let site = Site::plain(|_, out| {
        thread::sleep(Duration::from_millis(30));
        ok(out, "Cache-Control: no-store\r\n", b"x")
    });
    let outbound = development();
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let (outbound, url) = (outbound.clone(), site.url("/"));
            tokio::spawn(async move { outbound.get(&url, LIMIT).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(&task.await.unwrap().unwrap().body[..], b"x");
    }
    assert_eq!(site.hits(), 1);
    assert!(lock(&outbound.0.flights).values().all(|flight| flight.strong_count() == 0));
}
