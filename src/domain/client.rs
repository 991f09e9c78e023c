//! Relying parties: what an app registered, and what it may therefore ask for.

use std::{collections::BTreeSet, fmt, net::IpAddr, str::FromStr};

use chrono::{DateTime, Utc};
use countersign_jose::{Algorithm, JwkSet};
use countersign_types::{ClientAuthMethod, ClientId, GrantType, ResponseType, ScopeSet};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// A registered client (RFC 6749 §2).
#[derive(Clone, Debug)]
pub struct Client {
    /// Its `client_id`.
    pub id: ClientId,
    /// What it registered.
    pub metadata: ClientMetadata,
    /// What its secret is checked against; `None` for public clients and those with keys of their own.
    pub secret: Option<StoredSecret>,
    /// A disabled client can do nothing.
    pub enabled: bool,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
}

/// What a client registered, in the names of RFC 7591 where there is one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientMetadata {
    /// What people are shown.
    pub client_name: String,
    /// The one way in which this client authenticates.
    pub token_endpoint_auth_method: ClientAuthMethod,
    /// The only algorithm accepted for its assertions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<Algorithm>,
    /// By what its ID tokens are signed; RS256 if it did not choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_signed_response_alg: Option<Algorithm>,
    /// By what its access tokens are signed, which APIs must know; RS256 if it did not choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_signed_response_alg: Option<Algorithm>,
    /// Its public keys, for `private_key_jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<JwkSet>,
    /// Where answers may be sent.
    pub redirect_uris: Vec<RedirectUri>,
    /// Where people may be sent after logout.
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// Web origins that may call us from a browser, beside those of the redirect URIs.
    #[serde(default)]
    pub origins: Vec<WebOrigin>,
    /// The grants it may use.
    pub grant_types: BTreeSet<GrantType>,
    /// The answers it may ask for.
    pub response_types: BTreeSet<ResponseType>,
    /// The scopes it may ask for.
    pub scope: ScopeSet,
    /// The operator's own app: people are not asked for consent.
    #[serde(default)]
    pub first_party: bool,
    /// Lets a confidential client go without PKCE.
    #[serde(default)]
    pub pkce_exempt: bool,
    /// Its access tokens are always bound to a key that it proves to hold (RFC 9449 §5.2).
    #[serde(default)]
    pub dpop_bound_access_tokens: bool,
    /// Its logo, fetched and served by us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<WebLink>,
    /// Its privacy policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<WebLink>,
    /// Its terms of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<WebLink>,
    /// Where its server is to hear of sign-outs. Nothing is sent there yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<LogoutUri>,
    /// What browsers are to load at a sign-out. No page names it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frontchannel_logout_uri: Option<LogoutUri>,
}

/// What a presented secret is compared with.
#[derive(Clone)]
pub enum StoredSecret {
    /// SHA-256 of a secret with 256 bits of entropy.
    Digest(Vec<u8>),
    /// An Argon2id PHC string, for imported secrets that a person may have chosen.
    Argon2(String),
    /// Encrypted, since `client_secret_jwt` needs the secret itself.
    Encrypted(Vec<u8>),
}

impl fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Client {
    /// By what its ID tokens are signed (OpenID Connect Registration §2).
    pub fn id_token_algorithm(&self) -> Algorithm {
        self.metadata.id_token_signed_response_alg.unwrap_or(Algorithm::RS256)
    }

    /// By what its access tokens are signed (RFC 9068 §2.1).
    pub fn access_token_algorithm(&self) -> Algorithm {
        self.metadata.access_token_signed_response_alg.unwrap_or(Algorithm::RS256)
    }

    /// Whether the client cannot keep a secret (RFC 6749 §2.1).
    pub fn is_public(&self) -> bool {
        self.metadata.token_endpoint_auth_method == ClientAuthMethod::None
    }

    /// Whether other apps on the person's machine could pose as this one (RFC 8252 §8.6).
    pub fn is_public_native(&self) -> bool {
        self.is_public() && self.metadata.redirect_uris.iter().any(RedirectUri::is_native)
    }

    /// Whether the operator's registration stands for the person's consent.
    pub fn skips_consent(&self) -> bool {
        self.metadata.first_party && !self.is_public_native()
    }

    /// Whether this client may use the grant.
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.metadata.grant_types.contains(&grant)
    }

    /// Whether refresh tokens change with every use. Keys prove who uses a token; a secret or nothing at all does not.
    pub fn rotates_refresh_tokens(&self) -> bool {
        if self.metadata.dpop_bound_access_tokens {
            return false;
        }
        match self.metadata.token_endpoint_auth_method {
            ClientAuthMethod::None
            | ClientAuthMethod::ClientSecretBasic
            | ClientAuthMethod::ClientSecretPost
            | ClientAuthMethod::ClientSecretJwt => true,
            ClientAuthMethod::PrivateKeyJwt => false,
        }
    }

    /// The registered redirect URI that allows this one, compared as exact strings (RFC 9700 §2.1).
    pub fn allows_redirect(&self, asked: &str) -> bool {
        self.metadata.redirect_uris.iter().any(|registered| registered.matches(asked))
    }

    /// Whether people may be sent here after logout: exact strings only.
    pub fn allows_post_logout_redirect(&self, asked: &str) -> bool {
        self.metadata.post_logout_redirect_uris.iter().any(|registered| registered.as_str() == asked)
    }

    /// The web origins whose scripts may read our answers to this client.
    pub fn origins(&self) -> impl Iterator<Item = String> {
        let registered = self.metadata.origins.iter().map(|origin| origin.as_str().to_owned());
        registered.chain(self.metadata.redirect_uris.iter().filter_map(RedirectUri::origin))
    }

    /// Whether scripts of this web origin may read our answers to this client.
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.origins().any(|one| one == origin)
    }
}

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
