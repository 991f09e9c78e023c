//! `/login`: a person signs in by user name or mail address and password.
//!
//! With `i` the sign-in is for an app, and goes on at `/authorize/resume`; with `to`, for a page of the account area; without
//! either it ends at the start page.

use std::time::Duration;

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, IntoResponseParts, Response},
};

use super::{
    Answer, WRONG_INPUT,
    errand::{self, Asked},
    purpose::Purpose,
    shown_client::ShownClient,
    unique,
};
use crate::{
    app::App,
    domain::accounts::Manner,
    http::{
        csrf,
        error_page::ErrorPage,
        form::{Form, FormError, Parameters, Query},
        frame::Frame,
        headers::page,
        sign_in::{ACCOUNTS, sign_in},
        state::AppState,
        visitor::Visitor,
    },
    login::{
        Proof,
        password::{self, LoginError},
    },
};

/// No user name or mail address is longer: those have at most 64 and 254 characters.
const MAX_NAME_CHARS: usize = 256;

/// Why nobody was signed in, as far as the person may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Name and password do not belong together.
    Mismatch,
    /// Too many tries.
    Throttled(Duration),
    /// Too many people at once.
    Busy,
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Self::Mismatch => WRONG_INPUT,
            Self::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// After how many seconds another try makes sense.
    fn retry_after(self) -> Option<u64> {
        match self {
            Self::Mismatch => None,
            Self::Throttled(wait) => Some(wait.as_secs()),
            Self::Busy => Some(2),
        }
    }
}

impl TryFrom<LoginError> for Refusal {
    type Error = ErrorPage;

    /// What the person may know of it; a page of its own where it is ours.
    fn try_from(error: LoginError) -> Result<Self, ErrorPage> {
        match error {
            LoginError::Invalid => Ok(Self::Mismatch),
            LoginError::Throttled(throttled) => Ok(Self::Throttled(whole_seconds(throttled.retry_after))),
            LoginError::Busy => Ok(Self::Busy),
            LoginError::Hash(error) => Err(ErrorPage::broken(&error)),
            LoginError::Store(error) => Err(error.into()),
        }
    }
}

/// How long to wait: whole seconds, rounded up, at least one.
pub(super) fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs((time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1))
}

/// What is in the form when it is shown.
struct Filled<'a> {
    username: &'a str,
    refusal: Option<Refusal>,
}

/// The sign-in form.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/login.html")]
struct LoginPage {
    frame: Frame,
    /// Where the form goes.
    action: String,
    /// The form's token.
    csrf: String,
    /// The app that the sign-in is for.
    client: Option<ShownClient>,
    /// The way back to the accounts that are signed in, and stay so.
    accounts: Option<String>,
    /// What stands in the name field.
    username: String,
    /// Why the last try failed.
    refusal: Option<Refusal>,
    /// For those who forgot their password.
    recover: Option<String>,
    /// For those who have no account.
    sign_up: Option<String>,
}

impl LoginPage {
    fn is_mismatch(&self) -> bool {
        self.refusal == Some(Refusal::Mismatch)
    }
}

fn show(app: &App, visitor: &Visitor, frame: Frame, purpose: &Purpose, filled: &Filled<'_>) -> Response {
    let refusal = filled.refusal;
    let form = LoginPage {
        action: purpose.onward().by("/login"),
        csrf: csrf::token(app, visitor),
        client: purpose.client(frame.language()),
        accounts: match purpose.onward().manner() {
            Manner::Beside => Some(purpose.onward().by(ACCOUNTS)),
            Manner::Instead => None,
        },
        frame,
        username: shorten(filled.username).to_owned(),
        refusal,
        recover: errand::way(app, Asked::Recover, purpose),
        sign_up: errand::way(app, Asked::SignUp, purpose),
    };
    answer(refusal, page(purpose.policy(), &form.frame), form)
}

/// A form that asks for a proof, with the status that tells what was wrong with the last one.
pub(super) fn answer(refusal: Option<Refusal>, headers: impl IntoResponseParts, form: impl IntoResponse) -> Response {
    let status = refusal.map_or(StatusCode::OK, Refusal::status);
    let mut response = (status, headers, form).into_response();
    if let Some(seconds) = refusal.and_then(Refusal::retry_after) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

pub(super) fn shorten(name: &str) -> &str {
    name.char_indices().nth(MAX_NAME_CHARS).and_then(|(end, _)| name.get(..end)).unwrap_or(name)
}

/// `GET /login`
pub async fn get(State(state): State<AppState>, visitor: Visitor, frame: Frame, Query(query): Query) -> Response {
    let answer = ask(&state.app, &visitor, frame, query).await;
    visitor.remember(&state.app, answer)
}

async fn ask(app: &App, visitor: &Visitor, frame: Frame, query: Result<Parameters, FormError>) -> Answer {
    let purpose = Purpose::open(app, visitor, &unique(query)?).await?;
    Ok(show(app, visitor, frame, &purpose, &Filled { username: purpose.login_hint(), refusal: None }))
}

/// `POST /login`
pub async fn post(
    State(state): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Query(query): Query,
    Form(form): Form,
) -> Response {
    let answer = take(&state.app, &visitor, frame, &headers, query, form).await;
    visitor.remember(&state.app, answer)
}

async fn take(
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
    let purpose = Purpose::open(app, visitor, &unique(query)?).await?;
    let username = shorten(form.get("username").unwrap_or_default());
    let password = form.owned("password").unwrap_or_default();

    let refusal = match password::prove(app, username, password, &visitor.device, app.clock.now()).await {
        Ok(proof) => {
            let proof = Proof { shown: purpose.shown(), ..proof };
            match sign_in(app, visitor, headers, &proof, &purpose.onward()).await? {
                Some(response) => return Ok(response),
                None => Refusal::Mismatch,
            }
        }
        Err(error) => Refusal::try_from(error)?,
    };
    Ok(show(app, visitor, frame, &purpose, &Filled { username, refusal: Some(refusal) }))
}

#[cfg(test)]
pub(super) fn samples(frame: &Frame, text: &str) -> Vec<super::tests::Sample> {
    let own = || text.to_owned();
    let refusals = [Refusal::Mismatch, Refusal::Throttled(Duration::from_secs(8)), Refusal::Busy].map(Some);
    let mut samples = Vec::new();
    for refusal in [None].into_iter().chain(refusals) {
        for client in [None, Some(ShownClient::sample(text, true)), Some(ShownClient::sample(text, false))] {
            let way = || refusal.is_none().then(own);
            let (recover, sign_up) = (way(), way());
            let (frame, action, csrf, username) = (frame.clone(), own(), own(), own());
            let accounts = client.is_none().then(own);
            let page = LoginPage { frame, action, csrf, client, accounts, username, refusal, recover, sign_up };
            samples.push(("login.html", page.render().unwrap()));
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up() {
        for (millis, seconds) in [(0, 1), (1_001, 2), (900_000, 900)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), Duration::from_secs(seconds));
        }
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(shorten("ada"), "ada");
        assert_eq!(shorten(&"é".repeat(300)), "é".repeat(256));
    }
}
