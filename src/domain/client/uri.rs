//! The URIs that a client registers, each kind checked once: afterwards none can be what it must not be.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};
use url::{Host, Url, form_urlencoded::Serializer};

/// Why a URI cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// Not an absolute URI.
    #[error("\"{0}\" is not an absolute URI")]
    NotAbsolute(String),
    /// RFC 6749 §3.1.2, Back-Channel Logout 1.0 §2.2.
    #[error("\"{0}\" has a fragment, which it must not")]
    Fragment(String),
    /// A name before `@` makes a host look like another.
    #[error("\"{0}\" has a user name or password in it")]
    UserInfo(String),
    /// Sent over the network in the clear.
    #[error("\"{0}\" is http outside this machine; use https")]
    Insecure(String),
    /// RFC 8252 §7.1.
    #[error(
        "\"{0}\" has a private-use scheme without a dot; use a name of your own domain in reverse, as com.example.app"
    )]
    Scheme(String),
    /// What clients send would never be equal to it.
    #[error("\"{0}\" has white space, a backslash, a control character or letters outside ASCII in it")]
    Characters(String),
    /// RFC 9101 §5.2.
    #[error("\"{0}\" is longer than 512 characters")]
    TooLong(String),
    /// An origin has no path.
    #[error("\"{0}\" is not a web origin; write scheme, host and port alone, as https://app.example.com")]
    Origin(String),
}

fn parse_uri(text: &str) -> Result<Url, UriError> {
    if text.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'\\') {
        return Err(UriError::Characters(text.to_owned()));
    }
    let url = Url::parse(text).map_err(|_| UriError::NotAbsolute(text.to_owned()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UriError::UserInfo(text.to_owned()));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

macro_rules! text_type {
    ($name:ident) => {
        impl $name {
            /// The text exactly as registered.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = UriError;

            fn try_from(text: String) -> Result<Self, UriError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// A redirect URI as registered: https, http on this machine, or a private-use scheme (RFC 8252 §7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedirectUri(String);
text_type!(RedirectUri);

impl FromStr for RedirectUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let url = parse_uri(text)?;
        if text.contains('#') {
            return Err(UriError::Fragment(text.to_owned()));
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(UriError::Insecure(text.to_owned())),
            // `javascript:`, `data:` and their like have no dot either.
            scheme if !scheme.contains('.') => return Err(UriError::Scheme(text.to_owned())),
            _ => {}
        }
        Ok(Self(text.to_owned()))
    }
}

impl RedirectUri {
    /// Whether an answer that was asked for at this URI may be sent there.
    ///
    /// Exact strings (RFC 9700 §2.1); for `http://127.0.0.1` and `http://[::1]` alone the port is free (RFC 8252 §7.3).
    pub fn matches(&self, asked: &str) -> bool {
        if self.0 == asked {
            return true;
        }
        ["http://127.0.0.1", "http://[::1]"].iter().any(|host| {
            match (self.0.strip_prefix(host), asked.strip_prefix(host)) {
                (Some(registered), Some(asked)) => {
                    matches!((without_port(registered), without_port(asked)), (Some(one), Some(other)) if one == other)
                }
                _ => false,
            }
        })
    }

    /// Whether the answer goes to an app on the person's machine rather than to a web site.
    pub fn is_native(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| !url.scheme().starts_with("http") || is_loopback(&url))
    }

    /// Its host, where it has one.
    pub fn host(&self) -> Option<String> {
        Url::parse(&self.0).ok()?.host_str().map(str::to_owned)
    }

    /// The web origin of an http or https URI.
    pub fn origin(&self) -> Option<String> {
        let url = Url::parse(&self.0).ok()?;
        matches!(url.scheme(), "http" | "https").then(|| url.origin().ascii_serialization())
    }
}

/// What follows the port, if what stands here is nothing, a port, or the start of a path or query.
fn without_port(after_host: &str) -> Option<&str> {
    let Some(port_and_rest) = after_host.strip_prefix(':') else {
        return (after_host.is_empty() || after_host.starts_with(['/', '?'])).then_some(after_host);
    };
    let digits = port_and_rest.bytes().take_while(u8::is_ascii_digit).count();
    let (port, rest) = port_and_rest.split_at(digits);
    let valid = port.parse::<u16>().is_ok_and(|port| port > 0) && (rest.is_empty() || rest.starts_with(['/', '?']));
    valid.then_some(rest)
}

/// A web origin: scheme, host and port (RFC 6454).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebOrigin(String);
text_type!(WebOrigin);

impl FromStr for WebOrigin {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let url = parse_uri(text)?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(UriError::Insecure(text.to_owned())),
            _ => return Err(UriError::Origin(text.to_owned())),
        }
        let origin = url.origin().ascii_serialization();
        if text.trim_end_matches('/') != origin {
            return Err(UriError::Origin(text.to_owned()));
        }
        Ok(Self(origin))
    }
}

/// Whether a web origin, as a browser writes it, is on the person's own machine.
pub fn is_loopback_origin(origin: &str) -> bool {
    Url::parse(origin).is_ok_and(|url| is_loopback(&url))
        || Url::parse(origin)
            .ok()
            .and_then(|url| url.host_str()?.parse::<IpAddr>().ok())
            .is_some_and(|ip| ip.is_loopback())
}

/// A link that pages show, or a picture that is fetched: http or https only, so that it can never be a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebLink(String);
text_type!(WebLink);

impl FromStr for WebLink {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let url = parse_uri(text)?;
        match url.scheme() {
            "https" => Ok(Self(text.to_owned())),
            "http" if is_loopback(&url) => Ok(Self(text.to_owned())),
            "http" => Err(UriError::Insecure(text.to_owned())),
            _ => Err(UriError::NotAbsolute(text.to_owned())),
        }
    }
}

impl WebLink {
    /// The link with these parameters behind those that it has.
    pub fn with_query(&self, parameters: &[(&str, &str)]) -> String {
        let (address, fragment) = self.0.split_at(self.0.find('#').unwrap_or(self.0.len()));
        let separator = match address.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        let parameters = Serializer::new(String::new()).extend_pairs(parameters).finish();
        format!("{address}{separator}{parameters}{fragment}")
    }
}

/// Where a client hears of sign-outs (Back-Channel Logout 1.0 §2.2, Front-Channel Logout 1.0 §2): without a fragment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogoutUri(String);
text_type!(LogoutUri);

impl FromStr for LogoutUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let WebLink(text) = text.parse()?;
        if text.contains('#') { Err(UriError::Fragment(text)) } else { Ok(Self(text)) }
    }
}

/// Where a request object may be fetched from (OpenID Connect Registration §2, `request_uris`). A fragment is the SHA-256 of what
/// is there (Core §6.2): another one means that it changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestUri(String);
text_type!(RequestUri);

impl FromStr for RequestUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let WebLink(text) = text.parse()?;
        if text.len() > 512 { Err(UriError::TooLong(text)) } else { Ok(Self(text)) }
    }
}

impl RequestUri {
    /// Whether a request may name this one: the same, whatever the fragments.
    pub fn matches(&self, asked: &str) -> bool {
        let without_fragment = |text: &'_ str| text.split('#').next().unwrap_or_default().to_owned();
        without_fragment(&self.0) == without_fragment(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered(uri: &str) -> RedirectUri {
        uri.parse().unwrap()
    }

    #[test]
    fn redirect_uris_are_compared_as_exact_strings() {
        let uri = registered("https://app.example/cb");
        assert!(uri.matches("https://app.example/cb"));
        for other in [
            "https://app.example/cb/",
            "https://app.example/CB",
            "https://APP.example/cb",
            "https://app.example/cb?x=1",
            "https://app.example/cb#x",
            "https://app.example/a/../cb",
            "https://app.example@evil.example/cb",
            "https://appXexample/cb",
            "https://app.example\\@evil.example/cb",
            "https://app.example:443/cb",
            "https://app.example/cb%00",
            "http://app.example/cb",
        ] {
            assert!(!uri.matches(other), "{other}");
        }
    }

    #[test]
    fn only_a_native_loopback_address_has_a_free_port() {
        let uri = registered("http://127.0.0.1/cb");
        assert!(uri.matches("http://127.0.0.1:49152/cb"));
        assert!(registered("http://[::1]:1/cb?a=b").matches("http://[::1]:2/cb?a=b"));
        for other in [
            "http://127.0.0.1:49152/other",
            "http://127.0.0.1:49152@evil.example/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:99999/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1evil/cb",
            "https://127.0.0.1:1/cb",
            "http://localhost:1/cb",
        ] {
            assert!(!uri.matches(other), "{other}");
        }
        assert!(!registered("http://localhost:1/cb").matches("http://localhost:2/cb"));
    }

    #[test]
    fn what_cannot_be_a_redirect_uri_is_refused() {
        for uri in [
            "/cb",
            "app.example/cb",
            "https://app.example/cb#",
            "https://good@evil.example/cb",
            "http://app.example/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://app.example\\cb",
            "https://app.example/c b",
            "https://äpp.example/cb",
            "myapp:/cb",
        ] {
            assert!(uri.parse::<RedirectUri>().is_err(), "{uri}");
        }
        assert!(registered("com.example.app:/cb").is_native());
    }

    #[test]
    fn a_link_is_never_a_script() {
        for link in ["javascript:alert(1)", "data:text/html,x", "http://app.example/", "ftp://app.example/"] {
            assert!(link.parse::<WebLink>().is_err(), "{link}");
        }
    }

    #[test]
    fn parameters_come_behind_those_that_a_link_has_and_before_its_fragment() {
        for (link, expected) in [
            ("https://app.example", "https://app.example?iss=https%3A%2F%2Fop.example&a=b+%26"),
            ("https://app.example/in", "https://app.example/in?iss=https%3A%2F%2Fop.example&a=b+%26"),
            ("https://app.example/in?", "https://app.example/in?iss=https%3A%2F%2Fop.example&a=b+%26"),
            ("https://app.example/in?x=%20", "https://app.example/in?x=%20&iss=https%3A%2F%2Fop.example&a=b+%26"),
            ("https://app.example/in?x&", "https://app.example/in?x&iss=https%3A%2F%2Fop.example&a=b+%26"),
            ("https://app.example/#/in?x", "https://app.example/?iss=https%3A%2F%2Fop.example&a=b+%26#/in?x"),
        ] {
            let link: WebLink = link.parse().unwrap();
            assert_eq!(link.with_query(&[("iss", "https://op.example"), ("a", "b &")]), expected);
        }
    }

    #[test]
    fn notices_of_sign_outs_go_to_https_or_to_this_machine() {
        for uri in ["https://app.example/out?x=1", "http://localhost:3000/out", "http://127.0.0.1/", "http://[::1]/"] {
            assert_eq!(uri.parse::<LogoutUri>().unwrap().as_str(), uri);
        }
        for uri in ["http://app.example/out", "https://app.example/#out", "com.example.app:/out", "/out", ""] {
            assert!(uri.parse::<LogoutUri>().is_err(), "{uri}");
        }
    }

    #[test]
    fn an_origin_has_no_path() {
        assert_eq!("https://app.example/".parse::<WebOrigin>().unwrap().as_str(), "https://app.example");
        assert!("https://app.example/x".parse::<WebOrigin>().is_err());
    }
}
