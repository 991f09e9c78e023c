//! The certificate of whoever is at the other end of a connection.

use openssl::x509::X509;

/// What a client showed in its TLS handshake, as an extension of each request of that connection; where there is none, it showed none.
///
/// The client holds the private key: the handshake proves it (RFC 8446 §4.4.3). Nothing is said of who issued the certificate or
/// whether it is still valid, since clients may sign their own (RFC 8705 §2.2): whoever uses it compares it with what is registered.
#[derive(Clone)]
pub struct PeerCertificate(pub X509);

impl std::fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PeerCertificate")
    }
}
