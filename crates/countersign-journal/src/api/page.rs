//! The web client: files that npm builds. Without them the API runs all the same.

use std::{future::ready, path::PathBuf, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use tower_http::services::ServeDir;
use url::Url;

use super::{Journal, scopes};
use crate::settings::Settings;

/// What the page is made of, and what it has to know.
#[derive(Debug)]
pub(super) struct Web {
    folder: PathBuf,
    policy: HeaderValue,
    facts: Facts,
}

/// Everything here is known to whoever looks at the address bar while signing in.
#[derive(Debug, Serialize)]
struct Facts {
    issuer: String,
    client_id: String,
    audience: String,
    scope: String,
    acr_of_mfa: String,
}

impl Web {
    pub fn new(settings: &Settings) -> Self {
        // A source with a path would match that path alone.
        let provider = Url::parse(&settings.issuer).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {provider}; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'"
        );
        let facts = Facts {
            issuer: settings.issuer.clone(),
            client_id: settings.client_id.clone(),
            audience: settings.audience.clone(),
            scope: format!("openid {}", scopes().join(" ")),
            acr_of_mfa: settings.acr.clone(),
        };
        Self { folder: settings.web.clone(), policy: HeaderValue::try_from(policy).unwrap_or_else(|_| closed()), facts }
    }
}

/// A policy that lets nothing through, for an issuer that cannot stand in a header.
fn closed() -> HeaderValue {
    HeaderValue::from_static("default-src 'none'")
}

pub(super) fn router(web: &Arc<Web>) -> Router<Journal> {
    let policy = web.policy.clone();
    Router::new()
        .route("/", get(index))
        .route("/settings.json", get(async |State(journal): State<Journal>| Json(&journal.web.facts).into_response()))
        .nest_service("/assets", ServeDir::new(web.folder.join("assets")))
        .layer(middleware::map_response(move |response| ready(shield(response, policy.clone()))))
}

async fn index(State(journal): State<Journal>) -> Response {
    match tokio::fs::read_to_string(journal.web.folder.join("index.html")).await {
        Ok(page) => Html(page).into_response(),
        Err(error) => {
            tracing::debug!(%error, folder = %journal.web.folder.display(), "the page is not there");
            let how = "The journal's page is not built; its API runs without it. To build it, with Node.js:\n\n    \
                cd crates/countersign-journal/web && npm ci --ignore-scripts && npm run build\n\nand load this address \
                again. Where it is built elsewhere, --web or JOURNAL_WEB names its folder.\n";
            (StatusCode::NOT_FOUND, how).into_response()
        }
    }
}

/// No script but our own, no reader but the provider, no frame.
fn shield(mut response: Response, policy: HeaderValue) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
        // A new build is taken at once; what did not change is not sent again.
        (header::CACHE_CONTROL, "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
