//! What a person is shown when something went wrong and no client can be told.

use std::time::Duration;

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::{FromRequestParts, Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    form::FormError,
    form_post::{self, FormPost},
    frame::Frame,
    front_channel::FrontChannel,
    headers::{PAGE_POLICY, page},
    interaction::InteractionError,
    state::AppState,
};
use crate::{store::StoreError, text::Value};

/// What went wrong, by the keys of its texts: it is put into words by [`render`], in the reader's language.
#[derive(Clone, Copy, Debug)]
pub struct ErrorPage {
    status: StatusCode,
    title: &'static str,
    message: &'static str,
    /// What the message says of a request that cannot be read.
    problem: Option<&'static str>,
    /// How long the message says to wait.
    wait: Option<Duration>,
    /// After how many seconds another try is worth it, for programs.
    retry_after: Option<u32>,
    advice: Option<&'static str>,
}

/// Who sent a request that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The app that sent the person here.
    App,
    /// The person's own browser, from a page of ours.
    Browser,
}

impl ErrorPage {
    fn new(status: StatusCode, title: &'static str, message: &'static str) -> Self {
        Self { status, title, message, problem: None, wait: None, retry_after: None, advice: None }
    }

    fn unavailable(title: &'static str, message: &'static str, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, title, message) }
    }

    /// The app that sent the person here made a mistake: the one that this text tells.
    pub fn bad_request(message: &'static str) -> Self {
        let page = Self::new(StatusCode::BAD_REQUEST, "error-request-title", message);
        Self { advice: Some("error-request-advice"), ..page }
    }

    /// A request that cannot be read.
    pub fn unreadable(sender: Sender, error: FormError) -> Self {
        let page = Self::bad_request(match sender {
            Sender::App => "error-sent-by-app",
            Sender::Browser => "error-sent-by-browser",
        });
        Self { status: error.status(), problem: Some(error.as_str()), ..page }
    }

    /// There is nothing at this address.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "error-not-found-title", "error-not-found")
    }

    /// The page is there, but not for this method.
    pub fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "error-method-title", "error-method")
    }

    /// A form did not come from a page that this browser was shown.
    pub fn forged_form() -> Self {
        Self::new(StatusCode::FORBIDDEN, "error-form-title", "error-form")
    }

    /// A request in an address is too old, or another browser's.
    pub fn expired() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "error-expired-title", "error-expired")
    }

    /// The app is not registered any more.
    pub fn unregistered() -> Self {
        Self::bad_request("error-unregistered")
    }

    /// A single-use link was used, or is too old.
    pub fn spent_link() -> Self {
        Self::new(StatusCode::GONE, "error-link-title", "error-link")
    }

    /// Too much at once.
    pub fn busy() -> Self {
        Self::unavailable("error-busy-title", "error-busy", 1)
    }

    /// One person, or one address, asked for too much: they may go on after this time.
    pub fn too_many(wait: Duration) -> Self {
        let page = Self::new(StatusCode::TOO_MANY_REQUESTS, "error-too-many-title", "error-too-many");
        Self { wait: Some(wait), ..page }
    }

    /// Something broke on our side. What it was is for the log alone.
    pub fn broken(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "a page could not be answered");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "error-broken-title", "error-broken")
    }

    fn in_words(self, frame: Frame) -> ErrorWords {
        let problem = self.problem.map(|problem| ("problem", Value::Own(problem)));
        let wait = self.wait.map(|wait| ("wait", Value::Span(wait)));
        let values: Vec<_> = problem.into_iter().chain(wait).collect();
        ErrorWords {
            title: frame.text(self.title),
            message: frame.with(self.message, &values),
            advice: self.advice.map(|advice| frame.text(advice)),
            frame,
        }
    }
}

/// The page as it is shown.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/error.html")]
struct ErrorWords {
    frame: Frame,
    title: String,
    message: String,
    advice: Option<String>,
}

/// Puts an [`ErrorPage`], a [`FormPost`] or a page after a sign-out into words. It stands around the handlers, so that none of them
/// needs to know who reads.
pub async fn render(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut response = next.run(Request::from_parts(parts.clone(), body)).await;
    let error = response.extensions_mut().remove::<ErrorPage>();
    let form = response.extensions_mut().remove::<FormPost>();
    let left = response.extensions_mut().remove::<FrontChannel>();
    if error.is_none() && form.is_none() && left.is_none() {
        return response;
    }
    let Ok(frame) = Frame::from_request_parts(&mut parts, &state).await;
    let words = match (error, form, left) {
        (_, _, Some(left)) => left.in_words(frame).into_response(),
        (_, Some(form), None) => (page(form_post::POLICY, &frame), form.in_words(frame)).into_response(),
        (Some(error), None, None) => (page(PAGE_POLICY, &frame), error.in_words(frame)).into_response(),
        (None, None, None) => return response,
    };
    let (words, body) = words.into_parts();
    response.headers_mut().extend(words.headers);
    *response.body_mut() = body;
    response
}

impl IntoResponse for ErrorPage {
    /// An answer without words: [`render`] adds them.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for ErrorPage {
    fn from(error: StoreError) -> Self {
        if !error.may_pass() {
            return Self::broken(&error);
        }
        tracing::error!(%error, "the database failed");
        Self::unavailable("error-broken-title", "error-broken", 5)
    }
}

impl From<InteractionError> for ErrorPage {
    fn from(error: InteractionError) -> Self {
        match error {
            InteractionError::Expired => Self::expired(),
            InteractionError::TooMany => Self::busy(),
            InteractionError::Store(error) => error.into(),
        }
    }
}

/// The page in every state, for the tests of templates; they look at all pages in one place.
#[cfg(test)]
pub(crate) fn samples(frame: &Frame, _: &str) -> Vec<(&'static str, String)> {
    [
        ErrorPage::not_found(),
        ErrorPage::unregistered(),
        ErrorPage::unreadable(Sender::App, FormError::Encoding),
        ErrorPage::unreadable(Sender::Browser, FormError::Repeated),
        ErrorPage::too_many(Duration::from_secs(8)),
    ]
    .map(|page| ("error.html", page.in_words(frame.clone()).render().unwrap()))
    .into()
}
