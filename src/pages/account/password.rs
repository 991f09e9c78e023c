//! `/account/password`: another password, for whoever knows the present one.

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

use super::{
    super::{
        Answer, WRONG_INPUT, go_to,
        login::{self as login_page, Refusal},
        password_words, unique,
    },
    Navigation,
};
use crate::{
    app::App,
    domain::{
        credential::{Password, PasswordError},
        user::User,
    },
    http::{
        csrf,
        error_page::ErrorPage,
        form::{Form, FormError, Parameters, Query},
        frame::Frame,
        headers::{PAGE_POLICY, page},
        owner::{Place, fresh_owner},
        session::{self, Keep},
        state::AppState,
        visitor::Visitor,
    },
    login::change_password::{self, Change, ChangeError},
    passwords::HashError,
};

/// Where the page is again once the password was changed.
const CHANGED: &str = "/account/password?saved=yes";

/// The form.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/account_password.html")]
struct PasswordPage {
    frame: Frame,
    /// The way to the other pages.
    navigation: Navigation,
    /// The form's token.
    csrf: String,
    /// Whose password it is.
    account: String,
    /// What is wrong with it.
    problem: Option<Problem>,
    /// Whether it was changed just now.
    is_saved: bool,
}

impl PasswordPage {
    fn concerns_present(&self) -> bool {
        matches!(self.problem, Some(Problem::Present(_)))
    }

    fn concerns_new(&self) -> bool {
        matches!(self.problem, Some(Problem::New(_)))
    }
}

/// What is wrong with a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    /// The present password.
    Present(Refusal),
    /// The new one.
    New(PasswordError),
}

fn show(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
    user: &User,
    (problem, is_saved): (Option<Problem>, bool),
) -> Response {
    let form = PasswordPage {
        frame,
        navigation: Navigation { here: Place::Password },
        csrf: csrf::token_of_owner(app, visitor),
        account: user.email.clone(),
        problem,
        is_saved,
    };
    let headers = page(PAGE_POLICY, &form.frame);
    match problem {
        Some(Problem::Present(refusal)) => login_page::answer(Some(refusal), headers, form),
        Some(Problem::New(_)) => (WRONG_INPUT, headers, form).into_response(),
        None => (StatusCode::OK, headers, form).into_response(),
    }
}

/// `GET /account/password`
pub async fn get(
    State(AppState { app, .. }): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Query(query): Query,
) -> Response {
    let is_saved = query.is_ok_and(|query| query.has("saved"));
    let answer = match fresh_owner(&app, &headers, Place::Password).await {
        Ok(owner) => show(&app, &visitor, frame, &owner.user, (None, is_saved)),
        Err(instead) => instead,
    };
    visitor.remember(&app, answer)
}

/// `POST /account/password`
pub async fn post(
    State(AppState { app, .. }): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    let answer = change(&app, &visitor, frame, &headers, form).await;
    visitor.remember(&app, answer)
}

async fn change(
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
    let owner = match fresh_owner(app, headers, Place::Password).await {
        Ok(owner) => owner,
        Err(instead) => return Ok(instead),
    };
    let present = form.owned("password").unwrap_or_default();
    let problem = match Password::chosen(form.owned("new_password").unwrap_or_default()) {
        Err(error) => Problem::New(error),
        Ok(new) => {
            let change = Change { user: &owner.user, session: &owner.session, new: &new };
            match change_password::run(app, change, present, &visitor.device, app.clock.now()).await {
                Ok(cookie) => {
                    let mut response = go_to(CHANGED);
                    session::keep(app, response.headers_mut(), Keep::Present(&cookie, &owner.session.id));
                    return Ok(response);
                }
                Err(ChangeError::New(error)) => Problem::New(error),
                Err(ChangeError::Hash(HashError::Busy)) => Problem::Present(Refusal::Busy),
                Err(ChangeError::Present(error)) => Problem::Present(Refusal::try_from(error)?),
                Err(ChangeError::Hash(error)) => return Err(ErrorPage::broken(&error)),
                Err(ChangeError::Store(error)) => return Err(error.into()),
            }
        }
    };
    Ok(show(app, visitor, frame, &owner.user, (Some(problem), false)))
}

#[cfg(test)]
pub(in crate::pages) fn samples(frame: &Frame, text: &str) -> Vec<crate::pages::tests::Sample> {
    let own = || text.to_owned();
    [
        None,
        Some(Problem::Present(Refusal::Mismatch)),
        Some(Problem::Present(Refusal::Busy)),
        Some(Problem::New(PasswordError::Weak)),
    ]
    .map(|problem| PasswordPage {
        frame: frame.clone(),
        navigation: Navigation { here: Place::Password },
        csrf: own(),
        account: own(),
        problem,
        is_saved: problem.is_none(),
    })
    .map(|page| ("account_password.html", page.render().unwrap()))
    .into()
}
