//! The browser after a sign-out: it loads what the apps of the session asked for, unseen, and goes on (OpenID Connect Front-Channel
//! Logout 1.0).

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    error_page::ErrorPage,
    frame::Frame,
    headers::page_on_the_way,
    session::{self, Keep},
};
use crate::{app::App, domain::logout::origins};

/// What the page's one script says; its policy knows it by its hash, so that no other runs. The event comes when all frames are
/// loaded; an app that does not answer is not waited for.
const SCRIPT: &str = "const go = () => location.replace(document.getElementById('onward').href); \
     addEventListener('load', go); setTimeout(go, 5000)";
/// As the policy knows it.
const SCRIPT_HASH: &str = "sha256-wjcl4MFzLSCtthluPP+Mydug2iRWiDvl9jRA/pL42Go=";

/// A browser that is signed out.
#[derive(Clone, Debug)]
pub(super) struct FrontChannel {
    /// What it loads.
    uris: Vec<String>,
    /// Where it goes then.
    onward: String,
}

/// Has a browser load what apps asked for, and sends it on. Of its sessions those are left that are kept; all of them, where nothing
/// is said.
pub fn leave(app: &App, uris: Vec<String>, onward: &str, kept: Option<Keep<'_>>) -> Response {
    let Ok(location) = HeaderValue::try_from(onward) else { return ErrorPage::expired().into_response() };
    let mut response = if uris.is_empty() {
        let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        (StatusCode::SEE_OTHER, headers).into_response()
    } else {
        FrontChannel { uris, onward: onward.to_owned() }.into_response()
    };
    if let Some(kept) = kept {
        session::keep(app, response.headers_mut(), kept);
    }
    response
}

impl IntoResponse for FrontChannel {
    /// An answer without words: [`render`](super::error_page::render) adds them.
    fn into_response(self) -> Response {
        let mut response = StatusCode::OK.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl FrontChannel {
    pub(super) fn in_words(self, frame: Frame) -> ([(HeaderName, HeaderValue); 5], FrontChannelPage) {
        let headers = page_on_the_way(policy(&self.uris), &frame);
        (headers, FrontChannelPage { frame, uris: self.uris, onward: self.onward, script: SCRIPT })
    }
}

/// Nothing but our own styles and pictures, that script, and what the apps registered.
fn policy(uris: &[String]) -> HeaderValue {
    let origins: Vec<_> = origins(uris).into_iter().collect();
    let policy = format!(
        "default-src 'none'; script-src '{SCRIPT_HASH}'; style-src 'self'; img-src 'self'; frame-src {}; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        origins.join(" ")
    );
    // Origins are ASCII. Without them nothing would be loaded, and nothing else be allowed.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
}

/// The page. Where no script runs it goes on by itself as well, and has a link.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/front_channel.html")]
pub(super) struct FrontChannelPage {
    frame: Frame,
    uris: Vec<String>,
    onward: String,
    script: &'static str,
}

/// For the tests of templates; they look at all pages in one place.
#[cfg(test)]
pub(crate) fn samples(frame: &Frame, text: &str) -> Vec<(&'static str, String)> {
    let (uris, onward) = (vec![text.to_owned(), "https://app.example/out".to_owned()], text.to_owned());
    let (_, page) = FrontChannel { uris, onward }.in_words(frame.clone());
    vec![("front_channel.html", page.render().unwrap())]
}

/// What the tests of templates know the script by.
#[cfg(test)]
pub(crate) fn script() -> String {
    format!("<script>{SCRIPT}</script>")
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    #[test]
    fn the_policy_lets_the_one_script_run_and_frames_what_apps_registered() {
        let digest = STANDARD.encode(openssl::sha::sha256(SCRIPT.as_bytes()));
        assert_eq!(SCRIPT_HASH, format!("sha256-{digest}"));
        let policy = policy(&["https://a.example/out?x".to_owned(), "https://b.example:8443/".to_owned()]);
        let policy = policy.to_str().unwrap();
        assert!(policy.contains("; frame-src https://a.example https://b.example:8443; "), "{policy}");
        assert!(policy.contains(&format!("; script-src '{SCRIPT_HASH}'; ")), "{policy}");
    }
}
