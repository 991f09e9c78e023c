//! Answers that the browser carries to an app in a form (OAuth 2.0 Form Post Response Mode 1.0).

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::frame::Frame;

/// What the page's one script says; its policy knows it by its hash, so that no other runs.
const SCRIPT: &str = "document.forms[0].submit()";

/// Nothing but our own styles and pictures, that script, and the app at the form's other end: `form-action` would be applied to every
/// redirect that follows there.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'sha256-ePniVEkSivX/c7XWBGafqh8tSpiRrKiqYeqbG7N1TOE='; \
     style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// An answer on its way to an app.
#[derive(Clone)]
pub struct FormPost {
    action: String,
    fields: Vec<(&'static str, String)>,
}

impl std::fmt::Debug for FormPost {
    /// Without the fields: a code is among them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FormPost").field("action", &self.action).finish_non_exhaustive()
    }
}

impl FormPost {
    /// To this address, with these fields.
    pub fn new(action: String, fields: Vec<(&'static str, String)>) -> Self {
        Self { action, fields }
    }

    pub(super) fn in_words(self, frame: Frame) -> FormPostPage {
        FormPostPage { frame, action: self.action, fields: self.fields, script: SCRIPT }
    }
}

impl IntoResponse for FormPost {
    /// An answer without words: [`render`](super::error_page::render) adds them.
    fn into_response(self) -> Response {
        let mut response = StatusCode::OK.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The page that sends itself on, and has a button where no script runs.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/form_post.html")]
pub(super) struct FormPostPage {
    frame: Frame,
    action: String,
    fields: Vec<(&'static str, String)>,
    script: &'static str,
}

/// For the tests of templates; they look at all pages in one place.
#[cfg(test)]
pub(crate) fn samples(frame: &Frame, text: &str) -> Vec<(&'static str, String)> {
    let fields = vec![("code", text.to_owned()), ("state", text.to_owned())];
    let page = FormPost::new("https://app.example/cb".to_owned(), fields).in_words(frame.clone());
    vec![("form_post.html", page.render().unwrap())]
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    #[test]
    fn the_policy_lets_the_one_script_run() {
        let digest = STANDARD.encode(openssl::sha::sha256(SCRIPT.as_bytes()));
        assert!(POLICY.contains(&format!("script-src 'sha256-{digest}';")), "{digest}");
    }

    #[test]
    fn what_goes_to_an_app_is_in_no_log() {
        let post = FormPost::new("https://app.example/cb".to_owned(), vec![("code", "s3cret".to_owned())]);
        assert!(!format!("{post:?}").contains("s3cret"));
    }
}
