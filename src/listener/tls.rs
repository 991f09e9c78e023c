//! TLS at the listener: what is spoken (RFC 9325), with which certificate, and how a renewed one is taken up.

use std::{
    fs, io,
    net::IpAddr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    http::{StatusCode, header},
    response::IntoResponse,
};
use openssl::{
    error::ErrorStack,
    pkey::{PKey, Private},
    ssl::{AlpnError, Ssl, SslAcceptor, SslMethod, SslOptions, SslVerifyMode, SslVersion, select_next_proto},
    x509::X509,
};
use tokio::{net::TcpStream, sync::watch, task::JoinHandle};
use tokio_openssl::SslStream;

use crate::{
    config::TlsSettings,
    http::{headers, peer_certificate::PeerCertificate},
};

/// How soon a renewed certificate is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After how many looks new keys seal what resumes a connection: a day. OpenSSL keeps them as long as a context, and whoever
/// learns them can read connections of that time (RFC 9325 §3.4).
const LOOKS_OF_TICKET_KEYS: u32 = 24 * 60 * 60;
/// How long a client may take for its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Of TLS 1.2 only what has forward secrecy and authenticates what it encrypts (RFC 9325 §4.2). Those of 1.3 all do.
const CIPHERS_OF_1_2: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
                              ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
/// The one protocol behind TLS, as a list of RFC 7301.
const PROTOCOLS: &[u8] = b"\x08http/1.1";

/// Why no TLS can be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One of the files is not there, or not ours to read.
    #[error("`{setting}`: {} cannot be read: {error}", path.display())]
    Unreadable {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// No certificate is in the file.
    #[error("`tls.certificate_file`: {} has no certificate as PEM", .0.display())]
    NoCertificate(PathBuf),
    /// No key is in the file, or nobody is there to unlock it.
    #[error("`tls.key_file`: {} has no private key as PEM, or one behind a passphrase", .0.display())]
    NoKey(PathBuf),
    /// The two do not belong together, as when one of them was not renewed.
    #[error("`tls.key_file` is not the key of the first certificate in `tls.certificate_file`")]
    Mismatch,
    /// OpenSSL refuses them, as when the key is too short.
    #[error("the certificate cannot be used: {0}")]
    Refused(#[from] ErrorStack),
}

/// A certificate with what is between it and its authority, and its key.
#[derive(Debug)]
pub struct Certificate {
    leaf: X509,
    between: Vec<X509>,
    key: PKey<Private>,
}

impl Certificate {
    /// Reads both files.
    ///
    /// # Errors
    /// One of them cannot be read, is something else, or belongs to another one.
    pub fn read(settings: &TlsSettings) -> Result<Self, TlsError> {
        let read = |setting, path: &Path| {
            fs::read(path).map_err(|error| TlsError::Unreadable { setting, path: path.to_owned(), error })
        };
        let chain = read("tls.certificate_file", &settings.certificate_file)?;
        let key = read("tls.key_file", &settings.key_file)?;
        let no_certificate = || TlsError::NoCertificate(settings.certificate_file.clone());
        let mut chain = X509::stack_from_pem(&chain).map_err(|_| no_certificate())?.into_iter();
        let leaf = chain.next().ok_or_else(no_certificate)?;
        // Without a callback OpenSSL would ask for a passphrase on the terminal, and wait.
        let key = PKey::private_key_from_pem_callback(&key, |_| Ok(0))
            .map_err(|_| TlsError::NoKey(settings.key_file.clone()))?;
        if !leaf.public_key()?.public_eq(&key) {
            return Err(TlsError::Mismatch);
        }
        Ok(Self { leaf, between: chain.collect(), key })
    }

    /// Whole days from then on that it is valid; negative when it no longer is.
    ///
    /// # Errors
    /// OpenSSL refuses one of the times.
    pub fn days_left(&self, unix_seconds: i64) -> Result<i32, ErrorStack> {
        let now = openssl::asn1::Asn1Time::from_unix(unix_seconds)?;
        let left = now.diff(self.leaf.not_after())?;
        Ok(if left.secs < 0 && left.days == 0 { -1 } else { left.days })
    }

    /// Whether its time has begun.
    ///
    /// # Errors
    /// OpenSSL refuses one of the times.
    pub fn has_begun(&self, unix_seconds: i64) -> Result<bool, ErrorStack> {
        Ok(self.leaf.not_before() <= &*openssl::asn1::Asn1Time::from_unix(unix_seconds)?)
    }

    /// Whether an authority issued it, and nothing is there of what lies between the two.
    pub fn is_alone(&self) -> bool {
        let (issuer, subject) = (self.leaf.issuer_name().to_der(), self.leaf.subject_name().to_der());
        self.between.is_empty() && issuer.ok() != subject.ok()
    }

    /// Whether it is for this host: by name, by a name whose first label is `*`, or by address (RFC 9525 §6.3).
    pub fn is_for(&self, host: &str) -> bool {
        let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        self.leaf.subject_alt_names().into_iter().flatten().any(|name| {
            match (name.dnsname(), name.ipaddress(), address) {
                (Some(name), _, None) => match name.strip_prefix("*.") {
                    Some(rest) => host.split_once('.').is_some_and(|(_, parent)| parent.eq_ignore_ascii_case(rest)),
                    None => name.eq_ignore_ascii_case(host),
                },
                (_, Some(bytes), Some(IpAddr::V4(address))) => bytes == address.octets(),
                (_, Some(bytes), Some(IpAddr::V6(address))) => bytes == address.octets(),
                _ => false,
            }
        })
    }

    fn acceptor(&self, asks_clients: bool) -> Result<SslAcceptor, ErrorStack> {
        let mut builder = SslAcceptor::mozilla_modern_v5(SslMethod::tls())?;
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        builder.set_cipher_list(CIPHERS_OF_1_2)?;
        // Whoever renegotiates in TLS 1.2 costs us handshakes (RFC 9325 §3.5).
        builder.set_options(SslOptions::CIPHER_SERVER_PREFERENCE | SslOptions::NO_RENEGOTIATION);
        builder
            .set_alpn_select_callback(|_, offered| select_next_proto(PROTOCOLS, offered).ok_or(AlpnError::ALERT_FATAL));
        builder.set_private_key(&self.key)?;
        builder.set_certificate(&self.leaf)?;
        for certificate in &self.between {
            builder.add_extra_chain_cert(certificate.clone())?;
        }
        builder.check_private_key()?;
        // A connection that asks clients is resumed only under a name.
        builder.set_session_id_context(b"countersign")?;
        if asks_clients {
            // Any is taken: clients may sign their own, and what it counts for is decided where it is used.
            builder.set_verify_callback(SslVerifyMode::PEER, |_, _| true);
        }
        Ok(builder.build())
    }
}

/// By what a file that was renewed differs: which one it is, how long it is, and when it was written.
type Marks = Option<(u64, u64, i64, i64)>;

fn marks(settings: &TlsSettings) -> [Marks; 2] {
    [&settings.certificate_file, &settings.key_file].map(|path| {
        let file = fs::metadata(path).ok()?;
        Some((file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
    })
}

/// TLS as it is spoken at present.
pub(super) struct Tls {
    acceptor: watch::Receiver<SslAcceptor>,
    keeper: JoinHandle<()>,
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// How a connection began.
pub(super) enum Opening {
    Secured(SslStream<TcpStream>, Option<PeerCertificate>),
    /// By HTTP without TLS.
    Plain(TcpStream),
    Failed,
}

impl Tls {
    pub(super) fn open(settings: TlsSettings) -> Result<Self, TlsError> {
        let seen = marks(&settings);
        let certificate = Certificate::read(&settings)?;
        let (spoken, acceptor) = watch::channel(certificate.acceptor(settings.client_certificates)?);
        let keeper = tokio::spawn(keep_fresh(settings, (certificate, seen), spoken));
        Ok(Self { acceptor, keeper })
    }

    pub(super) fn open_connection(&self, stream: TcpStream) -> impl Future<Output = Opening> + Send + 'static {
        let ssl = Ssl::new(self.acceptor.borrow().context());
        async move {
            let opened = tokio::time::timeout(HANDSHAKE_TIMEOUT, async move {
                // A handshake begins with a byte that is no letter (RFC 8446 §5.1), a request with its method.
                let mut first = [0];
                if stream.peek(&mut first).await? == 1 && first.iter().all(u8::is_ascii_uppercase) {
                    return Ok(Opening::Plain(stream));
                }
                let mut stream = SslStream::new(ssl?, stream)?;
                Pin::new(&mut stream).accept().await.map_err(io::Error::other)?;
                let certificate = stream.ssl().peer_certificate().map(PeerCertificate);
                Ok::<_, io::Error>(Opening::Secured(stream, certificate))
            });
            match opened.await {
                Ok(Ok(opening)) => opening,
                Ok(Err(error)) => {
                    // Whoever scans for open doors must not fill the log.
                    tracing::debug!(%error, "a handshake failed");
                    Opening::Failed
                }
                Err(_) => Opening::Failed,
            }
        }
    }
}

/// Takes up a certificate that was renewed, and gives out new keys of tickets. A certificate that cannot be used is told once, and the
/// one of before goes on.
async fn keep_fresh(
    settings: TlsSettings,
    (mut certificate, mut seen): (Certificate, [Marks; 2]),
    spoken: watch::Sender<SslAcceptor>,
) {
    let asks_clients = settings.client_certificates;
    let settings = Arc::new(settings);
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut until_new_keys = LOOKS_OF_TICKET_KEYS;
    loop {
        looks.tick().await;
        // Files may lie on what hangs: nothing else waits for them.
        let look = settings.clone();
        let Ok(now) = tokio::task::spawn_blocking(move || marks(&look)).await else { continue };
        until_new_keys -= 1;
        if now != seen {
            // Noted before reading: what is written meanwhile is read at the next look.
            seen = now;
            let read = settings.clone();
            match tokio::task::spawn_blocking(move || Certificate::read(&read)).await {
                Ok(Ok(renewed)) => {
                    tracing::info!("took up another certificate");
                    (certificate, until_new_keys) = (renewed, 0);
                }
                Ok(Err(error)) => tracing::error!(%error, "the certificate of before goes on"),
                Err(error) => tracing::error!(%error, "the certificate of before goes on"),
            }
        }
        if until_new_keys == 0 {
            until_new_keys = LOOKS_OF_TICKET_KEYS;
            match certificate.acceptor(asks_clients) {
                Ok(acceptor) => drop(spoken.send_replace(acceptor)),
                Err(error) => tracing::error!(%error, "what was spoken before goes on"),
            }
        }
    }
}

/// Answers whoever comes by `http:` to a port that speaks TLS. It is not sent elsewhere: what it sent was readable on the way.
pub(super) fn told_to_speak_tls() -> Router {
    Router::new().fallback(async || {
        let headers = [(header::CONNECTION, "close"), (header::CACHE_CONTROL, "no-store")];
        let mut answer =
            (StatusCode::BAD_REQUEST, headers, "This port speaks TLS: ask again by https.\n").into_response();
        // Without HSTS, which means nothing by http.
        headers::secure(answer.headers_mut(), true);
        answer
    })
}
