//! `check_session_iframe` (OpenID Connect Session Management 1.0 §3): apps frame it, and ask it in the browser whether whoever was
//! signed in still is. It never asks us.

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};

use crate::http::{cookies::Cookie, headers::FRAMED_POLICY, state::AppState};

/// Where it is.
pub(super) const PATH: &str = "/check_session";

/// The one script; the policy knows it by its hash.
const SCRIPT: &str = include_str!("../../templates/script/check_session.js");

#[derive(Debug, Template, WebTemplate)]
#[template(path = "check_session.html")]
struct CheckSession {
    /// What discovery calls it. Nobody sees it.
    name: &'static str,
    /// The cookie that the script reads.
    cookie: &'static str,
    script: &'static str,
}

/// `GET /check_session`: the same for everybody, so that browsers may keep it, and in whatever page asks for it.
pub async fn get(State(AppState { app, .. }): State<AppState>) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(FRAMED_POLICY)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin")),
    ];
    let cookie = Cookie::BrowserState.name(&app);
    (headers, CheckSession { name: "check_session_iframe", cookie, script: SCRIPT }).into_response()
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    #[test]
    fn the_policy_lets_the_one_script_run() {
        let digest = STANDARD.encode(openssl::sha::sha256(SCRIPT.as_bytes()));
        assert!(FRAMED_POLICY.contains(&format!("script-src 'sha256-{digest}';")), "{digest}");
    }

    #[test]
    fn the_script_stands_in_the_document_as_it_is() {
        let page = CheckSession { name: "a name", cookie: "a_cookie", script: SCRIPT }.render().unwrap();
        assert!(page.contains(&format!("<script>{SCRIPT}</script>")) && page.contains("data-cookie=\"a_cookie\""));
    }
}
