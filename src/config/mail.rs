//! The settings of mail: which server takes it, and whom it is from.

use std::{fmt, path::PathBuf};

use serde_json::Value as Json;
use url::{Host, Url, form_urlencoded};

use super::{issuer::is_loopback_name, reader::Reader, secret::mask, value::Setting};
use crate::domain::user::parse_email;

/// Mails to people. Without `mail.url` a development start puts them into `mail.dir`, and any other sends none.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// `mail.url`: the server that takes mails, `smtps://…` or `smtp://user:password@host:587` (none).
    pub url: Option<SmtpUrl>,
    /// `mail.from`: the address that mails come from; must be set with `mail.url` (`countersign@localhost`).
    pub from: MailAddress,
    /// `mail.ca_file`: certificate authorities trusted for the mail server beside the system's, as PEM (none).
    pub ca_file: Option<PathBuf>,
    /// `mail.dir`: where a development start without `mail.url` puts mails (`data/mail`).
    pub dir: PathBuf,
}

pub(super) fn mail(r: &mut Reader) -> MailSettings {
    let url: Option<SmtpUrl> = r.read("mail.url", None);
    let from: Option<MailAddress> = r.read("mail.from", None);
    r.check("mail.from", url.is_none() || from.is_some(), || "must be set where `mail.url` is".into());
    let from = from.unwrap_or_else(|| MailAddress("countersign@localhost".to_owned()));
    MailSettings {
        url,
        from,
        ca_file: r.read("mail.ca_file", None),
        dir: r.read("mail.dir", PathBuf::from("data/mail")),
    }
}

/// The URL of a mail server, taken apart. `Debug` and `Display` mask its password.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpUrl {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: SmtpSecurity,
    /// User and password, if it wants any.
    pub login: Option<(String, String)>,
    masked: String,
}

/// How the connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// By TLS from its first byte (RFC 8314).
    Tls,
    /// By TLS before anything is said; a server that does not offer `STARTTLS` gets nothing (RFC 3207).
    StartTls,
    /// Not at all: the server is on this machine, or on a network that the operator trusts.
    Plain,
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked)
    }
}

impl Setting for SmtpUrl {
    const EXPECTED: &'static str = "a URL such as smtps://user:password@host or smtp://host:587";

    fn from_text(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|_| format!("expected {}", Self::EXPECTED))?;
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(Host::Domain(_)) | None => return Err(format!("expected {}", Self::EXPECTED)),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err("must have neither a path nor a fragment; write special characters of a password as %XX".into());
        }
        let is_near = is_loopback_name(&host);
        let security = match (url.scheme(), url.query()) {
            ("smtps", None) => SmtpSecurity::Tls,
            ("smtp", None) if is_near => SmtpSecurity::Plain,
            ("smtp", None | Some("tls=required")) => SmtpSecurity::StartTls,
            ("smtp", Some("tls=none")) => SmtpSecurity::Plain,
            ("smtp", Some(_)) => return Err("the only parameter is tls=required or tls=none".into()),
            ("smtps", Some(_)) => return Err("smtps takes no parameters".into()),
            _ => return Err(format!("expected {}", Self::EXPECTED)),
        };
        let password = url.password().map(unescape);
        let login = (!url.username().is_empty()).then(|| (unescape(url.username()), password.unwrap_or_default()));
        if login.is_some() && security == SmtpSecurity::Plain && !is_near {
            return Err("a password goes to another machine over TLS alone".into());
        }
        let port = url.port().unwrap_or(match security {
            SmtpSecurity::Tls => 465,
            SmtpSecurity::StartTls => 587,
            SmtpSecurity::Plain => 25,
        });
        Ok(Self { host, port, security, login, masked: mask(text) })
    }

    fn show(&self) -> Json {
        self.masked.as_str().into()
    }
}

/// `%40` is `@`, and nothing else is special: a plus is a plus.
fn unescape(text: &str) -> String {
    let text = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(text.as_bytes()).next().map_or(String::new(), |(name, _)| name.into_owned())
}

/// A mail address of ASCII characters: every server takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailAddress(String);

impl MailAddress {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for MailAddress {
    const EXPECTED: &'static str = "a mail address such as accounts@example.com";

    fn from_text(text: &str) -> Result<Self, String> {
        match parse_email(text) {
            Ok(address) if address.is_ascii() && address == text => Ok(Self(address)),
            _ => Err(format!("expected {}", Self::EXPECTED)),
        }
    }

    fn show(&self) -> Json {
        self.0.as_str().into()
    }
}
