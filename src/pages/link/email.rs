//! Links that confirm a mail address.

use askama::Template;
use askama_web::WebTemplate;
use axum::response::{IntoResponse, Response};

use super::{Done, Failed, Filled, Link, Problem};
use crate::{
    app::App,
    domain::token::Digest,
    http::{
        frame::Frame,
        headers::{PAGE_POLICY, page},
    },
    login::email,
};

/// Asks whether it is meant: mail programs open links, but press no buttons.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/confirm_email.html")]
struct ConfirmEmailPage {
    frame: Frame,
    /// Stands in the address of the page: the form goes back there.
    token: String,
    /// The form's token.
    csrf: String,
    /// The mail address.
    email: String,
    /// Why it did not work.
    problem: Option<Problem>,
}

pub(super) fn form(frame: Frame, email: &str, link: &Link, csrf: String, filled: &Filled<'_>) -> Response {
    let (token, email) = (link.token.clone(), email.to_owned());
    let form = ConfirmEmailPage { frame, token, csrf, email, problem: filled.problem };
    (page(PAGE_POLICY, &form.frame), form).into_response()
}

pub(super) async fn confirm(app: &App, digest: &Digest) -> Result<Response, Failed> {
    email::confirm(app, digest, app.clock.now()).await?;
    Ok(Done::Email.go())
}

#[cfg(test)]
pub(super) fn samples(frame: &Frame, text: &str) -> Vec<crate::pages::tests::Sample> {
    let own = || text.to_owned();
    let page = |problem| {
        let (token, csrf, email) = (own(), own(), own());
        ConfirmEmailPage { frame: frame.clone(), token, csrf, email, problem }
    };
    [None, Some(Problem::Taken)].map(|problem| ("confirm_email.html", page(problem).render().unwrap())).into()
}
