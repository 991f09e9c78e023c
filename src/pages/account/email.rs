//! `/account/email`: the mail address. A new one counts once a link that was sent there is followed.

use std::time::Duration;

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

use super::{
    super::{Answer, WRONG_INPUT, go_to, unique},
    Navigation,
};
use crate::{
    app::App,
    domain::{
        errand::{Errand, Wish},
        user::{User, parse_email},
    },
    http::{
        csrf,
        error_page::ErrorPage,
        form::{Form, FormError, Parameters, Query},
        frame::Frame,
        headers::{PAGE_POLICY, page},
        owner::{Place, fresh_owner},
        state::AppState,
        visitor::Visitor,
    },
    login::errand,
};

/// Where the page is again once a mail is on its way.
const SENT: &str = "/account/email?sent=yes";

/// The form.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/account_email.html")]
struct EmailPage {
    frame: Frame,
    /// The way to the other pages.
    navigation: Navigation,
    /// The form's token.
    csrf: String,
    /// The address.
    email: String,
    /// Whether it was proven to be theirs.
    email_verified: bool,
    /// The new one as it was filled in.
    filled: String,
    /// Whether that is none.
    is_wrong: bool,
    /// Whether a mail was sent just now.
    is_sent: bool,
    /// How long the link in it works.
    lifetime: Duration,
}

/// What stands in the form.
#[derive(Default)]
struct Shown<'a> {
    wrong: Option<&'a str>,
    is_sent: bool,
}

fn show(app: &App, visitor: &Visitor, frame: Frame, user: &User, shown: &Shown<'_>) -> Response {
    let form = EmailPage {
        frame,
        navigation: Navigation { here: Place::Email },
        csrf: csrf::token_of_owner(app, visitor),
        email: user.email.clone(),
        email_verified: user.email_verified,
        filled: shown.wrong.unwrap_or_default().to_owned(),
        is_wrong: shown.wrong.is_some(),
        is_sent: shown.is_sent,
        lifetime: app.settings.lifetimes.link,
    };
    let status = if form.is_wrong { WRONG_INPUT } else { StatusCode::OK };
    (status, page(PAGE_POLICY, &form.frame), form).into_response()
}

/// `GET /account/email`
pub async fn get(
    State(AppState { app, .. }): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Query(query): Query,
) -> Response {
    let shown = Shown { wrong: None, is_sent: query.is_ok_and(|query| query.has("sent")) };
    let answer = match fresh_owner(&app, &headers, Place::Email).await {
        Ok(owner) => show(&app, &visitor, frame, &owner.user, &shown),
        Err(instead) => instead,
    };
    visitor.remember(&app, answer)
}

/// `POST /account/email`
pub async fn post(
    State(AppState { app, .. }): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    let answer = ask(&app, &visitor, frame, &headers, form).await;
    visitor.remember(&app, answer)
}

async fn ask(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
    headers: &HeaderMap,
    form: Result<Parameters, FormError>,
) -> Answer {
    let form = unique(form)?;
    if !csrf::is_of_owner(app, visitor, &form) {
        return Err(ErrorPage::forged_form());
    }
    let user = match fresh_owner(app, headers, Place::Email).await {
        Ok(owner) => owner.user,
        Err(instead) => return Ok(instead),
    };
    let wish = if form.has("verify") {
        Wish::VerifyEmail(user.id)
    } else {
        let filled = form.get("email").unwrap_or_default();
        match parse_email(filled) {
            Ok(email) => Wish::ChangeEmail(user.id, email),
            Err(_) => return Ok(show(app, visitor, frame, &user, &Shown { wrong: Some(filled), is_sent: false })),
        }
    };
    let (locale, from) = (frame.language().tag().to_owned(), visitor.device.personal());
    let errand = Errand { wish, locale, request: None, from };
    errand::leave(app, &errand, &visitor.device, app.clock.now()).await?;
    Ok(go_to(SENT))
}

#[cfg(test)]
pub(in crate::pages) fn samples(frame: &Frame, text: &str) -> Vec<crate::pages::tests::Sample> {
    let own = || text.to_owned();
    [(false, false), (true, false), (false, true)]
        .map(|(is_wrong, is_sent)| EmailPage {
            frame: frame.clone(),
            navigation: Navigation { here: Place::Email },
            csrf: own(),
            email: own(),
            email_verified: is_sent,
            filled: own(),
            is_wrong,
            is_sent,
            lifetime: Duration::from_mins(30),
        })
        .map(|page| ("account_email.html", page.render().unwrap()))
        .into()
}
