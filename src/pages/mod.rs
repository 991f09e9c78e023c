//! The hosted pages: one file for each, with its template in `templates/page/`.
//!
//! Pages know nothing of the protocol. Those that a sign-in passes through get the sealed request in `i` and end with a
//! redirect to [`interaction::RESUME`], where it is decided what comes next.
//!
//! Every page has a [`frame`](crate::http::frame): its template takes all texts from there. Beside it stand `samples`, the
//! page in every state, which the tests of templates look at.

pub mod account;
pub mod accounts;
pub mod assets;
pub mod consent;
pub mod dev_mail;
pub mod errand;
pub mod link;
pub mod login;
pub mod logo;
mod own_apps;
mod password_words;
mod purpose;
mod scope_words;
pub mod second_factor;
mod shown_client;
pub mod signed_out;
pub mod start;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};

use crate::http::{
    error_page::{ErrorPage, Sender},
    form::{FormError, Parameters},
    interaction,
};

/// What a page answers: itself, or the page that says what went wrong.
type Answer = Result<Response, ErrorPage>;

/// The status of a form that is shown again, since something in it is wrong.
const WRONG_INPUT: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

/// To where the request goes on.
fn resume(sealed: &str) -> Response {
    go_to(&interaction::address(interaction::RESUME, sealed))
}

/// POST, redirect, GET.
fn go_to(path: &str) -> Response {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Redirect::to(path)).into_response()
}

/// Parameters for a page of ours, each of them once.
fn unique(parameters: Result<Parameters, FormError>) -> Result<Parameters, ErrorPage> {
    parameters.and_then(Parameters::unique).map_err(|error| ErrorPage::unreadable(Sender::Browser, error))
}

#[cfg(test)]
mod tests;
