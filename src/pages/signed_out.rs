//! `/signed-out`: where a person ends who signed out, if no app wants them back.

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};

use super::Answer;
use crate::{
    app::App,
    http::{
        csrf,
        frame::Frame,
        headers::{PAGE_POLICY, page},
        session,
        sign_in::ACCOUNTS,
        state::AppState,
        visitor::Visitor,
    },
};

/// Says that it is done.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/signed_out.html")]
struct SignedOutPage {
    frame: Frame,
    /// The form's token.
    csrf: String,
    /// Where the others are, if there are any that are still signed in on this browser.
    others: Option<&'static str>,
}

/// `GET /signed-out`
pub async fn get(
    State(AppState { app, .. }): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
) -> Response {
    let answer = show(&app, &visitor, frame, &headers).await;
    visitor.remember(&app, answer)
}

async fn show(app: &App, visitor: &Visitor, frame: Frame, headers: &HeaderMap) -> Answer {
    let accounts = session::accounts(app, headers).await?;
    let others = (!accounts.beside.is_empty()).then_some(ACCOUNTS);
    let shown = SignedOutPage { frame, csrf: csrf::token(app, visitor), others };
    Ok((page(PAGE_POLICY, &shown.frame), shown).into_response())
}

#[cfg(test)]
pub(super) fn samples(frame: &Frame, text: &str) -> Vec<super::tests::Sample> {
    [None, Some(ACCOUNTS)]
        .map(|others| SignedOutPage { frame: frame.clone(), csrf: text.to_owned(), others })
        .map(|page| ("signed_out.html", page.render().unwrap()))
        .into()
}
