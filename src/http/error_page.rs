//! What a person is shown when something went wrong and no client can be told.

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{headers, interaction::InteractionError};
use crate::store::StoreError;

/// A page that says what happened and what to do.
#[derive(Debug, Template)]
#[template(path = "page/error.html")]
pub struct ErrorPage {
    status: StatusCode,
    title: &'static str,
    message: String,
    advice: Option<&'static str>,
}

impl ErrorPage {
    fn new(status: StatusCode, title: &'static str, message: impl Into<String>) -> Self {
        Self { status, title, message: message.into(), advice: None }
    }

    /// The app that sent the person here made a mistake.
    pub fn bad_request(message: impl Into<String>) -> Self {
        let advice =
            "Go back to the app and try again. If it happens again, tell the people who run the app what stands here.";
        let page = Self::new(StatusCode::BAD_REQUEST, "This cannot go on", message);
        Self { advice: Some(advice), ..page }
    }

    /// There is nothing at this address.
    pub fn not_found() -> Self {
        let message = "Check the address, or go back to where you came from.";
        Self::new(StatusCode::NOT_FOUND, "There is no page here", message)
    }

    /// The page is there, but not for this method.
    pub fn method_not_allowed() -> Self {
        let message = "Go back to where you came from, and try again.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "This page cannot be used like that", message)
    }

    /// A form did not come from a page that this browser was shown.
    pub fn forged_form() -> Self {
        let message = "Nothing was changed. Go back, reload the page and try again; if it happens again, allow cookies for \
                       this site.";
        Self::new(StatusCode::FORBIDDEN, "This form has expired", message)
    }

    /// A request in an address is too old, or another browser's.
    pub fn expired() -> Self {
        let message =
            "Go back to the app and start from there again. If it happens at once, allow cookies for this site.";
        Self::new(StatusCode::BAD_REQUEST, "This request has expired", message)
    }

    /// The app is not registered any more.
    pub fn unregistered() -> Self {
        Self::bad_request("The app that you came from is no longer registered here.")
    }

    /// A single-use link was used, or is too old.
    pub fn spent_link() -> Self {
        let message = "It was used already, a newer one was made, or it has expired. Ask for a new one.";
        Self::new(StatusCode::GONE, "This link does not work any more", message)
    }

    /// Too much at once.
    pub fn busy() -> Self {
        let message = "Wait a moment, then try again. Nothing was lost.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Too many people at once", message)
    }

    /// Something broke on our side. What it was is for the log alone.
    pub fn broken(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "a page could not be answered");
        let message = "Nothing was changed. Try again in a moment.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on our side", message)
    }

    /// With another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
}

impl IntoResponse for ErrorPage {
    fn into_response(self) -> Response {
        let status = self.status;
        let template = WebTemplate(self);
        (status, headers::page(headers::PAGE_POLICY), template).into_response()
    }
}

impl From<StoreError> for ErrorPage {
    fn from(error: StoreError) -> Self {
        Self::broken(&error)
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
