//! Connections: by TLS, with and without a certificate of the client.

use std::{future::pending, net::SocketAddr, pin::Pin, time::Duration};

use axum::{Extension, Router, routing::get};
use countersign::{
    config::TlsSettings,
    http::peer_certificate::PeerCertificate,
    listener::{Listener, tls::Certificate},
};
use openssl::ssl::{Ssl, SslContext, SslContextBuilder, SslMethod, SslVersion};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_openssl::SslStream;

use crate::harness::SelfSigned;

/// A listener that answers with the name in the client's certificate.
struct Door {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Door {
    async fn open(tls: &TlsSettings) -> Self {
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), "listen", Some(tls)).await.unwrap();
        let address = listener.address().unwrap();
        let task = tokio::spawn(async move { listener.serve(&Router::new().route("/", get(who)), pending()).await });
        Self { address, task }
    }

    /// Connects as a client that is set up like this.
    async fn connect(&self, set_up: impl FnOnce(&mut SslContextBuilder)) -> Option<SslStream<TcpStream>> {
        let mut builder = SslContext::builder(SslMethod::tls_client()).unwrap();
        set_up(&mut builder);
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let mut stream = SslStream::new(Ssl::new(&builder.build()).unwrap(), tcp).unwrap();
        Pin::new(&mut stream).connect().await.ok()?;
        Some(stream)
    }

    async fn ask(&self, set_up: impl FnOnce(&mut SslContextBuilder)) -> Option<String> {
        Some(request(self.connect(set_up).await?).await)
    }

    /// The certificate that is shown to a client.
    async fn shown(&self) -> Vec<u8> {
        let stream = self.connect(|_| ()).await.unwrap();
        stream.ssl().peer_certificate().unwrap().to_der().unwrap()
    }
}

async fn who(certificate: Option<Extension<PeerCertificate>>) -> String {
    let Some(Extension(PeerCertificate(certificate))) = certificate else { return "nobody".to_owned() };
    let name = certificate.subject_name().entries().next().unwrap();
    name.data().to_string().unwrap()
}

async fn request(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn limit_to(builder: &mut SslContextBuilder, version: SslVersion) {
    builder.set_min_proto_version(Some(version)).unwrap();
    builder.set_max_proto_version(Some(version)).unwrap();
    // Whatever the system's settings refuse is offered here.
    builder.set_security_level(0);
}

#[tokio::test]
async fn tls_1_3_is_spoken_and_of_1_2_what_is_safe_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(&SelfSigned::of("localhost").write(folder.path())).await;
    let newest = door.connect(|_| ()).await.unwrap();
    assert_eq!(newest.ssl().version_str(), "TLSv1.3");
    for (cipher, is_taken) in [
        ("ECDHE-ECDSA-AES128-GCM-SHA256", true),
        ("ECDHE-ECDSA-AES256-GCM-SHA384", true),
        ("ECDHE-ECDSA-AES128-SHA256", false),
        ("ECDHE-ECDSA-AES256-SHA", false),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", false),
    ] {
        let older = door.connect(|client| {
            limit_to(client, SslVersion::TLS1_2);
            client.set_cipher_list(cipher).unwrap();
        });
        assert_eq!(older.await.is_some(), is_taken, "{cipher}");
    }
    for version in [SslVersion::TLS1, SslVersion::TLS1_1] {
        assert!(door.connect(|client| limit_to(client, version)).await.is_none(), "{version:?}");
    }
    assert!(
        door.ask(|client| client.set_alpn_protos(b"\x02h2\x08http/1.1").unwrap()).await.unwrap().contains("200 OK")
    );
    assert!(door.connect(|client| client.set_alpn_protos(b"\x02h2").unwrap()).await.is_none());
}

#[tokio::test]
async fn a_certificate_of_the_client_is_asked_for_when_set_and_handed_on() {
    let folder = tempfile::tempdir().unwrap();
    let settings = SelfSigned::of("localhost").write(folder.path());
    let client = SelfSigned::of("a-client");
    let with_certificate = |builder: &mut SslContextBuilder| {
        builder.set_certificate(&client.certificate).unwrap();
        builder.set_private_key(&client.key).unwrap();
    };
    let asking = Door::open(&TlsSettings { client_certificates: true, ..settings.clone() }).await;
    assert!(asking.ask(with_certificate).await.unwrap().ends_with("a-client"));
    assert!(asking.ask(|_| ()).await.unwrap().ends_with("nobody"));
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let answer = asking.ask(|builder| {
            limit_to(builder, version);
            with_certificate(builder);
        });
        assert!(answer.await.unwrap().ends_with("a-client"), "{version:?}");
    }
    let not_asking = Door::open(&settings).await;
    assert!(not_asking.ask(with_certificate).await.unwrap().ends_with("nobody"));
}

#[tokio::test]
async fn who_comes_without_tls_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(&SelfSigned::of("localhost").write(folder.path())).await;
    let answer = request(TcpStream::connect(door.address).await.unwrap()).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("ask again by https"), "{answer}");
}

/// The clock of tokio stands still and jumps to the next timer whenever nobody has anything else to do.
#[tokio::test(start_paused = true)]
async fn whoever_does_not_finish_the_handshake_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(&SelfSigned::of("localhost").write(folder.path())).await;
    for beginning in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut stream = TcpStream::connect(door.address).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut [0; 100])).await;
        assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewed_certificate_is_taken_up_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = SelfSigned::of("localhost");
    let door = Door::open(&first.write(folder.path())).await;
    let of = |one: &SelfSigned| one.certificate.to_der().unwrap();
    let a_look_later = async || tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(door.shown().await, of(&first));
    let second = SelfSigned::of("localhost");
    second.write(folder.path());
    a_look_later().await;
    assert_eq!(door.shown().await, of(&second));
    std::fs::write(folder.path().join("tls.key"), "not a key").unwrap();
    a_look_later().await;
    assert_eq!(door.shown().await, of(&second));
    std::fs::remove_file(folder.path().join("tls.crt")).unwrap();
    a_look_later().await;
    assert_eq!(door.shown().await, of(&second));
    first.write(folder.path());
    a_look_later().await;
    assert_eq!(door.shown().await, of(&first));
}

#[test]
fn what_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let settings = SelfSigned::of("localhost").write(folder.path());
    let refusal = |settings: &TlsSettings| Certificate::read(settings).unwrap_err().to_string();
    let elsewhere = TlsSettings { key_file: folder.path().join("none"), ..settings.clone() };
    assert!(refusal(&elsewhere).starts_with("`tls.key_file`: ") && refusal(&elsewhere).contains("none cannot be read"));
    let swapped = TlsSettings { certificate_file: settings.key_file.clone(), ..settings.clone() };
    assert!(refusal(&swapped).ends_with("has no certificate as PEM"), "{}", refusal(&swapped));
    let swapped = TlsSettings { key_file: settings.certificate_file.clone(), ..settings.clone() };
    assert!(refusal(&swapped).ends_with("has no private key as PEM, or one behind a passphrase"));
    let other = SelfSigned::of("localhost");
    std::fs::write(&settings.key_file, other.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    assert!(refusal(&settings).contains("is not the key of the first certificate"), "{}", refusal(&settings));
    let locked = other.key.private_key_to_pem_pkcs8_passphrase(openssl::symm::Cipher::aes_256_cbc(), b"word").unwrap();
    std::fs::write(&settings.key_file, locked).unwrap();
    assert!(refusal(&settings).ends_with("behind a passphrase"), "{}", refusal(&settings));
}

#[test]
fn a_certificate_knows_its_hosts_and_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let read = |host: &str| Certificate::read(&SelfSigned::of(host).write(folder.path())).unwrap();
    for (name, host, expected) in [
        ("id.example", "ID.example", true),
        ("id.example", "example", false),
        ("*.example", "id.example", true),
        ("*.example", "a.id.example", false),
        ("*.example", "example", false),
        ("*.example", "10.0.0.1", false),
        ("127.0.0.1", "127.0.0.1", true),
        ("127.0.0.1", "127.0.0.2", false),
        ("::1", "[::1]", true),
    ] {
        assert_eq!(read(name).is_for(host), expected, "{name} for {host}");
    }
    let ends = |end| Certificate::read(&SelfSigned::until("localhost", end).write(folder.path())).unwrap();
    let end = 1_900_000_000;
    assert_eq!(ends(end).days_left(end - 10 * 24 * 3_600).unwrap(), 10);
    assert_eq!(ends(end).days_left(end - 60).unwrap(), 0);
    assert_eq!(ends(end).days_left(end + 60).unwrap(), -1);
}
