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
    #[template(skip)]
    status: StatusCode,
    title: String,
    message: String,
}

impl ErrorPage {
    /// The app that sent the person here made a mistake.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, title: "This sign-in cannot go on".to_owned(), message: message.into() }
    }

    /// There is nothing at this address.
    pub fn not_found() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            title: "There is no page here".to_owned(),
            message: "Check the address, or go back to where you came from.".to_owned(),
        }
    }

    /// A form did not come from a page that this browser was shown.
    pub fn forged_form() -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            title: "This form has expired".to_owned(),
            message: "Nothing was changed. Go back, reload the page and try again; if it happens again, allow cookies \
                      for this site."
                .to_owned(),
        }
    }

    /// A request in an address is too old, or another browser's.
    pub fn expired() -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            title: "This sign-in has expired".to_owned(),
            message:
                "Go back to the app and sign in from there again. If it happens at once, allow cookies for this site."
                    .to_owned(),
        }
    }

    /// The app is not registered any more.
    pub fn unregistered() -> Self {
        Self::bad_request("The app that you came from is no longer registered here.")
    }

    /// A single-use link was used, or is too old.
    pub fn spent_link() -> Self {
        Self {
            status: StatusCode::GONE,
            title: "This link does not work any more".to_owned(),
            message: "It was used already, a newer one was made, or it has expired. Ask for a new one.".to_owned(),
        }
    }

    /// Too much at once.
    pub fn busy() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            title: "Too many people at once".to_owned(),
            message: "Wait a moment, then try again. Nothing was lost.".to_owned(),
        }
    }

    /// Something broke on our side. What it was is for the log alone.
    pub fn broken(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "a page could not be answered");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            title: "Something went wrong on our side".to_owned(),
            message: "Nothing was changed. Try again in a moment.".to_owned(),
        }
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
