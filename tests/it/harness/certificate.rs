//! Certificates that sign themselves.

use std::path::Path;

use countersign::{clock::Clock, config::TlsSettings};
use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    x509::{
        X509, X509NameBuilder,
        extension::{BasicConstraints, SubjectAlternativeName},
    },
};

/// A certificate and its key.
pub struct SelfSigned {
    pub certificate: X509,
    pub key: PKey<Private>,
}

impl SelfSigned {
    /// Valid for this host for an hour from now.
    pub fn of(host: &str) -> Self {
        Self::until(host, Clock::system().now().timestamp() + 3_600)
    }

    /// Valid for this host until then, in seconds of Unix.
    pub fn until(host: &str, end: i64) -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_nid(Nid::COMMONNAME, host).unwrap();
        let name = name.build();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_serial_number(&BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap()).unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_not_before(&Asn1Time::from_unix(end - 90 * 24 * 3_600).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::from_unix(end).unwrap()).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        let mut names = SubjectAlternativeName::new();
        if host.parse::<std::net::IpAddr>().is_ok() {
            names.ip(host)
        } else {
            names.dns(host)
        };
        let names = names.build(&builder.x509v3_context(None, None)).unwrap();
        builder.append_extension(names).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self { certificate: builder.build(), key }
    }

    /// Puts both into files of a folder, in the place of those that are there, as tools that renew do.
    pub fn write(&self, folder: &Path) -> TlsSettings {
        let put = |name: &str, pem: Vec<u8>| {
            let (path, next) = (folder.join(name), folder.join(format!("{name}.next")));
            std::fs::write(&next, pem).unwrap();
            std::fs::rename(next, &path).unwrap();
            path
        };
        let key_file = put("tls.key", self.key.private_key_to_pem_pkcs8().unwrap());
        let certificate_file = put("tls.crt", self.certificate.to_pem().unwrap());
        TlsSettings { certificate_file, key_file, client_certificates: false }
    }
}
