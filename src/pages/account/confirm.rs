//! `/account/confirm?to=…`: whoever changes something that matters proves anew who they are, unless they just did.

#[cfg(test)]
use std::time::Duration;

use askama::Template;
use askama_web::WebTemplate;
use axum::{extract::State, http::HeaderMap, response::Response};

use super::super::{
    Answer,
    login::{self as login_page, Refusal},
    unique,
};
use crate::{
    app::App,
    domain::user::User,
    http::{
        csrf,
        error_page::ErrorPage,
        form::{Form, FormError, Parameters, Query},
        frame::Frame,
        headers::{PAGE_POLICY, page},
        owner::{Place, address, owner},
        sign_in::{Onward, sign_in},
        state::AppState,
        visitor::Visitor,
    },
    login::password,
};

/// Asks for the password of who is signed in.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/account_confirm.html")]
struct ConfirmPage {
    frame: Frame,
    /// Where the form goes.
    action: String,
    /// The form's token.
    csrf: String,
    /// Whose password it is.
    account: String,
    /// Where the person came from.
    back: &'static str,
    /// Why the last try failed.
    refusal: Option<Refusal>,
}

impl ConfirmPage {
    fn is_mismatch(&self) -> bool {
        self.refusal == Some(Refusal::Mismatch)
    }
}

/// Where the person goes afterwards. An address that names no place of ours leads to the overview.
fn destination(query: Result<Parameters, FormError>) -> Result<Place, ErrorPage> {
    Ok(unique(query)?.get("to").and_then(Place::named).unwrap_or(Place::Overview))
}

fn show(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
    (user, place): (&User, Place),
    refusal: Option<Refusal>,
) -> Response {
    let form = ConfirmPage {
        frame,
        action: address("/account/confirm", place),
        csrf: csrf::token(app, visitor),
        account: user.email.clone(),
        back: Place::Overview.path(),
        refusal,
    };
    login_page::answer(refusal, page(PAGE_POLICY, &form.frame), form)
}

/// `GET /account/confirm?to=…`
pub async fn get(
    State(AppState { app, .. }): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Query(query): Query,
) -> Response {
    let answer = ask(&app, &visitor, frame, &headers, query).await;
    visitor.remember(&app, answer)
}

async fn ask(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
    headers: &HeaderMap,
    query: Result<Parameters, FormError>,
) -> Answer {
    let place = destination(query)?;
    Ok(match owner(app, headers, place).await {
        Ok(owner) => show(app, visitor, frame, (&owner.user, place), None),
        Err(instead) => instead,
    })
}

/// `POST /account/confirm?to=…`
pub async fn post(
    State(AppState { app, .. }): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Query(query): Query,
    Form(form): Form,
) -> Response {
    let answer = confirm(&app, &visitor, frame, &headers, query, form).await;
    visitor.remember(&app, answer)
}

async fn confirm(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
    headers: &HeaderMap,
    query: Result<Parameters, FormError>,
    form: Result<Parameters, FormError>,
) -> Answer {
    let form = unique(form)?;
    if !csrf::is_valid(app, visitor, &form) {
        return Err(ErrorPage::forged_form());
    }
    let place = destination(query)?;
    let user = match owner(app, headers, place).await {
        Ok(owner) => owner.user,
        Err(instead) => return Ok(instead),
    };
    let password = form.owned("password").unwrap_or_default();
    let refusal = match password::prove_again(app, &user, password, &visitor.device, app.clock.now()).await {
        Ok(proof) => match sign_in(app, visitor, headers, &proof, &Onward::Account(place)).await? {
            Some(response) => return Ok(response),
            None => Refusal::Mismatch,
        },
        Err(error) => Refusal::try_from(error)?,
    };
    Ok(show(app, visitor, frame, (&user, place), Some(refusal)))
}

#[cfg(test)]
pub(in crate::pages) fn samples(frame: &Frame, text: &str) -> Vec<crate::pages::tests::Sample> {
    let own = || text.to_owned();
    let refusals = [Refusal::Mismatch, Refusal::Throttled(Duration::from_secs(8)), Refusal::Busy].map(Some);
    [None]
        .into_iter()
        .chain(refusals)
        .map(|refusal| ConfirmPage {
            frame: frame.clone(),
            action: own(),
            csrf: own(),
            account: own(),
            back: "/account",
            refusal,
        })
        .map(|page| ("account_confirm.html", page.render().unwrap()))
        .collect()
}
