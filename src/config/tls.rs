//! Settings of TLS at the listener.

use std::path::PathBuf;

use super::{issuer::Mode, reader::Reader};

/// TLS that this process speaks itself, without a proxy in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// `tls.certificate_file`: the certificate and those between it and the authority, as PEM (none).
    pub certificate_file: PathBuf,
    /// `tls.key_file`: its private key, as PEM without a passphrase (none).
    pub key_file: PathBuf,
    /// `tls.client_certificates`: ask clients for a certificate, and take those that have none as well (`false`).
    pub client_certificates: bool,
}

/// Nothing where neither file is named.
pub(super) fn read(r: &mut Reader, mode: Mode) -> Option<TlsSettings> {
    let certificate_file: Option<PathBuf> = r.read("tls.certificate_file", None);
    let key_file: Option<PathBuf> = r.read("tls.key_file", None);
    let client_certificates = r.read("tls.client_certificates", false);
    r.check("tls.certificate_file", certificate_file.is_some() || key_file.is_none(), || {
        "must be set when `tls.key_file` is".into()
    });
    r.check("tls.key_file", key_file.is_some() || certificate_file.is_none(), || {
        "must be set when `tls.certificate_file` is".into()
    });
    r.check("tls.client_certificates", certificate_file.is_some() || !client_certificates, || {
        "nobody can be asked without TLS: set `tls.certificate_file` and `tls.key_file` too".into()
    });
    r.check("tls.certificate_file", certificate_file.is_none() || mode == Mode::Production, || {
        "people would be sent to http: set `issuer` to an https URL".into()
    });
    Some(TlsSettings { certificate_file: certificate_file?, key_file: key_file?, client_certificates })
}
