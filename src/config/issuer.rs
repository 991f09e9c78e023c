//! The issuer: one URL, used exactly as written, whose scheme decides between development and production.

use std::{fmt, net::IpAddr};

use serde_json::Value as Json;
use url::{Host, Url};

use super::value::Setting;

/// How much a start may take for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// An `http` issuer on loopback: what is missing is generated, and loopback may be reached.
    Development,
    /// An `https` issuer: what is missing is refused.
    Production,
}

/// The issuer (OpenID Connect Discovery 1.0 §3, RFC 8414 §2): an absolute URL of scheme, host and port alone.
///
/// Clients compare it as a string, so it is accepted only in the form in which every URL parser writes it, and without
/// a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerUrl {
    text: String,
    mode: Mode,
}

impl IssuerUrl {
    /// `http://localhost:8080`
    pub(super) fn development() -> Self {
        Self { text: "http://localhost:8080".to_owned(), mode: Mode::Development }
    }

    /// The issuer, exactly as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Development for `http` on loopback, production for `https`.
    pub fn mode(&self) -> Mode {
        self.mode
    }
}

impl fmt::Display for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Setting for IssuerUrl {
    const EXPECTED: &'static str = "an absolute URL such as https://id.example.com";

    fn from_text(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|_| format!("expected {}", Self::EXPECTED))?;
        let mode = match (url.scheme(), url.host()) {
            ("https", Some(_)) => Mode::Production,
            ("http", Some(host)) if is_loopback(&host) => Mode::Development,
            ("http", _) => return Err("http is only for loopback (localhost, 127.0.0.1, [::1]); use https".into()),
            _ => return Err(format!("expected {}", Self::EXPECTED)),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not carry a user or a password".into());
        }
        // RFC 8414 §2: "a URL that uses the "https" scheme and has no query or fragment components"
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must have neither a query nor a fragment".into());
        }
        // Every route stands at the root: under a path nothing would answer.
        if url.path() != "/" {
            return Err("a path is not supported yet; write scheme, host and port alone".into());
        }
        if text.ends_with('/') {
            return Err("must not end in a slash: it is used exactly as written".into());
        }
        let normal = url.as_str().trim_end_matches('/');
        if text != normal {
            return Err(format!("is used exactly as written, so write it as {normal}"));
        }
        Ok(Self { text: text.to_owned(), mode })
    }

    fn show(&self) -> Json {
        self.text.as_str().into()
    }
}

/// Whether a host, as it stands in a URL of any scheme, is this machine.
pub fn is_loopback_name(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost",
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}
