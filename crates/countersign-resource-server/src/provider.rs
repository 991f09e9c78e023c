//! Talks to the provider: discovery and JWKS, each bounded in size and time, redirects refused.

use std::{
    error::Error as _,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

use countersign_jose::{JwkSet, KeyError, MAX_JWK_SET_BYTES};
use http::{
    HeaderMap, StatusCode,
    header::{ACCEPT, CACHE_CONTROL},
};
use serde::Deserialize;
use serde_json::Value;
use url::{Host, Url};

use crate::BuildError;

/// Larger documents are not read, in bytes: twice what a key set may take, so that it may be indented.
const MAX_DOCUMENT: usize = 2 * MAX_JWK_SET_BYTES;
/// From the first byte sent to the last one read.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why the provider's keys could not be had. Meant for logs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("{0} does not answer")]
    Http(Url, #[source] reqwest::Error),
    #[error("{0} answers {1}")]
    Status(Url, StatusCode),
    #[error("{0} redirects, and redirects are not followed")]
    Redirect(Url),
    #[error("{0} sends more than {MAX_DOCUMENT} bytes")]
    TooLarge(Url),
    #[error("{0} sends something else than the JSON that is expected")]
    NotJson(Url, #[source] serde_json::Error),
    #[error("{} cannot be read", .0.display())]
    File(PathBuf, #[source] io::Error),
    #[error("{} holds more than {MAX_DOCUMENT} bytes", .0.display())]
    FileTooLarge(PathBuf),
    #[error("{} holds something else than a key set (RFC 7517 §5)", .0.display())]
    FileNotJson(PathBuf, #[source] serde_json::Error),
    #[error("the provider calls itself {0:?}: it must be exactly the issuer that is configured here")]
    Issuer(String),
    #[error("the provider's jwks_uri {0:?} is no https address")]
    JwksUri(String),
    #[cfg(feature = "introspection")]
    #[error("the provider's introspection_endpoint {0:?} is no https address")]
    IntrospectionEndpoint(String),
    #[cfg(feature = "introspection")]
    #[error("the provider has no introspection_endpoint")]
    NoIntrospection,
    #[error("the provider's key set is malformed")]
    Keys(#[source] KeyError),
    #[error("the provider publishes no key for the accepted algorithms")]
    NoUsableKey,
}

impl FetchError {
    /// What lies beneath, the nearest first: "connection refused" says more than "does not answer".
    pub fn causes(&self) -> String {
        let mut causes = Vec::new();
        let mut next = self.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes.join(": ")
    }

    /// Whether another request may fare better: the provider is there and does not like this one.
    #[cfg(feature = "introspection")]
    pub fn is_about_this_request(&self) -> bool {
        let is_about_us = |status: &StatusCode| matches!(status.as_u16(), 401 | 403 | 404 | 429);
        matches!(self, Self::Status(_, status) if status.is_client_error() && !is_about_us(status))
    }
}

/// One provider, by its issuer.
#[derive(Debug)]
pub(crate) struct Provider {
    issuer: String,
    discovery: Url,
    /// Where a provider that speaks OAuth and not OpenID Connect tells the same (RFC 8414 §3.1).
    metadata: Url,
    http: reqwest::Client,
}

/// Where the keys are. Kept as long as the keys are, then asked for again.
#[derive(Debug)]
pub(crate) struct Discovered {
    pub jwks_uri: Url,
    #[cfg(feature = "introspection")]
    pub introspection: Option<String>,
    pub fresh_for: Option<i64>,
}

/// The members of the discovery document that matter here.
#[derive(Deserialize)]
struct DiscoveryDocument {
    issuer: String,
    jwks_uri: String,
    #[cfg(feature = "introspection")]
    introspection_endpoint: Option<String>,
}

impl Provider {
    pub fn new(issuer: &str, http: reqwest::Client) -> Result<Self, BuildError> {
        let refuse = || BuildError::Issuer(issuer.to_owned());
        let url = parse_issuer(issuer)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse());
        }
        // OpenID Connect Discovery §4.1: appended, after removing a trailing slash.
        let discovery = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let mut metadata = url.clone();
        metadata.set_path(&format!("/.well-known/oauth-authorization-server{}", url.path().trim_end_matches('/')));
        let discovery = Url::parse(&discovery).map_err(|_| refuse())?;
        Ok(Self { issuer: issuer.to_owned(), discovery, metadata, http })
    }

    pub async fn discover(&self) -> Result<Discovered, FetchError> {
        let found = self.fetch::<DiscoveryDocument>(&self.discovery).await;
        let (document, fresh_for) = match found {
            Err(FetchError::Status(_, StatusCode::NOT_FOUND)) => self.fetch(&self.metadata).await?,
            found => found?,
        };
        // OpenID Connect Discovery §4.3: "MUST exactly match the value of the issuer URL".
        if document.issuer != self.issuer {
            return Err(FetchError::Issuer(document.issuer));
        }
        let jwks_uri = self.https(document.jwks_uri, FetchError::JwksUri)?;
        Ok(Discovered {
            jwks_uri,
            #[cfg(feature = "introspection")]
            introspection: document.introspection_endpoint,
            fresh_for,
        })
    }

    /// Where the provider is asked about tokens.
    #[cfg(feature = "introspection")]
    pub async fn introspection_endpoint(&self) -> Result<Url, FetchError> {
        let found = self.discover().await?.introspection.ok_or(FetchError::NoIntrospection)?;
        self.https(found, FetchError::IntrospectionEndpoint)
    }

    /// An https address; plain http only where provider and address are both on this machine.
    pub fn safe_url(&self, uri: &str) -> Option<Url> {
        let is_safe = |url: &Url| url.scheme() == "https" || (is_loopback(&self.discovery) && is_loopback(url));
        Url::parse(uri).ok().filter(is_safe)
    }

    fn https(&self, uri: String, refused: fn(String) -> FetchError) -> Result<Url, FetchError> {
        self.safe_url(&uri).ok_or_else(|| refused(uri))
    }

    /// Sends a form to one of the provider's endpoints, and reads the JSON object that it answers.
    #[cfg(feature = "introspection")]
    pub async fn post(
        &self,
        url: &Url,
        authorization: &http::HeaderValue,
        form: &[(&str, &str)],
    ) -> Result<serde_json::Map<String, Value>, FetchError> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self
            .http
            .post(url.clone())
            .timeout(TIMEOUT)
            .header(ACCEPT, "application/json")
            .header(reqwest::header::AUTHORIZATION, authorization.clone())
            .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        Ok(self.read(url, request).await?.0)
    }

    pub async fn keys(&self, jwks_uri: &Url) -> Result<(JwkSet, Option<i64>), FetchError> {
        let (document, fresh_for) = self.fetch::<Value>(jwks_uri).await?;
        Ok((JwkSet::parse_usable(&document).map_err(FetchError::Keys)?, fresh_for))
    }

    /// Gets one JSON document, and for how many seconds it may be kept if the provider says so.
    async fn fetch<T: serde::de::DeserializeOwned>(&self, url: &Url) -> Result<(T, Option<i64>), FetchError> {
        let request = self.http.get(url.clone()).timeout(TIMEOUT).header(ACCEPT, "application/json");
        self.read(url, request).await
    }

    async fn read<T: serde::de::DeserializeOwned>(
        &self,
        url: &Url,
        request: reqwest::RequestBuilder,
    ) -> Result<(T, Option<i64>), FetchError> {
        let failed = |error: reqwest::Error| FetchError::Http(url.clone(), error.without_url());
        let mut response = request.send().await.map_err(failed)?;
        // The second half catches a client of the caller's own that followed one.
        if response.status().is_redirection() || response.url() != url {
            return Err(FetchError::Redirect(url.clone()));
        }
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(url.clone(), response.status()));
        }
        let fresh_for = max_age(response.headers());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_DOCUMENT {
                return Err(FetchError::TooLarge(url.clone()));
            }
            body.extend_from_slice(&chunk);
        }
        let document = serde_json::from_slice(&body).map_err(|error| FetchError::NotJson(url.clone(), error))?;
        Ok((document, fresh_for))
    }
}

/// The key set of a file, which may lie on a disk that does not answer.
pub(crate) async fn keys_of_file(file: PathBuf) -> Result<JwkSet, FetchError> {
    let read = tokio::task::spawn_blocking({
        let file = file.clone();
        move || read_keys(&file)
    });
    let late = || FetchError::File(file, io::ErrorKind::TimedOut.into());
    match tokio::time::timeout(TIMEOUT, read).await {
        Ok(Ok(keys)) => keys,
        Ok(Err(_)) | Err(_) => Err(late()),
    }
}

fn read_keys(file: &Path) -> Result<JwkSet, FetchError> {
    let failed = |error| FetchError::File(file.to_owned(), error);
    let mut body = Vec::new();
    let most = u64::try_from(MAX_DOCUMENT).unwrap_or(u64::MAX);
    std::fs::File::open(file).map_err(failed)?.take(most.saturating_add(1)).read_to_end(&mut body).map_err(failed)?;
    if body.len() > MAX_DOCUMENT {
        return Err(FetchError::FileTooLarge(file.to_owned()));
    }
    let document: Value =
        serde_json::from_slice(&body).map_err(|error| FetchError::FileNotJson(file.to_owned(), error))?;
    JwkSet::parse_usable(&document).map_err(FetchError::Keys)
}

/// The client that is used unless the caller brings one.
pub(crate) fn http_client(issuer: &str, authorities: Vec<reqwest::Certificate>) -> Result<reqwest::Client, BuildError> {
    let mut client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(TIMEOUT)
        .user_agent(concat!("countersign-resource-server/", env!("CARGO_PKG_VERSION")));
    if is_loopback(&parse_issuer(issuer)?) {
        client = client.no_proxy();
    }
    for authority in authorities {
        client = client.add_root_certificate(authority);
    }
    client.build().map_err(BuildError::HttpClient)
}

/// An issuer is an https address (OpenID Connect Discovery §3), or plain http to this machine for development.
fn parse_issuer(issuer: &str) -> Result<Url, BuildError> {
    Url::parse(issuer)
        .ok()
        .filter(|url| url.scheme() == "https" || is_loopback(url))
        .ok_or_else(|| BuildError::Issuer(issuer.to_owned()))
}

/// Whether it is plain http to this very machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    url.scheme() == "http"
        && match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
}

/// The `max-age` of a `Cache-Control` header in seconds (RFC 9111 §5.2.2.1); 0 for what must not be kept.
fn max_age(headers: &HeaderMap) -> Option<i64> {
    let directives = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut found = None;
    for directive in directives.flat_map(|value| value.split(',')).map(|one| one.trim().to_ascii_lowercase()) {
        if directive == "no-store" || directive == "no-cache" {
            return Some(0);
        }
        if let Some(seconds) = directive.strip_prefix("max-age=") {
            found = seconds.trim_matches('"').parse().ok().filter(|seconds| *seconds >= 0).or(found);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_control_is_read_as_browsers_read_it() {
        let read = |value: &'static str| max_age(&HeaderMap::from_iter([(CACHE_CONTROL, value.parse().unwrap())]));
        assert_eq!(read("public, max-age=3600"), Some(3600));
        assert_eq!(read("Max-Age=60"), Some(60));
        assert_eq!(read("max-age=60, no-store"), Some(0));
        assert_eq!(read("public"), None);
        assert_eq!(read("max-age=-1"), None);
        assert_eq!(read("max-age=99999999999999999999"), None);
        assert_eq!(max_age(&HeaderMap::new()), None);
    }

    #[test]
    fn an_issuer_is_https_or_this_machine() {
        let accepted = |issuer: &str| Provider::new(issuer, reqwest::Client::new()).is_ok();
        for issuer in [
            "https://id.example",
            "https://id.example/",
            "https://id.example/a",
            "http://localhost:8080",
            "http://[::1]",
        ] {
            assert!(accepted(issuer), "{issuer}");
        }
        for issuer in [
            "",
            "id.example",
            "http://id.example",
            "http://localhost.example",
            "https://id.example?a",
            "https://id.example#a",
        ] {
            assert!(!accepted(issuer), "{issuer}");
        }
    }
}
