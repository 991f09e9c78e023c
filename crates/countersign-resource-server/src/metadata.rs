//! Protected resource metadata (RFC 9728): tells a client that met a 401 which provider to ask.

use std::sync::Arc;

use serde_json::json;
use url::Url;

use crate::{BuildError, proof, provider::is_loopback};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The document and its address.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub url: Arc<str>,
    pub path: String,
    pub document: String,
}

impl Metadata {
    pub fn new(issuer: &str, resource: &str, scopes: &[String]) -> Result<Self, BuildError> {
        let refuse = || BuildError::Resource(resource.to_owned());
        let url = Url::parse(resource).map_err(|_| refuse())?;
        let secure = url.scheme() == "https" || is_loopback(&url);
        if !secure || url.query().is_some() || url.fragment().is_some() {
            return Err(refuse());
        }
        // RFC 9728 §3.1: inserted between host and path, a lone trailing slash removed.
        let path = format!("{WELL_KNOWN}{}", url.path().trim_end_matches('/'));
        let origin = url.origin().ascii_serialization();
        let document = json!({
            "resource": resource,
            "authorization_servers": [issuer],
            "scopes_supported": scopes,
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": proof::ALGORITHMS.map(countersign_jose::Algorithm::name),
        });
        Ok(Self { url: format!("{origin}{path}").into(), path, document: document.to_string() })
    }

    /// Serves the document to everyone, browser apps of any origin included: it holds nothing that is secret.
    #[cfg(feature = "axum")]
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> axum::Router<S> {
        use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
        let document = self.document.clone();
        let headers = [
            (CONTENT_TYPE, "application/json"),
            (CACHE_CONTROL, "public, max-age=3600"),
            (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        ];
        // A resource's path is text, not a pattern: without this, a segment like `:x` would be refused by a panic.
        let serve = axum::routing::get(move || async move { (headers, document) });
        axum::Router::new().without_v07_checks().route(&self.path, serve)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(resource: &str) -> String {
        Metadata::new("https://id.example", resource, &[]).map_or_else(|e| e.to_string(), |m| m.url.to_string())
    }

    #[test]
    fn the_well_known_path_goes_between_host_and_path() {
        assert_eq!(url("https://api.example"), "https://api.example/.well-known/oauth-protected-resource");
        assert_eq!(url("https://api.example/"), "https://api.example/.well-known/oauth-protected-resource");
        assert_eq!(
            url("https://api.example:8443/v1"),
            "https://api.example:8443/.well-known/oauth-protected-resource/v1"
        );
        assert_eq!(url("http://localhost:8081"), "http://localhost:8081/.well-known/oauth-protected-resource");
    }

    #[test]
    fn a_resource_is_an_https_address() {
        for resource in
            ["journal", "urn:journal", "http://api.example", "https://api.example#a", "https://api.example?a=b"]
        {
            assert!(Metadata::new("https://id.example", resource, &[]).is_err(), "{resource}");
        }
    }
}
